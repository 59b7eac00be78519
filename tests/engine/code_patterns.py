"""Ways in which Python code reaches other code: for each, edits that must change a step's identity and edits that must not.

Every pattern has the step `run` in `main.py`. An edit is (file, old text, new text); `must` change, `keep` must not.
"""

from dataclasses import dataclass, field

Edit = tuple[str, str, str]


@dataclass(frozen=True)
class Pattern:
    name: str
    files: dict[str, str]
    must: list[Edit] = field(default_factory=list)
    keep: list[Edit] = field(default_factory=list)
    warns: str = ""


def pattern(name, files, must=(), keep=(), warns=""):
    return Pattern(name, files, list(must), list(keep), warns)


STEP = "from pipelinekit import step\n"

PATTERNS = [
    pattern(
        "body of the step",
        {"main.py": STEP + '@step\ndef run(x):\n    """Doc."""\n    y = x + 1  # add\n    return y\n'},
        must=[("main.py", "x + 1", "x + 2"), ("main.py", "return y", "return -y")],
        keep=[
            ("main.py", "# add", "# add one"),
            ("main.py", '"""Doc."""', '"""Other doc."""'),
            ("main.py", '    """Doc."""\n', ""),
            ("main.py", "x + 1", "(x\n        + 1)"),
            ("main.py", "@step\n", "\n\n@step\n"),
            ("main.py", "y = x + 1", "y: int = x + 1"),
            ("main.py", "    return y", "    pass\n    return y"),
        ],
    ),
    pattern(
        "options of the decorator",
        {"main.py": STEP + "@step(retries=2, timeout=5)\ndef run(x):\n    return x\n"},
        keep=[
            ("main.py", "retries=2, timeout=5", "retries=3, tags={'a': 'b'}"),
            ("main.py", "@step(retries=2, timeout=5)", "@step"),
        ],
    ),
    pattern(
        "annotations of the step's own inputs",
        {
            "main.py": STEP
            + "import pandas\nimport polars\n@step\ndef run(x: pandas.DataFrame) -> int:\n    return len(x)\n"
        },
        must=[("main.py", "pandas.DataFrame", "polars.DataFrame")],
    ),
    pattern(
        "helper in the same module",
        {
            "main.py": STEP
            + "def helper(x: int) -> int:\n    return x + 1\ndef other(x):\n    return x\n@step\ndef run(x):\n    return helper(x)\n"
        },
        must=[("main.py", "x + 1", "x + 2")],
        keep=[
            ("main.py", "def other(x):\n    return x", "def other(x):\n    return x * 9"),
            ("main.py", "x: int) -> int", "x: float) -> float"),
            ("main.py", "def other(x):\n    return x\n", ""),
        ],
    ),
    pattern(
        "helper two modules away",
        {
            "main.py": STEP + "import near\n@step\ndef run(x):\n    return near.one(x)\n",
            "near.py": "from far import two\nfrom far import unused\ndef one(x):\n    return two(x)\ndef aside():\n    return unused()\n",
            "far.py": "def two(x):\n    return x * 2\ndef unused():\n    return 0\n",
        },
        must=[("far.py", "x * 2", "x * 3"), ("near.py", "return two(x)", "return two(x) + 1")],
        keep=[("far.py", "return 0", "return 1"), ("near.py", "return unused()", "return unused() + 1")],
    ),
    pattern(
        "module constant",
        {"main.py": STEP + "LIMIT = 10\nOTHER = 20\n@step\ndef run(x):\n    return min(x, LIMIT)\n"},
        must=[("main.py", "LIMIT = 10", "LIMIT = 11"), ("main.py", "LIMIT = 10", "LIMIT = 10.0")],
        keep=[("main.py", "OTHER = 20", "OTHER = 21"), ("main.py", "LIMIT = 10", "LIMIT: int = 10")],
    ),
    pattern(
        "constant made of another module's",
        {
            "main.py": STEP + "import conf\nLIMIT = conf.BASE * 2\n@step\ndef run(x):\n    return min(x, LIMIT)\n",
            "conf.py": "BASE = 5\nELSE = 6\n",
        },
        must=[("conf.py", "BASE = 5", "BASE = 7")],
        keep=[("conf.py", "ELSE = 6", "ELSE = 7")],
    ),
    pattern(
        "defaults: of the step an input, of a helper code",
        {
            "main.py": STEP
            + "def helper(x, by=2):\n    return x * by\n@step\ndef run(x, n=3):\n    return helper(x) + n\n"
        },
        must=[("main.py", "by=2", "by=3")],
        keep=[("main.py", "n=3", "n=4")],
    ),
    pattern(
        "default that is made of a global",
        {
            "main.py": STEP
            + "BY = 2\ndef helper(x, by=BY):\n    return x * by\n@step\ndef run(x):\n    return helper(x)\n"
        },
        must=[("main.py", "BY = 2", "BY = 3")],
    ),
    pattern(
        "class, method and base class",
        {
            "main.py": STEP + "from shapes import Square\n@step\ndef run(x):\n    return Square(x).area()\n",
            "shapes.py": "class Shape:\n    def scale(self):\n        return 1\nclass Square(Shape):\n    def __init__(self, a):\n        self.a = a\n"
            "    def area(self):\n        return self.a ** 2 * self.scale()\nclass Circle(Shape):\n    R = 3\n",
        },
        must=[("shapes.py", "** 2", "** 3"), ("shapes.py", "return 1", "return 2")],
        keep=[("shapes.py", "R = 3", "R = 4")],
    ),
    pattern(
        "class attribute, property and classmethod",
        {
            "main.py": STEP
            + "class Conf:\n    RATE = 1\n    @property\n    def twice(self):\n        return self.RATE * 2\n@step\ndef run(x):\n    return Conf().twice\n"
        },
        must=[("main.py", "RATE = 1", "RATE = 2"), ("main.py", "* 2", "* 3")],
    ),
    pattern(
        "dataclass fields",
        {
            "main.py": STEP
            + "from dataclasses import dataclass\n@dataclass\nclass Conf:\n    a: int = 1\n@step\ndef run(x):\n    return Conf().a\n"
        },
        must=[("main.py", "a: int = 1", "a: int = 2"), ("main.py", "a: int = 1", "a: float = 1")],
        keep=[("main.py", "class Conf:\n", 'class Conf:\n    """Doc."""\n')],
    ),
    pattern(
        "enum members",
        {
            "main.py": STEP
            + "import enum\nclass Mode(enum.Enum):\n    A = 1\n@step\ndef run(x):\n    return Mode.A.value\n"
        },
        must=[("main.py", "A = 1", "A = 2")],
    ),
    pattern(
        "decorator of a helper",
        {
            "main.py": STEP
            + "from deco import twice\n@twice\ndef helper(x):\n    return x\n@step\ndef run(x):\n    return helper(x)\n",
            "deco.py": "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def inner(x):\n        return f(x) * 2\n    return inner\n",
        },
        must=[("deco.py", "* 2", "* 3"), ("main.py", "@twice\n", "")],
    ),
    pattern(
        "decorator of the step itself",
        {
            "main.py": STEP + "from deco import twice\n@step\n@twice\ndef run(x):\n    return x\n",
            "deco.py": "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def inner(x):\n        return f(x) * 2\n    return inner\n",
        },
        must=[("deco.py", "* 2", "* 3")],
    ),
    pattern(
        "closure of a factory",
        {
            "main.py": STEP
            + "def make(n):\n    @step\n    def inner(x):\n        return x + n\n    return inner\nrun = make(3)\nother = make(4)\n"
        },
        must=[("main.py", "run = make(3)", "run = make(5)"), ("main.py", "x + n", "x - n")],
        keep=[("main.py", "other = make(4)", "other = make(6)")],
    ),
    pattern(
        "partial",
        {
            "main.py": STEP
            + "import functools\ndef add(a, b):\n    return a + b\nadd3 = functools.partial(add, 3)\n@step\ndef run(x):\n    return add3(x)\n"
        },
        must=[("main.py", "add, 3", "add, 4"), ("main.py", "a + b", "a - b")],
    ),
    pattern(
        "lambda bound to a name",
        {"main.py": STEP + "double = lambda v: v * 2\nother = lambda v: v\n@step\ndef run(x):\n    return double(x)\n"},
        must=[("main.py", "v * 2", "v * 3")],
        keep=[("main.py", "other = lambda v: v", "other = lambda v: -v")],
    ),
    pattern(
        "re-export by a package",
        {
            "main.py": STEP + "from pkg import clean\n@step\ndef run(x):\n    return clean(x)\n",
            "pkg/__init__.py": "from .impl import clean, other\n",
            "pkg/impl.py": "from . import deep\ndef clean(x):\n    return deep.go(x)\ndef other(x):\n    return 0\n",
            "pkg/deep.py": "def go(x):\n    return x\n",
        },
        must=[("pkg/impl.py", "deep.go(x)", "deep.go(x) + 1"), ("pkg/deep.py", "return x", "return -x")],
        keep=[("pkg/impl.py", "return 0", "return 1")],
    ),
    pattern(
        "star import",
        {
            "main.py": STEP + "from tools import *\n@step\ndef run(x):\n    return clean(x)\n",
            "tools.py": "def clean(x):\n    return x\ndef other(x):\n    return 0\n",
        },
        must=[("tools.py", "return x", "return -x")],
        keep=[("tools.py", "return 0", "return 1")],
    ),
    pattern(
        "star import through two modules",
        {
            "main.py": STEP + "from tools import *\n@step\ndef run(x):\n    return clean(x)\n",
            "tools.py": "from inner import *\n",
            "inner.py": "def clean(x):\n    return x\n",
        },
        must=[("inner.py", "return x", "return -x")],
    ),
    pattern(
        "import inside a function",
        {
            "main.py": STEP
            + "@step\ndef run(x):\n    from lazy import go\n    import lazy2 as second\n    return go(x) + second.go(x)\n",
            "lazy.py": "def go(x):\n    return x\ndef other():\n    return 0\n",
            "lazy2.py": "def go(x):\n    return x * 2\n",
        },
        must=[("lazy.py", "return x", "return -x"), ("lazy2.py", "x * 2", "x * 3")],
        keep=[("lazy.py", "return 0", "return 1")],
    ),
    pattern(
        "conditional import",
        {
            "main.py": STEP
            + "try:\n    from quick import go\nexcept ImportError:\n    from slow import go\n@step\ndef run(x):\n    return go(x)\n",
            "slow.py": "def go(x):\n    return x\n",
            "quick.py": "def go(x):\n    return x * 1\n",
        },
        must=[("quick.py", "x * 1", "x * 2"), ("slow.py", "return x", "return -x")],
    ),
    pattern(
        "attribute of a module by constant getattr",
        {
            "main.py": STEP + "import tools\n@step\ndef run(x):\n    return getattr(tools, 'clean')(x)\n",
            "tools.py": "def clean(x):\n    return x\ndef other(x):\n    return 0\n",
        },
        must=[("tools.py", "return x", "return -x")],
        keep=[("tools.py", "return 0", "return 1")],
    ),
    pattern(
        "attribute of a module by computed getattr",
        {
            "main.py": STEP + "import tools\n@step\ndef run(x, name):\n    return getattr(tools, name)(x)\n",
            "tools.py": "def clean(x):\n    return x\ndef other(x):\n    return 0\n",
        },
        must=[("tools.py", "return x", "return -x"), ("tools.py", "return 0", "return 1")],
        keep=[("tools.py", "return 0", "return 0  # zero")],
        warns="module tools is used as a value",
    ),
    pattern(
        "dynamic import by a constant",
        {
            "main.py": STEP
            + "import importlib\n@step\ndef run(x):\n    return importlib.import_module('plug').go(x)\n",
            "plug.py": "def go(x):\n    return x\n",
        },
        must=[("plug.py", "return x", "return -x")],
    ),
    pattern(
        "dynamic import by a computed name",
        {
            "main.py": STEP
            + "import importlib\n@step\ndef run(x, name):\n    return importlib.import_module(name).go(x)\n",
            "plug.py": "def go(x):\n    return x\n",
        },
        must=[("plug.py", "return x", "return -x")],
        warns="imported under a computed name",
    ),
    pattern(
        "eval",
        {
            "main.py": STEP + "from tools import *\n@step\ndef run(x, text):\n    return eval(text)\n",
            "tools.py": "def clean(x):\n    return x\n",
        },
        must=[("tools.py", "return x", "return -x")],
        warns="eval() runs code that cannot be seen",
    ),
    pattern(
        "globals()",
        {"main.py": STEP + "def clean(x):\n    return x\n@step\ndef run(x, name):\n    return globals()[name](x)\n"},
        must=[("main.py", "return x\n", "return -x\n")],
        warns="globals() reads names that cannot be seen",
    ),
    pattern(
        "registry filled by decorators in an imported module",
        {
            "main.py": STEP
            + "import registry\nimport plugins\n@step\ndef run(x, name):\n    return registry.KNOWN[name](x)\n",
            "registry.py": "KNOWN = {}\ndef register(f):\n    KNOWN[f.__name__] = f\n    return f\n",
            "plugins.py": "from registry import register\n@register\ndef clean(x):\n    return helper(x)\ndef helper(x):\n    return x\ndef aside(x):\n    return 0\n",
        },
        must=[("plugins.py", "return x", "return -x"), ("plugins.py", "return helper(x)", "return helper(x) + 1")],
        keep=[("plugins.py", "return 0", "return 1")],
    ),
    pattern(
        "registry filled by a decorator factory",
        {
            "main.py": STEP
            + "import registry\nimport plugins\n@step\ndef run(x, name):\n    return registry.KNOWN[name](x)\n",
            "registry.py": "KNOWN = {}\ndef register(name):\n    def keep(f):\n        KNOWN[name] = f\n        return f\n    return keep\n",
            "plugins.py": "from registry import register\n@register('clean')\ndef clean(x):\n    return x\n",
        },
        must=[("plugins.py", "return x", "return -x"), ("plugins.py", "'clean'", "'wash'")],
    ),
    pattern(
        "registry filled by assignment in an imported module",
        {
            "main.py": STEP
            + "import registry\nimport plugins\n@step\ndef run(x, name):\n    return registry.KNOWN[name](x)\n",
            "registry.py": "KNOWN = {}\n",
            "plugins.py": "import registry\ndef clean(x):\n    return x\nregistry.KNOWN['clean'] = clean\nOTHER = {}\nOTHER['a'] = 1\n",
        },
        must=[("plugins.py", "return x", "return -x"), ("plugins.py", "['clean']", "['wash']")],
        keep=[("plugins.py", "OTHER['a'] = 1", "OTHER['a'] = 2")],
    ),
    pattern(
        "registry filled by subclassing",
        {
            "main.py": STEP
            + "import base\nimport kinds\n@step\ndef run(x):\n    return [kind().go(x) for kind in base.KINDS]\n",
            "base.py": "KINDS = []\nclass Kind:\n    def __init_subclass__(cls):\n        KINDS.append(cls)\n",
            "kinds.py": "from base import Kind\nclass One(Kind):\n    def go(self, x):\n        return x\nclass Free:\n    def go(self, x):\n        return 0\n",
        },
        must=[("kinds.py", "return x", "return -x")],
        keep=[("kinds.py", "return 0", "return 1")],
    ),
    pattern(
        "monkey-patching another module",
        {
            "main.py": STEP + "import tools\nimport patch\n@step\ndef run(x):\n    return tools.clean(x)\n",
            "tools.py": "def clean(x):\n    return x\n",
            "patch.py": "import tools\ndef better(x):\n    return x + 1\ntools.clean = better\n",
        },
        must=[("patch.py", "x + 1", "x + 2")],
    ),
    pattern(
        "singledispatch",
        {
            "main.py": STEP + "from show import show\n@step\ndef run(x):\n    return show(x)\n",
            "show.py": "import functools\n@functools.singledispatch\ndef show(x):\n    return 'thing'\n@show.register\ndef _(x: int):\n    return 'int'\n"
            "@functools.singledispatch\ndef other(x):\n    return 0\n",
        },
        must=[("show.py", "'thing'", "'object'"), ("show.py", "'int'", "'number'"), ("show.py", "x: int", "x: float")],
        keep=[("show.py", "return 0", "return 1")],
    ),
    pattern(
        "call for its effect on import",
        {
            "main.py": STEP + "import warnings\nwarnings.filterwarnings('ignore')\n@step\ndef run(x):\n    return x\n",
        },
        must=[("main.py", "'ignore'", "'error'")],
    ),
    pattern(
        "set-up function called on import",
        {
            "main.py": STEP + "import setup_things\n@step\ndef run(x):\n    return x\n",
            "setup_things.py": "import os\ndef prepare():\n    os.umask(0o22)\ndef aside():\n    return 0\nprepare()\n",
        },
        must=[("setup_things.py", "0o22", "0o27")],
        keep=[("setup_things.py", "return 0", "return 1")],
    ),
    pattern(
        "list grown at module level",
        {
            "main.py": STEP
            + "NAMES = ['a']\nNAMES.append('b')\nNAMES += ['c']\nMORE = []\nMORE.append(1)\n@step\ndef run(x):\n    return NAMES\n"
        },
        must=[("main.py", "append('b')", "append('d')"), ("main.py", "['c']", "['e']")],
    ),
    pattern(
        "loop at module level",
        {
            "main.py": STEP
            + "TABLE = {}\nfor n in range(3):\n    TABLE[n] = n * 2\n@step\ndef run(x):\n    return TABLE[x]\n"
        },
        must=[("main.py", "n * 2", "n * 3"), ("main.py", "range(3)", "range(4)")],
    ),
    pattern(
        "function defined twice",
        {
            "main.py": STEP
            + "import sys\nif sys.platform == 'linux':\n    def go(x):\n        return x\nelse:\n    def go(x):\n        return -x\n@step\ndef run(x):\n    return go(x)\n"
        },
        must=[("main.py", "return -x", "return 0"), ("main.py", "'linux'", "'darwin'")],
    ),
    pattern(
        "recursion and mutual recursion",
        {
            "main.py": STEP
            + "def even(n):\n    return n == 0 or odd(n - 1)\ndef odd(n):\n    return n != 0 and even(n - 1)\n@step\ndef run(x):\n    return even(x) if x else run(x + 1)\n"
        },
        must=[("main.py", "n != 0", "n > 0"), ("main.py", "n == 0", "n <= 0")],
    ),
    pattern(
        "step that calls another step as a function",
        {
            "main.py": STEP
            + "@step(retries=1)\ndef inner(x, by=2):\n    return x * by\n@step\ndef run(x):\n    return inner(x)\n"
        },
        must=[("main.py", "x * by", "x / by"), ("main.py", "by=2", "by=3")],
        keep=[("main.py", "retries=1", "retries=5")],
    ),
    pattern(
        "local names hide global ones",
        {
            "main.py": STEP
            + "def data():\n    return 0\ndef item():\n    return 0\n@step\ndef run(x):\n    data = [item for item in x]\n    return data\n"
        },
        keep=[
            ("main.py", "def data():\n    return 0", "def data():\n    return 1"),
            ("main.py", "def item():\n    return 0", "def item():\n    return 1"),
        ],
    ),
    pattern(
        "global statement",
        {
            "main.py": STEP
            + "COUNT = 0\ndef bump():\n    global COUNT\n    COUNT += 1\n    return COUNT\n@step\ndef run(x):\n    return bump()\n"
        },
        must=[("main.py", "COUNT = 0", "COUNT = 5"), ("main.py", "+= 1", "+= 2")],
    ),
    pattern(
        "nested functions and comprehensions",
        {
            "main.py": STEP
            + "def f(v):\n    return v\ndef g(v):\n    return v\n@step\ndef run(x):\n    def inner(y):\n        return f(y)\n    return {k: [g(v) for v in inner(vs)] for k, vs in x.items()}\n"
        },
        must=[
            ("main.py", "def f(v):\n    return v", "def f(v):\n    return -v"),
            ("main.py", "def g(v):\n    return v", "def g(v):\n    return -v"),
        ],
    ),
    pattern(
        "type alias used at run time",
        {"main.py": STEP + "Number = int\n@step\ndef run(x):\n    return isinstance(x, Number)\n"},
        must=[("main.py", "Number = int", "Number = float")],
    ),
    pattern(
        "typing-only import and main block",
        {
            "main.py": STEP
            + "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import tools\n@step\ndef run(x):\n    return x\nif __name__ == '__main__':\n    print(run(1))\n",
            "tools.py": "def clean(x):\n    return x\n",
        },
        keep=[("tools.py", "return x", "return -x"), ("main.py", "print(run(1))", "print(run(2))")],
    ),
    pattern(
        "async function and generator",
        {
            "main.py": STEP
            + "async def fetch(x):\n    return x\ndef items(n):\n    yield from range(n)\n@step\nasync def run(x):\n    return [await fetch(i) for i in items(x)]\n"
        },
        must=[("main.py", "return x", "return -x"), ("main.py", "range(n)", "range(n + 1)")],
    ),
    pattern(
        "match statement and walrus",
        {
            "main.py": STEP
            + "LOW = 1\n@step\ndef run(x):\n    match x:\n        case {'a': a, **rest} if (n := len(rest)) > LOW:\n            return n + a\n    return 0\n"
        },
        must=[("main.py", "LOW = 1", "LOW = 2"), ("main.py", "n + a", "n - a")],
    ),
    pattern(
        "order of unrelated definitions",
        {
            "main.py": STEP
            + "def a():\n    return 1\ndef b():\n    return 2\n@step\ndef run(x):\n    return a() + b()\n"
        },
        keep=[
            (
                "main.py",
                "def a():\n    return 1\ndef b():\n    return 2\n",
                "def b():\n    return 2\n\n\ndef a():\n    return 1\n",
            )
        ],
    ),
    pattern(
        "one of two swapped imports",
        {
            "main.py": STEP + "from tools import one as a, two as b\n@step\ndef run(x):\n    return a(x) - b(x)\n",
            "tools.py": "def one(x):\n    return 1\ndef two(x):\n    return 2\n",
        },
        must=[("main.py", "one as a, two as b", "two as a, one as b")],
        keep=[("main.py", "one as a, two as b", "two as b, one as a")],
    ),
    pattern(
        "environment variable",
        {
            "main.py": STEP
            + "import os\nfrom os import environ\nMODE = os.environ.get('MODE')\n@step\ndef run(x):\n    return MODE, environ['OTHER'], os.getenv('THIRD')\n"
        },
        must=[("main.py", "'MODE'", "'MOOD'"), ("main.py", "'OTHER'", "'ANOTHER'")],
    ),
    pattern(
        "module-level __getattr__",
        {
            "main.py": STEP + "import lazy\n@step\ndef run(x):\n    return lazy.thing\n",
            "lazy.py": "def __getattr__(name):\n    return len(name)\n",
        },
        must=[("lazy.py", "len(name)", "len(name) + 1")],
    ),
    pattern(
        "name that no statement binds",
        {
            "main.py": STEP + "import made\n@step\ndef run(x):\n    return made.thing\n",
            "made.py": "for n in ('thing', 'other'):\n    globals()[n] = n\n",
        },
        must=[("made.py", "= n\n", "= n * 2\n")],
        warns="is not defined by any statement",
    ),
    pattern(
        "import cycle",
        {
            "main.py": STEP + "import left\n@step\ndef run(x):\n    return left.go(x)\n",
            "left.py": "import right\ndef go(x):\n    return right.back(x)\nBASE = 1\n",
            "right.py": "import left\ndef back(x):\n    return x + left.BASE\n",
        },
        must=[("left.py", "BASE = 1", "BASE = 2"), ("right.py", "x + left", "x - left")],
    ),
    pattern(
        "namespace package",
        {
            "main.py": STEP + "from space.inner import clean\n@step\ndef run(x):\n    return clean(x)\n",
            "space/inner.py": "def clean(x):\n    return x\n",
        },
        must=[("space/inner.py", "return x", "return -x")],
    ),
    pattern(
        "submodule reached through its package",
        {
            "main.py": STEP
            + "import pkg.sub\nimport pkg.other as o\n@step\ndef run(x):\n    return pkg.sub.go(x) + o.go(x)\n",
            "pkg/__init__.py": "VERSION = 1\n",
            "pkg/sub.py": "def go(x):\n    return x\n",
            "pkg/other.py": "def go(x):\n    return x * 2\n",
        },
        must=[("pkg/sub.py", "return x", "return -x"), ("pkg/other.py", "x * 2", "x * 3")],
        keep=[("pkg/__init__.py", "VERSION = 1", "VERSION = 2")],
    ),
    pattern(
        "instance made at module level",
        {
            "main.py": STEP + "from model import MODEL\n@step\ndef run(x):\n    return MODEL.predict(x)\n",
            "model.py": "class Model:\n    def __init__(self, k):\n        self.k = k\n    def predict(self, x):\n        return x * self.k\nMODEL = Model(2)\nUNUSED = Model(3)\n",
        },
        must=[("model.py", "x * self.k", "x + self.k"), ("model.py", "Model(2)", "Model(4)")],
        keep=[("model.py", "Model(3)", "Model(5)")],
    ),
    pattern(
        "attribute set on an object at module level",
        {
            "main.py": STEP
            + "class Conf:\n    pass\nconf = Conf()\nconf.rate = 1\nother = Conf()\nother.rate = 2\n@step\ndef run(x):\n    return conf.rate\n"
        },
        must=[("main.py", "conf.rate = 1", "conf.rate = 3")],
        keep=[("main.py", "other.rate = 2", "other.rate = 4")],
    ),
    pattern(
        "logging set up does not spread",
        {
            "main.py": STEP + "import tools\n@step\ndef run(x):\n    return tools.go(x)\n",
            "tools.py": "import logging\nlog = logging.getLogger(__name__)\ndef noisy(f):\n    log.info('wrap')\n    return f\n@noisy\ndef go(x):\n    return x\n@noisy\ndef aside(x):\n    return 0\n",
        },
        must=[("tools.py", "return x", "return -x")],
        keep=[("tools.py", "return 0", "return 1")],
    ),
    pattern(
        "import of a module for what importing it does",
        {
            "main.py": STEP + "import plugin_for_effect\nimport extra\n@step\ndef run(x):\n    return x\n",
            "extra.py": "import atexit\natexit.register(print)\nX = 1\n",
        },
        must=[("extra.py", "register(print)", "register(repr)")],
        keep=[("extra.py", "X = 1", "X = 2")],
    ),
    pattern(
        "format registered for a type of one's own",
        {
            "main.py": STEP + "from sketches import Sketch\n@step\ndef run(x: int) -> Sketch:\n    return Sketch(x)\n",
            "sketches.py": "from pipelinekit import register_format\nclass Sketch:\n    pass\ndef write(sketch, path):\n    path.write_text('a')\nregister_format(Sketch, 'sketch', write=write, read=print)\n",
        },
        must=[("sketches.py", "'a'", "'b'"), ("sketches.py", "read=print)", "read=repr)")],
    ),
    pattern(
        "format registered for another type",
        {
            "main.py": STEP
            + "import pipelinekit as pk\nclass Sketch:\n    pass\ndef write(sketch, path):\n    path.write_text('a')\npk.register_format(Sketch, 'sketch', write=write, read=print)\n@step\ndef run(x: list[int]):\n    return x\n",
        },
        keep=[("main.py", "'a'", "'b'"), ("main.py", "read=print)", "read=repr)")],
    ),
    pattern(
        "format registered for a type of someone else",
        {
            "main.py": STEP
            + "import pandas\nfrom pipelinekit import register_format\ndef write(value, path):\n    path.write_text('a')\nregister_format(pandas.Index, 'index', write=write, read=print)\n@step\ndef run(x):\n    return x\n",
        },
        must=[("main.py", "'a'", "'b'")],
    ),
    pattern(
        "format registered for a class derived from the one that is expected",
        {
            "main.py": STEP
            + "from sketches import Base\n@step\ndef run(x: Base, mode: Literal['a', 'b']):\n    return x\n",
            "sketches.py": "from pipelinekit import register_format\nclass Base:\n    pass\nclass Sketch(Base):\n    pass\ndef write(sketch, path):\n    path.write_text('a')\nregister_format(Sketch, 'sketch', write=write, read=print)\n",
        },
        must=[("sketches.py", "'a'", "'b'")],
    ),
    pattern(
        "format registered for what an input may be",
        {
            "main.py": STEP
            + "import pipelinekit as pk\nclass Sketch:\n    pass\ndef write(sketch, path):\n    path.write_text('a')\npk.register_format(Sketch, 'sketch', write=write, read=print)\n@step\ndef run(x: list):\n    return x\n",
        },
        must=[("main.py", "'a'", "'b'"), ("main.py", "read=print)", "read=repr)")],
    ),
    pattern(
        "import_module under another name",
        {
            "main.py": STEP
            + "from importlib import import_module as load\n@step\ndef run(x):\n    return load('plug').clean(x)\n",
            "plug.py": "def clean(x):\n    return x\ndef aside(x):\n    return 0\n",
        },
        must=[("plug.py", "return x", "return -x")],
        keep=[("plug.py", "return 0", "return 1")],
    ),
    pattern(
        "import_module passed on as a value",
        {
            "main.py": STEP
            + "import importlib\n@step\ndef run(x):\n    return list(map(importlib.import_module, x))\n",
            "plug.py": "def clean(x):\n    return x\n",
        },
        must=[("plug.py", "return x", "return -x")],
        warns="imported under a computed name",
    ),
    pattern(
        "function found by its path",
        {
            "main.py": STEP + "import pkgutil\n@step\ndef run(x):\n    return pkgutil.resolve_name('plug:clean')(x)\n",
            "plug.py": "def clean(x):\n    return x\n",
        },
        must=[("plug.py", "return x", "return -x")],
        warns="runs code that cannot be seen",
    ),
    pattern(
        "submodule imported inside the step",
        {
            "main.py": STEP + "@step\ndef run(x):\n    from pkg import sub\n    return sub.go(x)\n",
            "pkg/__init__.py": "",
            "pkg/sub.py": "def go(x):\n    return x\ndef aside():\n    return 0\n",
        },
        must=[("pkg/sub.py", "return x", "return -x")],
        keep=[("pkg/sub.py", "return 0", "return 1")],
    ),
]
