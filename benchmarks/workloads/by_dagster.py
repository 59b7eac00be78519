"""Dagster: an asset for each step, with code versions. The caller asks which assets are stale, and makes only those.

Runs in this process, with its event log in SQLite. Ops, its other kind of step, skip nothing.
"""

import logging
import pickle
from pathlib import Path

import bodies
import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus

logging.disable(logging.INFO)
workload, count, change, state = bodies.arguments()


def chain_assets():
    @dg.asset(name="v1", code_version="1")
    def begin():
        return bodies.increment(1)

    def following(i):
        @dg.asset(name=f"v{i}", code_version="1", ins={"value": dg.AssetIn(f"v{i - 1}")})
        def one(value):
            return bodies.increment(value)

        return one

    return [begin, *map(following, range(2, count + 1))], f"v{count}"


def fan_assets():
    @dg.asset(code_version="1")
    def first():
        return bodies.source()

    def leaf(i, x):
        @dg.asset(name=f"leaf_{i}", code_version=str(x), ins={"first": dg.AssetIn("first")})
        def one(first):
            return bodies.leaf(first, i, x)

        return one

    @dg.asset(code_version="1", ins={f"v{i}": dg.AssetIn(f"leaf_{i}") for i in range(count)})
    def join(**values):
        return bodies.join(list(values.values()))

    return [first, *[leaf(i, x) for i, x in enumerate(bodies.extras(count, change))], join], "join"


def stale(graph, instance):
    """Stale assets and all that follow from them."""
    try:
        resolver = CachingStaleStatusResolver(instance, graph)
    except TypeError:
        from dagster._core.loader import LoadingContextForTest  # noqa: PLC0415 - other releases lack it

        resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    keys = list(graph.get_all_asset_keys())
    found = {key for key in keys if resolver.get_status(key) != StaleStatus.FRESH}
    while more := {key for key in keys if key not in found and graph.get(key).parent_keys & found}:
        found |= more
    return found


assets, last = chain_assets() if workload == "chain" else fan_assets()
resources = {"io_manager": dg.FilesystemIOManager(base_dir=f"{state}/values")}
definitions = dg.Definitions(assets=assets, resources=resources)
instance = dg.DagsterInstance.get()
if todo := stale(definitions.get_repository_def().asset_graph, instance):
    result = dg.materialize(assets, instance=instance, resources=resources, selection=list(todo))
    if not result.success:
        raise SystemExit("the run failed")
bodies.check(workload, count, change, pickle.loads(Path(state, "values", last).read_bytes()))
