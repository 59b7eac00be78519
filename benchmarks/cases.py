"""What is measured: cases, the sides of each, and the phases that each side goes through in a folder of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.environments import FOLDER, OWN, python_of

WORKLOADS = Path(__file__).resolve().parent / "workloads"
CHANGE = 7  # what the input of one leaf becomes in the phase `change`
HOUR = 3600.0
GIGABYTE = 10**9


def _nothing(folder: Path, phase: str) -> None:
    """No preparation."""


@dataclass(frozen=True, slots=True)
class Side:
    """One tool, or one way to use it, in one case.

    `command` gives the process that is measured in a phase; `prepare` comes before it and is not. `marks` says how many
    steps each phase must execute; None where the tool decides that by rules of its own.
    """

    name: str
    environment: str
    command: Callable[[Path, str], Sequence[str]]
    prepare: Callable[[Path, str], None] = _nothing
    variables: Mapping[str, str] = field(default_factory=dict)
    marks: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """Something that every side does. `rounds` is how often, where the command line does not say it.

    So many bytes of `memory` are used just before each process that is measured: a virtual machine is lent memory as it
    uses it and takes it back when that is idle, which would cost whoever comes first more than all that is measured.
    """

    name: str
    phases: tuple[str, ...]
    sides: tuple[Side, ...]
    rounds: int = 5
    memory: int = 0


# -- our side ----------------------------------------------------------------------------------------------------------


def pipelinekit(*arguments: str) -> list[str]:
    """Our command line."""
    return [str(FOLDER / OWN / "bin" / "pipelinekit"), *arguments]


def copy_project(*names: str) -> Callable[[Path, str], None]:
    """Put files of `workloads` into the side's folder: they are the source folder of its pipeline."""

    def prepare(folder: Path, _: str) -> None:
        for name in names:
            if not (folder / name).exists():
                shutil.copyfile(WORKLOADS / name, folder / name)

    return prepare


def ours(workload: str, count: int, *options: str, name: str = OWN, change: int = CHANGE) -> Side:
    """A pipeline of ours, run by its command."""

    def command(_: Path, phase: str) -> list[str]:
        extra = change if phase == "change" else 0
        parameters = ["-p", f"count={count}", "-p", f"change={extra}"]
        return pipelinekit("run", f"{workload}.py", *parameters, *options)

    steps = {
        "chain": {"cold": count, "warm": 0},
        "fan": {"cold": count + 2, "warm": 0, "change": 2},
        "mapped": {"cold": count, "warm": 0, "change": 1},
    }
    return Side(name, OWN, command, copy_project(f"{workload}.py", "bodies.py"), {}, steps.get(workload))


def in_process(workload: str, count: int) -> Side:
    """The same, with every step in the driver's own process."""
    return ours(workload, count, "--in-process", name="pipelinekit --in-process")


# -- other sides -------------------------------------------------------------------------------------------------------


def script(tool: str, workload: str, count: int, *options: str, environment: str = "", name: str = "") -> Side:
    """A tool by its script among the workloads."""

    def command(folder: Path, phase: str) -> list[str]:
        change = CHANGE if phase == "change" else 0
        file = str(WORKLOADS / f"by_{tool}.py")
        return [str(python_of(environment or tool)), *options, file, workload, str(count), str(change), str(folder)]

    return Side(name or tool, environment or tool, command, _nothing, _VARIABLES.get(tool, {}))


_VARIABLES: Mapping[str, Mapping[str, str]] = {
    "prefect": {
        "PREFECT_HOME": "{folder}/prefect",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "DO_NOT_TRACK": "1",
    },
    "dagster": {"DAGSTER_HOME": "{folder}/dagster", "DAGSTER_DISABLE_TELEMETRY": "1"},
}


def by_hand(workload: str, count: int) -> Side:
    """The floor: no tool at all, and no site packages to look through."""
    return script("hand", workload, count, "-S", "-E", environment="joblib", name="by hand")


def dagster(workload: str, count: int) -> Side:
    """Dagster, whose home folder must be there."""
    side = script("dagster", workload, count)

    def prepare(folder: Path, _: str) -> None:
        (folder / "dagster").mkdir(exist_ok=True)
        (folder / "dagster" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")

    return Side(side.name, side.environment, side.command, prepare, side.variables)


def ninja(workload: str, count: int) -> Side:
    """Ninja, the anchor: a shell command for each step, told by file times."""
    from benchmarks.makefiles import write_ninja  # noqa: PLC0415 - a leaf of its own

    def command(_: Path, __: str) -> list[str]:
        return [str(FOLDER / "ninja" / "bin" / "ninja"), "-j2", "--quiet"]

    return Side("ninja", "ninja", command, lambda folder, phase: write_ninja(folder, workload, count, phase))


def snakemake(workload: str, count: int) -> Side:
    """Snakemake with a shell command for each step, which is cheaper for it than Python code."""
    from benchmarks.makefiles import write_snakefile  # noqa: PLC0415 - a leaf of its own

    def command(_: Path, __: str) -> list[str]:
        return [str(FOLDER / "snakemake" / "bin" / "snakemake"), "--cores", "2", "-q", "all"]

    return Side(
        "snakemake", "snakemake", command, lambda folder, phase: write_snakefile(folder, workload, count, phase)
    )


# -- start-up ----------------------------------------------------------------------------------------------------------


def python(environment: str, code: str, name: str) -> Side:
    """A line of Python."""
    return Side(name, environment, lambda _, __: [str(python_of(environment)), "-c", code])


def program(environment: str, *arguments: str, name: str) -> Side:
    """A program of an environment."""
    return Side(name, environment, lambda _, __: [str(FOLDER / environment / "bin" / arguments[0]), *arguments[1:]])


STARTUP = (
    python(OWN, "pass", "python"),
    python(OWN, "import pipelinekit", "import pipelinekit"),
    program(OWN, "pipelinekit", "--help", name="pipelinekit --help"),
    program("doit", "doit", "help", name="doit help"),
    python("joblib", "import joblib", "import joblib"),
    python("redun", "import redun", "import redun"),
    python("dagster", "import dagster", "import dagster"),
    python("prefect", "from prefect import flow, task", "import prefect"),
)

# -- data --------------------------------------------------------------------------------------------------------------


def data(kind: str) -> Side:
    """A pipeline of ours that hands something large from one step to the next."""

    def command(_: Path, phase: str) -> list[str]:
        return pipelinekit("run", "data.py:" + kind, *(["-p", f"change={CHANGE}"] if phase == "change" else []))

    return Side(OWN, OWN, command, copy_project("data.py", "bodies.py"))


def raw(kind: str) -> Side:
    """The same bytes written, hashed and read by hand in one process."""
    file = str(WORKLOADS / "raw.py")
    return Side("by hand", OWN, lambda folder, _: [str(python_of(OWN)), file, kind, str(folder)])


def empty() -> Side:
    """A run of ours in which there is next to nothing to do."""
    return Side(
        "empty run",
        OWN,
        lambda _, __: pipelinekit("run", "data.py:empty"),
        copy_project("data.py", "bodies.py"),
    )


# -- large graphs ------------------------------------------------------------------------------------------------------


def own_script(name: str, *arguments: str, environment: str = OWN) -> Side:
    """A script of ours that measures inside one process, and prints what it found as JSON."""
    file = str(WORKLOADS / f"{name}.py")
    return Side(OWN, environment, lambda folder, _: [str(python_of(environment)), file, *arguments, str(folder)])


ALL = ("cold", "warm", "change")

CASES: tuple[Case, ...] = (
    Case("start", ("run",), STARTUP, rounds=7),
    Case(
        "chain of 50",
        ("cold", "warm"),
        (
            ours("chain", 50),
            in_process("chain", 50),
            script("joblib", "chain", 50),
            script("doit", "chain", 50),
            script("dask", "chain", 50),
            script("hamilton", "chain", 50),
            ninja("chain", 50),
            by_hand("chain", 50),
        ),
    ),
    Case("fan of 1", ("cold", "warm"), (ours("fan", 1), in_process("fan", 1))),
    Case(
        "fan of 20",
        ALL,
        (ours("fan", 20), script("redun", "fan", 20), script("prefect", "fan", 20), dagster("fan", 20)),
        rounds=3,
    ),
    Case(
        "fan of 200",
        ALL,
        (
            ours("fan", 200),
            in_process("fan", 200),
            script("joblib", "fan", 200),
            script("doit", "fan", 200),
            script("dask", "fan", 200),
            script("hamilton", "fan", 200),
            ninja("fan", 200),
            by_hand("fan", 200),
        ),
    ),
    Case(
        "fan of 200, recorded",
        ALL,
        (
            ours("fan", 200),
            script("redun", "fan", 200),
            script("prefect", "fan", 200),
            dagster("fan", 200),
            snakemake("fan", 200),
        ),
        rounds=2,
    ),
    Case("fan of 1,000, recorded", ALL, (ours("fan", 1000), script("prefect", "fan", 1000)), rounds=2),
    Case(
        "fan of 2,000",
        ALL,
        (
            ours("fan", 2000),
            in_process("fan", 2000),
            script("joblib", "fan", 2000),
            script("doit", "fan", 2000),
            script("dask", "fan", 2000),
            script("hamilton", "fan", 2000),
            ninja("fan", 2000),
            by_hand("fan", 2000),
        ),
    ),
    Case("fan of 20,000", ALL, (ours("fan", 20_000),), rounds=3),
    Case("graph of 10,000", ("cold", "warm"), (in_process("fan", 10_000),), rounds=3),
    Case("graph of 100,000", ("cold", "warm"), (in_process("fan", 100_000),), rounds=2),
    Case("chain of 10,000", ("cold", "warm"), (in_process("chain", 10_000),), rounds=3),
    Case("decisions", ("run",), (own_script("decisions", "100000"),), rounds=3),
    Case("mapped over 10,000", ALL, (ours("mapped", 10_000), ours("mapped", 1, name="mapped over 1")), rounds=3),
    Case("table of 500 MB", ("cold", "warm"), (data("table"), raw("table"), empty()), memory=4 * GIGABYTE),
    Case("array of 2 GB", ("cold", "warm"), (data("array"), raw("array"), empty()), rounds=3, memory=6 * GIGABYTE),
    Case("folder of 1,000 MB", ALL, (data("folder"), raw("folder"), empty()), rounds=3, memory=4 * GIGABYTE),
)


def environment_of(side: Side, folder: Path) -> dict[str, str]:
    """The environment variables of a measured process."""
    own = {name: text.format(folder=folder) for name, text in side.variables.items()}
    binaries = FOLDER / side.environment / "bin"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIPELINEKIT_"))}
    return {
        **inherited,
        "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(WORKLOADS) if side.environment != OWN else "",
        "PYTHONHASHSEED": "0",
        "BENCH_MARKS": str(folder / ".marks"),
        "HOME": str(folder),
        **own,
    }
