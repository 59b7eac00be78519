"""Files that claim to be exported runs: what would leave its place, hide something or swell is refused before it is used."""

import io
import json
import stat
import struct
import tracemalloc
import zipfile

import pytest

from pipelinekit import File, Workspace, pipeline, step
from pipelinekit.classes import replace
from pipelinekit.cli.main import main
from pipelinekit.domain.digests import digest_bytes
from pipelinekit.domain.snapshots import parse_manifest
from pipelinekit.errors import IntegrityError
from pipelinekit.formats.paths import place_folder
from pipelinekit.storage.blobs import FolderBlobs
from pipelinekit.workspace import archives
from pipelinekit.workspace.bundles import BundleFile, bundle_of, write_bundle


@step
def length(data: File) -> int:
    return len(data.read_bytes())


@pipeline
def measured(data: File):
    return length(data)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run in a file, and what is needed to write it again."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "zeros").write_bytes(bytes(2_000_000))
    workspace = Workspace.open(folder)
    run = workspace.submit(measured, parameters={"data": str(folder / "zeros")}, compute="in-process").wait()
    services = workspace.services
    text = services.records.documents.get([run.record.graph])[run.record.graph]
    bundle = bundle_of(run.record, text, services.records.runs.steps(run.id), services.blobs)
    data = {blob for value in [*bundle.arguments.values(), *bundle.paths.values()] for blob in value.blobs()}
    bundle = replace(bundle, blobs=tuple(sorted({*data, *bundle.blobs[:2]})))  # most of the source folder stays out
    write_bundle(bundle, services.blobs, folder / "run.zip")
    return folder / "run.zip", bundle, services.blobs


@pytest.fixture
def scene(made, tmp_path):
    """A folder with nothing but a target, and a function that writes the run's file with something added."""

    def written(add=lambda archive: None, edit=lambda data: data):
        buffer = io.BytesIO()
        with zipfile.ZipFile(made[0]) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
            for item in old.infolist():
                new.writestr(item.filename, old.read(item))
            new.comment = old.comment
            add(new)
        path = tmp_path / "run.zip"
        path.write_bytes(edit(buffer.getvalue()))
        return path

    return written


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def refused(path, match):
    before = everything(path.parent)
    with pytest.raises(IntegrityError, match=match) as error:
        BundleFile(path)
    assert error.value.hint
    assert everything(path.parent) == before, "not a byte was written"


NAMES = [
    "../evil", "/tmp/evil", "C:/evil", "C:\\evil", "\\\\host\\share\\evil", "blobs/../../evil", "a/../../b", "blobs/",
    "blobs/..", "blobs/xxh3-..", "blobs/" + "x" * 5000, "blobs/xxh3-" + "g" * 32, "blobs/XXH3-" + "0" * 32, "RUN.JSON",
    "run.json/", "run.json/x", "blobs/xxh3-" + "0" * 32 + "/x", "blobs//xxh3-" + "0" * 32, "evil\u202e.json",
    "graph\u2024json", "%2e%2e/evil", "./run.json", " run.json",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:30])
def test_an_entry_that_does_not_belong_there_refuses_the_whole_file(scene, name):
    refused(scene(lambda archive: archive.writestr(name, "evil")), "does not belong there|no plain file")


def test_names_that_end_at_a_zero_are_told_as_they_are(scene):
    path = scene(
        lambda archive: archive.writestr("run.jsonX", "evil"), lambda data: data.replace(b"run.jsonX", b"run.json\0")
    )
    refused(path, "two entries|does not belong there")


def test_two_entries_of_one_name_are_refused(scene):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = scene(lambda archive: archive.writestr("run.json", "{}"))
    refused(path, "two entries of one name")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFDIR, stat.S_IFBLK])
def test_links_devices_and_folders_are_refused_by_their_mode_whatever_their_name(scene, kind):
    def add(archive):
        item = zipfile.ZipInfo("blobs/xxh3-" + "0" * 32)
        item.create_system, item.external_attr = 3, (kind | 0o777) << 16
        archive.writestr(item, "/etc/passwd")
        archive.writestr("blobs/xxh3-" + "1" * 32, "written through it")

    refused(scene(add), "is no plain file")


def edited(data, name, central, value, form="<H"):
    """An archive with a number in the central header of an entry replaced."""
    at = data.rindex(b"PK\1\2", 0, data.rindex(name.encode()))
    return data[: at + central] + struct.pack(form, value) + data[at + central + struct.calcsize(form) :]


def test_what_hides_its_content_is_refused(scene):
    refused(scene(edit=lambda data: edited(data, "graph.json", 8, 1)), "is encrypted")
    refused(scene(edit=lambda data: edited(data, "graph.json", 10, 12)), "packed in a way")
    refused(
        scene(edit=lambda data: data[:38].replace(b"run", b"rum") + data[38:]), "is no run that was exported|damaged"
    )
    for cut in (1, 30, 200):
        refused(scene(edit=lambda data, cut=cut: data[:-cut]), "is damaged")
    refused(scene(edit=lambda data: b""), "is damaged")
    refused(scene(edit=lambda data: data.replace(b"PK\3\4", b"PK\3\5")), "damaged")


def test_an_archive_that_would_swell_is_refused_and_one_of_ours_never_would(made, scene, monkeypatch):
    path, bundle, blobs = made
    monkeypatch.setattr(archives, "FREELY", 1_000_000)
    monkeypatch.setattr(archives, "RATIO", 2)
    refused(scene(), "would swell to")
    again = path.with_name("again.zip")
    write_bundle(bundle, blobs, again)
    assert again.stat().st_size > 2_000_000, "it is not packed where it would be refused"
    assert BundleFile(again).bundle == bundle
    again.unlink()


def test_lying_sizes_overlaps_and_endless_lists_are_refused(scene, monkeypatch, made):
    blob = next(name for name in zipfile.ZipFile(made[0]).namelist() if name.startswith("blobs/"))
    file = BundleFile(scene(edit=lambda data: edited(data, blob, 24, 5, "<I")))  # it is said to be short
    with pytest.raises(IntegrityError, match="damaged"):
        file.fill(FolderBlobs(file.path.parent / "filled"))
    assert not [path for path in (file.path.parent / "filled").rglob("*") if path.is_file()], "nothing is left of it"
    file.close()
    (file.path.parent / "filled" / "staging").rmdir()
    refused(scene(edit=lambda data: edited(data, "graph.json", 42, 0, "<I")), "overlap")
    monkeypatch.setattr(archives, "MOST_ENTRIES", 3)
    refused(scene(), "lists more than 3 entries")
    monkeypatch.undo()
    refused(endless(scene), "lists more than")


def endless(scene):
    """A file whose end says that the list of entries is a gigabyte long."""

    def edit(data):
        at = data.rindex(b"PK\5\6")
        return data[: at + 12] + struct.pack("<I", 2**30) + data[at + 16 :]

    return scene(edit=edit)


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "null", '{"schema": "pipelinekit run 1"}', "{", '{"schema": 1}'])
def test_a_description_that_makes_no_sense_is_refused(made, tmp_path, text):
    path = tmp_path / "run.zip"
    with zipfile.ZipFile(made[0]) as old, zipfile.ZipFile(path, "w") as new:
        new.writestr("run.json", text)
        new.writestr("graph.json", old.read("graph.json"))
        new.comment = digest_bytes(text.encode()).encode()
    assert main(["runs", "reproduce", str(path), "--into", str(tmp_path / "into")]) in (1, 2)
    assert everything(tmp_path) == ["run.zip"]


def test_a_blob_that_is_another_takes_the_new_workspace_with_it(made, scene, tmp_path, capsys):
    with zipfile.ZipFile(made[0]) as old:
        document = json.loads(old.read("run.json"))
        blob = document["blobs"][-1]
        name = f"blobs/{blob.replace(':', '-')}"
        with zipfile.ZipFile(tmp_path / "run.zip", "w") as new:
            for item in old.namelist():
                new.writestr(item, b"other bytes" if item == name else old.read(item))
            new.comment = old.comment
    assert main(["runs", "reproduce", str(tmp_path / "run.zip"), "--into", str(tmp_path / "into")]) == 1
    assert f"blob {blob} holds something else" in capsys.readouterr().err
    assert not (tmp_path / "into" / ".pipelinekit").exists()


def test_a_large_blob_takes_no_memory(tmp_path, made):
    path, _, _ = made
    tracemalloc.start()
    file = BundleFile(path)
    file.fill(FolderBlobs(tmp_path / "filled"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    file.close()
    assert peak < 8_000_000


def test_paths_in_a_stored_folder_that_would_leave_it_or_meet_are_refused(tmp_path):
    blobs = FolderBlobs(tmp_path / "blobs")
    digest, _ = blobs.put(b"evil")

    def manifest(*names):
        return json.dumps({"tree": 1, "entries": [[name, digest, 4, 0] for name in names]}).encode()

    for names in (
        ["../evil"], ["/evil"], ["a/../../evil"], ["a\\..\\evil"], ["a//b"], ["./a"], ["a/"], [""], ["a\0b"], ["a", "a"],
        [None], [1], [["a"]],
    ):  # fmt: skip
        with pytest.raises(IntegrityError):
            parse_manifest(manifest(*names))
    for data in (
        b"[" * 100_000,
        b"{}",
        b"null",
        b'{"tree": 1, "entries": 5}',
        b'{"tree": 1, "entries": [[1]]}',
        b"\xff",
    ):
        with pytest.raises(IntegrityError):
            parse_manifest(data)
    stored, _ = blobs.put(manifest("a", "a/b"))
    with pytest.raises(IntegrityError, match="in the way"):
        place_folder(stored, tmp_path / "placed", blobs)
