"""What a server tells of itself: a line for each request and each event, through one filter."""

from __future__ import annotations

import datetime
import json
import logging
import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipelinekit.engine.redaction import Redaction

JSON, TEXT = "json", "text"
FORMATS = (TEXT, JSON)
REQUESTS = "pipelinekit.access"
EVENTS = "pipelinekit.server"
LOGGERS = (REQUESTS, EVENTS, "pipelinekit.rest", "uvicorn.error")
ALL = ""  # the logger behind all others, such as those of libraries that warn of something
redaction = Redaction()  # the one of this process: values of secrets that it opens are told to it
_RUN = re.compile(r"\brun ([0-9a-z]{14})\b")


class Lines(logging.Formatter):
    """Lines of JSON, or such as people read; both without credentials and control characters."""

    def __init__(self, style: str) -> None:
        super().__init__()
        self._is_json = style == JSON

    def format(self, record: logging.LogRecord) -> str:
        """A line."""
        fields = {name: _cleaned(value) for name, value in fields_of(record).items()}
        if self._is_json:
            return json.dumps(fields, ensure_ascii=False)
        return _readable(record, fields)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What a record says, by name."""
    at = datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds")
    told: Mapping[str, Any] = getattr(record, "fields", {})
    fields: dict[str, Any] = {"time": at, "level": record.levelname.lower(), "source": record.name, "event": "message"}
    fields.update(told)
    if words := record.getMessage():
        fields["message"] = words
        if "run" not in fields and (found := _RUN.search(words)):
            fields["run"] = found[1]
    if record.exc_info and record.exc_info[0] is not None:
        fields["traceback"] = logging.Formatter().formatException(record.exc_info).splitlines()
    return fields


def _cleaned(value: Any) -> Any:
    match value:
        case str():
            return redaction.clean(value)
        case list():
            return [_cleaned(item) for item in value]
        case dict():
            return {redaction.clean(str(name)): _cleaned(item) for name, item in value.items()}
        case _:
            return value


def _readable(record: logging.LogRecord, fields: dict[str, Any]) -> str:
    """As `serve` says what happens: the time by the local clock, then words."""
    at = datetime.datetime.fromtimestamp(record.created).strftime("%Y-%m-%d %H:%M:%S")
    if fields["event"] == "request":
        who = f"  {fields['who']} ({fields['token']})" if fields.get("who") else ""
        run = f"  run {fields['run']}" if fields.get("run") else ""
        took = f"{fields['seconds'] * 1000:.0f} ms"
        words = (
            f"{fields['method']} {fields['path']}  {fields['status']}  {took}{who}{run}  request {fields['request']}"
        )
    else:
        words = fields.get("message", "")
    return "\n    ".join([f"{at}  {words}", *fields.get("traceback", ())])


class _Events(logging.Filter):
    """Lets pass what happens to runs and schedules and what libraries warn of, and nothing of requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        return record.name == EVENTS or record.name not in LOGGERS


class _Kept(logging.FileHandler):
    """A file. Where it cannot be written to, as on a full disk, that is said once, and the server goes on."""

    _is_told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging calls it so
        """Say what keeps a line from being written; it is written later, with those that follow."""
        if not self._is_told:
            self._is_told = True
            tell(f"trouble: the log at {self.baseFilename} cannot be written to: {sys.exc_info()[1]}")

    def close(self) -> None:
        """Write no more; what could not be written is lost."""
        with suppress(OSError):
            super().close()


def log_to(place: Path) -> logging.Handler:
    """Have everything written to a file that only its owner reads, a line of JSON for each."""
    os.close(os.open(place, os.O_WRONLY | os.O_CREAT, 0o600))
    return _add(_Kept(place, encoding="utf-8"), JSON)


def log_to_terminal(style: str = "") -> logging.Handler:
    """Have what happens written to standard error; with a style that was asked for, requests as well."""
    handler = logging.StreamHandler(sys.stderr)
    if not style:
        handler.addFilter(_Events())
    return _add(handler, style or TEXT)


def stop(handler: logging.Handler) -> None:
    """Write no more to this one."""
    for name in (*LOGGERS, ALL):
        logging.getLogger(name).removeHandler(handler)
    handler.close()


def tell(words: str, source: str = "service") -> None:
    """Write down something that happened, on one line."""
    words = words.replace("\n  hint: ", "; ")  # as errors say it
    logging.getLogger(EVENTS).info("%s", words, extra={"fields": {"event": source}})


def _add(handler: logging.Handler, style: str) -> logging.Handler:
    handler.setFormatter(Lines(style))
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    logging.getLogger(ALL).addHandler(handler)
    return handler
