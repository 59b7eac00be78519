"""`--json`: one document on standard output, for every command and for every kind of error."""

import json

import pytest
from hook_server import hook_server

from pipelinekit import Workspace
from pipelinekit.cli.main import COMMANDS

STEPS = """
    from pipelinekit import File, pipeline, step

    @step
    def one(x: int) -> int:
        print("one says", x)
        return x

    @step
    def keep(x: int) -> File:
        open("out.txt", "w").write(str(x))
        return File("out.txt")

    @step
    def fail(x: int) -> int:
        raise ValueError(f"cannot take {x}")

    @pipeline
    def good(x: int = 1):
        return {"x": one(x), "file": keep(x)}

    @pipeline
    def bad(x: int = 1):
        return one(fail(x))

    @pipeline
    def faulty():
        one("text")
"""

SCHEDULE = """
name: weekly
recurrence: {{frequency: Week, week_days: [Monday], time_of_day: 09:30}}
pipeline: {made}
experiment: e
"""


@pytest.fixture
def hooks():
    with hook_server() as server:
        yield server


def test_every_command_gives_one_document(project, moto, hooks):
    project.write(steps=STEPS)
    project.run("steps.py:bad", "--in-process", code=1)
    run = project.run("steps.py:good", "-p", "x=2")["id"]
    Workspace.open(project.folder).secrets.set("PASSWORD", "correct horse")
    made = project("publish", "steps.py:good", "--json").json["id"]
    draft = project("pipeline-drafts", "create", f"pipeline:{made}", "--json").json["id"]
    (project.folder / "schedule.yaml").write_text(SCHEDULE.format(made=made))
    asked = {
        "publish": [
            ("publish", "steps.py:good", "--endpoint", "good"),
            ("publish", f"run:{run}", "--endpoint", "good", "--default"),
        ],
        "pipelines": [
            ("pipelines", "list", "--all"),
            ("pipelines", "show", made),
            ("pipelines", "describe", made, "words"),
            ("pipelines", "submit", made, "--wait"),
            ("pipelines", "submit", made),
            ("pipelines", "runs", made),
            ("pipelines", "diff", made, made),
            ("pipelines", "disable", made),
            ("pipelines", "enable", made),
        ],
        "pipeline-endpoints": [
            ("pipeline-endpoints", "create", "better", made),
            ("pipeline-endpoints", "list", "--all"),
            ("pipeline-endpoints", "show", "good"),
            ("pipeline-endpoints", "submit", "good", "--version", "0", "--wait"),
            ("pipeline-endpoints", "runs", "good"),
            ("pipeline-endpoints", "add-version", "good", made),
            ("pipeline-endpoints", "set-default", "good", "2"),
            ("pipeline-endpoints", "diff", "good", "0", "1"),
            ("pipeline-endpoints", "update", "good", "--description", "words"),
            ("pipeline-endpoints", "disable", "good"),
            ("pipeline-endpoints", "enable", "good"),
            ("pipeline-endpoints", "archive", "better"),
            ("pipeline-endpoints", "create", "other", made),
            ("pipeline-endpoints", "delete", "other"),
        ],
        "pipeline-drafts": [
            ("pipeline-drafts", "create", "steps.py:good", "-p", "x=3"),
            ("pipeline-drafts", "create", f"run:{run}", "--name", "other"),
            ("pipeline-drafts", "list"),
            ("pipeline-drafts", "show", draft),
            ("pipeline-drafts", "update", draft, "-p", "x=4"),
            ("pipeline-drafts", "submit", draft, "--wait"),
            ("pipeline-drafts", "runs", draft),
            ("pipeline-drafts", "publish", draft, "--endpoint", "drafted"),
            ("pipeline-drafts", "clone", draft),
            ("pipeline-drafts", "delete", draft),
        ],
        "schedules": [
            ("schedules", "create", "nightly", "--cron", "0 6 * * *", "--endpoint", "good", "--experiment", "e"),
            ("schedules", "load", "schedule.yaml"),
            ("schedules", "load", "schedule.yaml", "--replace"),
            ("schedules", "list", "--deleted"),
            ("schedules", "show", "nightly"),
            ("schedules", "preview", "nightly"),
            ("schedules", "run-now", "nightly"),
            ("schedules", "backfill", "nightly", "2026-01-01", "2026-01-03"),
            ("schedules", "history", "nightly"),
            ("schedules", "disable", "nightly"),
            ("schedules", "enable", "nightly"),
            ("schedules", "delete", "nightly"),
            ("schedules", "run", "--once"),
        ],
        "webhooks": [
            ("webhooks", "allow", f"127.0.0.1:{hooks.port}"),
            ("webhooks", "hosts"),
            ("webhooks", "create", "ops", hooks.url, "--on", "run.failed", "--endpoint", "good"),
            ("webhooks", "list"),
            ("webhooks", "show", "ops"),
            ("webhooks", "test", "ops"),
            ("webhooks", "deliveries", "ops"),
            ("webhooks", "update", "ops", "--on", "run.submitted", "--endpoint", ""),
            ("webhooks", "deliveries"),
            ("webhooks", "disable", "ops"),
            ("webhooks", "enable", "ops"),
            ("webhooks", "rotate-secret", "ops"),
            ("webhooks", "delete", "ops"),
            ("webhooks", "disallow", f"127.0.0.1:{hooks.port}"),
        ],
        "run": [("run", "steps.py:good", "-p", "x=2")],
        "plan": [("plan", "steps.py:good"), ("plan", "steps.py:bad")],
        "explain": [("explain",), ("explain", run, "one")],
        "runs": [
            ("runs", "list"),
            ("runs", "list", "--experiment", "none"),
            ("runs", "show", run),
            ("runs", "logs"),
            ("runs", "logs", run, "one"),
            ("runs", "logs", run, "--follow"),
            ("runs", "outputs", run),
            ("runs", "outputs", run, "--step", "one"),
            ("runs", "outputs", run, "--save", "saved"),
            ("runs", "cancel", run),
            ("runs", "resume", run),
            ("runs", "pin", run),
            ("runs", "unpin", run),
            ("runs", "metrics", run),
            ("runs", "compare", run, "latest", "--all"),
            ("runs", "tag", run, "--set", "a=1"),
            ("runs", "describe", run, "--name", "first"),
            ("runs", "children", run),
            ("runs", "files", run),
            ("runs", "upload", run, "steps.py"),
            ("runs", "wait", run),
            ("runs", "export", run, "-o", "run.zip"),
            ("runs", "reproduce", run),
        ],
        "experiments": [
            ("experiments", "list", "--all"),
            ("experiments", "show", "good"),
            ("experiments", "tag", "good", "--set", "a=1"),
            ("experiments", "describe", "good", "words"),
            ("experiments", "update", "good", "--max-runs", "2"),
            ("experiments", "archive", "good"),
            ("experiments", "reactivate", "good"),
        ],
        "environments": [("environments", "list"), ("environments", "list", "--all")],
        "computes": [
            ("computes", "attach", "farm", "tcp://127.0.0.1:9", "--skip-validation"),
            ("computes", "list"),
            ("computes", "show", "farm"),
            ("computes", "detach", "farm"),
            ("computes", "create", "pool", "--max-nodes", "1"),
            ("computes", "nodes", "pool"),
            ("computes", "update", "pool", "--max-nodes", "2"),
            ("computes", "update", "local", "--max-runs", "4"),
            ("computes", "stop", "pool"),
            ("computes", "delete", "pool"),
        ],
        "snapshots": [("snapshots", "show", run), ("snapshots", "preview")],
        "datastores": [("datastores", "register", "here", "."), ("datastores", "files", "here", "*.py")],
        "datasets": [("datasets", "register", "steps", "steps.py"), ("datasets", "show", "steps")],
        "fsck": [("fsck",), ("fsck", "--quick"), ("fsck", "--repair")],
        "gc": [("gc", "--dry-run"), ("gc", "--keep-runs", "20")],
        "graph": [
            ("graph", "steps.py:good"),
            ("graph", run),
            ("graph", run, "-o", "graph.svg"),
            ("graph", "latest", "--all"),
        ],
        "compile": [("compile", "steps.py:good"), ("compile", "steps.py:good", "-o", "graph.json")],
        "reuse": [("reuse", "stats"), ("reuse", "stats", "--since", "2001-01-31")],
        "secrets": [("secrets", "list"), ("secrets", "rotate-key"), ("secrets", "delete", "PASSWORD")],
        "tokens": [
            ("tokens", "create", "ci", "--role", "contributor"),
            ("tokens", "list", "--all"),
            ("tokens", "revoke", "ci"),
            ("tokens", "audit"),
            ("tokens", "audit", "--verify"),
        ],
        "settings": [("settings",)],
        "workspace": [
            ("workspace", "show"),
            ("workspace", "backup", "kept.db"),
            (
                "workspace",
                "move",
                "--blobs",
                f"s3://{moto.bucket()}/x",
                "--endpoint",
                moto.endpoint,
                "--region",
                "us-east-1",
            ),
            ("workspace", "move", "--blobs", "folder"),
        ],
    }
    assert set(asked) == set(COMMANDS) - {"serve"}, "which ends when it is told to, and says what happens as it does"
    for words in (words for listed in asked.values() for words in listed):
        found = project(*words, "--json")
        assert isinstance(found.json, dict), words
    assert project("runs", "list", "--status", "Failed", "--json").json["runs"][0]["status"] == "Failed"
    assert project("runs", "logs", run, "one", "--json").json["steps"] == [{"name": "one", "log": "one says 2\n"}]
    assert (project.folder / "saved" / "file.txt").read_text() == "2"
    assert json.loads((project.folder / "graph.json").read_text())["kind"] == "pipelinekit.graph"


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (("run", "absent.py"), 2, "usage"),
        (("run", "steps.py:faulty"), 2, "compile"),
        (("plan", "steps.py:faulty"), 2, "compile"),
        (("compile", "steps.py:faulty"), 2, "compile"),
        (("run", "steps.py:good", "-p", "x=a"), 2, "parameter"),
        (("run", "absent.json"), 2, "not_found"),
        (("run", "steps.py:good", "--compute", "moon"), 2, "usage"),
        (("runs", "show", "zzz"), 2, "not_found"),
        (("runs", "list"), 2, "not_found"),
        (("explain",), 2, "not_found"),
        (("secrets", "list"), 2, "not_found"),
        (("secrets", "set", "A", "value"), 2, "usage"),
        (("graph", "zzz"), 2, "not_found"),
    ],
)
def test_every_error_is_a_document_too(project, words, code, kind):
    project.write(steps=STEPS)
    found = project(*words, "--json", code=code)
    assert found.json["error"]["code"] == kind or (kind == "usage" and found.json["error"]["code"] == "not_found")
    assert set(found.json) == {"error"}
    assert found.json["error"]["message"] in found.err


def test_a_failed_run_is_a_document_with_the_failure(project):
    project.write(steps=STEPS)
    document = project.run("steps.py:bad", "--in-process", code=1)
    assert document["status"] == "Failed"
    assert document["steps"][0]["error"]["message"] == "ValueError: cannot take 1"


TALKS = """
    from pipelinekit import pipeline, step
    print("loaded")

    @step
    def one() -> int:
        return 1

    @pipeline
    def talks():
        print("traced")
        return one()
"""


def test_what_modules_print_while_they_are_loaded_stays_out_of_the_document(project):
    project.write(talks=TALKS)
    assert project.run("talks.py")["status"] == "Completed"
    assert "traced" in project("plan", "talks.py").err


def test_a_file_after_regenerate_is_the_pipeline(project):
    project.write(talks=TALKS)
    project.run("talks.py")
    assert project("plan", "--regenerate", "talks.py", "--json").json["summary"]["run"] == 1
    assert project.executed("--regenerate", "talks.py") == ["one"]
