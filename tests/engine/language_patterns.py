"""Features of the language through which code reaches other code; see `code_patterns`."""

from code_patterns import STEP, pattern

MAIN = "main.py"


def one(name, source, must=(), keep=(), warns=""):
    """A pattern of one file; edits are (old, new)."""
    return pattern(
        name, {MAIN: STEP + source}, [(MAIN, *edit) for edit in must], [(MAIN, *edit) for edit in keep], warns
    )


LANGUAGE = [
    one(
        "abstract base class and super()",
        "import abc\nclass Base(abc.ABC):\n    @abc.abstractmethod\n    def go(self, x):\n        return x + 1\nclass Real(Base):\n    def go(self, x):\n        return super().go(x) * 2\n@step\ndef run(x):\n    return Real().go(x)\n",
        must=[("x + 1", "x + 2"), ("* 2", "* 3")],
        keep=[("class Real(Base):\n", 'class Real(Base):\n    """Doc."""\n')],
    ),
    pattern(
        "mixins from two modules",
        {
            MAIN: STEP + "from mixed import Both\n@step\ndef run(x):\n    return Both().name(x)\n",
            "mixed.py": "from left import Left\nfrom right import Right\nclass Both(Left, Right):\n    pass\n",
            "left.py": "class Left:\n    def name(self, x):\n        return self.other(x) + 1\n",
            "right.py": "class Right:\n    def other(self, x):\n        return x * 5\nclass Aside:\n    def other(self, x):\n        return 0\n",
        },
        must=[("right.py", "x * 5", "x * 6"), ("left.py", "+ 1", "+ 2"), ("mixed.py", "Left, Right", "Right, Left")],
        keep=[("right.py", "return 0", "return 1")],
    ),
    one(
        "metaclass",
        "class Meta(type):\n    def __new__(mcs, name, bases, space):\n        made = super().__new__(mcs, name, bases, space)\n        made.rate = 3\n        return made\nclass Thing(metaclass=Meta):\n    pass\n@step\ndef run(x):\n    return Thing.rate * x\n",
        must=[("rate = 3", "rate = 4")],
    ),
    one(
        "descriptor",
        "class Twice:\n    def __get__(self, item, owner):\n        return item.k * 2\nclass Thing:\n    k = 4\n    both = Twice()\n@step\ndef run(x):\n    return Thing().both + x\n",
        must=[("item.k * 2", "item.k * 3"), ("k = 4", "k = 5")],
    ),
    one(
        "class decorator",
        "def mark(cls):\n    cls.rate = 2\n    return cls\n@mark\nclass Thing:\n    pass\n@step\ndef run(x):\n    return Thing.rate * x\n",
        must=[("cls.rate = 2", "cls.rate = 3"), ("@mark\nclass Thing:\n    pass", "class Thing:\n    rate = 7")],
    ),
    one(
        "static method and nested class",
        "class Outer:\n    class Inner:\n        K = 2\n    @staticmethod\n    def go(x):\n        return x * Outer.Inner.K\n@step\ndef run(x):\n    return Outer.go(x)\n",
        must=[("K = 2", "K = 3"), ("x * Outer", "x - Outer")],
    ),
    one(
        "cached property and lru_cache",
        "import functools\n@functools.lru_cache\ndef slow(x):\n    return x + 1\nclass Thing:\n    @functools.cached_property\n    def value(self):\n        return slow(3)\n@step\ndef run(x):\n    return Thing().value + x\n",
        must=[("x + 1", "x + 2"), ("slow(3)", "slow(4)")],
        keep=[("@functools.lru_cache\n", "@functools.lru_cache  # quick\n")],
    ),
    one(
        "context manager as a generator",
        "import contextlib\n@contextlib.contextmanager\ndef scaled(k):\n    yield k * 2\n@step\ndef run(x):\n    with scaled(x) as value:\n        return value\n",
        must=[("k * 2", "k * 3")],
    ),
    one(
        "context manager as a class",
        "class Scaled:\n    def __enter__(self):\n        return 5\n    def __exit__(self, *error):\n        return False\n@step\ndef run(x):\n    with Scaled() as value:\n        return value * x\n",
        must=[("return 5", "return 6")],
    ),
    one(
        "operators of a class",
        "class Number:\n    def __init__(self, v):\n        self.v = v\n    def __add__(self, other):\n        return Number(self.v + other.v * 1)\n@step\ndef run(x):\n    return (Number(x) + Number(2)).v\n",
        must=[("other.v * 1", "other.v * 2")],
    ),
    one(
        "callable instance at module level",
        "class Scale:\n    def __init__(self, k):\n        self.k = k\n    def __call__(self, x):\n        return self.k * x\nscale = Scale(2)\nother = Scale(9)\n@step\ndef run(x):\n    return scale(x)\n",
        must=[("scale = Scale(2)", "scale = Scale(3)"), ("self.k * x", "self.k - x")],
        keep=[("other = Scale(9)", "other = Scale(8)")],
    ),
    one(
        "method put into a class after its definition",
        "class Thing:\n    pass\ndef go(self, x):\n    return x * 2\nThing.go = go\n@step\ndef run(x):\n    return Thing().go(x)\n",
        must=[("x * 2", "x * 3")],
    ),
    one(
        "loop in a class body",
        "class Table:\n    squares = {}\n    for n in range(5):\n        squares[n] = n * n\n@step\ndef run(x):\n    return Table.squares[x]\n",
        must=[("n * n", "n * n * n")],
    ),
    one(
        "slots and class variables",
        "class Point:\n    __slots__ = ('x',)\n    ORIGIN = 3\n    def __init__(self, x):\n        self.x = x + self.ORIGIN\n@step\ndef run(x):\n    return Point(x).x\n",
        must=[("ORIGIN = 3", "ORIGIN = 4")],
    ),
    one(
        "default factory of a dataclass field",
        "from dataclasses import dataclass, field\ndef names():\n    return ['a']\n@dataclass\nclass Conf:\n    items: list = field(default_factory=names)\n@step\ndef run(x):\n    return Conf().items * x\n",
        must=[("['a']", "['b']")],
        keep=[("def names():", "def names() -> list:")],
    ),
    one(
        "order of dataclass fields",
        "from dataclasses import dataclass, astuple\n@dataclass\nclass Conf:\n    a: int = 1\n    b: int = 2\n@step\ndef run(x):\n    return list(astuple(Conf()))\n",
        must=[("    a: int = 1\n    b: int = 2\n", "    b: int = 2\n    a: int = 1\n")],
    ),
    one(
        "frozen dataclass with __post_init__",
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Conf:\n    a: int\n    def __post_init__(self):\n        object.__setattr__(self, 'a', self.a * 2)\n@step\ndef run(x):\n    return Conf(x).a\n",
        must=[("self.a * 2", "self.a * 3")],
    ),
    one(
        "flags and members of an IntEnum",
        "import enum\nclass Level(enum.IntEnum):\n    LOW = enum.auto()\n    HIGH = enum.auto()\nclass Mode(enum.Flag):\n    A = 1\n    B = 2\n@step\ndef run(x):\n    return Level.HIGH + (Mode.A | Mode.B).value + x\n",
        must=[("    LOW = enum.auto()\n", ""), ("B = 2", "B = 4")],
    ),
    one(
        "method of an enum",
        "import enum\nclass Mode(str, enum.Enum):\n    A = 'a'\n    def loud(self):\n        return self.value.upper() + '!'\n@step\ndef run(x):\n    return Mode.A.loud() * x\n",
        must=[("'!'", "'?'")],
    ),
    one(
        "named tuple",
        "from typing import NamedTuple\nclass Pair(NamedTuple):\n    a: int\n    b: int = 7\n@step\ndef run(x):\n    return Pair(x).b\n",
        must=[("b: int = 7", "b: int = 8"), ("    a: int\n    b: int = 7", "    b: int\n    a: int = 7")],
    ),
    one(
        "typed dict whose keys are read",
        "from typing import TypedDict\nclass Row(TypedDict):\n    a: int\n    b: int\n@step\ndef run(x):\n    return sorted(Row.__required_keys__) * x\n",
        must=[("    b: int\n", "    c: int\n")],
    ),
    one(
        "protocol that is checked at run time",
        "from typing import Protocol, runtime_checkable\n@runtime_checkable\nclass Sized(Protocol):\n    def __len__(self): ...\n@step\ndef run(x):\n    return isinstance([x], Sized)\n",
        must=[("def __len__(self)", "def length(self)")],
    ),
    one(
        "class pattern in a match statement",
        "from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: int\n    y: int\n@step\ndef run(x):\n    match Point(x, 1):\n        case Point(a, b):\n            return a - b\n",
        must=[("    x: int\n    y: int\n", "    y: int\n    x: int\n"), ("a - b", "a + b")],
    ),
    one(
        "table of functions",
        "def add(x):\n    return x + 1\ndef sub(x):\n    return x - 1\ndef aside(x):\n    return 0\nTABLE = {'add': add, 'sub': sub}\n@step\ndef run(x):\n    return TABLE['add'](x)\n",
        must=[("x + 1", "x + 2"), ("'add': add", "'add': sub")],
        keep=[("return 0", "return 1")],
    ),
    one(
        "lambdas in a list",
        "STAGES = [lambda v: v + 1, lambda v: v * 3]\n@step\ndef run(x):\n    for stage in STAGES:\n        x = stage(x)\n    return x\n",
        must=[("v * 3", "v * 4")],
    ),
    one(
        "function passed to map, sorted and reduce",
        "import functools\ndef rank(v):\n    return -v\ndef join(a, b):\n    return a * 10 + b\n@step\ndef run(x):\n    return functools.reduce(join, sorted(range(x + 1), key=rank))\n",
        must=[("return -v", "return v"), ("a * 10", "a * 100")],
    ),
    one(
        "operator.methodcaller by name",
        "import operator\nclass Thing:\n    def go(self):\n        return 4\n    def stay(self):\n        return 5\n@step\ndef run(x):\n    return operator.methodcaller('go')(Thing()) * x\n",
        must=[("return 4", "return 6")],
    ),
    one(
        "default argument that is a call",
        "def make():\n    return 4\ndef helper(x, by=make()):\n    return x * by\n@step\ndef run(x):\n    return helper(x)\n",
        must=[("return 4", "return 5")],
    ),
    one(
        "keyword-only defaults and *args",
        "def helper(*values, by=3, **rest):\n    return sum(values) * by\n@step\ndef run(x):\n    return helper(x, x)\n",
        must=[("by=3", "by=4")],
    ),
    one(
        "f-string that calls a helper",
        "def word(x):\n    return 'a' * x\n@step\ndef run(x):\n    return f'{word(x)!r:>8}'\n",
        must=[("'a'", "'b'"), (":>8", ":>9")],
    ),
    one(
        "condition, assertion and exception",
        "class Odd(ValueError):\n    code = 3\ndef check(x):\n    if x == 2:\n        raise Odd(x)\n@step\ndef run(x):\n    try:\n        check(x)\n    except Odd as error:\n        return error.code\n    return 0\n",
        must=[("code = 3", "code = 4"), ("x == 2", "x == 3")],
    ),
    one(
        "nonlocal state",
        "def counter(start):\n    count = start\n    def bump():\n        nonlocal count\n        count += 2\n        return count\n    return bump\n@step\ndef run(x):\n    return counter(x)()\n",
        must=[("count += 2", "count += 3")],
    ),
    one(
        "async generator and async context",
        "import contextlib\nasync def items(n):\n    for i in range(n):\n        yield i * 2\n@contextlib.asynccontextmanager\nasync def near():\n    yield 10\n@step\nasync def run(x):\n    async with near() as base:\n        return [base + i async for i in items(x)]\n",
        must=[("i * 2", "i * 3"), ("yield 10", "yield 20")],
    ),
    one(
        "generator expression with two loops",
        "def left():\n    return [1, 2]\ndef right(v):\n    return [v, 3]\n@step\ndef run(x):\n    return [a * b for a in left() for b in right(a) if b > LEAST]\nLEAST = 0\n",
        must=[("[1, 2]", "[1, 4]"), ("[v, 3]", "[v, 5]"), ("LEAST = 0", "LEAST = 2")],
    ),
    one(
        "builtin overridden by the module",
        "def len(v):\n    return 42\n@step\ndef run(x):\n    return len([x])\n",
        must=[("return 42", "return 43")],
    ),
    one(
        "name deleted and bound again",
        "K = 1\ndel K\nK = 2\n@step\ndef run(x):\n    return K * x\n",
        must=[("K = 2", "K = 3")],
    ),
    one(
        "several targets, unpacking and starred names",
        "a = b = 3\n(c, *d), e = (1, 2, 3), 4\nunused = 5\n@step\ndef run(x):\n    return [b, d, e]\n",
        must=[("a = b = 3", "a = b = 4"), ("(1, 2, 3)", "(1, 2, 6)"), (", 4\n", ", 7\n")],
        keep=[("unused = 5", "unused = 6")],
    ),
    one(
        "definition chosen by version",
        "import sys\nif sys.version_info >= (3, 0):\n    K = 1\nelse:\n    K = 2\n@step\ndef run(x):\n    return K + x\n",
        must=[("K = 1", "K = 3"), (">= (3, 0)", "< (3, 0)")],
    ),
    one(
        "value made in a try block at module level",
        "try:\n    K = int('4')\nexcept ValueError:\n    K = 0\nfinally:\n    DONE = True\n@step\ndef run(x):\n    return K + x\n",
        must=[("int('4')", "int('5')")],
    ),
    one(
        "value made in a with block at module level",
        "import contextlib\nwith contextlib.suppress(KeyError):\n    K = {'a': 4}['a']\n@step\ndef run(x):\n    return K + x\n",
        must=[("'a': 4", "'a': 5")],
    ),
    one(
        "string constants and raw bytes",
        "PATTERN = r'a+'\nRAW = b'\\x00\\x01'\n@step\ndef run(x):\n    import re\n    return [bool(re.match(PATTERN, 'aa')), len(RAW) * x]\n",
        must=[("r'a+'", "r'b+'"), ("\\x01'", "\\x01\\x02'")],
        keep=[("r'a+'", 'r"a+"')],
    ),
    one(
        "numbers that look alike",
        "K = 1\n@step\ndef run(x):\n    return [K, K / 1]\n",
        must=[("K = 1\n", "K = 1.0\n"), ("K = 1\n", "K = True\n")],
        keep=[("K = 1\n", "K = 0x1\n"), ("K = 1\n", "K = (1)\n")],
    ),
    pattern(
        "relative imports over two levels",
        {
            MAIN: STEP + "from pkg.deep.inner import go\n@step\ndef run(x):\n    return go(x)\n",
            "pkg/__init__.py": "",
            "pkg/base.py": "K = 2\nOTHER = 3\n",
            "pkg/deep/__init__.py": "",
            "pkg/deep/inner.py": "from ..base import K\nfrom .near import more\ndef go(x):\n    return more(x) * K\n",
            "pkg/deep/near.py": "def more(x):\n    return x + 1\n",
        },
        must=[("pkg/base.py", "K = 2", "K = 5"), ("pkg/deep/near.py", "x + 1", "x + 2")],
        keep=[("pkg/base.py", "OTHER = 3", "OTHER = 4")],
    ),
    pattern(
        "star import limited by __all__",
        {
            MAIN: STEP + "from tools import *\n@step\ndef run(x):\n    return clean(x)\n",
            "tools.py": "__all__ = ['clean']\ndef clean(x):\n    return _inner(x)\ndef _inner(x):\n    return x + 1\ndef other(x):\n    return 0\n",
        },
        must=[("tools.py", "x + 1", "x + 2")],
        keep=[("tools.py", "return 0", "return 1")],
    ),
    pattern(
        "constant under another name, and a chain of re-exports",
        {
            MAIN: STEP + "import first as f\nLIMIT = f.second_name\n@step\ndef run(x):\n    return LIMIT + x\n",
            "first.py": "from second import name as second_name\n",
            "second.py": "from third import value as name\n",
            "third.py": "value = 3\nother = 4\n",
        },
        must=[("third.py", "value = 3", "value = 5")],
        keep=[("third.py", "other = 4", "other = 5")],
    ),
    pattern(
        "first-party decorator with a registry of its own functions",
        {
            MAIN: STEP + "from stages import stage, STAGES\n@stage\ndef one(x):\n    return x + 1\n@step\ndef run(x):\n    for item in STAGES:\n        x = item(x)\n    return x\n",
            "stages.py": "STAGES = []\ndef stage(function):\n    STAGES.append(function)\n    return function\n",
        },
        must=[(MAIN, "x + 1", "x + 2")],
    ),
    pattern(
        "singledispatchmethod",
        {
            MAIN: STEP + "from show import Show\n@step\ndef run(x):\n    return Show().of(x)\n",
            "show.py": "import functools\nclass Show:\n    @functools.singledispatchmethod\n    def of(self, x):\n        return 'thing'\n    @of.register\n    def _(self, x: int):\n        return 'int'\n",
        },
        must=[("show.py", "'int'", "'number'"), ("show.py", "x: int", "x: str")],
    ),
    pattern(
        "docstring that is read",
        {
            MAIN: STEP + "import tools\n@step\ndef run(x):\n    return tools.go.__doc__ * x\n",
            "tools.py": 'def go(x):\n    """Words."""\n    return x\n',
        },
        must=[("tools.py", "Words", "Other words")],
        warns="reads docstrings, annotations or text of code",
    ),
    pattern(
        "docstring of a module that is read",
        {MAIN: '"""Words."""\n' + STEP + "@step\ndef run(x):\n    return __doc__ * x\n"},
        must=[(MAIN, "Words", "Other words")],
        warns="reads docstrings, annotations or text of code",
    ),
    one(
        "docstring that is handed on",
        'def deco(f):\n    def inner(x):\n        return f(x) + 1\n    inner.__doc__ = f.__doc__\n    return inner\n@deco\ndef go(x):\n    """Words."""\n    return x\n@step\ndef run(x):\n    return go(x)\n',
        must=[("f(x) + 1", "f(x) + 2")],
        keep=[("Words", "Other words")],
    ),
    one(
        "source that is read",
        "import inspect\ndef go(x):\n    return x  # a comment\n@step\ndef run(x):\n    return inspect.getsource(go)\n",
        must=[("# a comment", "# another")],
        warns="reads docstrings, annotations or text of code",
    ),
    one(
        "annotations that are read",
        "import inspect\nimport typing\ndef go(x: int):\n    return x\n@step\ndef run(x):\n    return [str(inspect.signature(go)), str(typing.get_type_hints(go))]\n",
        must=[("go(x: int)", "go(x: float)")],
        warns="reads docstrings, annotations or text of code",
    ),
    one(
        "annotations by attribute",
        "def go(x: int):\n    return x\n@step\ndef run(x):\n    return [kind.__name__ for kind in go.__annotations__.values()]\n",
        must=[("go(x: int)", "go(x: float)")],
        warns="reads docstrings, annotations or text of code",
    ),
    one(
        "exec of a text",
        "TEXT = 'y = x * 2'\n@step\ndef run(x):\n    space = {'x': x}\n    exec(TEXT, space)\n    return space['y']\n",
        must=[("x * 2", "x * 3")],
        warns="exec() runs code that cannot be seen",
    ),
    one(
        "vars() of the module",
        "def go(x):\n    return x + 1\n@step\ndef run(x):\n    return globals()['go'](x)\n",
        must=[("x + 1", "x + 2")],
        warns="globals() reads names that cannot be seen",
    ),
    pattern(
        "plug-ins found by listing a package",
        {
            MAIN: STEP + "import importlib\nimport pkgutil\nimport plugs\n@step\ndef run(x):\n    names = sorted(item.name for item in pkgutil.iter_modules(plugs.__path__))\n    return [importlib.import_module('plugs.' + name).go(x) for name in names]\n",
            "plugs/__init__.py": "",
            "plugs/one.py": "def go(x):\n    return x + 1\n",
        },
        must=[("plugs/one.py", "x + 1", "x + 2")],
        warns="imported under a computed name",
    ),
    pattern(
        "lazily imported module kept in a global",
        {
            MAIN: STEP + "_tools = None\ndef tools():\n    global _tools\n    if _tools is None:\n        import heavy as _tools\n    return _tools\n@step\ndef run(x):\n    return tools().go(x)\n",
            "heavy.py": "def go(x):\n    return x + 1\n",
        },
        must=[("heavy.py", "x + 1", "x + 2")],
        warns="is used as a value",
    ),
    pattern(
        "module-level setting of another module, by a function",
        {
            MAIN: STEP + "import conf\nconf.configure(3)\n@step\ndef run(x):\n    return conf.get() * x\n",
            "conf.py": "_rate = 1\ndef configure(rate):\n    global _rate\n    _rate = rate\ndef get():\n    return _rate\n",
        },
        must=[(MAIN, "configure(3)", "configure(4)"), ("conf.py", "_rate = rate", "_rate = rate + 1")],
    ),
    pattern(
        "calls on import that change what is not reached",
        {
            MAIN: STEP + "import urls\nimport tools\n@step\ndef run(x):\n    return tools.go(x)\n",
            "tools.py": "SEEN = []\ndef go(x):\n    return x + 1\ndef note(x):\n    SEEN.append(x)\n    return x\n",
            "urls.py": "import re\nimport tools\nPATTERN = re.compile('a+')\ndef parse(text):\n    return bool(PATTERN.match(text))\nDEFAULT = parse('aa')\nNOTED = tools.note(3)\n",
        },
        must=[("tools.py", "x + 1", "x + 2")],
        keep=[
            ("urls.py", "parse('aa')", "parse('ab')"),
            ("urls.py", "'a+'", "'b+'"),
            ("urls.py", "note(3)", "note(4)"),
            ("tools.py", "SEEN.append(x)", "SEEN.append(-x)"),
        ],
    ),
    pattern(
        "calls on import that change what is reached",
        {
            MAIN: STEP + "import urls\nimport tools\n@step\ndef run(x):\n    return tools.SEEN * x\n",
            "tools.py": "SEEN = []\ndef note(x):\n    keep(x)\n    return x\ndef keep(x):\n    SEEN.append(x)\n",
            "urls.py": "import tools\nNOTED = tools.note(3)\nOTHER = abs(-3)\n",
        },
        must=[("urls.py", "note(3)", "note(4)"), ("tools.py", "SEEN.append(x)", "SEEN.append(-x)")],
        keep=[("urls.py", "abs(-3)", "abs(-4)")],
    ),
    pattern(
        "class attribute that a function sets on import",
        {
            MAIN: STEP + "import conf\nimport setting\n@step\ndef run(x):\n    return conf.Conf.rate * x\n",
            "conf.py": "class Conf:\n    rate = 1\n",
            "setting.py": "import conf\ndef configure(rate):\n    conf.Conf.rate = rate\n    return rate\nDONE = configure(3)\n",
        },
        must=[("setting.py", "configure(3)", "configure(4)"), ("setting.py", "conf.Conf.rate = rate", "conf.Conf.rate = -rate")],
    ),
    pattern(
        "functions that change something, one calling the other in a circle",
        {
            MAIN: STEP + "import ring\nimport use\n@step\ndef run(x):\n    return ring.SEEN * x\n",
            "ring.py": "SEEN = []\ndef one(n):\n    return two(n - 1) if n else 0\ndef two(n):\n    SEEN.append(n)\n    return one(n)\n",
            "use.py": "import ring\nFIRST = ring.one(0)\nSECOND = ring.one(2)\n",
        },
        must=[("use.py", "ring.one(2)", "ring.one(3)"), ("ring.py", "n - 1", "n - 2 + 1 * (n < 2)")],
    ),
    pattern(
        "subclasses found by __subclasses__",
        {
            MAIN: STEP + "import base\nimport kinds\n@step\ndef run(x):\n    return [kind().go(x) for kind in base.Kind.__subclasses__()]\n",
            "base.py": "class Kind:\n    pass\n",
            "kinds.py": "from base import Kind\nclass One(Kind):\n    def go(self, x):\n        return x + 1\n",
        },
        must=[("kinds.py", "x + 1", "x + 2")],
        warns="finds classes in whatever was imported",
    ),
    pattern(
        "list of what cannot be changed, that a call on import grows",
        {
            MAIN: STEP + "import known\nimport use\n@step\ndef run(x):\n    return [item.pattern for item in known.PATTERNS] * x\n",
            "known.py": "import re\nPATTERNS = [re.compile('a')]\ndef add(text):\n    PATTERNS.append(re.compile(text))\n    return text\n",
            "use.py": "import known\nADDED = known.add('b')\n",
        },
        must=[("use.py", "'b'", "'c'")],
    ),
    pattern(
        "object of one's own made by a function with a known name",
        {
            MAIN: STEP + "import known\nimport use\n@step\ndef run(x):\n    return known.NAMES * x\n",
            "known.py": "def getLogger(text):\n    return [text]\nNAMES = getLogger('a')\ndef add(text):\n    NAMES.append(text)\n    return text\n",
            "use.py": "import known\nADDED = known.add('b')\n",
        },
        must=[("use.py", "'b'", "'c'"), ("known.py", "return [text]", "return [text, text]")],
    ),
]  # fmt: skip
