"""Moving all records: nothing is lost on the way, whoever still uses the old ones is told, a kill leaves the old usable."""

import os
import signal

import pytest
from postgres import schema_of

from pipelinekit import config
from pipelinekit.bootstrap import open_services
from pipelinekit.domain.addresses import postgres_address
from pipelinekit.domain.attempts import LogChunk
from pipelinekit.domain.run_queries import RunQuery
from pipelinekit.domain.runs import RunStatus, StepStatus
from pipelinekit.errors import StorageError, UnauthenticatedError, UsageError
from pipelinekit.storage import leases, moving
from pipelinekit.testing.contracts.records import change, completion, key, new_run


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in config.names():
        monkeypatch.delenv(config.PREFIX + name.upper(), raising=False)


def fill(records, *names):
    """Runs with everything that a run can leave."""
    for name in names:
        run = records.driving.take(records.runs.create(new_run(name)).id, leases.owner_id())
        records.documents.put({key(name): "{}"})
        records.reuse.claim(run.id, run.epoch, {name: key(name)}, frozenset())
        done = change(run.id, name, StepStatus.COMPLETED, key=key(name), seconds=0.1, note="é")
        records.driving.record(run.id, run.epoch, [done], [completion(run.id, name, "ü" * 100)])
        records.logs.append([LogChunk(f"{run.id}/{name}/1", "stdout", "a \0 in a log\n")], 1.5)
        records.driving.finish(run.id, run.epoch, RunStatus.COMPLETED, {}, None)


def told(services):
    """Everything that is told of all runs."""
    records = services.records
    runs = services.runs.find(RunQuery())
    runs = [run.record for run in runs]
    steps = [records.runs.steps(run.id) for run in runs]
    logs = [records.logs.read(step.run, step.name)[0][1].text for found in steps for step in found]
    return runs, steps, sorted(records.reuse.find(map(key, "abc"))), logs


@pytest.fixture
def home(tmp_path):
    """A workspace with two runs."""
    fill(open_services(tmp_path).records, "a", "b")
    return tmp_path


def move(home, to):
    return open_services(home).move_records(to)


def test_records_go_to_postgresql_and_back(home, postgres):
    *before, logs = told(open_services(home))
    url = postgres.new()
    done = move(home, url)
    assert (done.target, done.rows["runs"], done.rows["logs"]) == (url, 2, 2)
    assert not (home / ".pipelinekit" / "records.db").exists()
    services = open_services(home)
    assert services.settings.records == url
    *after, shown = told(services)
    assert after == before
    assert shown == [text.replace("\0", "\u2400") for text in logs]  # PostgreSQL keeps no zeros in texts
    fill(services.records, "c")
    assert services.database.check() == []
    move(home, "file")
    services = open_services(home)
    assert services.settings.records == ""
    assert len(told(services)[0]) == 3
    assert services.database.check() == []
    assert [name for name in os.listdir(services.home) if "arriving" in name] == []


def test_tokens_and_the_audit_log_are_whole_after_a_move(home, postgres):
    services = open_services(home)
    made = services.tokens.create("anna", role="owner", expires=1234.5678)
    with pytest.raises(UnauthenticatedError):
        services.tokens.authenticate("pk_\0", source="a \0 in an address")
    known = services.audit.verify().newest
    for to in (postgres.new(), "file"):
        move(home, to)
        services = open_services(home)
        assert services.tokens.authenticate(made.text) == made.token.principal
        assert services.access_faults() == []
        found = services.audit.verify(known)
        assert (found.rows, found.newest, found.faults) == (2, known, ())


def test_the_command_says_what_it_did(home, postgres, project):
    os.rename(home / ".pipelinekit", project.home)
    url = postgres.new()
    said = project("workspace", "move", "--records", url).out
    assert "  runs          2\n" in said
    assert f"to {url}\n" in said
    assert "records.db.moved" in said
    assert project("workspace", "show", "--json").json["runs"] == 2


def test_other_settings_stay(home, postgres):
    file = home / ".pipelinekit" / "config.toml"
    file.write_text('# mine\ncores = 2\n\nexperiment = "mine"\n')
    move(home, postgres.new())
    setting, _, rest = file.read_text().partition("\n")  # before all others: it must not fall into a section of theirs
    assert setting.startswith('records = "postgresql://')
    assert rest == '# mine\ncores = 2\n\nexperiment = "mine"\n'
    move(home, "file")
    assert file.read_text() == '# mine\ncores = 2\n\nexperiment = "mine"\n'


def test_a_place_that_is_taken_is_refused(home, postgres, tmp_path, monkeypatch):
    taken = postgres.new()
    other = open_services(tmp_path / "other", flags={"records": taken})
    fill(other.records, "c")
    with pytest.raises(UsageError, match="already") as error:
        move(home, taken)
    assert "schema=NAME" in error.value.hint
    assert len(told(other)[0]) == 1
    for to, words in {"sqlite:///x": "no URL", "file": "are at", "postgresql://a:secret@b/c": "a password"}.items():
        with pytest.raises(UsageError, match=words) as error:
            move(home, to)
        assert "secret" not in str(error.value)
    monkeypatch.setenv("PIPELINEKIT_RECORDS", taken)
    with pytest.raises(UsageError, match="PIPELINEKIT_RECORDS"):
        move(home, "file")


def test_records_with_open_runs_stay(home, postgres):
    services = open_services(home)
    services.records.runs.create(new_run("c"))
    url = postgres.new()
    with pytest.raises(UsageError, match="1 run is open: 0000") as error:
        move(home, url)
    assert "runs cancel" in error.value.hint
    services.records.runs.request_cancel(new_run("c").id)
    move(home, url)


def test_another_folder_that_still_names_the_old_records_is_told(home, postgres):
    first, second = postgres.new(), postgres.new()
    move(home, first)
    move(home, second)
    with pytest.raises(StorageError, match="were moved to") as error:
        told(open_services(home, flags={"records": first}))
    assert schema_of(second) in error.value.message
    move(home, first)  # what was left there is replaced
    assert len(told(open_services(home))[0]) == 2


@pytest.mark.parametrize("back", [False, True])
def test_whoever_has_the_old_records_open_cannot_write_to_them(home, postgres, back):
    if back:
        move(home, postgres.new())
    services = open_services(home)
    told(services)
    move(home, "file" if back else postgres.new())
    with pytest.raises(StorageError, match="were moved") as error:
        services.records.reuse.revoke([key("a")], "because")
    assert error.value.hint
    assert len(open_services(home).records.reuse.find([key("a")])) == 1


def killed(home, to, module, name):
    """Move in a process that is killed where it comes to call this."""
    child = os.fork()
    if child == 0:
        try:
            setattr(module, name, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
            move(home, to)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize(
    ("module", "name"),
    [(moving._Tally, "equals"), (moving, "_refuse"), (config, "write_settings"), (config.os, "replace")],
)
def test_a_kill_in_between_leaves_the_old_records_in_use(home, postgres, module, name, back):
    old, new = "", postgres.new()
    if back:
        move(home, new)
        old, new = new, "file"
    before = told(open_services(home))
    killed(home, new, module, name)
    services = open_services(home)
    assert services.settings.records == old
    assert told(services) == before
    fill(services.records, "c")
    move(home, new)
    assert len(told(open_services(home))[0]) == 3


@pytest.mark.parametrize("back", [False, True])
def test_a_kill_after_the_switch_leaves_the_new_records_in_use(home, postgres, back):
    new = postgres.new()
    if back:
        move(home, new)
        new = "file"
    place = moving.FilePlace if back else moving.PostgresPlace
    killed(home, new, place, "use")
    services = open_services(home)
    assert (services.settings.records or "file") == new
    assert len(told(services)[0]) == 2
    fill(services.records, "c")
    if back:
        move(home, postgres.new())
    else:
        os.unlink(home / ".pipelinekit" / "records.db")
        move(home, "file")
    assert len(told(open_services(home))[0]) == 3


def lose(postgres):
    postgres.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pipelinekit'")


@pytest.mark.parametrize("place", ["arrive", "leave", "clear"])
@pytest.mark.parametrize("back", [False, True])
def test_a_connection_that_is_lost_meanwhile_leaves_the_old_records_in_use(home, postgres, monkeypatch, place, back):
    old, new = "", postgres.new()
    if back:
        move(home, new)
        old, new = new, postgres.new()
    cls = moving.FilePlace if place == "leave" and not back else moving.PostgresPlace
    plain = getattr(cls, place)

    def losing(*words):
        lose(postgres)
        return plain(*words)

    monkeypatch.setattr(cls, place, losing)
    before = told(open_services(home))[:3]
    said = ""
    try:
        move(home, new)
    except StorageError as error:
        said = str(error)
    monkeypatch.undo()
    for name in config.names():
        monkeypatch.delenv(config.PREFIX + name.upper(), raising=False)
    assert told(open_services(home))[:3] == before, "none is lost, whether it went well or not"
    assert open_services(home).settings.records == (old if said else new)
    if said:
        assert "lost" in said or "terminat" in said
        move(home, new)
    assert told(open_services(home))[:3] == before


def test_two_who_move_to_the_same_place_do_not_overwrite_each_other(home, postgres, tmp_path):
    url = postgres.new()
    other = tmp_path / "other"
    fill(open_services(other).records, "c")
    held = moving.PostgresPlace(postgres_address(url)).vacant()
    with pytest.raises(UsageError, match="or about to be"):
        move(home, url)
    held.close()
    move(home, url)
    with pytest.raises(UsageError, match="already"):
        move(other, url)
    assert len(told(open_services(home))[0]) == 2
    assert len(told(open_services(other))[0]) == 1
