"""Conditions as people write them."""

import pytest

from pipelinekit.domain.run_queries import Condition, parse_condition
from pipelinekit.errors import UsageError


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("metric.loss<0.3", Condition("metric", "loss", "<", 0.3)),
        (" metric.final loss >= 3 ", Condition("metric", "final loss", ">=", 3.0)),
        ("param.model==tree", Condition("parameter", "model", "=", "tree")),
        ("parameter.model!=", Condition("parameter", "model", "!=", "")),
    ],
)
def test_a_condition_is_read(text, condition):
    assert parse_condition(text) == condition


@pytest.mark.parametrize("text", ["loss<0.3", "metric.loss", "metric.loss<<3", "metric.loss=<3", "metric.loss<>3"])
def test_what_is_no_condition_is_refused_and_finds_no_empty_list(text):
    with pytest.raises(UsageError, match="cannot be read"):
        parse_condition(text)
