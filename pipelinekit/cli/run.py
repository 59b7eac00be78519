"""`pipelinekit run`: compile, submit and drive a run in this process, with live progress."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from types import FrameType

from pipelinekit import bundled
from pipelinekit.bootstrap import Services, Workspace, open_services
from pipelinekit.cli.parameters import add_parameter_arguments, add_queue_arguments, keep_target, queue_seconds
from pipelinekit.cli.progress import Progress, Quiet
from pipelinekit.cli.targets import Target, load_target, show_warnings
from pipelinekit.domain.names import IN_PROCESS
from pipelinekit.domain.runs import DIFFERENT, RunOptions, RunRecord, RunStatus
from pipelinekit.domain.steps import parse_duration
from pipelinekit.errors import UsageError
from pipelinekit.late import late
from pipelinekit.runtime.driver import Begun, Driver, MustWaitError, SomethingNewError
from pipelinekit.typed import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    import signal

    from pipelinekit import bundling
    from pipelinekit.cli import output, queueing, sending
    from pipelinekit.domain import run_queries
    from pipelinekit.runtime.turns import Turns
else:
    signal = late("signal")
    bundling = late("pipelinekit.bundling")
    output = late("pipelinekit.cli.output")
    queueing = late("pipelinekit.cli.queueing")
    sending = late("pipelinekit.cli.sending")  # to a server
    run_queries = late("pipelinekit.domain.run_queries")

rewrite = keep_target
CODES = {RunStatus.COMPLETED: 0, RunStatus.CANCELED: 130}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `run`."""
    add_parameter_arguments(parser)
    parser.add_argument("--experiment", default="", help="the experiment that the run belongs to")
    parser.add_argument("--name", default="", help="what the run is shown as")
    parser.add_argument("--tag", action="append", metavar="KEY[=VALUE]", help="a tag of the run; again for more")
    parser.add_argument(
        "--max-duration", metavar="TIME", help="cancel the run when it has taken so long: seconds, or '90s', '2h', '1d'"
    )
    add_queue_arguments(parser)
    parser.add_argument(
        "--compute", help="where steps run: local, in-process, a target's name, or tcp://HOST:PORT or tls://HOST:PORT"
    )
    parser.add_argument("--in-process", action="store_true", help="run steps in this process, where breakpoints work")
    parser.add_argument(
        "--regenerate",
        nargs="?",
        const="*",
        action="append",
        metavar="STEP",
        help="execute whatever was kept: every step, or those whose names match a pattern",
    )
    parser.add_argument(
        "--verify", type=float, metavar="SHARE", help="execute this share of reused steps again, and compare (0 to 1)"
    )
    parser.add_argument(
        "--detach", action="store_true", help="leave the run to a process of its own, and say its id at once"
    )
    parser.add_argument("--check", action="store_true", help="execute every step twice, and compare the outputs")
    parser.add_argument(
        "--continue-on-step-failure", action="store_true", help="after a failure skip only what depends on it"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Run the pipeline; 0 only if it completed."""
    if os.environ.get("PIPELINEKIT_SERVER"):
        return sending.run(arguments)
    compute = IN_PROCESS if arguments.in_process else arguments.compute
    services = open_services(flags={"compute": compute, "verify": arguments.verify})
    target = load_target(arguments.target, arguments.parameter, services)
    services.check_computes([services.settings.compute, *(step.options.compute for step in target.graph.steps)])
    show_warnings(target.warnings)
    workspace = Workspace.on(services)
    services.recover()
    options = RunOptions(
        tuple(arguments.regenerate or ()),
        arguments.continue_on_step_failure,
        services.settings.compute,
        services.settings.verify,
        arguments.check,
        target.max_seconds if arguments.max_duration is None else parse_duration(arguments.max_duration),
        arguments.priority or 0,
        queue_seconds(arguments) or 0.0,
    )
    tags = {key: value or "" for key, value in map(run_queries.parse_tag, arguments.tag)} if arguments.tag else {}
    experiment = arguments.experiment or services.settings.experiment
    if arguments.detach:
        run = services.runs.handle(_detach(target, workspace, experiment, options))
        run.mark(tags, arguments.name)
        services.launch(run.id)
        output.print_json(run.document()) if arguments.json else print(run.id)
        return 0

    def record(*, keep: bool = True) -> str:
        made = target.record(workspace, experiment, options, keep=keep)
        services.runs.handle(made).mark(tags, arguments.name)
        return made.id

    def begin_as(driver: Driver, *, is_same: bool) -> Begun:
        with services.records.batch():  # a run that is recorded is driven
            return driver.begin(record(keep=not is_same), target.graph, is_same=is_same)

    def begin(driver: Driver) -> Begun:
        if services.settings.blobs and target.compilation is not None:
            with suppress(SomethingNewError):  # else an object store need not be connected to, which takes a second
                return begin_as(driver, is_same=True)
        return begin_as(driver, is_same=False)

    return drive(services, begin, record, as_json=arguments.json)


def _detach(target: Target, workspace: Workspace, experiment: str, options: RunOptions) -> RunRecord:
    """Record a run that goes on without this process."""
    if options.compute == IN_PROCESS:
        raise UsageError("a run in this process ends with it", hint="leave out --detach, or name another target")
    return target.record(workspace, experiment, options, detached=True)


def drive(
    services: Services,
    begin: Callable[[Driver], Begun],
    record: Callable[[], str],
    *,
    as_json: bool,
    quiet: bool = False,
) -> int:
    """Drive the run that `begin` has a driver begin, in this process, and show how it goes; its exit code.

    Where it must wait for its turn, `record` gives the run that waits. With `quiet` its document is not printed either.
    """

    def left(run: str) -> str:
        return str(services.runs.get(run).estimate or "")

    observer = Quiet() if as_json else Progress(services.settings.progress, left)
    aside = redirect_stdout(sys.stderr) if as_json else nullcontext()  # the document stands alone on standard output
    with aside:
        driver = services.driver(observer)
        begun: Begun | None
        try:
            begun = begin(driver)
            run = begun.run.id
        except MustWaitError:
            with services.records.batch():
                driver.hold(run := record())
            begun = queueing.begin_in_turn(driver, run, services)
        turns = driver.turns(begun) if begun else None
        status = _drive(turns, begun.run) if begun and turns else RunStatus.COMPLETED
    observer.close()
    handle = services.runs.get(run)
    if begun is None:
        status = handle.record.status
    if as_json:
        document = handle.document()
        if not quiet:
            output.print_json(document)
        verified = [step.get("verified") for step in document["steps"]]
    else:
        assert isinstance(observer, Progress)
        print("\n".join(observer.summary(handle.record)))
        verified = [step.verified for step in observer.steps]
    services.trace_run(run)
    if begun and turns is None and bundled.lacks_any():
        bundling.keep()
    options = handle.record.options
    if DIFFERENT in verified and (options.check or options.verify == 1.0):
        return 1
    return CODES.get(status, 1)


def _drive(turns: Turns, run: RunRecord) -> RunStatus:
    with _interruptible(turns, run):
        return turns.drive()


@contextmanager
def _interruptible(turns: Turns, run: RunRecord) -> Iterator[None]:
    """The first ctrl-C cancels the run and lets steps end; the second ends everything at once.

    A detached run does not end with its driver: one that is terminated hands it back.
    """
    pressed = 0

    def interrupt(number: int, _frame: FrameType | None) -> None:
        nonlocal pressed
        pressed += 1
        if run.detached and number == signal.SIGTERM:
            turns.hand_back()
            return
        if pressed == 1:
            print("canceling; press ctrl-C again to stop at once", file=sys.stderr)
            turns.cancel()
            if run.options.compute == IN_PROCESS:
                raise KeyboardInterrupt
            return
        if pressed == 2:
            turns.abort()
        os._exit(130)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
