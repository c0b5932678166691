"""Assignment, certified, with the update fused in: the hot loop of k-means.

Mapping    A task takes a range of rows in tiles of ROWS = POINT_VECTORS * lanes. A tile is transposed so that a lane is
           a point, and scored against CENTROIDS centroids at a time: POINT_VECTORS x CENTROIDS accumulators stay in
           registers through the loop over features (`tile`, which also has the maths, the precision and the ties).
Order      None: labels are per row, sums are exact integers (`fixed_point`).
Cost       2 n k d flops, X read once.
Limits     k < 2**31, d * ROWS < 2**31; d * ROWS * 4 bytes of scratch a task.
"""

import numpy as np

from ..exact.fixed_point import Totals, accumulators, add_rows, clear, move_rows
from ..exact.lane_sums import MOST_TILES, add_tile, flush_lanes
from ..exact.rows import Rows
from ..machine.bits import set_bits, trailing_zeros
from ..machine.float_arrays import Floats
from ..machine.scratch import stack_array
from ..machine.simd import bits, equal, load
from ..runtime.jit import inlined, kernel, share
from ..scoring.byte_filter import new_tile, settle_anew
from ..scoring.packing import Packed
from ..scoring.tile import EVERY_LANE, LANES, ROWS, distance_bounds, pack_points, row_steps, settle, workspace
from .arguments import MOVES, SUMS_ANEW, SUMS_MOVED, Bounds, Counts, Sums

_GIVEN_UP = 8  # tiles that had too many candidates, after which a task tries the filter no more


@inlined
def _changes(labels, row, used, index):
    """Bit r set where the label of row r changes."""
    found = np.uint64(0)
    if used == ROWS:
        for v in range(0, ROWS, LANES):
            same = np.uint64(bits(equal(load(labels, row + v), load(index, v))))
            found |= (same ^ EVERY_LANE) << np.uint64(v)
    else:
        for r in range(used):
            found |= np.uint64(labels[row + r] != index[r]) << np.uint64(r)
    return found


@kernel
def assign(
    task,
    tasks,
    rows: Rows,  #      IN
    packed: Packed,  #  IN
    labels,  #          INOUT (n,) int32
    counts: Counts,  #  OUT   `changed` and `rechecked`; with codes, `overfull`
    sums: Sums,  #      INOUT
    memory,  #                `tile.workspaces`
    lane_sums,  #       INOUT `lane_sums.scratch`, whose first part is zeros in and out; or `NO_LANES`
    bounds: Bounds,  #  OUT   `upper` and `lower` are written; or NO_BOUNDS
    codes,  #           IN    `byte_codes.Encoded`, or None: rows are scored in float32
):
    """Label every row and bring the exact sums of the clusters up to date. Reads X once.

    It is compiled anew for codes, so that they cost no compilation where there are none; but not for lanes and bounds,
    so that one fit uses what another has compiled.
    """
    X, weights, d = rows
    n, k, mode = labels.size, packed.exact.size // d, sums.mode
    first, stop = share(task, tasks, -(-n // ROWS))
    work, steps = workspace(memory[task], d), stack_array(ROWS, np.int32)
    numbers, moves = stack_array(ROWS, np.int64), stack_array(MOVES, np.int64)
    sources, targets = stack_array(MOVES, np.int32), stack_array(MOVES, np.int32)
    row_steps(0, ROWS, d, steps)
    own_sums = accumulators(sums.totals, task, sums.plan.limbs, sums.plan.up, sums.plan.up_rest, sums.plan.down)
    moved, rechecked, n_moves, waiting = 0, 0, 0, 0
    has_lanes = lane_sums.size > 0 and mode == SUMS_ANEW
    of_lanes, tile_limbs = lane_sums[task], lane_sums[task, k * d * LANES :]  # without lanes they are not looked at
    above, below = stack_array(ROWS, np.float32), stack_array(ROWS, np.float32)
    upper, lower, factor = bounds.upper, bounds.lower, bounds.factor
    bounded, unit = upper.size > 0, np.float64(factor) * packed.scale
    if codes is not None:
        byte_tile, unfiltered = new_tile(codes.tiles[task]), 0
    if mode == SUMS_ANEW:
        clear(own_sums, 0, k, d + 1 if weights.size > 0 else d)
    for row in range(first * ROWS, stop * ROWS, ROWS):
        # STEP 1: score and settle.
        used = min(ROWS, n - row)
        if used < ROWS:
            row_steps(row, n - 1, d, steps)
        still_open, settled = np.uint64(0), False
        if codes is not None and unfiltered <= _GIVEN_UP:
            for r in range(ROWS):
                numbers[r] = min(row + r, n - 1)
            still_open, settled = settle_anew(
                byte_tile, work.index, X, numbers, used, d, codes, codes.scores[task], unit, above, below
            )  # fmt: skip
            unfiltered += not settled
        if not settled:
            pack_points(X, row, used, d, steps, packed.shift, packed.scale, work.tile)
            still_open = settle(work, X, row * d, steps, used, d, packed, (row + ROWS) * d)
        rechecked += set_bits(np.int64(still_open))
        if bounded:
            if not settled:
                distance_bounds(work, d, still_open, factor, above, below)
            for r in range(used):
                upper[row + r], lower[row + r] = above[r], below[r]

        # STEP 2: record, and update the sums while the rows are in cache.
        index = work.index
        changes = _changes(labels, row, used, index)
        moved += set_bits(np.int64(changes))
        if has_lanes and used == ROWS:
            plan = sums.plan
            add_tile(of_lanes, own_sums.count, index, k, X, row, d, steps, plan.up, plan.up_rest, tile_limbs)
            waiting += 1
        elif mode == SUMS_ANEW:
            for r in range(ROWS):
                numbers[r] = row + r
            add_rows(own_sums, rows, index, numbers, used, 1)
        while changes != 0:
            r = trailing_zeros(changes)
            changes &= changes - np.uint64(1)
            if mode == SUMS_MOVED:
                moves[n_moves], sources[n_moves], targets[n_moves] = row + r, labels[row + r], index[r]
                n_moves += 1
            labels[row + r] = index[r]
        is_last = row + ROWS >= stop * ROWS
        if waiting == MOST_TILES or (waiting > 0 and is_last):
            flush_lanes(of_lanes, own_sums, k, d)
            waiting = 0
        if n_moves > MOVES - ROWS or (n_moves > 0 and is_last):
            move_rows(own_sums, rows, sources, targets, moves, n_moves)
            n_moves = 0
    counts.changed[task], counts.rechecked[task] = moved, rechecked
    if codes is not None:
        counts.overfull[task] = unfiltered


@kernel
def sum_owned(
    task,
    tasks,
    X: Floats,  #       IN    (n * d,)
    weights,  #         IN    (n,) float64, or (0,): all ones
    d,
    labels,  #          IN    (n,) int32
    k,
    totals: Totals,  #  INOUT of one thread
    limbs,  #                 these four from `fixed_point.Plan`
    up,
    up_rest,
    down,
):
    """The sums of `assign`, in one accumulator for all tasks: each owns a range of clusters and looks for their rows.

    For sums too large to have a copy for every thread. Reads all labels in every task, each row of X once.
    """
    sums, rows = accumulators(totals, 0, limbs, up, up_rest, down), Rows(X, weights, d)
    first, last = share(task, tasks, k)
    clear(sums, first, last, d + 1 if weights.size > 0 else d)
    clusters, numbers, found = stack_array(MOVES, np.int32), stack_array(MOVES, np.int64), 0
    for i in range(labels.size):
        if first <= labels[i] < last:
            clusters[found], numbers[found] = labels[i], i
            found += 1
        if found == MOVES or i == labels.size - 1:
            add_rows(sums, rows, clusters, numbers, found, 1)
            found = 0
