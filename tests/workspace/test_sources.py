"""Modules from the file system: the same answers as from memory, never an old one, and no file read twice."""

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES

import pytest
from patterns import ALL as PATTERNS
from seams import opened

from pipelinekit.engine.code.closure import closure_of
from pipelinekit.engine.code.modules import summarise
from pipelinekit.errors import CompileError
from pipelinekit.storage.cache import FileCache
from pipelinekit.testing.code import MemoryCode
from pipelinekit.testing.stores import MemoryCache
from pipelinekit.workspace.files import SETTLED_NANOSECONDS
from pipelinekit.workspace.ignore_patterns import compile_patterns
from pipelinekit.workspace.snapshots import SourceTree
from pipelinekit.workspace.software import InstalledSoftware
from pipelinekit.workspace.sources import SourceCode

INSTALLED = {"pandas", "polars", "numpy", "sklearn", "plugin_for_effect"}


def index():
    """What is installed: one distribution for each module."""
    return {
        "versions": dict.fromkeys(INSTALLED, "1.0"),
        "requires": {},
        "modules": {name: [name] for name in INSTALLED},
        "local": {},
    }


def write(root, files):
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


def code_of(root, cache=None):
    cache = cache or MemoryCache()
    return SourceCode(SourceTree(root, cache, compile_patterns), cache, InstalledSoftware(cache, index), summarise)


def said(closure):
    """A closure without the digest of the whole source, which twins may form as they like."""
    code = [
        (item.symbol, item.digest if ":" in item.symbol else "", item.file, item.line, item.end)
        for item in closure.code
    ]
    return code, closure.installed, closure.variables, closure.warnings


def run(code):
    return closure_of([("main", "run")], code)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


def settle(root):
    """Wait until another change of these files would show in their times."""
    newest = max(path.stat().st_ctime_ns for path in root.rglob("*"))
    probe = root.parent / "probe"
    while True:
        probe.write_text("")
        if probe.stat().st_ctime_ns - newest > 2 * SETTLED_NANOSECONDS:
            return


@pytest.mark.parametrize("pattern", PATTERNS, ids=[pattern.name for pattern in PATTERNS])
def test_the_file_system_and_memory_say_the_same(root, pattern):
    """Of every way in which code reaches other code, and of every edit of it; with one cache, which must not lie."""
    cache = FileCache(root.parent / "cache.db")
    write(root, pattern.files)
    before = run(code_of(root, cache))
    assert said(before) == said(run(MemoryCode(pattern.files, INSTALLED)))
    for file, old, new in (*pattern.must, *pattern.keep):
        changed = {**pattern.files, file: pattern.files[file].replace(old, new, 1)}
        write(root, changed)
        found = run(code_of(root, cache))
        assert said(found) == said(run(MemoryCode(changed, INSTALLED))), (file, old, new)
        same = identity(found) == identity(before)
        assert same == ((file, old, new) in pattern.keep), (file, old, new)
        write(root, pattern.files)
    assert run(code_of(root, cache)) == before


def identity(closure):
    return {item.symbol: item.digest for item in closure.code}, closure.installed, closure.variables


STEP = "import tools\nfrom package import more\ndef run(x):\n    return tools.go(more.go(x))\n"
FILES = {
    "main.py": STEP,
    "tools.py": "def go(x):\n    return x + 1\n",
    "package/__init__.py": "",
    "package/more.py": "def go(x):\n    return x * 2\n",
    "aside.py": "def go(:\n",
}


def test_an_edit_that_keeps_size_and_time_is_noticed(root):
    write(root, FILES)
    settle(root)
    cache = FileCache(root.parent / "cache.db")
    before = identity(run(code_of(root, cache)))
    state = (root / "tools.py").stat()
    (root / "tools.py").write_text(FILES["tools.py"].replace("x + 1", "x + 2"))
    os.utime(root / "tools.py", ns=(state.st_atime_ns, state.st_mtime_ns))
    assert identity(run(code_of(root, cache))) != before


def test_unchanged_files_are_neither_read_nor_parsed_again(root):
    write(root, FILES)
    settle(root)
    cache = FileCache(root.parent / "cache.db")
    with opened() as first:
        before = run(code_of(root, cache))
    with opened() as second:
        assert run(code_of(root, cache)) == before
    assert {str(root / name) for name in FILES} <= set(first)
    assert [path for path in second if path.startswith(str(root)) and path.endswith(".py")] == []


def test_a_touched_or_copied_source_is_the_same(root, tmp_path):
    write(root, FILES)
    before = run(code_of(root))
    for path in root.rglob("*"):
        os.utime(path)
    assert run(code_of(root)) == before
    copy = tmp_path / "copy"
    write(copy, FILES)
    found = run(code_of(copy))
    assert found == before
    assert code_of(copy).source_digest() == code_of(root).source_digest()


def test_the_whole_source_is_its_python_files_and_their_names(root):
    write(root, FILES)
    digests = {code_of(root).source_digest()}
    write(root, {"notes.txt": "not code"})
    digests.add(code_of(root).source_digest())
    assert len(digests) == 1
    write(root, {"aside.py": "x = 1\n"})
    digests.add(code_of(root).source_digest())
    os.rename(root / "aside.py", root / "beside.py")
    digests.add(code_of(root).source_digest())
    assert len(digests) == 3


def test_a_module_that_is_reached_and_cannot_be_parsed_is_told_by_line(root):
    write(root, {**FILES, "tools.py": "x = 1\n\n\ndef go(:\n"})
    with pytest.raises(CompileError) as error:
        run(code_of(root))
    assert [(fault.file, fault.line) for fault in error.value.faults] == [("tools.py", 4)]


@pytest.mark.parametrize("data", [b"x = '\xe9'\n", b"x = 1\0\n", b"# coding: nonsense\nx = 1\n"])
def test_a_module_that_is_no_python_text_is_told(root, data):
    write(root, FILES)
    (root / "tools.py").write_bytes(data)
    with pytest.raises(CompileError) as error:
        run(code_of(root))
    assert [fault.file for fault in error.value.faults] == ["tools.py"]


def test_a_module_in_another_encoding_is_read_as_python_reads_it(root):
    text = "# coding: latin-1\ndef go(x):\n    return 'é'\n"
    write(root, FILES)
    (root / "tools.py").write_bytes(text.encode("latin-1"))
    before = identity(run(code_of(root)))
    (root / "tools.py").write_bytes(text.replace("é", "è").encode("latin-1"))
    assert identity(run(code_of(root))) != before


def test_compiled_modules_count_by_their_bytes(root):
    name = f"tools{EXTENSION_SUFFIXES[0]}"
    write(root, {"main.py": "import tools\ndef run(x):\n    return tools.go(x)\n", name: "machine code"})
    before = run(code_of(root))
    assert name in {item.file for item in before.code}
    write(root, {name: "Machine code"})
    assert identity(run(code_of(root))) != identity(before)


def test_a_package_comes_before_a_module_of_its_name(root):
    write(root, {**FILES, "tools/__init__.py": "def go(x):\n    return -x\n"})
    before = run(code_of(root))
    assert {item.file for item in before.code} >= {"tools/__init__.py"}
    write(root, {"tools.py": "def go(x):\n    return None\n"})
    assert identity(run(code_of(root))) == identity(before)


@pytest.mark.parametrize(
    "step",
    [
        "import space.tools\ndef run(x):\n    return space.tools.go(x)\n",
        "from space import tools\ndef run(x):\n    return tools.go(x)\n",
        "import space.deep.tools as t\ndef run(x):\n    return t.go(x)\n",
    ],
)
def test_a_folder_of_modules_is_a_package_without_saying_so(root, step):
    files = {
        "main.py": step,
        "space/tools.py": "def go(x):\n    return x\n",
        "space/deep/tools.py": "def go(x):\n    return x\n",
        "space/other.py": "y = 1\n",
    }
    write(root, files)
    before = run(code_of(root))
    assert said(before) == said(run(MemoryCode(files, INSTALLED)))
    assert before.installed == ()
    write(root, {"space/other.py": "y = 2\n"})
    assert identity(run(code_of(root))) == identity(before)
    write(root, {"space/tools.py": "def go(x):\n    return -x\n", "space/deep/tools.py": "def go(x):\n    return -x\n"})
    assert identity(run(code_of(root))) != identity(before)


def test_a_module_of_the_author_comes_before_an_installed_one(root):
    write(root, {"main.py": "import numpy\ndef run(x):\n    return numpy.go(x)\n"})
    assert run(code_of(root)).installed == ("numpy",)
    write(root, {"numpy.py": "def go(x):\n    return x\n"})
    found = run(code_of(root))
    assert found.installed == ()
    assert "numpy:go" in {item.symbol for item in found.code}


def test_a_folder_of_data_does_not_hide_an_installed_package(root):
    write(root, {"main.py": "import numpy\ndef run(x):\n    return numpy.go(x)\n", "numpy/notes.txt": ""})
    assert run(code_of(root)).installed == ("numpy",)


def test_ignored_modules_are_not_there(root):
    write(root, {**FILES, ".amlignore": "tools.py\n"})
    assert run(code_of(root)).installed == ("tools",), "it is asked for, and missing"


def test_a_package_on_the_path_that_no_version_tells_counts_by_content(root, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    name = f"library_of_{os.getpid()}"
    write(elsewhere, {f"{name}/__init__.py": "", f"{name}/tools.py": "def go(x):\n    return x\n"})
    write(root, {"main.py": f"from {name}.tools import go\ndef run(x):\n    return go(x)\n"})
    monkeypatch.syspath_prepend(str(elsewhere))
    cache = MemoryCache()
    code = code_of(root, cache)
    before = run(code)
    assert f"{name}.tools:go" in {item.symbol for item in before.code}
    assert before.installed == ()
    write(elsewhere, {f"{name}/tools.py": "def go(x):\n    return -x\n"})
    assert identity(run(code_of(root, cache))) != identity(before)
    write(elsewhere, {f"{name}/tools.py": "def go(x):\n    return x  # the same\n"})
    assert identity(run(code_of(root, cache))) == identity(before)


def test_modules_of_the_standard_library_and_of_pipelinekit_end_the_walk(root):
    code = code_of(root)
    assert code.origin("os.path") == "standard"
    assert code.origin("numpy.linalg") == "installed"
    assert code.origin("no_such_module_anywhere") == "missing"
    assert code.module("pipelinekit") is None
    assert code.module("pipelinekit.engine") is None
    assert code.module("os") is None
    assert "os" in sys.stdlib_module_names
