"""A stored graph outlives what is installed: its steps never run with other software than they are known by."""

import pytest

FILE = """
    from pipelinekit import pipeline, step

    try:
        import tiny
    except ImportError:  # steps have processes of their own, which take packages from where Python's own are
        tiny = None

    @step
    def work() -> str:
        return f"done with {tiny}"[:4]

    @pipeline
    def flow():
        return work()
"""


@pytest.fixture
def installed(project):
    """A project, and what installs a version of the distribution `tiny` beside it."""
    folder = project.folder.parent / "site-packages"
    project.write(flow=FILE)

    def install(version):
        for old in folder.glob("tiny-*.dist-info/*"):
            old.unlink()
        for old in folder.glob("tiny-*.dist-info"):
            old.rmdir()
        described = folder / f"tiny-{version}.dist-info"
        described.mkdir(parents=True)
        (folder / "tiny.py").write_text(f"VERSION = {version!r}\n")
        (described / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n")
        (described / "RECORD").write_text("tiny.py,,\n")
        return {"env": {"PYTHONPATH": str(folder)}}

    return project, install


def ran(project, *words, **options):
    """How the one step of a run ended; of a failure, why."""
    found = project(*words, "--json", **options).json["steps"][0]
    return found["error"]["message"] if found["status"] == "Failed" else found["status"]


def test_a_compiled_graph_is_not_run_with_other_packages_than_it_was_compiled_with(installed):
    project, install = installed
    options = install("1.0")
    project("compile", "flow.py", "-o", "graph.json", **options)
    install("2.0")
    said = "step 'work': it was compiled with tiny 1.0, and 2.0 is installed now"
    assert ran(project, "run", "graph.json", code=1, **options) == said
    assert ran(project, "run", "graph.json", "--in-process", code=1, **options) == said
    assert ran(project, "run", "flow.py", **options) == "Completed"
    install("1.0")
    assert ran(project, "run", "graph.json", **options) == "Completed"
    install("2.0")
    assert ran(project, "run", "graph.json", **options) == "Reused"  # it is what came out with 1.0


def test_a_published_pipeline_is_not_run_with_other_packages_than_it_was_published_with(installed):
    project, install = installed
    options = install("1.0")
    made = project("publish", "flow.py", "--json", **options).json["id"]
    install("2.0")
    assert "tiny 1.0, and 2.0 is installed now" in ran(
        project, "pipelines", "submit", made, "--wait", code=1, **options
    )
    install("1.0")
    assert ran(project, "pipelines", "submit", made, "--wait", **options) == "Completed"


def test_a_package_that_appeared_counts_as_another_one(installed):
    project, install = installed
    project("compile", "flow.py", "-o", "graph.json")
    options = install("1.0")
    assert "without a package for module 'tiny'" in ran(project, "run", "graph.json", code=1, **options)
    assert ran(project, "run", "graph.json") == "Completed"
