"""Secrets from end to end: given to the steps that declare them, keyed by version, and seen nowhere else.

A canary is planted as the value of a secret. After runs that print it, raise it, return it and die with it, no file of
the project, no document and no process other than the step's own holds it in any of its usual forms.
"""

import fcntl
import json
import os
import pty
import resource
import secrets
import select
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from conftest import alive, set_secret, wait_for

from pipelinekit import Workspace
from pipelinekit.engine.masking import forms_of
from pipelinekit.storage.sqlite_library import sqlite3

CANARY = f"c4n&ry/{secrets.token_hex(8)}=é+'x"

PIPELINE = """
    import base64, json, os, signal, subprocess, sys, time, urllib.parse
    from pathlib import Path
    from pipelinekit import CommandStep, PythonScriptStep, get_secret, get_secrets, pipeline, step

    @step(secrets=["CANARY", "OTHER"])
    def tell(how: str) -> int:
        value = get_secret("CANARY")
        assert get_secrets(["OTHER", "CANARY"]) == {"OTHER": get_secret("OTHER"), "CANARY": value}
        print("told:", value, "and", get_secret("OTHER"))
        print("told:", value, file=sys.stderr)
        for letter in value:
            print(letter, end="", flush=True)
        print("\\n" + base64.encodebytes((value * 5).encode()).decode(), json.dumps({value: [value]}))
        print(repr(value), urllib.parse.quote(value), urllib.parse.quote_plus(value), value.encode().hex())
        if how == "raise":
            try:
                {}[value]
            except KeyError as error:
                raise ValueError(f"it was {value}" + "x" * 10_000 + value) from error
        if how == "kind":
            raise type("Told" + value.encode().hex(), (Exception,), {})(value)
        if how == "exit":
            sys.exit(value)
        if how == "die":
            sys.stdout.write("last words " + value)
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGSEGV)
        if how == "wait":
            sys.stdout.write("half of " + value[:-1])
            sys.stdout.flush()
            Path(os.environ["MARKER"]).write_text(str(os.getpid()))
            time.sleep(600)
        if how == "child":
            subprocess.run([sys.executable, "-c", "import sys; print(sys.stdin.read())"], input=value, text=True)
        return len(value)

    @step(secrets="CANARY")
    def give_back(other: str) -> dict[str, list[str]]:
        return {"x": ["ok", "Bearer " + get_secret("CANARY")]} if other else {}

    @step
    def ask(other: str) -> str:
        return get_secret("CANARY") if other else ""

    words = ["import os; from pipelinekit import get_secret; value = get_secret('CANARY');"
             "print(value, open(os.environ['PIPELINEKIT_SECRET_CANARY']).read() == value, flush=True)"]
    script = CommandStep([sys.executable, "-c", *words], secrets=["CANARY"], name="script")
    command = CommandStep(
        "sh -c 'cat $1; cat $1 | wc -c > {outputs.size}' sh {secrets.CANARY}", outputs=["size"], secrets=["CANARY"],
        name="command",
    )

    @pipeline
    def main(hows: list[str] = ["tell"], other: str = ""):
        script()
        command()
        ask(other)
        give_back(other)
        tell.map(hows)
"""


def held(data):
    """The forms of the canary that some bytes hold."""
    text = data.decode("utf-8", "surrogateescape").replace("\n", "").replace("\r", "")
    return [form for form in forms_of(CANARY) if form in text]


def assert_nowhere(project, *texts):
    files = [path for path in project.folder.rglob("*") if path.is_file()]
    assert {"records.db", "secrets.key", "main.py"} <= {path.name for path in files}
    assert {str(path): found for path in files if (found := held(path.read_bytes()))} == {}
    assert {text[:200]: found for text in texts if (found := held(text.encode()))} == {}


def logs(project, step):
    return project("runs", "logs", "latest", step).out


@pytest.fixture
def canary(project):
    """A project whose pipeline needs a secret, which is there."""
    project.write(main=PIPELINE)
    keep(project, CANARY=CANARY, OTHER="another value")
    return project


def keep(project, **values):
    """Set secrets from Python."""
    for name, value in values.items():
        Workspace.open(project.folder).secrets.set(name, value)


def assert_clean_run(project, *words, hows, code=1):
    """Run the pipeline in all these ways at once; steps of the run by name, and the log of what tells the value."""
    values = ["-p", f"hows={json.dumps(hows)}", "--continue-on-step-failure"]
    run = project("run", "main.py", "--json", *values, *words, code=code)
    assert_nowhere(project, run.out, run.err)
    return {step["name"]: step for step in run.json["steps"]}, logs(project, "tell[0]")


# -- what is given -----------------------------------------------------------------------------------------------------


def test_the_value_is_given_and_seen_nowhere_whatever_becomes_of_the_step(canary):
    steps, told = assert_clean_run(canary, hows=["tell", "raise", "kind", "exit", "die", "child"])
    assert {name: step["status"] for name, step in steps.items() if step["status"] != "Failed"} == dict.fromkeys(
        ["script", "command", "ask", "give_back", "tell[0]", "tell[5]"], "Completed"
    )
    assert "told: *** and ***" in told
    assert told.count("***") >= 10
    for number in (1, 2, 3, 4):
        assert "***" in json.dumps(steps[f"tell[{number}]"]["error"]), number
    assert "last words ***" in steps["tell[4]"]["error"]["traceback"]
    assert "*** True" in logs(canary, "script"), "a script reads the same value by both ways"
    assert "***" in logs(canary, "command")
    said = []
    for words in (
        ("runs", "show", "--json"),
        ("explain", "--json"),
        ("graph", "latest", "-o", "graph.html"),
        ("compile", "main.py", "-o", "graph.json"),
        ("secrets", "list", "--json"),
    ):
        done = canary(*words)
        said += [done.out, done.err]
    assert_nowhere(canary, *said)
    assert '"secrets":{"CANARY":1,"OTHER":1}' in (canary.folder / "graph.json").read_text()


def test_steps_in_the_drivers_own_process_are_given_and_masked_too(canary):
    steps, told = assert_clean_run(canary, "--in-process", hows=["tell", "raise", "kind", "exit"])
    assert "told: *** and ***" in told
    assert "it was ***" in steps["tell[1]"]["error"]["message"]
    assert "*** True" in logs(canary, "script"), "what other processes write comes through this one"


def test_steps_on_a_cluster_are_given_and_masked_too(canary, dask_address):
    steps, told = assert_clean_run(canary, "--compute", dask_address, hows=["raise"])
    assert "told: *** and ***" in told
    assert "it was ***" in steps["tell[0]"]["error"]["message"]
    assert steps["script"]["status"] == steps["command"]["status"] == "Completed"


def test_what_tells_it_in_the_records_is_refused_and_what_is_not_declared_is_not_given(canary):
    for words in ((), ("--in-process",)):
        run = canary("run", "main.py", "--json", "-p", "other=yes", "--continue-on-step-failure", *words, code=1)
        assert_nowhere(canary, run.out, run.err)
        steps = {step["name"]: step for step in run.json["steps"]}
        error = steps["give_back"]["error"]
        assert error["kind"] == "output"
        assert error["message"].startswith("output 'output' holds the value of secret 'CANARY'")
        error = steps["ask"]["error"]
        assert error["message"] == "step 'ask' asked for the secret 'CANARY', which it does not declare"
        assert error["hint"] == 'declare it: secrets=["CANARY"]'


@pytest.fixture
def waiting(canary):
    """A run whose step has got its secret and waits; the driver's process, and the step's."""
    marker = canary.folder.parent / "marker"
    process = canary.start("run", "main.py", "-p", 'hows=["wait"]', env={"MARKER": str(marker)})
    try:
        yield process, int(wait_for(lambda: marker.is_file() and marker.read_text()))
    finally:
        process.kill()
        process.communicate()


def test_no_process_shows_it_and_a_step_that_is_killed_leaves_nothing(canary, waiting):
    process, step = waiting
    seen = {}
    for found in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                data = (found / name).read_bytes()
            except OSError:
                continue
            if held(data):
                seen[found.name] = name
    assert seen == {}
    assert_nowhere(canary)
    assert resource.prlimit(step, resource.RLIMIT_CORE) == (0, 0), "a crash would write its memory to a file"
    os.kill(step, signal.SIGABRT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert_nowhere(canary, out, err)
    assert "half of" in logs(canary, "tell[0]")


def test_a_driver_that_is_killed_leaves_nothing(canary, waiting):
    process, step = waiting
    process.kill()
    process.communicate(timeout=60)
    wait_for(lambda: not alive(step))
    assert_nowhere(canary, canary("runs", "show", "--json").out)


def test_a_driver_of_its_own_writes_nothing_to_its_log(canary):
    script = (
        "from pipelinekit import Workspace\nfrom main import main\nprint(Workspace.open().submit(main).wait().status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=canary.folder, capture_output=True, text=True, timeout=120
    )
    assert "Completed" in done.stdout, done.stderr
    assert (canary.home / "cache" / "drivers.log").is_file()
    assert_nowhere(canary, done.stdout, done.stderr)


# -- keys --------------------------------------------------------------------------------------------------------------

KEYED = """
    from pipelinekit import get_secret, pipeline, step

    @step(secrets=["PASSWORD"])
    def keyed() -> int:
        return len(get_secret("PASSWORD"))

    @step(secrets=["TOKEN"], not_keyed=["TOKEN"])
    def unkeyed() -> int:
        return len(get_secret("TOKEN"))

    @pipeline
    def main():
        keyed()
        unkeyed()
"""


def test_another_value_runs_what_depends_on_it_again_and_the_reason_names_it(project):
    project.write(main=KEYED)
    keep(project, PASSWORD="correct horse\n", TOKEN="battery staple")
    assert project.executed("main.py") == ["keyed", "unkeyed"]
    assert project.executed("main.py") == []
    keep(project, TOKEN="another staple")
    assert project.executed("main.py") == []
    keep(project, PASSWORD="correct horse")
    assert "secret 'PASSWORD' changed: version 1 -> version 2" in project("plan", "main.py").out
    assert project.executed("main.py") == ["keyed"]
    reasons = {step["name"]: step["reasons"] for step in project("explain", "--json").json["steps"]}
    (reason,) = reasons["keyed"]
    assert (reason["cause"], reason["name"], reason["before"], reason["after"]) == (
        "secret", "PASSWORD", "version 1", "version 2",
    )  # fmt: skip
    project("secrets", "rotate-key")
    assert project.executed("main.py") == []


def test_stored_graphs_and_resumed_runs_take_the_values_of_now(project):
    project.write(main=KEYED)
    keep(project, PASSWORD="correct horse", TOKEN="battery staple")
    project("compile", "main.py", "-o", "graph.json")
    project.run("graph.json")
    keep(project, PASSWORD="another horse!")
    assert "secret 'PASSWORD' changed" in project("plan", "graph.json").out
    assert project.executed("graph.json") == ["keyed"]
    keep(project, PASSWORD="yet another horse")
    steps = project("runs", "resume", "--json").json["steps"]
    assert {step["name"]: step["status"] for step in steps} == {"keyed": "Completed", "unkeyed": "Reused"}
    project("secrets", "delete", "TOKEN")
    assert "step 'unkeyed' needs the secret 'TOKEN'" in project("run", "graph.json", code=2).err


def test_what_is_set_anew_while_a_run_goes_on_is_given_only_where_it_is_not_keyed(project):
    project.write(
        main="""
            from pipelinekit import Workspace, get_secret, pipeline, step

            @step(allow_reuse=False)
            def change(folder: str) -> int:
                for name in ("PASSWORD", "TOKEN"):
                    Workspace.open(folder).secrets.set(name, "another value")
                return 1

            @step(secrets=["PASSWORD"])
            def keyed(x: int) -> int:
                return len(get_secret("PASSWORD"))

            @step(secrets=["TOKEN"], not_keyed=["TOKEN"])
            def unkeyed(x: int) -> int:
                return len(get_secret("TOKEN"))

            @pipeline
            def main(folder: str):
                x = change(folder)
                return {"keyed": keyed(x), "unkeyed": unkeyed(x)}
        """
    )
    keep(project, PASSWORD="correct horse", TOKEN="battery staple")
    words = ("-p", f"folder={project.folder}", "--continue-on-step-failure")
    steps = {step["name"]: step for step in project.run("main.py", *words, code=1)["steps"]}
    assert steps["unkeyed"]["status"] == "Completed"
    assert steps["keyed"]["error"]["kind"] == "environment"
    assert "secret 'PASSWORD' was changed after this run was submitted" in steps["keyed"]["error"]["message"]
    assert "run the pipeline again" in steps["keyed"]["error"]["hint"]
    unkeyed = next(step for step in Workspace.open(project.folder).runs.get().steps if step.name == "unkeyed")
    assert unkeyed.outputs["output"].load() == len("another value")


def test_a_process_that_was_given_secrets_serves_no_other_step(project):
    project.write(
        main="""
            import os
            from pipelinekit import get_secret, pipeline, step

            @step(secrets=["A"])
            def one(n: int) -> int:
                return os.getpid()

            @step(secrets=["A", "B"])
            def both(n: int) -> int:
                return os.getpid()

            @step
            def none(n: int) -> int:
                return os.getpid()

            @pipeline
            def main():
                first = one.options(name="first")(1)
                second = one.options(name="second")(first)
                other = both(second)
                return {"first": first, "second": second, "both": other, "none": none(other)}
        """
    )
    keep(project, A="correct horse", B="correct horse")
    project.run("main.py")
    found = Workspace.open(project.folder).runs.get().outputs
    pids = {name: found[name].load() for name in ("first", "second", "both", "none")}
    assert pids["first"] == pids["second"]
    assert len(set(pids.values())) == 3


def test_secrets_that_are_not_there_are_told_at_once_with_their_places(project):
    project.write(main=KEYED)
    error = project("run", "main.py", "--json", code=2).json["error"]
    assert [(fault["file"], fault["line"], fault["message"]) for fault in error["faults"]] == [
        ("main.py", 4, "step 'keyed' needs the secret 'PASSWORD', which is not there"),
        ("main.py", 8, "step 'unkeyed' needs the secret 'TOKEN', which is not there"),
    ]
    assert error["faults"][0]["hint"] == "'pipelinekit secrets set PASSWORD' sets it"


# -- the command line --------------------------------------------------------------------------------------------------


def test_secrets_are_set_listed_and_deleted(project):
    assert set_secret(project, "A", "correct horse\n") == ("secret 'A' is set, as version 1\n", "")
    assert json.loads(set_secret(project, "A", "correct horse", "--json")[0])["version"] == 2
    (found,) = project("secrets", "list", "--json").json["secrets"]
    assert found.keys() == {"name", "version", "updated_at", "updated_by"}
    assert (found["name"], found["version"]) == ("A", 2)
    assert project("secrets", "list").out.splitlines()[1].startswith("A       2        20")
    assert project("secrets", "delete", "A").out == "secret 'A' is deleted\n"
    assert project("secrets", "list").out == "no secrets\n"
    assert "there is no secret 'A'" in project("secrets", "delete", "A", code=2).err
    assert "as version 3" in set_secret(project, "A", "correct horse")[0]


@pytest.mark.parametrize("words", [("A", CANARY), (f"A={CANARY}",), ("A", "--json", CANARY)])
def test_a_value_on_the_command_line_is_refused_and_not_repeated(project, words):
    done = project("secrets", "set", *words, code=2)
    assert "never taken from the command line" in done.err
    assert not held((done.out + done.err).encode())


def test_values_that_cannot_be_kept_are_refused(project):
    assert "shorter than 4 characters" in set_secret(project, "A", "abc\n", code=2)[1]
    process = project.start("secrets", "set", "A", stdin=subprocess.PIPE)
    process.stdin.buffer.write(b"\xff\xfe\xfd\xfc")
    assert "no UTF-8 text" in process.communicate(timeout=60)[1]


def in_terminal(project, *answers):
    """`secrets set A` in a terminal, where these lines are typed; what is seen there."""
    terminal, other = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "pipelinekit", "secrets", "set", "A"],
        cwd=project.folder,
        stdin=other,
        stdout=other,
        stderr=other,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(other)
    seen, left = "", list(answers)
    while select.select([terminal], [], [], 60)[0]:
        try:
            data = os.read(terminal, 1024)
        except OSError:
            break
        if not data:
            break
        seen += data.decode()
        if left and seen.rstrip(" ").endswith(":"):
            os.write(terminal, left.pop(0))
            seen += "|"
    os.close(terminal)
    return seen, process.wait(timeout=60)


def test_a_terminal_is_asked_twice_without_echo(project):
    seen, code = in_terminal(project, b"correct horse\n", b"correct horse\n")
    assert code == 0
    assert "horse" not in seen
    assert "secret 'A' is set, as version 1" in seen
    seen, code = in_terminal(project, b"correct horse\n", b"another horse\n")
    assert (code, "the two values are not the same" in seen) == (2, True)
    seen, code = in_terminal(project, b"\x04")
    assert (code, "no value was given" in seen) == (2, True)
    assert project("secrets", "list", "--json").json["secrets"][0]["version"] == 1


def test_a_key_that_is_missing_or_open_to_others_is_told(canary):
    key = canary.home / "secrets.key"
    key.chmod(0o644)
    failed = canary("run", "main.py", "--json", code=1).json
    messages = [step["error"]["message"] for step in failed["steps"] if step.get("error")]
    assert any("others may read or change the key file" in message for message in messages)
    assert all("Traceback" not in message for message in messages)
    moved = canary.folder.parent / "moved.key"
    key.rename(moved)
    assert "is not there, but secrets were sealed with it" in canary("secrets", "rotate-key", code=1).err
    moved.chmod(0o600)
    elsewhere = {"PIPELINEKIT_SECRETS_KEY": str(moved)}
    assert canary("run", "main.py", "--json", env=elsewhere).json["status"] == "Completed"
    assert "1 older key left" in canary("secrets", "rotate-key", env=elsewhere).out


def test_fsck_finds_values_that_were_told_otherwise_and_secrets_that_cannot_be_opened(project):
    project.write(
        main="""
            from pipelinekit import pipeline, step

            @step
            def tell(x: str) -> str:
                print("it is", x)
                raise ValueError(x)

            @pipeline
            def main(x: str):
                tell(x)
        """
    )
    run = project("run", "main.py", "--json", "-p", f"x={CANARY}", code=1).json["id"]
    assert project("fsck").out == "no faults\n"
    keep(project, CANARY=CANARY)
    faults = project("fsck", "--json", code=1).json["faults"]
    assert {fault["rule"] for fault in faults} == {"I10"}
    assert {fault["message"] for fault in faults} == {"it tells the value of secret 'CANARY'"}
    where = [fault["object"] for fault in faults]
    assert {
        f"a parameter or output of run {run}",
        f"the failure of run {run}",
        f"the failure of step 'tell' of run {run}",
        f"the log of step 'tell' of run {run}",
    } < set(where)
    assert len(where) == len(set(where))
    assert not held(json.dumps(faults).encode())
    assert project("fsck", "--quick").out == "no faults\n"
    (project.home / "secrets.key").unlink()
    (fault,) = project("fsck", "--json", code=1).json["faults"]
    assert fault["object"] == "secret CANARY"
    assert "is not there, but secrets were sealed with it" in fault["message"]


def test_a_key_file_in_the_source_folder_is_not_copied_with_it(canary):
    (canary.home / "secrets.key").rename(canary.folder / "moved.key")
    elsewhere = {"PIPELINEKIT_SECRETS_KEY": str(canary.folder / "moved.key")}
    told = canary("run", "main.py", code=2, env=elsewhere).err
    assert "moved.key" in told
    assert "moved.key holds the keys of secrets, and would be copied into the snapshot" in told
    (canary.folder / ".amlignore").write_text("*.key\n")
    canary("run", "main.py", env=elsewhere)


# -- Python ------------------------------------------------------------------------------------------------------------


def test_the_workspace_has_secrets(project):
    workspace = Workspace.open(project.folder)
    assert workspace.secrets.set("A", CANARY).version == 1
    assert [(secret.name, secret.version) for secret in workspace.secrets.list()] == [("A", 1)]
    assert workspace.secrets.names() == ["A"]
    kept = sqlite3.connect(project.home / "records.db").execute("select * from secrets").fetchall()
    assert not held(repr(kept).encode())
    workspace.secrets.delete("A")
    assert workspace.secrets.names() == []
