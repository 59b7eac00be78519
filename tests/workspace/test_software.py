"""Installed distributions: those that code reaches count, with what they require, and no others."""

import json
import re
import sys
from importlib import metadata

import pytest

from pipelinekit.testing.stores import MemoryCache
from pipelinekit.workspace.installed_index import build_index
from pipelinekit.workspace.software import InstalledSoftware


class Site:
    """A folder that distributions are installed in, as an installer leaves them."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def install(self, name, version, modules=(), requires=(), **files):
        """Install a distribution; an older version of it is removed, as an installer does."""
        self.remove(name)
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        record = [f"{info.name}/METADATA,,"]
        for module in modules:
            path = self.folder / module
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"version = {version!r}\n")
            record.append(f"{module},,")
        lines = [f"Requires-Dist: {item}" for item in requires]
        (info / "METADATA").write_text(
            "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines]) + "\n"
        )
        for file, text in files.items():
            (info / file.replace("__", ".")).write_text(text)
        (info / "RECORD").write_text("\n".join(record) + "\n")

    def remove(self, name):
        """Remove a distribution's metadata; its modules are overwritten by the next version."""
        for info in self.folder.glob(f"{name.replace('-', '_')}-*.dist-info"):
            for file in info.iterdir():
                file.unlink()
            info.rmdir()


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    found = Site(folder)
    monkeypatch.setattr(sys, "path", [str(folder), *without_packages()])
    return found


def without_packages():
    """The path of this interpreter without what is installed in it."""
    return [entry for entry in sys.path if "-packages" not in entry]


def packages(*modules, cache=None):
    return dict(InstalledSoftware(cache or MemoryCache(), build_index).packages(modules))


def owns(module):
    return InstalledSoftware(MemoryCache(), build_index).owns(module)


def test_a_module_brings_its_distribution_and_all_that_it_requires(site):
    site.install("frame", "2.1", ["frame/__init__.py"], ["numeric>=1", "clock"])
    site.install("numeric", "1.5", ["numeric/__init__.py"], ["base"])
    site.install("clock", "3", ["clock.py"])
    site.install("base", "0.1", ["base.py"])
    site.install("other", "9", ["other.py"])
    assert packages("frame.core") == {"frame": "2.1", "numeric": "1.5", "clock": "3", "base": "0.1"}
    assert packages("clock") == {"clock": "3"}
    assert packages() == {}
    assert packages("other", "clock") == {"other": "9", "clock": "3"}


def test_an_upgrade_of_what_is_not_reached_changes_nothing(site):
    site.install("frame", "2.1", ["frame.py"], ["numeric"])
    site.install("numeric", "1.5", ["numeric.py"])
    site.install("other", "9", ["other.py"])
    cache = MemoryCache()
    before = packages("frame", cache=cache)
    site.install("other", "10", ["other.py"])
    site.install("third", "1", ["third.py"])
    assert packages("frame", cache=cache) == before
    site.install("numeric", "1.6", ["numeric.py"])
    assert packages("frame", cache=cache) == {**before, "numeric": "1.6"}


def test_a_missing_module_is_listed_until_it_is_there(site):
    cache = MemoryCache()
    assert packages("soon", "soon.inner", cache=cache) == {"soon": "missing"}
    site.install("soon", "1", ["soon.py"])
    assert packages("soon", cache=cache) == {"soon": "1"}
    site.remove("soon")
    assert packages("soon", cache=cache) == {"soon": "missing"}


def test_what_is_installed_is_read_once_until_something_is_installed(site):
    reads = []

    def counted():
        reads.append(1)
        return build_index()

    cache = MemoryCache()
    site.install("frame", "1", ["frame.py"])
    for _ in range(3):
        assert dict(InstalledSoftware(cache, counted).packages(["frame"])) == {"frame": "1"}
    assert len(reads) == 1
    site.install("frame", "2", ["frame.py"])
    assert dict(InstalledSoftware(cache, counted).packages(["frame"])) == {"frame": "2"}
    assert len(reads) == 2


def test_names_are_written_in_one_way(site):
    site.install("My.Frame_Lib", "1", ["myframe.py"], ["Numeric_Base >= 2 ; python_version > '3'", "odd[extra]~=1"])
    site.install("numeric-base", "2", ["nb.py"])
    site.install("Odd", "1", ["odd.py"])
    assert packages("myframe") == {"my-frame-lib": "1", "numeric-base": "2", "odd": "1"}


def test_what_only_an_extra_asks_for_is_not_followed(site):
    site.install("frame", "1", ["frame.py"], ['plots; extra == "draw"', "numeric"])
    site.install("plots", "1", ["plots.py"])
    site.install("numeric", "1", ["numeric.py"])
    assert packages("frame") == {"frame": "1", "numeric": "1"}


def test_what_is_required_and_not_installed_is_left_out(site):
    site.install("frame", "1", ["frame.py"], ["absent"])
    assert packages("frame") == {"frame": "1"}


def test_requirements_in_a_circle_end(site):
    site.install("one", "1", ["one.py"], ["two"])
    site.install("two", "2", ["two.py"], ["one"])
    assert packages("one") == packages("two") == {"one": "1", "two": "2"}


def test_a_module_of_several_distributions_brings_them_all(site):
    site.install("space-one", "1", ["space/one.py"])
    site.install("space-two", "2", ["space/two.py"])
    assert packages("space.one") == {"space-one": "1", "space-two": "2"}


def test_the_first_on_the_path_is_the_one_that_is_imported(site, tmp_path, monkeypatch):
    first = Site(tmp_path / "first-packages")
    first.install("frame", "2", ["frame.py"])
    site.install("frame", "1", ["frame.py"])
    monkeypatch.setattr(sys, "path", [str(first.folder), *sys.path])
    assert packages("frame") == {"frame": "2"}


def test_editable_installs_count_by_content_and_others_by_version(site):
    editable = json.dumps({"url": "file:///home/me/mine", "dir_info": {"editable": True}})
    local = json.dumps({"url": "file:///home/me/local", "dir_info": {}})
    remote = json.dumps({"url": "https://example.org/remote.whl", "archive_info": {}})
    site.install("mine", "1", ["mine.py"], direct_url__json=editable)
    site.install("local", "1", ["local.py"], direct_url__json=local)
    site.install("remote", "1", ["remote.py"], direct_url__json=remote)
    site.install("plain", "1", ["plain.py"])
    assert [owns(name) for name in ("mine", "local", "remote", "plain", "absent")] == [False, False, True, True, False]


def test_old_egg_info_is_read_too(site):
    info = site.folder / "old.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: old\nVersion: 0.9\n")
    (info / "top_level.txt").write_text("old_module\n")
    assert packages("old_module") == {"old": "0.9"}
    assert owns("old_module")


def test_only_the_head_of_a_description_counts(site):
    description = "Version: 8\n\nName: not-this\nRequires-Dist: nor-this\n"
    site.install("head", "1", ["head.py", "head-1.data/scripts/tool.py"])
    place = site.folder / "head-1.dist-info" / "METADATA"
    place.write_text(f"Metadata-Version: 2.1\r\nname: head\r\nversion: 1\r\n\r\n{description}")
    assert packages("head") == {"head": "1"}


def test_descriptions_are_read_as_the_standard_library_reads_them():
    found = build_index()
    known = {}
    for distribution in metadata.distributions():
        known.setdefault(re.sub(r"[-_.]+", "-", distribution.name).lower(), distribution)
    assert found["versions"] == {name: distribution.version for name, distribution in known.items()}
    assert {name: len(names) for name, names in found["requires"].items()} == {
        name: sum("extra" not in line.partition(";")[2] for line in distribution.requires or ())
        for name, distribution in known.items()
    }


def test_this_interpreter_knows_its_own_packages():
    software = InstalledSoftware(MemoryCache(), build_index)
    assert software.owns("xxhash")
    assert "dask" in dict(software.packages(["distributed"]))


def test_an_upgrade_in_any_folder_on_the_path_is_seen(tmp_path, monkeypatch):
    """As of `pip install --target vendor`; the folder of the sources itself is on the path too."""
    vendor = Site(tmp_path / "vendor")
    monkeypatch.setattr(sys, "path", [str(vendor.folder)])
    cache = MemoryCache()
    vendor.install("tiny", "1.0", ["tiny.py"])
    assert InstalledSoftware(cache, build_index).packages(["tiny"]) == (("tiny", "1.0"),)
    vendor.install("tiny", "1.1", ["tiny.py"])
    assert InstalledSoftware(cache, build_index).packages(["tiny"]) == (("tiny", "1.1"),)


def test_what_else_is_written_into_a_folder_on_the_path_reads_nothing_anew(tmp_path, monkeypatch):
    vendor = Site(tmp_path / "vendor")
    monkeypatch.setattr(sys, "path", [str(vendor.folder)])
    vendor.install("tiny", "1.0", ["tiny.py"])
    cache, built = MemoryCache(), []

    def build():
        built.append(1)
        return build_index()

    for number in range(3):
        (vendor.folder / f"output{number}.txt").write_text("")
        assert InstalledSoftware(cache, build).packages(["tiny"]) == (("tiny", "1.0"),)
    assert built == [1]
