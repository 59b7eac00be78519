"""Where bundles had better go: to who holds their large inputs, and never to who would keep them waiting."""

from pipelinekit.domain.attempts import Attempt, AttemptEnded, AttemptStarted, Task
from pipelinekit.domain.runs import Failure
from pipelinekit.domain.steps import Port, Resources
from pipelinekit.domain.types import ANY
from pipelinekit.domain.values import StoredValue, dict_of, plain
from pipelinekit.engine.locality import LARGE, MOST_VALUES, Whereabouts

A, B, C = "tls://a:1", "tls://b:1", "tls://c:1"
SLOTS = 3


def blob(name, size=LARGE):
    return StoredValue(name, "bytes", size, name)


def attempt(name, cpu=1.0, **inputs):
    task = Task("python", "main:step", "snapshot", (), (Port("output", ANY),), resources=Resources(cpu=cpu))
    return Attempt("run", name, 1, task, inputs)


def done(seen, node, item, *, failure=None, threads=1, **outputs):
    """An attempt goes to a node, and comes back."""
    seen.sent(item.id, [item])
    seen.heard(node, threads, [AttemptEnded(item.id, 1.0, 1.0, outputs, failure)])
    seen.came_back(item.id)


def test_a_bundle_goes_to_the_node_that_holds_most_of_its_large_inputs():
    seen = Whereabouts()
    done(seen, A, attempt("a"), output=blob("one"))
    done(seen, B, attempt("b"), output=dict_of({"x": blob("two", 3 * LARGE), "y": plain(1)}))
    done(seen, C, attempt("c"), output=blob("small", LARGE - 1))
    assert seen.preferred([attempt("d", x=blob("one"))], SLOTS) == A
    assert seen.preferred([attempt("d", x=blob("one"), y=blob("two", 3 * LARGE))], SLOTS) == B
    assert seen.preferred([attempt("d", x=blob("one")), attempt("e", x=blob("two", 3 * LARGE))], SLOTS) == B
    assert seen.preferred([attempt("d", x=blob("small", LARGE - 1))], SLOTS) == ""
    assert seen.preferred([attempt("d", x=blob("another"), y=plain(1))], SLOTS) == ""


def test_what_was_brought_to_a_node_is_held_there_too_but_nothing_of_what_failed():
    seen = Whereabouts()
    done(seen, A, attempt("a", x=blob("one")), output=plain(1))
    done(seen, B, attempt("b", x=blob("two")), failure=Failure("user", "no"))
    assert seen.preferred([attempt("d", x=blob("one"))], SLOTS) == A
    assert seen.preferred([attempt("d", x=blob("two"))], SLOTS) == ""


def test_a_node_that_is_busy_or_has_died_is_not_preferred():
    seen = Whereabouts()
    done(seen, A, attempt("a"), output=blob("one"), threads=2)
    wanted, wide = [attempt("d", x=blob("one"))], [attempt("w", cpu=2, x=blob("one"))]
    seen.sent("1", [attempt("busy")], A)
    assert seen.preferred(wanted, SLOTS) == A, "there is one more thread"
    assert seen.preferred(wide, SLOTS) == "", "but not two"
    seen.sent("2", [attempt("elsewhere")])
    assert seen.preferred(wanted, SLOTS) == A
    seen.heard(A, 2, [AttemptStarted("run/elsewhere/1", 1.0)])
    assert seen.preferred(wanted, SLOTS) == "", "it has turned out to be there"
    seen.came_back("1")
    assert seen.preferred(wanted, SLOTS) == A
    seen.forget(A)
    assert seen.preferred(wanted, SLOTS) == ""


def test_another_that_holds_the_input_too_takes_it_while_the_first_is_busy():
    seen = Whereabouts()
    done(seen, A, attempt("a"), output=blob("one"))
    done(seen, B, attempt("b", x=blob("one")), output=plain(1))
    seen.sent("1", [attempt("busy")], B)
    assert seen.preferred([attempt("d", x=blob("one"))], SLOTS) == A


def test_where_everything_is_taken_a_bundle_goes_where_it_would_wait_no_longer_than_elsewhere():
    seen = Whereabouts()
    done(seen, A, attempt("a"), output=blob("one"))
    done(seen, B, attempt("b"), output=plain(1))
    wanted = [attempt("d", x=blob("one"))]
    seen.sent("1", [attempt("x")], A)
    assert seen.preferred(wanted, 2) == "", "the other is free"
    seen.sent("2", [attempt("y")], B)
    assert seen.preferred(wanted, 2) == A
    seen.sent("3", [attempt("z")], A)
    assert seen.preferred(wanted, 2) == "", "there it would wait for two"


def test_what_a_node_says_of_others_attempts_or_without_a_name_is_not_kept():
    seen = Whereabouts()
    mine = attempt("mine")
    seen.sent("1", [mine])
    ended = AttemptEnded(mine.id, 1.0, 1.0, {"output": blob("one")})
    seen.heard(A, 1, [AttemptEnded("another/a/1", 1.0, 1.0, {"output": blob("two")})])
    for node, threads in (("", 1), ("not an address", 1), ("tls://" + "a" * 1000, 1), (A, 0)):
        seen.heard(node, threads, [ended])
    assert seen.preferred([attempt("d", x=blob("one"), y=blob("two"))], SLOTS) == ""
    seen.came_back("1")
    seen.heard(A, 1, [ended])
    assert seen.preferred([attempt("d", x=blob("one"))], SLOTS) == "", "it is not on its way any more"


def test_what_was_heard_of_longest_ago_is_forgotten():
    seen = Whereabouts()
    for number in range(MOST_VALUES + 1):
        done(seen, A, attempt(f"s{number}"), output=blob(f"v{number}"))
    assert seen.preferred([attempt("d", x=blob("v0"))], SLOTS) == ""
    assert seen.preferred([attempt("d", x=blob("v1"))], SLOTS) == A
