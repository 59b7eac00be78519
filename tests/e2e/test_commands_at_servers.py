"""Command lines on a workspace folder and at the server of that folder: what they print is the same, word for word."""

import io
import json
import os
import re
import shutil
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest
from conftest import Project
from test_connected import listening_at

from pipelinekit import Workspace
from pipelinekit.cli.main import main
from pipelinekit.workspace.pipelines import user_name

FILE = """
    from pathlib import Path
    from pipelinekit import Dataset, File, Folder, get_context, pipeline, step

    @step
    def read(path: File, rows: int) -> list[float]:
        print("reading", rows)
        return [float(line) for line in Path(path).read_text().split()][:rows]

    @step
    def scale(numbers: list[float], rate: float) -> float:
        context = get_context()
        for number in numbers:
            context.log("sum", number * rate)
        context.log_table("table", {"a": [1, 2], "b": [0.5, float("nan")]})
        context.tag("kind", "scaled")
        context.upload("note", __file__)
        if rate < 0:
            raise ValueError("the rate is negative")
        return sum(numbers) * rate

    @step
    def keep(total: float) -> Folder:
        Path("kept").mkdir()
        Path("kept", "total.txt").write_text(str(total))
        return Folder("kept")

    @pipeline
    def retrain(rate: float = 2.0, data: File = "numbers.txt", rows: int = 3):
        total = scale(read(data, rows), rate)
        return {"total": total, "kept": keep(total)}
"""


NAMES = ("alpha", "gamma")  # of what is changed here, and there; equally long, so that tables are as wide


@pytest.fixture(scope="module")
def served(tmp_path_factory, dask_address):
    """A workspace that has something of every noun, and its server."""
    folder = tmp_path_factory.mktemp("served")
    project = Project(folder)
    (folder / "numbers.txt").write_text("1 2 3 4")
    (folder / "raw").mkdir()
    (folder / "raw" / "sales.csv").write_text("day,count\n2024-01-01,3\n2024-01-02,5\n")
    (folder / "raw" / "notes.txt").write_text("a note")
    project.write(retrain=FILE)
    project("publish", "retrain.py", "--endpoint", "retraining", "--version", "first")
    project.edit("retrain.py", "* rate\n", "* rate * 1.0\n")
    project("publish", "retrain.py", "-p", "rows=1", "--endpoint", "retraining")
    project("run", "retrain.py")
    project("run", "retrain.py", "-p", "rate=3")
    project("pipeline-drafts", "create", "endpoint:retraining", "--name", "draft", "--tag", "a=b")
    project("run", "retrain.py", "-p", "rate=-1", "--json", code=1)
    project("datastores", "register", "raw", "raw", "--default")
    project("datasets", "register", "sales", "sales.csv", "--store", "raw", "--tabular", "--tag", "a=b")
    project("datasets", "register", "notes", "*.txt", "--store", "raw")
    project("environments", "register", "light", "--package", "attrs", "--variable", "A=1")
    project("computes", "attach", "far", dask_address, "--skip-validation", "--tag", "a=b")
    workspace = Workspace.open(folder)
    workspace.secrets.set("key", "value of it")
    workspace.schedules.create("nightly", "0 6 * * *", endpoint="retraining", experiment="nights", tags={"a": "b"})
    for name in ("empty", *(f"{name}{form}" for name in NAMES for form in ("text", "json"))):
        workspace.experiments.get(name).describe("nothing yet")
        (folder / "raw" / f"{name}.txt").write_text("a text")
    project.owner = workspace.tokens.create(user_name(), role="owner").text  # rows that say who are equal
    project.reader = workspace.tokens.create("reader", role="reader").text
    log = folder / "serve.log"
    with log.open("w") as stream:
        process = project.start("serve", "--port", "0", stdout=stream, stderr=stream)
    project.url = listening_at(process, log)
    yield project
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    shutil.rmtree(folder)


def said(project, words, monkeypatch, *, server, token="", given=""):
    """What a command prints, and its exit code."""
    monkeypatch.chdir(project.folder)
    for name in ("PIPELINEKIT_WORKSPACE", "PIPELINEKIT_SERVER", "PIPELINEKIT_TOKEN"):
        monkeypatch.setenv(name, "")  # so that it is put back afterwards, whatever the command sets
        monkeypatch.delenv(name)
    if server:
        monkeypatch.setenv("PIPELINEKIT_TOKEN", token or project.owner)
        words = ["--server", project.url, *words]
    if given:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as ended:
            code = ended.code
    os.environ.pop("PIPELINEKIT_SERVER", None)
    return code, out.getvalue(), err.getvalue()


LOOKING = """
    runs list
    runs list --experiment retrain --where metric.sum>1 --sort metric.sum --ascending
    runs list --status Failed --since 1d --limit 1
    runs show
    runs show RUN
    runs show RUN --timeline
    runs logs RUN
    runs logs RUN scale
    runs logs RUN nothing
    runs wait RUN
    runs outputs RUN
    runs outputs RUN --step read
    runs metrics RUN
    runs metrics RUN --name sum
    runs metrics RUN --name table
    runs compare RUN latest
    runs compare RUN latest --all
    runs tag RUN
    runs children RUN
    runs files RUN
    runs show zzzz
    explain RUN
    explain RUN scale
    plan retrain.py
    plan retrain.py -p rate=4.0
    plan retrain.py -p rate=3 --regenerate scale
    plan retrain.py -p rte=3
    plan nothing.py
    graph RUN
    experiments list
    experiments list --all
    experiments show retrain
    experiments show nothing
    pipelines list
    pipelines show PIPELINE
    pipelines runs PIPELINE
    pipelines diff PIPELINE OTHER
    pipeline-endpoints list
    pipeline-endpoints show retraining
    pipeline-endpoints runs retraining
    pipeline-endpoints diff retraining 0
    pipeline-endpoints show nothing
    pipeline-drafts list
    pipeline-drafts list --name none
    pipeline-drafts show DRAFT
    pipeline-drafts runs DRAFT
    pipeline-drafts show nothing
    schedules list
    schedules show nightly
    schedules show nightly --yaml
    schedules history nightly
    schedules preview nightly --count 3
    datasets list
    datasets list sales
    datasets show sales
    datasets show sales --no-preview
    datasets show notes
    datasets check sales
    datasets lineage
    datasets show nothing
    datastores list
    datastores show raw
    datastores files raw
    datastores files raw *.csv
    environments list
    environments show light
    environments show nothing
    computes list
    computes show far
    computes nodes far
    secrets list
    tokens list
    tokens list --all
    tokens audit --verify
    snapshots show RUN
    reuse stats
    reuse invalidate --step scale --dry-run
    reuse invalidate
    settings
    fsck
    fsck --quick
    gc --dry-run
    gc --dry-run --keep-runs 1 --unused-days 0.5 --max-size 1MB --grace 2
    gc --keep-runs -1
"""


def test_what_is_looked_at_is_shown_the_same(served, monkeypatch):
    workspace = Workspace.open(served.folder)
    runs = [run.id for run in workspace.runs.list()]
    pipelines = [item.id for item in workspace.published_pipelines.list()]
    draft = workspace.pipeline_drafts.list()[0].id
    places = {"RUN": runs[1], "PIPELINE": pipelines[1], "OTHER": pipelines[0], "DRAFT": draft}
    differing = []
    for line in LOOKING.strip().splitlines():
        words = [places.get(word, word) for word in line.split()]
        for form in ([], ["--json"]):
            here = said(served, words + form, monkeypatch, server=False)
            there = said(served, words + form, monkeypatch, server=True)
            if here != there:
                differing.append((" ".join(words + form), here, there))
            elif form and here[0] == 0 and "--yaml" not in words:
                json.loads(here[1])
    assert not differing, "\n\n".join(f"$ {line}\n{here}\n{there}" for line, here, there in differing)


CHANGING = """
    experiments tag NAME --set a=b --set c
    experiments tag NAME --remove c
    experiments describe NAME what it is for
    experiments update NAME --max-runs 2
    experiments update NAME --max-runs -1
    experiments archive NAME
    experiments reactivate NAME
    experiments delete NAME
    experiments delete NAME
    experiments delete retrain
    runs tag RUN --set told=NAME
    runs tag RUN --set told=NAME --step scale
    runs describe RUN --name NAME --description text
    runs pin RUN
    runs unpin RUN
    runs cancel RUN
    pipelines describe PIPELINE text
    pipelines disable OTHER
    pipelines enable OTHER
    pipelines delete PIPELINE
    pipelines submit PIPELINE -p rate=5 --experiment NAME --wait
    pipelines submit PIPELINE -p rte=5
    pipeline-endpoints create NAME PIPELINE --description text --tag a=b --proven
    pipeline-endpoints create NAME PIPELINE
    pipeline-endpoints add-version NAME OTHER
    pipeline-endpoints set-default NAME 1
    pipeline-endpoints update NAME --no-proven
    pipeline-endpoints set-default NAME 1
    pipeline-endpoints submit NAME -p rate=6 --tag a=b --name NAME --wait
    pipeline-endpoints submit NAME --version 9
    pipeline-endpoints runs NAME
    pipeline-endpoints disable NAME
    pipeline-endpoints submit NAME
    pipeline-endpoints enable NAME
    pipeline-drafts create endpoint:NAME@0 --name NAME -p rate=7 --tag a=b
    pipeline-drafts create run:RUN --name NAME -p rte=7
    pipeline-drafts create nothing
    pipeline-drafts update DRAFT -p rows=2 --description NAME
    pipeline-drafts update DRAFT --version 1
    pipeline-drafts submit DRAFT -p rate=8 --wait
    pipeline-drafts clone DRAFT --name NAME
    pipeline-drafts publish DRAFT --default
    pipeline-drafts publish DRAFT --name NAME --endpoint drafted-NAME --default
    pipeline-drafts delete nothing
    schedules create NAME --every day --at 06:00 --endpoint NAME --experiment NAME -p rate=3 --tag a=b --disabled
    schedules create NAME --every fortnight --endpoint NAME --experiment NAME
    schedules create NAME --cron 61 --endpoint nothing --experiment NAME
    schedules show NAME
    schedules backfill NAME 2026-01-01T00:00 2026-01-02T12:00 --at-once 2
    schedules enable NAME
    schedules disable NAME
    schedules run-now NAME
    schedules delete NAME
    pipeline-endpoints archive NAME
    pipeline-endpoints delete NAME
    datastores register NAME FOLDER/raw
    datastores register NAME FOLDER/raw
    datastores set-default raw
    datasets register NAME NAME.txt --store NAME --description text
    datasets register NAME NAME.txt --store NAME
    datasets register NAME NAME.txt --store nowhere --create-new-version
    datasets update NAME --tag a=b --description other
    datasets update NAME --tag a=b
    datasets check NAME
    datasets unregister NAME
    datasets unregister NAME
    datastores upload NAME numbers.txt NAME
    datastores upload NAME numbers.txt NAME
    datastores upload NAME out
    datastores copy NAME NAME/numbers.txt NAME NAME/again
    datastores files NAME NAME
    datastores unregister NAME
    datastores unregister NAME
    runs upload RUN numbers.txt --name NAME
    runs upload RUN raw --name NAME-folder
    runs upload RUN nothing
    environments register NAME --package attrs --variable A=NAME
    environments register NAME --package attrs --variable A=NAME
    environments clone light NAME
    environments delete NAME:1
    environments delete NAME
    computes attach NAME tcp://127.0.0.1:9 --skip-validation --description text
    computes attach NAME tcp://127.0.0.1:9 --skip-validation
    computes update NAME --tag a=b
    computes update NAME --max-runs 3
    computes update local --max-runs 5
    computes list
    computes update local --max-runs 0
    computes update NAME --max-nodes 3
    computes delete NAME
    computes detach NAME
    computes detach NAME
    webhooks create NAME https://example.com/NAME --on run.failed --experiment NAME
    webhooks create NAME https://example.com/NAME
    webhooks create bad-NAME ftp://example.com
    webhooks show NAME
    webhooks disable NAME
    webhooks enable NAME
    webhooks rotate-secret NAME
    webhooks update NAME --url https://example.com/other/NAME --on run.submitted --on run.failed
    webhooks update NAME --url ftp://example.com
    webhooks rotate-secret NAME --at-once
    webhooks redeliver nothing
    webhooks show NAME
    webhooks deliveries NAME
    webhooks allow NAME.example:8080
    webhooks hosts
    webhooks disallow NAME.example:8080
    webhooks disallow NAME.example:8080
    webhooks delete NAME
    webhooks list
    fsck --repair
    fsck --repair --quick
    gc
    secrets set NAME
    secrets set NAME=value
    secrets rotate-key
    secrets rotate-key --json
    secrets delete NAME
    secrets delete NAME
    tokens create NAME --role contributor --expires 2h
    tokens create NAME --role contributor
    tokens create other --endpoint retraining --role reader
    tokens revoke NAME
    tokens revoke NAME
    datasets download sales --to out-NAME
    datasets download sales --to out-NAME
    datastores download raw *.csv --to other-NAME
    datastores download raw *.csv --to other-NAME
    runs export RUN -o run-NAME.zip
    runs export RUN -o all-NAME.zip --with-outputs
    runs export nothing
    snapshots download RUN -o snap-NAME.zip
    snapshots download RUN -o snap-NAME
    runs outputs RUN --save outputs-NAME
    runs files RUN --save files-NAME
"""
VARYING = (
    (re.compile(r"pk_\w+|whsec_[\w+/=-]+"), "TOKEN"),
    (re.compile(r"\b1[0-9a-z]{13}\b"), "ID"),
    (re.compile(r"\b1[67]\d{8}(\.\d+)?\b"), "SECONDS"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "TIME"),
    (re.compile(r'("id": |\()"?[0-9a-z]{12}"?'), r"\1TOKEN"),
    (re.compile(r'"(queued|prepare|run|seconds|seconds_saved|number)": [\d.]+'), r'"\1": NUMBER'),
    (re.compile(r'"(digest|content)": "\w+:\w+"'), r'"\1": DIGEST'),
)


def unvarying(told, form):
    """What was said without names, times and ids."""
    code, *texts = told
    for name in NAMES:
        texts = [text.replace(name + form, "NAME") for text in texts]
    for pattern, word in VARYING:
        texts = [pattern.sub(word, text) for text in texts]
    return code, *texts


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_is_changed_is_told_the_same(served, monkeypatch, form):
    workspace = Workspace.open(served.folder)
    run = next(item.id for item in workspace.runs.list(experiment="retrain", status="Completed"))
    pipelines = [item.id for item in workspace.published_pipelines.list(name="retrain")]
    drafts = {name: workspace.pipeline_drafts.create("endpoint:retraining", name=name + form).id for name in NAMES}
    places = {"RUN": run, "PIPELINE": pipelines[1], "OTHER": pipelines[0]}
    differing = []
    for line in CHANGING.strip().splitlines():
        told = []
        for name in NAMES:
            places.update(NAME=name + form, FOLDER=str(served.folder), DRAFT=drafts[name])
            words = [re.sub("[A-Z]{3,}", lambda found: places[found[0]], word) for word in line.split()]
            words += ["--json"] if form == "json" else []
            is_there = name != NAMES[0]
            told.append(unvarying(said(served, words, monkeypatch, server=is_there, given="a value\n"), form))
        if told[0] != told[1]:
            differing.append((line, *told))
    assert not differing, "\n\n".join(f"$ {line}\n{here}\n{there}" for line, here, there in differing)
    trees = [
        {
            path.relative_to(served.folder).parts[1:]: path.read_bytes()
            for path in served.folder.glob(f"*-{name}{form}*/**/*")
            if path.is_file()
        }
        for name in NAMES
    ]
    assert trees[0] == trees[1]
    assert len(trees[0]) > 4


REFUSED = """
    serve
    run retrain.py --in-process
    compile retrain.py
    workspace show
    runs reproduce latest
    computes keep far
    schedules run
    snapshots preview
    datasets register local numbers.txt
    datastores register local raw
"""


def test_what_works_beside_the_folder_is_refused_at_a_server(served, monkeypatch):
    for line in REFUSED.strip().splitlines():
        code, out, err = said(served, line.split(), monkeypatch, server=True)
        assert (code, out) == (2, ""), line
        assert "server" in err, line


def test_a_server_is_asked_with_a_token_and_one_workspace_is_named(served, monkeypatch):
    code, _, err = said(served, ["runs", "list"], monkeypatch, server=True, token="nonsense")
    assert (code, "no valid access token" in err or "token" in err) == (1, True)
    code, _, err = said(served, ["runs", "list", "--workspace", "."], monkeypatch, server=True)
    assert (code, "not both" in err) == (2, True)
    code, _, err = said(served, ["secrets", "list"], monkeypatch, server=True, token=served.reader)
    assert (code, "takes the role owner" in err) == (1, True)
    monkeypatch.delenv("PIPELINEKIT_TOKEN")
    monkeypatch.setenv("PIPELINEKIT_SERVER", served.url)
    out = io.StringIO()
    with redirect_stderr(out):
        assert main(["runs", "list"]) == 2
    assert "PIPELINEKIT_TOKEN" in out.getvalue()
    with redirect_stdout(out):
        assert main(["runs", "list", "--workspace", "."]) == 0


def test_a_draft_of_a_file_is_made_at_a_server(served, monkeypatch):
    words = ["pipeline-drafts", "create", "retrain.py", "-p", "rows=2", "--name", "sent", "--json"]
    code, out, _ = said(served, words, monkeypatch, server=True)
    made = json.loads(out)
    assert (code, made["name"], made["version"]) == (0, "sent", 1)
    words = ["pipeline-drafts", "submit", made["id"], "-p", "rate=4", "--wait", "--json"]
    code, out, _ = said(served, words, monkeypatch, server=True)
    assert (code, json.loads(out)["outputs"]["total"]) == (0, 12.0)


def test_a_run_is_done_again_at_a_server(served, monkeypatch):
    run = next(item.id for item in Workspace.open(served.folder).runs.list(experiment="retrain", status="Completed"))
    code, out, _ = said(served, ["runs", "resume", run, "--json"], monkeypatch, server=True)
    told = json.loads(out)
    assert (code, told["status"]) == (0, "Completed")
    assert {step["status"] for step in told["steps"]} == {"Reused"}
    code, out, _ = said(served, ["runs", "verify", run, "--json"], monkeypatch, server=True)
    assert {step.get("verified") for step in json.loads(out)["steps"]} == {"equal"}
    code, out, _ = said(served, ["runs", "logs", json.loads(out)["id"], "--follow"], monkeypatch, server=True)
    assert "reading" in out
