"""Lines of the server's log: what they say, for machines and for people, and what they never say."""

import io
import json
import logging
from pathlib import Path

import pytest

from pipelinekit.bootstrap import open_services
from pipelinekit.errors import StorageError
from pipelinekit.rest import logs
from pipelinekit.rest.logs import JSON, TEXT, Lines


def line(style, words="", level=logging.INFO, name="pipelinekit.server", failure=None, **fields):
    """A record as a line."""
    record = logging.LogRecord(name, level, "", 0, "%s", (words,), failure)
    record.fields = fields
    return Lines(style).format(record)


def request(**more):
    fields = {"event": "request", "request": "b028b86c799c350e", "method": "GET", "path": "/api/v1/runs", "status": 200,
              "route": "/api/v1/runs", "seconds": 0.0124, "who": "anna", "token": "pcwepj0zsx59"}  # fmt: skip
    return {**fields, **more}


def test_a_request_is_a_line_of_either_kind():
    told = json.loads(line(JSON, name=logs.REQUESTS, **request()))
    assert {name: told[name] for name in request()} == request()
    assert (told["level"], told["source"]) == ("info", "pipelinekit.access")
    words = line(TEXT, name=logs.REQUESTS, **request(run="1m8d57q4mntysm"))
    end = "GET /api/v1/runs  200  12 ms  anna (pcwepj0zsx59)  run 1m8d57q4mntysm  request b028b86c799c350e"
    assert words.endswith(end)


@pytest.mark.parametrize("style", [JSON, TEXT])
def test_nobody_writes_lines_of_their_own_into_the_log(style):
    forged = 'x\n{"event": "request"}\r\x1b[31m\u2028'
    written = line(style, forged, name=logs.REQUESTS, **request(path=f"/{forged}", who=forged, odd={forged: [forged]}))
    assert len(written.splitlines()) == 1
    assert "\x1b" not in written


def test_a_traceback_is_told_whole_and_without_credentials():
    try:
        raise ValueError("postgresql://anna:geheim@db.example/records")
    except ValueError as error:
        failure = (type(error), error, error.__traceback__)
    told = json.loads(line(JSON, "it failed", logging.ERROR, failure=failure))
    assert told["traceback"][-1] == "ValueError: postgresql://***@db.example/records"
    assert told["level"] == "error"
    assert "geheim" not in line(TEXT, "it failed", failure=failure)


def test_a_log_that_cannot_be_written_is_told_once_in_words(capsys):
    terminal, kept = logs.log_to_terminal(), logs.log_to(Path("/dev/full"))
    try:
        for number in range(3):
            logs.tell(f"trouble: {StorageError(f'the disk is full ({number})', hint='free space')}")
    finally:
        logs.stop(kept)
        logs.stop(terminal)
    told = [found.split("  ", 1)[1] for found in capsys.readouterr().err.splitlines()]
    why = "trouble: the log at /dev/full cannot be written to: [Errno 28] No space left on device"
    assert sorted(told) == [*(f"trouble: the disk is full ({number}); free space" for number in range(3)), why]


def test_the_run_that_words_are_about_is_told_by_name():
    assert json.loads(line(JSON, "run 1m8d57q4mntysm begins"))["run"] == "1m8d57q4mntysm"
    assert "run" not in json.loads(line(JSON, "run nothing begins"))


def test_a_secret_that_the_server_opened_is_hidden_from_then_on(tmp_path):
    services = open_services(tmp_path)
    services.on_secrets = logs.redaction.register
    services.secrets.set("password", "correct horse battery")
    assert "correct horse" in line(JSON, "it is correct horse battery")
    services.open_secrets({"password": 0})
    for style in (JSON, TEXT):
        assert "correct horse" not in line(style, "it is correct horse battery")


def test_without_a_style_a_terminal_is_told_events_only(monkeypatch):
    for style, expected in (("", 1), (TEXT, 2), (JSON, 2)):
        written = io.StringIO()
        monkeypatch.setattr("sys.stderr", written)
        handler = logs.log_to_terminal(style)
        try:
            logs.tell("run 1m8d57q4mntysm begins")
            logging.getLogger(logs.REQUESTS).info("", extra={"fields": request()})
        finally:
            logs.stop(handler)
        assert len(written.getvalue().splitlines()) == expected, style


def test_what_libraries_warn_of_goes_through_the_same_filter(monkeypatch):
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    handler = logs.log_to_terminal()
    try:
        logging.getLogger("some.library").warning("cannot reach %s", "https://anna:geheim@host/x\nforged")
        logging.getLogger("some.library").info("nothing of interest")
    finally:
        logs.stop(handler)
    (told,) = written.getvalue().splitlines()
    assert told.endswith("cannot reach https://***@host/x\\nforged")
