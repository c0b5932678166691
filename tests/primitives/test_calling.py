"""Functions of kernels get what they are called with, whatever its type, and their callers what they return."""

from typing import NamedTuple

import numpy as np
import pytest
from exact_numbers import jit
from kmeans_fast.kernels.cpu.runtime.jit import inlined, inner
from numpy.testing import assert_array_equal


class Inside(NamedTuple):
    array: object
    number: object


class Outside(NamedTuple):
    inside: object
    truth: object
    nothing: object


def taken(outside, truth, nothing, small, single, pair, table):
    """One number of each argument, so that none may be another's."""
    array, number = outside.inside
    return (
        array[1],
        number,
        outside.truth,
        outside.nothing is None,
        truth,
        nothing is None,
        small,
        single,
        pair[0],
        pair[1],
        table[1, 2],
        table.shape,
        table.strides,
    )


ARGUMENTS = (
    Outside(Inside(np.arange(3, dtype=np.float32) + 0.5, 7), True, None),
    False,
    None,
    np.int8(-3),
    np.float32(0.1),
    (11, 2.5),
    np.arange(12).reshape(3, 4)[:, ::-1],
)


@pytest.mark.parametrize("kind", [inner, inlined])
def test_arguments_of_every_kind_arrive(kind):
    function = kind(taken)

    def passed_on(*arguments):
        return function(*arguments)

    between = inner(passed_on)
    assert jit(lambda *arguments: between(*arguments))(*ARGUMENTS) == taken(*ARGUMENTS)


def test_what_a_function_writes_to_its_arguments_is_seen_by_its_caller():
    @inner
    def write(pair, value):
        pair.array[0] += value

    @jit
    def twice(pair):
        write(pair, 2)
        write(pair, pair.array[0])
        return pair.array[0]

    pair = Inside(np.arange(3), 0)
    assert twice(pair) == 4
    assert_array_equal(pair.array, [4, 1, 2])


def test_an_exception_ends_all_callers():
    @inner
    def raises(i):
        if i > 2:
            raise ValueError("above two")
        return i

    @inner
    def between(i, seen):
        found = raises(i)
        seen[0] += 1
        return found + 1

    seen = np.zeros(1, np.int64)
    call = jit(lambda i, seen: between(i, seen) + 1)
    assert call(2, seen) == 4
    with pytest.raises(ValueError, match="above two"):
        call(3, seen)
    assert seen[0] == 1
