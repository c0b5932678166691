"""Greedy k-means++: every candidate of a step in one pass over X.

Mapping    As `assign`: a tile of ROWS points, transposed, lanes are points. `trials` scores a tile against CENTROIDS
           candidates at a time.
Maths      Row i is changed by candidate c only where D(x_i, c) < nearest_i. With |x - c|^2 = |x|^2 + |c|^2 - 2 x'c, a
           float32 product excludes most pairs: those where D cannot be smaller by more than the error (`Filter`). Only
           the pairs left over pay for D in float64: they are collected, and lanes are pairs.
Order      Masses are integers, so potentials have no order of summation (nor have draws: `drawing`).
Cost       `trials` reads X once a step and costs 2 n d n_trials flops; `accept` touches only rows that the chosen
           candidate changes. Memory: 12 bytes a row.
Limits     At most 16 trials a step (n_clusters < e**15).

Method: Arthur and Vassilvitskii (2007), greedy trials as in scikit-learn.
"""

from typing import NamedTuple

import numpy as np

from ..exact.column_statistics import sampled_frame
from ..exact.distances import pair_distances
from ..machine.bits import trailing_zeros
from ..machine.float_arrays import Floats
from ..machine.host import CENTROIDS, POINT_VECTORS
from ..machine.register_tiles import loads, splats, split_at, square_update, store_tile, tile_rows, zeros_like
from ..machine.scratch import stack_array
from ..machine.simd import fma, greater, load, prefetch, select, splat, store, sub
from ..runtime.jit import inlined, inner, kernel, share
from ..scoring.byte_filter import byte_scores, floors_of
from ..scoring.packing import reach
from ..scoring.tile import CACHE_LINE, LANES, ROWS, add_products, pack_points, row_steps
from .drawing import MOST_TRIALS, mass

UNREACHED = 2.0**1000  # nearest distance of a row before there is a seed: beyond any distance
BLOCK = 1024 // ROWS * ROWS  # rows whose changes `accept` collects at a time
_PAIRS = 1024  # at most this many pairs wait for their D

_INFINITE = np.float32(np.inf)

_load_points = loads(POINT_VECTORS)
_splat_candidates = splats(CENTROIDS)


class Filter(NamedTuple):
    """How rows become float32 points ``x' = (x - shift) * scale``, and what that costs in certainty.

    With e' the roundings of x' and c' (2**-24 relative, and |x'| <= |x' - c'| + |c'|), D exceeds nearest where
    ``(|x' - c'| - e')^2`` does; by ``(a + b)^2 <= (1 + h) a^2 + (1 + 1/h) b^2``, h = 2**-10, that is where

        |x'|^2 + |c'|^2 - 2 x'c'  >  slope * nearest * scale**2 + rise |c'|^2 + least.

    The float32 value of the left side is wrong by less than ``blur (|x'|^2 + |c'|^2)``: d + 1 fused roundings of a sum
    below that (Higham 2002, §3.1), d of the norm, and a few. `least` also covers underflow (d 2**-147 would do, but
    subnormal operands cost 150 cycles each). What overflows excludes nothing.
    """

    shift: Floats  # (d,) X's dtype
    scale: float  # X's dtype, a power of two
    slope: np.float32
    rise: float
    blur: float
    least: np.float32

    @classmethod
    def of(cls, X):
        """The filter for X (n_samples, n_features): any shift and scale are right, those of a sample serve well."""
        d = X.shape[1]
        shift, scale = sampled_frame(X, reach(X.dtype))
        slope, rise, blur, least = cls.constants(d)
        least, scale = np.float32(least), X.dtype.type(scale)
        with np.errstate(over="ignore"):  # an infinite threshold excludes nothing, which is right
            least += np.float32(d * 2.0**-1074 * (float(scale) * float(scale)))  # where D itself underflows
        return cls(shift, scale, slope, rise, blur, least)

    @staticmethod
    def constants(d):
        """`slope`, `rise`, `blur`, and `least` but for what the scale adds."""
        u = 2.0**-24
        return np.float32(1 + 2.0**-9), 4.2e3 * u * u, (2 * d + 16) * u * (1 + 2 * d * u), d * 2.0**-126

    def candidates(self, rows):
        """c' of the candidate rows, padded for the kernel, and ``-|c'|^2 / 2`` less its part of the error."""
        padded = -(-len(rows) // CENTROIDS) * CENTROIDS
        moved, half_norms = np.zeros((padded, rows.shape[1]), np.float32), np.zeros(padded, np.float32)
        moved[: len(rows)] = (rows - self.shift) * self.scale
        norms = np.einsum("ij,ij->i", moved, moved, dtype=np.float64)
        with np.errstate(over="ignore"):
            half_norms[:] = -0.5 * (1 - self.rise - self.blur) * norms
        half_norms[np.isinf(half_norms)] = np.nan
        return moved.ravel(), half_norms


@inlined
def _float_limits(tile, nearest, row, unit, row_filter, limits):
    """The score from which a candidate may change each of the rows of a float32 tile."""
    _, _, slope, _, blur, least = row_filter
    reach = stack_array(ROWS, np.float32)
    squares = zeros_like(_load_points(tile, 0, LANES))
    for j in range(row_filter.shift.size):
        squares = square_update(squares, _load_points(tile, j * ROWS, LANES))
    store_tile(limits, 0, LANES, squares)
    for r in range(ROWS):
        reach[r] = (
            np.float32(nearest[min(row + r, nearest.size - 1)] * unit) * (np.float32(0.5) * slope)
            + np.float32(0.5) * least
        )
    for v in range(0, ROWS, LANES):
        square = load(limits, v)
        sharp = splat(np.float32(0.5) * np.float32(1 - blur))
        least_score = fma(square, sharp, sub(splat(np.float32(0)), load(reach, v)))
        store(limits, v, select(greater(splat(_INFINITE), square), least_score, splat(-_INFINITE)))


@inlined
def _byte_limits(codes, nearest, row, limits):
    """As `_float_limits`, of a tile of bytes: what `nearest` leaves a nearer candidate as score (`byte_filter`)."""
    area, own = codes.scale * codes.scale, stack_array(ROWS, np.float64)
    for r in range(ROWS):
        own[r] = nearest[min(row + r, nearest.size - 1)]
    floors_of(own, codes.rows.norms, codes.rows.inverses, row, area, codes.vanishing, limits)


@inner
def _settle(X, weights, d, candidates, pair_row, pair_candidate, pairs, nearest, factors, marks, tile_marks, gain):
    """Measure D of pairs, given as offsets into X and `candidates`; mark rows that are nearer, and add to the gains."""
    distances = stack_array(_PAIRS, np.float64)
    pair_distances(X, pair_row, candidates, pair_candidate, pairs, d, distances)
    for p in range(pairs):
        i, c = pair_row[p] // d, pair_candidate[p] // d
        if distances[p] < nearest[i]:
            weight = weights[i] if weights.size > 0 else 1.0
            gain[c] += mass(weight, nearest[i], factors) - mass(weight, distances[p], factors)
            marks[i] |= np.uint16(1 << c)
            tile_marks[i // ROWS] |= np.uint16(1 << c)


@kernel
def trials(
    task,
    tasks,
    X: Floats,  #   IN    (n * d,)
    weights,  #     IN    (n,) float64, or (0,): all ones
    d,
    candidates,  #  IN    (n_trials * d,) float64
    floats,  #            (c', -|c'|^2 / 2, Filter): see `Filter.candidates`; or None
    codes,  #             `byte_codes.Trial`, instead; or None
    nearest,  #     IN    (n,) float64
    marks,  #       OUT   (n,) uint16: bit c set where candidate c would change the row; valid where its tile's is not 0
    tile_marks,  #  OUT   (tiles,) uint16: the marks of the rows of each tile, joined
    memory,  #            `tile.workspaces`
    factors,  #           the masses' power of two
    reduction,  #   OUT   (tasks, MOST_TRIALS) int64: how much mass each candidate takes away
):
    """What each candidate would do. O(n d n_trials)."""
    n, n_trials = nearest.size, candidates.size // d
    first, stop = share(task, tasks, -(-n // ROWS))
    limits = stack_array(ROWS, np.float32)
    if floats is not None:
        moved, half_norms, row_filter = floats
        tile, unit = memory[task], row_filter.scale * row_filter.scale
    steps = stack_array(ROWS, np.int32)
    pair_row, pair_candidate = stack_array(_PAIRS, np.int64), stack_array(_PAIRS, np.int64)
    pairs = 0
    for p in range(_PAIRS):  # the vectors over pairs read a little past the last one
        pair_row[p] = pair_candidate[p] = 0
    gain = stack_array(MOST_TRIALS, np.int64)
    for c in range(MOST_TRIALS):
        gain[c] = 0
    row_steps(0, ROWS, d, steps)
    line, groups = CACHE_LINE // X.itemsize, -(-n_trials // CENTROIDS)
    lines = -(-ROWS * d // (groups * line))
    for row in range(first * ROWS, stop * ROWS, ROWS):
        used = min(ROWS, n - row)
        if used < ROWS:
            row_steps(row, n - 1, d, steps)
        if floats is not None:
            pack_points(X, row, used, d, steps, row_filter.shift, row_filter.scale, tile)
            _float_limits(tile, nearest, row, unit, row_filter, limits)
        if codes is not None:
            _byte_limits(codes, nearest, row, limits)
        unmarked, ahead = True, (row + 2 * ROWS) * d
        tile_marks[row // ROWS] = 0
        beyond = ~np.uint64(0) << np.uint64(used) if used < 64 else np.uint64(0)
        for group in range(0, n_trials, CENTROIDS):
            # STEP 1: scores of the tile with a group of candidates, and the rows that each of them may change.
            if floats is not None:
                for _ in range(lines):  # of the tile after the next: a tile is done sooner than memory answers
                    prefetch(X, ahead)
                    ahead += line
                scores = tile_rows(_load_points(limits, 0, LANES), _splat_candidates(half_norms, group, 1))
                scores = add_products(scores, tile, 0, moved, group * d, d, d)
            if codes is not None:
                scores = byte_scores(codes.rows, row, codes.centroids, (d + 3) // 4, group)
            found, _ = split_at(scores, _load_points(limits, 0, LANES), _load_points(limits, 0, LANES))
            for c in range(group, min(group + CENTROIDS, n_trials)):
                maybe = found[c - group] & ~beyond
                if maybe == 0:
                    continue
                if unmarked:
                    for i in range(row, row + used):
                        marks[i] = 0
                    unmarked = False
                # STEP 2: D of those, together with pairs of other candidates and tiles.
                if pairs > _PAIRS - ROWS:
                    _settle(
                        X, weights, d, candidates, pair_row, pair_candidate, pairs, nearest, factors, marks, tile_marks,
                        gain,
                    )  # fmt: skip
                    pairs = 0
                while maybe != 0:
                    offset = (row + trailing_zeros(maybe)) * d
                    if codes is not None:  # else the rows have just been read
                        for at in range(offset, offset + d, line):
                            prefetch(X, at)
                    pair_row[pairs], pair_candidate[pairs] = offset, c * d
                    pairs += 1
                    maybe &= maybe - np.uint64(1)
    _settle(X, weights, d, candidates, pair_row, pair_candidate, pairs, nearest, factors, marks, tile_marks, gain)
    for c in range(MOST_TRIALS):
        reduction[task, c] = gain[c]


@kernel
def accept(
    task,
    tasks,
    X: Floats,  #   IN    (n * d,)
    weights,  #     IN    (n,) float64, or (0,): all ones
    d,
    candidates,  #  IN    (n_trials * d,) float64
    chosen,
    nearest,  #     INOUT (n,) float64
    marks,  #       IN    (n,) uint16, from `trials`
    tile_marks,  #  IN    (tiles,) uint16
    factors,
    buckets,  #     IN    (n,) uint16
    change,  #      OUT   (tasks, n_buckets) int64: what the masses of the buckets gain
):
    """Make the chosen candidate a seed: distances and masses of the rows it changes. O(n / ROWS + changed d)."""
    n = nearest.size
    blocks = -(-n // BLOCK)
    weighted = weights.size > 0
    bit = np.uint16(1 << chosen)
    pair_row, pair_candidate = stack_array(BLOCK, np.int64), stack_array(BLOCK, np.int64)
    distances = stack_array(BLOCK, np.float64)
    for p in range(BLOCK):
        pair_row[p], pair_candidate[p] = 0, chosen * d
    for block in range(*share(task, tasks, blocks)):
        pairs = 0
        for row in range(block * BLOCK, min(n, (block + 1) * BLOCK), ROWS):
            if tile_marks[row // ROWS] & bit:
                for i in range(row, min(n, row + ROWS)):
                    if marks[i] & bit:
                        pair_row[pairs] = i * d
                        pairs += 1
        pair_distances(X, pair_row, candidates, pair_candidate, pairs, d, distances)
        for p in range(pairs):
            i = pair_row[p] // d
            weight = weights[i] if weighted else 1.0
            gain = mass(weight, distances[p], factors) - mass(weight, nearest[i], factors)
            change[task, np.int64(buckets[i])] += gain
            nearest[i] = distances[p]
