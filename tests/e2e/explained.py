"""A project, and single edits of it: for each what must be named as the cause, where, and for which steps."""

import ast
import itertools
from dataclasses import dataclass, field

FILES = {
    "main.py": '''
import os
import random
from pathlib import Path

import tiny
from helpers import numbers, texts
from pipelinekit import File, Folder, pipeline, step
from shapes import Table
import settings


@step
def load(file: File, least: int = 2) -> list[str]:
    """Read the words."""
    words = Path(file).read_text().split()
    return [word for word in words if texts.keep(word, least)]


@step
def listing(folder: Folder) -> dict[str, int]:
    found = sorted(Path(folder).rglob("*.txt"))
    return {str(path.relative_to(folder)): len(path.read_text()) + 1 for path in found}


@step
def score(words: list[str], rate: float, seed: int = 1) -> list[float]:
    draw = random.Random(seed).random()
    scores = [numbers.scale(len(word), rate) for word in words]
    return [round(value + settings.OFFSET * draw, 3) for value in scores]


@step
def total(scores: list[float], power: int = 2) -> float:
    if len(scores) > settings.MOST:
        return 0.0
    return sum(numbers.bend(value, power) for value in scores)


@step
def packed(words: list[str]) -> str:
    return tiny.pack(words)


@step
def report(sizes: dict[str, int], total: float, title: str) -> str:
    mode = os.environ.get("REPORT_MODE", "plain")
    width = int(os.environ.get("REPORT_WIDTH", "8"))
    table = Table(width)
    for name, size in sizes.items():
        table.add(name, size * 2)
    return texts.heading(title) + table.text() + f"{total:.2f} {mode}"


@pipeline
def words(title: str = "Words", rate: float = 0.5, seed: int = 7):
    found = load("data/words.txt", least=3)
    sizes = listing("data/set")
    scores = score(found, rate, seed)
    return report(sizes, total(scores, power=3), title), packed(found)
''',
    "settings.py": """
OFFSET = 0.25
MOST = 100
UNUSED = 5
""",
    "helpers/__init__.py": "",
    "helpers/numbers.py": """
from helpers import limits

STEP = 4
HALF = STEP / 2


def scale(value, rate):
    base = value * rate
    return clip(base + HALF)


def clip(value):
    if value < limits.LOW:
        return limits.LOW
    return min(value, limits.HIGH)


def bend(value, power, shift=1):
    shifted = value + shift
    return shifted**power


def unused(value):
    return value - 9
""",
    "helpers/limits.py": """
LOW = 1
HIGH = 50
""",
    "helpers/texts.py": """
MARKS = ".,;"


def keep(word, least):
    bare = word.strip(MARKS)
    return len(bare) >= least and bare != "skip"


def heading(title):
    line = "=" * 10
    return f"{title.upper()} {line} "
""",
    "shapes.py": """
class Shape:
    margin = 1

    def frame(self, text):
        return "[" + " " * self.margin + text + "]"


class Table(Shape):
    def __init__(self, width):
        self.width = width + 2
        self.rows = []

    def add(self, name, size):
        cell = name[: self.width]
        self.rows.append(f"{cell}={size}")

    def text(self):
        rows = "; ".join(self.rows)
        return self.frame(rows)
""",
}
DATA = {
    "data/words.txt": "one, three; seven skip eleven thirteen.",
    "data/set/a.txt": "aaaa",
    "data/set/deep/b.txt": "bb",
}
REACHED_BY = {  # definition: the steps whose code reaches it
    "main:load": ["load"],
    "main:listing": ["listing"],
    "main:score": ["score"],
    "main:total": ["total"],
    "main:packed": ["packed"],
    "main:report": ["report"],
    "settings:OFFSET": ["score"],
    "settings:MOST": ["total"],
    "settings:UNUSED": [],
    "helpers.numbers:STEP": ["score"],
    "helpers.numbers:HALF": ["score"],
    "helpers.numbers:scale": ["score"],
    "helpers.numbers:clip": ["score"],
    "helpers.numbers:bend": ["total"],
    "helpers.numbers:unused": [],
    "helpers.limits:LOW": ["score"],
    "helpers.limits:HIGH": ["score"],
    "helpers.texts:MARKS": ["load"],
    "helpers.texts:keep": ["load"],
    "helpers.texts:heading": ["report"],
    "shapes:Shape": ["report"],
    "shapes:Table": ["report"],
}
OWN_STEPS = ("load", "listing", "score", "total", "packed", "report")


@dataclass(frozen=True)
class Edit:
    """One edit. `replaces` is (file, old text, new text at its place); `expects` is step: (cause, name, file, line)."""

    name: str
    replaces: tuple = ()
    writes: dict = field(default_factory=dict)
    removes: tuple = ()
    words: tuple = ()
    environment: dict = field(default_factory=dict)
    package: str = ""
    expects: dict = field(default_factory=dict)

    def __hash__(self):
        return hash(self.name)


def every_edit():
    """All single edits."""
    return [*code_edits(), *input_edits(), *surrounding_edits()]


# -- code --------------------------------------------------------------------------------------------------------------

SWAPS = {ast.Add: "-", ast.Mult: "+", ast.Div: "*", ast.Pow: "+", ast.Lt: "<=", ast.Gt: ">=", ast.GtE: ">"}
SIGNS = {ast.Add: "+", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.Lt: "<", ast.Gt: ">", ast.GtE: ">="}


def code_edits():
    """Every constant another one, and every operator another one, wherever they stand in a definition."""
    for file, text in FILES.items():
        for statement in ast.parse(text).body:
            for name in _bound(statement):
                symbol = f"{file.removesuffix('.py').replace('/', '.')}:{name}"
                if symbol in REACHED_BY:
                    yield from _edits_of(file, text, statement, symbol)


def _bound(statement):
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    return [statement.targets[0].id] if isinstance(statement, ast.Assign) else []


def _edits_of(file, text, statement, symbol):
    lines = text.split("\n")
    for node, line in _with_lines(statement, statement.lineno):
        for start, end, new in _mutations(node, lines):
            old = lines[node.lineno - 1]
            changed = [*lines[: node.lineno - 1], old[:start] + new + old[end:], *lines[node.lineno :]]
            expects = dict.fromkeys(REACHED_BY[symbol], ("code", symbol, file, line))
            name = f"{file}:{node.lineno}:{start} {old[start:end]} -> {new}"
            yield Edit(name, ((file, text, "\n".join(changed)),), expects=expects)
    for node in ast.walk(statement):
        if isinstance(node, ast.stmt) and node is not statement and not isinstance(node, ast.Expr):
            new = " " * node.col_offset + "noted = 1"
            changed = [*lines[: node.lineno - 1], new, *lines[node.lineno - 1 :]]
            expects = dict.fromkeys(REACHED_BY[symbol], ("code", symbol, file, node.lineno))
            name = f"{file}:{node.lineno} a statement more"
            yield Edit(name, ((file, text, "\n".join(changed)),), expects=expects)


def _with_lines(statement, line):
    """Nodes of a statement without its docstring, annotations and the defaults of a step, each with its line."""
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        if isinstance(child, ast.arg) or child is getattr(statement, "returns", None):
            continue
        if isinstance(child, ast.arguments) and getattr(statement, "name", "") in OWN_STEPS:
            continue
        here = child.lineno if isinstance(child, ast.stmt) else line
        yield child, here
        yield from _with_lines(child, here)


def _mutations(node, lines):
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield node.col_offset, node.end_col_offset, str(node.value + 1)
        yield node.col_offset, node.end_col_offset, str(node.value + 20)
        yield node.col_offset, node.end_col_offset, str(float(node.value) - 0.5)
    elif (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and lines[node.lineno - 1][node.col_offset] == '"'
    ):
        if node.value not in ("REPORT_MODE", "REPORT_WIDTH", "8") and len(node.value) < 6:
            yield node.col_offset + 1, node.end_col_offset - 1, node.value + "x"
    elif isinstance(node, ast.BinOp | ast.Compare):
        op = node.op if isinstance(node, ast.BinOp) else node.ops[0]
        after = node.right if isinstance(node, ast.BinOp) else node.comparators[0]
        if type(op) in SWAPS:
            line = lines[node.lineno - 1]
            start = line.rindex(SIGNS[type(op)], node.col_offset, after.col_offset)
            yield start, start + len(SIGNS[type(op)]), SWAPS[type(op)]


# -- inputs and surroundings -------------------------------------------------------------------------------------------


def replaced(name, file, old, new, **expects):
    text = FILES[file]
    assert text.count(old) == 1, (file, old)
    return Edit(name, ((file, text, text.replace(old, new)),), expects=expects)


def input_edits():
    """Parameters, literals, defaults that are inputs, and files."""
    for value in (0.25, 0.75, 1.5, 2.0, 3.5, 0.0, -1.0, 1e-9, 1e9, 0.125):
        yield Edit(f"-p rate={value}", words=("-p", f"rate={value}"), expects={"score": ("parameter", "rate", "", 0)})
    for value in (1, 2, 3, 11, 99, 0, -7, 8, 70, 10**12):
        yield Edit(f"-p seed={value}", words=("-p", f"seed={value}"), expects={"score": ("parameter", "seed", "", 0)})
    for value in ("Other", "words", "Words!", "ß", "two words", "", "WORDS", "0", "a=b", "Words "):
        yield Edit(
            f"-p title={value}", words=("-p", f"title={value}"), expects={"report": ("parameter", "title", "", 0)}
        )
    for value in (0.1, 0.9):
        old, new = "rate: float = 0.5", f"rate: float = {value}"
        yield replaced(f"default {new}", "main.py", old, new, score=("parameter", "rate", "", 0))
    for value in (1, 4, 5):
        yield replaced(f"literal least={value}", "main.py", "least=3", f"least={value}", load=("input", "least", "", 0))
    for value in (1, 2, 4):
        yield replaced(
            f"literal power={value}", "main.py", "power=3", f"power={value}", total=("input", "power", "", 0)
        )
    for text in (
        "one",
        "one two three four",
        "",
        "skip",
        "Seven",
        "one\ntwo",
        "\ufeffone",
        DATA["data/words.txt"] + " more",
    ):
        expects = {"load": ("input", "file", "", 0)}
        yield Edit(f"words.txt is {text!r}", writes={"data/words.txt": text}, expects=expects)
    folder = {"listing": ("input", "folder", "", 0)}
    for path, text in itertools.product(
        ("data/set/a.txt", "data/set/deep/b.txt", "data/set/new.txt"), ("c", "ddd", "", "aaaa\n")
    ):
        yield Edit(f"{path} is {text!r}", writes={path: text}, expects=folder)
    yield Edit("a.txt is removed", removes=("data/set/a.txt",), expects=folder)
    yield Edit("b.txt is removed", removes=("data/set/deep/b.txt",), expects=folder)


def surrounding_edits():
    """Environment variables, packages, and what a step's author says of it."""
    for name, values in {"REPORT_MODE": ("a", "b", "plain", ""), "REPORT_WIDTH": ("1", "5", "8", "12")}.items():
        for value in values:
            yield Edit(f"{name}={value}", environment={name: value}, expects={"report": ("variable", name, "", 0)})
    for version in ("1.0.1", "1.1", "2.0", "1.0.post1", "0.9"):
        yield Edit(f"tiny {version}", package=version, expects={"packed": ("package", "tiny", "", 0)})
    for name in OWN_STEPS:
        for version in ("2", "b"):
            old, new = f"@step\ndef {name}(", f'@step(cache_version="{version}")\ndef {name}('
            expects = {name: ("cache version", "", "", 0)}
            yield replaced(f"cache_version {version} of {name}", "main.py", old, new, **expects)
