"""Assignment of rows sorted by a k-d tree: most centroids are excluded for a whole box at a time.

Mapping    A task takes a range of families of blocks (`kd_tree`). What may be nearest to a point of the family's box is
           sought among all centroids, what may be nearest in a block among those; each row of the block is measured
           against what is left. Lanes are centroids first, then rows.
Maths      Let a be the centroid nearest to the middle of a box. ``|x - c|^2 - |x - a|^2`` is linear in x, so its least
           value in the box is that at the corner v on the side of c: the sum over features of
           ``(c - a)((c - v) + (a - v))``. Where it is positive, c is nearest to no point of the box.
Precision  All in float64, and without expanding a square: the sum is off by less than
           ``(d + 8) 2**-52 (|c - v| + |a - v|)^2``, and the contract's D of the two by ``(d + 2) 2**-53`` of
           themselves, each below ``2 |c - m|^2 + 2 s^2`` with m the middle and s the diagonal. So a margin of 2**-40 of
           ``|c - m|^2 + |a - m|^2 + s^2`` excludes none that the contract could choose, and 2**-1000 covers what
           underflows.
Ties       The lowest index: rows are measured by the contract's D against ascending indices, and only a smaller one
           replaces the best.
Order      None: labels are per row, sums are exact integers (`fixed_point`).
Cost       O(k d) a family, O(candidates d) a block and a row. In two or three features that is a few centroids a row,
           whatever k; it grows fast with d.
Limits     n < 2**31, d < 256; values below 2**480 in size.

Method: Kanungo et al., "An efficient k-means clustering algorithm: analysis and implementation" (2002), on blocks
instead of the nodes of a tree.
"""

import numpy as np

from ..exact.fixed_point import accumulators, add_rows, clear, move_rows
from ..exact.rows import Rows
from ..machine.bits import set_bits, trailing_zeros
from ..machine.float_arrays import floats, narrow, wide
from ..machine.scratch import private, stack_array
from ..machine.simd import (
    add,
    bits,
    element,
    equal,
    fma,
    greater,
    lanes,
    load,
    load_like,
    load_widened,
    mul,
    select,
    splat,
    splat_like,
    store,
    sub,
)
from ..runtime.jit import inlined, inner, kernel, share
from .arguments import MOVES, SUMS_ANEW, SUMS_LEFT, Counts, Sums
from .kd_tree import TILE, KdTree

_WIDTH = TILE // 2  # lanes of float64
_MARGIN = 2.0**-40
_UNDERFLOW = 2.0**-1000


def padded(k):
    """Centroids, filled up to whole vectors."""
    return -(-k // _WIDTH) * _WIDTH


def columns(centroids):
    """Centroids (k, d) as float64 columns, one after the other, for `assign_kd_tree`: filled up with infinity."""
    k, d = centroids.shape
    result = np.full((d, padded(k)), np.inf)
    result[:, :k] = centroids.T
    return result.ravel()


def scratch(tasks, k, d):
    """Memory of `assign_kd_tree`: candidates of a family and of a block, and rows that wait to be added."""
    size = padded(k)
    return (
        private(tasks, (2 * d + 1) * size, np.float64),
        private(tasks, 2 * size, np.int32),
        private(tasks, MOVES * d, np.float64),
    )


@inner
def _keep_candidates(low, high, at, d, from_columns, stride, from_ids, count, sizes, to_columns, to_ids):
    """Of `count` centroids, those that may be nearest in the box at ``low[at:]``; how many are left.

    ``from_columns[j * stride + q]`` is feature j of centroid ``from_ids[q]``; the columns left are as far apart. Both
    are filled up to whole vectors with infinity, which is nearest to nothing.
    """
    step = lanes(sizes)
    zero = splat(0.0)
    best, place = splat(np.inf), splat_like(zero, np.int32(0))
    for q in range(0, count, step):
        total = zero
        for j in range(d):
            apart = sub(load(from_columns, j * stride + q), splat(0.5 * low[at + j] + 0.5 * high[at + j]))
            total = fma(apart, apart, total)
        store(sizes, q, total)
        nearer = greater(best, total)
        best = select(nearer, total, best)
        place = select(nearer, splat_like(zero, np.int32(q)), place)
    lane_best, lane_place = stack_array(_WIDTH, np.float64), stack_array(_WIDTH, np.int32)
    store(lane_best, 0, best)
    store(lane_place, 0, place)
    nearest, least = 0, np.inf
    for lane in range(step):
        if lane_best[lane] < least:
            nearest, least = np.int64(lane_place[lane]) + lane, lane_best[lane]
    diagonal = 0.0
    for j in range(d):
        side = high[at + j] - low[at + j]
        diagonal += side * side
    slack = splat(_MARGIN * (sizes[nearest] + diagonal) + _UNDERFLOW)
    kept = 0
    for q in range(0, count, step):
        gap = zero
        for j in range(d):
            c, a = load(from_columns, j * stride + q), splat(element(from_columns, j * stride + nearest))
            e = sub(c, a)
            v = select(greater(e, zero), splat(element(high, at + j)), splat(element(low, at + j)))
            gap = fma(e, add(sub(c, v), sub(a, v)), gap)
        out = bits(greater(gap, fma(load(sizes, q), splat(_MARGIN), slack)))
        left = ~np.uint64(out) & ((np.uint64(1) << np.uint64(min(step, count - q))) - np.uint64(1))
        while left != 0:
            p = q + trailing_zeros(left)
            left &= left - np.uint64(1)
            for j in range(d):
                to_columns[j * stride + kept] = element(from_columns, j * stride + p)
            to_ids[kept] = from_ids[p]
            kept += 1
    for q in range(kept, -(-kept // step) * step):
        for j in range(d):
            to_columns[j * stride + q] = np.inf
    return kept


@inlined
def _label_tile(tiles, base, d, candidates, stride, ids, count, index):
    """The nearest of the candidates to each row of a tile, by the contract's D."""
    step = _WIDTH
    best0 = best1 = splat(np.inf)
    id0 = id1 = splat_like(best0, np.int32(0))
    for q in range(count):
        d0 = d1 = splat(0.0)
        for j in range(d):
            c = splat(element(candidates, j * stride + q))
            t0 = sub(load_widened(tiles, base + j * TILE), c)
            t1 = sub(load_widened(tiles, base + j * TILE + step), c)
            d0, d1 = add(d0, mul(t0, t0)), add(d1, mul(t1, t1))
        c_id = splat_like(best0, ids[q])
        nearer0, nearer1 = greater(best0, d0), greater(best1, d1)
        best0, best1 = select(nearer0, d0, best0), select(nearer1, d1, best1)
        id0, id1 = select(nearer0, c_id, id0), select(nearer1, c_id, id1)
    store(index, 0, id0)
    store(index, step, id1)


@inlined
def _differing(labels, at, index):
    """Bit r set where row r of a tile has another label than before."""
    like = splat(0.0)
    found = np.uint64(0)
    for r in range(0, TILE, _WIDTH):
        same = np.uint64(bits(equal(load_like(labels, at + r, like), load_like(index, r, like))))
        found |= (same ^ np.uint64((1 << _WIDTH) - 1)) << np.uint64(r)
    return found


@kernel
def assign_kd_tree(
    task,
    tasks,
    tree: KdTree,  #    IN
    d,
    columns,  #         IN    (d * padded k,) float64: `columns`
    all_ids,  #         IN    (padded k,) int32: 0, 1, 2, ...
    k,
    labels,  #          INOUT (padded n,) int32, in the order of the tree
    owners,  #          INOUT (blocks,) int32: the label of all rows of a block, or -1
    counts: Counts,  #  OUT   `changed`, `scored` and `pairs`
    sums: Sums,  #      INOUT
    memory,  #                `scratch`
):
    """Label every row and bring the exact sums of the clusters up to date."""
    stride = columns.size // d
    numbers_of, ids_of, values_of = memory
    sizes = numbers_of[task, 2 * d * stride :]
    of_family, of_block = numbers_of[task, : d * stride], numbers_of[task, d * stride : 2 * d * stride]
    family_ids, block_ids = ids_of[task, :stride], ids_of[task, stride:]
    waiting, of_waiting = values_of[task], stack_array(MOVES, np.float64)
    weighted, mode = tree.weights.size > 0, sums.mode
    rows = Rows(floats(waiting), of_waiting[: MOVES if weighted else 0], d)
    numbers = stack_array(MOVES, np.int64)
    for i in range(MOVES):
        numbers[i] = i
    sources, targets = stack_array(MOVES, np.int32), stack_array(MOVES, np.int32)
    index = stack_array(TILE, np.int32)
    own_sums = accumulators(sums.totals, task, sums.plan.limbs, sums.plan.up, sums.plan.up_rest, sums.plan.down)
    moved, measured, done, n_waiting = 0, 0, 0, 0
    if mode == SUMS_ANEW:
        clear(own_sums, 0, k, d + 1 if weighted else d)
    first, last = share(task, tasks, tree.families.size - 1)
    for family in range(first, last):
        n_family = _keep_candidates(
            tree.family_low, tree.family_high, family * d, d, columns, stride, all_ids, k, sizes, of_family, family_ids
        )  # fmt: skip
        for block in range(tree.families[family], tree.families[family + 1]):
            count = _keep_candidates(
                tree.low, tree.high, block * d, d, of_family, stride, family_ids, n_family, sizes, of_block, block_ids
            )  # fmt: skip
            start, size = tree.starts[block], tree.sizes[block]
            owner = block_ids[0] if count == 1 else np.int32(-1)
            if owner >= 0 and owner == owners[block] and mode != SUMS_ANEW:
                continue
            owners[block] = owner
            if count > 1:
                measured += size
                done += size * count
            for r in range(TILE):
                index[r] = owner
            for tile in range(0, size, TILE):
                if count > 1:
                    first_of_tile = (start + tile) * d
                    if tree.tiles.itemsize == 4:
                        of_tree = narrow(tree.tiles)
                        _label_tile(of_tree, first_of_tile, d, of_block, stride, block_ids, count, index)
                    else:
                        _label_tile(wide(tree.tiles), first_of_tile, d, of_block, stride, block_ids, count, index)
                valid = (np.uint64(1) << np.uint64(min(TILE, size - tile))) - np.uint64(1)
                differing = _differing(labels, start + tile, index) & valid
                moved += set_bits(np.int64(differing))
                to_do = valid if mode == SUMS_ANEW else differing
                while to_do != 0:
                    r = trailing_zeros(to_do)
                    to_do &= to_do - np.uint64(1)
                    at = start + tile + r
                    if mode != SUMS_LEFT:
                        sources[n_waiting], targets[n_waiting] = labels[at], index[r]
                        for j in range(d):
                            waiting[n_waiting * d + j] = element(tree.tiles, (start + tile) * d + j * TILE + r)
                        if weighted:
                            of_waiting[n_waiting] = tree.weights[at]
                        n_waiting += 1
                    labels[at] = index[r]
                if n_waiting > MOVES - TILE:
                    _add_waiting(own_sums, rows, sources, targets, numbers, n_waiting, mode)
                    n_waiting = 0
    _add_waiting(own_sums, rows, sources, targets, numbers, n_waiting, mode)
    counts.changed[task], counts.scored[task], counts.pairs[task] = moved, measured, done


@inner
def _add_waiting(sums, rows, sources, targets, numbers, count, mode):
    """Bring the sums up to date with the rows that have waited (`fixed_point.add_rows`, `move_rows`)."""
    if mode == SUMS_ANEW:
        add_rows(sums, rows, targets, numbers, count, 1)
    else:
        move_rows(sums, rows, sources, targets, numbers, count)
