"""Rows and centroids in bytes, and what that costs in certainty: what `byte_filter` reads, which has the maths.

Mapping    `encode_rows` makes the bytes of the rows once a fit, a row after the other; `encode_centroids` those of the
           centroids in every iteration.
Precision  The codes are integers, so what they lose is known: |a|, the norm of ``x'/s - q``, is computed. In float32,
           with margins for its roundings.
Cost       O(n d); d + 12 bytes a row.
Limits     d <= 2**16: products of 2**16 codes fit 32 bits.
"""

import math
from typing import NamedTuple

import numpy as np

from ...byte_scores import LEVELS
from ..machine.float_arrays import Floats, narrow, wide
from ..machine.host import FEATURES, VECTOR_BYTES
from ..machine.simd import (
    add,
    fma,
    lane_maximum,
    lane_sum,
    load_like,
    maximum,
    mul,
    narrowed,
    splat,
    splat_like,
    store_bytes,
    sub,
)
from ..runtime.jit import inlined, inner, kernel, share
from .tile import LANES, ROWS

AVAILABLE = (VECTOR_BYTES == 64 and "avx512vnni" in FEATURES) or (VECTOR_BYTES == 32 and "avxvnni" in FEATURES)
MOST_FEATURES = 1 << 16
MOST_REACH = 2.0**40  # norm of a row or centroid, in units that bring the data near 1, beyond which nothing is claimed
_LEAST = 2.0**-60  # the largest value of a row, at least: the codes of a smaller row are 0
_ROUNDER = np.float32(1.5 * 2.0**23)  # x + _ROUNDER - _ROUNDER is x rounded to an integer
_U = 2.0**-24
_TINY = 2.0**-40  # more than what underflows, in units of s


def words_a_row(d):
    return -(-d // 4)


class ByteRows(NamedTuple):
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


class TiledByteRows(NamedTuple):
    """The rows as bytes in tiles of ROWS, for passes over all of them; padded to whole tiles."""

    words: np.ndarray  # (tiles * words_a_row(d) * ROWS,) int32: words by rows
    inverses: np.ndarray  # these three (tiles * ROWS,) float32, as those of `ByteRows`
    reaches: np.ndarray
    norms: np.ndarray


class Encoded(NamedTuple):
    """What the filter needs."""

    rows: ByteRows
    centroids: Centroids
    values: Floats  # (k * d,) X's dtype: the centroids
    scale: float  # a power of two
    vanishing: float  # what the contract's D may lose to underflow, times scale**2
    tiles: np.ndarray  # `byte_filter.tiles`
    scores: np.ndarray  # `byte_filter.score_blocks`


class Trial(NamedTuple):
    """What `trials.trials` needs."""

    rows: TiledByteRows
    centroids: Centroids  # the candidates
    scale: float
    vanishing: float


@inlined
def _moved(X, at, shift, scale, j, width):
    """The features from j on of ``(x - shift) * scale``, rounded to float32."""
    return narrowed(mul(sub(load_like(X, at + j, width), load_like(shift, j, width)), splat_like(width, scale)))


@inner
def _encode(X, at, shift, scale, d, codes, out, bias):
    """See `_encode_row`, of an array.

    In float32: x' / s is off by three roundings (and underflow, below `_TINY`), a sum of squares by less than d + 32.
    """
    zero, j, rest_of_row = splat(np.float32(0)), 0, np.float32(0)
    extents = zero
    while j + LANES <= d:
        moved = _moved(X, at, shift, scale, j, zero)
        extents = maximum(maximum(moved, sub(zero, moved)), extents)
        j += LANES
    while j < d:
        rest_of_row = max(rest_of_row, abs(np.float32((X[at + j] - shift[j]) * scale)))
        j += 1
    largest = max(np.float64(max(lane_maximum(extents), rest_of_row)), _LEAST)
    s = np.float64(np.float32(largest * ((1 + 2.0**-22) / LEVELS)))
    per, rounder, j = np.float32(1.0 / s), splat(_ROUNDER), 0
    sums = codes2 = rests2 = values2 = zero
    while j + LANES <= d:
        value = mul(_moved(X, at, shift, scale, j, zero), splat(per))
        code = sub(add(value, rounder), rounder)
        rest = sub(value, code)
        sums = add(sums, code)
        codes2, rests2, values2 = fma(code, code, codes2), fma(rest, rest, rests2), fma(value, value, values2)
        store_bytes(codes, out + j, add(code, splat(bias)))
        j += LANES
    total, q2, a2, v2 = lane_sum(sums), lane_sum(codes2), lane_sum(rests2), lane_sum(values2)
    while j < d:
        v = np.float32((X[at + j] - shift[j]) * scale) * per
        q = v + _ROUNDER - _ROUNDER
        total, q2, a2, v2 = total + q, q2 + q * q, a2 + (v - q) * (v - q), v2 + v * v
        codes[out + j] = np.int64(q + bias)
        j += 1
    return s, total, np.float64(q2), np.float64(a2), np.float64(v2)


@inlined
def _encode_row(X, at, shift, scale, d, codes, out, bias):
    """The codes ``q + bias`` of the row at ``X[at:]`` into ``codes[out:]``; s, sum of q, |q|^2, |a|^2, |x'|^2 / s^2."""
    if X.itemsize == 4:
        return _encode(narrow(X), at, narrow(shift), np.float32(scale), d, codes, out, bias)
    return _encode(wide(X), at, wide(shift), scale, d, codes, out, bias)


@inlined
def _row_statistics(s, q2, a2, v2, ratio, d):
    """1 / s, y and the norm of a row; of one too large for float32, a y that makes every centroid a candidate."""
    sums, squares = (d + 32) * 2 * _U, v2 * s * s
    if not (squares < MOST_REACH * MOST_REACH):
        return 1.0, np.inf, 0.0
    rest = math.sqrt(a2) + 4 * _U * math.sqrt(v2) + _TINY
    return 1.0 / s, max(math.sqrt(q2), rest / ratio) * (1 + sums), squares * (1 - sums)


@inlined
def _row(X, i, d, shift, scale, ratio, codes, out, width):
    """The codes of row i into ``codes[out:]``, and its `_row_statistics`."""
    s, _, q2, a2, v2 = _encode_row(X, i * d, shift, scale, d, codes, out, np.float32(128))
    for j in range(d, width):
        codes[out + j] = 128
    return _row_statistics(s, q2, a2, v2, ratio, d)


@kernel
def encode_rows(
    task,
    tasks,
    X: Floats,  #     IN   (n * d,)
    d,
    shift: Floats,  # IN   (d,) X's dtype
    scale: float,
    ratio,
    codes,  #         OUT  (n * 4 * words_a_row + slack,) uint8: the words of `ByteRows`; this and the next three
    inverses,  #      OUT  (n,) float32
    reaches,  #       OUT  (n,) float32
    norms,  #         OUT  (n,) float32
):
    """Rows as bytes. Reads X once. O(n d)."""
    width = (d + 3) // 4 * 4
    for i in range(*share(task, tasks, inverses.size)):
        inverses[i], reaches[i], norms[i] = _row(X, i, d, shift, scale, ratio, codes, i * width, width)


@kernel
def encode_tiles(
    task,
    tasks,
    X: Floats,  #     IN   (n * d,)
    d,
    shift: Floats,  # IN   (d,) X's dtype
    scale: float,
    ratio,
    codes,  #         OUT  (tasks, ROWS * 4 * words_a_row) uint8: scratch
    tile,  #           the same memory as int32
    words,  #         OUT  (tiles * words_a_row * ROWS,) int32; this and the next three: `TiledByteRows`
    inverses,  #      OUT  (tiles * ROWS,) float32
    reaches,  #       OUT  (tiles * ROWS,) float32
    norms,  #         OUT  (tiles * ROWS,) float32
):
    """Rows as bytes, in tiles; the last row again and again after the last. Reads X once. O(n d)."""
    n, of_a_row = X.size // d, (d + 3) // 4
    for first in range(*share(task, tasks, inverses.size // ROWS)):
        for r in range(ROWS):
            i = first * ROWS + r
            inverses[i], reaches[i], norms[i] = _row(
                X, min(i, n - 1), d, shift, scale, ratio, codes[task], r * of_a_row * 4, of_a_row * 4
            )
        for j in range(of_a_row):
            for r in range(ROWS):
                words[(first * of_a_row + j) * ROWS + r] = tile[task, r * of_a_row + j]


@kernel
def encode_centroids(
    task,
    tasks,
    values: Floats,  # IN   (k * d,) X's dtype
    d,
    shift: Floats,  #  IN   (d,) X's dtype
    scale: float,
    ratio,
    codes,  #          OUT  (padded k * 4 * words_a_row,) int8: the words of `Centroids`; this and the next four
    offsets,  #        OUT  (padded k,) int32
    steps,  #          OUT  (padded k,) float32
    slopes,  #         OUT  (padded k,) float32
    half_norms,  #     OUT  (padded k,) float32
    reach,  #          OUT  (tasks,) float64: the largest norm; beyond MOST_REACH the codes are worth nothing
):
    """Centroids as bytes; of the padding, nothing is written. O(k d)."""
    width, sums = (d + 3) // 4 * 4, (d + 32) * 2 * _U
    farthest = 0.0
    for c in range(*share(task, tasks, values.size // d)):
        s, total, _, a2, v2 = _encode_row(values, c * d, shift, scale, d, codes, c * width, np.float32(0))
        norm, lost = s * math.sqrt(v2), s * (math.sqrt(a2) + 4 * _U * math.sqrt(v2) + _TINY)
        slope = lost + ratio * norm
        offsets[c] = -128 * np.int64(total)
        steps[c] = s
        slopes[c] = (slope + 6 * _U * (norm + lost + slope)) * (1 + sums)
        half_norms[c] = 0.5 * norm * norm * (1 - sums) - 2.0**-100
        farthest = max(farthest, norm if norm < MOST_REACH else np.inf)  # NaN too, where float32 overflowed
    reach[task] = farthest
