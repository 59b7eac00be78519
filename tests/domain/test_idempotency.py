"""Keys that clients may give."""

import pytest

from pipelinekit.domain.idempotency import LONGEST, check_idempotency_key
from pipelinekit.errors import UsageError


@pytest.mark.parametrize("key", ["a", "8e03978e-40d5-43e8-bc93-6894a57f9324", "x" * LONGEST, "a b"])
def test_keys_that_may_be(key):
    assert check_idempotency_key(key) == key


@pytest.mark.parametrize("key", ["", " ", " a", "a ", "x" * (LONGEST + 1), "a\0", "a\n", "é", "\ud800"])
def test_keys_that_may_not_be(key):
    with pytest.raises(UsageError, match="is not allowed"):
        check_idempotency_key(key)
