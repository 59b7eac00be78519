"""The cache takes any file name that Linux has, and a failed write leaves it usable."""

from pipelinekit.storage.cache import FileCache
from pipelinekit.storage.sqlite_library import sqlite3

NAME = b"caf\xe9.txt".decode("utf-8", "surrogateescape")


def test_names_that_are_no_utf_8_do_not_fail(tmp_path):
    cache = FileCache(tmp_path / "cache.db")
    cache.put("files", {NAME: "1"})
    assert cache.get("files", [NAME]) in ({}, {NAME: "1"})


def test_a_write_that_fails_leaves_the_cache_unlocked(tmp_path):
    cache = FileCache(tmp_path / "cache.db")
    cache.put("files", {NAME: "1"})
    cache.put("files", {"later": "2"})
    assert FileCache(tmp_path / "cache.db").get("files", ["later"]) == {"later": "2"}
    other = sqlite3.connect(tmp_path / "cache.db", timeout=0.1, isolation_level=None)
    other.execute("begin immediate")
    other.execute("rollback")
