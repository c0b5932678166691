"""Scores in 8-bit integers: a filter that leaves most rows nothing to measure but the distance to their own centroid.

Mapping    As `tile`: a lane is a row. A lane of 32 bits holds four features in a byte each; one instruction multiplies and adds 64 pairs of bytes (VNNI),
           where float32 does 16. `encode` makes the bytes of the rows once a fit, `encode_centroids` those of the centroids in every iteration.
Maths      With x' = (x - shift) * scale = s (q + a) and c' = t (r + b) likewise, q and r vectors of integers within -127 and 127,

               x'c' / s  =  t qr + t qb + a c'  <=  t qr + |q| t|b| + |a||c'|  <=  t qr + y g,   y >= |q|, |a| / w,   g >= t|b| + w |c'|

           for any w (`ratio`: the usual |a| / |q|, so that y is |q| of nearly every row). So ``t qr + y g - |c'|^2 / 2s`` is not below the score
           ``x'c' - |c'|^2 / 2`` in units of s. A centroid is a candidate unless that is below the row's floor: what the distance to the own centroid,
           measured in float64, leaves a nearer one as score, ``(|x'|^2 - |x' - c'|^2) / 2``. Among candidates, the distance in float64 decides.
Precision  qr is exact in 32 bits (d <= 2**16). The few float32 roundings of the score are below ``5u (|t qr| + y g + |c'|^2 / 2s)``, u = 2**-24; with
           |t qr| <= y (|c'| + t|b|), they are covered by a larger g and a smaller |c'|^2. The floor is lowered by 2**-20, beyond the (d + 2) 2**-53 by
           which the contract's D may differ, and by what D loses where it underflows. Two candidates whose distances are within 2**-40 are compared by D.
Ties       By D, then by index: exact.
Order      None.
Cost       k (d / 4 + 5) vector operations a vector of rows, d / 8 a candidate; d + 12 bytes a row.
Limits     d <= 2**16; CPUs with VNNI (others never come here). A tile that leaves more than CANDIDATES pairs is returned unsettled.

Quantised dot products as a filter are the practice of vector search (for one, Intel's SVS, Aguerrebere et al. 2023); the rigorous bound and the floor from
the own distance, which make the result exact, are this library's.
"""

import math
from typing import NamedTuple

import numpy as np

from .distances import squared_distance
from .host import CENTROIDS, FEATURES, POINT_VECTORS, VECTOR_BYTES
from .jit import inlined, inner, kernel, share
from .register_tiles import (
    byte_products_update,
    load_transposed_words,
    loads,
    negative_infinity_like,
    scores_of_bytes,
    splats,
    split_at,
    store_tile,
    tile_rows,
)
from .scratch import private, stack_array
from .simd import (
    add,
    bits_of,
    divide,
    float_of,
    fma,
    greater,
    lane_sum,
    lanes,
    load,
    load_widened,
    maximum,
    minimum,
    mul,
    narrowed,
    select,
    splat,
    square_root,
    store,
    store_bytes,
    sub,
    trailing_zeros,
)
from .tile import DOWN, LANES, ROWS, TINY, UP

AVAILABLE = (VECTOR_BYTES == 64 and "avx512vnni" in FEATURES) or (VECTOR_BYTES == 32 and "avxvnni" in FEATURES)
MOST_FEATURES = 1 << 16
MOST_REACH = 2.0**40  # norm of a centroid, in units that bring the data near 1, beyond which nothing is claimed
CANDIDATES = 8 * ROWS
_ENOUGH = CANDIDATES - CENTROIDS * ROWS  # so many, and there may be no room for those of the next group
_LEVELS = 127
_LEAST = 2.0**-60  # of the largest value of a row: a smaller row has codes of 0
_ROUNDER = 1.5 * 2.0**52  # x + _ROUNDER - _ROUNDER is x rounded to an integer
_U = 2.0**-24
_MAGNITUDE = 0x7FFFFFFFFFFFFFFF
_MARGIN = 2.0**-20
_NEAR = 2.0**-40
_VANISHING = 2.0**-900  # below, a sum of squares may have lost bits to underflow
_INFINITE = np.float32(np.inf)

_load_points = loads(POINT_VECTORS)
_splat_centroids = splats(CENTROIDS)


class Rows(NamedTuple):
    """The rows as bytes."""

    words: np.ndarray  # (n * words_a_row(d) + slack,) int32: q + 128 of four features each
    inverses: np.ndarray  # (n,) float32: 1 / s
    reaches: np.ndarray  # (n,) float32: y
    norms: np.ndarray  # (n,) float32: not above |x'|^2


class Centroids(NamedTuple):
    """The centroids as bytes, padded to groups of CENTROIDS that are no candidates."""

    words: np.ndarray  # (padded k * words_a_row(d),) int32: r of four features each
    offsets: np.ndarray  # (padded k,) int32: -128 * sum(r), as the bytes of the rows are q + 128
    steps: np.ndarray  # (padded k,) float32: t
    slopes: np.ndarray  # (padded k,) float32: g
    half_norms: np.ndarray  # (padded k,) float32: not above |c'|^2 / 2


class Encoded(NamedTuple):
    """What `settle_by_bytes` needs besides a tile."""

    rows: Rows
    centroids: Centroids
    scale: float  # a power of two
    vanishing: float  # what the contract's D may lose to underflow, times scale**2
    memory: np.ndarray  # `tiles`


class Tile(NamedTuple):
    """What a task needs to filter one tile after another."""

    words: np.ndarray  # (words * ROWS,) int32: words by rows
    inverses: np.ndarray  # this and the next two (ROWS,) float32: those of the rows of the tile
    reaches: np.ndarray
    norms: np.ndarray
    floors: np.ndarray  # (ROWS,) float32: the score that a candidate has at least
    rest: np.ndarray  # (ROWS,) float32: not below the score of any centroid that is no candidate
    own: np.ndarray  # (ROWS,) float64: |x - c|^2 of the label, in the units of X
    others: np.ndarray  # (ROWS,) float64: the least of the other candidates


def words_a_row(d):
    return -(-d // 4)


def tile_words(d):
    """Words of a tile of rows, which are written in square blocks."""
    return -(-words_a_row(d) // LANES) * LANES * ROWS


def tiles(tasks, d):
    """Memory for the tiles of all tasks."""
    return private(tasks, tile_words(d), np.int32)


@inlined
def new_tile(row):
    """A `Tile` in a task's row of `tiles`."""
    return Tile(
        row,
        stack_array(ROWS, np.float32),
        stack_array(ROWS, np.float32),
        stack_array(ROWS, np.float32),
        stack_array(ROWS, np.float32),
        stack_array(ROWS, np.float32),
        stack_array(ROWS, np.float64),
        stack_array(ROWS, np.float64),
    )


def usual_ratio(X, shift):
    """`ratio` from a sample of the rows: any positive number is right, the usual |a| / |q| serves best."""
    moved = X[:: -(-len(X) // 256)].astype(np.float64) - shift
    step = np.abs(moved).max(axis=1, keepdims=True) / _LEVELS
    moved = moved[step[:, 0] > 0] / step[step[:, 0] > 0]
    if not len(moved):
        return 1.0
    rounded = np.rint(moved)
    ratios = np.linalg.norm(moved - rounded, axis=1) / np.linalg.norm(rounded, axis=1)
    return max(float(np.median(ratios)), 2.0**-20)


@inner
def _encode_row(X, at, shift, scale, d, codes, out, bias):
    """The codes ``q + bias`` of the row at ``X[at:]`` into ``codes[out:]``; s, the sum of q, |q|^2, |a|^2, and |x'|^2 / s^2."""
    step, extent = lanes(shift), 0  # as a bit pattern: a maximum of integers is one that LLVM vectorises
    for j in range(d):
        extent = max(extent, bits_of(np.float64(X[at + j]) - shift[j]) & _MAGNITUDE)
    largest = max(float_of(extent) * scale, _LEAST)
    s = np.float64(np.float32(largest * ((1 + 2.0**-22) / _LEVELS)))
    per, rounder, j = scale / s, splat(_ROUNDER), 0
    sums = codes2 = rests2 = values2 = splat(0.0)
    while j + step <= d:
        value = mul(sub(load_widened(X, at + j), load(shift, j)), splat(per))
        code = sub(add(value, rounder), rounder)
        rest = sub(value, code)
        sums = add(sums, code)
        codes2, rests2, values2 = fma(code, code, codes2), fma(rest, rest, rests2), fma(value, value, values2)
        store_bytes(codes, out + j, add(code, splat(bias)))
        j += step
    total, q2, a2, v2 = lane_sum(sums), lane_sum(codes2), lane_sum(rests2), lane_sum(values2)
    while j < d:
        v = (np.float64(X[at + j]) - shift[j]) * per
        q = v + _ROUNDER - _ROUNDER
        total, q2, a2, v2 = total + q, q2 + q * q, a2 + (v - q) * (v - q), v2 + v * v
        codes[out + j] = np.int64(q + bias)
        j += 1
    return s, total, q2, a2, v2


@kernel
def encode_rows(
    task,
    tasks,
    X,  #         IN   (n * d,)
    d,
    shift,  #     IN   (d,) float64
    scale,
    ratio,
    codes,  #     OUT  (n * 4 * words_a_row + slack,) uint8: the words of `Rows`; this and the next three
    inverses,  #  OUT  (n,) float32
    reaches,  #   OUT  (n,) float32
    norms,  #     OUT  (n,) float32
):
    """Rows as bytes. A row too large for float32 arithmetic gets a reach that makes every centroid a candidate. Reads X once. O(n d)."""
    width = (d + 3) // 4 * 4
    for i in range(*share(task, tasks, inverses.size)):
        s, _, q2, a2, v2 = _encode_row(X, i * d, shift, scale, d, codes, i * width, 128.0)
        for j in range(d, width):
            codes[i * width + j] = 128
        squares = v2 * s * s
        if squares < MOST_REACH * MOST_REACH:
            inverses[i] = 1.0 / s
            reaches[i] = max(math.sqrt(q2), math.sqrt(a2) / ratio) * (1 + _MARGIN)
            norms[i] = squares * (1 - _MARGIN)
        else:
            inverses[i], reaches[i], norms[i] = 1.0, np.inf, 0.0


@kernel
def encode_centroids(
    task,
    tasks,
    exact,  #       IN   (k * d,) float64
    d,
    shift,  #       IN   (d,) float64
    scale,
    ratio,
    codes,  #       OUT  (padded k * 4 * words_a_row,) int8: the words of `Centroids`; this and the next four
    offsets,  #     OUT  (padded k,) int32
    steps,  #       OUT  (padded k,) float32
    slopes,  #      OUT  (padded k,) float32
    half_norms,  #  OUT  (padded k,) float32
    reach,  #       OUT  (tasks,) float64: the largest norm; beyond MOST_REACH the codes are worth nothing
):
    """Centroids as bytes; of the padding, nothing is written. O(k d)."""
    width = (d + 3) // 4 * 4
    farthest = 0.0
    for c in range(*share(task, tasks, exact.size // d)):
        s, total, _, a2, v2 = _encode_row(exact, c * d, shift, scale, d, codes, c * width, 0.0)
        norm, lost = s * math.sqrt(v2), s * math.sqrt(a2)
        slope = lost + ratio * norm
        offsets[c] = -128 * np.int64(total)
        steps[c] = s
        slopes[c] = (slope + 6 * _U * (norm + lost + slope)) * (1 + _MARGIN)
        half_norms[c] = 0.5 * norm * norm * (1 - _MARGIN) - 2.0**-100
        farthest = max(farthest, norm)
    reach[task] = farthest


@inner
def _candidates(tile, words, centroids, k, rows, others):
    """The pairs (row, centroid) of the tile that the bounds do not exclude, and how many; -1 if there is no room for them."""
    count = 0
    rest = negative_infinity_like(_load_points(tile.rest, 0, LANES))
    for c in range(0, centroids.steps.size, CENTROIDS):
        products = tile_rows(_load_points(tile.words, 0, LANES), _splat_centroids(centroids.offsets, c, 1))
        for j in range(words):
            points = _load_points(tile.words, j * ROWS, LANES)
            products = byte_products_update(products, points, _splat_centroids(centroids.words, c * words + j, words))
        scores = scores_of_bytes(
            products,
            _load_points(tile.inverses, 0, LANES),
            _load_points(tile.reaches, 0, LANES),
            _splat_centroids(centroids.steps, c, 1),
            _splat_centroids(centroids.slopes, c, 1),
            _splat_centroids(centroids.half_norms, c, 1),
        )
        found, rest = split_at(scores, _load_points(tile.floors, 0, LANES), rest)
        if count > _ENOUGH:
            return -1
        for q in range(min(CENTROIDS, k - c)):
            of_centroid = found[q]
            while of_centroid != 0:
                rows[count], others[count] = trailing_zeros(of_centroid), c + q
                of_centroid &= of_centroid - np.uint64(1)
                count += 1
    store_tile(tile.rest, 0, LANES, rest)
    return count


@inner
def squared(X, offset, exact, start, d):
    """The squared distance between a row and a centroid, in float64 and any order."""
    step, j = lanes(exact), 0
    s0 = s1 = s2 = s3 = splat(0.0)
    while j + 4 * step <= d:
        t0 = sub(load_widened(X, offset + j), load(exact, start + j))
        t1 = sub(load_widened(X, offset + j + step), load(exact, start + j + step))
        t2 = sub(load_widened(X, offset + j + 2 * step), load(exact, start + j + 2 * step))
        t3 = sub(load_widened(X, offset + j + 3 * step), load(exact, start + j + 3 * step))
        s0, s1, s2, s3 = fma(t0, t0, s0), fma(t1, t1, s1), fma(t2, t2, s2), fma(t3, t3, s3)
        j += 4 * step
    while j + step <= d:
        t0 = sub(load_widened(X, offset + j), load(exact, start + j))
        s0 = fma(t0, t0, s0)
        j += step
    total = lane_sum(add(add(s0, s1), add(s2, s3)))
    while j < d:
        t = np.float64(X[offset + j]) - exact[start + j]
        total += t * t
        j += 1
    return total


@inlined
def _find_floors(tile, area, vanishing):
    """The score in units of s that a centroid nearer than the own one has at least, less the margins."""
    for r in range(0, ROWS, lanes(tile.own)):
        far = mul(load(tile.own, r), splat(area * (1 + _MARGIN)))
        score = mul(sub(load_widened(tile.norms, r), far), splat(0.5))
        score = mul(sub(score, splat(vanishing)), load_widened(tile.inverses, r))
        size = maximum(score, sub(splat(0.0), score))
        store(tile.floors, r, narrowed(sub(score, mul(size, splat(2 * _MARGIN)))))


@inlined
def _find_bounds(tile, unit, factor, upper, lower):
    """The distance to the label at most, and that to any other centroid at least: to a candidate as measured, to the rest by their scores."""
    zero = splat(0.0)
    for r in range(0, ROWS, lanes(tile.own)):
        score = divide(load_widened(tile.rest, r), load_widened(tile.inverses, r))
        size = maximum(score, sub(zero, score))
        outside = sub(load_widened(tile.norms, r), mul(fma(size, splat(2 * _MARGIN), score), splat(2.0)))
        outside = mul(square_root(select(greater(outside, zero), outside, zero)), splat(factor))
        other = minimum(mul(square_root(load(tile.others, r)), splat(unit)), outside)
        own = mul(square_root(load(tile.own, r)), splat(unit))
        store(upper, r, narrowed(fma(own, splat(np.float64(UP)), splat(np.float64(TINY)))))
        store(lower, r, narrowed(fma(other, splat(np.float64(DOWN)), splat(-np.float64(TINY)))))


@inlined
def _is_nearer(X, offset, exact, d, c, distance, label, least):
    """Whether centroid c, at the squared distance `distance`, is nearer by the contract than `label`, at `least`."""
    if abs(distance - least) > _NEAR * least and least > _VANISHING:
        return distance < least
    distance, least = squared_distance(X, offset, exact, c * d, d), squared_distance(X, offset, exact, label * d, d)
    return distance < least or (distance == least and c < label)


@inlined
def settle_by_bytes(
    tile,  #     INOUT Tile: `own` holds |x - c|^2 of the labels
    index,  #    INOUT (ROWS,) int32: the labels
    X,  #        IN    (n * d,)
    numbers,  #  IN    (ROWS,) int64: the rows of the tile; past `used`, any rows
    used,
    d,
    exact,  #    IN    (k * d,) float64
    codes,  #          Encoded
    unit,  #           1 / the unit of the bounds
    upper,  #    OUT   (ROWS,) float32: not below the distance to the label in the unit of the bounds
    lower,  #    OUT   (ROWS,) float32: not above that to any other centroid
):
    """Label the rows of a tile. Bit r of what is returned first is set where row r had another candidate; the second is False, and nothing is settled,
    if there were too many.
    """
    rows, centroids, scale, vanishing, _ = codes
    words, k = (d + 3) // 4, exact.size // d
    offsets = stack_array(ROWS, np.int64)
    pair_rows, pair_centroids = stack_array(CANDIDATES, np.int32), stack_array(CANDIDATES, np.int32)
    for r in range(ROWS):
        i = numbers[r]
        offsets[r] = i * words
        tile.inverses[r], tile.reaches[r], tile.norms[r] = rows.inverses[i], rows.reaches[i], rows.norms[i]
        tile.others[r] = np.inf
    _find_floors(tile, scale * scale, vanishing)
    for r in range(used, ROWS):
        tile.floors[r] = _INFINITE
    for v in range(0, ROWS, LANES):
        for j in range(0, words, LANES):
            store_tile(tile.words, j * ROWS + v, ROWS, load_transposed_words(rows.words, offsets, v, j))
    count = _candidates(tile, words, centroids, k, pair_rows, pair_centroids)
    if count < 0:
        return np.uint64(0), False
    opened = np.uint64(0)
    for r in range(ROWS):
        offsets[r] = index[r]
    for p in range(count):
        r, c = np.int64(pair_rows[p]), np.int64(pair_centroids[p])
        if r >= used or c == offsets[r]:
            continue
        opened |= np.uint64(1) << np.uint64(r)
        at = numbers[r] * d
        distance, least = squared(X, at, exact, c * d, d), tile.own[r]
        if _is_nearer(X, at, exact, d, c, distance, np.int64(index[r]), least):
            index[r], tile.own[r], distance = c, distance, least
        tile.others[r] = min(tile.others[r], distance)
    _find_bounds(tile, unit, unit / scale, upper, lower)
    return opened, True
