"""Vectors: every operation on every lane is NumPy's, bit for bit, whatever the number of lanes."""

import functools

import numpy as np
import pytest
from exact_numbers import assert_same, edges, fused, groups, jit, larger
from kmeans_fast.kernels.cpu.machine import simd
from kmeans_fast.kernels.cpu.machine.float_arrays import floats
from kmeans_fast.kernels.cpu.machine.host import VECTOR_BYTES
from support import DTYPES

LANES = (1, 2, 4, 8, 16)
INTEGERS = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64)


@functools.cache
def arithmetic(lanes):
    """Every operation on vectors of `lanes` floats, the results of each after those of the one before."""

    @jit
    def run(a, b, c, out, masks, of_lanes):
        like, n = simd.zero_lanes(lanes), a.size
        for i in range(0, n, lanes):
            x, y, z = simd.load_like(a, i, like), simd.load_like(b, i, like), simd.load_like(c, i, like)
            above, other = simd.greater(x, y), simd.unequal(x, y)
            simd.store(out, i, simd.add(x, y))
            simd.store(out, n + i, simd.sub(x, y))
            simd.store(out, 2 * n + i, simd.mul(x, y))
            simd.store(out, 3 * n + i, simd.divide(x, y))
            simd.store(out, 4 * n + i, simd.maximum(x, y))
            simd.store(out, 5 * n + i, simd.minimum(x, y))
            simd.store(out, 6 * n + i, simd.square_root(x))
            simd.store(out, 7 * n + i, simd.fma(x, y, z))
            simd.store(out, 8 * n + i, simd.select(above, z, x))
            simd.store(out, 9 * n + i, simd.splat_like(x, b[i]))
            masks[0, i // lanes], masks[1, i // lanes] = simd.bits(above), simd.bits(other)
            of_lanes[0, i // lanes], of_lanes[1, i // lanes] = simd.lane_sum(x), simd.lane_maximum(y)
        return simd.lanes_of(like)

    return run


def packed(masks, lanes):
    """Truth values as integers, lane 0 in bit 0."""
    return (masks.reshape(-1, lanes) << np.arange(lanes)).sum(axis=1)


def sum_of_neighbours(values):
    while values.shape[1] > 1:
        values = values[:, ::2] + values[:, 1::2]
    return values[:, 0]


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_arithmetic_is_numpys(dtype, lanes):
    a, b, c = groups(dtype, 3)
    n = len(a)
    out, (masks, of_lanes) = np.empty(10 * n, dtype), (np.empty((2, n // lanes), kind) for kind in (np.int64, dtype))
    assert arithmetic(lanes)(a, b, c, out, masks, of_lanes) == lanes
    with np.errstate(all="ignore"):
        expected = [a + b, a - b, a * b, a / b, larger(a, b), np.where(a < b, a, b), np.sqrt(a)]
        sums = sum_of_neighbours(a.reshape(-1, lanes))
    expected += [fused(a, b, c), np.where(a > b, c, a), b[::lanes].repeat(lanes)]
    for actual, wanted in zip(out.reshape(10, n), expected, strict=True):
        assert_same(actual, wanted)
    assert_same(masks, np.stack([packed(a > b, lanes), packed(a != b, lanes)]))
    assert_same(of_lanes[0], sums)
    whole = ~np.isnan(b).reshape(-1, lanes).any(axis=1)
    np.testing.assert_array_equal(of_lanes[1, whole], b.reshape(-1, lanes)[whole].max(axis=1))


@jit
def full_vectors(a, b, at, out, masks, scalar):
    """From elements `at` of the inputs, to the same of the output: a sum, a difference, and where they are equal."""
    like = simd.load(a, at)
    simd.store(out, at, simd.iadd(like, simd.load(b, at)))
    simd.store(out, out.size // 3 + at, simd.isub(like, simd.load(b, at)))
    same = simd.equal(like, simd.load(b, at))
    simd.store(out, 2 * (out.size // 3) + at, simd.select(same, simd.splat(scalar), like))
    masks[0] = simd.bits(same)
    return simd.lanes(a)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_wrap_around_and_may_begin_at_any_element(dtype):
    lanes, limits = VECTOR_BYTES // np.dtype(dtype).itemsize, np.iinfo(dtype)
    rng = np.random.default_rng(1)
    some = np.array([limits.min, limits.min + 1, 0, 1, 2, limits.max - 1, limits.max], dtype)
    for at in range(lanes + 1):
        n = at + lanes
        a, b = rng.choice(some, (2, n))
        b[::3] = a[::3]
        out, masks = np.full(3 * n, 7, dtype), np.empty(1, np.int64)
        assert full_vectors(a, b, at, out, masks, dtype(5)) == lanes
        expected = np.full((3, n), 7, dtype)
        expected[:, at:] = np.stack([a + b, a - b, np.where(a == b, dtype(5), a)])[:, at:]
        assert_same(out, expected.ravel())
        wanted = sum(1 << lane for lane in range(lanes) if a[at + lane] == b[at + lane])
        assert masks[0] == (wanted if lanes < 64 else int(np.uint64(wanted).astype(np.int64)))


@jit
def loaded(a, at, out, scalar):
    simd.store(out, 0, simd.load(a, at))
    simd.store(out, simd.lanes(a), simd.splat(scalar))


@pytest.mark.parametrize("dtype", DTYPES)
def test_floats_begin_at_any_element(dtype):
    lanes = VECTOR_BYTES // np.dtype(dtype).itemsize
    values = edges(dtype)
    for at in range(len(values) - lanes + 1):
        out = np.zeros(2 * lanes, dtype)
        loaded(values, at, out, values[at])
        assert_same(out, np.append(values[at : at + lanes], np.full(lanes, values[at])))


@functools.cache
def conversions(lanes):
    @jit
    def run(a, wide, to_wide, to_narrow, to_dtype, read):
        for i in range(0, a.size, lanes):
            x = simd.load_lanes_widened(a, i, lanes)
            simd.store(read, i, x)
            simd.store(to_wide, i, simd.widened(simd.load_like(a, i, x)))
            simd.store(to_narrow, i, simd.narrowed(simd.load_like(wide, i, x)))
            simd.store_rounded(floats(to_dtype), i, simd.load_like(wide, i, x))

    return run


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_conversions_are_rounded_once_or_exact(dtype, lanes):
    """Halfway cases go to the even neighbour, what is too large to infinity, what is too small to zero in steps."""
    narrow = edges(np.float32).astype(np.float64)
    halfway = np.concatenate([narrow * (1 + 2.0**-24), narrow * (1 + 3 * 2.0**-24), narrow * (1 + 2.0**-24 + 2.0**-50)])
    wide = np.resize(np.concatenate([edges(np.float64), halfway, [2.0**128 - 2.0**103, 2.0**-150]]), 256)
    a = np.resize(edges(dtype), 256)
    to_wide, read, to_narrow, to_dtype = np.empty(256), np.empty(256), np.empty(256, np.float32), np.empty(256, dtype)
    conversions(lanes)(a, wide, to_wide, to_narrow, to_dtype, read)
    with np.errstate(over="ignore"):
        assert_same(to_narrow, wide.astype(np.float32))
        assert_same(to_dtype, wide.astype(dtype))
    assert_same(to_wide, a.astype(np.float64))
    assert_same(read, a.astype(np.float64))


@jit
def read(a, offset, index, of_elements, gathered, wide):
    for i in range(a.size):
        of_elements[i] = simd.element(a, i)
        simd.prefetch(a, i)
    simd.prefetch(a, np.int64(1) << np.int64(50))
    simd.prefetch(a, -(np.int64(1) << np.int64(50)))
    simd.store(gathered, 0, simd.gather(a, offset, simd.load(index, 0)))
    simd.store(wide, 0, simd.load_widened(a, 3))


@pytest.mark.parametrize("of_index", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", DTYPES)
def test_elements_are_read_wherever_they_are(dtype, of_index):
    """Also where an index alone, or its distance in bytes, would not be held by 32 bits."""
    a, lanes = edges(dtype), VECTOR_BYTES // np.dtype(of_index).itemsize
    far = 2**31 if of_index == np.int32 else 2**40
    rng = np.random.default_rng(3)
    for least in (0, -5, far - len(a), -far):  # of the indices
        places = rng.integers(0, len(a), lanes)
        of_elements, gathered, wide = np.empty_like(a), np.empty(lanes, dtype), np.empty(VECTOR_BYTES // 8)
        read(a, -least, (least + places).astype(of_index), of_elements, gathered, wide)
        assert_same(of_elements, a)
        assert_same(gathered, a[places])
        assert_same(wide, a[3 : 3 + len(wide)].astype(np.float64))


@jit
def bytes_of(values, out, at):
    simd.store_bytes(out, at, simd.load(values, 0))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("of_bytes", [np.int8, np.uint8])
def test_lanes_become_bytes(dtype, of_bytes):
    lanes, limits = VECTOR_BYTES // np.dtype(dtype).itemsize, np.iinfo(of_bytes)
    whole = np.arange(limits.min, limits.max + 1)
    for first in range(0, 256, lanes):
        for at in range(3):
            out = np.full(lanes + 4, 77, of_bytes)
            bytes_of(whole[first : first + lanes].astype(dtype), out, at)
            expected = np.full(lanes + 4, 77, of_bytes)
            expected[at : at + lanes] = whole[first : first + lanes]
            assert_same(out, expected)
