"""Named tuples as arguments of kernels: taken apart on the way, whole in the body, on one thread and on several."""

from typing import NamedTuple

import numpy as np
import pytest
from kmeans_fast.kernels.cpu.runtime.jit import kernel, share
from numpy.testing import assert_array_equal


class Pair(NamedTuple):
    first: np.ndarray
    second: np.ndarray


class Mixed(NamedTuple):
    pair: Pair
    factor: float
    added: int


@kernel
def combine(task, tasks, mixed: Mixed, plain, pair: Pair, maybe, out):
    """All fields of all arguments, each with a weight of its own."""
    for i in range(*share(task, tasks, out.size)):
        value = mixed.pair.first[i] + 10 * mixed.pair.second[i] + mixed.factor * plain[i] + mixed.added
        out[i] = value + 100 * pair.first[i] + 1000 * pair.second[i]
        if maybe is not None:
            out[i] += maybe.first[i]


def test_nothing_else_is_taken_apart():
    @kernel
    def plain(task, tasks, out: np.ndarray):
        out[task] = tasks

    assert plain._flat is None
    assert combine._flat(Mixed(Pair(1, 2), 3, 4), (5, 6), Pair(7, 8), None, 9) == (1, 2, 3, 4, (5, 6), 7, 8, None, 9)


@pytest.mark.parametrize("tasks", [1, 2, 5])
def test_every_field_arrives_where_it_belongs(tasks):
    a, b, c = (np.arange(7.0) + shift for shift in (0, 0.25, 0.5))
    narrow, out = np.arange(7, dtype=np.float32), np.empty(7)
    for maybe in (None, Pair(c, a)):
        for last in (b, narrow):  # fields of one type, and of two
            combine(tasks, Mixed(Pair(a, last), 2.0, 3), c, Pair(last, a), maybe, out)
            expected = a + 10 * last + 2 * c + 3 + 100 * last + 1000 * a + (c if maybe else 0)
            assert_array_equal(out, expected)
