"""Names, parameters, options, values and trees: the rules that they keep."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelinekit.domain.digests import digest
from pipelinekit.domain.environments import variable_identity
from pipelinekit.domain.names import Namer, check_name, is_run_id, run_id
from pipelinekit.domain.parameters import Parameter, bind
from pipelinekit.domain.snapshots import Tree, TreeEntry, is_safe_path, parse_manifest
from pipelinekit.domain.steps import Resources, Retry, class_name, parse_size
from pipelinekit.domain.types import NONE, PathRef, PortType
from pipelinekit.domain.values import dict_of, file_suffix, list_of, plain, why_not_plain
from pipelinekit.errors import IntegrityError, UsageError


def test_repeated_names_are_numbered_and_never_collide():
    namer = Namer(["clean-2"])
    assert [namer.next("clean") for _ in range(3)] == ["clean", "clean-3", "clean-4"]
    assert not namer.take("clean-3")


@given(st.lists(st.sampled_from(["a", "a-2", "a-3", "b"]), max_size=30))
def test_all_names_given_out_differ(wanted):
    namer = Namer()
    names = [namer.next(name) for name in wanted]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["", " a", "-a", "a/b", "a\nb", "é", "a" * 256, "a[0]"])
def test_names_that_are_not_allowed(name):
    with pytest.raises(UsageError, match="not allowed"):
        check_name("step", name)


@given(st.integers(0, 2**44), st.integers(0, 2**44), st.integers(0, 2**40), st.integers(0, 2**40))
def test_run_ids_sort_by_time(first, second, left, right):
    ids = run_id(first, left), run_id(second, right)
    assert all(is_run_id(text) for text in ids)
    if first != second:
        assert (ids[0] < ids[1]) is (first < second)


FLOAT = Parameter("rate", PortType("float"), False, 0.1)
COUNT = Parameter("count", PortType("int"), False, 3, structural=True, reason="its value was used at pipeline.py:7")
NAME = Parameter("name", PortType("str"))
DATA = Parameter("data", PortType("union", (PortType("file"), NONE)), False, None)


def test_parameters_are_bound_by_name_with_defaults():
    values, faults = bind([FLOAT, COUNT, NAME, DATA], {"name": "", "rate": 1})
    assert faults == []
    assert values == {"rate": 1.0, "count": 3, "name": "", "data": None}
    assert type(values["rate"]) is float
    assert bind([NAME, DATA], {"name": "x", "data": PathRef("a.csv")})[0]["data"] == PathRef("a.csv")


def test_all_faults_of_parameters_are_told_at_once():
    _, faults = bind(
        [FLOAT, COUNT, NAME, DATA], {"rat": 1, "rate": "high", "count": 4, "data": PathRef("d", folder=True)}
    )
    words = [str(fault) for fault in faults]
    assert words == [
        "there is no parameter 'rat' (did you mean 'rate'?)",
        "parameter 'rate': expected float, got str 'high'",
        (
            "parameter 'count' is structural: it is fixed at 3 in this graph, not 4, because its value was used at "
            "pipeline.py:7 (compile the pipeline again with the new value)"
        ),
        "parameter 'name' (str) has no value and no default",
        "parameter 'data': expected file | None, got the path 'd'",
    ]


def test_a_structural_parameter_may_be_given_its_own_value():
    assert bind([COUNT], {"count": 3}) == ({"count": 3}, [])


def test_sizes_are_read_as_people_write_them():
    assert [parse_size(text) for text in ("512", "1 KiB", "1.5GB", "2TiB", 7)] == [
        512,
        1024,
        1_500_000_000,
        2 * 2**40,
        7,
    ]
    for text in (-1, "", "many", "1 XB", "-1"):
        with pytest.raises(UsageError, match="is not a size"):
            parse_size(text)


def test_options_that_make_no_sense_are_refused():
    for make in (
        lambda: Resources(cpu=0),
        lambda: Resources(gpu=-1),
        lambda: Resources(named={"cpu": 2}),
        lambda: Resources(named={"licence": 0}),
        lambda: Retry(attempts=-1),
        lambda: Retry(jitter=2),
        lambda: Retry(backoff=0.5),
    ):
        with pytest.raises(UsageError, match="not allowed"):
            make()


def test_retries_name_exception_classes():
    assert Retry(on=ConnectionError).on == ("ConnectionError",)
    assert Retry(on=(IntegrityError, "requests.Timeout")).on == (
        "pipelinekit.errors.IntegrityError",
        "requests.Timeout",
    )
    assert class_name(OSError) == "OSError"


def test_content_of_composed_values_is_that_of_their_items():
    assert list_of([plain(1), plain(2)]).digest == list_of([plain(1), plain(2)]).digest
    assert list_of([plain(1), plain(2)]).digest != list_of([plain(2), plain(1)]).digest
    assert dict_of({"b": plain(1), "a": plain(2)}).digest == dict_of({"a": plain(2), "b": plain(1)}).digest
    assert dict_of({"a": plain(1)}).digest != list_of([plain(1)]).digest
    assert dict_of({"a": plain(1)}).digest != dict_of({"b": plain(1)}).digest


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.csv", ".csv"),
        ("a.csv.gz", ".csv.gz"),
        ("flights-2013.01.csv", ".csv"),
        (".env", ""),
        ("README", ""),
        ("a.tar.gz", ".tar.gz"),
    ],
)
def test_suffixes_are_what_readers_look_at(name, suffix):
    assert file_suffix(name) == suffix


def test_values_that_are_not_plain_say_where():
    assert why_not_plain({"a": [1, {"b": object()}]}) == "value['a'][1]['b'] is a builtins.object"
    assert why_not_plain({(1, 2): 3}) == "value has a key of type tuple"
    assert why_not_plain([None, True, 1, 0.5, "x", b"y", {"k": (1, 2)}]) == ""


def entry(path, data="x", executable=False):
    return TreeEntry(path, digest(data), len(data), executable)


def test_trees_do_not_depend_on_the_order_of_their_files():
    files = [entry("b/c.py"), entry("a.py", "other"), entry("run.sh", executable=True)]
    assert Tree.of(files).digest() == Tree.of(reversed(files)).digest()
    assert parse_manifest(Tree.of(files).manifest()) == Tree.of(files)


@pytest.mark.parametrize(
    "other", [entry("a.py", "changed"), entry("renamed.py"), entry("a.py", executable=True), entry("sub/a.py")]
)
def test_trees_tell_content_names_and_executable_bits_apart(other):
    assert Tree.of([entry("a.py")]).digest() != Tree.of([other]).digest()


def test_two_files_of_one_name_are_refused():
    with pytest.raises(IntegrityError, match="same path"):
        Tree.of([entry("a.py"), entry("a.py", "other")])


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a\\b", "a\0b"])
def test_manifests_that_would_leave_their_folder_are_refused(path):
    assert not is_safe_path(path)
    with pytest.raises(IntegrityError, match="unsafe"):
        parse_manifest(Tree((entry(path),)).manifest())


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"tree": 2, "entries": []}', b'{"tree": 1, "entries": [["a"]]}'])
def test_what_is_no_manifest_is_refused(data):
    with pytest.raises(IntegrityError):
        parse_manifest(data)


def test_credentials_count_only_as_set_or_unset():
    assert variable_identity("API_TOKEN", "one") == variable_identity("API_TOKEN", "two") == "set"
    assert variable_identity("API_TOKEN", None) == "unset"
    assert variable_identity("MODE", "one") != variable_identity("MODE", "two")


def test_resources_come_back_from_their_document_and_are_equal_whatever_the_order_of_names():
    for wanted in (
        Resources(),
        Resources(2, 1, "1GiB"),
        Resources(named={"licence": 1, "disk": 2.5}),
        Resources(scratch="2GB"),
    ):
        assert Resources(*json.loads(json.dumps(wanted.document()))) == wanted
    assert hash(Resources(named={"a": 1, "b": 2})) == hash(Resources(named={"b": 2, "a": 1}))
    assert Resources(gpu=1, named={"licence": 2}).amounts == {"cpu": 1.0, "gpu": 1.0, "memory": 0.0, "licence": 2.0}
