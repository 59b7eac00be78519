"""`runs show --timeline`: as text, as data, and as pictures."""

import re
import xml.etree.ElementTree as ElementTree

STEPS = """
    import time
    from pipelinekit import pipeline, step

    @step
    def first(n: int) -> int:
        time.sleep(0.3)
        return n

    @step
    def aside(n: int) -> int:
        return n

    @step
    def last(n: int) -> int:
        time.sleep(0.2)
        return n

    @pipeline
    def steps(n: int = 1):
        return last(first(n)), aside(n)
"""


def test_a_timeline_says_what_the_end_of_the_run_waited_for(project):
    project.write(steps=STEPS)
    project.run("steps.py")
    lines = project("runs", "show", "--timeline").out.splitlines()
    rows = {line[2:].split()[0]: line for line in lines[1:4]}
    assert {name for name, line in rows.items() if line.startswith("◆")} == {"first", "last"}
    assert re.search(r"█{10,}", rows["first"])
    assert rows["first"].index("█") < rows["last"].index("█")
    document = project("runs", "show", "--timeline", "--json").json
    bars = {bar["step"]: bar for bar in document["bars"]}
    assert bars["last"]["since"] >= bars["first"]["ended"] - 0.05
    assert 0.3 <= bars["first"]["ended"] - bars["first"]["called"] < document["seconds"]


def test_a_timeline_is_drawn(project):
    project.write(steps=STEPS)
    project.run("steps.py")
    project("runs", "show", "--timeline", "run.svg")
    picture = ElementTree.parse(project.folder / "run.svg").getroot()
    texts = [item.text for item in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"first", "aside", "last"} <= set(texts)
    assert any("3 steps executed in" in text and "framed: the 2 that the end waited for" in text for text in texts)
    project("runs", "show", "--timeline", "run.html")
    assert "<svg" in (project.folder / "run.html").read_text(encoding="utf-8")
    assert "give a name that ends in .svg or .html" in project("runs", "show", "--timeline", "run.png", code=2).err
    assert "cannot be written" in project("runs", "show", "--timeline", "no/run.svg", code=2).err


def test_of_a_run_in_which_nothing_was_executed_there_is_nothing_to_draw(project):
    project.write(steps=STEPS)
    project.run("steps.py")
    project.run("steps.py")
    assert project("runs", "show", "--timeline").out == "no step was executed; 3 reused\n"
