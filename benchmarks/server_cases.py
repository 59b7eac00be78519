"""Cases and figures of a server under load: calls a second, a burst, schedules that are due at once, who look on."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.cases import WORKLOADS, Case, Side
from benchmarks.environments import DAGSTER_SERVER, OWN, SERVER, python_of
from benchmarks.figures import Figure, Round

LOAD = "a server under load"
DEATH = "a thousand open runs, and all processes killed"
ON_POSTGRES, ROUTE, PREFECT = "pipelinekit on PostgreSQL", "a bare route", "prefect"


def _side(name: str, script: str, environment: str, *arguments: str) -> Side:
    file = str(WORKLOADS / f"{script}.py")
    return Side(name, environment, lambda folder, _: [str(python_of(environment)), file, str(folder), *arguments])


SERVER_CASES: tuple[Case, ...] = (
    Case(
        LOAD,
        ("run",),
        (
            _side(OWN, "busy_server", SERVER, "sqlite"),
            _side(ON_POSTGRES, "busy_server", SERVER, "postgres"),
            _side(ROUTE, "busy_route", SERVER),
            _side(PREFECT, "busy_prefect", PREFECT),
            _side(DAGSTER_SERVER, "busy_dagster", DAGSTER_SERVER),
        ),
        rounds=3,
    ),
    Case(
        DEATH,
        ("run",),
        (
            _side(OWN, "many_open_runs", SERVER, "sqlite"),
            _side(ON_POSTGRES, "many_open_runs", SERVER, "postgres"),
        ),
        rounds=3,
    ),
)


def _told(side: str, quantity: str, factor: float = 1.0, case: str = LOAD) -> Callable[[Round], float]:
    return lambda seen: seen.get(case, side, "run", quantity) * factor


def _recovery(side: str) -> tuple[Figure, ...]:
    """What a team waits for after everything was killed, from the start of another server."""
    on = " on PostgreSQL" if side == ON_POSTGRES else ""
    return (
        Figure(f"a thousand open runs{on}: s until a new server listens", _told(side, "listens_s", case=DEATH)),
        Figure(f"the same{on}, s until the first of 24 goes on", _told(side, "first_s", case=DEATH), 10.0),
        Figure(f"the same{on}, s until all 24 go on", _told(side, "all_s", case=DEATH)),
        Figure(f"the same{on}, MB of the server", _told(side, "server_bytes", 1e-6, DEATH)),
        Figure(
            f"the same{on}, MB of the server with 24 drivers and their steps", _told(side, "tree_bytes", 1e-6, DEATH)
        ),
    )


def _a_call(side: str, quantity: str = "per_second") -> Callable[[Round], float]:
    """A rate as what one call takes, so that less is better, as with all figures."""
    return lambda seen: 1000 / seen.get(LOAD, side, "run", quantity)


def _against(other: str) -> Callable[[Round], float]:
    return lambda seen: seen.get(LOAD, other, "run", "per_second") / seen.get(LOAD, OWN, "run", "per_second")


SERVER_FIGURES: tuple[Figure, ...] = (
    Figure("calls of an endpoint, ms each (10 is 100 a second)", _a_call(OWN), 10.0),
    Figure("calls of an endpoint on PostgreSQL, ms each", _a_call(ON_POSTGRES), 5.0),
    Figure("the slowest of a hundred calls that come at 100 a second, ms", _told(OWN, "steady_p99_ms"), 250.0),
    Figure("the same on PostgreSQL, ms", _told(ON_POSTGRES, "steady_p99_ms"), 250.0),
    Figure("the slowest of a hundred calls of 16 who never pause, ms", _told(OWN, "p99_ms")),
    Figure("a thousand calls at once, s until all are runs", _told(OWN, "burst_s")),
    Figure("calls of a bare route over calls of an endpoint, a second", _against(ROUTE)),
    Figure("calls of Prefect's server over ours, a second", _against(PREFECT), 1.0),
    Figure("calls of Dagster's server over ours, a second", _against(DAGSTER_SERVER), 1.0),
    Figure("calls beside a thousand open runs, ms each", _a_call(OWN, "open_calls"), 10.0),
    Figure("a list of a hundred of a thousand open runs, ms", _told(OWN, "open_list_ms")),
    Figure("a thousand of ten thousand schedules due at once, s until all have fired", _told(OWN, "schedules_s"), 15.0),
    Figure("two hundred who look at a run, s until all know that a step has ended", _told(OWN, "viewers_s")),
    *_recovery(OWN),
    *_recovery(ON_POSTGRES),
)
