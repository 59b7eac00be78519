"""Are the tests strong enough? Seeds bugs into a copy of the package, one after another, and sees which test kills each.

    python tests/proofs/seeded_bugs.py            all of them
    python tests/proofs/seeded_bugs.py epoch key  those whose name holds one of these words

Ends with exit code 1 if a bug survives, and at once if a test fails without any bug, or if a text that a bug replaces is
not there exactly once.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROOF = "tests/reuse/test_proof.py"
DEATHS = "tests/e2e/test_serving_deaths.py::test_whatever_a_server_dies_at_every_call_and_every_instant_has_its_one_run"
LINES = "tests/rest/test_connections.py"
SECONDS = 1800
EXAMPLES, EXAMPLES_WITHOUT = 1500, 400  # of the state machine: most bugs need fewer than fifty


@dataclass(frozen=True)
class Bug:
    """A fault: in `file`, `old` becomes `new`. `tests` are those that must notice it, the state machine by default."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple = (PROOF,)


BUGS = (
    Bug("cache_version not in the key", "domain/graphs.py", '            "cache_version": self.cache_version,\n', ""),
    Bug("software not in the key", "domain/graphs.py", '            "software": self.software.document(),\n', ""),
    Bug("variables not in the key", "domain/environments.py", '            "variables": dict(self.variables),\n', ""),
    Bug("lock not in the key", "domain/environments.py", '            "lock": list(self.lock),\n', ""),
    Bug(
        "what an environment stands on not in the key",
        "domain/environments.py",
        '            document["base"] = self.base\n',
        "            pass\n",
        ("tests/engine/test_what_is_keyed.py",),
    ),
    Bug(
        "an environment resolved anew each time",
        "workspace/environments.py",
        "        if lock is None:\n            lock = self._records.keep_lock(found,",
        "        if True:\n            lock = self._records.keep_lock(found,",
        ("tests/workspace/test_environments.py",),
    ),
    Bug(
        "a damaged environment is used",
        "compute/environments.py",
        "                if not _is_sound(folder):\n",
        "                if not folder.exists():\n",
        ("tests/contracts/test_environments.py",),
    ),
    Bug(
        "a damaged source folder of a node is used",
        "compute/transfers.py",
        "            if folder.is_dir() and not is_whole(",
        "            if not folder.is_dir() and not is_whole(",
        ("tests/compute/test_node_cache.py",),
    ),
    Bug(
        "a node removes what another worker has a process in",
        "compute/node_cache.py",
        "            fcntl.flock(handle, fcntl.LOCK_SH)\n",
        "            pass\n",
        ("tests/compute/test_node_cache.py",),
    ),
    Bug(
        "a step waits for the node that holds its inputs",
        "engine/locality.py",
        "        free = [node for node in held if loads[node] + min(_cores(bundle), self._threads[node]) <= self._threads[node]]\n",
        "        free = list(held)\n",
        ("tests/engine/test_locality.py",),
    ),
    Bug(
        "credentials kept in the URL of a repository",
        "workspace/git.py",
        "            facts[name] = without_credentials(facts[name])\n",
        "            pass\n",
        ("tests/workspace/test_git.py",),
    ),
    Bug(
        "secrets shown in the difference to a commit",
        "workspace/git_changes.py",
        " if normal_path(path) not in secret]",
        "]",
        ("tests/workspace/test_git.py",),
    ),
    Bug(
        "a driver that goes on with a run forgets what had ended",
        "engine/resuming.py",
        "        record = self._records.pop(work.name, None)\n",
        "        record = None\n",
        ("tests/engine/test_taking_up.py",),
    ),
    Bug(
        "a driver that goes on with a run numbers attempts anew",
        "engine/resuming.py",
        "        work.attempt = record.attempt\n",
        "",
        ("tests/engine/test_taking_up.py",),
    ),
    Bug(
        "a driver that goes on with a run forgets why a step was skipped",
        "engine/resuming.py",
        "            broken.add(position)\n",
        "            pass\n",
        ("tests/engine/test_taking_up.py",),
    ),
    Bug("entry not in the key", "domain/graphs.py", '            "entry": self.entry,\n', ""),
    Bug(
        "arguments not in the key",
        "domain/graphs.py",
        '            "arguments": list(self.arguments),\n',
        "",
        ("tests/engine/test_what_is_keyed.py",),
    ),
    Bug(
        "outputs not in the key",
        "domain/graphs.py",
        '            "outputs": {port.name: _output_identity(port) for port in self.outputs},\n',
        "",
        ("tests/engine/test_what_is_keyed.py",),
    ),
    Bug(
        "code not in the key",
        "domain/graphs.py",
        '"code": {item.symbol: item.digest for item in self.code},',
        '"code": {},',
    ),
    Bug(
        "an input port not in the key",
        "domain/graphs.py",
        "unkeyed = [port.name for port in self.inputs if not port.keyed]",
        'unkeyed = [*(port.name for port in self.inputs if not port.keyed), "data"]',
    ),
    Bug(
        "inputs that are not keyed enter the key",
        "domain/graphs.py",
        "unkeyed = [port.name for port in self.inputs if not port.keyed]",
        "unkeyed: list[str] = []",
    ),
    Bug(
        "files that were opened undeclared do not count",
        "engine/fingerprint.py",
        "return digest(key_document(definition, inputs, observed))",
        "return digest(key_document(definition, inputs, dict.fromkeys(observed, '')))",
        ("tests/e2e/test_undeclared.py",),
    ),
    Bug(
        "revoked results are taken",
        "storage/sql/reuse.sql",
        "update completions set reusable = 0, revoked = ? where key = ? and reusable = 1",
        "update completions set revoked = ? where key = ? and reusable = 1",
        ("tests/contracts/test_records.py",),
    ),
    Bug(
        "places of code in the key",
        "domain/graphs.py",
        "{item.symbol: item.digest for",
        "{item.symbol: [item.digest, item.line] for",
    ),
    Bug(
        "completeness not checked",
        "runtime/completeness.py",
        "for blob in blobs.missing(wanted) for",
        "for blob in () for",
    ),
    Bug(
        "completeness of folders not checked",
        "runtime/completeness.py",
        'if value.format == "folder":',
        'if value.format == "no folder":',
    ),
    Bug(
        "keys of ancestors instead of their content",
        "engine/orchestrator.py",
        "        work.key = self.fingerprints[work.node.step].key(digests)\n",
        "        above = [self.works[item].key or '-' for item in sorted(set().union(*map(sources, work.node.inputs.values())))]\n"
        "        digests = {**digests, **({'xs': Fingerprint.key(self.fingerprints[0], {'xs': digest(above)})} if above else {})}\n"
        "        work.key = self.fingerprints[work.node.step].key(digests)\n",
    ),
    Bug(
        "epoch predicate dropped",
        "storage/sql/runs.sql",
        "update runs set events = events + 1\nwhere id = ? and epoch = ? and status",
        "update runs set events = events + 1\nwhere id = ? and ? > 0 and status",
        ("tests/contracts/test_records.py",),
    ),
    Bug(
        "writes of a run that has ended are accepted",
        "storage/sql/runs.sql",
        "where id = ? and epoch = ? and status in ('Running', 'CancelRequested')\nreturning events",
        "where id = ? and ? > 0\nreturning events",
        ("tests/contracts/test_records.py",),
    ),
    Bug(
        "supersede skipped",
        "storage/runs.py",
        "(item.key for item in completions), reusable)",
        "(item.key for item in completions), [])",
    ),
    Bug(
        "a late holder's result takes the place of what was there",
        "storage/runs.py",
        "            reusable.append(claim in held)\n",
        "            reusable.append(True)\n",
    ),
    Bug(
        "claims of dead drivers are honoured",
        "storage/reuse.py",
        'if row["run"] != run and self._holds(row)',
        'if row["run"] != run',
    ),
    Bug(
        "claims of others are not honoured", "storage/reuse.py", 'if row["run"] != run and self._holds(row)', "if False"
    ),
    Bug(
        "claims outlive their run",
        "storage/recovery.py",
        '    database.write("end_lost_run", (str(status), text, now, row["id"], row["epoch"]))\n'
        '    database.write("drop_claims_of_run", (row["id"],))\n',
        '    database.write("end_lost_run", (str(status), text, now, row["id"], row["epoch"]))\n',
    ),
    Bug(
        "the end of a run is not told where its driver ends it",
        "storage/runs.py",
        "            tell_of_run(self._database, run, now)\n        self._events.pop(run, None)",
        "        self._events.pop(run, None)",
        ("tests/contracts/test_webhooks.py",),
    ),
    Bug(
        "the end of a run is not told where its driver is dead",
        "storage/recovery.py",
        '    tell_of_run(database, row["id"], now)\n',
        "",
        ("tests/contracts/test_webhooks.py",),
    ),
    Bug(
        "a run that is submitted is not told",
        "storage/runs.py",
        "            tell_of_run(self._database, run.id, run.created_at, is_new=True)\n",
        "",
        ("tests/contracts/test_webhooks.py",),
    ),
    Bug(
        "a draft that was changed meanwhile is overwritten",
        "domain/pipeline_drafts.py",
        "        if wanted not in (None, self.version):",
        "        if False:",
        ("tests/e2e/test_drafts.py",),
    ),
    Bug(
        "clean-up takes what drafts hold",
        "storage/sql/publishing.sql",
        "union all\nselect graph, given, paths from pipeline_drafts\n",
        "",
        ("tests/e2e/test_drafts.py",),
    ),
    Bug(
        "while a secret is rotated, the one before does not sign",
        "workspace/webhooks.py",
        "if self._records.get(delivery.webhook).previous_until > self._stores.clock.now():",
        "if False:",
        ("tests/workspace/test_webhooks.py",),
    ),
    Bug(
        "messages that others send are sent, too",
        "storage/webhooks.py",
        'return not row["owner"] or not leases.is_held(self._database, row)',
        "return True",
        ("tests/contracts/test_webhooks.py",),
    ),
    Bug(
        "a message is settled by whoever had it before",
        "storage/sql/webhooks.sql",
        "where id = ? and state = 'Pending' and owner = ?",
        "where id = ? and state = 'Pending' and ? <> ''",
        ("tests/contracts/test_webhooks.py",),
    ),
    Bug(
        "one public address makes a host public",
        "storage/connections.py",
        "        for *_, place in found:\n",
        "        for *_, place in found[:1]:\n",
        ("tests/storage/test_posting.py",),
    ),
    Bug(
        "a name is resolved again when it is connected to",
        "storage/connections.py",
        "            made.connect(place)\n",
        "            made.connect(resolve(host, place[1])[0][-1])\n",
        ("tests/storage/test_posting.py",),
    ),
    Bug(
        "a short notation of an address is a name",
        "domain/hosts.py",
        "    if len(parts) > 4 or not all",
        "    if len(parts) < 4:\n        return None\n    if len(parts) > 4 or not all",
        ("tests/domain/test_hosts.py",),
    ),
    Bug(
        "a message is tried without end",
        "engine/delivering.py",
        "answer.refused or answer.gone or tries >= MOST_TRIES",
        "answer.refused or answer.gone",
        ("tests/engine/test_delivering.py",),
    ),
    Bug(
        "blobs written in place",
        "storage/blobs.py",
        "        with self._storing() as staged:\n            return staged.copy(source)\n",
        "        place = self._place(digest_bytes(data := source.read()))\n"
        "        place.parent.mkdir(parents=True, exist_ok=True)\n        place.write_bytes(data)\n"
        "        return digest_bytes(data), len(data)\n",
        ("tests/storage/test_blobs.py", "tests/faults/test_disks.py"),
    ),
    Bug(
        "reads are not verified",
        "storage/blobs.py",
        "                if found != digest:\n",
        "                if False:\n",
    ),
    Bug(
        "a verified blob is trusted for ever",
        "storage/blobs.py",
        "if self._verified.get(digest) != state:",
        "if digest not in self._verified:",
    ),
    Bug(
        "a failed step leaves a reusable row",
        "runtime/performer.py",
        "return change.attempt > 0 and change.status is StepStatus.COMPLETED",
        "return change.attempt > 0 and change.status.final",
    ),
    Bug(
        "allow_reuse ignored",
        "engine/orchestrator.py",
        "        if not work.step.options.allow_reuse:\n",
        "        if False:\n",
    ),
    Bug(
        "a forced step is answered by an old completion",
        "storage/reuse.py",
        "if step not in forced and key in completed}",
        "if key in completed}\n            landed |= {step: found[key] for found in [self.find(keys.values())] for step, key in keys.items() if key in found}",
    ),
    Bug("max_age ignored", "engine/reuse.py", "elif completion.created_at < oldest.get(step, 0.0):", "elif False:"),
    Bug(
        "a list's order does not count",
        "domain/values.py",
        'digest(["list", [item.digest for item in items]])',
        'digest(["list", sorted(item.digest for item in items)])',
    ),
    Bug(
        "1 and True encoded alike",
        "domain/digests.py",
        'parts.append(b"T" if value else b"F")',
        'parts.append(b"i1:1" if value else b"i1:0")',
    ),
    Bug(
        "1 and 1.0 encoded alike",
        "domain/digests.py",
        '        parts.append(b"f" + (_packed()(value) if value == value else _NAN))\n',
        '        parts.append(b"i%d:%x" % (len(b"%x" % int(value)), int(value)) if value == value and abs(value) < 1e9 and value == int(value) else b"f" + _NAN)\n',
    ),
    Bug(
        "order of a dict counts",
        "domain/digests.py",
        "in sorted((encode(k), v) for k, v in value.items()):",
        "in ((encode(k), v) for k, v in value.items()):",
        ("tests/domain/test_digests.py",),
    ),
    Bug("NFC not applied", "domain/snapshots.py", 'unicodedata.normalize("NFC", path)', "path"),
    Bug(
        "executable bit dropped from trees",
        "formats/paths.py",
        "return bool(state.st_mode & stat.S_IXUSR)",
        "return False",
    ),
    Bug(
        "suffix of files not in their identity",
        "domain/values.py",
        'return digest(["file", suffix, blob])',
        'return digest(["file", blob])',
    ),
    Bug(
        "files changed just now are trusted",
        "workspace/files.py",
        "SETTLED_NANOSECONDS = 50_000_000",
        "SETTLED_NANOSECONDS = -(10**18)",
        ("tests/workspace/test_inputs.py", "tests/workspace/test_snapshots.py"),
    ),
    Bug(
        "only size and time of files count",
        "workspace/files.py",
        "{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns} {state.st_ino} {state.st_dev} ",
        "{state.st_size} {state.st_mtime_ns} ",
        ("tests/workspace/test_inputs.py",),
    ),
    Bug(
        "a mapped element that is made again is counted twice",
        "engine/orchestrator.py",
        "if parent.open_children == 0 and parent.state is not State.DONE:",
        "if parent.open_children <= 1 and parent.state is not State.DONE:",
    ),
    Bug(
        "code that star imports bring is not counted",
        "engine/code/closure.py",
        "        for star in module.summary.stars:\n",
        "        for star in ():\n",
        ("tests/engine/test_code.py",),
    ),
    Bug(
        "base classes are not counted as code",
        "engine/code/scopes.py",
        "        for base in [*node.bases, *(keyword.value for keyword in node.keywords)]:\n",
        "        for base in ():\n",
        ("tests/engine/test_code.py",),
    ),
    Bug(
        "defaults are not counted as code",
        "engine/code/closure.py",
        "            for parameter in unbound & statement.defaults.keys():\n",
        "            for parameter in ():\n",
        ("tests/engine/test_code.py",),
    ),
    Bug(
        "results that may no longer be reused are carried over",
        "storage/sql/carrying.sql",
        "completions.key = step_runs.key and completions.reusable = 1\nwhere step_runs.run = ? and step_runs.status",
        "completions.key = step_runs.key\nwhere step_runs.run = ? and step_runs.status",
    ),
    Bug(
        "results of which blobs are gone are carried over",
        "runtime/carrying.py",
        "return {*spent, *incomplete(named, blobs)}",
        "return {*spent}",
    ),
    Bug(
        "steps are carried over whatever a parameter is",
        "runtime/carrying.py",
        "        _differing(run.arguments, earlier.arguments),\n",
        "        set(),\n",
    ),
    Bug(
        "steps are carried over whatever a file holds",
        "runtime/carrying.py",
        "        _differing(run.paths, earlier.paths),\n",
        "        set(),\n",
    ),
    Bug(
        "steps are carried over whatever code they run",
        "engine/carrying.py",
        "step.inputs == earlier.inputs and definition == earlier.definition.digest()",
        "step.inputs == earlier.inputs",
    ),
    Bug(
        "steps that allow no reuse are carried over", "engine/carrying.py", "        and step.options.allow_reuse\n", ""
    ),
    Bug("results of any age are carried over", "engine/carrying.py", "        and not step.options.max_age\n", ""),
    Bug(
        "undeclared files do not keep steps from being carried over",
        "engine/carrying.py",
        "        and definition not in observed\n",
        "",
        ("tests/e2e/test_undeclared.py",),
    ),
    Bug(
        "steps are carried over though what they take in is not",
        "engine/carrying.py",
        "            if not kept[binding.node]:\n",
        "            if False:\n",
    ),
    Bug(
        "steps are carried over though all are to be made again",
        "runtime/carrying.py",
        "    if options.regenerate or options.verify or options.check:\n        return NOTHING",
        "    if False:\n        return NOTHING",
    ),
    Bug(
        "a look-up does not see results of its own turn",
        "runtime/performer.py",
        "                if self._results:",
        "                if False:",
        ("tests/reuse/test_counterexamples.py",),
    ),
    Bug(
        "service: a call is recorded and its key remembered in two transactions",
        "rest/writing.py",
        "            with services.records.batch():\n                services.records.lock()\n                result",
        "            if True:\n                result",
        (DEATHS,),
    ),
    Bug(
        "service: a run is recorded and its instant fired in two transactions",
        "runtime/ticker.py",
        "            with self._ports.batch():\n                run = self._decide(tick)",
        "            if True:\n                run = self._decide(tick)",
        (DEATHS,),
    ),
    Bug(
        "service: a pipeline is published and becomes a version in two transactions",
        "cli/publish.py",
        "    with services.records.batch():  # where the endpoint refuses it, nothing is published\n",
        "    if True:\n",
        ("tests/e2e/test_serving_deaths.py::test_who_dies_while_he_publishes_has_published_all_or_nothing",),
    ),
    Bug(
        "service: a head is waited for without an end",
        "rest/connections.py",
        "self.loop.call_later(HEAD_SECONDS, self._give_up)",
        "None",
        (LINES,),
    ),
    Bug(
        "service: a body is waited for without an end",
        "rest/connections.py",
        "self.loop.call_later(BODY_SECONDS, self._give_up)",
        "None",
        (LINES,),
    ),
    Bug(
        "service: whoever does not read keeps the connection",
        "rest/connections.py",
        "            self.transport.abort()\n",
        "            self._watch()\n",
        (LINES,),
    ),
    Bug(
        "service: under TLS nothing goes on that was sent",
        "rest/connections.py",
        "set_write_buffer_limits(high=1)",
        "set_write_buffer_limits(high=0)",
        (LINES,),
    ),
    Bug(
        "service: a body with two lengths is read",
        "rest/guard.py",
        'elif b"content-length" in headers and b"transfer-encoding" in headers:',
        "elif False:",
        (LINES,),
    ),
    Bug(
        "service: pages of other sites may ask",
        "rest/guard.py",
        'elif scope["method"] not in _SAFE and self._is_from_elsewhere(headers):',
        "elif False:",
        ("tests/rest/test_requests.py",),
    ),
    Bug(
        "service: a clock that was set back is waited for",
        "storage/queueing.py",
        "    return abs(now - since) >= seconds\n",
        "    return now - since >= seconds\n",
        ("tests/contracts/test_records.py",),
    ),
    Bug(
        "queueing: limits hold nobody back",
        "engine/queueing.py",
        "        if full:\n",
        "        if full and False:\n",
        ("tests/engine/test_queueing.py",),
    ),
    Bug(
        "retries: a driver that takes a run up begins to count anew",
        "engine/resuming.py",
        "            work.failed = tuple(self._failed.get(work.name, ()))\n",
        "",
        ("tests/engine/test_taking_up.py",),
    ),
    Bug(
        "what a dead driver left goes on when its run is canceled",
        "storage/recovery.py",
        '        return bool(database.read("has_begun_steps", (row["id"],)))\n',
        "        return False\n",
        ("tests/contracts/test_records.py",),
    ),
    Bug(
        "a driver cancels what it knows of only",
        "runtime/turns.py",
        "if not self._left or not is_over",
        "if True or not is_over",
        ("tests/runtime/test_driver.py",),
    ),
    Bug(
        "a node begins what comes after its run was canceled",
        "compute/supervisor.py",
        "            self._canceled.update([run] if for_good else ())\n",
        "",
        ("tests/compute/test_orphans.py",),
    ),
    Bug(
        "bytecode that nobody checks is taken",
        "harness/bytecode.py",
        "return found if found.startswith(_CHECKED) else",
        "return found if found else",
        ("tests/e2e/test_outdated_modules.py",),
    ),
    Bug(
        "a lost run is not counted",
        "storage/recovery.py",
        '    database.write("count_ended_run", (row["id"],) * 2)\n',
        "",
        ("tests/contracts/test_vitals.py",),
    ),
    Bug(
        "any algorithm may sign",
        "workspace/sign_in.py",
        "if algorithm not in ALGORITHMS:",
        "if not algorithm:",
        ("tests/workspace/test_sign_in.py",),
    ),
    Bug(
        "a token for somebody else is taken",
        "workspace/sign_in.py",
        "audience=self._policy.audience,",
        "audience=jwt.decode(text, options={'verify_signature': False}).get('aud', ''),",
        ("tests/workspace/test_sign_in.py",),
    ),
    Bug(
        "a token is taken after its end",
        "workspace/sign_in.py",
        'if times["exp"] <= now - LEEWAY_SECONDS:',
        'if times["exp"] <= 0:',
        ("tests/workspace/test_sign_in.py",),
    ),
    Bug(
        "the log tells users in addresses",
        "engine/redaction.py",
        '        text = _USERINFO.sub(rf"\\1{MASK}@", text)\n',
        "",
        ("tests/engine/test_redaction.py",),
    ),
    Bug(
        "a run forgets the trace of its call",
        "rest/calls.py",
        "**({TRACEPARENT: trace} if trace else {})",
        "**{}",
        ("tests/rest/test_request_traces.py",),
    ),
    Bug(
        "readers see which secrets there are",
        "rest/secrets.py",
        "async def list_secrets(asked: Administering)",
        "async def list_secrets(asked: Annotated[Asked, Depends(Needs(Permission.VIEW, READ))])",
        ("tests/rest/test_permissions.py::test_what_takes_more_than_looking_is_written_down",),
    ),
    Bug(
        "a browser shows what a step has written",
        "rest/answers.py",
        "attachment; filename=",
        "inline; filename=",
        ("tests/rest/test_nouns.py",),
    ),
    Bug(
        "a change is not in the audit log",
        "rest/changes.py",
        "            services.audit.note(action, name, by=asked.origin(principal))\n",
        "",
        ("tests/rest/test_nouns.py",),
    ),
    Bug(
        "a dataset is made of any file of the server",
        "rest/datasets.py",
        "if not source.store]",
        "if source.store is None]",
        ("tests/rest/test_nouns.py",),
    ),
    Bug(
        "bytes from a server are not verified",
        "client/blobs.py",
        "            if found != digest:\n",
        "            if not found:\n",
        ("tests/e2e/test_connected.py::test_bytes_that_are_not_what_was_asked_for_are_refused",),
    ),
)


def main(words):
    chosen = [bug for bug in BUGS if (not words or any(word in bug.name for word in words))]
    survived = []
    if false := first_failure(tuple(dict.fromkeys(test for bug in chosen for test in bug.tests))):
        sys.exit(f"these tests say nothing: {false} fails without any bug")
    for bug in chosen:
        began = time.monotonic()
        killer = first_failure(bug.tests, bug)
        if not killer:
            survived.append(bug.name)
        print(f"{bug.name:58} {killer or 'SURVIVED':70} {time.monotonic() - began:5.0f} s", flush=True)
    print(
        f"{len(chosen) - len(survived)} of {len(chosen)} killed" + "".join(f"\nsurvived: {name}" for name in survived)
    )
    return 1 if survived else 0


def first_failure(tests, bug=None):
    """The first test that fails where this bug is, or where none is; empty when all pass."""
    name, examples = (bug.name, EXAMPLES) if bug else ("no bug", EXAMPLES_WITHOUT)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "project")
        shutil.copytree(ROOT / "pipelinekit", copy / "pipelinekit", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "tests", copy / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        if bug:
            seed(bug, copy / "pipelinekit" / bug.file)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-m",
            "not slow",
            "--timeout=1800",
            "-p",
            "no:cacheprovider",
            "--tb=no",
            *tests,
        ]
        environment = {
            **os.environ,
            "PYTHONPATH": str(copy),
            "PYTHONDONTWRITEBYTECODE": "1",
            "REUSE_HASTE": str(examples),
        }
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        if done.returncode not in (0, 1):
            sys.exit(f"the tests for {name!r} could not be run:\n{done.stdout}\n{done.stderr}")
        failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
        if done.returncode and not failed:
            sys.exit(f"the tests for {name!r} failed without a name:\n{done.stdout}\n{done.stderr}")
        return failed[0].removeprefix("tests/") if failed else ""


def seed(bug, path):
    text = path.read_text(encoding="utf-8")
    if text.count(bug.old) != 1:
        sys.exit(f"{bug.name}: {bug.file} holds the text {text.count(bug.old)} times, not once:\n{bug.old}")
    path.write_text(text.replace(bug.old, bug.new), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
