"""Names from people, through Python and the command line: none leads out of the workspace, and each answer is in words."""

import io

import pytest

from pipelinekit import Dataset, Environment, Workspace, dataset, pipeline, step
from pipelinekit.authoring.scripts import CommandStep
from pipelinekit.cli.main import main
from pipelinekit.errors import PipelinekitError

SECRET = "what-nobody-asked-for"
NAMES = [
    "..", "../canary", "../../canary", "/etc/hostname", "a/../../canary", "%2e%2e%2fcanary", "%252e%252e%252fcanary",
    "a#b", "a?b", "..\\canary", "a\0b", "\u2024\u2024/canary", "\u2025/canary", "\uff0e\uff0e\uff0fcanary", "\u202eevil",
    "a\nb", "", " ", ".", "~/canary", "file:///etc/hostname", "C:\\x", "\x1b[2J", "x" * 5000, "\udc80", "e\u0301", "'; drop--",
]  # fmt: skip
OFTEN = ("../../canary", "..\\canary", "a\0b", "\x1b[2J", "\udc80", "")  # the others with the slow tests
CORPUS = [pytest.param(name, id=ascii(name)[:24], marks=[] if name in OFTEN else pytest.mark.slow) for name in NAMES]


@step
def one() -> int:
    return 1


@pipeline
def single():
    return one()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A workspace with a run, beside something that is nobody's business."""
    root = tmp_path_factory.mktemp("root")
    (root / "canary").write_text(SECRET)
    project = root / "project"
    project.mkdir()
    (project / "data").mkdir()
    (project / "data" / "x.txt").write_text("x")
    workspace = Workspace.open(project)
    with workspace.experiments.get("trials").start_run() as run:
        run.log("loss", 1.0)
        run.upload("kept", project / "data" / "x.txt")
    workspace.datastores.register("store", (project / "data").as_uri())
    workspace.datasets.register("set", Dataset.file(str(project / "data" / "x.txt")))
    return root, workspace


def outside(root):
    """What lies beside the workspace folder, and the kinds of files that lie in it."""
    home = root / "project" / ".pipelinekit"
    beside = {str(path.relative_to(root)) for path in root.rglob("*") if home not in path.parents}
    return beside, sorted(path.name for path in home.iterdir() if not path.name.startswith("records.db"))


COMMANDS = [
    ("runs", "show", "NAME"), ("runs", "logs", "NAME"), ("runs", "logs", "latest", "NAME"), ("runs", "outputs", "NAME"),
    ("runs", "outputs", "--step", "NAME"), ("runs", "cancel", "NAME"), ("runs", "metrics", "NAME"),
    ("runs", "metrics", "--name", "NAME"), ("runs", "metrics", "--step", "NAME"), ("runs", "compare", "NAME", "NAME"),
    ("runs", "tag", "--set", "NAME=x"), ("runs", "tag", "--set", "x=NAME"), ("runs", "tag", "--remove", "NAME"),
    ("runs", "tag", "NAME"), ("runs", "describe", "--name", "NAME"), ("runs", "describe", "NAME"),
    ("runs", "children", "NAME"), ("runs", "files", "NAME"), ("runs", "files", "--step", "NAME"), ("runs", "resume", "NAME"),
    ("runs", "verify", "NAME"), ("runs", "reproduce", "NAME"), ("runs", "export", "NAME"), ("runs", "pin", "NAME"),
    ("runs", "drive", "NAME"), ("runs", "list", "--experiment", "NAME"), ("runs", "list", "--after", "NAME"),
    ("runs", "list", "--tag", "NAME"), ("runs", "list", "--where", "NAME"), ("runs", "list", "--sort", "NAME"),
    ("runs", "list", "--where", "metric.NAME > 1"), ("experiments", "show", "NAME"), ("experiments", "tag", "NAME"),
    ("experiments", "tag", "trials", "--set", "NAME=NAME"), ("experiments", "describe", "NAME", "x"),
    ("experiments", "describe", "trials", "NAME"), ("experiments", "archive", "NAME"), ("experiments", "reactivate", "NAME"),
    ("experiments", "delete", "NAME"), ("snapshots", "show", "NAME"), ("snapshots", "show", "--step", "NAME"),
    ("snapshots", "download", "NAME"), ("datasets", "register", "NAME", "data/x.txt"), ("datasets", "show", "NAME"),
    ("datasets", "show", "set@NAME"), ("datasets", "update", "NAME"), ("datasets", "update", "set", "--tag", "NAME=NAME"),
    ("datasets", "unregister", "NAME"), ("datasets", "download", "NAME"), ("datasets", "lineage", "NAME"),
    ("datasets", "lineage", "--run", "NAME"), ("datasets", "register", "other", "NAME", "--store", "store"),
    ("datasets", "register", "other", "data/x.txt", "--store", "NAME"), ("datastores", "register", "NAME", "file:///tmp"),
    ("datastores", "register", "other", "NAME"), ("datastores", "register", "other", "file:///NAME"),
    ("datastores", "show", "NAME"), ("datastores", "unregister", "NAME"), ("datastores", "set-default", "NAME"),
    ("datastores", "files", "store", "NAME"), ("datastores", "download", "store", "NAME", "--to", "fetched"),
    ("datastores", "upload", "store", "data/x.txt", "NAME", "--overwrite"), ("environments", "register", "NAME", "--package", "a"),
    ("environments", "show", "NAME"), ("environments", "lock", "NAME"), ("environments", "build", "NAME"),
    ("environments", "clone", "NAME", "NAME"), ("environments", "delete", "NAME"), ("secrets", "delete", "NAME"),
    ("secrets", "set", "NAME"), ("reuse", "invalidate", "--step", "NAME"), ("reuse", "invalidate", "--run", "NAME"),
    ("reuse", "invalidate", "--cause", "NAME"), ("explain", "NAME"), ("explain", "latest", "NAME"), ("graph", "NAME"),
    ("run", "NAME"), ("plan", "NAME"), ("run", "NAME:x"),
]  # fmt: skip


@pytest.mark.parametrize("name", CORPUS)
def test_no_name_on_the_command_line_leads_out(place, name, monkeypatch, capsys):
    root, _ = place
    monkeypatch.chdir(root / "project")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    (root / "project" / "fetched").mkdir(exist_ok=True)
    before = outside(root)
    problems = []
    for words in COMMANDS:
        try:
            code = main([word.replace("NAME", name) for word in words])
        except SystemExit as error:
            code = error.code
        except BaseException as error:  # all are told at once
            code = repr(error)
        told = capsys.readouterr()
        said = told.out + told.err
        if code not in (0, 1, 2) or "Traceback" in said or SECRET in said or "\x1b[2J" in said:
            problems.append((words, code, said[-300:]))
    assert not problems, "\n".join(map(repr, problems))
    nothing_escaped(root, before)


def nothing_escaped(root, before):
    found, inside = outside(root)
    assert not {path for path in found - before[0] if not path.startswith(("project/data/", "project/fetched/"))}
    assert set(inside) <= set(before[1]) | {
        "cache",
        "environments",
        "trash",
        "secrets.key",
        "blobs.lock",
        "snapshots",
        "scratch",
        "records.seen",
    }
    assert (root / "canary").read_text() == SECRET


def calls(workspace, name, folder):
    """What Python offers that takes a name."""
    file = folder / "x.txt"
    run = workspace.experiments.get("trials").start_run()
    yield lambda: workspace.runs.get(name)
    yield lambda: workspace.experiments.get(name)
    yield lambda: workspace.submit(single, experiment=name, compute="in-process")
    for tell in (run, run.child_run("child")):
        yield lambda tell=tell: tell.log(name, 1)
        yield lambda tell=tell: tell.log_list(name, [1])
        yield lambda tell=tell: tell.log_row(name, x=1)
        yield lambda tell=tell: tell.log_table("t", {name: [1]})
        yield lambda tell=tell: tell.log_image(name, file)
        yield lambda tell=tell: tell.log_confusion_matrix(name, {"class_labels": [name], "matrix": [[1]]})
        yield lambda tell=tell: tell.tag(name, name)
        yield lambda tell=tell: tell.set_property(name, name)
        yield lambda tell=tell: tell.upload(name, file)
    yield lambda: run.child_run(name).complete()
    yield run.flush
    yield run.complete
    yield lambda: workspace.snapshots.get(name)
    yield lambda: workspace.secrets.set(name, "some value")
    yield lambda: workspace.secrets.delete(name)
    yield lambda: workspace.datasets.register(name, Dataset.file(str(file)))
    yield lambda: workspace.datasets.get(name)
    yield lambda: workspace.datastores.register(name, folder.as_uri())
    yield lambda: workspace.datastores.get(name)
    yield lambda: workspace.datastores.get("store").upload(file, name, overwrite=True)
    yield lambda: workspace.datastores.get("store").download(name, folder.parent / "fetched", overwrite=True)
    yield lambda: workspace.environments.get(name)
    yield lambda: workspace.environments.register(Environment(name, ["a"]))
    yield lambda: Environment("e", [name])
    yield lambda: dataset(name)
    yield lambda: step(name=name)(one)
    yield lambda: pipeline(name=name)(lambda: one())
    yield lambda: CommandStep(["true"], name=name)
    yield lambda: CommandStep(["true"], name="c", outputs=[name])
    yield lambda: CommandStep(["true"], name="c", secrets=[name])


@pytest.mark.parametrize("name", CORPUS)
def test_no_name_in_python_leads_out(place, name, capsys, monkeypatch):
    root, workspace = place
    monkeypatch.chdir(root / "project")
    (root / "project" / "fetched").mkdir(exist_ok=True)
    before = outside(root)
    refused, problems = [], []
    for number, call in enumerate(calls(workspace, name, root / "project" / "data")):
        try:
            call()
        except PipelinekitError as error:
            refused.append(str(error))
        except BaseException as error:  # all are told at once
            problems.append((number, repr(error)))
    assert not problems, "\n".join(map(repr, problems))
    assert len(refused) > 3
    assert SECRET not in "".join(refused)
    nothing_escaped(root, before)
    for run in workspace.runs.list():
        main(["runs", "files", run.id, "--save", str(root / "project" / "fetched")])
    nothing_escaped(root, before)
    assert SECRET not in capsys.readouterr().out


def test_names_that_a_dataset_is_asked_for_are_no_paths():
    for name in ("../x", "a/b", "", "a\0", "x" * 5000):
        with pytest.raises(PipelinekitError):
            dataset(name)
    assert Dataset is not None
