"""Keys are the same for everybody: user, folder, hash seed, locale, time zone and umask are no part of them."""

import json
import os
import shutil
import subprocess
import sys

import pytest

SOURCE = """
from pipelinekit import File, Folder, pipeline, step
import tools

@step
def read(data: Folder, one: File) -> dict[str, int]:
    return {str(path.relative_to(data)): len(path.read_bytes()) for path in sorted(data.rglob("*")) if path.is_file()}

@step
def count(sizes: dict[str, int], names: list[str], rate: float = 0.1) -> str:
    return tools.words(sizes, names)

@pipeline
def main(title: str = "é"):
    return count(read(Folder("data"), File("data/b.csv")), ["b", "a", title])
"""
TOOLS = "import os\n\ndef words(sizes, names):\n    return f'{sorted(sizes)} {names} {os.environ.get(\"NOT_SET\")}'\n"
OTHERS = {
    "user and home": {"HOME": "/nonexistent", "USER": "somebody", "LOGNAME": "somebody"},
    "hash seed": {"PYTHONHASHSEED": "4711"},
    "locale": {"LC_ALL": "C", "LANG": "C", "PYTHONIOENCODING": "ascii"},
    "time zone": {"TZ": "Pacific/Chatham"},
    "temporary folder": {"TMPDIR": "/"},
    "terminal": {"COLUMNS": "20", "TERM": "dumb", "NO_COLOR": "1"},
}


def write(folder):
    (folder / "data" / "sub").mkdir(parents=True)
    (folder / "main.py").write_text(SOURCE, encoding="utf-8")
    (folder / "tools.py").write_text(TOOLS, encoding="utf-8")
    for name, data in {"b.csv": "1,2", "sub/ä.txt": "x", "sub/run.sh": "echo"}.items():
        (folder / "data" / name).write_text(data, encoding="utf-8")
    (folder / "data" / "sub" / "run.sh").chmod(0o755)
    return folder


def command(folder, *words, env=None, umask=0o022, prefix=()):
    done = subprocess.run(
        [*prefix, sys.executable, "-P", "-m", "pipelinekit", *words],
        cwd=folder,
        env={**os.environ, **(env or {})},
        capture_output=True,
        timeout=120,
        check=False,
        umask=umask,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def told(folder, **options):
    """The compiled document, and the keys of a run in this process's stead."""
    command(folder, "compile", "main.py", "-o", "graph.json", **options)
    document = (folder / "graph.json").read_bytes()
    (folder / "graph.json").unlink()
    run = json.loads(command(folder, "run", "main.py", "--json", "--in-process", **options))
    return document, {step["name"]: step["key"] for step in run["steps"]}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    return told(write(tmp_path_factory.mktemp("first")))


@pytest.mark.parametrize("what", OTHERS)
def test_documents_and_keys_do_not_depend_on_the_process(first, tmp_path, what):
    assert told(write(tmp_path / "far away" / "ö"), env=OTHERS[what]) == first


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_documents_and_keys_do_not_depend_on_the_umask(first, tmp_path, umask):
    before = os.umask(umask)
    try:
        folder = write(tmp_path / "other")
    finally:
        os.umask(before)
    assert told(folder, umask=umask) == first


def test_documents_and_keys_do_not_depend_on_the_host(first, tmp_path):
    prefix = ["unshare", "--map-root-user", "--uts", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh"]
    if shutil.which("unshare") is None or subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip("no other host name may be set here")
    assert told(write(tmp_path / "other"), prefix=prefix) == first
