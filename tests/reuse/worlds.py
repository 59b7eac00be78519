"""Worlds: pipelines of programs in a tiny total language, with the files that they read, and edits of both.

Everything here is frozen, compares by structure, and knows nothing of digests.
"""

import unicodedata
from dataclasses import dataclass, field

from hypothesis import strategies as st

# -- values ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plain:
    """Plain data in a form that tells 1, 1.0, True and "1" apart, and does not know the order of a dict."""

    value: tuple


@dataclass(frozen=True)
class File:
    """A file: its bytes, and the ending of its name."""

    data: bytes
    suffix: str


@dataclass(frozen=True)
class Folder:
    """A folder: (path, bytes, executable) of every file."""

    files: frozenset


@dataclass(frozen=True)
class Items:
    """A list whose items are stored one by one."""

    values: tuple


def freeze(value):
    """Plain data as nested tuples that compare by type and content."""
    if isinstance(value, list | tuple):
        return ("list", tuple(freeze(item) for item in value))
    if isinstance(value, dict):
        return ("dict", frozenset((freeze(key), freeze(item)) for key, item in value.items()))
    if isinstance(value, float):
        return ("float", value.hex())
    return (type(value).__name__, value)


def thaw(frozen):
    """The plain data again."""
    kind, body = frozen
    if kind == "list":
        return [thaw(item) for item in body]
    if kind == "dict":
        return {thaw(key): thaw(item) for key, item in body}
    return float.fromhex(body) if kind == "float" else body


def flat(value) -> bytes:
    """Bytes that differ wherever two values do."""
    match value:
        case None:
            return b"-"
        case Plain(value=(kind, body)):
            if kind == "dict":
                return b"{%b}" % b",".join(sorted(flat(Plain(k)) + b":" + flat(Plain(v)) for k, v in body))
            if kind == "list":
                return b"[%b]" % b",".join(flat(Plain(item)) for item in body)
            return f"{kind}={body!r}".encode()
        case File(data=data, suffix=suffix):
            return data + suffix.encode()
        case Folder(files=files):
            return b";".join(b"%b%d%b" % (path.encode(), runs, data) for path, data, runs in sorted(files))
        case Items(values=values):
            return b"|".join(flat(item) for item in values)


# -- programs ----------------------------------------------------------------------------------------------------------

OPS = {
    "bit": ("parity", "even", "short"),
    "file": ("concat", "xor", "take", "sort", "fail-odd"),
    "folder": ("split", "split-x"),
    "list": ("digits", "pieces"),
    "token": ("nonce",),
}


class Refused(Exception):
    """A program that fails says so with this."""


def run_op(op, k, xs, data, surroundings, draw):
    """What a program gives: total, and the same on every machine. `draw` is called by `nonce` alone."""
    text = b"|".join(flat(value) for value in (*xs, data))
    salted = b"%b#%b#%b" % (text, flat(k), surroundings)
    parity = sum(text) % 2
    match op:
        case "parity":
            return Plain(freeze(parity))
        case "even":
            return Plain(freeze(1 - parity))
        case "short":
            return Plain(freeze(int(len(text) % 3 == 0)))
        case "nonce":
            return Plain(freeze(draw()))
        case "digits":
            return Plain(freeze([byte % 3 for byte in text[:3]]))
        case "pieces":
            return Items(tuple(File(bytes([byte % 3]), ".bin") for byte in text[:2]))
        case "split" | "split-x":
            return Folder(frozenset({("a", salted[:80:2], op == "split-x"), ("sub/b", salted[1:80:2], False)}))
        case "xor":
            found = 0
            for byte in text:
                found ^= byte
            return File(bytes([found]), ".bin")
        case "take":
            return File(text[:3], ".bin")
        case "sort":
            return File(bytes(sorted(salted))[:200], ".bin")
        case "fail-odd" if parity:
            raise Refused("odd")
        case _:
            return File(salted[-200:], ".bin")


# -- worlds ------------------------------------------------------------------------------------------------------------

PARAMETERS = (
    1,
    1.0,
    True,
    "1",
    0,
    False,
    0.0,
    -0.0,
    None,
    b"1",
    "é",
    unicodedata.normalize("NFD", "é"),
    {"a": 1, "b": [1, 2]},
    {"b": [1, 2], "a": 1},
    {"a": 1, "b": [2, 1]},
    [1, 2],
    [2, 1],
    "x" * 5000,
)


ALIKE = {0: 1, 1: 2, 2: 3, 3: 0, 4: 5, 5: 6, 6: 7, 7: 4, 10: 11, 11: 10, 12: 13, 13: 12, 15: 16, 16: 15}


@dataclass(frozen=True)
class Function:
    """A step's function. `code` is a statement without effect, `comment` is no code at all."""

    kind: str
    op: str
    code: int = 0
    comment: int = 0
    helper: bool = False


@dataclass(frozen=True)
class Step:
    """A node. `k` is a position in PARAMETERS, or the name of a pipeline parameter; `note` is an input that is not keyed."""

    name: str
    function: int
    xs: tuple = ()
    direct: bool = False
    mapped: bool = False
    k: object = 0
    note: int = 0
    data: str = ""
    condition: int = -1
    cache_version: str = ""
    mode: str = "slow"
    lock: tuple = ()
    allow_reuse: bool = True
    max_age: float = 0.0


@dataclass(frozen=True)
class World:
    """A pipeline with everything that it depends on. `files` holds (path, bytes, executable)."""

    functions: tuple
    steps: tuple
    files: frozenset
    parameters: tuple = (("p", 0), ("q", 4))
    helper: int = 0
    unused: int = 0
    library: str = "1.0"
    python: str = "cpython-3"
    place: int = 0

    def parameter(self, step):
        """The position in PARAMETERS of what a step is given."""
        return step.k if isinstance(step.k, int) else dict(self.parameters)[step.k]

    def data(self, name):
        """What a path holds: a file, or a folder."""
        found = {path: (data, runs) for path, data, runs in self.files}
        if name in found:
            return File(found[name][0], "." + name.rpartition(".")[2])
        inside = ((path[len(name) + 1 :], *rest) for path, rest in found.items() if path.startswith(name + "/"))
        return Folder(frozenset((unicodedata.normalize("NFC", path), data, runs) for path, data, runs in inside))

    def gives_list(self, position):
        """Whether other steps can be mapped over what a node gives."""
        step = self.steps[position]
        return step.mapped or self.functions[step.function].kind == "list"

    def is_bit(self, position):
        """Whether a node's output can be the subject of a condition."""
        step = self.steps[position]
        return not step.mapped and self.functions[step.function].kind == "bit"


FILES = frozenset(
    {
        ("a.txt", b"one", False),
        ("b.csv", b"two", False),
        ("set/x.txt", b"three", False),
        ("set/sub/y.txt", b"", False),
        ("set/é.txt", b"four", False),
    }
)
KINDS = ("bit", "file", "file", "folder", "list", "token")


@st.composite
def functions(draw):
    """One function of each kind, and two of files."""
    return tuple(Function(kind, draw(st.sampled_from(OPS[kind])), helper=draw(st.booleans())) for kind in KINDS)


def sources(draw, position):
    """Earlier nodes to read: shapes are biased to chains, diamonds and fan-out."""
    if position == 0:
        return ()
    match draw(st.sampled_from(["chain", "diamond", "first", "any", "none"])):
        case "chain":
            return (position - 1,)
        case "diamond":
            return tuple(range(max(0, position - 2), position))
        case "first":
            return (0,)
        case "any":
            return tuple(draw(st.lists(st.integers(0, position - 1), max_size=3, unique=True)))
    return ()


@st.composite
def worlds(draw):
    """A world of 1 to 12 steps."""
    world = World(draw(functions()), (), FILES)
    for position in range(draw(st.integers(1, 12))):
        step = Step(
            f"n{position}",
            draw(st.integers(0, len(KINDS) - 1)),
            sources(draw, position),
            direct=draw(st.booleans()),
            k=draw(st.sampled_from([0, 0, 1, 5, 10, 12, 15, "p", "q"])),
            data=draw(st.sampled_from(["", "", "", "a.txt", "b.csv", "set"])),
            max_age=draw(st.sampled_from([0.0, 0.0, 0.0, 0.0, 10_000.0])),
            allow_reuse=draw(st.sampled_from([True, True, True, True, True, False])),
        )
        lists = [item for item in range(position) if world.gives_list(item)]
        bits = [item for item in range(position) if world.is_bit(item)]
        if lists and draw(st.integers(0, 2)) == 0:
            step = changed(step, xs=(draw(st.sampled_from(lists)),), direct=True, mapped=True)
        if bits and draw(st.integers(0, 3)) == 0:
            step = changed(step, condition=draw(st.sampled_from(bits)))
        world = changed(world, steps=(*world.steps, step))
    return world


def changed(thing, **fields):
    """A copy with some fields changed."""
    return type(thing)(**{**thing.__dict__, **fields})


def _other_form(path):
    """A name that is the same, in other bytes."""
    form = "NFD" if unicodedata.is_normalized("NFC", path) else "NFC"
    return unicodedata.normalize(form, path)


# -- edits -------------------------------------------------------------------------------------------------------------


@dataclass
class Editor:
    """Draws one edit of a world."""

    draw: object
    world: World
    disk: list = field(default_factory=list)  # what happens to files without any change of content

    def pick(self, *choices):
        return self.draw(st.sampled_from(choices))

    def step(self, **fields):
        """Change one step; a function given as a value is called with the step."""
        steps = list(self.world.steps)
        position = self.draw(st.integers(0, len(steps) - 1), label="step")
        fields = {name: value(steps[position]) if callable(value) else value for name, value in fields.items()}
        steps[position] = changed(steps[position], **fields)
        return changed(self.world, steps=tuple(steps))

    def function(self, **fields):
        """Change one function."""
        every = list(self.world.functions)
        position = self.draw(st.integers(0, len(every) - 1), label="function")
        fields = {name: value(every[position]) if callable(value) else value for name, value in fields.items()}
        every[position] = changed(every[position], **fields)
        return changed(self.world, functions=tuple(every))

    def semantics(self):
        return self.function(op=lambda function: self.pick(*OPS[function.kind]))

    def text(self):
        return self.function(code=self.pick(0, 1, 2))

    def comment(self):
        return changed(self.function(comment=self.pick(0, 1, 2)), place=self.pick(0, 1, 2), unused=self.pick(0, 1))

    def helper(self):
        return changed(self.world, helper=self.pick(0, 1, 2))

    def calls(self):
        return self.function(helper=self.pick(True, False))

    def parameter(self):
        return self.step(k=self.pick("p", "q", *range(len(PARAMETERS))))

    def alike(self):
        """Another value that looks the same: of another type, composed otherwise, or in another order."""
        parameters = tuple((name, ALIKE.get(k, k)) for name, k in self.world.parameters)
        return changed(self.step(k=lambda step: ALIKE.get(step.k, step.k)), parameters=parameters)

    def argument(self):
        values = {**dict(self.world.parameters), self.pick("p", "q"): self.pick(*range(len(PARAMETERS)))}
        return changed(self.world, parameters=tuple(values.items()))

    def note(self):
        return self.step(note=self.pick(0, 1, 2))

    def data(self):
        return self._file(self.pick("a.txt", "b.csv", "set/x.txt"), self.pick(b"one", b"two", b"tee", b"x" * 300))

    def executable(self):
        return self._file(self.pick("a.txt", "set/x.txt"), runs=self.pick(True, False))

    def added(self):
        return self._file(self.pick("set/new.txt", "set/sub/z", "set/é", "set/" + unicodedata.normalize("NFD", "ü")))

    def renamed_file(self):
        old, new = self.pick(("a.txt", "moved.txt"), ("b.csv", "moved.csv"), ("a.txt", "a.dat"))
        files = {path: rest for path, *rest in self.world.files}
        if old not in files or new in files:
            return self.world
        files[new] = files.pop(old)
        world = changed(self.world, files=frozenset((path, *rest) for path, rest in files.items()))
        steps = tuple(changed(step, data=new if step.data == old else step.data) for step in world.steps)
        return changed(world, steps=steps)

    def spelled(self):
        """The same names of files, in the other normal form."""
        files = {(_other_form(path), *rest) for path, *rest in self.world.files}
        return changed(self.world, files=frozenset(files))

    def reordered(self):
        return self.step(xs=lambda step: step.xs[::-1])

    def touched(self):
        self.disk.append(("touch", self.pick("a.txt", "set/x.txt")))
        return self.world

    def read_data(self):
        present = {path for path, *_ in self.world.files if "/" not in path}
        return self.step(data=self.pick("", "set", *sorted(present)))

    def _file(self, path, data=None, runs=None):
        files = {name: rest for name, *rest in self.world.files}
        before = files.get(path, [b"", False])
        files[path] = [before[0] if data is None else data, before[1] if runs is None else runs]
        return changed(self.world, files=frozenset((name, *rest) for name, rest in files.items()))

    def renamed_step(self):
        return self.step(name=lambda step: step.name.partition("-")[0] + self.pick("", "-a", "-b"))

    def wiring(self):
        steps = list(self.world.steps)
        position = self.draw(st.integers(0, len(steps) - 1), label="step")
        if steps[position].mapped:
            return self.world
        steps[position] = changed(
            steps[position], xs=sources(self.draw, position), direct=self.pick(True, False), condition=-1
        )
        return changed(self.world, steps=tuple(steps))

    def environment(self):
        return changed(self.world, library=self.pick("1.0", "1.1"), python=self.pick("cpython-3", "cpython-4"))

    def variables(self):
        return self.step(mode=self.pick("slow", "fast"), lock=self.pick((), ("a==1",), ("a==2",), ("b==1", "a==1")))

    def version(self):
        return self.step(cache_version=self.pick("", "2"))

    def reuse(self):
        return self.step(allow_reuse=self.pick(True, False))

    def age(self):
        return self.step(max_age=self.pick(0.0, 10_000.0))


EDITS = [
    "semantics",
    "text",
    "comment",
    "helper",
    "calls",
    "parameter",
    "alike",
    "argument",
    "note",
    "data",
    "executable",
    "added",
    "renamed_file",
    "spelled",
    "reordered",
    "touched",
    "read_data",
    "renamed_step",
    "wiring",
    "environment",
    "variables",
    "version",
    "reuse",
    "age",
]
