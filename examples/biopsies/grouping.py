"""The step that runs in an environment of its own. This module imports nothing that is not installed there."""

from __future__ import annotations

from pipelinekit import get_context, step


@step(environment="graphs")
def choose_features(alike: list[list[str]], strength: dict[str, float]) -> list[str]:
    """Of each group of features that say the same, the one that tells most of the diagnosis.

    `alike` are pairs of features that say the same; what they connect is a group.
    """
    import networkx  # noqa: PLC0415 - the version of the step's environment

    graph = networkx.Graph()
    graph.add_nodes_from(strength)
    graph.add_edges_from(alike)
    groups = [sorted(group) for group in networkx.connected_components(graph)]
    chosen = sorted(max(group, key=strength.__getitem__) for group in groups)
    run = get_context()
    run.set_property("networkx", networkx.__version__)
    run.log_table("groups", {"size": [len(group) for group in groups], "features": [", ".join(g) for g in groups]})
    run.parent.log("features", len(chosen))
    return chosen
