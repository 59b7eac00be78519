"""Reuse through the command line, each run in a process of its own: which steps are executed, and what is said of it."""

import json
import os
import shutil

import pytest

MONTHS = """
    from pipelinekit import File, pipeline, step, fixed
    import features

    @step
    def read_month(file: File) -> list[int]:
        \"\"\"Numbers of one month.\"\"\"
        return [int(line) for line in file.read_text().split()]

    @step
    def clean(values: list[int], limit: int = 100) -> list[int]:
        return features.clean(values, limit)

    @step
    def total(months: list[list[int]]) -> int:
        return sum(sum(month) for month in months)

    @step
    def report(value: int, title: str) -> str:
        return f"{title}: {value}"

    @pipeline
    def months(limit: int = 100, title: str = "sum"):
        files = [File(f"data/{name}.txt") for name in ("jan", "feb", "mar")]
        cleaned = clean.map(read_month.map(files), limit=fixed(limit))
        return {"report": report(total(cleaned), title)}
"""
FEATURES = """
    import calendar_rules

    def clean(values, limit):
        return [value for value in values if calendar_rules.is_valid(value) and value < limit]

    def unused(values):
        return values
"""
RULES = """
    def is_valid(value):
        return value >= 0

    def holidays():
        return []
"""
EVERYTHING = [
    *(f"read_month[{n}]" for n in range(3)),
    *(f"clean[{n}]" for n in range(3)),
    "total",
    "report",
]


@pytest.fixture
def months(project):
    project.write(months=MONTHS, features=FEATURES, calendar_rules=RULES)
    (project.folder / "data").mkdir()
    for name, text in {"jan": "1 2 3", "feb": "4 5 6", "mar": "7 8 900"}.items():
        (project.folder / "data" / f"{name}.txt").write_text(text)
    (project.folder / ".amlignore").write_text("data/\n")
    assert project.executed("months.py") == EVERYTHING
    return project


def test_the_second_run_executes_nothing(months):
    document = months.run("months.py")
    assert {step["status"] for step in document["steps"]} == {"Reused"}
    assert document["outputs"] == {"report": "sum: 36"}
    assert document["status"] == "Completed"
    assert all(step["reused_from"]["run"] for step in document["steps"])
    assert document["summary"]["Reused"] == 8


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("months.py", "return [int(line)", "# a comment\n    return [int(line)"),
        ("months.py", '"""Numbers of one month."""', '"""Other words."""'),
        ("months.py", "@step\ndef total", "@step(retries=3, tags={'a': 'b'})\ndef total"),
        ("features.py", "def unused(values):\n    return values", "def unused(values):\n    return None"),
        ("features.py", "def clean(values, limit):", "def clean(values: list, limit: int) -> list:"),
        ("calendar_rules.py", "return []", "return [1]"),
    ],
)
def test_edits_that_do_not_matter_execute_nothing(months, file, old, new):
    months.edit(file, old, new)
    assert months.executed("months.py") == []


def test_a_helper_two_modules_away_reruns_what_reaches_it_and_cutoff_stops_the_rest(months):
    months.edit("calendar_rules.py", "value >= 0", "value >= -5")
    assert months.executed("months.py") == ["clean[0]", "clean[1]", "clean[2]"]
    months.edit("calendar_rules.py", "value >= -5", "value >= 3")
    assert months.executed("months.py") == ["clean[0]", "clean[1]", "clean[2]", "total", "report"]
    months.edit("calendar_rules.py", "value >= 3", "value >= 0")
    assert months.executed("months.py") == [], "going back executes nothing"


def test_one_months_file_reruns_that_month_and_what_its_bytes_change(months):
    (months.folder / "data" / "feb.txt").write_text("4 5 60")
    assert months.executed("months.py") == ["read_month[1]", "clean[1]", "total", "report"]
    (months.folder / "data" / "mar.txt").write_text("7 8 901")
    assert months.executed("months.py") == ["read_month[2]", "clean[2]"], "901 is cut off as 900 was"
    (months.folder / "data" / "feb.txt").write_text("4 5 6")
    assert months.executed("months.py") == []


def test_touching_copying_and_moving_execute_nothing(months, tmp_path):
    for path in months.folder.rglob("*.*"):
        if ".pipelinekit" not in path.parts:
            os.utime(path)
    assert months.executed("months.py") == []
    moved = tmp_path / "elsewhere"
    shutil.copytree(months.folder, moved)
    months.folder = moved
    assert months.executed("months.py") == []


def test_parameters_are_keyed_where_they_flow(months):
    assert months.executed("months.py", "-p", "title=all") == ["report"]
    assert months.executed("months.py", "-p", "limit=5") == ["clean[0]", "clean[1]", "clean[2]", "total", "report"]
    assert months.executed("months.py", "-p", "limit=100") == [], "a default that is given in words is the same"


def test_reasons_name_the_file_the_entry_and_the_parameter_that_changed(months):
    months.write(
        entries="""
        from pipelinekit import pipeline, step

        @step
        def fit(options: dict) -> int:
            return len(options)

        @pipeline
        def entries(rate: float = 0.1):
            return fit({"rate": rate, "depth": 3, "names": ["a", "b"]})
        """
    )

    def messages(*words):
        return [step["reasons"][0]["message"] for step in months("explain", *words, "--json").json["steps"]]

    (months.folder / "data" / "feb.txt").write_text("4 5 60")
    months.run("months.py")
    assert messages("latest", "read_month[1]")[0].startswith("input 'file' from file 'data/feb.txt' changed: ")
    assert messages("latest", "clean[1]") == ["input 'values' from step 'read_month' changed at [2]: 6 -> 60"]
    months.run("entries.py")
    months.run("entries.py", "-p", "rate=0.5")
    assert messages() == ["parameter 'rate' changed: 0.1 -> 0.5"]
    months.edit("entries.py", '"b"', '"c"')
    months.edit("entries.py", '"depth": 3', '"width": 3')
    months.run("entries.py", "-p", "rate=0.5")
    assert messages() == [
        "input 'options' changed at ['depth']: 3 -> (none), ['names'][1]: 'b' -> 'c', ['width']: (none) -> 3"
    ]


def test_reasons_compare_with_the_newest_step_run_although_it_was_reused(months):
    months.edit("calendar_rules.py", "value >= 0", "value >= 3")
    months.run("months.py")
    months.edit("calendar_rules.py", "value >= 3", "value >= 0")
    months.run("months.py")
    months.edit("features.py", "value < limit", "value <= limit")
    document = months.run("months.py")
    assert [reason["name"] for reason in document["steps"][3]["reasons"]] == ["features:clean"]


def test_a_plan_says_what_changed_in_steps_whose_inputs_are_open_and_how_long_they_took(months):
    months.edit("months.py", "int(line)", "int(line) * 2")
    months.edit("features.py", "value < limit", "value <= limit")
    steps = {step["name"]: step for step in months("plan", "months.py", "--json").json["steps"]}
    assert steps["clean[1]"]["decision"] == "run"
    assert [reason["name"] for reason in steps["clean[1]"]["reasons"]] == ["features:clean"]
    assert steps["clean[1]"]["seconds"] > 0
    assert steps["total"]["decision"] == "maybe"
    text = months("plan", "months.py").out
    assert "clean[0-2]" in text
    assert "clean[1]" not in text
    months.run("months.py")
    assert "\nread_month[0-2]  Completed" in months("explain").out


def test_results_are_shared_between_experiments_and_compute_targets(months):
    assert months.executed("months.py", "--experiment", "other") == []
    assert months.executed("months.py", "--in-process") == []
    shutil.rmtree(months.home)
    assert months.executed("months.py", "--in-process") == EVERYTHING
    assert months.executed("months.py") == []


def test_forced_steps_execute(months):
    assert months.executed("months.py", "--regenerate") == EVERYTHING
    assert months.executed("months.py", "--regenerate", "clean*") == ["clean[0]", "clean[1]", "clean[2]"]
    assert months.executed("months.py", "--regenerate", "total", "--regenerate", "read_month") == [
        "read_month[0]",
        "read_month[1]",
        "read_month[2]",
        "total",
    ]


def test_the_plan_says_what_the_run_does(months):
    months.edit("calendar_rules.py", "value >= 0", "value >= 3")
    document = months("plan", "months.py", "--json").json
    decisions = {step["name"]: step["decision"] for step in document["steps"]}
    assert decisions == {
        **{f"read_month[{n}]": "reuse" for n in range(3)},
        **{f"clean[{n}]": "run" for n in range(3)},
        "total": "maybe",
        "report": "maybe",
    }
    assert document["steps"][3]["reasons"][0]["message"] == "calendar_rules.is_valid at calendar_rules.py:2 changed"
    assert len(months("runs", "list", "--json").json["runs"]) == 1, "a plan starts nothing"


def test_explain_names_function_file_and_line(months):
    months.edit("calendar_rules.py", "    return value >= 0", "    # stricter\n    return value >= 3")
    months.run("months.py")
    document = months("explain", "latest", "clean[1]", "--json").json
    (reason,) = document["steps"][0]["reasons"]
    assert (reason["cause"], reason["name"]) == ("code", "calendar_rules:is_valid")
    assert (reason["file"], reason["line"]) == ("calendar_rules.py", 4)
    assert "-    return value >= 0" in document["steps"][0]["diffs"]["calendar_rules:is_valid"]
    text = months("explain", "latest", "clean[1]").out
    assert "code: calendar_rules.is_valid at calendar_rules.py:4 changed" in text
    assert "+    return value >= 3" in text
    text = months("explain", "latest", "read_month[0]").out
    assert "reused: code, software and inputs equal those of run " in text


def test_explain_names_the_line_of_text_that_is_read(project):
    project.write(
        main="""
        from pipelinekit import pipeline, step

        def helper(x: int) -> int:
            '''Adds one.'''
            return x + 1

        @step
        def described(x: int) -> str:
            return f"{helper.__doc__} {helper(x)}"

        @pipeline
        def main(x: int = 1):
            return described(x)
        """
    )
    assert project.run("main.py")["outputs"] == {"output": "Adds one. 2"}
    project.edit("main.py", "Adds one", "Adds 1")
    assert project.run("main.py")["outputs"] == {"output": "Adds 1. 2"}
    (reason,) = project("explain", "--json").json["steps"][0]["reasons"]
    assert (reason["cause"], reason["file"], reason["line"]) == ("code", "main.py", 5)
    assert reason["message"] == "the text of main.py:5, which counts because the step reads text of code, changed"
    project.edit("main.py", "x + 1", "x + 2")
    project.run("main.py")
    reasons = project("explain", "--json").json["steps"][0]["reasons"]
    assert [(reason["name"], reason["line"]) for reason in reasons] == [("main:helper", 6)]


def test_explain_lists_two_changes_at_once(months):
    months.edit("calendar_rules.py", "value >= 0", "value >= 3")
    months.run("months.py", "-p", "limit=50")
    reasons = months("explain", "latest", "clean[0]", "--json").json["steps"][0]["reasons"]
    assert [(reason["cause"], reason["name"]) for reason in reasons] == [
        ("parameter", "limit"),
        ("code", "calendar_rules:is_valid"),
    ]


def test_a_blob_that_is_gone_is_made_again(project):
    project.write(
        big="""
        from pipelinekit import pipeline, step

        @step
        def make(n: int) -> list[int]:
            return list(range(n))

        @step
        def size(values: list[int]) -> int:
            return len(values)

        @pipeline
        def big():
            return size(make(5000))
        """
    )
    assert project.executed("big.py") == ["make", "size"]
    blobs = [path for path in (project.home / "blobs").rglob("*") if path.is_file() and path.stat().st_size > 20_000]
    assert len(blobs) == 1
    blobs[0].unlink()
    assert project.executed("big.py") == ["make"], "its content is the same again, so what follows is reused"
    os.chmod(blobs[0], 0o600)
    blobs[0].write_bytes(b"damaged" + blobs[0].read_bytes()[7:])
    assert project.executed("big.py", "--regenerate", "size") == ["make", "size"], "damage is noticed when it is read"
    assert project.executed("big.py") == []


def test_identical_steps_in_one_run_execute_once(project):
    project.write(
        twice="""
        from pipelinekit import pipeline, step

        @step
        def slow(n: int) -> int:
            return n

        @pipeline
        def twice():
            return [slow(1), slow(1), slow(2)]
        """
    )
    statuses = {step["name"]: step["status"] for step in project.run("twice.py")["steps"]}
    assert statuses == {"slow": "Completed", "slow-2": "Reused", "slow-3": "Completed"}


def test_volatile_steps_run_every_time(project):
    project.write(
        volatile="""
        import time
        from pipelinekit import pipeline, step

        @step(allow_reuse=False)
        def now() -> int:
            return 5

        @step
        def after(n: int) -> int:
            return n

        @pipeline
        def volatile():
            return after(now())
        """
    )
    assert project.executed("volatile.py") == ["now", "after"]
    assert project.executed("volatile.py") == ["now"]


def test_cache_version_and_environment_variables_are_keyed(project):
    project.write(
        keyed="""
        import os
        from pipelinekit import pipeline, step

        @step(cache_version="1")
        def mode() -> str:
            return os.environ.get("PIPELINE_MODE", "none")

        @pipeline
        def keyed():
            return mode()
        """
    )
    assert project.run("keyed.py")["outputs"] == {"output": "none"}
    assert project.run("keyed.py", env={"PIPELINE_MODE": "fast"})["outputs"] == {"output": "fast"}
    assert project.executed("keyed.py") == []
    project.edit("keyed.py", 'cache_version="1"', 'cache_version="2"')
    assert project.executed("keyed.py") == ["mode"]
    reasons = project("explain", "--json").json["steps"][0]["reasons"]
    assert [reason["cause"] for reason in reasons] == ["cache version"], "it is compared with the newest, reused one"


def test_keys_do_not_depend_on_place_user_locale_or_hash_seed(months, tmp_path):
    def keys(**env):
        document = months.run("months.py", "--regenerate", env=env)
        return {step["name"]: step["key"] for step in document["steps"]}

    first = keys()
    for env in ({"PYTHONHASHSEED": "7"}, {"LC_ALL": "C", "TZ": "Asia/Tokyo"}, {"HOME": str(tmp_path), "USER": "else"}):
        assert keys(**env) == first


def test_graphs_are_byte_identical_wherever_they_are_compiled(months, tmp_path):
    texts, source = set(), months.folder
    for number, env in enumerate([{}, {"PYTHONHASHSEED": "3", "LC_ALL": "C"}]):
        copy = tmp_path / f"copy{number}"
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns(".pipelinekit"))
        months.folder = copy
        months("compile", "months.py", "-o", "graph.json", env=env)
        texts.add((copy / "graph.json").read_text())
    assert len(texts) == 1
    assert json.loads(texts.pop())["version"] == 1


def test_a_stored_graph_runs_without_its_source(months):
    months("compile", "months.py:months", "-o", "graph.json")
    for path in months.folder.glob("*.py"):
        path.unlink()
    document = months.run("graph.json", "-p", "title=stored")
    assert document["outputs"] == {"report": "stored: 36"}
    assert [step["name"] for step in document["steps"] if step["status"] == "Completed"] == ["report"]
