"""Functions whose result differs from call to call: those that read the clock, and those that draw at random.

Code that calls one gets a hint, and nothing else: what it does with the result cannot be told.
"""

from __future__ import annotations

from pipelinekit.typed import TYPE_CHECKING

if TYPE_CHECKING:
    import ast

HINT = "hint"  # how far such a finding widens: not at all
SEEDED = "seeded"  # a hint about this source of randomness is void
_CLOCK = frozenset(
    {
        "time.time",
        "time.time_ns",
        "datetime.datetime.now",
        "datetime.datetime.today",
        "datetime.datetime.utcnow",
        "datetime.date.today",
        "pandas.Timestamp.now",
        "pandas.Timestamp.today",
        "pandas.Timestamp.utcnow",
    }
)
_CLOCK_UNLESS_GIVEN = frozenset({"time.localtime", "time.gmtime", "time.ctime", "time.asctime"})
_RANDOM = frozenset({"os.urandom", "uuid.uuid1", "uuid.uuid4", "random.SystemRandom"})
_RANDOM_UNLESS_GIVEN = frozenset({"random.Random", "numpy.random.default_rng", "numpy.random.RandomState"})
_SHARED = ("random", "numpy.random")  # modules with one generator for the whole process, which `seed` sets
_NO_DRAW = frozenset({"seed", "default_rng", "getstate", "setstate", "get_state", "set_state"})


def finding(call: ast.Call, name: str) -> tuple[str, str] | None:
    """What a call of the function of that name, as the module that defines it knows it, means: a kind and words."""
    given = bool(call.args or call.keywords)
    module, _, function = name.rpartition(".")
    if name in _CLOCK or (name in _CLOCK_UNLESS_GIVEN and not given):
        return HINT, f"{name}() reads the clock"
    if name in _RANDOM or module == "secrets" or (name in _RANDOM_UNLESS_GIVEN and not given):
        return HINT, f"{name}() draws at random without a seed"
    if module in _SHARED and function == "seed" and given:
        return SEEDED, module
    if module in _SHARED and function[:1].islower() and function not in _NO_DRAW:
        return HINT, f"{name}() draws at random, and nothing that the step calls seeds {module}"
    return None


def is_void(words: str, seeded: set[str]) -> bool:
    """Whether a hint speaks of a generator that the step's own code seeds."""
    return any(words.endswith(f" seeds {module}") for module in seeded)
