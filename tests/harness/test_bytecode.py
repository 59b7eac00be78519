"""Bytecode of the author's modules is kept beside the snapshot, that of packages where it is."""

MAIN = """
    import os
    import subprocess
    import sys
    import rich.box
    from helpers import number
    from pipelinekit import pipeline, step

    @step
    def one() -> int:
        source = os.path.dirname(os.path.dirname(number.__file__))
        code = "import sys; sys.path.insert(0, sys.argv[1]); from helpers import other"
        subprocess.run([sys.executable, "-c", code, source], check=True)
        return number.N

    @pipeline
    def main():
        return one()
"""


def test_bytecode_of_the_authors_modules_alone_is_kept_and_not_in_the_snapshot(project, monkeypatch):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    project.write(main=MAIN, helpers__number="N = 1", helpers__other="N = 2")
    project.run("main.py")
    kept = {path.name.partition(".")[0] for path in (project.home / "pycache").rglob("*.pyc")}
    assert kept == {"main", "number"}
    assert not list((project.home / "snapshots").rglob("*.pyc"))
    project.run("main.py", "--regenerate")
    assert kept == {path.name.partition(".")[0] for path in (project.home / "pycache").rglob("*.pyc")}
