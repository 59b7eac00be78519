"""Datasets: registered by what their files hold, read as they were registered, and told when they have changed."""

import os
import shutil

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from conftest import wait_for
from seams import opened
from servers import web_server

from pipelinekit import Dataset, Workspace, dataset
from pipelinekit.domain.datasets import DatasetDefinition, DatasetVersion, parse_reference
from pipelinekit.domain.types import PathRef
from pipelinekit.domain.values import StoredValue
from pipelinekit.errors import ConflictError, FaultyError, IntegrityError, NotFoundError, StorageError, UsageError
from pipelinekit.workspace.checking import Checker
from pipelinekit.workspace.files import SETTLED_NANOSECONDS


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(tmp_path / "home")


@pytest.fixture
def data(tmp_path):
    """A folder of two small CSV files."""
    folder = tmp_path / "data"
    return write(folder, {"one.csv": "a,b\n1,x\n2,y\n", "two.csv": "a,b\n3,\n"})


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def value_of(workspace, reference, form, keep=True):
    return workspace.services.dataset_inputs().value(PathRef(reference, False, form), keep=keep)


# -- registering -------------------------------------------------------------------------------------------------------


def test_versions_grow_with_the_content_and_the_same_is_told(workspace, data):
    one = workspace.datasets.register("sales", Dataset.file(str(data / "*.csv")), description="d", tags={"k": "v"})
    assert (one.version, one.record.count, one.record.size) == (1, 2, 19)
    with pytest.raises(ConflictError, match="there is a dataset 'sales' already"):
        workspace.datasets.register("sales", Dataset.file(str(data)))
    with pytest.raises(ConflictError, match="registered already, as sales@1"):
        workspace.datasets.register("other", Dataset.file(str(data / "*.csv")))
    again = workspace.datasets.register("sales", Dataset.file(str(data / "*.csv")), exist_ok=True)
    assert again.version == 1
    write(data, {"three.csv": "a,b\n"})
    two = workspace.datasets.register("sales", Dataset.file(str(data / "*.csv")), create_new_version=True)
    assert (two.version, two.record.count) == (2, 3)
    assert workspace.datasets.get("sales").version == workspace.datasets.get("sales@2").version == 2
    assert workspace.datasets.get("sales", 1).record == one.record
    assert [item.version for item in workspace.datasets.list("sales")] == [2, 1]
    assert [item.record.label for item in workspace.datasets.list()] == ["sales@2"]


def test_paths_in_a_dataset_begin_below_the_folder_that_its_sources_share(workspace, tmp_path):
    root = write(tmp_path / "root", {"a/x.csv": "1", "a/y.csv": "2", "b/x.csv": "3"})

    def paths(name, sources):
        return [item.path for item in workspace.datasets.register(name, Dataset.file(sources)).record.files]

    assert paths("folder", str(root / "a")) == ["x.csv", "y.csv"]
    assert paths("file", str(root / "a" / "x.csv")) == ["x.csv"]
    assert paths("pattern", str(root / "*" / "x.csv")) == ["a/x.csv", "b/x.csv"]
    assert paths("several", [str(root / "a"), str(root / "b" / "x.csv")]) == ["a/x.csv", "a/y.csv", "b/x.csv"]
    assert paths("twice", [str(root / "a"), str(root / "a" / "x.csv")]) == ["x.csv", "y.csv"]


def test_all_sources_without_files_are_named_at_once(workspace, data):
    with pytest.raises(FaultyError) as error:
        workspace.datasets.register("x", Dataset.file([str(data / "*.txt"), str(data / "nothing"), ("raw", "x")]))
    words = [fault.message for fault in error.value.faults]
    assert len(words) == 3
    assert "*.txt" in words[0]
    assert words[2] == "there is no datastore 'raw'"


def test_a_file_with_a_wildcard_in_its_name_is_that_file(workspace, tmp_path):
    folder = write(tmp_path / "odd", {"a[1].csv": "1", "a1.csv": "2"})
    (found,) = workspace.datasets.register("odd", Dataset.file(str(folder / "a[1].csv"))).record.files
    assert found.path == "a[1].csv"


def test_unchanged_files_are_not_read_again(workspace, data):
    newest = max(path.stat().st_ctime_ns for path in data.iterdir())
    probe = data.parent / "probe"

    def settled():
        probe.write_text("")
        return probe.stat().st_ctime_ns - newest > 2 * SETTLED_NANOSECONDS

    wait_for(settled)
    workspace.datasets.register("sales", Dataset.file(str(data)))
    with opened() as seen:
        workspace.datasets.register("third", Dataset.file([str(data / "*.csv"), str(data / "one.csv")]))
    assert not [path for path in seen if path.endswith(".csv")]


def test_what_is_said_of_a_version_changes_and_tags_are_not_overwritten(workspace, data):
    workspace.datasets.register("sales", Dataset.file(str(data)), tags={"a": "1"})
    workspace.datasets.update("sales", description="new", add_tags={"b": "2"})
    with pytest.raises(ConflictError, match="has a tag 'a' already"):
        workspace.datasets.update("sales", add_tags={"a": "2"})
    with pytest.raises(UsageError, match="has no tag 'c'"):
        workspace.datasets.update("sales", remove_tags=("c",))
    record = workspace.datasets.update("sales", remove_tags=("a",)).record
    assert (record.description, record.tags) == ("new", {"b": "2"})


def test_unregistering_leaves_the_files(workspace, data):
    workspace.datasets.register("sales", Dataset.file(str(data)))
    assert workspace.datasets.unregister("sales") == 1
    assert sorted(path.name for path in data.iterdir()) == ["one.csv", "two.csv"]
    with pytest.raises(NotFoundError, match="there is no dataset 'sales'"):
        workspace.datasets.get("sales")


# -- tables ------------------------------------------------------------------------------------------------------------


def test_a_table_is_looked_through_once(workspace, data):
    record = workspace.datasets.register("sales", Dataset.tabular(str(data / "*.csv"))).record
    assert record.profile.rows == 3
    a, b = record.profile.columns
    assert (a.name, a.type, a.nulls, a.low, a.high, a.distinct, a.mean) == ("a", "int64", 0, "1", "3", 3, 2.0)
    assert (b.type, b.low, b.high, b.mean) == ("string", "", "y", None)
    assert record.types == {"a": "int64", "b": "string"}


def test_distinct_values_are_estimated_where_there_are_many(workspace, tmp_path):
    table = pa.table({"n": list(range(20_000)), "s": [str(n % 5000) for n in range(20_000)], "c": [1.5] * 20_000})
    pq.write_table(table, tmp_path / "t.parquet")
    found = workspace.datasets.register("t", Dataset.tabular(str(tmp_path / "t.parquet"))).profile
    n, s, c = (column.distinct for column in found.columns)
    assert abs(n - 20_000) < 2_000
    assert abs(s - 5_000) < 500
    assert c == 1


def test_odd_columns_have_a_profile_too(workspace, tmp_path):
    table = pa.table(
        {
            "lists": [[1], [1, 2], None],
            "nothing": pa.nulls(3),
            "nan": [float("nan"), 1.0, float("inf")],
            "when": pa.array([0, 1, None], pa.timestamp("s")),
            "flag": [True, False, None],
            "bytes": [b"a", b"b", b"b"],
            "words": pa.array(["x", "y", "x"]).dictionary_encode(),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    found = {
        c.name: c
        for c in workspace.datasets.register("t", Dataset.tabular(str(tmp_path / "t.parquet"))).profile.columns
    }
    assert (found["lists"].distinct, found["lists"].nulls, found["lists"].low) == (2, 1, "")
    assert (found["nothing"].nulls, found["nothing"].distinct) == (3, 0)
    assert (found["nan"].low, found["nan"].mean) == ("1.0", 1.0)
    assert found["when"].high == "1970-01-01 00:00:01"
    assert (found["flag"].low, found["flag"].mean, found["flag"].distinct) == ("False", 0.5, 2)
    assert found["words"].distinct == found["bytes"].distinct == 2


@pytest.mark.parametrize("kind", ["parquet", "csv", "json", "arrow"])
def test_tables_of_every_format_are_read(workspace, tmp_path, kind):
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    path = tmp_path / f"t.{kind}"
    match kind:
        case "parquet":
            frame.to_parquet(path)
        case "csv":
            frame.to_csv(path, index=False)
        case "json":
            frame.to_json(path, orient="records", lines=True)
        case "arrow":
            frame.to_feather(path)
    found = workspace.datasets.register("t", Dataset.tabular(str(path)))
    assert found.to_arrow().to_pylist() == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


def test_csv_is_read_as_it_is_said_to_be(workspace, tmp_path):
    write(tmp_path, {"t.txt": "1;x\n2;y\n", "u.tsv": "a\tb\n1\tx\n", "v.csv": "a\n1\n"})
    given = Dataset.tabular(str(tmp_path / "t.txt"), delimiter=";", columns=["n", "w"], types={"n": "double"})
    assert workspace.datasets.register("t", given).to_arrow().to_pylist() == [
        {"n": 1.0, "w": "x"},
        {"n": 2.0, "w": "y"},
    ]
    assert workspace.datasets.register("u", Dataset.tabular(str(tmp_path / "u.tsv"))).to_arrow().to_pylist() == [
        {"a": 1, "b": "x"}
    ]
    write(tmp_path, {"w.csv": "a,b\n1,NA\nNA,x\n"})
    found = workspace.datasets.register("w", Dataset.tabular(str(tmp_path / "w.csv"), null_values=["NA"]))
    assert found.to_arrow().to_pylist() == [{"a": 1, "b": None}, {"a": None, "b": "x"}]
    with pytest.raises(UsageError, match="has no column 'x'"):
        workspace.datasets.register("v", Dataset.tabular(str(tmp_path / "v.csv"), types={"x": "int64"}))
    with pytest.raises(UsageError, match="there is no type 'integer'"):
        workspace.datasets.register("v", Dataset.tabular(str(tmp_path / "v.csv"), types={"a": "integer"}))
    with pytest.raises(UsageError, match="does not say which format"):
        Dataset.tabular(str(tmp_path / "data"))


def test_folders_may_be_columns(workspace, tmp_path):
    write(tmp_path / "t", {"year=2023/a.csv": "n\n1\n", "year=2024/b.csv": "n\n2\n"})
    found = workspace.datasets.register("t", Dataset.tabular(str(tmp_path / "t"), "csv", partitioning="hive"))
    assert found.filter(("year", "==", 2024)).to_arrow().to_pylist() == [{"n": 2, "year": 2024}]


def test_files_that_are_no_table_are_told_without_a_traceback(workspace, tmp_path):
    write(tmp_path, {"t.parquet": "no", "t.csv": "a,b\n1\n", "t.json": "{"})
    for name in ("t.parquet", "t.csv", "t.json"):
        with pytest.raises(UsageError, match="the table cannot be read"):
            workspace.datasets.register("t", Dataset.tabular(str(tmp_path / name)))
    assert workspace.datasets.list() == []


def test_a_type_that_was_guessed_from_the_first_file_and_does_not_fit_the_next_is_told(workspace, tmp_path):
    write(tmp_path / "t", {"a.csv": "n\n1\n", "b.csv": "n\nx\n"})
    with pytest.raises(UsageError, match="the table cannot be read") as error:
        workspace.datasets.register("t", Dataset.tabular(str(tmp_path / "t" / "*.csv")))
    assert "--type" in error.value.hint
    given = Dataset.tabular(str(tmp_path / "t" / "*.csv"), types={"n": "string"})
    assert workspace.datasets.register("t", given).to_arrow().column("n").to_pylist() == ["1", "x"]


# -- transformations ---------------------------------------------------------------------------------------------------


@pytest.fixture
def numbers(workspace, tmp_path):
    for part in range(2):
        pq.write_table(
            pa.table({"n": list(range(part * 50, part * 50 + 50)), "even": [n % 2 == 0 for n in range(50)]}),
            tmp_path / f"n{part}.parquet",
        )
    return workspace.datasets.register("numbers", Dataset.tabular(str(tmp_path / "n*.parquet")))


def column(dataset):
    return dataset.to_arrow().column("n").to_pylist()


def test_rows_and_columns_are_chosen_in_the_order_that_is_said(numbers):
    assert column(numbers.skip(2).take(3)) == [2, 3, 4]
    assert column(numbers.take(3).skip(2)) == [2]
    assert column(numbers.filter(("even", "==", True), ("n", ">", 90)).take(2)) == [92, 94]
    assert column(numbers.take(4).filter(("even", "==", True))) == [0, 2]
    assert column(numbers.filter(("n", "in", [3, 99, 100]))) == [3, 99]
    assert numbers.keep_columns("even", "n").to_arrow().column_names == ["even", "n"]
    assert numbers.drop_columns("n").take(1).to_arrow().to_pylist() == [{"even": True}]
    assert column(numbers.filter(("even", "==", True)).keep_columns("n").take(1)) == [0]
    assert numbers.head(2).num_rows == 2


def test_chance_is_the_same_each_time_and_splits_leave_nothing_out(numbers):
    one, other = numbers.random_split(0.3, seed=7)
    assert column(one) == column(numbers.sample(0.3, seed=7)) == column(one)
    assert sorted(column(one) + column(other)) == list(range(100))
    assert 15 < len(column(one)) < 45
    assert column(numbers.sample(0.3, seed=8)) != column(one)
    assert column(numbers.sample(1.0)) == list(range(100))
    assert column(numbers.sample(0.0)) == []


def test_faults_of_transformations_are_told(numbers, workspace, data):
    with pytest.raises(UsageError, match="has no column 'x'"):
        numbers.keep_columns("x").to_arrow()
    with pytest.raises(UsageError, match="not allowed"):
        numbers.filter(("n", "=", 1))
    with pytest.raises(UsageError, match="not allowed"):
        numbers.sample(1.5)
    with pytest.raises(UsageError, match="for tabular datasets"):
        workspace.datasets.register("files", Dataset.file(str(data))).take(1)
    with pytest.raises(UsageError, match="is no table"):
        value_of(workspace, dataset("files").take(1).path_ref.path, "any")


def test_pandas_and_dask_see_the_same_table(numbers):
    frame = numbers.filter(("n", ">=", 48)).to_pandas()
    assert list(frame["n"]) == list(range(48, 100))
    lazy = numbers.filter(("n", ">=", 48)).to_dask()
    assert lazy.npartitions == 2
    assert list(lazy["n"].compute(scheduler="synchronous")) == list(range(48, 100))
    assert len(numbers.take(5).to_dask().compute(scheduler="synchronous")) == 5


# -- as inputs ---------------------------------------------------------------------------------------------------------


def test_a_file_dataset_is_what_a_file_or_folder_would_be(workspace, data):
    """So that a step that has read these files by path does not run again for a dataset of them."""
    pipelines = workspace.services.pipelines
    workspace.datasets.register("sales", Dataset.file(str(data)))
    workspace.datasets.register("one", Dataset.file(str(data / "one.csv")))
    from pipelinekit.workspace.inputs import InputPaths

    inputs = InputPaths(pipelines.blobs, workspace.services.cache, keep=True)
    assert value_of(workspace, "sales", "any") == inputs.value(PathRef(str(data), True), data)
    assert value_of(workspace, "one", "any") == inputs.value(PathRef(str(data / "one.csv")), data)
    assert value_of(workspace, "one@1", "folder").format == "folder"
    assert [item.blob for item in value_of(workspace, "sales", "files").items] == [
        item.digest for item in workspace.datasets.get("sales").record.files
    ]
    with pytest.raises(UsageError, match="has 2 files, and one file is asked for"):
        value_of(workspace, "sales", "file")
    with pytest.raises(UsageError, match="is a file dataset, and a table is asked for"):
        value_of(workspace, "sales", "table")


def test_a_plan_stores_nothing(workspace, data):
    workspace.datasets.register("sales", Dataset.file(str(data)))
    planned = value_of(workspace, "sales", "any", keep=False)
    assert list((workspace.folder / "blobs").iterdir()) == []
    assert value_of(workspace, "sales", "any") == planned


def test_what_was_changed_behind_a_version_is_named(workspace, data, capsys):
    workspace.datasets.register("sales", Dataset.file(str(data)))
    write(data, {"two.csv": "changed"})
    for keep in (True, False):
        with pytest.raises(
            IntegrityError, match=r"1 of 2 files \(two\.csv\) changed or vanished since sales@1"
        ) as error:
            value_of(workspace, "sales", "any", keep=keep)
    assert "--create-new-version" in error.value.hint
    (data / "one.csv").unlink()
    with pytest.raises(IntegrityError, match=r"2 of 2 files \(one\.csv, two\.csv\)"):
        value_of(workspace, "sales", "any")


def test_content_that_the_workspace_has_kept_is_used_and_the_change_is_said(workspace, data, capsys):
    workspace.datasets.register("sales", Dataset.tabular(str(data / "*.csv")))
    before = value_of(workspace, "sales", "table")
    assert capsys.readouterr().err == ""
    shutil.rmtree(data)
    assert value_of(workspace, "sales", "table") == before
    assert "2 of 2 files (one.csv, two.csv) changed or vanished" in capsys.readouterr().err
    assert workspace.datasets.get("sales").to_arrow().num_rows == 3


def test_files_are_copied_out_and_nothing_is_overwritten_unasked(workspace, data, tmp_path):
    workspace.datasets.register("sales", Dataset.file(str(data)))
    found = workspace.datasets.get("sales").download(tmp_path / "out")
    assert [path.name for path in found] == ["one.csv", "two.csv"]
    with pytest.raises(ConflictError, match="is there already"):
        workspace.datasets.get("sales").download(tmp_path / "out")
    (tmp_path / "out" / "one.csv").write_text("mine")
    workspace.datasets.get("sales").download(tmp_path / "out", overwrite=True)
    assert (tmp_path / "out" / "one.csv").read_text().startswith("a,b")
    assert os.access(tmp_path / "out" / "one.csv", os.W_OK)


# -- elsewhere ---------------------------------------------------------------------------------------------------------


def test_a_store_must_be_reachable_unless_that_is_not_asked(workspace, tmp_path):
    with pytest.raises(StorageError, match="cannot be reached"):
        workspace.datastores.register("raw", tmp_path / "nothing")
    assert workspace.datastores.list() == []
    workspace.datastores.register("raw", tmp_path / "nothing", skip_validation=True)
    with pytest.raises(ConflictError, match="there is a datastore 'raw' already"):
        workspace.datastores.register("RAW", tmp_path)
    assert workspace.datastores.register("RAW", tmp_path, overwrite=True, default=True).url == f"file://{tmp_path}"
    assert workspace.datastores.default.name == workspace.datastores.get().name == "RAW"


def test_files_go_up_and_down_and_stay_where_they_are_there(workspace, data, tmp_path):
    (tmp_path / "root").mkdir()
    raw = workspace.datastores.register("raw", tmp_path / "root")
    seen = []
    done = raw.upload(data, "2024", progress=lambda *said: seen.append(said))
    assert done.done == ("2024/one.csv", "2024/two.csv")
    assert seen == [(1, 2, "2024/one.csv"), (2, 2, "2024/two.csv")]
    write(data, {"one.csv": "new"})
    assert raw.upload(data, "2024").kept == ("2024/one.csv", "2024/two.csv")
    assert raw.upload(data / "one.csv", "2024", overwrite=True).done == ("2024/one.csv",)
    assert raw.download("2024/one*", tmp_path / "out").done == ("2024/one.csv",)
    assert (tmp_path / "out" / "2024" / "one.csv").read_text() == "new"
    with pytest.raises(NotFoundError, match="has no file that 'x' means"):
        raw.download("x", tmp_path / "out")
    workspace.datastores.unregister("raw")
    assert (tmp_path / "root" / "2024" / "one.csv").exists()


def test_a_dataset_that_came_out_of_a_run_and_lost_its_bytes_is_told_by_checks(workspace):
    services = workspace.services
    blob, size = services.blobs.put(b"made")
    value = StoredValue(blob, "file", size, blob)
    made = DatasetVersion("made", 0, DatasetDefinition("file", ()), blob, run="r", step="s", value=value)
    services.datasets._records.add(made)
    assert Checker(services.upkeep, 3600.0).check() == []
    services.blobs.discard(blob)
    (fault,) = [fault for fault in Checker(services.upkeep, 3600.0).check() if fault.rule == "I2"]
    assert "a registered dataset" in fault.message


def test_a_table_is_written_to_the_default_store_and_registered(workspace, tmp_path):
    frame = pd.DataFrame({"a": [1, 2]})
    with pytest.raises(NotFoundError, match="no datastore is the default"):
        workspace.datasets.register_table("t", frame)
    (tmp_path / "root").mkdir()
    workspace.datastores.register("raw", tmp_path / "root", default=True)
    found = workspace.datasets.register_table("t", frame)
    assert found.to_pandas().equals(frame)
    assert [source.store for source in found.record.definition.sources] == ["raw"]
    again = workspace.datasets.register_table("t", frame, exist_ok=True)
    assert again.version == 1
    two = workspace.datasets.register_table("t", pa.table({"a": [3]}), create_new_version=True)
    assert (two.version, two.to_arrow().num_rows, found.to_arrow().num_rows) == (2, 1, 2)


def test_files_of_a_web_server_are_fetched_once(workspace):
    with web_server({"/data/a.csv": b"n\n1\n", "/data/b.csv": b"n\n2\n"}) as server:
        workspace.datastores.register("web", f"{server.url}/data", allow_private=True)
        sources = ("web", ["a.csv", "b.csv"])
        workspace.datasets.register("t", Dataset.tabular(sources))
        workspace.datasets.register("t", Dataset.tabular(sources), exist_ok=True)
        assert workspace.datasets.get("t").to_arrow().column("n").to_pylist() == [1, 2]
        value_of(workspace, "t", "table")
        got = [path for method, path, _ in server.asked if method == "GET"]
        assert sorted(got) == ["/data/a.csv", "/data/b.csv"]
        server.files["/data/b.csv"] = b"n\n3\n"
        found = workspace.datasets.register("t", Dataset.tabular(sources), create_new_version=True)
        assert (found.version, found.to_arrow().column("n").to_pylist()) == (2, [1, 3])
        with pytest.raises(UsageError, match="which keeps no lists"):
            workspace.datastores.get("web").files()


def test_what_a_remote_store_has_lost_is_named(workspace):
    with web_server({"/a.csv": b"n\n1\n"}) as server:
        workspace.datastores.register("web", server.url, allow_private=True)
        record = workspace.datasets.register("t", Dataset.file(("web", "a.csv"))).record
        workspace.services.blobs.discard(record.files[0].digest)
        server.files["/a.csv"] = b"n\n9\n"
        with pytest.raises(IntegrityError, match=r"1 of 1 file \(a\.csv\) changed"):
            value_of(workspace, "t", "any")
        server.files["/a.csv"] = b"n\n1\n"
        assert value_of(workspace, "t", "any").blob == record.files[0].digest
        workspace.services.blobs.discard(record.files[0].digest)
        workspace.datastores.unregister("web")
        with pytest.raises(NotFoundError, match="t@1 needs datastore 'web'"):
            value_of(workspace, "t", "any")


def test_a_bucket_is_a_store_like_any_other(workspace, data, s3_server):
    from pipelinekit.testing.datastores import MemorySecretValues

    s3_server.make_bucket("lake")
    workspace.services.secret_values = MemorySecretValues({"id": "a", "word": "the-very-secret"})
    lake = workspace.datastores.register(
        "lake",
        "s3://lake/raw",
        options={"endpoint": s3_server.url, "region": "us-east-1"},
        secrets={"key": "id", "secret": "word"},
    )
    lake.upload(data, "2024")
    found = workspace.datasets.register("sales", Dataset.tabular(("lake", "2024/*.csv")))
    assert [item.path for item in found.record.files] == ["one.csv", "two.csv"]
    assert found.to_arrow().num_rows == 3
    assert b"the-very-secret" not in b"".join(
        path.read_bytes() for path in workspace.folder.rglob("*.db*") if path.is_file()
    )


def test_a_table_that_is_read_lazily_is_an_arrow_dataset(workspace, data, tmp_path):
    from pipelinekit.formats.loading import load_value

    workspace.datasets.register("sales", Dataset.tabular(str(data / "*.csv")))
    recipe = dataset("sales").filter(("a", ">", 1)).keep_columns("b").path_ref.path
    for number, reference in enumerate(("sales", recipe, dataset("sales").take(2).path_ref.path)):
        value = value_of(workspace, reference, "table")
        found = load_value(value, ds.Dataset, workspace.services.blobs, tmp_path / str(number))
        assert isinstance(found, ds.Dataset)
        assert found.count_rows() == (3, 2, 2)[number]


def test_files_of_a_local_store_are_looked_at_each_time(workspace, data, capsys):
    workspace.datastores.register("raw", data)
    workspace.datasets.register("sales", Dataset.file(("RAW", "*.csv")))
    before = value_of(workspace, "sales", "any")
    write(data, {"one.csv": "changed"})
    assert value_of(workspace, "sales", "any") == before
    assert "1 of 2 files (one.csv) changed" in capsys.readouterr().err
    (data / "one.csv").unlink()
    (data / "one.csv").symlink_to("/etc/hostname")
    with pytest.raises(UsageError, match="a link that leads out of it"):
        value_of(workspace, "sales", "any")


def test_files_that_were_seen_are_named_by_what_they_were():
    digest = "xxh3:" + "0" * 32
    text = f"datastore:raw/in/a.csv@{digest}"
    reference = parse_reference(text)
    assert (reference.name, reference.seen, reference.text()) == ("datastore:raw/in/a.csv", digest, text)
    assert reference.source.path == "in/a.csv"
    assert parse_reference("datastore:raw/a@b.csv").source.path == "a@b.csv"
