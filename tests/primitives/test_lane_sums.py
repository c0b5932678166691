"""Sums of a tile with an integer a lane: the members' exact sums, and no lane or row is forgotten."""

import math

import numpy as np
import pytest
from exact_numbers import jit
from kmeans_fast.kernels.cpu.exact import column_statistics, fixed_point, lane_sums, rounding
from kmeans_fast.kernels.cpu.machine.float_arrays import floats
from numpy.testing import assert_array_equal
from support import DTYPES

NO_WEIGHTS = np.empty(0)
ROWS, LANES = lane_sums.ROWS, lane_sums.LANES


@jit
def add_tiles(of_lanes, limbs, totals, labels, k, steps, firsts, X, d, plan):
    """Add tile after tile of rows to their clusters' sums, which are folded as often as they must be."""
    waiting = 0
    sums = fixed_point.accumulators(totals, 0, plan.limbs, plan.up, plan.up_rest, plan.down)
    for tile in range(firsts.size):
        lane_sums.add_tile(
            of_lanes, sums.count, labels[tile], k, floats(X), firsts[tile], d, steps[tile], plan.up, plan.up_rest, limbs
        )
        waiting += 1
        if waiting == lane_sums.MOST_TILES or tile + 1 == firsts.size:
            lane_sums.flush_lanes(of_lanes, sums, k, d)
            waiting = 0


def check(X, labels, k, numbers, firsts):
    """The sums of tiles of rows: row `numbers[t, r]` is counted from the first of tile t."""
    d = X.shape[1]
    plan = column_statistics.planned(1, X.reshape(-1), NO_WEIGHTS, d)
    assert plan.limbs == 1
    totals = fixed_point.Totals.zeros(1, k, d, 1)
    of_lanes, limbs = np.zeros(k * d * LANES, np.int64), np.empty(d * ROWS, np.int64)
    steps = (numbers * d).astype(np.int32)
    add_tiles(of_lanes, limbs, totals, labels, k, steps, firsts, X.reshape(-1), d, plan)
    assert not of_lanes.any()
    sums, weights = rounding.rounded(1, totals, plan, k, d, False)
    rows, of_rows = X[(firsts[:, None] + numbers).ravel()], labels.ravel()
    members = [rows[of_rows == c] for c in range(k)]
    assert_array_equal(sums, [[math.fsum(column.tolist()) for column in of_cluster.T] for of_cluster in members])
    assert_array_equal(weights, [len(of_cluster) for of_cluster in members])


@pytest.mark.parametrize("kd", [(1, 1), (2, 1), (1, 2), (5, 3), (32, 3), (3, 7), (4, 8)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_tiles_are_summed_cluster_by_cluster(dtype, kd):
    """Rows in any order, some of them more than once, and clusters without a row."""
    k, d = kd
    rng = np.random.default_rng(k * d)
    X = np.round(rng.normal(size=(7 * ROWS, d)), 3).astype(np.float32).astype(dtype)
    X[::5] *= -1
    X[::11] = 0
    labels = rng.integers(0, k, (9, ROWS)).astype(np.int32)
    labels[labels == k // 2] = 0
    numbers, firsts = rng.integers(0, ROWS, (9, ROWS)), rng.integers(0, 6 * ROWS, 9)
    check(X, labels, k, numbers, firsts)


def test_limbs_far_below_one():
    """Of subnormal numbers: no float is the power of two that makes them whole."""
    rng = np.random.default_rng(0)
    X = np.ldexp(rng.integers(-1000, 1000, (ROWS, 2)).astype(float), -1070)
    labels = rng.integers(0, 3, (1, ROWS)).astype(np.int32)
    check(X, labels, 3, np.arange(ROWS)[None], np.zeros(1, np.int64))


@pytest.mark.parametrize("members", [1, 2])
def test_lanes_are_folded_before_they_overflow(members):
    """The largest limbs there are, in more tiles than the lanes can take, all of one sign, for one cluster or two."""
    tiles = 5 * lane_sums.MOST_TILES + 1
    X = np.full((ROWS, 1), -(2.0**fixed_point.LIMB - 1))
    X[-1] = -1.0
    labels = np.tile(np.arange(ROWS, dtype=np.int32) % members, (tiles, 1))
    check(X, labels, 2, np.tile(np.arange(ROWS), (tiles, 1)), np.zeros(tiles, np.int64))


def test_scratch_is_made_where_there_are_few_sums():
    for k, d in ((1, 1), (3, 7), (4, 8), (2, 16)):
        memory = lane_sums.scratch(3, k, d)
        assert memory.dtype == np.int64
        assert memory.shape[0] == 3
        assert memory.shape[1] >= k * d * LANES + d * ROWS
        assert not memory.any()
    assert lane_sums.scratch(1, 1000, 1).size == 0
    assert lane_sums.scratch(1, 1, 1000).size == 0
