"""Blocks of rows transposed in registers: NumPy's transpose, and D in the order of the contract."""

import functools

import numpy as np
import pytest
from exact_numbers import assert_same, edges, jit
from kmeans_fast.kernels.cpu.exact import distances
from kmeans_fast.kernels.cpu.machine import register_tiles, simd, transposing
from kmeans_fast.kernels.cpu.machine.float_arrays import floats
from kmeans_fast.kernels.cpu.machine.host import VECTOR_BYTES
from support import DTYPES

from kmeans_fast import reference

LANES = VECTOR_BYTES // 4  # of float32: a block has as many rows, and as many elements of each


@functools.cache
def wide_shift():
    """The shift of as many elements as a block has, for rows of either dtype."""

    @jit
    def neighbours(a, offset, stride, shift, scale, out):
        vector = simd.load_like(shift, 0, simd.zero_lanes(LANES))
        block = transposing.load_transposed(a, offset, stride, vector, scale)
        register_tiles.store_tile(out, 0, LANES, block)

    @jit
    def anywhere(a, offsets, first, element, shift, scale, out):
        vector = simd.load_like(shift, 0, simd.zero_lanes(LANES))
        block = transposing.load_transposed_rows(a, offsets, first, element, vector, scale)
        register_tiles.store_tile(out, 0, LANES, block)

    return neighbours, anywhere


def expected(block, shift, scale):
    with np.errstate(all="ignore"):
        return ((block - shift) * scale).astype(np.float32).T.ravel()


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_become_lanes(dtype):
    rng, values = np.random.default_rng(0), edges(dtype)
    out = np.empty(LANES * LANES, np.float32)
    for stride in (LANES, LANES + 1, 3, 0, 1000):
        for offset in (0, 1, 7):
            a = rng.choice(values, offset + stride * (LANES - 1) + LANES)
            starts = offset + stride * np.arange(LANES)
            for shift, scale in ((np.zeros(LANES), 1.0), (rng.normal(size=LANES), 2.0**-3), (values[:LANES], 1 / 3)):
                shift, scale = shift.astype(dtype), dtype(scale)
                wide_shift()[0](a, offset, stride, shift, scale, out)
                assert_same(out, expected(a[starts[:, None] + np.arange(LANES)], shift, scale))


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_anywhere_become_lanes(dtype):
    rng, values = np.random.default_rng(1), edges(dtype)
    a, out = rng.choice(values, 2000), np.empty(LANES * LANES, np.float32)
    offsets = rng.permutation(1800)[: LANES + 9].astype(np.int64)
    offsets[3] = offsets[4]
    for first, element in ((0, 0), (9, 0), (2, 100)):
        shift, scale = rng.normal(size=LANES).astype(dtype), dtype(0.75)
        wide_shift()[1](a, offsets, first, element, shift, scale, out)
        starts = offsets[first : first + LANES] + element
        assert_same(out, expected(a[starts[:, None] + np.arange(LANES)], shift, scale))


@jit
def words_transposed(words, offsets, first, element, out):
    register_tiles.store_tile(
        out, 0, simd.lanes(words), transposing.load_transposed_words(words, offsets, first, element)
    )


def test_words_are_transposed():
    rng = np.random.default_rng(2)
    words, out = rng.integers(-(2**31), 2**31, 1000).astype(np.int32), np.empty(LANES * LANES, np.int32)
    offsets = rng.permutation(900)[: LANES + 3].astype(np.int64)
    for first, element in ((0, 0), (3, 5)):
        words_transposed(words, offsets, first, element, out)
        starts = offsets[first : first + LANES] + element
        assert_same(out, words[starts[:, None] + np.arange(LANES)].T.ravel())


@functools.cache
def differences(lanes):
    @jit
    def run(totals, a, offset, stride, others, starts, at, d):
        """`totals` plus the squared differences of the first d elements of as many rows."""
        of_rows = simd.load_like(totals, 0, simd.zero_lanes(lanes))
        for j in range(0, d, lanes):
            of_rows = transposing.add_squared_differences(of_rows, floats(a), offset, stride, others, starts, at, j)
        simd.store(totals, 0, of_rows)

    return run


@pytest.mark.parametrize("lanes", [1, 2, 4, 8])
@pytest.mark.parametrize("dtype", DTYPES)
def test_squared_differences_are_added_element_by_element(dtype, lanes):
    rng = np.random.default_rng(lanes)
    others = rng.normal(size=500) * 1e3
    starts = rng.permutation(400)[: lanes + 5].astype(np.int64)
    for d in (lanes, 3 * lanes):
        for offset, stride, at in ((0, d, 0), (3, d + 2, 5)):
            a = rng.normal(size=offset + stride * lanes).astype(dtype)
            totals = rng.exponential(size=lanes)
            found, wanted = totals.copy(), totals.copy()
            differences(lanes)(found, a, offset, stride, others, starts, at, d)
            for r in range(lanes):
                for j in range(d):
                    t = np.float64(a[offset + r * stride + j]) - others[starts[at + r] + j]
                    wanted[r] = wanted[r] + t * t
            assert_same(found, wanted)


@jit
def of_pairs(a, offsets, others, starts, pairs, d, out):
    distances.pair_distances(floats(a), offsets, others, starts, pairs, d, out)


@pytest.mark.parametrize("dtype", DTYPES)
def test_distances_of_pairs_are_the_references(dtype):
    rng, room = np.random.default_rng(0), 96
    for d in (*range(1, 20), 31, 64, 67):
        rows, others = rng.normal(size=(40, d)).astype(dtype) * 1e3, rng.normal(size=(9, d)) * 1e3
        row, other = rng.integers(0, len(rows), room), rng.integers(0, len(others), room)
        row[0], other[0] = len(rows) - 1, len(others) - 1  # nothing is read past the ends
        for pairs in (0, 1, 15, 16, 17, 90):
            out = np.full(room, -1.0)
            of_pairs(rows.ravel(), row * d, others.ravel(), other * d, pairs, d, out)
            wanted = [reference.distance(rows[i], others[c]) for i, c in zip(row[:pairs], other[:pairs], strict=True)]
            assert_same(out[:pairs], np.array(wanted))
