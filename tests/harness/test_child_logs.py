"""What the code of child runs writes: whose log it is, and that it tells no secret."""

import sys
import threading

from pipelinekit.domain.metrics import CHILD, END, LOG, SERIES, TAG, Entry
from pipelinekit.engine.masking import Masks
from pipelinekit.formats.capturing import captured
from pipelinekit.formats.telling import LONGEST_PIECE, Teller, Telling, make_child
from pipelinekit.harness.secrets import MaskedEntries
from pipelinekit.wire.metrics import series_to_json

CANARY = "canary-4711-secret"


def test_each_thread_writes_to_the_log_of_its_own_run_and_on_to_where_it_wrote_before(capsys):
    told = {name: [] for name in "abc"}
    before = sys.stdout
    meet = threading.Barrier(3, timeout=30)

    def work(name):
        with captured(lambda _, text: told[name].append(text)):
            meet.wait()
            print(name, "one")
            meet.wait()
            print(name, "two", file=sys.stderr)

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    with captured(lambda *_: None), captured(lambda _, text: told["c"].append(text)):
        meet.wait()
        sys.stdout.writelines(["c one\n"])
        meet.wait()
    for thread in threads:
        thread.join()
    print("after")
    assert {name: "".join(texts) for name, texts in told.items()} == {
        "a": "a one\na two\n",
        "b": "b one\nb two\n",
        "c": "c one\n",
    }
    assert sys.stdout is before
    out, err = capsys.readouterr()
    assert sorted(out.split()) == sorted(["a", "one", "b", "one", "c", "one", "after"])
    assert sorted(err.split()) == sorted(["a", "two", "b", "two"])


def test_texts_keep_their_place_among_what_is_told_and_come_in_pieces():
    sent = []
    teller = Teller(lambda entries: sent.extend(entries), lambda path: {})
    child = make_child(lambda: teller, "c", {}, "")
    child.write("first ")
    child.write("words\n")
    child.tag("then", "this")
    child.write("x" * (LONGEST_PIECE + 1))
    child.complete()
    teller.flush()
    assert [entry.kind for entry in sent] == [CHILD, LOG, TAG, LOG, LOG, END]
    assert sent[1].body == "first words\n"
    assert [len(entry.body) for entry in sent[3:5]] == [LONGEST_PIECE, 1]
    assert {entry.place for entry in sent} == {child.id}


def test_a_secret_is_masked_also_where_it_lies_across_two_entries():
    hidden = MaskedEntries(Masks({"TOKEN": CANARY}))

    def log(text, place="child"):
        return Entry(LOG, "stdout", text, place, 1.0)

    out = hidden.mask([log("it is canary-4711-"), log("and"), log("secret", "other")])
    out += hidden.mask([log("\n"), log("again canary-47"), Entry(TAG, "t", CANARY, "child", 1.0)])
    out += hidden.mask([log("11-secret"), Entry(END, "Completed", "", "child", 1.0), log("canary-", "other")])
    out += hidden.rest(2.0)
    by_place = {
        place: "".join(item.body for item in out if item.kind == LOG and item.place == place)
        for place in ("child", "other")
    }
    assert by_place == {"child": "it is canary-4711-and\nagain ***", "other": "secretcanary-"}
    assert [item.body for item in out if item.kind == TAG] == ["***"]
    assert [item.kind for item in out if item.place == "child"][-1] == END
    assert CANARY not in repr(out)


def test_numbers_that_spell_a_secret_are_not_told():
    hidden = MaskedEntries(Masks({"PIN": "12345678"}))
    told = hidden.mask([Entry(SERIES, "n", series_to_json([1.0, 12345678], None, [1.0, 1.0]), "", 1.0)])
    assert "12345678" not in repr(told)
    assert told[0].body["values"] == ["***"]


def test_points_told_one_by_one_are_those_told_at_once():
    def told(log):
        sent = []
        teller = Teller(lambda entries: sent.extend(entries), lambda path: {})
        log(Telling(lambda: teller))
        teller.flush()
        return [(entry.name, entry.body["points"], entry.body["last"]) for entry in sent]

    def one_by_one(run):
        for number in range(10):
            run.log("a", number, step=number)
            run.log("b", float(number))

    def at_once(run):
        run.log_list("a", range(10), steps=range(10))
        run.log_list("b", [float(number) for number in range(10)])

    def sums(found):
        names = dict.fromkeys(name for name, *_ in found)
        return {name: (sum(n for other, n, _ in found if other == name), found[-1][2]) for name in names}

    assert sums(told(one_by_one)) == sums(told(at_once))
