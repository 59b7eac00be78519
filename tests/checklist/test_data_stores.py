"""Datastores from registration to their end, and files in them as inputs, in Python and by commands."""

import pytest
from data_flows import executed, here, json_of, submit, values, write
from servers import web_server

from pipelinekit import DataPath, Workspace, dataset
from pipelinekit.errors import ConflictError, FaultyError, NotFoundError, ParameterError, StorageError, UsageError


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(tmp_path)


@pytest.fixture
def raw(workspace, tmp_path):
    """A datastore of two years."""
    for place, text in {"raw/2024/a.csv": "n\n1\n2\n", "raw/2024/b.csv": "n\n3\n", "raw/2025/c.csv": "n\n4\n"}.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text)
    return workspace.datastores.register("raw", tmp_path / "raw", default=True)


def test_a_datastore_from_its_registration_to_its_end(workspace, raw, tmp_path):
    stores = workspace.datastores
    with pytest.raises(UsageError, match="is not allowed"):
        stores.register("ra-w", tmp_path)
    with pytest.raises(ConflictError, match="there is a datastore 'raw' already"):
        stores.register("RAW", tmp_path)
    with pytest.raises(StorageError, match="cannot be reached"):
        stores.register("later", tmp_path / "later")
    stores.register("later", tmp_path / "later", skip_validation=True)
    (tmp_path / "later").mkdir()
    assert json_of(tmp_path, "datastores", "register", "RAW", "raw", "--overwrite")["default"] is True
    assert (stores.default.name, stores.get("Raw").url) == ("RAW", raw.url)
    assert json_of(tmp_path, "datastores", "set-default", "later")["default"] is True
    assert stores.get().name == "later"
    with pytest.raises(NotFoundError, match="there is no datastore 'lake'") as error:
        stores.get("lake")
    assert error.value.hint == "there are: later, RAW"
    listed = json_of(tmp_path, "datastores", "list")["datastores"]
    assert [(item["name"], item["default"]) for item in listed] == [("later", True), ("RAW", False)]
    assert json_of(tmp_path, "datastores", "unregister", "later")["name"] == "later"
    stores.unregister("raw")
    assert (tmp_path / "raw" / "2024" / "a.csv").is_file()
    assert stores.list() == []


def test_files_go_in_out_and_from_one_store_to_another(workspace, raw, tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "d.csv").write_text("n\n5\n")
    seen = []
    sent = raw.upload(tmp_path / "new", "2025", progress=lambda *step: seen.append(step))
    assert (sent.done, seen) == (("2025/d.csv",), [(1, 1, "2025/d.csv")])
    (tmp_path / "new" / "d.csv").write_text("n\n6\n")
    assert json_of(tmp_path, "datastores", "upload", "raw", "new/d.csv", "2025")["kept"] == ["2025/d.csv"]
    assert raw.upload(tmp_path / "new" / "d.csv", "2025", overwrite=True).done == ("2025/d.csv",)
    assert [item.path for item in raw.files("2025")] == ["2025/c.csv", "2025/d.csv"]
    got = json_of(tmp_path, "datastores", "download", "raw", "2025", "--to", "got")
    assert got["downloaded"] == ["2025/c.csv", "2025/d.csv"]
    assert (tmp_path / "got" / "2025" / "d.csv").read_text() == "n\n6\n"
    (tmp_path / "lake").mkdir()
    lake = workspace.datastores.register("lake", tmp_path / "lake")
    assert raw.copy_to(lake, "20*/*.csv").done == ("2024/a.csv", "2024/b.csv", "2025/c.csv", "2025/d.csv")
    copied = json_of(tmp_path, "datastores", "copy", "raw", "2024", "lake", "2024")
    assert copied == {"copied": [], "kept": ["2024/a.csv", "2024/b.csv"]}
    assert raw.copy_to(lake, "2024/b.csv", "one", overwrite=True).done == ("one/b.csv",)
    assert [item["path"] for item in json_of(tmp_path, "datastores", "files", "lake", "one")["files"]] == ["one/b.csv"]
    with web_server({"/x/e.csv": b"n\n7\n"}) as server:
        web = workspace.datastores.register("web", server.url, allow_private=True)
        assert web.copy_to(lake, "x/e.csv").done == ("e.csv",)
        assert (tmp_path / "lake" / "e.csv").read_text() == "n\n7\n"
        with pytest.raises(UsageError, match="can only be read"):
            raw.copy_to(web, "2024")
    with pytest.raises(NotFoundError, match="has no file that 'nothing' means"):
        raw.copy_to(lake, "nothing")


def test_credentials_are_kept_as_names_of_secrets(workspace, tmp_path):
    workspace.secrets.set("lake-key", "the-very-secret")
    words = ("--option", "region=eu-west-1", "--secret", "secret=lake-key", "--skip-validation")
    here(tmp_path, "datastores", "register", "lake", "s3://bucket/raw", *words)
    shown = json_of(tmp_path, "datastores", "show", "lake")
    assert (shown["kind"], shown["secrets"]) == ("s3", {"secret": "lake-key"})
    with pytest.raises(UsageError, match="may not carry a user or a password"):
        workspace.datastores.register("other", "s3://me:the-very-secret@bucket")
    kept = b"".join(path.read_bytes() for path in (tmp_path / ".pipelinekit").rglob("*") if path.is_file())
    assert b"the-very-secret" not in kept


INPUTS = """
    import pyarrow
    from pathlib import Path
    from pipelinekit import CommandStep, DataPath, File, Folder, PythonScriptStep, pipeline, step
    from pipelinekit_steps.stores import upload_to_store

    @step
    def count(file: File) -> int:
        return len(file.read_text().split()) - 1

    @step
    def names(folder: Folder) -> list[str]:
        return sorted(path.name for path in folder.iterdir())

    @step
    def total(table: pyarrow.Table) -> int:
        return sum(table["n"].to_pylist())

    listing = CommandStep(["sh", "-c", 'ls "$0" "$PIPELINEKIT_INPUT_folder" > "$1"', "{inputs.folder}", "{outputs.seen}"],
        inputs=["folder"], outputs=["seen"])

    @pipeline
    def take(folder: Folder = DataPath("raw", "2024"), table: pyarrow.Table = DataPath("raw", "*/*.csv").filter(("n", ">", 1))):
        return {
            "names": names(folder), "total": total(table), "seen": listing(folder=folder),
            "counts": count.map(DataPath("raw", "20*/*.csv").files),
        }

    @pipeline
    def transfer(data: Path = DataPath("raw", "2024")):
        return upload_to_store(data, store="lake", target="copies")
"""


def test_files_in_a_datastore_are_inputs_as_they_are(workspace, raw, tmp_path):
    file = write(tmp_path, "inputs_of_datastores", INPUTS)
    run = submit(workspace, file, "take")
    found = values(run)
    assert found["seen"].read_text().count("a.csv") == 2, "the path is an argument, and in the environment"
    assert {**found, "seen": 0} == {"names": ["a.csv", "b.csv"], "total": 9, "counts": [2, 1, 1], "seen": 0}
    taken = json_of(tmp_path, "datasets", "lineage", "--run", run.id)["uses"]
    assert {(use["place"], use["name"]) for use in taken} == {
        ("folder", "datastore:raw/2024"),
        ("table", "datastore:raw/*/*.csv"),
        ("", "datastore:raw/20*/*.csv"),
    }
    assert executed(submit(workspace, file, "take")) == []
    (tmp_path / "raw" / "2025" / "d.csv").write_text("n\n5\n")
    assert executed(submit(workspace, file, "take")) == ["total", "count[3]"], "one new file costs one new step"
    given = {"folder": "datastore:raw/2025", "table": raw.path("2024/b.csv")}
    replaced = values(submit(workspace, file, "take", **given))
    assert (replaced["names"], replaced["total"]) == (["c.csv", "d.csv"], 3)
    assert values(submit(workspace, file, "take", table=DataPath("RAW", "2025")))["total"] == 9
    words = ("-p", "folder=datastore:raw/2025", "--in-process")
    assert json_of(tmp_path, "run", f"{file}:take", *words)["outputs"]["names"] == ["c.csv", "d.csv"]
    json_of(tmp_path, "runs", "resume")
    assert [item["name"] for item in json_of(tmp_path, "runs", "show")["datasets"]][1] == "datastore:raw/2025"


def test_what_is_not_in_a_datastore_is_told_before_anything_starts(workspace, raw, tmp_path):
    file = write(tmp_path, "nothing_of_datastores", INPUTS)
    with pytest.raises(ParameterError) as error:
        submit(workspace, file, "take", folder="datastore:raw/2023", table=DataPath("lake", "x.csv"))
    assert [fault.message.partition(": ")[2] for fault in error.value.faults] == [
        "there is no file that '2023' in datastore 'raw' means",
        "there is no datastore 'lake'",
    ]
    (tmp_path / "raw" / "notes").write_text("x")
    with pytest.raises(ParameterError) as error:
        submit(workspace, file, "take", table=DataPath("raw", "notes"))
    assert "datasets register NAME PATH --store DATASTORE --format FORMAT" in error.value.faults[0].hint
    for path in ("../x", "a|b"):
        with pytest.raises(UsageError):
            DataPath("raw", path)
    assert repr(dataset("datastore:raw/2024").take(1)) == '<dataset datastore:raw/2024|[["take", 1]]>'
    said = here(tmp_path, "run", f"{file}:take", "-p", "folder=datastore:raw/2023", code=2).err
    assert "there is no file that '2023' in datastore 'raw' means" in said


def test_a_step_copies_from_store_to_store_once(workspace, raw, tmp_path):
    (tmp_path / "lake").mkdir()
    lake = workspace.datastores.register("lake", tmp_path / "lake")
    file = write(tmp_path, "transfer_of_datastores", INPUTS)
    assert values(submit(workspace, file, "transfer")) == {"output": ["copies/a.csv", "copies/b.csv"]}
    assert executed(submit(workspace, file, "transfer")) == []
    (tmp_path / "raw" / "2024" / "b.csv").write_text("n\n33\n")
    assert executed(submit(workspace, file, "transfer")) == ["upload_to_store"]
    assert (tmp_path / "lake" / "copies" / "b.csv").read_text() == "n\n33\n"
    assert values(submit(workspace, file, "transfer", data=DataPath("raw", "2025/c.csv"))) == {
        "output": ["copies/data.csv"]
    }
    assert len(lake.files("copies")) == 3


def test_a_url_is_looked_for_in_the_datastores(workspace, tmp_path):
    from pipelinekit import Dataset

    with pytest.raises(UsageError, match="is in no datastore") as error:
        workspace.datasets.register("t", Dataset.file("https://example.com/data/a.csv"))
    assert "datastores register NAME https://example.com" in error.value.hint
    with pytest.raises(UsageError, match="may not carry a user or a password") as error:
        workspace.datasets.register("t", Dataset.file("https://me:the-word@example.com/a.csv"))
    assert "the-word" not in str(error.value)
    (tmp_path / "a.csv").write_text("n\n1\n")
    assert workspace.datasets.register("here", Dataset.file((tmp_path / "a.csv").as_uri())).record.single
    with web_server({"/data/a.csv": b"n\n1\n"}) as server:
        workspace.datastores.register("web", f"{server.url}/data", allow_private=True)
        made = json_of(tmp_path, "datasets", "register", "t", f"{server.url}/data/a.csv", "--tabular")
        assert made["definition"]["sources"] == [["web", "a.csv"]]
        with pytest.raises(FaultyError, match="cannot be found"):
            workspace.datasets.register("u", Dataset.file(f"{server.url}/data/b.csv"))
