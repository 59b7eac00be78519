"""Code identity: the closure of what a step reaches, edit by edit."""

import json

import pytest
from patterns import ALL as PATTERNS

from pipelinekit.engine.code.closure import closure_of
from pipelinekit.engine.code.modules import summarise
from pipelinekit.engine.code.summaries import from_document, to_document
from pipelinekit.testing.code import MemoryCode

INSTALLED = {"pandas", "polars", "numpy", "sklearn", "plugin_for_effect"}


def identity(files):
    closure = closure_of([("main", "run")], MemoryCode(files, INSTALLED))
    return {item.symbol: item.digest for item in closure.code}, closure.installed, closure.variables


def edited(files, edit):
    file, old, new = edit
    assert old in files[file], f"{old!r} is not in {file}"
    changed = {**files, file: files[file].replace(old, new, 1)}
    compile(changed[file], file, "exec")
    return changed


CASES = [(pattern, edit) for pattern in PATTERNS for edit in pattern.must]
KEPT = [(pattern, edit) for pattern in PATTERNS for edit in pattern.keep]


@pytest.mark.parametrize(("pattern", "edit"), CASES, ids=[f"{p.name}: {e[1]!r} -> {e[2]!r}" for p, e in CASES])
def test_an_edit_that_matters_changes_the_identity(pattern, edit):
    assert identity(edited(pattern.files, edit)) != identity(pattern.files)


@pytest.mark.parametrize(("pattern", "edit"), KEPT, ids=[f"{p.name}: {e[1]!r} -> {e[2]!r}" for p, e in KEPT])
def test_an_edit_that_does_not_matter_changes_nothing(pattern, edit):
    assert identity(edited(pattern.files, edit)) == identity(pattern.files)


@pytest.mark.parametrize("pattern", PATTERNS, ids=[pattern.name for pattern in PATTERNS])
def test_warnings_name_the_line_of_what_cannot_be_told(pattern):
    warnings = closure_of([("main", "run")], MemoryCode(pattern.files, INSTALLED)).warnings
    if not pattern.warns:
        assert warnings == ()
    else:
        assert any(pattern.warns in warning.message and warning.file and warning.line for warning in warnings)


def closure(source, installed=INSTALLED, unbound=(), **others):
    files = {"main.py": source, **{f"{name}.py": text for name, text in others.items()}}
    return closure_of([("main", "run")], MemoryCode(files, installed), unbound=unbound)


def test_places_are_those_of_the_source():
    found = closure(
        "import tools\n\n\n# a comment\ndef run(x):\n    return tools.go(x)\n",
        tools="\n\n@deco\ndef go(x):\n    return x\n",
    )
    places = {item.symbol: (item.file, item.line, item.end) for item in found.code}
    assert places["main:run"] == ("main.py", 5, 6)
    assert places["tools:go"] == ("tools.py", 3, 5)


def test_installed_packages_are_those_that_the_code_reaches():
    found = closure(
        "import pandas as pd\nimport numpy as np\nimport sklearn.linear_model\ndef run(x):\n    return np.abs(x)\ndef other():\n    return pd\n"
    )
    assert found.installed == ("numpy", "sklearn")


def test_a_module_that_is_missing_is_noted():
    found = closure("try:\n    import numba\nexcept ImportError:\n    numba = None\ndef run(x):\n    return numba\n")
    assert found.installed == ("numba",)


def test_pipelinekit_itself_is_no_part_of_an_identity():
    assert (
        closure(
            "import pipelinekit\nfrom pipelinekit import get\ndef run(x):\n    return get(pipelinekit.thing)\n"
        ).installed
        == ()
    )


def test_environment_variables_are_named():
    found = closure(
        "import os\ndef run(x):\n    return os.environ['A'], os.getenv('B', '1'), os.environ.get('C'), helper()\ndef helper():\n    return os.environ.get('D')\ndef other():\n    return os.getenv('E')\n"
    )
    assert found.variables == ("A", "B", "C", "D")


def test_a_default_that_is_no_plain_data_counts_as_code():
    source = "class Thing:\n    A = 1\ndef run(x, thing=Thing(), n=3):\n    return x\n"
    changed = source.replace("A = 1", "A = 2")
    assert closure(source).code == closure(changed).code
    assert closure(source, unbound=("thing",)).code != closure(changed, unbound=("thing",)).code
    assert closure(source, unbound=("thing",)).code == closure(source.replace("n=3", "n=4"), unbound=("thing",)).code


def test_the_step_may_lie_in_a_third_party_package():
    found = closure_of([("sklearn.thing", "run")], MemoryCode({}, INSTALLED))
    assert found.installed == ("sklearn.thing",)


@pytest.mark.parametrize("pattern", PATTERNS, ids=[pattern.name for pattern in PATTERNS])
def test_summaries_survive_being_kept(pattern):
    for file, text in pattern.files.items():
        name = file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        summary = summarise(text.encode(), name, file.endswith("__init__.py"))
        assert from_document(json.loads(json.dumps(to_document(summary)))) == summary


def test_summaries_of_other_versions_are_not_read():
    document = to_document(summarise(b"x = 1", "main", False))
    assert from_document({**document, "version": 0}) is None


def test_a_module_with_an_error_is_told():
    with pytest.raises(SyntaxError):
        closure("import bad\ndef run(x):\n    return bad.go(x)\n", bad="def go(:\n")


UNSTEADY = [
    ("import time\ndef run(x):\n    return time.time()\n", "time.time() reads the clock"),
    (
        "from datetime import datetime as d\ndef run(x):\n    return d.now()\n",
        "datetime.datetime.now() reads the clock",
    ),
    ("import time\ndef run(x):\n    return time.localtime()\n", "time.localtime() reads the clock"),
    ("import time\ndef run(x):\n    return time.localtime(x)\n", ""),
    ("import time\ndef run(x):\n    return time.perf_counter()\n", ""),
    ("import time\ndef other():\n    return time.time()\ndef run(x):\n    return x\n", ""),
    ("def run(x):\n    import uuid\n    return uuid.uuid4()\n", "uuid.uuid4() draws at random"),
    ("import secrets\ndef run(x):\n    return secrets.token_hex()\n", "secrets.token_hex() draws at random"),
    ("from random import shuffle\ndef run(x):\n    shuffle(x)\n", "random.shuffle() draws at random"),
    ("import random\ndef run(x):\n    random.seed(x)\n    return random.random()\n", ""),
    ("import random\ndef run(x):\n    random.seed()\n    return random.random()\n", "random.random() draws"),
    ("import random\nrandom.seed(1)\ndef run(x):\n    return random.random()\n", ""),
    ("import random\ndef run(x):\n    return random.Random(x).random()\n", ""),
    ("import numpy as np\ndef run(x):\n    return np.random.normal()\n", "numpy.random.normal() draws"),
    ("import numpy as np\ndef run(x):\n    return np.random.default_rng()\n", "numpy.random.default_rng() draws"),
    ("import numpy as np\ndef run(x):\n    return np.random.default_rng(seed=x)\n", ""),
    (
        "import numpy as np, random\ndef run(x):\n    random.seed(x)\n    return np.random.rand()\n",
        "numpy.random.rand()",
    ),
]


@pytest.mark.parametrize(("source", "words"), UNSTEADY)
def test_calls_for_the_clock_and_for_chance_are_hinted_at(source, words):
    found = closure(source)
    assert found.warnings == ()
    if not words:
        assert found.hints == ()
        return
    (hint,) = found.hints
    assert hint.message.startswith(words)
    assert hint.file == "main.py"
    assert words.split("(")[0].rpartition(".")[2] in source.splitlines()[hint.line - 1]


def test_long_chains_of_calls_do_not_recurse():
    lines = ["def run(x):\n    return f0(x)\n"]
    lines += [f"def f{n}(x):\n    return f{n + 1}(x)\n" for n in range(5000)]
    lines.append("def f5000(x):\n    return x\n")
    assert len(closure("".join(lines)).code) == 5002
