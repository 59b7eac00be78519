"""What webhooks are told, pinned: programs of others read it. Keys may be added; none is renamed or goes away.

To write the golden file anew: `python tests/wire/test_golden_webhooks.py`.
"""

import json
from pathlib import Path

from pipelinekit.domain.datasets import FILE, DatasetDefinition, DatasetVersion, Source
from pipelinekit.domain.pipeline_endpoints import EndpointVersion, PipelineEndpoint
from pipelinekit.domain.runs import RunStatus
from pipelinekit.domain.schedules import Disposition, TickRange
from pipelinekit.domain.webhooks import CHOICES
from pipelinekit.testing.contracts.schedules import schedule, tick
from pipelinekit.wire.webhooks import (
    default_changed_event,
    event_body,
    not_fired_event,
    registered_event,
    run_event,
    start_failed_event,
)

GOLDEN = Path(__file__).with_name("golden_webhooks.json")
RUN = {
    "id": "1m8d575sb224sm", "number": 7, "experiment": "nightly", "pipeline": "retrain", "kind": "pipeline", "parent": "",
    "display_name": "Retraining", "created_at": 1.25, "started_at": 2.5, "ended_at": 3.0,
}  # fmt: skip
CALLED = {
    "published_pipeline": "p1", "pipeline_endpoint": "e1", "endpoint_version": "2", "schedule": "s1",
    "schedule_due": "1970-01-01T00:00:01+00:00", "colour": "a property of users, which is not told",
}  # fmt: skip
AT = 1795738015.25


def events():
    ends = [(RunStatus.COMPLETED, {}, ""), (RunStatus.FAILED, CALLED, "timeout"), (RunStatus.CANCELED, {}, "")]
    for status, properties, failure in ends:
        names = {"pipeline_endpoint": "scoring", "schedule": "nightly"} if properties else {}
        yield run_event({**RUN, "status": str(status)}, properties, failure, names, AT)
    yield run_event({**RUN, "status": "Queued", "started_at": None, "ended_at": None}, {}, "", {}, AT)
    yield run_event({**RUN, "status": "Canceled", "started_at": None}, {}, "", {}, AT)
    nightly, missed = schedule("s1", "nightly"), TickRange("s1", 1, 5.0, 25.0, 3, Disposition.SKIPPED_MISFIRE, "", AT)
    yield start_failed_event(nightly, tick(5.0, reason="what is wrong, which may tell a value"), AT)
    yield not_fired_event(nightly, [tick(35.0, disposition=Disposition.SKIPPED_MISFIRE), missed], AT)
    yield not_fired_event(nightly, [tick(35.0, disposition=Disposition.SKIPPED_OVERLAP)], AT)
    versions = (EndpointVersion(0, "p0"), EndpointVersion(1, "p1"))
    yield default_changed_event(PipelineEndpoint("e1", "scoring", versions, 1), 0, AT)
    yield registered_event(made_dataset(), AT)


def made_dataset():
    definition = DatasetDefinition(FILE, (Source("", "/home/anna/secret/place.csv"),))
    return DatasetVersion("sales", 3, definition, "xxh3:1", count=12, size=5, created_at=AT, run="r1")


def bodies():
    return [json.loads(event_body(event)) for event in events()]


def test_messages_are_as_they_were():
    assert bodies() == json.loads(GOLDEN.read_text())


def test_every_event_that_can_be_asked_for_is_pinned():
    assert {body["type"] for body in bodies()} == {str(kind) for kind in CHOICES}


def test_messages_are_small():
    assert max(len(event_body(event)) for event in events()) < 1000


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(bodies(), indent=2) + "\n")
