"""Draws of rows by mass: the reference's hash, its buckets, its order and its rows."""

import numpy as np
import pytest
from exact_numbers import edges, jit
from kmeans_fast.kernels.cpu.seeding import drawing
from numpy.testing import assert_array_equal
from support import DTYPES, colliding_rows, rows, some_weights

from kmeans_fast import reference
from kmeans_fast.backends.drawing import Buckets

NO_WEIGHTS, BY_BITS = np.empty(0), np.empty(0, np.uint64)


@jit
def masses_of(weights, distances, factors, out):
    for i in range(weights.size):
        out[i] = drawing.mass(weights[i], distances[i], factors)


def two_factors(shift):
    """A power of two that no float may hold alone."""
    first = min(shift, 1000)
    return np.ldexp(1.0, first), np.ldexp(1.0, shift - first)


@pytest.mark.parametrize("shift", [-960, -1, 0, 1, 52, 60, 1000, 1100, 1130])
def test_a_mass_is_a_whole_number(shift):
    rng = np.random.default_rng(0)
    weights = np.append(rng.exponential(size=100), [0.0, 1.0, 1.0])
    distances = np.ldexp(np.append(rng.uniform(size=100), [1.0, 0.0, 1.0]), 55 - shift)
    out = np.empty(len(weights), np.int64)
    masses_of(weights, distances, two_factors(shift), out)
    assert_array_equal(out, np.floor(np.ldexp(weights * distances, shift)).astype(np.int64))


# ---- hashes and buckets --------------------------------------------------------------------------------------------


def wild_rows(n, d, dtype):
    """Rows of numbers at every edge: both zeros, subnormal ones, and float64 beyond what float32 holds."""
    values = edges(dtype)
    return np.random.default_rng(d).choice(values[np.isfinite(values)], (n, d))


@pytest.mark.parametrize("tasks", [1, 3])
@pytest.mark.parametrize("d", [1, 2, 7])
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_have_the_references_hash_and_bucket(dtype, d, tasks):
    X = wild_rows(301, d, dtype)
    X[-1] = 0.0
    numbers = np.random.default_rng(0).integers(0, 301, 500)
    hashes = np.empty(500, np.uint64)
    drawing.hash_rows(tasks, X.reshape(-1), d, numbers, hashes)
    expected = reference.row_hash(X)
    assert_array_equal(hashes, expected[numbers])
    splitters = np.unique(expected)[5::20]
    for bits, ends in ((0, BY_BITS), (1, BY_BITS), (14, BY_BITS), (4, splitters), (0, splitters[:1])):
        for kind in (np.uint16, np.int32):
            buckets = np.empty(301, kind)
            drawing.fill_buckets(tasks, X.reshape(-1), d, bits, ends, buckets)
            assert_array_equal(buckets, Buckets(bits, ends).of(expected))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_zeros_are_one_value(dtype):
    X, hashes = np.array([[0.0, 1.0], [-0.0, 1.0]], dtype), np.empty(2, np.uint64)
    drawing.hash_rows(1, X.reshape(-1), 2, np.arange(2), hashes)
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize("kind", [np.uint16, np.int32])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("tasks", [1, 2, 5])
def test_buckets_weigh_what_their_rows_do(tasks, weighted, kind):
    rng = np.random.default_rng(1)
    for n in (1, 4, 500):
        weights = some_weights(n) if weighted else NO_WEIGHTS
        nearest, buckets = rng.exponential(size=n), rng.integers(0, 9, n).astype(kind)
        found = np.zeros((tasks, 9), np.int64)
        drawing.weigh(tasks, weights, nearest, two_factors(45), buckets, found)
        of_rows = np.floor(np.ldexp(weights * nearest if weighted else nearest, 45)).astype(np.int64)
        expected = np.zeros(9, np.int64)
        np.add.at(expected, buckets, of_rows)
        assert_array_equal(found.sum(axis=0), expected)


# ---- draws ---------------------------------------------------------------------------------------------------------


class Urn:
    """Rows, their masses, and the reference's order of them."""

    def __init__(self, X, weights, bits=3, shift=40):
        self.X, self.weights, self.factors = X, weights, two_factors(shift)
        self.nearest = np.random.default_rng(len(X)).exponential(size=len(X))
        self.nearest[1::7] = 0.0
        weighted = self.nearest * weights if weights.size else self.nearest
        masses = np.floor(np.ldexp(weighted, shift)).astype(np.int64)
        self.order = reference.content_order(X, weights if weights.size else np.ones(len(X)))
        self.cumulative = np.cumsum(masses[self.order])
        buckets = Buckets(bits, BY_BITS)
        self.buckets = buckets.of(reference.row_hash(X)).astype(np.uint16)
        self.masses = np.zeros(buckets.count, np.int64)
        np.add.at(self.masses, self.buckets, masses)

    def draw(self, targets, room=None):
        """How many rows came into question, and the rows that the kernel chose."""
        room = len(self.X) if room is None else room
        memory = np.full(room, -5), np.full(room, -5), np.zeros(room, np.uint64)
        chosen, found = np.full(len(targets), -1), np.empty(1, np.int64)
        drawing.draw(
            1, self.X.reshape(-1), self.X.shape[1], targets, self.weights, self.nearest, self.factors, self.buckets,
            self.masses, *memory, chosen, found,
        )  # fmt: skip
        return found[0], chosen

    def expected(self, targets):
        return self.order[np.searchsorted(self.cumulative, targets, side="right")]

    def targets(self, draws, rng):
        """Random ones, the first and the last there are, and those where one row ends and another begins."""
        ends = rng.choice(self.cumulative[:-1], draws) if len(self.cumulative) > 1 else np.zeros(draws, np.int64)
        anywhere = rng.integers(0, self.cumulative[-1], draws)
        edge = np.array([0, self.cumulative[-1] - 1])
        every = np.concatenate([edge, ends, np.maximum(ends - 1, 0), anywhere])
        return rng.choice(every[every < self.cumulative[-1]], draws)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["normal", "grid"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_first_row_beyond_each_target(dtype, kind, weighted):
    """Of rows that fill no vector, or some and a part of one; for one draw, and for as many as there may be."""
    rng = np.random.default_rng(2)
    for n in (1, 2, 31, 32, 33, 65, 500):
        urn = Urn(rows(n, 2, dtype, kind), some_weights(n) if weighted else NO_WEIGHTS)
        for draws in (1, 2, 8, 9, drawing.MOST_TRIALS):
            targets = urn.targets(draws, rng)
            assert_array_equal(urn.draw(targets)[1], urn.expected(targets))


@pytest.mark.parametrize("weighted", [False, True])
def test_rows_of_equal_hash_are_in_the_order_of_their_values(weighted):
    X = np.repeat(colliding_rows(), 2, axis=0)
    X = X[np.random.default_rng(4).permutation(len(X))]
    urn = Urn(X, some_weights(len(X)) if weighted else NO_WEIGHTS, bits=0)
    every = np.concatenate([[0], urn.cumulative[:-1], urn.cumulative - 1])
    for first in range(0, len(every), 16):
        targets = every[first : first + 16]
        assert_array_equal(urn.draw(targets)[1], urn.expected(targets))


def test_nothing_is_chosen_without_room_for_all_rows_in_question():
    urn = Urn(rows(200, 2, np.float64), NO_WEIGHTS, bits=0)
    targets = np.array([0, 5])
    massive = np.count_nonzero(urn.nearest)
    for room in (0, 1, massive - 1):
        found, chosen = urn.draw(targets, room)
        assert found == massive
        assert (chosen == -1).all()
    found, chosen = urn.draw(targets, massive)
    assert found == massive
    assert_array_equal(chosen, urn.expected(targets))


@pytest.mark.parametrize("masses", ["none", "too many"])
def test_some_row_is_chosen_whatever_the_masses_are(masses):
    """Another thread of the caller's may write to the data, and then masses and buckets do not agree."""
    urn = Urn(rows(100, 2, np.float32), NO_WEIGHTS)
    total = int(urn.masses.sum())
    if masses == "none":
        urn.nearest[:] = 0.0
    targets = np.array([0, total // 2, total - 1] if masses == "none" else [total, 2 * total, 2**62])
    _, chosen = urn.draw(targets)
    assert ((chosen >= 0) & (chosen < 100)).all()
