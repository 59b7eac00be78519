"""Previews of snapshots: they tell what a snapshot takes, and by which rule of which file something is left out."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelinekit.domain.snapshots import SnapshotLimits
from pipelinekit.errors import NotFoundError
from pipelinekit.testing.stores import MemoryCache
from pipelinekit.workspace.exposures import exposures
from pipelinekit.workspace.ignore_patterns import compile_patterns
from pipelinekit.workspace.previews import preview
from pipelinekit.workspace.snapshots import SourceTree


@pytest.fixture
def root(tmp_path):
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


def write(root, *paths, text="x\n"):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def look(root):
    return preview(root, compile_patterns)


def left_out(root):
    return {item.path: str(item.rule) if item.rule else item.why for item in look(root).left_out}


def test_each_rule_is_named_with_its_file_and_line(root):
    write(root, "main.py", "a.log", "keep.log", "build/x", "data/raw/y", "__pycache__/m.pyc", ".git/HEAD", ".env")
    (root / ".amlignore").write_text("# logs\n*.log\n!keep.log\n\nbuild/\ndata/raw\n")
    (root / ".gitignore").write_text("main.py\n")
    assert left_out(root) == {
        "a.log": ".amlignore:2: *.log",
        "build/": ".amlignore:5: build/",
        "data/raw/": ".amlignore:6: data/raw",
        "__pycache__/": "built in: __pycache__/",
        ".git/": "built in: .git/",
        ".env": "built in: .env",
    }
    found = look(root)
    assert found.ignore_file == ".amlignore"
    assert [item.path for item in found.taken] == [".amlignore", ".gitignore", "keep.log", "main.py"]
    assert found.size == sum(item.size for item in found.taken)


def test_without_an_amlignore_the_gitignore_counts(root):
    write(root, "main.py", "a.log")
    (root / ".gitignore").write_text("*.log\n")
    assert left_out(root) == {"a.log": ".gitignore:1: *.log"}


def test_what_is_passed_over_in_silence_otherwise_is_told(root):
    write(root, "main.py", "folder/x.py", "env/pyvenv.cfg", "env/lib/y.py")
    (root / "broken").symlink_to("nowhere")
    (root / "linked").symlink_to("folder")
    os.mkfifo(root / "pipe")
    assert left_out(root) == {
        "broken": "a link that leads nowhere",
        "linked": "a link to a folder",
        "pipe": "a pipe",
        "env/": "a virtual environment",
    }
    assert look(root).problems == ()
    assert next(item.size for item in look(root).left_out if item.path == "env/") == 4


def test_what_a_snapshot_is_refused_for_is_a_problem(root, tmp_path):
    write(tmp_path, "outside.py")
    (root / "out.py").symlink_to("../outside.py")
    write(root, "back\\slash.py")
    (problem, other) = sorted(look(root).problems)
    assert "out.py is a link to" in problem
    assert "a file may not be named" in other
    found = preview(root, compile_patterns, SnapshotLimits(files=0)).problems
    assert any("larger than a snapshot may be (300 MiB, 0 files)" in item for item in found)


def test_there_must_be_a_folder(tmp_path):
    with pytest.raises(NotFoundError, match="there is no folder"):
        look(tmp_path / "nowhere")


NAMES = ["a", "b", "build", "a.py", "b.log", "data", "__pycache__", ".env"]
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
PATTERNS = st.sampled_from(
    [
        "*.log",
        "/a",
        "a/",
        "build/",
        "!b.log",
        "**/data",
        "data/**",
        "a/*",
        "!a/b",
        "!.env",
        "# no",
        "",
        "*",
        "!*.py",
        "b",
    ]
)


@given(files=st.lists(PATHS, max_size=8), patterns=st.lists(PATTERNS, max_size=5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_preview_agrees_with_the_snapshot(tmp_path_factory, files, patterns):
    root = tmp_path_factory.mktemp("law")
    for path in files:
        place = root / path
        if not any(parent.is_file() for parent in place.parents) and not place.is_dir():
            write(root, path)
    (root / ".amlignore").write_text("\n".join(patterns))
    taken = {item.path for item in look(root).taken}
    assert taken == set(SourceTree(root, MemoryCache(), compile_patterns).entries)
    everything = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    told = [item.path for item in look(root).left_out]
    for path in everything - taken:
        assert any(path == item or (item.endswith("/") and path.startswith(item)) for item in told)


KEY = b"-----BEGIN OPENSSH PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("path", "data", "what"),
    [
        (".env", b"", "environment variables"),
        ("deep/.env.local", b"", "environment variables"),
        (".env.example", b"", ""),
        ("id_rsa", b"", "a private key"),
        ("id_rsa.pub", b"", ""),
        ("cert.pem", b"-----BEGIN CERTIFICATE-----", ""),
        ("cert.pem", KEY, "a private key"),
        ("api.key", KEY, "a private key"),
        ("music.key", b"C major", ""),
        ("store.p12", b"", "a private key"),
        (".aws/credentials", b"", "cloud credentials"),
        ("home/.aws/credentials", b"", "cloud credentials"),
        ("credentials", b"", ""),
        ("my-credentials.json", b'{"private_key": "x"}', "cloud credentials"),
        ("credentials.json", b"{}", ""),
        ("data.json", b'{"private_key": "x"}', ""),
        ("environment.py", b"", ""),
        (".netrc", b"", "passwords"),
    ],
)
def test_likely_secrets_are_told_by_name_and_content(path, data, what):
    assert exposures([path], lambda _: data, lambda _: len(data)) == ({path: what} if what else {})
