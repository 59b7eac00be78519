"""Built environments that nobody needs: found by their last use, taken unless somebody builds or has used them."""

import fcntl
import os

import pytest

from pipelinekit.storage.leftovers import HomeSweeper

OLD = 1000.0


@pytest.fixture
def home(tmp_path):
    for name in ("one", "two", ".building-x"):
        (tmp_path / "environments" / name / "bin").mkdir(parents=True)
        (tmp_path / "environments" / name / "bin" / "python").write_text("x" * 10)
        os.utime(tmp_path / "environments" / name, (OLD, OLD))
    return tmp_path


def found(home, before=OLD + 1, environments=frozenset({"two"})):
    return [item for item in HomeSweeper(home).leftovers(frozenset(), before, environments)]


def test_unused_ones_are_found_and_those_of_builders_that_died(home):
    assert {(item.kind, item.path, item.size) for item in found(home)} == {
        ("built environment", "environments/.building-x", 10),
        ("built environment", "environments/one", 10),
    }
    assert found(home, before=OLD) == []


def test_what_is_taken_away_is_gone_at_once(home):
    sweeper = HomeSweeper(home)
    for item in found(home):
        sweeper.take_away(item)
    assert sorted(path.name for path in (home / "environments").iterdir() if path.is_dir()) == ["two"]
    sweeper.empty()
    assert not (home / "trash").exists()


def test_what_is_built_or_was_used_meanwhile_stays(home):
    sweeper = HomeSweeper(home)
    (leftover,) = (item for item in found(home) if item.path.endswith("one"))
    with (home / "environments" / ".one.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        sweeper.take_away(leftover)
        assert (home / "environments" / "one").is_dir()
    os.utime(home / "environments" / "one")
    sweeper.take_away(leftover)
    assert (home / "environments" / "one").is_dir()
