"""Plain Dask: a graph on a local cluster of two worker processes with one thread each. It keeps and skips nothing."""

import bodies
from distributed import Client, LocalCluster

if __name__ == "__main__":  # worker processes import this file
    workload, count, change, _ = bodies.arguments()
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    with LocalCluster(**options, dashboard_address=None, silence_logs=40) as cluster, Client(cluster) as client:
        if workload == "chain":
            graph = {"v0": 1, **{f"v{i + 1}": (bodies.increment, f"v{i}") for i in range(count)}}
            answer = client.get(graph, f"v{count}")
        else:
            graph = {"first": (bodies.source,)}
            for i, x in enumerate(bodies.extras(count, change)):
                graph[f"leaf{i}"] = (bodies.leaf, "first", i, x)
            graph["join"] = (bodies.join, [f"leaf{i}" for i in range(count)])
            answer = client.get(graph, "join")
    bodies.check(workload, count, change, answer)
