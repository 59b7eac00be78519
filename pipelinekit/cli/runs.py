"""`pipelinekit runs`: list, show, logs, outputs, cancel, resume, verify, pin, unpin."""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipelinekit.bootstrap import Services
from pipelinekit.cli import reproducing, run_facts, run_logs, run_showing, times
from pipelinekit.cli.output import print_error, print_json, table, time_text
from pipelinekit.cli.run import drive
from pipelinekit.cli.servers import is_at_server, open_services, refuse_at_server
from pipelinekit.domain.run_queries import RunQuery, parse_condition, parse_sort, parse_tag
from pipelinekit.domain.runs import KINDS, MAY_WAIT, RunStatus
from pipelinekit.domain.servers import UNREACHABLE
from pipelinekit.domain.texts import size_text
from pipelinekit.errors import StorageError, UsageError
from pipelinekit.runtime.driver import Begun, Driver, MustWaitError
from pipelinekit.serving import WAITS
from pipelinekit.wire.runs import run_document
from pipelinekit.workspace.bundles import EXPORTED
from pipelinekit.workspace.outputs import below
from pipelinekit.workspace.repeating import verifying


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of `runs`."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = _verb(verbs, "list", "runs, newest first")
    listing.add_argument("--experiment", default="", help="only runs of this experiment")
    listing.add_argument("--status", choices=[str(status) for status in RunStatus], help="only runs that stand so")
    listing.add_argument("--pipeline", default="", help="only runs of this pipeline")
    listing.add_argument("--kind", default="", choices=KINDS, help="only runs of this kind")
    listing.add_argument("--limit", type=int, default=20, help="at most so many (20)")
    listing.add_argument("--after", default="", metavar="RUN", help="go on with a list behind this run")
    listing.add_argument(
        "--tag", action="append", metavar="KEY[=VALUE]", help="only runs with this tag; again for more"
    )
    listing.add_argument(
        "--property", action="append", metavar="KEY[=VALUE]", help="only runs with this property; again for more"
    )
    listing.add_argument("--since", type=times.parse_when, metavar="WHEN", help="made since then: 7d, 12w, 2026-01-31")
    listing.add_argument("--until", type=times.parse_when, metavar="WHEN", help="made before then")
    listing.add_argument(
        "--where", action="append", metavar="CONDITION", help="such as 'metric.loss<0.3' or 'param.model=tree'"
    )
    listing.add_argument("--sort", default="", metavar="WHAT", help="metric.NAME or param.NAME instead of time")
    listing.add_argument("--ascending", action="store_true", help="the oldest or smallest first")
    listing.add_argument("--children", action="store_true", help="child runs too")
    show = _verb(verbs, "show", "a run and its steps")
    _run_argument(show)
    show.add_argument("--diff", action="store_true", help="only how its source folder differed from its commit")
    show.add_argument(
        "--timeline",
        nargs="?",
        const="",
        metavar="PATH",
        help="when its steps waited and ran, and which its end waited for; with a PATH as a picture: .svg or .html",
    )
    logs = _verb(verbs, "logs", "what steps wrote")
    _run_argument(logs)
    logs.add_argument("step", nargs="?", metavar="STEP", help="one step; all of them by default")
    logs.add_argument("--follow", action="store_true", help="go on until the run has ended")
    wait = _verb(verbs, "wait", "wait until a run has ended; 0 only if it completed")
    _run_argument(wait)
    wait.add_argument("--show-output", action="store_true", help="write logs as they appear")
    wait.add_argument("--timeout", type=float, metavar="SECONDS", help="wait no longer")
    outputs = _verb(verbs, "outputs", "what a run returned")
    _run_argument(outputs)
    outputs.add_argument("--step", help="the outputs of one step instead")
    outputs.add_argument("--save", metavar="FOLDER", help="write file and folder outputs there")
    _run_argument(_verb(verbs, "cancel", "ask a run to end"))
    _add_fact_verbs(verbs)
    _run_argument(
        _verb(verbs, "resume", "run the same graph with the same parameters again; what was finished is reused")
    )
    _run_argument(_verb(verbs, "verify", "run the same graph again, executing every reused step, and compare outputs"))
    reproduce = _verb(
        verbs, "reproduce", "do a run again in an empty workspace, and compare every output with what it was"
    )
    reproduce.add_argument("run", nargs="?", default="latest", metavar="RUN|FILE", help="a run, or a file of 'export'")
    reproduce.add_argument("--into", metavar="FOLDER", help="keep the new workspace there")
    export = _verb(verbs, "export", "write a run to one file, from which it can be done again elsewhere")
    _run_argument(export)
    export.add_argument("-o", "--output", metavar="FILE", help="where to (run-ID.zip)")
    export.add_argument("--with-outputs", action="store_true", help="what the steps gave as well, to be looked into")
    _run_argument(_verb(verbs, "pin", "keep a run and all that it names, whatever clean-up is told"))
    _run_argument(_verb(verbs, "unpin", "let clean-up treat a run like any other again"))
    _run_argument(_verb(verbs, "drive", "drive a recorded run in this process"))


def _add_fact_verbs(verbs: Any) -> None:
    """Verbs about what runs said; `cli.run_facts` does them."""
    metrics = _verb(verbs, "metrics", "metrics of a run and its steps")
    _run_argument(metrics)
    metrics.add_argument("--name", help="every point of this metric")
    metrics.add_argument("--step", help="only of this step")
    metrics.add_argument("--plot", metavar="FILE", help="draw the series there: FILE.html, or .png")
    compare = _verb(verbs, "compare", "runs side by side: parameters, metrics, inputs, code, software, outputs")
    compare.add_argument("runs", nargs="+", metavar="RUN", help="two or more")
    compare.add_argument("--all", action="store_true", help="also what is equal")
    compare.add_argument("--plot", metavar="FILE", help="draw all series there: FILE.html, or .png")
    tag = _verb(verbs, "tag", "set or remove tags of a run, or show them")
    _run_argument(tag)
    tag.add_argument("--set", dest="tags", action="append", metavar="KEY[=VALUE]", help="set a tag; again for more")
    tag.add_argument("--remove", action="append", metavar="KEY", help="remove a tag; again for more")
    tag.add_argument("--step", help="of this step of the run")
    describe = _verb(verbs, "describe", "give a run a name for people, and a description")
    _run_argument(describe)
    describe.add_argument("--name", help="what it is shown as")
    describe.add_argument("--description", help="what it was for")
    children = _verb(verbs, "children", "child runs of a run, and those below them")
    _run_argument(children)
    children.add_argument("--direct", action="store_true", help="only those of the run itself")
    children.add_argument("--status", choices=[str(status) for status in RunStatus], help="only those that stand so")
    children.add_argument("--tag", action="append", metavar="KEY[=VALUE]", help="only with this tag; again for more")
    files = _verb(verbs, "files", "files that were kept with a run or its steps")
    _run_argument(files)
    files.add_argument("--step", help="only of this step")
    files.add_argument("--prefix", default="", metavar="TEXT", help="only those whose names begin so")
    files.add_argument("--save", metavar="FOLDER", help="write them there")
    upload = _verb(verbs, "upload", "keep a file or folder with a run")
    upload.add_argument("run", metavar="RUN", help="a run's id or its beginning; 'latest' for the newest")
    upload.add_argument("path", metavar="PATH", help="the file or folder")
    upload.add_argument("--name", default="", help="the name that it is kept under, if not its own")


def _verb(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    return parser


def _run_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", nargs="?", default="latest", metavar="RUN", help="a run's id or its beginning; the newest by default"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Do what the verb says."""
    if arguments.verb in ("reproduce", "drive"):
        refuse_at_server(f"runs {arguments.verb}")
    if arguments.verb == "reproduce" and arguments.run.endswith(EXPORTED):
        return reproducing.reproduce(arguments, None)
    services = open_services(create=False)
    if arguments.verb != "drive":
        services.recover()
    action = {
        "list": _list,
        "show": run_showing.show,
        "logs": run_logs.logs,
        "wait": run_logs.wait,
        "outputs": _outputs,
        "cancel": _cancel,
        "resume": _resume,
        "verify": _verify,
        "pin": _pin,
        "unpin": _pin,
        "drive": _drive,
        "export": reproducing.export,
        "reproduce": reproducing.reproduce,
        "metrics": run_facts.metrics,
        "compare": run_facts.compare,
        "tag": run_facts.tag,
        "describe": run_facts.describe,
        "children": run_facts.children,
        "files": run_facts.files,
        "upload": run_facts.upload,
    }[arguments.verb]
    return action(arguments, services)


def _list(arguments: argparse.Namespace, services: Services) -> int:
    query = RunQuery(
        experiment=arguments.experiment,
        statuses=(RunStatus(arguments.status),) if arguments.status else (),
        pipeline=arguments.pipeline,
        kind=arguments.kind,
        tags=dict(map(parse_tag, arguments.tag or ())),
        properties=dict(map(parse_tag, arguments.property or ())),
        since=arguments.since,
        until=arguments.until,
        conditions=tuple(map(parse_condition, arguments.where or ())),
        sort=parse_sort(arguments.sort),
        ascending=arguments.ascending,
        children=arguments.children,
        after=services.records.runs.get(arguments.after).id if arguments.after else "",
        limit=arguments.limit,
    )
    runs = [run.seen for run in services.runs.find(query)]
    waits = services.runs.waits() if any(run.status in MAY_WAIT for run in runs) else {}
    if arguments.json:
        more = {run.id: {"waits": waits[run.id]} for run in runs if run.id in waits}
        print_json({"runs": [{**run_document(run), **more.get(run.id, {})} for run in runs]})
        return 0
    asked = run_facts.asked_values(query, runs, services)
    is_urgent = any(run.options.priority for run in runs)
    rows = [
        (
            run.id,
            run.experiment,
            str(run.number or ""),
            str(run.status),
            time_text(run.created_at),
            run_showing.took(run),
            *([str(run.options.priority or "")] if is_urgent else []),
            *(values[place] for values in asked.values()),
            run.display_name,
        )
        for place, run in enumerate(runs)
    ]
    urgent = ["priority"] if is_urgent else []
    header = ("run", "experiment", "no", "status", "created", "took", *urgent, *asked, "name")
    print(table(rows, header) if rows else "no runs")
    print("".join(f"run {run.id} waits: {waits[run.id]}\n" for run in runs if run.id in waits), end="")
    return 0


def _outputs(arguments: argparse.Namespace, services: Services) -> int:
    run = services.runs.get(arguments.run)
    outputs = run.step(arguments.step).outputs if arguments.step else run.outputs
    if arguments.save:
        folder = Path(arguments.save)
        saved = {
            name: str(output.save(below(folder, name + output.suffix)))
            for name, output in outputs.items()
            if output.format in ("file", "folder")
        }
        if not saved:
            raise UsageError(f"run {run.id} has no file or folder among its outputs")
        print_json(saved) if arguments.json else print("\n".join(saved.values()))
        return 0
    if arguments.json:
        print_json({name: output.document() for name, output in outputs.items()})
        return 0
    rows = [
        (name, output.format, size_text(output.size) if output.size else "", output.text())
        for name, output in outputs.items()
    ]
    print(table(rows, ("output", "format", "size", "value")) if rows else f"run {run.id} ({run.status}) has no outputs")
    return 0


def _cancel(arguments: argparse.Namespace, services: Services) -> int:
    run = services.runs.cancel(arguments.run)
    services.recover()  # where nobody drives it, a driver ends what is at work
    if arguments.json:
        print_json(run_document(run))
    else:
        print(f"run {run.id} {run.status}")
    return 0


def _pin(arguments: argparse.Namespace, services: Services) -> int:
    run = services.records.runs.get(arguments.run).id
    services.upkeep.upkeep.pin(run, pinned=arguments.verb == "pin")
    if arguments.json:
        print_json(run_document(services.records.runs.get(run)))
    else:
        print(f"run {run} is {'pinned: clean-up keeps it' if arguments.verb == 'pin' else 'not pinned any more'}")
    return 0


def _resume(arguments: argparse.Namespace, services: Services) -> int:
    """An ordinary run of the same graph: the keys decide what has to be done."""
    return _again(arguments, services, verify=False)


def _verify(arguments: argparse.Namespace, services: Services) -> int:
    """A run of the same graph that executes every hit and compares; 1 when an output differs."""
    return _again(arguments, services, verify=True)


def _again(arguments: argparse.Namespace, services: Services, *, verify: bool) -> int:
    if is_at_server():
        return run_logs.ended(arguments, services.runs.get(services.repeat(arguments.run, verify=verify).id))
    old = services.records.runs.get(arguments.run)
    repetition = services.repetition(old)
    options = verifying(old.options) if verify else old.options

    def record() -> str:
        return repetition.record(options, services.records.batch).id

    def begin(driver: Driver) -> Begun:
        with services.records.batch():  # a run that is recorded is driven
            return driver.begin(record(), repetition.graph)

    return drive(services, begin, record, as_json=arguments.json)


def _drive(arguments: argparse.Namespace, services: Services) -> int:
    """Drive a run that is queued; a server says which one to a process that it has started ahead of need."""
    if is_told := arguments.run == WAITS:
        services.warm_up()
        arguments.run = sys.stdin.readline().strip()
        if not arguments.run:
            return 0
    try:
        run = services.records.runs.get(arguments.run).id

        def begin(driver: Driver) -> Begun:
            try:
                return driver.begin(run)
            except MustWaitError:
                if is_told:  # whoever told it has others that may go
                    driver.leave(run)
                    raise StorageError(f"it is not the turn of run {run} any more") from None
                raise

        code = drive(services, begin, lambda: run, as_json=arguments.json)
    except StorageError as error:
        print_error(error, as_json=arguments.json)
        return UNREACHABLE
    with suppress(StorageError):
        services.recover()  # where no server is, runs that were left over are driven a few at a time
    return code
