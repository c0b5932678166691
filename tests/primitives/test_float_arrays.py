"""Arrays of either dtype as one type: what is read and written there is what NumPy reads and writes."""

import numpy as np
import pytest
from exact_numbers import assert_same, edges, jit
from kmeans_fast.kernels.cpu.machine import simd
from kmeans_fast.kernels.cpu.machine.float_arrays import Floats, floats, narrow, part, wide
from kmeans_fast.kernels.cpu.machine.host import VECTOR_BYTES
from kmeans_fast.kernels.cpu.runtime.jit import kernel
from support import DTYPES

LANES = VECTOR_BYTES // 8  # of float64


@jit
def read(array, elements, widened, index, gathered, sizes):
    a = floats(array)
    for i in range(a.size):
        elements[i] = simd.element(a, i)
        simd.prefetch(a, i)
    simd.prefetch(a, np.int64(1) << np.int64(50))
    for i in range(a.size - LANES + 1):
        simd.store(widened, i * LANES, simd.load_widened(a, i))
    simd.store(gathered, 0, simd.gather_widened(a, 2, simd.load_like(index, 0, simd.load(widened, 0))))
    sizes[0], sizes[1] = a.size, a.itemsize


@pytest.mark.parametrize("dtype", DTYPES)
def test_elements_are_read_as_float64(dtype):
    a = edges(dtype)
    elements, sizes = np.empty(a.size), np.empty(2, np.int64)
    widened, gathered = np.empty((a.size - LANES + 1, LANES)), np.empty(LANES)
    index = np.random.default_rng(0).integers(-2, a.size - 2, LANES)
    read(a, elements, widened.reshape(-1), index, gathered, sizes)
    assert_same(elements, a.astype(np.float64))
    assert_same(widened, np.lib.stride_tricks.sliding_window_view(a, LANES).astype(np.float64))
    assert_same(gathered, a[2 + index].astype(np.float64))
    assert sizes.tolist() == [a.size, a.itemsize]


@jit
def cut(array, first, count, elements):
    a = part(floats(array), first, count)
    for i in range(a.size):
        elements[i] = simd.element(a, i)
    if a.itemsize == 4:
        elements[a.size] = narrow(a)[a.size - 1]
    else:
        elements[a.size] = wide(a)[a.size - 1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_part_is_a_slice(dtype):
    a = edges(dtype)
    for first, count in ((0, 1), (3, 5), (a.size - 2, 2)):
        elements = np.empty(count + 1)
        cut(a, first, count, elements)
        assert_same(elements, np.append(a[first : first + count], a[first + count - 1]).astype(np.float64))


@jit
def write(array, at, value):
    simd.store_rounded(floats(array), at, value)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_element_is_rounded_where_it_is_written(dtype):
    a, values = np.zeros(3, dtype), np.append(edges(np.float64), 1 + 2.0**-24)
    for value in values:
        write(a, 1, value)
        with np.errstate(over="ignore"):
            assert_same(a, np.array([0, dtype(value), 0], dtype))


@kernel
def total(task, tasks, array: Floats, factor: float, sums):
    sums[task] = 0.0
    for i in range(array.size):
        sums[task] += simd.element(array, i) * factor


@pytest.mark.parametrize("threads", [1, 2])
def test_a_kernel_has_one_body_for_both_dtypes(threads):
    sums = np.empty(threads)
    for dtype, factor in ((np.float32, np.float32(2)), (np.float64, 2.0), (np.float64, 2)):
        total(threads, np.arange(5, dtype=dtype), factor, sums)
        assert sums.tolist() == [20.0] * threads
    assert len(total.body.overloads) == 1
