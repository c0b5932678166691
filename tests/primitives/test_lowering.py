"""Functions of kernels do what Python does: their variables and loops are lowered by code of ours."""

import itertools

import llvmlite.binding as llvm
import numpy as np
import pytest
from exact_numbers import compiled
from kmeans_fast.kernels.cpu.runtime import libraries
from kmeans_fast.kernels.cpu.runtime.jit import macro
from numpy.testing import assert_array_equal

BOUNDS = [*range(-4, 5), 17]


def stepping(step):
    """A function that goes by a step which is a constant to the compiler."""

    def loop(start, stop, out):
        n = 0
        for i in range(start, stop, step):
            out[n] = i
            n += 1
        return n

    return loop


def by_default(start, stop, out):
    n = 0
    for i in range(start, stop):
        out[n] = i
        n += 1
    return n


def by_what_is_given(start, stop, out):
    n, step = 0, 2 if start < stop else -2
    for i in range(start, stop, step):
        out[n] = i
        n += 1
    return n


def from_zero(start, stop, out):
    n = 0
    for i in range(stop - start):
        out[n] = i
        n += 1
    return n


def between_a_pair(start, stop, out):
    n, both = 0, (start, stop)
    for i in range(*both):
        out[n] = i
        n += 1
    return n


def with_bounds_that_change(start, stop, out):
    n = 0
    for i in range(start, stop):
        stop, start = start, stop - 100
        for _ in range(i, min(stop, i + 2)):
            out[n] = i
            n += 1
    return n


def one_or_another(start, stop, out):
    n = 0
    for i in range(start, stop, 2) if start < 2 else range(start, stop, -1):
        out[n] = i
        n += 1
    return n


def left_and_gone_on(start, stop, out):
    n, last = 0, -99
    for i in range(start, stop, 2):
        if i == 1:
            continue
        if i > 12:
            break
        out[n] = last
        last = i
        n += 1
    else:
        n += 1
        last += 1
    out[n] = last
    return n + 1


@pytest.mark.parametrize(
    "function",
    [
        *map(stepping, (1, 3, -1, -4)), by_default, by_what_is_given, from_zero, between_a_pair,
        with_bounds_that_change, one_or_another, left_and_gone_on,
    ],
)  # fmt: skip
def test_loops_over_ranges(function):
    ours = compiled(function)
    for start, stop in itertools.product(BOUNDS, BOUNDS):
        wanted, found = np.zeros((2, 100), np.int64)
        assert ours(start, stop, found) == function(start, stop, wanted)
        assert_array_equal(found, wanted)


def test_a_range_of_no_step_is_an_error():
    def none(step):
        n = 0
        for i in range(0, 3, step):
            n += i
        return n

    with pytest.raises(ValueError, match="must not be zero"):
        compiled(none)(0)


def read(values, at):
    return values[at]


def read_last(values, at):
    return values[-1]


def written(values, at):
    values[at] = values[at - 1]
    return values[at]


def row(values, at):
    return values.reshape((3, 2))[at % 3][at % 2 - 2]


def every_second(values, at):
    return values[::2][at % 3 - 3]


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.uint16, np.int32, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("function", [read, read_last, written, row, every_second])
def test_elements(function, dtype):
    """From the front, from the end, and with gaps."""
    ours = compiled(function)
    for at in (0, 1, 5, -1, -5, np.int32(-2), np.uint8(3), np.uint64(4)):
        wanted, found = np.tile(np.array([0, 1, 7, -100, 3, 120]).astype(dtype), (2, 1))
        expected = function(wanted, int(at))
        assert_array_equal(ours(found, at), expected)
        assert_array_equal(found, wanted)


def test_what_is_written_becomes_what_the_array_holds():
    def write(narrow, wide, whole, flags):
        narrow[0], wide[1], whole[2], flags[0] = 0.1, whole[0], wide[0], whole[0] > 3

    arrays = np.zeros(3, np.float32), np.full(3, 2.75), np.full(3, 5), np.zeros(3, bool)
    compiled(write)(*arrays)
    for array, wanted in zip(
        arrays, ([np.float32(0.1), 0, 0], [2.75, 5, 2.75], [5, 5, 2], [True, False, False]), strict=True
    ):
        assert_array_equal(array, wanted)


def test_an_array_that_may_be_none():
    def last(values, n):
        chosen = values if n > 0 else None
        if chosen is None:
            return 0
        chosen[n - 1] += 1
        return chosen[-1] + chosen[n - 1]

    ours = compiled(last)
    for n in (0, 1, 3):
        assert ours(np.arange(3), n) == last(np.arange(3), n)


def set_in_a_branch(a, b, n):
    if n > 2:
        factor = a[n % 3] + n
    total = 0
    for i in range(n):
        if n > 2:
            total += b[i % 3] * factor
    return total


def swapped(a, b, n):
    for i in range(n):
        a[i % 3] += b[(i + 1) % 3]
        a, b = b, a
    return a[0] * 100 + b[0]


def set_at_the_end_of_a_loop(a, b, n):
    before, total = -1, 0
    i = 0
    while i < n:
        if i > 0:
            total += before * 10
        step = a[i % 3]
        before = step + i
        i += 1
    return total + before


def used_after_the_loop(a, b, n):
    last = 0
    for i in range(n):
        last = a[i % 3]
        if last == 3:
            break
    return last + n


def nested(a, b, n):
    total = 0
    for i in range(n):
        of_row = a if i % 2 else b
        for j in range(3):
            value = of_row[j]
            if value > 2:
                value -= i
                total += value
                if total > 50:
                    return -total
            else:
                total += 1
    return total


@macro
def _largest(values, least):
    found = least
    for value in values:
        if value > found:
            found = value
    return values if found > least else values[:1], found


def with_a_macro(a, b, n):
    total = 0
    for i in range(n):
        values, largest = _largest(a if i % 3 else b, i)
        total += values.size + largest * 2
    return total


@pytest.mark.parametrize(
    "function", [set_in_a_branch, swapped, set_at_the_end_of_a_loop, used_after_the_loop, nested, with_a_macro]
)
def test_variables(function):
    """Those that have one value, or another in each way there, or that of the turn before."""
    ours = compiled(function)
    for n in (0, 1, 2, 3, 4, 9):
        (a, b), (c, d) = (np.arange(6).reshape(2, 3) for _ in range(2))
        plain = with_a_macro_in_python if function is with_a_macro else function
        assert ours(a, b, n) == plain(c, d, n)
        assert_array_equal([a, b], [c, d])


def with_a_macro_in_python(a, b, n):
    total = 0
    for i in range(n):
        values = a if i % 3 else b
        largest = max(*values, i)
        total += (values.size if largest > i else 1) + largest * 2
    return total


def test_what_is_asked_of_llvm_is_known_to_it():
    known, installed = libraries._NEWEST_LLVM, llvm.llvm_version_info[0]
    assert installed <= known, "see whether this LLVM has the option -disable-lsr, and measure fits with it and without"
