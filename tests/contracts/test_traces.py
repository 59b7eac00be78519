"""The twin and the implementation of tracing pass one suite."""

import pytest
from otlp_collector import collector

from pipelinekit.domain.traces import SERVER
from pipelinekit.runtime.telemetry import Telemetry
from pipelinekit.testing.contracts.traces import TracingContract
from pipelinekit.testing.traces import MemoryTracing


class TestMemory(TracingContract):
    def make(self):
        made = MemoryTracing()

        def sent():
            return [
                {"name": item.name, "trace": item.context.trace, "id": item.context.span, "parent": item.parent,
                 "began": item.began, "ended": item.ended, "failed": item.failed, "message": item.failure,
                 "is_server": item.kind == SERVER, **item.attributes}
                for item in made.spans
            ]  # fmt: skip

        return made, sent


class TestOpenTelemetry(TracingContract):
    @pytest.fixture(autouse=True)
    def _collector(self, monkeypatch):
        with collector() as made:
            monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
            self.collector = made
            yield

    def make(self):
        def sent():
            return [
                {**item, "failed": item["status"] == 2, "is_server": item["kind"] == 2} for item in self.collector.spans
            ]

        return Telemetry(), sent
