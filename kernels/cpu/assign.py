"""Assignment, certified, with the update fused in: the hot loop of k-means.

Mapping    A task takes a range of rows in tiles of ROWS = POINT_VECTORS * lanes. A tile is transposed so that a lane is a point, and scored against
           CENTROIDS centroids at a time: POINT_VECTORS x CENTROIDS accumulators stay in registers through the loop over features (`tile`, which also
           has the maths, the precision and the ties).
Order      None: labels are per row, sums are exact integers (`fixed_point`).
Cost       2 n k d flops, X read once.
Limits     k < 2**31, d * ROWS < 2**31; d * ROWS * 4 bytes of scratch a task.
"""

import numpy as np

from .fixed_point import add_rows, clear, move_rows
from .jit import inlined, kernel, share
from .lane_sums import FEW, MOST_TILES, add_tile, flush_lanes
from .simd import bits, equal, load, set_bits, trailing_zeros
from .stack import stack_array
from .tile import (
    BLOCK,
    LANES,
    ROWS,
    SEGMENT,
    distance_bounds,
    open_rows,
    pack_points,
    recheck,
    row_steps,
    score,
)

SUMS_LEFT, SUMS_ANEW, SUMS_MOVED = 0, 1, 2
MOVES = 1024  # rows to be moved are collected: a call for each would cost more than the additions
_EVERY_LANE = np.uint64((1 << LANES) - 1)


@inlined
def _changes(labels, row, used, index):
    """Bit r set where the label of row r changes."""
    found = np.uint64(0)
    if used == ROWS:
        for v in range(0, ROWS, LANES):
            same = np.uint64(bits(equal(load(labels, row + v), load(index, v))))
            found |= (same ^ _EVERY_LANE) << np.uint64(v)
    else:
        for r in range(used):
            found |= np.uint64(labels[row + r] != index[r]) << np.uint64(r)
    return found


@kernel
def assign(
    task,
    tasks,
    X,  #           IN    (n * d,) float32 or float64
    weights,  #     IN    (n,) float64, or (0,): all ones
    d,
    exact,  #       IN    (k * d,) float64; this and the next five from `update.Packed`
    packed,  #      IN    (padded k * d,) float32
    half_norms,  #  IN    (padded k,) float32
    shift,  #       IN    (d,)
    scale,
    bound,  #             (alpha, beta)
    labels,  #      INOUT (n,) int32
    changed,  #     OUT   (tasks,) int64: rows whose label is not what it was
    opened,  #      OUT   (tasks,) int64: rows that needed a recheck
    totals,  #      INOUT Totals: the sums of the rows of each cluster
    limbs,  #             these four from `fixed_point.Plan`
    up,
    up_rest,
    down,
    sums,  #              SUMS_LEFT: as they are; SUMS_ANEW: add every row; SUMS_MOVED: move the rows whose label changes
    factor,  #            the unit of the bounds in units of x'
    upper,  #       OUT   (n,) float32, or (0,): a bound on the distance to the own centroid, for `gate`
    lower,  #       OUT   (n,) float32, or (0,): and on that to every other
):
    """Label every row and bring the exact sums of the clusters up to date. Reads X once."""
    n, k = labels.size, exact.size // d
    alpha, beta = bound
    first, stop = share(task, tasks, -(-n // ROWS))
    few = limbs == 1 and weights.size == 0 and k * d <= FEW
    tile = np.empty(d * ROWS, np.float32)
    best, second = stack_array(ROWS, np.float32), stack_array(ROWS, np.float32)
    norms, margin = stack_array(ROWS, np.float32), stack_array(ROWS, np.float32)
    above, below = stack_array(ROWS, np.float32), stack_array(ROWS, np.float32)
    point = np.empty(d, np.float32)
    index, steps = stack_array(ROWS, np.int32), stack_array(ROWS, np.int32)
    numbers, moves = stack_array(ROWS, np.int64), np.empty(MOVES, np.int64)
    sources, targets = np.empty(MOVES, np.int32), np.empty(MOVES, np.int32)
    scratch = np.empty(BLOCK * ROWS if d > SEGMENT else 0, np.float32)
    row_steps(0, ROWS, d, steps)
    pending, high, low = totals.pending[task], totals.high[task], totals.low[task]
    unspilled, count = totals.unspilled[task], totals.count[task]
    lane_sums = np.empty(k * d * LANES if few else 0, np.int64)
    for cell in range(lane_sums.size):
        lane_sums[cell] = 0
    tile_limbs = np.empty(d * ROWS if few else 0, np.int64)
    moved, rechecked, waiting, n_moves = 0, 0, 0, 0
    if sums == SUMS_ANEW:
        clear(pending, high, low, unspilled, count, 0, k, limbs * (d + 1 if weights.size > 0 else d))
    for row in range(first * ROWS, stop * ROWS, ROWS):
        # STEP 1: score.
        used = min(ROWS, n - row)
        if used < ROWS:
            row_steps(row, n - 1, d, steps)
        pack_points(X, row, used, d, steps, shift, scale, tile)
        for r in range(ROWS):
            best[r], second[r], index[r] = -np.inf, -np.inf, 0
        score(tile, d, packed, half_norms, best, second, index, scratch, X, (row + ROWS) * d)

        # STEP 2: settle what the bound proves, recheck the rest.
        still_open = open_rows(tile, d, best, second, alpha, beta, norms, margin)
        if upper.size > 0:
            distance_bounds(d, norms, best, second, margin, still_open, factor, above, below)
            for r in range(used):
                upper[row + r], lower[row + r] = above[r], below[r]
        while still_open != 0:
            r = trailing_zeros(still_open)
            still_open &= still_open - np.uint64(1)
            if r < used:
                threshold = best[r] - margin[r]
                offset = (row + r) * d
                index[r] = recheck(X, offset, d, exact, k, tile, r, packed, half_norms, threshold, point)
                rechecked += 1

        # STEP 3: record, and update the sums while the rows are in cache.
        changes = _changes(labels, row, used, index)
        moved += set_bits(np.int64(changes))
        if sums == SUMS_ANEW and few and used == ROWS:
            add_tile(lane_sums, count, index, k, X, row, d, steps, up, up_rest, tile_limbs)
            waiting += 1
        elif sums == SUMS_ANEW:
            for r in range(ROWS):
                numbers[r] = row + r
            add_rows(
                pending, high, low, unspilled, count, index, numbers, used,
                X, d, weights, 1, limbs, up, up_rest, down,
            )  # fmt: skip
        while changes != 0:
            r = trailing_zeros(changes)
            changes &= changes - np.uint64(1)
            if sums == SUMS_MOVED:
                moves[n_moves], sources[n_moves], targets[n_moves] = row + r, labels[row + r], index[r]
                n_moves += 1
            labels[row + r] = index[r]
        is_last = row + ROWS >= stop * ROWS
        if waiting == MOST_TILES or (waiting > 0 and is_last):
            flush_lanes(lane_sums, pending, high, low, unspilled, k, d)
            waiting = 0
        if n_moves > MOVES - ROWS or (n_moves > 0 and is_last):
            move_rows(
                pending, high, low, unspilled, count, sources, targets, moves, n_moves,
                X, d, weights, limbs, up, up_rest, down,
            )  # fmt: skip
            n_moves = 0
    changed[task] = moved
    opened[task] = rechecked


@kernel
def sum_owned(
    task,
    tasks,
    X,  #        IN    (n * d,)
    weights,  #  IN    (n,) float64, or (0,): all ones
    d,
    labels,  #   IN    (n,) int32
    k,
    totals,  #   INOUT Totals of one thread
    limbs,  #          these four from `fixed_point.Plan`
    up,
    up_rest,
    down,
):
    """The sums of `assign`, in one accumulator for all tasks: each task owns a range of clusters and looks for their rows.

    For sums too large to have a copy for every thread. Reads all labels in every task, each row of X once.
    """
    pending, high, low = totals.pending[0], totals.high[0], totals.low[0]
    unspilled, count = totals.unspilled[0], totals.count[0]
    first, last = share(task, tasks, k)
    clear(pending, high, low, unspilled, count, first, last, limbs * (d + 1 if weights.size > 0 else d))
    clusters, numbers, found = np.empty(MOVES, np.int32), np.empty(MOVES, np.int64), 0
    for i in range(labels.size):
        if first <= labels[i] < last:
            clusters[found], numbers[found] = labels[i], i
            found += 1
        if found == MOVES or i == labels.size - 1:
            add_rows(
                pending, high, low, unspilled, count, clusters, numbers, found,
                X, d, weights, 1, limbs, up, up_rest, down,
            )  # fmt: skip
            found = 0
