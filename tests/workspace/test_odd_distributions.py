"""Damaged metadata of a distribution that nobody needs stops nothing."""

import sys

import pytest

from pipelinekit.testing.stores import MemoryCache
from pipelinekit.workspace.installed_index import build_index
from pipelinekit.workspace.software import InstalledSoftware


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"METADATA": ""},
        {"METADATA": "Metadata-Version: 2.1\nName: odd\n"},
        {"METADATA": "Metadata-Version: 2.1\nName: odd\nVersion: 1\n", "direct_url.json": ""},
        {"METADATA": "Metadata-Version: 2.1\nName: odd\nVersion: 1\n", "direct_url.json": "{"},
        {"METADATA": "Metadata-Version: 2.1\nName: odd\nVersion: 1\n", "direct_url.json": "[]"},
        {"METADATA": "Metadata-Version: 2.1\nName: odd\nVersion: 1\n", "RECORD": "only-one-column\n"},
        {"METADATA": "Metadata-Version: 2.1\nName: odd\nVersion: 1\nRequires-Dist: \n", "top_level.txt": "\n"},
    ],
)
def test_odd_metadata_does_no_harm(tmp_path, monkeypatch, files):
    site = tmp_path / "site-packages"
    (site / "odd-1.dist-info").mkdir(parents=True)
    (site / "fine-2.dist-info").mkdir()
    (site / "fine-2.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: fine\nVersion: 2\n")
    (site / "fine-2.dist-info" / "RECORD").write_text("fine.py,,\n")
    (site / "fine.py").write_text("")
    for name, text in files.items():
        (site / "odd-1.dist-info" / name).write_text(text)
    monkeypatch.setattr(sys, "path", [str(site), *(entry for entry in sys.path if "-packages" not in entry)])
    software = InstalledSoftware(MemoryCache(), build_index)
    assert software.packages(["fine"]) == (("fine", "2"),)
    assert software.owns("fine")
