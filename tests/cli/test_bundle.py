"""Modules of ours come from one file where nothing is new in a run, and never as they were before a change."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pipelinekit

PIPE = """
from pipelinekit import pipeline, step

@step
def one() -> int:
    return 1

@pipeline
def pipe():
    return one()
"""
LOADED = """
import sys
from pipelinekit.cli.main import main
main(["run", "pipe.py"])
others = [name for name, module in sys.modules.items()
          if name.startswith("pipelinekit.") and type(module.__spec__.loader).__module__ != "pipelinekit.bundled"]
print(*sorted(others))
"""
DONE = "everything was reused"


@pytest.fixture
def package(project):
    """A copy of the package, which a test may change, with a project whose run has nothing new."""
    project.write(pipe=PIPE)
    copy = project.folder.parent / "site"
    shutil.copytree(
        Path(pipelinekit.__file__).parent, copy / "pipelinekit", ignore=shutil.ignore_patterns("__pycache__")
    )
    package = Package(project, copy)
    assert DONE not in package.run()
    return package


class Package:
    def __init__(self, project, folder):
        self.project, self.folder = project, folder

    def start(self, *words, keep="1"):
        variables = {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "" if keep else "1"}
        done = subprocess.run(
            [sys.executable, "-P", *words],
            cwd=self.project.folder,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, **options):
        return self.start("-m", "pipelinekit", "run", "pipe.py", **options)

    def others(self):
        """The modules of ours that a run loads, and not from the bundle."""
        return self.start("-c", LOADED).splitlines()[-1].split()

    @property
    def bundles(self):
        return list(self.folder.rglob("*.modules"))


FIRST = ["pipelinekit.bundled", "pipelinekit.cli", "pipelinekit.typed"]


def test_a_run_in_which_nothing_is_new_loads_the_rest_from_one_file(package):
    assert package.bundles == []
    assert DONE in package.run(keep="")
    assert package.bundles == [], "where bytecode is not kept, this is not"
    assert package.others() != FIRST
    assert len(package.bundles) == 1
    assert package.others() == FIRST
    before = package.bundles[0].stat()
    assert DONE in package.run()
    assert package.bundles[0].stat().st_mtime_ns == before.st_mtime_ns, "it is written once"


def test_a_module_that_has_changed_is_loaded_as_it_is(package):
    package.run()
    assert package.others() == FIRST
    module = package.folder / "pipelinekit/cli/progress.py"
    before = module.stat()
    text = module.read_text()
    assert text.count(DONE) == 1
    module.write_text(text.replace(DONE, DONE.upper()))
    os.utime(module, ns=(before.st_atime_ns, before.st_mtime_ns + 2 * 10**9))  # by more than bytecode tells apart
    assert DONE.upper() in package.run()
    assert package.others() == FIRST, "and so it is in the bundle by now"


def test_a_copy_of_the_package_loads_its_own_modules(package):
    package.run()
    copy = Package(package.project, package.folder.parent / "copy")
    shutil.copytree(package.folder, copy.folder)
    module = copy.folder / "pipelinekit/cli/progress.py"
    module.write_text(module.read_text().replace(DONE, DONE.upper()))
    assert DONE.upper() in copy.run()
    assert copy.others() == FIRST


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:-200_000], lambda data: b"\xff" * 100, lambda data: data[:9]]
)
def test_a_damaged_file_is_as_good_as_none(package, damage):
    package.run()
    (bundle,) = package.bundles
    bundle.write_bytes(damage(bundle.read_bytes()))
    assert DONE in package.run()
    assert DONE in package.run()


def test_where_nothing_can_be_written_all_is_as_ever(package):
    shutil.rmtree(package.folder / "pipelinekit/__pycache__")
    (package.folder / "pipelinekit/__pycache__").write_text("in the way")
    assert DONE in package.run()
