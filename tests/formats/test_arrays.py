"""Arrays: identity is dtype, shape and values, whatever the memory order."""

import numpy
import pytest

from pipelinekit.errors import UsageError
from pipelinekit.formats.arrays import ArrayFormat, array_digest

ARRAYS = [
    numpy.arange(10.0),
    numpy.asfortranarray(numpy.arange(12).reshape(3, 4)),
    numpy.arange(24).reshape(2, 3, 4)[:, ::2, 1:],
    numpy.arange(12).reshape(3, 4).T,
    numpy.array(3.5),
    numpy.zeros((0, 3)),
    numpy.array(["a", "bb"]),
    numpy.array([True, False]),
    numpy.arange(4, dtype=">i4"),
    numpy.array(["2020-01-01"], dtype="M8[D]"),
    numpy.array([1 + 2j]),
    numpy.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
]


@pytest.mark.parametrize("array", ARRAYS, ids=[f"{a.dtype}{a.shape}" for a in ARRAYS])
def test_arrays_come_back_and_keep_their_digest(array, tmp_path):
    content = ArrayFormat().write(array, tmp_path / "array")
    found = ArrayFormat().read(tmp_path / "array", None)
    assert type(found) is numpy.ndarray
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert (found == array).all()
    assert array_digest(found) == content == array_digest(array.copy(order="C"))


def test_dtype_shape_and_values_count():
    base = numpy.array([[1, 2], [3, 4]])
    others = [base.astype("i4"), base.astype("f8"), base.reshape(4), base.T, base + 1, base[:1]]
    digests = {array_digest(array) for array in [base, *others]}
    assert len(digests) == len(others) + 1


def test_byte_order_does_not_count():
    assert array_digest(numpy.arange(4, dtype="<i4")) == array_digest(numpy.arange(4, dtype=">i4"))


def test_an_array_may_be_changed_in_memory_without_changing_the_file(tmp_path):
    ArrayFormat().write(numpy.arange(5), tmp_path / "array")
    found = ArrayFormat().read(tmp_path / "array", None)
    found[0] = 99
    assert ArrayFormat().read(tmp_path / "array", None)[0] == 0


def test_arrays_of_objects_are_refused(tmp_path):
    with pytest.raises(UsageError, match="holds Python objects"):
        ArrayFormat().write(numpy.array([object()]), tmp_path / "array")
