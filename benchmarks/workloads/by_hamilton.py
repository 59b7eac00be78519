"""Hamilton with its cache: in this process; metadata in SQLite, a pickle file for each result."""

import importlib
import sys
from pathlib import Path

import bodies
from hamilton import driver

workload, count, change, state = bodies.arguments()
CHAIN = "import bodies\ndef v0() -> int:\n    return 1\n" + "".join(
    f"def v{i + 1}(v{i}: int) -> int:\n    return bodies.increment(v{i})\n" for i in range(count)
)
FAN = f"""
import bodies
from hamilton.function_modifiers import group, inject, parameterize, source, value
N = {count}
def first() -> int:
    return bodies.source()
@parameterize(**{{f"leaf_{{i}}": dict(number=value(i), extra=source(f"x_{{i}}")) for i in range(N)}})
def leaf(first: int, number: int, extra: int) -> int:
    return bodies.leaf(first, number, extra)
@inject(values=group(*[source(f"leaf_{{i}}") for i in range(N)]))
def join(values: list[int]) -> int:
    return bodies.join(values)
"""
name = "chain_nodes" if workload == "chain" else "fan_nodes"
Path(state, f"{name}.py").write_text(CHAIN if workload == "chain" else FAN)
sys.path.insert(0, state)
sys.setrecursionlimit(10_000)
nodes = importlib.import_module(name)
wanted = f"v{count}" if workload == "chain" else "join"
inputs = {} if workload == "chain" else {f"x_{i}": x for i, x in enumerate(bodies.extras(count, change))}
made = driver.Builder().with_modules(nodes).with_cache(path=f"{state}/cache").build()
bodies.check(workload, count, change, made.execute([wanted], inputs=inputs)[wanted])
