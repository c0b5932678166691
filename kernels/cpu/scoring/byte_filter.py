"""Scores in 8-bit integers: a filter that leaves a row one or two centroids to be measured.

Mapping    As `tile`: a lane is a row. A lane of 32 bits holds four features in a byte each; one instruction multiplies
           and adds 64 pairs of bytes (VNNI), where float32 does 16.
Maths      With x' = (x - shift) * scale = s (q + a) and c' = t (r + b) likewise, q and r vectors of integers within
           -127 and 127,

               x'c' / s  =  t qr + t qb + a c'  <=  t qr + |q| t|b| + |a||c'|  <=  t qr + y g,
               y >= |q|, |a| / w,   g >= t|b| + w |c'|

           for any w (`byte_scores.usual_ratio`: that of |a| to |q| in a sample, so that y is |q| of nearly every
           row). So
           ``t qr + y g - |c'|^2 / 2s`` is not below the score ``x'c' - |c'|^2 / 2`` in units of s, and
           ``t qr - y g - |c'|^2 / 2s`` not above. A centroid is a candidate unless the former is below the row's floor,
           a score that the nearest centroid has at least. For a row with a label that is what the distance to its
           centroid, measured in float64, leaves: ``(|x'|^2 - |x' - c'|^2) / 2``. For others it is the largest of the
           latter. Among candidates, the distance in float64 decides.
Precision  qr is exact in 32 bits. The few float32 roundings of a score are below ``5u (|t qr| + y g + |c'|^2 / 2s)``,
           u = 2**-24; with |t qr| <= y (|c'| + t|b|), a larger g and a smaller |c'|^2 cover them above. Floors are
           lowered by 2**-20 at least, beyond the (d + 2) 2**-53 by which the contract's D may differ, and by what D
           loses where it underflows; those made of scores by ``(d + 64) 4u + 2**-18`` of ``2 |x'|^2 + 2 |score|``,
           which is not below |c'|^2 / 2 of the best. Two candidates whose distances are within 2**-40 are compared by
           D.
Ties       By D, then by index: exact.
Order      None.
Cost       k (d / 4 + 5) vector operations a vector of rows, d / 8 a candidate.
Limits     CPUs with VNNI (others never come here). A tile that leaves more than CANDIDATES pairs is returned unsettled.

Quantised dot products as a filter are the practice of vector search (for one, Intel's SVS, Aguerrebere et al. 2023);
the rigorous bound and the floors, which make the result exact, are this library's.
"""

from typing import NamedTuple

import numpy as np

from ..exact.distances import is_nearer, squared
from ..machine.bits import trailing_zeros
from ..machine.host import CENTROIDS, POINT_VECTORS
from ..machine.product_sums import product_sums
from ..machine.register_tiles import (
    floors_update,
    loads,
    negative_infinity_like,
    scores_of_bytes,
    splats,
    split_at,
    store_tile,
    tile_rows,
)
from ..machine.scratch import private, stack_array
from ..machine.simd import (
    divide,
    fma,
    greater,
    lanes,
    load,
    load_widened,
    maximum,
    minimum,
    mul,
    narrowed,
    prefetch,
    select,
    splat,
    square_root,
    store,
    sub,
)
from ..machine.transposing import load_transposed_words
from ..machine.vectors import emit_byte_products
from ..runtime.jit import inlined, inner, macro
from .byte_codes import words_a_row
from .tile import CACHE_LINE, DOWN, LANES, ROWS, TINY, UP

CANDIDATES = 8 * ROWS
BLOCK = 256  # centroids whose scores wait for the floors of the rows
_ENOUGH = CANDIDATES - CENTROIDS * ROWS  # so many, and there may be no room for those of the next group
_U = 2.0**-24
_MARGIN = 2.0**-20
_INFINITE = np.float32(np.inf)

_load_points = loads(POINT_VECTORS)
_load_scores = loads(POINT_VECTORS * CENTROIDS)
_splat_centroids = splats(CENTROIDS)
_add_products = product_sums(POINT_VECTORS, CENTROIDS, emit=emit_byte_products)


class Tile(NamedTuple):
    """What a task needs to filter one tile after another."""

    words: np.ndarray  # (words * ROWS,) int32: words by rows
    inverses: np.ndarray  # this and the next two (ROWS,) float32: those of the rows of the tile
    reaches: np.ndarray
    norms: np.ndarray
    floors: np.ndarray  # (ROWS,) float32: the score that a candidate has at least
    rest: np.ndarray  # (ROWS,) float32: not below the score of any centroid that is no candidate
    own: np.ndarray  # (ROWS,) float64: |x - c|^2 of the label, or not below it, in the units of X
    others: np.ndarray  # (ROWS,) float64: the least of the other candidates
    pair_rows: np.ndarray  # (CANDIDATES,) int32: the rows of the tile and the centroids of the candidates
    pair_centroids: np.ndarray
    pair_scores: np.ndarray  # (CANDIDATES,) float32


def tiles(tasks, d):
    """Memory for the tiles of all tasks, which are written in square blocks."""
    return private(tasks, -(-words_a_row(d) // LANES) * LANES * ROWS, np.int32)


def score_blocks(tasks):
    """Memory for the scores of a block of centroids, for all tasks."""
    return private(tasks, BLOCK * ROWS, np.float32)


@macro
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
        stack_array(CANDIDATES, np.int32),
        stack_array(CANDIDATES, np.int32),
        stack_array(CANDIDATES, np.float32),
    )


@inlined
def load_tile(tile, rows, numbers, d):
    """Bring rows into the tile: those of these numbers."""
    words, offsets = (d + 3) // 4, stack_array(ROWS, np.int64)
    for r in range(ROWS):
        i = numbers[r]
        offsets[r] = i * words
        tile.inverses[r], tile.reaches[r], tile.norms[r] = rows.inverses[i], rows.reaches[i], rows.norms[i]
    for v in range(0, ROWS, LANES):
        for j in range(0, words, LANES):
            store_tile(tile.words, j * ROWS + v, ROWS, load_transposed_words(rows.words, offsets, v, j))


@inlined
def byte_scores(tile, row, centroids, words, c):
    """Not below the scores of a tile with the group of centroids from c on.

    `tile`, a Tile or TiledByteRows, has its rows from `row` on.
    """
    products = tile_rows(_load_points(tile.words, 0, LANES), _splat_centroids(centroids.offsets, c, 1))
    products = _add_products(products, tile.words, row * words, centroids.words, c * words, words, words)
    return scores_of_bytes(
        products,
        _load_points(tile.inverses, row, LANES),
        _load_points(tile.reaches, row, LANES),
        _splat_centroids(centroids.steps, c, 1),
        _splat_centroids(centroids.slopes, c, 1),
        _splat_centroids(centroids.half_norms, c, 1),
    )


@inlined
def _append(tile, found, first, k, count):
    """Append the pairs of the words `found`, one for each centroid from `first` on."""
    for q in range(min(CENTROIDS, k - first)):
        of_centroid = found[q]
        while of_centroid != 0:
            tile.pair_rows[count], tile.pair_centroids[count] = trailing_zeros(of_centroid), first + q
            of_centroid &= of_centroid - np.uint64(1)
            count += 1
    return count


@inner
def candidates(tile, centroids, d, k, X, ahead):
    """How many pairs of the tile the bounds do not exclude, given the floors; -1 if there is no room for them.

    Meanwhile the rows of X that are next, from ``X[ahead:]``, come to L2.
    """
    words, count = (d + 3) // 4, 0
    line = CACHE_LINE // X.itemsize
    lines = -(-ROWS * d * CENTROIDS // (centroids.steps.size * line))
    rest = negative_infinity_like(_load_points(tile.rest, 0, LANES))
    for c in range(0, centroids.steps.size, CENTROIDS):
        for _ in range(lines):
            prefetch(X, ahead)
            ahead += line
        scores = byte_scores(tile, 0, centroids, words, c)
        found, rest = split_at(scores, _load_points(tile.floors, 0, LANES), rest)
        if count > _ENOUGH:
            return -1
        count = _append(tile, found, c, k, count)
    store_tile(tile.rest, 0, LANES, rest)
    return count


@inlined
def _lower_floors(tile, d, vanishing):
    """Floors from scores that the nearest centroid has at least but for their roundings."""
    part = np.float32(2 * ((d + 64) * 4 * _U + 4 * _MARGIN))
    for r in range(0, ROWS, LANES):
        floor, inverse = load(tile.floors, r), load(tile.inverses, r)
        size = fma(
            mul(load(tile.norms, r), inverse), splat(np.float32(1.05)), maximum(floor, sub(splat(np.float32(0)), floor))
        )
        lost = fma(size, splat(part), mul(inverse, splat(np.float32(vanishing))))
        store(tile.floors, r, sub(floor, lost))


@inner
def _drop_candidates(tile, count):
    """Drop the pairs that the floors exclude by now; how many are left."""
    kept = 0
    for p in range(count):
        r, score = np.int64(tile.pair_rows[p]), tile.pair_scores[p]
        if score < tile.floors[r]:
            tile.rest[r] = max(tile.rest[r], score)
        else:
            tile.pair_rows[kept], tile.pair_centroids[kept] = r, tile.pair_centroids[p]
            tile.pair_scores[kept] = score
            kept += 1
    return kept


@inner
def candidates_anew(tile, centroids, d, k, vanishing, block):
    """As `candidates`, without floors to begin with: they rise with each block of centroids and stay in the tile."""
    words, count = (d + 3) // 4, 0
    best = negative_infinity_like(_load_points(tile.rest, 0, LANES))
    store_tile(tile.rest, 0, LANES, best)
    for first in range(0, centroids.steps.size, BLOCK):
        last = min(first + BLOCK, centroids.steps.size)
        for c in range(first, last, CENTROIDS):
            scores = byte_scores(tile, 0, centroids, words, c)
            best = floors_update(
                best, scores, _load_points(tile.reaches, 0, LANES), _splat_centroids(centroids.slopes, c, 1)
            )
            store_tile(block, (c - first) * ROWS, LANES, scores)
        store_tile(tile.floors, 0, LANES, best)
        _lower_floors(tile, d, vanishing)
        for c in range(first, last, CENTROIDS):
            at = (c - first) * ROWS
            scores = _load_scores(block, at, LANES)
            found, rest = split_at(scores, _load_points(tile.floors, 0, LANES), _load_points(tile.rest, 0, LANES))
            store_tile(tile.rest, 0, LANES, rest)
            if count > _ENOUGH:
                count = _drop_candidates(tile, count)
                if count > _ENOUGH:
                    return -1
            old = count
            count = _append(tile, found, c, k, count)
            for p in range(old, count):
                r, q = np.int64(tile.pair_rows[p]), np.int64(tile.pair_centroids[p]) - c
                tile.pair_scores[p] = block[at + (r // LANES * CENTROIDS + q) * LANES + r % LANES]
    return _drop_candidates(tile, count)


@inlined
def floors_of(own, norms, inverses, row, area, vanishing, floors):
    """The score in units of s that a centroid nearer than sqrt(own) has at least, less the margins.

    Norms and inverses are those from `row` on.
    """
    for r in range(0, ROWS, lanes(own)):
        far = mul(load(own, r), splat(area * (1 + _MARGIN)))
        score = mul(sub(load_widened(norms, row + r), far), splat(0.5))
        score = mul(sub(score, splat(vanishing)), load_widened(inverses, row + r))
        size = maximum(score, sub(splat(0.0), score))
        store(floors, r, narrowed(sub(score, mul(size, splat(2 * _MARGIN)))))


@inlined
def _find_bounds(tile, unit, factor, upper, lower):
    """The distance to the label at most, to any other centroid at least: measured for candidates, else by scores."""
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
def _measure(tile, index, X, numbers, used, d, C, count):
    """Take the nearest of each row's candidates for its label.

    Returns a word whose bit r is set where row r had more candidates than its label. A row has no label yet where `own`
    is infinite.
    """
    opened, given = np.uint64(0), stack_array(ROWS, np.int64)
    for r in range(ROWS):
        given[r], tile.others[r] = index[r], np.inf
    for p in range(count):
        r, c = np.int64(tile.pair_rows[p]), np.int64(tile.pair_centroids[p])
        if r >= used or c == given[r]:
            continue
        opened |= np.uint64(1) << np.uint64(r)
        at = numbers[r] * d
        distance, least = squared(X, at, C, c * d, d), tile.own[r]
        if least == np.inf or is_nearer(X, at, C, d, c, distance, np.int64(index[r]), least):
            index[r], tile.own[r], distance = c, distance, least
        tile.others[r] = min(tile.others[r], distance)
    return opened


@inlined
def settle_by_bytes(
    tile,  #     INOUT Tile: `own` holds |x - c|^2 of the labels
    index,  #    INOUT (ROWS,) int32: the labels
    X,  #        IN    (n * d,)
    numbers,  #  IN    (ROWS,) int64: the rows of the tile; past `used`, any rows
    used,
    d,
    codes,  #          Encoded
    ahead,  #          where in X the rows begin that are next
    unit,  #           1 / the unit of the bounds
    upper,  #    OUT   (ROWS,) float32: not below the distance to the label in the unit of the bounds
    lower,  #    OUT   (ROWS,) float32: not above that to any other centroid
):
    """Label the rows of a tile that have labels already.

    Returns a word whose bit r is set where row r had another candidate, and whether the tile is settled: it is not if
    there were too many candidates.
    """
    load_tile(tile, codes.rows, numbers, d)
    floors_of(tile.own, tile.norms, tile.inverses, 0, codes.scale * codes.scale, codes.vanishing, tile.floors)
    for r in range(used, ROWS):
        tile.floors[r] = _INFINITE
    count = candidates(tile, codes.centroids, d, codes.values.size // d, X, ahead)
    if count < 0:
        return np.uint64(0), False
    opened = _measure(tile, index, X, numbers, used, d, codes.values, count)
    _find_bounds(tile, unit, unit / codes.scale, upper, lower)
    return opened, True


@inlined
def settle_anew(
    tile,  #     INOUT Tile
    index,  #    OUT   (ROWS,) int32: the labels
    X,  #        IN    (n * d,)
    numbers,  #  IN    (ROWS,) int64: the rows of the tile; past `used`, any rows
    used,
    d,
    codes,  #          Encoded
    block,  #          a task's row of `score_blocks`
    unit,  #           1 / the unit of the bounds
    upper,  #    OUT   (ROWS,) float32: not below the distance to the label in the unit of the bounds
    lower,  #    OUT   (ROWS,) float32: not above that to any other centroid
):
    """As `settle_by_bytes`, for rows without labels. A row of one candidate is not measured: `upper` is by score."""
    load_tile(tile, codes.rows, numbers, d)
    count = candidates_anew(tile, codes.centroids, d, codes.values.size // d, codes.vanishing, block)
    if count < 0:
        return np.uint64(0), False
    many = stack_array(ROWS, np.int32)
    for r in range(ROWS):
        many[r] = index[r] = 0
    for p in range(count):
        many[tile.pair_rows[p]] += 1
    area = codes.scale * codes.scale
    for p in range(count):
        r = np.int64(tile.pair_rows[p])
        tile.own[r], index[r] = np.inf, -1
        if many[r] == 1:
            index[r] = tile.pair_centroids[p]
            score = np.float64(tile.floors[r]) / np.float64(tile.inverses[r])
            farthest = (1 + (d + 32) * 8 * _U) * np.float64(tile.norms[r]) - 2 * (score - abs(score) * 2 * _MARGIN)
            tile.own[r] = farthest / area
    opened = _measure(tile, index, X, numbers, used, d, codes.values, count)
    _find_bounds(tile, unit, unit / codes.scale, upper, lower)
    return opened, True
