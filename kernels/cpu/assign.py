"""Assignment, certified, with the update fused in: the hot loop of k-means.

Mapping    A task takes a range of rows in tiles of ROWS = POINT_VECTORS * lanes. A tile is transposed so that a lane is a point, and scored against
           CENTROIDS centroids at a time: POINT_VECTORS x CENTROIDS accumulators stay in registers through the loop over features.
Maths      argmin |x - c|^2 = argmax of the score x'c' - |c'|^2 / 2, where x' = (x - shift) * scale and c' likewise, in float32 for any dtype of X. The
           shift (the mean of the centroids) removes the cancellation that ruins the expanded form on data far from the origin.
Precision  Certify, then recheck. |score - true score| <= E = alpha |x'|^2 + beta (`update.error_bound`). A row whose best score leads the runner-up by more than 2E
           has the contract's label. The others, open rows, are settled with the contract's D on every centroid that the bound cannot exclude.
Ties       Equal D: the lowest index, in the recheck; a tie is never certified.
Order      None: labels are per row, sums are exact integers (`fixed_point`).
Cost       2 n k d flops plus 5 vector operations a (vector of rows, centroid) for the top two. Segments of SEGMENT features keep E from growing with d.
           Every centroid is read once a tile, from L2 for k*d up to about 2**18.
Limits     k < 2**31, d * ROWS < 2**31; d * ROWS * 4 bytes of scratch a task.

The register tile follows BLIS; the fused argmin, FAISS' fused kernels for d <= 32; certification by an error bound, the filters of computational
geometry (Shewchuk, 1997).
"""

import numpy as np

from .distances import squared_distance
from .fixed_point import add_rows, clear, move_rows
from .host import CENTROIDS, POINT_VECTORS, VECTOR_BYTES
from .jit import inlined, inner, kernel, share
from .lane_sums import FEW, MOST_TILES, add_tile, flush_lanes
from .simd import (
    add_tiles,
    bits,
    equal,
    fma,
    gather,
    greater,
    lane_sum,
    load,
    load_like,
    load_transposed,
    loads,
    mul,
    narrowed,
    prefetch,
    rank1_update,
    set_bits,
    splat,
    splat_like,
    splats,
    square_update,
    store,
    store_tile,
    sub,
    tile_rows,
    top2_update,
    trailing_zeros,
    zeros_like,
)
from .stack import stack_array

LANES = VECTOR_BYTES // 4
ROWS = POINT_VECTORS * LANES
SEGMENT = 128  # features: a segment of the tile is 32 KB
BLOCK = 8 * CENTROIDS  # centroids scored together where features are cut into segments: 8 KB of partial scores
_EVERY_ROW = np.uint64((1 << ROWS) - 1)
_EVERY_LANE = np.uint64((1 << LANES) - 1)
SUMS_LEFT, SUMS_ANEW, SUMS_MOVED = 0, 1, 2
_CACHE_LINE = 64
_WORTH_PREFETCHING = 8  # features: tiles of shorter rows are over before a prefetch is
_MOVES = 1024  # rows to be moved are collected: a call for each would cost more than the additions
_SCAN_ALL = 32  # below this many features a recheck computes D to every centroid; above, it filters by score first

_load_points = loads(POINT_VECTORS)
_splat_centroids = splats(CENTROIDS)
_load_scores = loads(POINT_VECTORS * CENTROIDS)


@inner
def row_steps(first, last, d, steps):
    """Where in X the ROWS rows from `first` begin, from the first on; rows past `last` repeat it."""
    for r in range(ROWS):
        steps[r] = (min(first + r, last) - first) * d


@inlined
def pack_points(X, first, used, d, steps, shift, scale, tile):
    """The tile ``(x - shift) * scale`` of the ROWS rows from `first`, transposed: features by points.

    A full tile goes by square blocks in registers; the last features and a tile of fewer than ROWS rows are gathered.
    """
    for v in range(0, ROWS, LANES):
        at = load(steps, v)
        j = 0
        if used == ROWS:
            while j + LANES <= d:
                offsets = load_like(shift, j, at)
                block = load_transposed(X, (first + v) * d + j, d, offsets, scale)
                store_tile(tile, j * ROWS + v, ROWS, block)
                j += LANES
        while j < d:
            x = sub(gather(X, first * d + j, at), splat_like(at, shift[j]))
            store(tile, j * ROWS + v, narrowed(mul(x, splat_like(at, scale))))
            j += 1


@inner
def _products(scores, tile, start, stop, d, packed, c):
    """`scores` plus the products of the features [start, stop) of the tile with CENTROIDS centroids from `c`."""
    for j in range(start, stop):
        scores = rank1_update(scores, _load_points(tile, j * ROWS, LANES), _splat_centroids(packed, c * d + j, d))
    return scores


@inlined
def _score(tile, d, packed, half_norms, best, second, index, scratch, X, ahead):
    """The two best scores and the best index of each point of the tile; meanwhile the next tile's rows, from ``X[ahead:]``, come to L2.

    Above SEGMENT features, a block of centroids is scored segment by segment, so that the segment of the tile stays in L1; the partial scores wait in
    `scratch`.
    """
    b, s, i = _load_points(best, 0, LANES), _load_points(second, 0, LANES), _load_points(index, 0, LANES)
    line = _CACHE_LINE // X.itemsize
    steps = half_norms.size // CENTROIDS * -(-d // SEGMENT)
    stride = -(-ROWS * d // steps // line) * line if d >= _WORTH_PREFETCHING else 0
    for first in range(0, half_norms.size, BLOCK):
        last = min(first + BLOCK, half_norms.size)
        for start in range(0, d, SEGMENT):
            stop = min(d, start + SEGMENT)
            for c in range(first, last, CENTROIDS):
                at = (c - first) * ROWS
                for offset in range(ahead, ahead + stride, line):
                    prefetch(X, offset)
                ahead += stride
                initial = tile_rows(b, _splat_centroids(half_norms, c, 1))
                if start == 0:
                    scores = _products(initial, tile, 0, stop, d, packed, c)
                else:
                    part = _products(zeros_like(initial), tile, start, stop, d, packed, c)
                    scores = add_tiles(_load_scores(scratch, at, LANES), part)
                if stop == d:
                    b, s, i = top2_update(b, s, i, scores, c)
                else:
                    store_tile(scratch, at, LANES, scores)
    store_tile(best, 0, LANES, b)
    store_tile(second, 0, LANES, s)
    store_tile(index, 0, LANES, i)


@inlined
def _open_rows(tile, d, best, second, alpha, beta, margin):
    """Bit r set where point r is not settled; its margin 2E in ``margin[r]``."""
    found = np.uint64(0)
    norms = zeros_like(_load_points(tile, 0, LANES))
    for j in range(d):
        norms = square_update(norms, _load_points(tile, j * ROWS, LANES))
    store_tile(margin, 0, LANES, norms)
    for v in range(0, ROWS, LANES):
        twice = fma(load(margin, v), splat(np.float32(2) * alpha), splat(np.float32(2) * beta))
        store(margin, v, twice)
        settled = greater(sub(load(best, v), load(second, v)), twice)
        found |= np.uint64(bits(settled)) << np.uint64(v)
    return ~found & _EVERY_ROW


@inner
def _recheck(X, offset, d, exact, k, tile, r, packed, half_norms, threshold, point):
    """The contract's label of one row: least D, lowest index, among the centroids whose score reaches `threshold`."""
    label, least = 0, np.inf
    if d < _SCAN_ALL:
        for c in range(k):
            distance = squared_distance(X, offset, exact, c * d, d)
            if distance < least:
                label, least = c, distance
        return label
    for j in range(d):
        point[j] = tile[j * ROWS + r]
    for c in range(k):
        total = splat(np.float32(0))
        j = 0
        while j + LANES <= d:
            total = fma(load(point, j), load(packed, c * d + j), total)
            j += LANES
        score = half_norms[c] + lane_sum(total)
        while j < d:
            score += point[j] * packed[c * d + j]
            j += 1
        if not (score < threshold):  # NaN, where float32 overflowed, excludes nothing
            distance = squared_distance(X, offset, exact, c * d, d)
            if distance < least:
                label, least = c, distance
    return label


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
):
    """Label every row and bring the exact sums of the clusters up to date. Reads X once."""
    n, k = labels.size, exact.size // d
    alpha, beta = bound
    first, stop = share(task, tasks, -(-n // ROWS))
    few = limbs == 1 and weights.size == 0 and k * d <= FEW
    tile = np.empty(d * ROWS, np.float32)
    best, second = stack_array(ROWS, np.float32), stack_array(ROWS, np.float32)
    margin, point = stack_array(ROWS, np.float32), np.empty(d, np.float32)
    index, steps = stack_array(ROWS, np.int32), stack_array(ROWS, np.int32)
    numbers, moves = stack_array(ROWS, np.int64), np.empty(_MOVES, np.int64)
    sources, targets = np.empty(_MOVES, np.int32), np.empty(_MOVES, np.int32)
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
        _score(tile, d, packed, half_norms, best, second, index, scratch, X, (row + ROWS) * d)

        # STEP 2: settle what the bound proves, recheck the rest.
        still_open = _open_rows(tile, d, best, second, alpha, beta, margin)
        while still_open != 0:
            r = trailing_zeros(still_open)
            still_open &= still_open - np.uint64(1)
            if r < used:
                threshold = best[r] - margin[r]
                offset = (row + r) * d
                index[r] = _recheck(X, offset, d, exact, k, tile, r, packed, half_norms, threshold, point)
                rechecked += 1

        # STEP 3: record, and update the sums while the rows are in cache.
        changes = _changes(labels, row, used, index)
        moved += set_bits(np.int64(changes))
        if sums == SUMS_ANEW and few and used == ROWS:
            add_tile(lane_sums, count, index, k, X, row, d, steps, up, up_rest, tile_limbs)
            waiting += 1
            if waiting == MOST_TILES:
                flush_lanes(lane_sums, pending, high, low, unspilled, k, d)
                waiting = 0
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
        if n_moves > _MOVES - ROWS or (n_moves > 0 and row + ROWS >= stop * ROWS):
            move_rows(
                pending, high, low, unspilled, count, sources, targets, moves, n_moves,
                X, d, weights, limbs, up, up_rest, down,
            )  # fmt: skip
            n_moves = 0
    if waiting > 0:
        flush_lanes(lane_sums, pending, high, low, unspilled, k, d)
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
    clusters, numbers, found = np.empty(_MOVES, np.int32), np.empty(_MOVES, np.int64), 0
    for i in range(labels.size):
        if first <= labels[i] < last:
            clusters[found], numbers[found] = labels[i], i
            found += 1
        if found == _MOVES or i == labels.size - 1:
            add_rows(
                pending, high, low, unspilled, count, clusters, numbers, found,
                X, d, weights, 1, limbs, up, up_rest, down,
            )  # fmt: skip
            found = 0
