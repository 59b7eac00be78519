"""What `--help` says of every command, pinned: a change of it is seen by whoever makes it.

Versions of Python set the same help differently (line breaks, `-p X, --parameter X`), so that texts are compared without
their setting. To write the golden files anew: `python tests/cli/test_help.py`.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipelinekit.cli.main import COMMANDS

GOLDEN = Path(__file__).with_name("golden")
VERBS = (
    "list", "show", "logs", "wait", "outputs", "cancel", "metrics", "compare", "tag", "describe", "children", "files",
    "upload", "resume",
    "verify", "reproduce", "export", "pin", "unpin", "drive",
)  # fmt: skip
EXPERIMENT_VERBS = ("list", "show", "tag", "describe", "archive", "reactivate", "delete")
DATASET_VERBS = ("register", "list", "show", "update", "unregister", "check", "download", "lineage")
DATASTORE_VERBS = ("register", "list", "show", "unregister", "set-default", "files", "upload", "copy", "download")
COMPUTE_VERBS = (
    "create", "attach", "list", "show", "nodes", "wait", "start", "stop", "update", "delete", "detach", "keep",
)  # fmt: skip
ENVIRONMENT_VERBS = ("register", "list", "show", "lock", "build", "clone", "delete")
PIPELINE_VERBS = ("list", "show", "submit", "runs", "diff", "describe", "enable", "disable", "delete")
ENDPOINT_VERBS = (
    "create", "list", "show", "submit", "runs", "diff", "add-version", "set-default", "update", "enable", "disable", "archive",
    "reactivate", "delete",
)  # fmt: skip
SCHEDULE_VERBS = (
    "create", "load", "list", "show", "history", "preview", "enable", "disable", "run-now", "backfill", "delete", "run",
)  # fmt: skip
WEBHOOK_VERBS = (
    "create", "list", "show", "deliveries", "test", "enable", "disable", "rotate-secret", "delete", "allow", "disallow",
    "hosts",
)  # fmt: skip
SNAPSHOT_VERBS = ("show", "download", "preview")
ASKED = [
    (),
    *((name,) for name in COMMANDS),
    *(("runs", verb) for verb in VERBS),
    *(("experiments", verb) for verb in EXPERIMENT_VERBS),
    *(("environments", verb) for verb in ENVIRONMENT_VERBS),
    *(("computes", verb) for verb in COMPUTE_VERBS),
    *(("snapshots", verb) for verb in SNAPSHOT_VERBS),
    *(("pipelines", verb) for verb in PIPELINE_VERBS),
    *(("pipeline-endpoints", verb) for verb in ENDPOINT_VERBS),
    *(("schedules", verb) for verb in SCHEDULE_VERBS),
    *(("webhooks", verb) for verb in WEBHOOK_VERBS),
    ("reuse", "invalidate"),
    ("reuse", "stats"),
    ("workspace", "create"),
    ("workspace", "delete"),
    ("workspace", "move"),
    ("workspace", "show"),
    *(("datasets", verb) for verb in DATASET_VERBS),
    *(("datastores", verb) for verb in DATASTORE_VERBS),
    *(("tokens", verb) for verb in ("create", "list", "revoke", "audit")),
    *(("secrets", verb) for verb in ("set", "list", "delete", "rotate-key")),
]


def said(*words, columns=100, **variables):
    """What a command writes to standard output."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pipelinekit", *words],
        env={**os.environ, "COLUMNS": str(columns), "PYTHON_COLORS": "0", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def plain(text):
    """A help text with each paragraph and each entry on a line of its own, whatever its width was."""
    lines = []
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        is_usage = lines and lines[-1].startswith("usage:") and line.strip()
        if (
            lines
            and lines[-1]
            and line.strip()
            and (is_usage or indent >= 10 or (indent == 0 and lines[-1][0].isalpha()))
        ):
            lines[-1] += " " + line.strip()
        else:
            lines.append(line.rstrip())
    text = "\n".join(re.sub(r"(?<=\S) +", " ", line) for line in lines) + "\n"
    return re.sub(r"(-\w) (\S+), (--[\w-]+) \2", r"\1, \3 \2", text)


def golden(words):
    return GOLDEN / f"{'-'.join(words) or 'pipelinekit'}.txt"


@pytest.mark.parametrize("words", ASKED, ids=lambda words: " ".join(words) or "pipelinekit")
def test_help_is_as_it_was(words):
    assert plain(said(*words, "--help")) == golden(words).read_text(encoding="utf-8")


def test_no_golden_file_is_left_over():
    assert {path.name for path in GOLDEN.iterdir()} == {golden(words).name for words in ASKED}


def test_every_verb_of_runs_is_asked_for():
    usage = plain(said("runs", "--help"))
    assert re.findall(r"^    (\w+) ", usage, re.MULTILINE) == list(VERBS)


@pytest.mark.parametrize(("name", "verbs"), [("environments", ENVIRONMENT_VERBS), ("snapshots", SNAPSHOT_VERBS)])
def test_every_verb_of_other_groups_is_asked_for(name, verbs):
    assert re.findall(r"^    (\w+) ", plain(said(name, "--help")), re.MULTILINE) == list(verbs)


def test_help_of_all_commands_names_each_once():
    text = said("--help")
    for name, (_, words) in COMMANDS.items():
        assert len(re.findall(rf"^  {name} +{re.escape(words)}$", text, re.MULTILINE)) == 1


@pytest.mark.parametrize("columns", [60, 200])
def test_the_setting_does_not_change_the_words(columns):
    assert "".join(said("run", "--help", columns=columns).split()) == "".join(said("run", "--help").split())


def test_h_and_no_words_are_help_too():
    assert said("-h") == said() == said("--help")
    assert plain(said("plan", "-h")) == plain(said("plan", "--help"))


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for asked in ASKED:
        golden(asked).write_text(plain(said(*asked, "--help")), encoding="utf-8")
