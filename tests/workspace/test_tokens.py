"""Access tokens: made once, known again, ended; what is told of them to whom, and the first owner's."""

import ast
import inspect
import os
import random
import threading
from contextlib import nullcontext

import pytest
from conftest import mistyped

from pipelinekit.bootstrap import open_services
from pipelinekit.domain.audit import DONE, REFUSED, Origin
from pipelinekit.domain.tokens import BOOTSTRAP_SECONDS, NOTED_SECONDS, Kind, Permission, Role, make_text, read_text
from pipelinekit.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    StorageError,
    UnauthenticatedError,
    UsageError,
)
from pipelinekit.testing.audit import MemoryAudit
from pipelinekit.testing.clock import HandClock
from pipelinekit.testing.tokens import MemoryTokens
from pipelinekit.workspace import tokens as tokens_module
from pipelinekit.workspace.audit import AuditLog
from pipelinekit.workspace.tokens import BOOTSTRAP_FILE, REFUSALS, TokenCollection, token_faults

ANNA = Origin("anna", "id1", "10.0.0.1", "request 1")


class Room:
    """Tokens in memory, with a clock and an audit log to look at."""

    def __init__(self, folder):
        self.clock = HandClock()
        self.records = MemoryTokens()
        self.audit = MemoryAudit(self.clock)
        self.place = folder / BOOTSTRAP_FILE
        self.entropy = random.Random(7).randbytes
        self.tokens = self.open()

    def open(self):
        """The collection as another server has it."""
        return TokenCollection(self.records, AuditLog(self.audit), nullcontext, self.clock, self.entropy, self.place)

    def said(self):
        """What the audit log says, in short."""
        return [(row.event.action, row.event.outcome, row.event.reason) for row in self.audit.rows]


@pytest.fixture
def room(tmp_path):
    return Room(tmp_path)


# -- making, looking, ending -------------------------------------------------------------------------------------------


def test_a_token_is_made_and_known_again(room):
    made = room.tokens.create("ci", role="contributor", kind="service", expires="10d", by=ANNA)
    assert made.token.created_by == "anna"
    principal = room.tokens.authenticate(made.text)
    assert (principal.name, principal.role, principal.kind) == ("ci", Role.CONTRIBUTOR, Kind.SERVICE)
    assert principal.token == made.token.id
    assert principal.permits(Permission.SUBMIT)
    assert not principal.permits(Permission.ADMINISTER)
    assert list(room.tokens.list()) == [room.tokens.get("CI")] == [room.tokens.get(made.token.id)]


def test_a_token_for_an_endpoint_is_a_trigger(room):
    made = room.tokens.create("nightly", endpoint="night train")
    principal = room.tokens.authenticate(made.text)
    assert principal.kind is Kind.TRIGGER
    assert principal.permits(Permission.CALL, "night train")
    assert not principal.permits(Permission.VIEW)


def test_a_reader_s_is_made_where_no_role_is_given(room):
    assert room.tokens.create("a").token.role is Role.READER
    assert room.tokens.create("b").token.kind is Kind.USER


def test_nobody_makes_a_bootstrap_token_by_hand(room):
    for given in ({"name": "Bootstrap"}, {"name": "a", "kind": "bootstrap"}, {"name": "a", "kind": Kind.BOOTSTRAP}):
        with pytest.raises(UsageError, match="when a server first starts"):
            room.tokens.create(**given)
    assert room.said() == []


def test_what_is_ended_opens_nothing(room):
    first = room.tokens.create("ci")
    ended = room.tokens.revoke("ci", by=ANNA)
    assert ended.standing(room.clock.now()) == "revoked"
    with pytest.raises(UnauthenticatedError):
        room.tokens.authenticate(first.text)
    with pytest.raises(ConflictError, match="was revoked already"):
        room.tokens.revoke("ci")
    with pytest.raises(NotFoundError, match="no token 'nobody'"):
        room.tokens.revoke("nobody")
    second = room.tokens.create("ci")
    assert room.tokens.authenticate(second.text).token == second.token.id
    assert room.tokens.get("ci") == room.records.find(second.token.id), "of a name the live one"
    assert list(room.tokens.list()) == [room.tokens.get("ci")]
    assert len(room.tokens.list(all=True)) == 2


def test_the_audit_log_tells_who_made_and_ended_what(room):
    made = room.tokens.create("ci", by=ANNA)
    room.tokens.revoke("ci", by=ANNA)
    first, second = room.audit.rows
    assert first.event.origin == second.event.origin == ANNA
    assert (first.event.action, first.event.object) == ("tokens.create", f"tokens/{made.token.id} ci")
    assert (second.event.action, second.event.object) == ("tokens.revoke", f"tokens/{made.token.id} ci")
    assert first.event.before == ""
    assert first.event.after == second.event.before != second.event.after
    assert first.event.outcome == second.event.outcome == DONE


# -- knowing who asks --------------------------------------------------------------------------------------------------


def test_whatever_is_wrong_who_shows_it_is_told_the_same_and_the_audit_log_the_reason(room):
    good = room.tokens.create("good")
    ended = room.tokens.create("ended")
    room.tokens.revoke("ended")
    short = room.tokens.create("short", expires=10)
    room.clock.turn(10)
    other = room.tokens.create("other")
    forged = read_text(good.text)
    forged = type(forged)(forged.id, read_text(other.text).secret).text
    unknown = make_text(bytes(40)).text
    before = len(room.audit.rows)
    shown = {
        "malformed": mistyped(good.text),
        "unknown": unknown,
        "wrong secret": forged,
        "revoked": ended.text,
        "expired": short.text,
    }
    told = set()
    for text in shown.values():
        with pytest.raises(UnauthenticatedError) as error:
            room.tokens.authenticate(text, source="10.0.0.9", request="r1")
        told.add((type(error.value), str(error.value), str(error.value.fields)))
    assert len(told) == 1
    rows = room.audit.rows[before:]
    assert [row.event.reason for row in rows] == list(shown)
    assert {(row.event.action, row.event.outcome, row.event.origin.actor) for row in rows} == {
        ("authenticate", REFUSED, "")
    }
    assert {(row.event.origin.source, row.event.origin.request) for row in rows} == {("10.0.0.9", "r1")}
    assert rows[0].event.origin.token == ""
    assert rows[2].event.origin.token == good.token.id
    assert room.tokens.authenticate(good.text).name == "good"


def test_a_mistyped_token_is_refused_without_asking_the_records(room, monkeypatch):
    made = room.tokens.create("a")
    monkeypatch.setattr(room.records, "find", lambda _: pytest.fail("it was asked for"))
    with pytest.raises(UnauthenticatedError):
        room.tokens.authenticate(made.text[:-1])


def test_an_unknown_id_costs_the_same_work(room, monkeypatch):
    """The digest is computed and compared, whether there is such a token or not."""
    compared = []
    monkeypatch.setattr(tokens_module, "are_equal", lambda one, other: compared.append((one, other)) or one == other)
    made = room.tokens.create("a")
    room.tokens.authenticate(made.text)
    with pytest.raises(UnauthenticatedError):
        room.tokens.authenticate(make_text(bytes(40)).text)
    assert [(len(one), len(other)) for one, other in compared] == [(71, 71), (71, 71)]


def test_digests_of_secrets_are_compared_in_constant_time_only():
    tree = ast.parse(inspect.getsource(tokens_module))
    compared = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    assert not [text for text in compared if "digest" in text or "secret" in text or ".text" in text]


def test_many_that_are_refused_at_once_do_not_fill_the_audit_log(room):
    def refuse():
        with pytest.raises(UnauthenticatedError):
            room.tokens.authenticate("pk_guess")

    for _ in range(int(REFUSALS.burst) + 50):
        refuse()
    assert len(room.audit.rows) == REFUSALS.burst
    room.clock.turn(10)
    refuse()
    refuse()
    assert [row.event.reason for row in room.audit.rows[-2:]] == [
        "malformed; 50 more before it were not written",
        "malformed",
    ]


def test_the_last_use_is_noted_once_an_hour(room, monkeypatch):
    made = room.tokens.create("a")
    uses = []
    use = room.records.use
    monkeypatch.setattr(room.records, "use", lambda *words: uses.append(words) or use(*words))
    for _ in range(3):
        room.tokens.authenticate(made.text)
    first = room.clock.now()
    assert room.tokens.get("a").last_used == first
    room.clock.turn(NOTED_SECONDS - 1)
    room.tokens.authenticate(made.text)
    assert len(uses) == 1
    room.clock.turn(1)
    room.tokens.authenticate(made.text)
    assert room.tokens.get("a").last_used == first + NOTED_SECONDS
    assert len(uses) == 2


def test_who_shows_a_token_gets_in_although_its_use_cannot_be_noted(room, monkeypatch):
    def fail(*_):
        raise StorageError("the records are locked")

    made = room.tokens.create("a")
    monkeypatch.setattr(room.records, "use", fail)
    assert room.tokens.authenticate(made.text).name == "a"


# -- the first owner ---------------------------------------------------------------------------------------------------


def test_the_first_start_makes_a_token_in_a_file_for_its_owner_alone(room):
    made = room.tokens.bootstrap()
    assert room.place.read_text() == f"{made.text}\n"
    assert room.place.stat().st_mode & 0o777 == 0o600
    assert made.token.expires_at == room.clock.now() + BOOTSTRAP_SECONDS
    assert room.tokens.authenticate(made.text).permits(Permission.ADMINISTER)
    assert os.listdir(room.place.parent) == [BOOTSTRAP_FILE]


def test_a_server_that_starts_again_gives_the_same(room):
    made = room.tokens.bootstrap()
    assert room.open().bootstrap() == made
    assert len(room.records.list()) == 1


@pytest.mark.parametrize("fault", ["gone", "open", "other", "empty", "a link", "a pipe"])
def test_a_file_that_cannot_be_trusted_is_made_anew_and_what_was_in_it_opens_nothing(room, fault):
    made = room.tokens.bootstrap()
    text = room.place.read_text()
    if fault == "open":
        room.place.chmod(0o640)
    else:
        room.place.unlink()
    if fault == "other":
        room.place.write_text(make_text(bytes(40)).text)
        room.place.chmod(0o600)
    elif fault == "empty":
        room.place.touch(mode=0o600)
    elif fault == "a link":
        elsewhere = room.place.with_name("elsewhere")
        elsewhere.touch(mode=0o600)
        elsewhere.write_text(text)
        room.place.symlink_to(elsewhere)
    elif fault == "a pipe":
        os.mkfifo(room.place, 0o600)
    again = room.open().bootstrap()
    assert again.text != made.text
    assert room.place.read_text() == f"{again.text}\n"
    assert not room.place.is_symlink()
    assert room.place.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UnauthenticatedError):
        room.tokens.authenticate(made.text)
    assert room.tokens.authenticate(again.text).kind is Kind.BOOTSTRAP


def test_it_ends_when_an_owner_has_a_token_and_not_before(room):
    made = room.tokens.bootstrap()
    room.tokens.create("ci", role="contributor", kind="service")
    assert room.tokens.authenticate(made.text).name == "bootstrap"
    room.tokens.create("anna", role="owner")
    assert not room.place.exists()
    with pytest.raises(UnauthenticatedError):
        room.tokens.authenticate(made.text)
    assert room.tokens.bootstrap() is None
    assert ("tokens.revoke", DONE, "an owner has a token now") in room.said()


def test_a_file_that_is_left_is_taken_away_once_there_is_an_owner(room):
    text = room.tokens.bootstrap().text
    room.tokens.create("anna", role="owner")
    room.place.write_text(text)
    assert room.tokens.bootstrap() is None
    assert not room.place.exists()


def test_it_is_exchanged_once(room):
    made = room.tokens.bootstrap()
    owner = room.tokens.exchange(made.text, "anna", expires="1d", source="127.0.0.1", request="r1")
    assert (owner.token.role, owner.token.kind, owner.token.created_by) == (Role.OWNER, Kind.USER, "bootstrap")
    assert not room.place.exists()
    with pytest.raises(UnauthenticatedError):
        room.tokens.exchange(made.text, "bert")
    assert [token.name for token in room.tokens.list()] == ["anna"]
    exchanged = next(row.event for row in room.audit.rows if row.event.reason == "it was exchanged")
    assert exchanged.origin == Origin("bootstrap", made.token.id, "127.0.0.1", "r1")


def test_what_cannot_be_exchanged_is_told_and_ends_nothing(room):
    made = room.tokens.bootstrap()
    reader = room.tokens.create("reader")
    with pytest.raises(ForbiddenError, match="is no bootstrap token"):
        room.tokens.exchange(reader.text, "anna")
    with pytest.raises(UsageError, match="cannot be named"):
        room.tokens.exchange(made.text, "bootstrap")
    assert room.tokens.authenticate(made.text).name == "bootstrap"
    assert room.tokens.bootstrap().text == made.text


def test_an_owner_whose_tokens_have_all_expired_gets_in_again(room):
    room.tokens.create("anna", role="owner", expires=10)
    assert room.tokens.bootstrap() is None
    room.clock.turn(10)
    assert room.tokens.bootstrap().token.kind is Kind.BOOTSTRAP


def test_a_bootstrap_token_that_expired_is_replaced(room):
    made = room.tokens.bootstrap()
    room.clock.turn(BOOTSTRAP_SECONDS)
    assert room.tokens.bootstrap().text != made.text


# -- in a database -----------------------------------------------------------------------------------------------------


def test_servers_that_start_at_once_give_one_token_between_them(tmp_path):
    open_services(tmp_path).tokens.list()
    barrier, found = threading.Barrier(6), []

    def start():
        services = open_services(tmp_path)
        barrier.wait()
        found.append(services.tokens.bootstrap())

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    services = open_services(tmp_path)
    live = services.tokens.list()
    assert [token.name for token in live] == ["bootstrap"]
    assert services.tokens.authenticate((services.home / BOOTSTRAP_FILE).read_text().strip()).token == live[0].id
    assert {made.token for made in found} == set(live)


def test_of_several_that_exchange_it_at_once_one_becomes_owner(tmp_path):
    text = open_services(tmp_path).tokens.bootstrap().text
    barrier, found = threading.Barrier(6), []

    def exchange(number):
        services = open_services(tmp_path)
        services.tokens.list()
        barrier.wait()
        try:
            found.append(services.tokens.exchange(text, f"owner {number}").token.name)
        except UnauthenticatedError:
            found.append("")

    threads = [threading.Thread(target=exchange, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    (owner,) = [name for name in found if name]
    services = open_services(tmp_path)
    assert [token.name for token in services.tokens.list()] == [owner]
    assert services.audit.verify().faults == ()


def test_what_fails_leaves_nothing(tmp_path):
    """The token of an owner, the end of the bootstrap token and the rows that tell of them are one transaction."""
    services = open_services(tmp_path)
    made = services.tokens.bootstrap()
    services.tokens.create("taken")
    rows = len(services.audit.list())
    with pytest.raises(ConflictError):
        services.tokens.exchange(made.text, "Taken")
    assert services.tokens.authenticate(made.text).kind is Kind.BOOTSTRAP
    assert len(services.audit.list()) == rows
    assert services.tokens.bootstrap().text == made.text


def test_the_records_hold_no_secret(tmp_path):
    services = open_services(tmp_path)
    texts = [services.tokens.create("a").text, services.tokens.bootstrap().text]
    for text in texts:
        services.tokens.authenticate(text)
    secrets = [read_text(text).secret.encode() for text in texts]
    for path in services.home.rglob("*"):
        if path.is_file() and path.name != BOOTSTRAP_FILE:
            assert not any(secret in path.read_bytes() for secret in secrets), path


def test_a_log_that_was_tampered_with_shows(tmp_path):
    services = open_services(tmp_path)
    for name in ("a", "b", "c"):
        services.tokens.create(name)
    whole = services.audit.verify()
    assert (whole.rows, whole.faults) == (3, ())
    assert services.audit.verify(whole.newest) == whole
    run = services.database._connection.execute
    run("update audit set actor = 'nobody' where number = 2")
    assert services.audit.verify().faults == ("row 2 of the audit log is not what was written",)
    run("delete from audit where number = 2")
    assert services.audit.verify().faults == ("row 2 is missing from the audit log",)
    run("delete from audit where number > 1")
    assert services.audit.verify().faults == (), "a cut end looks whole"
    (fault,) = services.audit.verify(whole.newest).faults
    assert "cut off, or written anew" in fault


def test_checks_tell_a_token_that_was_changed_by_hand(tmp_path):
    services = open_services(tmp_path)
    services.tokens.bootstrap()
    made = [services.tokens.create(name, expires="1h") for name in ("a", "b")]
    services.tokens.revoke("b")
    services.tokens.create("b")
    for item in made[:1]:
        services.tokens.authenticate(item.text)
    services.tokens.create("anna", role="owner")
    assert services.access_faults() == [], "neither uses nor ends are changes by hand"
    run = services.database._connection.execute
    for change in (
        "role = 'owner'",
        "expires_at = expires_at + 1",
        "digest = 'sha256:0'",
        "kind = 'service'",
        "revoked_at = 1",
        "id = 'other'",
    ):
        run("begin")
        run(f"update tokens set {change} where name = 'a'")
        (fault,) = services.access_faults()
        run("rollback")
        assert fault.rule == "I11"
        assert "token 'a'" in fault.object
    run("update audit set actor = 'nobody' where number = 1")
    (fault,) = services.access_faults()
    assert (fault.rule, fault.object) == ("I11", "audit log")


def test_a_token_whose_time_was_up_is_no_fault(room):
    room.tokens.create("a", expires=10)
    room.clock.turn(10)
    room.tokens.create("a")
    tokens = room.records.list()
    assert [token.standing(room.clock.now()) for token in tokens] == ["expired", "live"]
    assert token_faults(tokens, room.audit.rows) == []
