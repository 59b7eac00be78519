"""One file, two places: on a Dask cluster of separate processes, given by address, and on this machine."""

PIPELINE = """
    import os
    from pipelinekit import pipeline, step, fixed
    import pyarrow

    @step
    def numbers(n: int) -> list[int]:
        return list(range(n))

    @step
    def table(x: int, rows: int) -> pyarrow.Table:
        print("making", x)
        return pyarrow.table({"x": [x] * rows})

    @step
    def total(tables: list[pyarrow.Table]) -> int:
        return sum(sum(table.column("x").to_pylist()) for table in tables)

    @pipeline
    def spread(n: int = 6):
        return total(table.map(numbers(n), rows=fixed(10)))
"""


def test_what_one_place_computed_the_other_reuses(project, dask_address):
    project.write(spread=PIPELINE)
    document = project.run("spread.py", "--compute", dask_address)
    assert document["outputs"] == {"output": 150}
    assert {step["status"] for step in document["steps"]} == {"Completed"}
    assert project.executed("spread.py") == []
    assert project.executed("spread.py", "-p", "n=8") == ["numbers", "table[6]", "table[7]", "total"]
    assert project.executed("spread.py", "-p", "n=8", "--compute", dask_address) == []
    assert "making 3" in project("runs", "logs", "latest", "table[3]").out


def test_failures_on_a_cluster_are_told_as_here(project, dask_address):
    project.write(spread=PIPELINE.replace('print("making", x)', 'raise ValueError(f"no {x}")'))
    document = project.run("spread.py", "--compute", dask_address, code=1)
    assert document["error"]["message"].endswith("ValueError: no 0") or "ValueError: no" in document["error"]["message"]


def test_a_cluster_that_is_not_there(project):
    project.write(spread=PIPELINE)
    project.run("spread.py")
    assert project.executed("spread.py", "--compute", "tcp://127.0.0.1:9") == [], "what is reused needs no cluster"
