"""The page `docs/when-does-a-step-run-again.md`: each of its sentences, as a test."""

import os
import re
import shutil
from pathlib import Path

import pytest

from pipelinekit import Workspace

PAGE = Path(__file__).parents[2] / "docs" / "when-does-a-step-run-again.md"

HINTED = ("time.time", "random.random")
SOURCE = """
    import os
    import random
    import time
    from pathlib import Path
    from pipelinekit import File, Folder, get_secret, pipeline, step
    import tools

    @step(allow_reuse=True)
    def load(file: File) -> list[str]:
        return Path(file).read_text().split()

    @step
    def count(words: list[str], least: object) -> int:
        \"\"\"Count long words.\"\"\"
        return len([word for word in words if tools.is_long(word, least)])  # a comment

    @pipeline
    def words(file: File = "words.txt", least: object = 1):
        return count(load(file), least)

    @step(not_keyed=["threads"])
    def threaded(x: int, threads: int) -> int:
        return x

    @pipeline
    def threads(threads: int = 1):
        return threaded(1, threads)

    @step
    def listing(folder: Folder) -> list[str]:
        return sorted(path.name for path in Path(folder).iterdir())

    @pipeline
    def folders(folder: Folder = "data"):
        return listing(folder)

    @step
    def variable() -> str:
        return os.environ.get("PAGE_VARIABLE", "none")

    @pipeline
    def variables():
        return variable()

    @step
    def unsteady() -> float:
        return time.time() + random.random()

    @pipeline
    def clocks():
        return unsteady()

    @step(max_age=0.001)
    def aging() -> int:
        return 1

    @pipeline
    def old():
        return aging()

    @step
    def opens() -> str:
        return (Path(__file__).parent / "config.txt").read_text()

    @pipeline
    def undeclared():
        return opens()

    @step(secrets=["PASSWORD", "TOKEN"], not_keyed=["TOKEN"])
    def asks() -> int:
        return len(get_secret("PASSWORD"))

    @pipeline
    def secrets():
        return asks()

    @step
    def fails() -> int:
        raise ValueError

    @pipeline
    def failing():
        return fails()
"""
TOOLS = """
    LIMIT = 2

    def is_long(word, least, more=0):
        return len(word) >= max(least, LIMIT) + more

    def unused():
        return 1
"""
BOTH = ["load", "count"]
AGAIN, NOT_AGAIN = {}, {}


def sentence(text, table):
    """A test of the sentence of the page."""

    def keep(function):
        table[text] = function
        return function

    return keep


def edited(file, old, new, expected):
    """After this edit these steps run."""

    def check(project):
        project.edit(file, old, new)
        assert project.executed("page.py:words") == expected

    return check


def asked(*words, expected, pipeline="words", **options):
    """With these words these steps run."""

    def check(project):
        project(*("run", f"page.py:{pipeline}"), code=1 if pipeline == "failing" else 0)
        assert project.executed(f"page.py:{pipeline}", *words, **options) == expected

    return check


AGAIN["when its function changes"] = edited("page.py", "return len([word", "return 1 + len([word", ["count"])
AGAIN["when a function that it calls changes, in whatever module of yours"] = edited("tools.py", ">=", ">", ["count"])
AGAIN["when a constant that it reads changes"] = edited("tools.py", "LIMIT = 2", "LIMIT = 3", ["count"])
AGAIN["when a default value that its code uses changes"] = edited("tools.py", "more=0", "more=1", ["count"])
AGAIN["when a parameter of the pipeline that it takes changes"] = asked("-p", "least=3", expected=["count"])
AGAIN["when its `cache_version` changes"] = edited("page.py", "allow_reuse=True", "cache_version='2'", ["load"])
AGAIN["when it is asked for with `--regenerate`"] = asked("--regenerate", expected=BOTH)
AGAIN["when an environment variable that its code reads changes"] = asked(
    expected=["variable"], pipeline="variables", env={"PAGE_VARIABLE": "other"}
)
AGAIN["when its result is older than its `max_age`"] = asked(expected=["aging"], pipeline="old")
NOT_AGAIN["when a function that it does not reach changes"] = edited("tools.py", "return 1\n", "return 2\n", [])
NOT_AGAIN["when the step is renamed"] = edited("page.py", "@step(allow_reuse=True)", "@step(name='read')", [])
NOT_AGAIN["when its retries, timeout, resources or tags change"] = edited(
    "page.py",
    "@step(allow_reuse=True)",
    "@step(retries=3, timeout=50, resources={'cpu': 2}, tags={'a': 'b'})",
    [],
)
NOT_AGAIN["when an input changes that is declared as `not_keyed`"] = asked(
    "-p", "threads=2", expected=[], pipeline="threads"
)
NOT_AGAIN["when another run has made the result under the same key"] = asked("--experiment", "other", expected=[])


@sentence("when the type of a value changes, as from 1 to 1.0", AGAIN)
def check_type(project):
    project.edit("page.py", "least: object = 1", "least: object = 1.0")
    assert project.executed("page.py:words") == ["count"]


@sentence("when the content of a file that it takes changes", AGAIN)
def check_file(project):
    (project.folder / "words.txt").write_text("other words here")
    assert project.executed("page.py:words") == BOTH


@sentence("when a file is added to a folder that it takes", AGAIN)
def check_folder(project):
    project.run("page.py:folders")
    (project.folder / "data" / "b.txt").write_text("")
    assert project.executed("page.py:folders") == ["listing"]


@sentence("when a step before it gives another output", AGAIN)
def check_before(project):
    project.edit("page.py", ".split()", ".upper().split()")
    assert project.executed("page.py:words") == BOTH


@sentence("when its result was invalidated", AGAIN)
def check_invalidated(project):
    project("reuse", "invalidate", "--step", "count")
    assert project.executed("page.py:words") == ["count"]


@sentence("when its output is no longer in the store", AGAIN)
def check_gone(project):
    project.edit("page.py", ".split()", ".split() * 2000")
    project.run("page.py:words")
    digest = project("runs", "outputs", "--step", "load", "--json").json["output"]
    assert "value" not in digest, "large enough to be a blob"
    blobs = [path for path in (project.home / "blobs").rglob("*") if path.is_file() and path.stat().st_size > 4096]
    for path in blobs:
        path.unlink()
    assert "load" in project.executed("page.py:words")


@sentence("when a file that it opened without declaring it changes", AGAIN)
def check_undeclared(project):
    project.run("page.py:undeclared")
    assert project.executed("page.py:undeclared") == []
    (project.folder / "config.txt").write_text("other")
    assert project.executed("page.py:undeclared") == ["opens"]


def with_secrets(project):
    """The workspace, with the secrets that the pipeline needs."""
    kept = Workspace.open(project.folder).secrets
    kept.set("PASSWORD", "correct horse")
    kept.set("TOKEN", "battery staple")
    assert project.executed("page.py:secrets") == ["asks"]
    return kept


@sentence("when a secret that it is given is set anew", AGAIN)
def check_secret(project):
    with_secrets(project).set("PASSWORD", "correct horse")
    assert project.executed("page.py:secrets") == ["asks"]


@sentence(
    "when a secret is set anew that is declared as `not_keyed`, or when the key of all secrets is changed", NOT_AGAIN
)
def check_secret_that_is_not_keyed(project):
    kept = with_secrets(project)
    kept.set("TOKEN", "another staple")
    kept.rotate_key()
    assert project.executed("page.py:secrets") == []


@sentence("every time, with `allow_reuse=False`", AGAIN)
def check_never(project):
    project.edit("page.py", "allow_reuse=True", "allow_reuse=False")
    assert project.executed("page.py:words") == ["load"]
    assert project.executed("page.py:words") == ["load"]


@sentence("after it failed", AGAIN)
def check_failed(project):
    for _ in range(2):
        found = project.run("page.py:failing", code=1)["steps"]
        assert [step["status"] for step in found] == ["Failed"]


@sentence("when a comment, a docstring or the formatting changes", NOT_AGAIN)
def check_cosmetic(project):
    project.edit("page.py", "# a comment", "# another")
    project.edit("page.py", "Count long words.", "Counts.")
    project.edit("page.py", "    return len([word", "\n    return len([ word")
    assert project.executed("page.py:words") == []


@sentence("when a file that it takes is touched, copied or renamed", NOT_AGAIN)
def check_touched(project):
    file = project.folder / "words.txt"
    os.utime(file)
    assert project.executed("page.py:words") == []
    shutil.copyfile(file, project.folder / "copy.txt")
    assert project.executed("page.py:words", "-p", "file=copy.txt") == []
    file.rename(project.folder / "renamed.txt")
    assert project.executed("page.py:words", "-p", "file=renamed.txt") == []


@sentence("when a step before it runs again and gives the same output", NOT_AGAIN)
def check_cutoff(project):
    project.edit("page.py", ".split()", ".split(None)")
    assert project.executed("page.py:words") == ["load"]


@sentence("when the pipeline lies in another folder", NOT_AGAIN)
def check_moved(project):
    moved = project.folder / "far" / "away"
    moved.mkdir(parents=True)
    for name in ("page.py", "tools.py", "words.txt"):
        shutil.copyfile(project.folder / name, moved / name)
    assert project.executed("far/away/page.py:words") == []


@sentence("when you go back to what it was before", NOT_AGAIN)
def check_back(project):
    project.edit("tools.py", ">=", ">")
    assert project.executed("page.py:words") == ["count"]
    project.edit("tools.py", ">", ">=")
    assert project.executed("page.py:words") == []


@sentence("when the clock or a random number would differ now; `plan` hints at calls for them", NOT_AGAIN)
def check_unsteady(project):
    assert project.executed("page.py:clocks") == ["unsteady"]
    assert project.executed("page.py:clocks") == []
    line = next(n for n, text in enumerate(SOURCE.splitlines(), 1) if "time.time()" in text)
    hints = [text for text in project("plan", "page.py:clocks").err.splitlines() if text.startswith("hint: ")]
    assert [hint.split("()")[0] for hint in hints] == [f"hint: page.py:{line}: {name}" for name in HINTED]
    assert project("run", "page.py:clocks").err.count("hint: ") == 0


@pytest.fixture
def page(project):
    project.write(page=SOURCE, tools=TOOLS)
    (project.folder / "words.txt").write_text("a few words of text")
    (project.folder / "config.txt").write_text("one")
    (project.folder / "data").mkdir()
    (project.folder / "data" / "a.txt").write_text("")
    assert project.executed("page.py:words") == BOTH
    assert project.executed("page.py:words") == []
    return project


@pytest.mark.parametrize("words", [*AGAIN, *NOT_AGAIN])
def test_the_sentence_holds(words, page):
    {**AGAIN, **NOT_AGAIN}[words](page)


def test_the_page_says_what_is_tested_and_nothing_else():
    again, not_again = PAGE.read_text(encoding="utf-8").split("## It does not run again")
    assert set(re.findall(r"^- (.*)$", again, re.MULTILINE)) == set(AGAIN)
    assert set(re.findall(r"^- (.*)$", not_again, re.MULTILINE)) == set(NOT_AGAIN)
