"""Drawings: what is told of graphs and runs, rails that say what is linked, pages that hostile names cannot break."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import time
from dataclasses import replace
from html.parser import HTMLParser
from textwrap import dedent
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelinekit.cli.main import main
from pipelinekit.domain.environments import Software
from pipelinekit.domain.graphs import CompiledStep, Condition, Definition, Graph, ListOf, Literal, Node, OutputRef
from pipelinekit.domain.runs import Failure, Reason, RunRecord, RunStatus, StepRecord, StepStatus
from pipelinekit.domain.steps import Port, StepOptions
from pipelinekit.domain.texts import printable
from pipelinekit.domain.types import ANY
from pipelinekit.workspace.drawings.pages import page_text
from pipelinekit.workspace.drawings.pictures import make_picture
from pipelinekit.workspace.drawings.plans import make_plan, plan_document
from pipelinekit.workspace.drawings.svg import svg_text
from pipelinekit.workspace.drawings.text import draw_rails, draw_text
from pipelinekit.workspace.drawings.words import columns, cut

HOSTILE = "<script>alert(1)</script>&\"'\x1b[31m\x00\u202e]]>"
CHANGED = (Reason("code", "flow.clean at flow.py:12 changed"),)


def step(name: str, outputs: tuple[str, ...] = ("output",)) -> CompiledStep:
    ports = tuple(Port(output, ANY) for output in outputs)
    return CompiledStep(name, Definition("python", f"flow:{name}", (), Software("3.11"), ports), (), StepOptions(), "")


def graph(rows, name: str = "demo", outputs=()) -> Graph:
    """A graph of rows: name, what it uses (`split.train`), options: function, outputs, each, after, when, inputs."""
    steps: dict[tuple, int] = {}
    compiled: list[CompiledStep] = []
    nodes: list[Node] = []
    where: dict[str, int] = {}

    def ref(text: str) -> OutputRef:
        base, dot, output = text.partition(".")
        return OutputRef(where[base], output if dot else "output")

    for node, uses, *more in rows:
        options = more[0] if more else {}
        function = options.get("function", re.sub(r"-\d+$", "", node.split("/")[-1]))
        ports = options.get("outputs", ("output",))
        if (function, ports) not in steps:
            steps[function, ports] = len(compiled)
            compiled.append(step(function, ports))
        inputs = {f"x{index}": ref(use) for index, use in enumerate(uses)} | options.get("inputs", {})
        conditions = tuple(
            Condition(ref(subject), op, Literal(rest[0] if rest else None), *rest[1:])
            for subject, op, *rest in options.get("when", ())
        )
        after = tuple(where[item] for item in options.get("after", ()))
        where[node] = len(nodes)
        place = ("flow.py", 10 + len(nodes))
        nodes.append(
            Node(node, steps[function, ports], inputs, after, conditions, tuple(options.get("each", ())), *place)
        )
    return Graph(name, tuple(compiled), tuple(nodes), (), tuple((key, ref(value)) for key, value in outputs))


def ran(drawn: Graph, statuses, elements=None, **fields) -> list[StepRecord]:
    """Records of a run, by name of node; `elements` has the statuses of the elements of mapped nodes."""
    found = []
    for position, node in enumerate(drawn.nodes):
        if node.name not in statuses:
            continue
        status = statuses[node.name]
        record = StepRecord("r2", node.name, position, status, seconds=1.0, **fields)
        if status is StepStatus.REUSED:
            record = replace(record, original_run="r1", original_step=node.name)
        elif status is StepStatus.COMPLETED:
            record = replace(record, reasons=CHANGED)
        elif status is StepStatus.FAILED:
            record = replace(record, failure=Failure("user", "ValueError: no rows"))
        elif status is StepStatus.SKIPPED:
            record = replace(record, note="step 'fit' failed", seconds=0.0)
        for index, one in enumerate((elements or {}).get(node.name, ())):
            found.append(replace(record, name=f"{node.name}[{index}]", status=one, element=index))
        if node.name not in (elements or {}):
            found.append(record)
    return found


def run_of(drawn: Graph, status: RunStatus = RunStatus.COMPLETED) -> RunRecord:
    return RunRecord("r2", 5, "delays", drawn.name, "", status, 100.0, ended_at=112.4)


def lines(text: str) -> str:
    return dedent(text).strip("\n")


C, R, F, S = StepStatus.COMPLETED, StepStatus.REUSED, StepStatus.FAILED, StepStatus.SKIPPED

CHAIN = graph([("load", []), ("clean", ["load"]), ("train", ["clean"])])
DIAMOND = graph([("load", []), ("clean", ["load"]), ("weather", ["load"]), ("join", ["clean", "weather"])])
FLIGHTS = graph(
    [
        ("months", []),
        ("planes", []),
        ("prepare", ["months"], {"each": ("x0",)}),
        ("split", ["prepare", "planes"], {"outputs": ("train", "test")}),
        ("fit", ["split.train"]),
        ("evaluate", ["fit", "split.test"]),
        ("publish", ["fit"], {"when": [("evaluate", ">", 0.8)]}),
        ("report", ["evaluate"], {"after": ("publish",)}),
    ],
    "flights",
    [("model", "fit")],
)
FAILED = ran(
    FLIGHTS,
    {"months": R, "planes": R, "prepare": C, "split": C, "fit": F, "evaluate": S, "publish": S, "report": S},
    {"prepare": [R] * 11 + [C]},
)


def loop(branches: int) -> Graph:
    rows: list = [("load", [])]
    for number in range(1, branches + 1):
        rows += [(f"read-{number}", ["load"]), (f"fit-{number}", [f"read-{number}"])]
    return graph([*rows, ("join", [f"fit-{number}" for number in range(1, branches + 1)])])


@st.composite
def random_graphs(draw_from, most: int = 12):
    count = draw_from(st.integers(1, most))
    rows = []
    for number in range(count):
        uses = draw_from(st.sets(st.integers(0, number - 1), max_size=4)) if number else set()
        name = draw_from(st.sampled_from(["a", "b"]))
        rows.append((f"s{number}", [f"s{use}" for use in sorted(uses)], {"function": name}))
    return graph(rows)


class TestPicture:
    def test_elements_of_a_mapped_step_are_one_shape_with_counts(self):
        shape = make_picture(FLIGHTS, FAILED, run_of(FLIGHTS, RunStatus.FAILED)).shapes[2]
        assert (shape.name, shape.many, shape.status) == ("prepare", "×12", C)
        assert shape.result == "1 completed, 11 reused"
        assert shape.why == "flow.clean at flow.py:12 changed"

    def test_a_mapped_steps_own_record_counts_only_without_elements(self):
        own = StepRecord("r2", "prepare", 2, StepStatus.QUEUED)
        picture = make_picture(FLIGHTS, [own, *FAILED])
        assert StepStatus.QUEUED not in picture.shapes[2].counts
        skipped = make_picture(FLIGHTS, [StepRecord("r2", "prepare", 2, S, note="no months")])
        assert skipped.shapes[2].counts == {S: 1}
        assert skipped.shapes[2].why == "no months"

    def test_the_worst_status_speaks_for_many(self):
        elements = {"prepare": [C, R, StepStatus.RUNNING, F]}
        shape = make_picture(FLIGHTS, ran(FLIGHTS, {"prepare": C}, elements)).shapes[2]
        assert shape.status is F
        assert shape.mark == "✗"

    def test_nodes_without_a_record_have_not_started(self):
        picture = make_picture(FLIGHTS, ran(FLIGHTS, {"months": C}))
        assert picture.counts == {C: 1, StepStatus.NOT_STARTED: 7}
        assert [shape.mark for shape in picture.shapes[:2]] == ["●", "·"]

    def test_a_graph_alone_has_no_statuses(self):
        picture = make_picture(FLIGHTS)
        assert picture.counts == {}
        assert {shape.mark for shape in picture.shapes} == {"○"}
        assert picture.shapes[2].many == "×n"

    def test_known_lengths_of_mapped_lists_are_told(self):
        drawn = graph([("prepare", [], {"each": ("x",), "inputs": {"x": Literal([1, 2, 3])}})])
        assert make_picture(drawn).shapes[0].many == "×3"
        drawn = graph([("prepare", [], {"each": ("x",), "inputs": {"x": ListOf((Literal(1), Literal(2)))}})])
        assert make_picture(drawn).shapes[0].many == "×2"

    @pytest.mark.parametrize(
        ("condition", "words"),
        [
            (("evaluate", "is"), "evaluate"),
            (("evaluate", "is", None, True), "not evaluate"),
            (("evaluate", ">", 0.8), "evaluate > 0.8"),
            (("evaluate", ">", 0.8, True), "evaluate <= 0.8"),
            (("evaluate", "==", "good", True), 'evaluate != "good"'),
        ],
    )
    def test_conditions_are_written_as_they_are_meant(self, condition, words):
        drawn = graph([("evaluate", []), ("publish", [], {"when": [condition]})])
        assert make_picture(drawn).shapes[1].conditions == (words,)

    def test_arrows_name_outputs_only_where_there_are_several(self):
        arrows = {(arrow.source, arrow.target): arrow for arrow in make_picture(FLIGHTS).arrows}
        assert arrows[3, 4].port == "train"
        assert arrows[3, 5].port == "test"
        assert arrows[4, 5].port == ""
        assert arrows[5, 6].kind == "condition"
        assert arrows[6, 7].kind == "order"

    def test_order_that_something_else_implies_is_not_drawn(self):
        drawn = graph([("a", []), ("b", ["a"]), ("c", ["b"], {"after": ("a", "b")})])
        assert [(arrow.source, arrow.target) for arrow in make_picture(drawn).arrows] == [(0, 1), (1, 2)]

    def test_details_say_where_and_why(self):
        details = make_picture(FLIGHTS, FAILED).shapes[4].details
        assert ("failed", "ValueError: no rows") in details
        assert ("input", "x0 ← split.train") in details
        assert ("returned as", "model") in details
        assert ("called at", "flow.py:14") in details


class TestAlike:
    def test_a_crowded_graph_is_drawn_by_kind(self):
        picture = make_picture(loop(100))
        assert [shape.full_name + shape.many for shape in picture.shapes] == ["load", "read×100", "fit×100", "join"]
        assert picture.merged
        assert "202 steps drawn as 4" in picture.subtitle
        assert len(make_picture(loop(100), merge=False).shapes) == 202

    def test_a_small_graph_is_not(self):
        assert len(make_picture(loop(10)).shapes) == 22

    def test_counts_and_failures_of_all_of_a_kind_are_told(self):
        drawn = loop(100)
        statuses = {node.name: F if node.name == "fit-7" else R for node in drawn.nodes}
        shape = make_picture(drawn, ran(drawn, statuses)).shapes[2]
        assert (shape.status, shape.counts) == (F, {F: 1, R: 99})
        assert ("fit-7", "ValueError: no rows") in shape.details

    def test_names_of_one_kind_are_told_by_what_they_share(self):
        rows = [(f"read_{month}", [], {"function": "read"}) for month in ("2013_01", "2013_02")]
        assert make_picture(graph(rows), merge=True).shapes[0].name == "read…"
        rows = [(name, [], {"function": "read"}) for name in ("planes", "weather")]
        assert make_picture(graph(rows), merge=True).shapes[0].name == "read"

    @given(random_graphs())
    @settings(max_examples=100, deadline=None)
    def test_every_node_is_in_one_shape_and_arrows_go_forward(self, drawn):
        picture = make_picture(drawn, merge=True)
        assert sorted(node for shape in picture.shapes for node in shape.nodes) == list(range(len(drawn.nodes)))
        assert all(arrow.source < arrow.target for arrow in picture.arrows)


class TestText:
    def test_a_chain(self):
        assert draw_text(CHAIN) == lines("""
            demo  3 steps

            ○  load   flow.py:10
            ○  clean  flow.py:11
            ○  train  flow.py:12
            """)

    def test_a_diamond_that_ran(self):
        steps = ran(DIAMOND, {"load": R, "clean": C, "weather": R, "join": C})
        assert draw_text(DIAMOND, steps, run_of(DIAMOND)) == lines("""
            demo  run r2 · completed · 12.4 s · delays #5

            ♻    load     reused · saved 1.0 s  from run r1
            ├─●  clean    completed · 1.0 s     flow.clean at flow.py:12 changed
            ♻ │  weather  reused · saved 1.0 s  from run r1
            ●─╯  join     completed · 1.0 s     flow.clean at flow.py:12 changed

            ● 2 completed   ♻ 2 reused
            """)

    def test_a_run_that_failed(self):
        assert draw_text(FLIGHTS, FAILED, run_of(FLIGHTS, RunStatus.FAILED)) == lines("""
            flights  run r2 · failed · 12.4 s · delays #5

            ♻    months       reused · saved 1.0 s    from run r1
            │ ♻  planes       reused · saved 1.0 s    from run r1
            ● │  prepare ×12  1 completed, 11 reused  flow.clean at flow.py:12 changed
            ●─╯  split        completed · 1.0 s       flow.clean at flow.py:12 changed
            ├─✗  fit          failed · 1.0 s          ValueError: no rows
            –─┤  evaluate     skipped                 step 'fit' failed
            ├─–  publish      skipped                 if evaluate > 0.8; step 'fit' failed
            –─╯  report       skipped                 step 'fit' failed

            ✗ 1 failed   ● 2 completed   ♻ 13 reused   – 3 skipped
            """)

    def test_what_nothing_links_is_told_apart(self):
        text = draw_text(graph([("a", []), ("b", []), ("c", ["b"])]))
        assert text.splitlines()[2:] == ["○  a  flow.py:10", "", "○  b  flow.py:11", "○  c  flow.py:12"]

    def test_too_many_rails_become_kinds(self):
        text = draw_text(loop(50))
        assert [line.split()[:3] for line in text.splitlines()[2:]] == [
            ["○", "load", "flow.py:10"],
            ["○", "read", "×50"],
            ["○", "fit", "×50"],
            ["○", "join", "flow.py:111"],
        ]

    def test_too_many_rails_of_different_kinds_become_names(self):
        rows = [(f"a{number}", [], {"function": f"f{number}"}) for number in range(40)]
        text = draw_text(graph([*rows, ("end", [f"a{number}" for number in range(40)])]))
        assert text.splitlines()[-1] == "○  end  ← a0, a1, a2 and 37 more  flow.py:50"

    def test_a_whole_graph_is_listed_when_it_is_asked_for(self):
        assert len(draw_text(loop(50), whole=True).splitlines()) == 104

    def test_lines_keep_to_the_width(self):
        steps = [replace(record, note="word " * 50, failure=None, reasons=()) for record in FAILED]
        for line in draw_text(FLIGHTS, steps, width=80).splitlines()[2:]:
            assert columns(line) <= 80

    def test_colours_change_nothing_else(self):
        plain = draw_text(FLIGHTS, FAILED, run_of(FLIGHTS), width=100)
        coloured = draw_text(FLIGHTS, FAILED, run_of(FLIGHTS), width=100, colour=True)
        assert "\x1b[31m✗\x1b[0m" in coloured
        assert [line.rstrip() for line in re.sub(r"\x1b\[\d*m", "", coloured).splitlines()] == plain.splitlines()

    @given(random_graphs())
    @settings(max_examples=300, deadline=None)
    def test_rails_can_be_read_back(self, drawn):
        rails = draw_rails(make_picture(drawn, merge=False), 99)
        wanted = [{ref.node for ref in node.inputs.values() if isinstance(ref, OutputRef)} for node in drawn.nodes]
        assert rails is not None
        assert read_rails(rails) == wanted


def read_rails(rails: list[str | None]) -> list[set[int]]:
    """What each line is linked with, as a reader sees it."""
    found: list[set[int]] = []
    active: dict[int, int] = {}
    for number, rail in enumerate(rails):
        if rail is None:
            assert not active
            continue
        mark = rail.index("○")
        linked = {active.pop(mark)} if mark in active else set()
        for way in (-1, 1):
            at = mark + way
            while 0 <= at < len(rail) and rail[at] == "─":
                at += way
                if rail[at] in "├┤┼╰╯┴":
                    linked.add(active[at])
                    assert rail[at] not in ("├" if way > 0 else "┤")
                at += way
        for place in list(active):
            assert rail[place] in "│├┤┼╰╯┴", rail
            if rail[place] in "╰╯┴":
                del active[place]
        found.append(linked)
        below = rails[number + 1] if number + 1 < len(rails) else None
        if below is not None and mark < len(below) and below[mark] not in " ─":
            active[mark] = len(found) - 1
    return found


class TestPages:
    def test_svg_says_what_became_of_every_step(self):
        text = svg_text(make_plan(make_picture(FLIGHTS, FAILED, run_of(FLIGHTS, RunStatus.FAILED))))
        root = ElementTree.fromstring(text)
        words = list(root.itertext())
        assert {"flights", "prepare", "×12", "1 completed, 11 reused"} <= set(words)
        assert {"ValueError: no rows", "if evaluate > 0.8"} <= set(words)
        assert {"train", "test"} <= set(words)
        assert "prefers-color-scheme:dark" in text

    def test_scopes_are_frames_and_names_lose_them(self):
        drawn = graph([("load", []), ("train/fit", ["load"]), ("train/tune/grid", ["train/fit"])])
        plan = make_plan(make_picture(drawn))
        assert [frame.group for frame in plan.layout.frames] == [("train",), ("train", "tune")]
        assert [text.name for text in plan.texts] == ["load", "fit", "grid"]

    def test_a_scope_that_cannot_be_framed_stays_in_the_name(self):
        drawn = graph([("in/a", []), ("x", ["in/a"]), ("in/b", ["x"])])
        plan = make_plan(make_picture(drawn))
        assert plan.layout.frames == ()
        assert [text.name for text in plan.texts] == ["in/a", "x", "in/b"]

    def test_the_document_has_nodes_edges_and_positions(self):
        document = plan_document(make_plan(make_picture(FLIGHTS, FAILED)))
        assert json.loads(json.dumps(document)) == document
        assert document["nodes"][2]["counts"] == {"Completed": 1, "Reused": 11}
        assert {"source", "target", "kind", "points"} <= set(document["edges"][0])
        outputs = {(edge["source"], edge["target"]): edge.get("output") for edge in document["edges"]}
        assert (outputs[3, 4], outputs[3, 5], outputs[4, 5]) == ("train", "test", None)
        assert all(node["x"] + node["width"] <= document["width"] for node in document["nodes"])

    @pytest.mark.parametrize("text", [HOSTILE, "]]><!--", "&lt;b&gt;", "a" * 500, "表" * 60, "\ud800"])
    def test_hostile_names_are_only_text(self, text):
        drawn = graph(
            [
                (text, [], {"function": "f"}),
                (f"in{text}/{text}2", [], {"function": text, "outputs": ("a<b", 'c"d')}),
                ("x", [], {"inputs": {text: Literal(text)}}),
            ],
            text,
        )
        drawn = replace(drawn, outputs=((text, OutputRef(2, "output")),))
        steps = [
            StepRecord("r2", node.name, position, F, note=text, failure=Failure("user", text, hint=text))
            for position, node in enumerate(drawn.nodes)
        ]
        picture = make_picture(drawn, steps, replace(run_of(drawn), experiment=text))
        plan = make_plan(picture)
        root = ElementTree.fromstring(svg_text(plan))
        assert {element.tag.rpartition("}")[2] for element in root.iter()} <= SVG_TAGS
        page = Page(page_text(plan))
        assert page.tags.count("script") == 2
        assert set(page.tags) <= SVG_TAGS | PAGE_TAGS
        assert not any(name.startswith("on") or name in ("href", "src") for name in page.attributes - {"href"})
        assert all(value.startswith("#pk-") for value in page.links)
        assert json.loads(page.data)[0]["name"] == printable(text)
        assert "\x1b" not in draw_text(drawn, steps)
        assert "\u202e" not in draw_text(drawn, steps)

    def test_a_page_allows_its_own_script_only(self):
        text = page_text(make_plan(make_picture(CHAIN)))
        script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
        assert len(script) == 1
        digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}'" in text
        assert "default-src 'none'" in text
        assert set(re.findall(r"https?://[^\"' ]+", text)) <= {"http://www.w3.org/2000/svg"}

    def test_two_thousand_steps_are_drawn_in_seconds(self):
        began = time.process_time()
        text = page_text(make_plan(make_picture(loop(999), merge=False)))
        assert time.process_time() - began < 5  # 0.5 s on a quiet machine
        assert text.count('class="n ') == 2_000


SVG_TAGS = {"svg", "style", "defs", "symbol", "circle", "path", "rect", "g", "text", "tspan", "title", "use"}
PAGE_TAGS = {"html", "head", "meta", "body", "header", "div", "h1", "p", "nav", "button", "span", "input", "main"} | {
    "aside",
    "script",
}


class Page(HTMLParser):
    """The tags of a page, its links, and the data in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.data = ""
        self._reads = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)
        self.links += [value for name, value in attrs if name == "href"]
        self._reads = ("id", "data") in attrs

    def handle_data(self, data):
        if self._reads:
            self.data += data
            self._reads = False


class TestWords:
    @given(st.text(max_size=30), st.integers(1, 20), st.booleans())
    def test_cut_texts_fit(self, text, width, middle):
        short = cut(text, width, middle=middle)
        assert columns(short) <= max(width, 1)
        assert short == text or "…" in short

    @given(st.text(max_size=30))
    def test_printable_texts_are(self, text):
        assert printable(text).isprintable()


class TestCommand:
    @pytest.fixture
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "drawn_pipeline", raising=False)
        (tmp_path / "drawn_pipeline.py").write_text(
            lines("""
            from pipelinekit import pipeline, step

            @step
            def count(n: int) -> list[int]:
                return list(range(n))

            @step
            def double(x: int) -> int:
                return 2 * x

            @step
            def total(xs: list[int]) -> int:
                return sum(xs)

            @pipeline
            def sums(n: int = 3):
                return total(double.map(count(n)))
            """)
        )
        return tmp_path

    def test_files_and_runs_are_drawn(self, folder, capsys):
        assert main(["graph", "drawn_pipeline.py"]) == 0
        assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()[2:]] == [
            ["○", "count"],
            ["○", "double"],
            ["○", "total"],
        ]
        assert main(["run", "drawn_pipeline.py", "--in-process"]) == 0
        capsys.readouterr()
        assert main(["graph", "latest"]) == 0
        assert "●  double ×3  3 completed" in capsys.readouterr().out
        for name in ("run.svg", "run.html"):
            assert main(["graph", "latest", "-o", name]) == 0
            assert "double" in (folder / name).read_text("utf-8")
        capsys.readouterr()
        assert main(["graph", "drawn_pipeline.py:sums", "--json"]) == 0
        assert [node["name"] for node in json.loads(capsys.readouterr().out)["nodes"]] == ["count", "double", "total"]

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["nothing.py"], "there is no file 'nothing.py'"),
            (["drawn_pipeline.py:nothing"], "has no pipeline 'nothing'"),
            (["norun"], "there is no workspace"),
            (["drawn_pipeline.py", "-o", "picture.png"], "'picture.png' names no kind of picture"),
            (["drawn_pipeline.py", "-o", "no/folder/picture.svg"], "'no/folder/picture.svg' cannot be written"),
            (["latest", "-p", "n=3"], "'latest' is no file"),
        ],
    )
    def test_what_cannot_be_drawn_is_told_in_one_message(self, folder, capsys, words, message):
        assert main(["graph", *words]) == 2
        written = capsys.readouterr()
        assert written.err.startswith("error: ")
        assert message in written.err
        assert "Traceback" not in written.err
