"""Snapshots of source folders: what belongs to them by git's own judgement, what is refused, what they promise."""

import fnmatch
import os
import re
import shutil
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from seams import Child, obey_permissions

from pipelinekit.compute.sources import bring_snapshot
from pipelinekit.domain.snapshots import SnapshotLimits, parse_manifest
from pipelinekit.errors import UsageError
from pipelinekit.testing.stores import MemoryBlobs, MemoryCache
from pipelinekit.workspace.ignore_patterns import compile_patterns
from pipelinekit.workspace.ignores import read_rules
from pipelinekit.workspace.snapshots import SourceTree


def write(root, *paths, **texts):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(texts.get("text", path))


def tree_of(root, cache=None):
    return SourceTree(root, cache or MemoryCache(), compile_patterns)


def files_of(root):
    return sorted(tree_of(root).entries)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


# -- what belongs to a snapshot ----------------------------------------------------------------------------------------


# ASCII only: a `?` takes one byte of a name in git, and one letter here
NAMES = ["a", "b", "build", "a.py", "b.log", "data"]
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
PATTERNS = st.one_of(
    st.sampled_from(
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
            "a/**/b",
            "*",
            "!*/",
            "!a.py",
            "#no",
        ]
    ),
    st.sampled_from(["[ab]", "?", "a?py", "\\!b.log", " ", "*.p[xy]", "/*/b", "!/data", "b/", "/build/*", "!/build/a"]),
    st.builds("{}{}{}".format, st.sampled_from(["", "!", "/"]), PATHS, st.sampled_from(["", "/"])),
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A folder that git looks at."""
    folder = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", folder], check=True)
    return folder


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(patterns=st.lists(PATTERNS, max_size=4), paths=st.sets(PATHS, min_size=1, max_size=6))
def test_files_are_ignored_as_git_ignores_them(repository, patterns, paths):
    for entry in repository.iterdir():
        if entry.name != ".git":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    for path in sorted(paths, key=len, reverse=True):
        if not (repository / path).exists() and not any((repository / part).is_file() for part in parents(path)):
            write(repository, path)
    (repository / ".gitignore").write_text("".join(f"{pattern}\n" for pattern in patterns))
    command = [
        "git",
        "-C",
        repository,
        "-c",
        "core.quotePath=false",
        "-c",
        "core.excludesFile=",
        "ls-files",
        "-o",
        "-z",
    ]
    listed = subprocess.run([*command, "--exclude-standard"], capture_output=True, check=True, text=True).stdout
    assert files_of(repository) == sorted(path for path in listed.split("\0") if path)


def parents(path):
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


GLOBS = st.lists(st.sampled_from(["*", "*", "?", "a", "b", ".", "[ab]", "[!a]"]), min_size=1, max_size=9).map("".join)


@settings(max_examples=400, deadline=None)
@given(
    glob=GLOBS.filter(lambda text: "**" not in text and text.strip(".")), name=st.text("ab.", min_size=1, max_size=9)
)
def test_a_pattern_means_the_same_however_many_stars_it_has(glob, name):
    ((_, expression),) = compile_patterns(glob)
    assert bool(re.match(expression, name)) is fnmatch.fnmatchcase(name, glob)


@pytest.mark.parametrize(
    "pattern",
    ["*a" * 40 + "b", "a*" * 60 + "b", "[ab]*a?*[!c]*" * 20 + "z", "**/*a*a*a*a*a*a*a*/**/*a*a*a*b", "!" * 5000],
)
def test_no_pattern_takes_for_ever(root, pattern):
    write(root, ".amlignore", text=f"{pattern}\n!*c\n")
    write(root, "a" * 200, "/".join(["a" * 40] * 20))
    assert len(files_of(root)) == 3


@pytest.mark.parametrize(("text", "words"), [("**/a/" * 30, "'**' 30 times"), ("x*\n" * 10_001, "ignore patterns")])
def test_what_would_take_too_long_is_refused(root, text, words):
    write(root, ".amlignore", text=text)
    with pytest.raises(UsageError, match=re.escape(words)):
        files_of(root)


def test_what_never_belongs_to_it(root):
    write(root, "main.py", "package/tools.py", "notes.txt")
    write(root, ".git/config", ".pipelinekit/records.db", "__pycache__/main.pyc", "package/__pycache__/x.pyc", "x.pyc")
    write(root, "node_modules/x/index.js", ".venv/bin/python", ".mypy_cache/x", "thing.egg-info/PKG-INFO", ".azureml/x")
    write(root, "env/pyvenv.cfg", "env/lib/big.py")
    assert files_of(root) == ["main.py", "notes.txt", "package/tools.py"]


def test_amlignore_comes_before_gitignore(root):
    write(root, "main.py", "data.csv", "notes.txt")
    (root / ".gitignore").write_text("data.csv\n")
    assert files_of(root) == [".gitignore", "main.py", "notes.txt"]
    (root / ".amlignore").write_text("notes.txt\n.amlignore\n.gitignore\n")
    assert files_of(root) == ["data.csv", "main.py"]


def test_an_ignore_file_can_take_back_what_is_left_out_by_default(root):
    write(root, "main.py", "kept.pyc", "x.pyc")
    (root / ".amlignore").write_text("!kept.pyc\n")
    assert files_of(root) == [".amlignore", "kept.pyc", "main.py"]


def test_an_ignore_file_that_is_no_utf_8_is_read(root):
    write(root, "main.py", "data.csv")
    (root / ".amlignore").write_bytes(b"# caf\xe9\ndata.csv\n")
    assert files_of(root) == [".amlignore", "main.py"]


def test_rules_are_the_same_from_the_cache(root):
    write(root, "main.py", "data/x", "data/kept")
    (root / ".amlignore").write_text("data/*\n!data/kept\n")
    cache = MemoryCache()

    def refuse(_):
        raise AssertionError("the rules were in the cache")

    first = sorted(tree_of(root, cache).entries)
    assert sorted(SourceTree(root, cache, refuse).entries) == first == [".amlignore", "data/kept", "main.py"]
    assert read_rules(root, cache, refuse).ignored("data/x")


# -- what a snapshot promises ------------------------------------------------------------------------------------------


def test_a_snapshot_is_told_by_content_alone(root, tmp_path):
    write(root, "main.py", "package/tools.py", "b", "a")
    first = tree_of(root).tree().digest()
    copy = tmp_path / "copy"
    copy.mkdir()
    write(copy, "a", "b", "package/tools.py", "main.py")
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
    assert tree_of(copy).tree().digest() == first
    (copy / "a").write_text("other")
    assert tree_of(copy).tree().digest() != first


def test_the_executable_bit_counts(root):
    write(root, "run.sh")
    before = tree_of(root).tree().digest()
    os.chmod(root / "run.sh", 0o755)
    assert tree_of(root).tree().digest() != before


def test_a_kept_snapshot_can_be_brought_back_and_is_written_once(root, tmp_path):
    write(root, "main.py", "package/tools.py")
    write(root, "tool.sh")
    os.chmod(root / "tool.sh", 0o755)
    blobs = MemoryBlobs()
    tree = tree_of(root)
    digest = tree.keep(blobs)
    shutil.rmtree(root)
    folder = bring_snapshot(tmp_path / "home", digest, blobs)
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "main.py",
        "package/tools.py",
        "tool.sh",
    ]
    assert os.access(folder / "tool.sh", os.X_OK)
    assert tree.keep(blobs) == digest, "what is in the store is not read again"
    assert bring_snapshot(tmp_path / "home", digest, MemoryBlobs()) == folder


def test_a_file_that_changes_after_the_look_is_noticed_when_it_is_read_or_kept(root):
    write(root, "main.py", "other.py")
    tree = tree_of(root)
    assert tree.read("main.py") == b"main.py"
    (root / "main.py").write_text("MAIN.py")
    with pytest.raises(UsageError, match=r"main\.py changed while its snapshot was taken") as error:
        tree.read("main.py")
    assert "nothing writes" in error.value.hint
    blobs = MemoryBlobs()
    with pytest.raises(UsageError, match=r"main\.py changed while its snapshot was taken"):
        tree.keep(blobs)
    assert blobs.missing([tree.tree().digest()]), "a snapshot that is not whole is not kept"


def test_texts_that_lie_nowhere_are_kept_like_files(root, tmp_path):
    write(root, "main.py")
    tree = tree_of(root)
    tree.add_text("cell.py", "x = 'é'\n")
    blobs = MemoryBlobs()
    folder = bring_snapshot(tmp_path / "home", tree.keep(blobs), blobs)
    assert (folder / "cell.py").read_text(encoding="utf-8") == tree.read("cell.py").decode() == "x = 'é'\n"


def test_packages_from_outside_lie_under_their_own_names(root, tmp_path):
    write(root, "main.py")
    write(tmp_path, "elsewhere/library/__init__.py", "elsewhere/library/sub/tools.py", "elsewhere/single.py")
    (tmp_path / "elsewhere" / "library" / ".gitignore").write_text("*.log\n.gitignore\n")
    write(tmp_path, "elsewhere/library/x.log")
    tree = tree_of(root)
    tree.add("library", tmp_path / "elsewhere" / "library")
    tree.add("single", tmp_path / "elsewhere" / "single.py")
    assert sorted(tree.entries) == ["library/__init__.py", "library/sub/tools.py", "main.py", "single.py"]
    assert tree.read("library/sub/tools.py") == b"elsewhere/library/sub/tools.py"


def test_names_are_kept_in_one_form(root):
    (root / "e\u0301.py").write_text("x = 1\n")
    assert files_of(root) == ["é.py"]


# -- what is refused or left out ---------------------------------------------------------------------------------------


def test_links_inside_are_content_and_others_are_refused_or_left_out(root, tmp_path):
    write(root, "real.py", "folder/x.py")
    (root / "link.py").symlink_to("real.py")
    (root / "broken.py").symlink_to("nowhere")
    (root / "to_folder").symlink_to("folder")
    assert files_of(root) == ["folder/x.py", "link.py", "real.py"]
    assert tree_of(root).read("link.py") == b"real.py"
    write(tmp_path, "secret.py")
    (root / "out.py").symlink_to("../secret.py")
    with pytest.raises(UsageError, match=r"out\.py is a link to .*secret\.py, outside the source folder") as error:
        tree_of(root)
    assert ".amlignore" in error.value.hint
    (root / ".amlignore").write_text("out.py\n")
    assert "out.py" not in files_of(root)


def test_a_neighbour_whose_name_begins_alike_is_outside(root, tmp_path):
    write(tmp_path, "source-other/x.py")
    (root / "out.py").symlink_to("../source-other/x.py")
    with pytest.raises(UsageError, match="outside the source folder"):
        tree_of(root)


def test_a_source_folder_may_itself_be_reached_by_a_link(root, tmp_path):
    write(root, "real.py")
    (root / "link.py").symlink_to(root / "real.py")
    (tmp_path / "alias").symlink_to(root)
    assert files_of(tmp_path / "alias") == ["link.py", "real.py"]


def test_pipes_and_sockets_are_left_out(root):
    write(root, "main.py")
    os.mkfifo(root / "pipe")
    assert files_of(root) == ["main.py"]


@pytest.mark.parametrize("limits", [SnapshotLimits(files=3), SnapshotLimits(size=250)])
def test_what_is_too_large_is_told_with_the_largest_entries(root, limits):
    def tree_of(root):
        return SourceTree(root, MemoryCache(), compile_patterns, limits)

    def files_of(root):
        return sorted(tree_of(root).entries)

    write(root, "main.py", "small/a", text="x")
    assert len(files_of(root)) == 2
    write(root, "big/a", "big/b", "big/c", text="x" * 100)
    with pytest.raises(UsageError, match="is larger than a snapshot may be") as error:
        tree_of(root)
    assert "the largest entries: big" in error.value.message
    assert ".amlignore" in error.value.hint
    (root / ".amlignore").write_text("big/\n.amlignore\n")
    assert len(files_of(root)) == 2


def test_a_file_that_may_not_be_read_can_be_ignored(root):
    write(root, "main.py", "secret.key")
    os.chmod(root / "secret.key", 0)
    (root / ".amlignore").write_text("secret.key\n.amlignore\n")
    script = """
        import sys
        from pathlib import Path
        from pipelinekit.testing.stores import MemoryCache
        from pipelinekit.workspace.ignore_patterns import compile_patterns
        from pipelinekit.workspace.snapshots import SourceTree
        print(sorted(SourceTree(Path(sys.argv[1]), MemoryCache(), compile_patterns).entries))
    """
    assert Child(script, root, preexec_fn=obey_permissions).end() == "['main.py']\n"


def test_a_snapshot_is_completed_where_its_manifest_alone_is_left(tmp_path):
    (tmp_path / "a.py").write_text("a = 1\n")
    (tmp_path / "b.py").write_text("b = 1\n")
    blobs = MemoryBlobs()
    digest = SourceTree(tmp_path, MemoryCache(), compile_patterns).keep(blobs)
    gone = next(entry.digest for entry in parse_manifest(blobs.read(digest)).entries)
    blobs.discard(gone)
    assert SourceTree(tmp_path, MemoryCache(), compile_patterns).keep(blobs) == digest
    assert blobs.missing([gone]) == set()
