"""Assignment that skips the rows whose label cannot have changed.

Mapping    A task takes a range of rows. Lanes are rows: their bounds are brought up to date a vector at a time, and the
           rows that the bounds do not settle are collected. Each of those has the distance to its own centroid
           measured, and if that does not settle it either, it joins a tile that is scored against every centroid
           (`tile`).
Maths      `upper` is not below a row's distance to its centroid, `lower` not above its distance to any other. When
           centroids move, `upper` grows by what the own one moved and `lower` shrinks by the most that another moved.
           The label stands while ``upper < lower``, or while ``upper`` is less than half the distance between the own
           centroid and its nearest neighbour (which `assign`, given the centroids as rows, has as its `lower`).
Precision  Bounds are float32, rounded outwards (factors of 1 +- 2**-20 cover the few operations between two uses), and
           a row is skipped only if ``upper * (1 + 2**-18)`` is below: squared, that leaves a margin of 2**-17, beyond
           the (d + 2) 2**-53 by which the contract's D may differ from the squared distance. So a skipped row has the
           contract's label, and one whose bounds are NaN is never skipped.
Ties       A tie is never below: it goes to the tile.
Order      None: labels are per row, sums are exact integers.
Cost       12 bytes read and 8 written a row; d flops for a row that fails; the tile's cost for one that fails twice.
Limits     As `assign`; 8 bytes a row of bounds. Distances are in a unit that brings the data near 1: the caller keeps
           its power of two within +-300.

Method: Hamerly, "Making k-means even faster" (SDM 2010).
"""

import math

import numpy as np

from ..exact.distances import squared
from ..exact.fixed_point import accumulators, move_rows
from ..exact.rows import Rows
from ..machine.bits import set_bits, trailing_zeros
from ..machine.scratch import stack_array
from ..machine.simd import add, bits, equal, gather, greater, load, mul, prefetch, select, splat, store, sub
from ..runtime.jit import inlined, inner, kernel, share
from ..scoring.byte_filter import new_tile, settle_by_bytes
from ..scoring.packing import Packed
from ..scoring.tile import (
    CACHE_LINE,
    DOWN,
    EVERY_LANE,
    LANES,
    ROWS,
    TINY,
    UP,
    distance_bounds,
    pack_listed,
    settle,
    workspace,
)
from .arguments import MOVES, SUMS_MOVED, Bounds, Counts, Sums

MARGIN = np.float32(1 + 2.0**-18)
_FAILED = 128  # rows that failed the first test wait for the second: their data arrives meanwhile
_WORTH_MEASURING = 2500  # k * (d + 12): beyond, a tile's share of scoring costs more than the distance that may save it


@inlined
def failing_rows(row, used, labels, bounds, moves):
    """Update the bounds of `used` rows, a vector at most; bit r set where row r fails. `moves`: `farthest_moves`."""
    upper, lower, drift, half_gap, _, _ = bounds
    most, next_most, farthest = moves
    if used == LANES:
        label = load(labels, row)
        above = mul(add(load(upper, row), gather(drift, 0, label)), splat(UP))
        most_of_others = select(equal(label, splat(np.int32(farthest))), splat(next_most), splat(most))
        below = mul(sub(load(lower, row), most_of_others), splat(DOWN))
        store(upper, row, above)
        store(lower, row, below)
        gap = gather(half_gap, 0, label)
        limit = select(greater(gap, below), gap, below)
        failing = np.uint64(bits(greater(limit, mul(above, splat(MARGIN))))) ^ EVERY_LANE
    else:  # the last few have no vector: what was known of them is forgotten
        failing = EVERY_LANE >> np.uint64(LANES - used)
        for r in range(used):
            lower[row + r] = -1
    return failing


@inner
def farthest_moves(drift):
    """The largest drift, which centroid it is, and the largest of the others."""
    most, next_most, farthest = np.float32(0), np.float32(0), 0
    for c in range(drift.size):
        if drift[c] > most:
            most, next_most, farthest = drift[c], most, c
        elif drift[c] > next_most:
            next_most = drift[c]
    return most, next_most, farthest


@kernel
def assign_hamerly(
    task,
    tasks,
    data: Rows,  #      IN
    packed: Packed,  #  IN
    labels,  #          INOUT (n,) int32
    counts: Counts,  #  OUT   all but `pairs`
    sums: Sums,  #      INOUT SUMS_LEFT or SUMS_MOVED
    memory,  #                `tile.workspaces`
    bounds: Bounds,  #  INOUT
    codes,  #           IN    `byte_codes.Encoded`, or None: rows are scored in float32
):
    """Label every row whose label may have changed, and move it from sum to sum if `sums` says so.

    It is compiled anew for None and for codes, so that what is not wanted costs no compilation.
    """
    X, _, d = data
    exact, shift, scale = packed.exact, packed.shift, packed.scale
    upper, lower, drift, half_gap, unit, factor = bounds
    n, k = labels.size, exact.size // d
    moves_of_centroids = farthest_moves(drift)
    work = workspace(memory[task], d)
    above, below = stack_array(ROWS, np.float32), stack_array(ROWS, np.float32)
    failed, rows, offsets = stack_array(_FAILED, np.int64), stack_array(ROWS, np.int64), stack_array(ROWS, np.int64)
    moves = stack_array(MOVES, np.int64)
    sources, targets = stack_array(MOVES, np.int32), stack_array(MOVES, np.int32)
    own_sums = accumulators(sums.totals, task, sums.plan.limbs, sums.plan.up, sums.plan.up_rest, sums.plan.down)
    n_failed, n_rows, n_moves, moved, rechecked, measured, unfiltered = 0, 0, 0, 0, 0, 0, 0
    line = CACHE_LINE // X.itemsize
    worth_measuring = k * (d + 12) >= _WORTH_MEASURING
    if codes is not None:
        byte_tile, worth_measuring = new_tile(codes.tiles[task]), True
    row, stop = share(task, tasks, n)
    finished = False
    while not finished:
        # STEP 1: the bounds of the next rows, until enough have failed.
        while row < stop and n_failed <= _FAILED - LANES:
            used = min(LANES, stop - row)
            failing = failing_rows(row, used, labels, bounds, moves_of_centroids)
            while failing != 0:
                i = row + trailing_zeros(failing)
                failing &= failing - np.uint64(1)
                if codes is None:  # the filter fetches the rows that come next, while it scores
                    for ahead in range(i * d, (i + 1) * d, line):
                        prefetch(X, ahead)
                failed[n_failed] = i
                n_failed += 1
            row += used

        # STEP 2: with the distance to the own centroid, more may stand.
        while n_failed > 0 and n_rows < ROWS:
            n_failed -= 1
            i = failed[n_failed]
            if worth_measuring:
                label = np.int64(labels[i])
                if codes is not None:
                    distance = squared(X, i * d, codes.values, label * d, d)
                else:
                    distance = squared(X, i * d, exact, label * d, d)
                upper[i] = np.float32(math.sqrt(distance) * unit) * UP + TINY
                if upper[i] * MARGIN < max(lower[i], half_gap[label]):
                    continue
                if codes is not None:
                    byte_tile.own[n_rows] = distance
            rows[n_rows] = i
            n_rows += 1
        finished = row >= stop and n_failed == 0
        if n_rows < ROWS and not finished:
            continue

        # STEP 3: score a tile of the rest. Float32 fetches nothing ahead: the data of the tile is in cache already.
        settled = n_rows == 0
        if codes is not None:  # noqa: SIM102  alone, or Numba compiles the branch for None too
            if not settled:
                for r in range(ROWS):
                    rows[r] = rows[min(r, n_rows - 1)]
                    work.index[r] = labels[rows[r]]
                still_open, settled = settle_by_bytes(
                    byte_tile, work.index, X, rows, n_rows, d, codes, row * d, unit, above, below
                )  # fmt: skip
                rechecked += set_bits(np.int64(still_open))
                unfiltered += not settled
        if not settled:
            for r in range(ROWS):
                offsets[r] = rows[min(r, n_rows - 1)] * d
            pack_listed(X, offsets, d, shift, scale, work.tile)
            still_open = settle(work, X, 0, offsets, n_rows, d, packed, X.size)
            rechecked += set_bits(np.int64(still_open))
            distance_bounds(work, d, still_open, factor, above, below)

        # STEP 4: record, and move the rows that changed cluster.
        for r in range(n_rows):
            i = rows[r]
            upper[i], lower[i] = above[r], below[r]
            if work.index[r] != labels[i]:
                moves[n_moves], sources[n_moves], targets[n_moves] = i, labels[i], work.index[r]
                n_moves += sums.mode == SUMS_MOVED
                moved += 1
                labels[i] = work.index[r]
        measured += n_rows
        n_rows = 0
        if n_moves > MOVES - ROWS or (n_moves > 0 and finished):
            move_rows(own_sums, data, sources, targets, moves, n_moves)
            n_moves = 0
    counts.changed[task], counts.rechecked[task] = moved, rechecked
    counts.scored[task], counts.overfull[task] = measured, unfiltered
