"""Whatever is edited, `explain` names exactly that as the cause, at the right line; of two edits it names both."""

import json
import os
import random
import shutil
import subprocess
import sys

import pytest
from conftest import Project
from explained import DATA, FILES, OWN_STEPS, every_edit

EDITS = every_edit()
SAMPLE = random.Random(5).sample(EDITS, 10)
ODD = random.Random(6)
CHOSEN = [tuple(ODD.sample(EDITS, 2)) for _ in range(400)]
PAIRS = [
    (one, two)
    for one, two in CHOSEN
    if one.expects and two.expects and not (one.replaces and two.replaces) and not (one.words and two.words)
    if not (one.package and two.package) and not (one.environment.keys() & two.environment.keys())
    if not ({*one.writes, *one.removes} & {*two.writes, *two.removes})
][:40]
PACKAGE = """
def pack(words):
    return "-".join(words)
"""


def put(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def install(folder, version):
    """A distribution `tiny`, as an installer leaves it."""
    shutil.rmtree(folder, ignore_errors=True)
    info = f"tiny-{version}.dist-info"
    record = f"tiny.py,,\n{info}/METADATA,,\n{info}/RECORD,,\n"
    put(
        folder,
        {
            "tiny.py": PACKAGE,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n",
            f"{info}/RECORD": record,
            f"{info}/INSTALLER": "pip\n",
        },
    )


class Edited(Project):
    """A project beside a folder of packages."""

    def command(self, *words, environment=()):
        variables = {**os.environ, "PYTHONPATH": str(self.folder.parent / "packages"), **dict(environment)}
        return subprocess.run(
            [sys.executable, "-P", "-m", "pipelinekit", *words],
            cwd=self.folder, env=variables, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def steps(self, *words, environment=()):
        """Run, and what `explain` says of each step."""
        done = self.command("run", "main.py", "--json", "--in-process", *words, environment=environment)
        assert done.returncode in (0, 1), done.stderr
        told = self.command("explain", "--json", environment=environment)
        assert told.returncode == 0, told.stderr
        return {step["name"]: step for step in json.loads(told.stdout)["steps"]}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The project as it was run before the edit."""
    folder = tmp_path_factory.mktemp("base")
    put(folder / "project", {**FILES, **DATA})
    install(folder / "packages", "1.0")
    steps = Edited(folder / "project").steps()
    assert {step["status"] for step in steps.values()} == {"Completed"}
    assert tuple(sorted(steps)) == tuple(sorted(OWN_STEPS))
    return folder


@pytest.fixture
def project(base, tmp_path):
    shutil.copytree(base, tmp_path, dirs_exist_ok=True)
    return Edited(tmp_path / "project")


def apply(project, edits):
    """Make the edits; the words and the environment of the next run."""
    words, environment = [], {}
    for edit in edits:
        put(project.folder, {file: new for file, _, new in edit.replaces})
        put(project.folder, edit.writes)
        for path in edit.removes:
            (project.folder / path).unlink()
        if edit.package:
            install(project.folder.parent / "packages", edit.package)
        words += edit.words
        environment.update(edit.environment)
    return words, environment


def causes(step):
    """What is told of a step, apart from inputs that come from steps before it."""
    return {
        (reason["cause"], reason.get("name", ""), reason.get("file", ""), reason.get("line", 0))
        for reason in step["reasons"]
        if " from step " not in reason["message"]
    }


def check(project, edits):
    words, environment = apply(project, edits)
    planned = project.command("plan", "main.py", "--json", *words, environment=environment)
    decisions = {step["name"]: step["decision"] for step in json.loads(planned.stdout)["steps"]}
    steps = project.steps(*words, environment=environment)
    for name, step in steps.items():
        expected = {edit.expects[name] for edit in edits if name in edit.expects}
        if step["status"] == "Skipped" or (step["status"] == "Canceled"):
            continue  # a step before it failed
        if step["status"] == "Reused":
            assert not expected, f"{name} was reused"
            assert decisions[name] in ("reuse", "maybe")
        else:
            assert causes(step) == expected, f"{name}: {step['reasons']}"
            assert step["reasons"]
            assert decisions[name] in ("run", "maybe")
            assert (
                decisions[name] == "run" or not expected or any(" from step " in r["message"] for r in step["reasons"])
            )


@pytest.mark.parametrize(
    "edit",
    [edit if edit in SAMPLE else pytest.param(edit, marks=pytest.mark.slow) for edit in EDITS],
    ids=lambda edit: edit.name,
)
def test_an_edit_is_named_as_the_cause(project, edit):
    check(project, [edit])


@pytest.mark.parametrize(
    "pair",
    [pair if number < 3 else pytest.param(pair, marks=pytest.mark.slow) for number, pair in enumerate(PAIRS)],
    ids=lambda pair: " and ".join(edit.name for edit in pair),
)
def test_two_edits_are_both_named(project, pair):
    check(project, pair)


def test_there_are_two_hundred_edits():
    assert len(EDITS) >= 200
    assert len(PAIRS) == 40
    assert len({edit.name for edit in EDITS}) == len(EDITS)
