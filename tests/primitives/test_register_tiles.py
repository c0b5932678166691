"""Tiles of vectors: every lane of every vector is what NumPy finds, whatever the tile's rows and columns."""

import functools

import numpy as np
import pytest
from exact_numbers import assert_same, edges, fused, jit, larger
from kmeans_fast.kernels.cpu.machine import register_tiles as tiles
from kmeans_fast.kernels.cpu.machine import simd
from kmeans_fast.kernels.cpu.machine.host import CENTROIDS, POINT_VECTORS, VECTOR_BYTES
from support import DTYPES

SIZES = [(1, 1), (1, 3), (2, 1), (2, 4), (3, 2), (4, 2), (5, 1), (POINT_VECTORS, CENTROIDS)]


def lanes_of(dtype):
    return VECTOR_BYTES // np.dtype(dtype).itemsize


def some(shape, dtype, rng, nan=False):
    """Vectors of edges and of small integers, which are often equal; NaN among them, or not."""
    values = np.concatenate([edges(dtype), np.tile(np.arange(-2, 3, dtype=dtype), 8)])
    return rng.choice(values if nan else values[~np.isnan(values)], shape)


# ---- read and write ------------------------------------------------------------------------------------------------


@functools.cache
def moves(count):
    load_tile, splat_tile = tiles.loads(count), tiles.splats(count)

    @jit
    def run(a, offset, stride, out, loaded_at, splat_at, out_stride):
        tiles.store_tile(out, loaded_at, out_stride, load_tile(a, offset, stride))
        tiles.store_tile(out, splat_at, out_stride, splat_tile(a, offset, stride))

    return run


@pytest.mark.parametrize("dtype", [*DTYPES, np.int32, np.uint16])
def test_tiles_are_read_and_written_at_any_stride(dtype):
    lanes = lanes_of(dtype)
    a = np.arange(1, 9 * lanes + 40, dtype=dtype)
    for count in (1, 3, 8):
        for offset, stride, out_stride in ((0, lanes, lanes), (3, 5, lanes + 1), (25, -3, 2 * lanes)):
            out = np.zeros(2 * count * out_stride, dtype)
            moves(count)(a, offset, stride, out, 0, count * out_stride, out_stride)
            starts = offset + stride * np.arange(count)
            expected = np.zeros((2, count, out_stride), dtype)
            expected[0, :, :lanes] = a[starts[:, None] + np.arange(lanes)]
            expected[1, :, :lanes] = a[starts, None]
            assert_same(out, expected.ravel())


# ---- arithmetic ----------------------------------------------------------------------------------------------------


@functools.cache
def arithmetic(rows, columns):
    load_tile, load_rows, load_columns = tiles.loads(rows * columns), tiles.loads(rows), tiles.loads(columns)

    @jit
    def run(t, u, r, q, c, of_tiles, of_rows):
        step = simd.lanes(t)
        tile, other, floors = load_tile(t, 0, step), load_tile(u, 0, step), load_rows(q, 0, step)
        row, column = load_rows(r, 0, step), load_columns(c, 0, step)
        tiles.store_tile(of_tiles[0], 0, step, tiles.rank1_update(tile, row, column))
        tiles.store_tile(of_tiles[1], 0, step, tiles.squared_difference_update(tile, row, column))
        tiles.store_tile(of_tiles[2], 0, step, tiles.square_update(tile, other))
        tiles.store_tile(of_tiles[3], 0, step, tiles.add_tiles(tile, other))
        tiles.store_tile(of_tiles[4], 0, step, tiles.larger(tile, other))
        tiles.store_tile(of_tiles[5], 0, step, tiles.tile_rows(row, column))
        tiles.store_tile(of_tiles[6], 0, step, tiles.zeros_like(tile))
        tiles.store_tile(of_tiles[7], 0, step, tiles.negative_infinity_like(tile))
        tiles.store_tile(of_rows, 0, step, tiles.floors_update(floors, tile, row, column))

    return run


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_arithmetic_of_tiles(dtype, size):
    rows, columns, lanes = *size, lanes_of(dtype)
    rng = np.random.default_rng(rows * columns)
    for _ in range(10):
        t, u = some((2, rows, columns, lanes), dtype, rng, nan=True)
        r, q, c = (some((count, lanes), dtype, rng) for count in (rows, rows, columns))
        of_tiles, of_rows = np.empty((8, t.size), dtype), np.empty(q.size, dtype)
        arithmetic(*size)(t.ravel(), u.ravel(), r.ravel(), q.ravel(), c.ravel(), of_tiles, of_rows)
        with np.errstate(all="ignore"):
            difference = r[:, None] - c
            floors, scores = q.copy(), fused(dtype(-2) * r[:, None], c, t)
            expected = [fused(r[:, None], c, t), t + difference * difference, fused(u, u, t), t + u, larger(t, u)]
        expected += [np.broadcast_to(c, t.shape), np.zeros_like(t), np.full_like(t, -np.inf)]
        for actual, wanted in zip(of_tiles, expected, strict=True):
            assert_same(actual, wanted.ravel())
        for column in range(columns):
            floors = larger(scores[:, column], floors)
        assert_same(of_rows, floors.ravel())


@functools.cache
def words(rows, columns):
    load_tile, load_rows = tiles.loads(rows * columns), tiles.loads(rows)

    @jit
    def run(sums, t, magics):
        step = simd.lanes(t)
        magic, total = load_rows(magics, 0, step), load_rows(sums, 0, step)
        tiles.store_tile(sums, 0, step, tiles.root_words_update(total, load_tile(t, 0, step), magic))

    return run


@pytest.mark.parametrize("size", SIZES)
def test_words_of_roots_are_summed_modulo_the_word(size, rng):
    rows, columns, lanes = *size, lanes_of(np.float64)
    t = rng.exponential(size=(rows, columns, lanes)) ** 9
    magics, sums = 2.0 ** rng.integers(0, 60, (rows, lanes)), rng.integers(-(2**63), 2**63, (rows, lanes))
    expected = sums + (np.sqrt(t) + magics[:, None]).view(np.int64).sum(axis=1)
    words(*size)(flat := sums.ravel(), t.ravel(), magics.ravel())
    np.testing.assert_array_equal(flat, expected.ravel())


# ---- bytes ---------------------------------------------------------------------------------------------------------


@functools.cache
def on_integers(rows, columns):
    load_tile, load_rows, load_columns = tiles.loads(rows * columns), tiles.loads(rows), tiles.loads(columns)

    @jit
    def score(t, inverses, reaches, steps, slopes, half_norms, out):
        step = simd.lanes(t)
        tile, inverse, reach = load_tile(t, 0, step), load_rows(inverses, 0, step), load_rows(reaches, 0, step)
        slope, half_norm = load_columns(slopes, 0, step), load_columns(half_norms, 0, step)
        scores = tiles.scores_of_bytes(tile, inverse, reach, load_columns(steps, 0, step), slope, half_norm)
        tiles.store_tile(out, 0, step, scores)

    return score


def some_integers(shape, rng):
    return rng.choice([-(2**31), 2**31 - 1, -1, 0, 1, 2**24 + 1, 2**24 + 3, 12345, -67890], shape).astype(np.int32)


@pytest.mark.parametrize("size", SIZES)
def test_scores_of_integers_are_fused(size):
    rows, columns, lanes = *size, lanes_of(np.float32)
    rng = np.random.default_rng(rows * columns)
    for _ in range(10):
        t, out = some_integers((rows, columns, lanes), rng), np.empty(rows * columns * lanes, np.float32)
        inverses, reaches = rng.normal(size=(2, rows, lanes)).astype(np.float32)
        steps, slopes, half_norms = rng.normal(size=(3, columns, lanes)).astype(np.float32)
        on_integers(*size)(t.ravel(), *(x.ravel() for x in (inverses, reaches, steps, slopes, half_norms)), out)
        rest = fused(reaches[:, None], slopes, -(inverses[:, None] * half_norms))
        assert_same(out, fused(steps, t.astype(np.float32), rest).ravel())


@functools.cache
def matches(count):
    load_tile = tiles.loads(count)

    @jit
    def run(a, tile):
        return simd.bits(tiles.equals_any(simd.load(a, 0), load_tile(tile, 0, simd.lanes(a))))

    return run


@pytest.mark.parametrize("count", [1, 3, 8])
@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.int64])
def test_lanes_that_equal_any(dtype, count):
    lanes, limits = lanes_of(dtype), np.iinfo(dtype)
    rng = np.random.default_rng(count)
    for _ in range(10):
        a, *tile = rng.choice([limits.min, limits.max, 1, 2, 3], (1 + count, lanes)).astype(dtype)
        wanted = sum(1 << int(lane) for lane in np.flatnonzero((a == tile).any(axis=0)))
        assert matches(count)(a, np.concatenate(tile)) == wanted


# ---- choices -------------------------------------------------------------------------------------------------------


@functools.cache
def choices(rows, columns):
    load_tile, load_rows = tiles.loads(rows * columns), tiles.loads(rows)

    @jit
    def run(t, limits, rest, split, reached):
        """`rest` is brought up to date; the bits of any of `reached`."""
        step = simd.lanes(t)
        tile, limit = load_tile(t, 0, step), load_rows(limits, 0, step)
        words, others = tiles.split_at(tile, limit, load_rows(rest, 0, step))
        tiles.store_tile(rest, 0, step, others)
        of_lanes = tiles.reached(tile, limit)
        for c in range(columns):
            split[c] = words[c]
        for i in range(rows * columns):
            reached[i] = of_lanes[i]
        return tiles.any_of(of_lanes)

    return run


def words_of(masks):
    """The truth values of each last axis as one integer, the first in bit 0."""
    weights = np.uint64(1) << np.arange(masks.shape[-1], dtype=np.uint64)
    return (masks * weights).sum(axis=-1, dtype=np.uint64)


# A column's rows are bits of a word of 64, which five vectors of 64 bytes do not fit.
@pytest.mark.parametrize(("dtype", "size"), [(a, b) for a in DTYPES for b in SIZES if b[0] * lanes_of(a) <= 64])
def test_what_is_not_below_a_limit(dtype, size):
    rows, columns, lanes = *size, lanes_of(dtype)
    rng = np.random.default_rng(rows * columns)
    for _ in range(10):
        t, limits = some((rows, columns, lanes), dtype, rng, nan=True), some((rows, lanes), dtype, rng)
        rest = some((rows, lanes), dtype, rng)
        after, split, reached = rest.ravel().copy(), np.empty(columns, np.uint64), np.empty(rows * columns, np.uint64)
        any_of = choices(*size)(t.ravel(), limits.ravel(), after, split, reached)
        not_below = ~(t < limits[:, None])  # NaN is not
        assert_same(split, words_of(not_below.swapaxes(0, 1).reshape(columns, rows * lanes)))
        assert_same(reached, words_of(not_below).ravel())
        assert any_of == np.bitwise_or.reduce(reached)
        others = np.where(not_below, -np.inf, t).max(axis=1)
        np.testing.assert_array_equal(after.reshape(rows, lanes), np.maximum(rest, others))


@functools.cache
def best_two(rows, columns):
    load_tile, fold_top2 = tiles.loads(rows * columns), tiles.top2(rows)

    @jit
    def run(best, second, index, t, first_index):
        fold_top2(best, second, index, load_tile(t, 0, simd.lanes(t)), first_index)

    return run


@pytest.mark.parametrize("size", SIZES)
def test_the_best_its_index_and_the_runner_up(size):
    rows, columns, lanes = *size, lanes_of(np.float32)
    rng = np.random.default_rng(rows * columns)
    best, second = np.full((2, rows * lanes), -np.inf, np.float32)
    index = np.full(rows * lanes, -7, np.int32)
    seen = [[(-np.inf, -7), (-np.inf, -7)] for _ in range(rows * lanes)]  # (score, index), of each lane
    for first_index in (0, columns, 2**31 - columns):
        t = some((rows, columns, lanes), np.float32, rng, nan=True)
        best_two(*size)(best, second, index, t.ravel(), first_index)
        for lane, scores in enumerate(t.swapaxes(1, 2).reshape(rows * lanes, columns).tolist()):
            seen[lane] += [(score, first_index + c) for c, score in enumerate(scores) if not np.isnan(score)]
            seen[lane].sort(key=lambda pair: -pair[0])  # stable: of equal scores the lowest index stays first
        np.testing.assert_array_equal(best, [of_lane[0][0] for of_lane in seen])
        np.testing.assert_array_equal(second, [of_lane[1][0] for of_lane in seen])
        np.testing.assert_array_equal(index, [of_lane[0][1] for of_lane in seen])
