"""Memory for the length of a call: aligned, large enough, and nobody else's."""

import numpy as np
import pytest
from exact_numbers import jit
from kmeans_fast.kernels.cpu.machine.scratch import private, private_zeros, stack_array

LINE = 64
KINDS = (np.int8, np.uint16, np.int32, np.float32, np.int64, np.float64)


def extents(array):
    """Where each row of it begins, and where the last of its rows ends."""
    start = array.__array_interface__["data"][0]
    return start + np.arange(array.shape[0]) * array.strides[0], start + array.nbytes


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("tasks", [1, 2, 7])
def test_each_task_has_lines_of_its_own(tasks, dtype):
    for size in (0, 1, 7, 8, 15, 16, 17, 63, 64, 65, 1000):
        array = private(tasks, size, dtype)
        assert array.dtype == dtype
        assert array.shape[0] == tasks
        assert array.shape[1] >= size
        starts, _ = extents(array)
        assert (starts % LINE == 0).all()
        assert (np.diff(starts) - size * array.itemsize >= 2 * LINE).all()


@pytest.mark.parametrize("dtype", KINDS)
def test_arrays_of_zeros_share_nothing(dtype):
    sizes = (3, 0, 64, 65)
    for tasks in (1, 3):
        arrays = private_zeros(tasks, sizes, dtype)
        for array, size in zip(arrays, sizes, strict=True):
            assert array.dtype == dtype
            assert array.shape[0] == tasks
            assert array.shape[1] >= size
            assert (array == 0).all()
            assert (extents(array)[0] % LINE == 0).all()
        for number, array in enumerate(arrays, 1):
            array += dtype(number)
        assert [set(array.ravel().tolist()) for array in arrays] == [{1}, {2}, {3}, {4}]


ONE, MANY = 1, 37


@jit
def fill_another(value):
    """The address of an array of its own, in which it writes."""
    array = stack_array(MANY, np.int64)
    array[:] = value
    return array.ctypes.data


@jit
def of_every_kind(addresses, sizes):
    """Arrays that are written to, one after another, and are what they were when all have been."""
    i8, u16, i32 = stack_array(MANY, np.int8), stack_array(MANY, np.uint16), stack_array(ONE, np.int32)
    f32, i64, f64 = stack_array(MANY, np.float32), stack_array(ONE, np.int64), stack_array(MANY, np.float64)
    i8[:], u16[:], i32[:], f32[:], i64[:], f64[:] = 1, 2, 3, 4, 5, 6
    addresses[0], addresses[1], addresses[2] = i8.ctypes.data, u16.ctypes.data, i32.ctypes.data
    addresses[3], addresses[4], addresses[5] = f32.ctypes.data, i64.ctypes.data, f64.ctypes.data
    sizes[0], sizes[1], sizes[2] = i8.size * i8.itemsize, u16.size * u16.itemsize, i32.size * i32.itemsize
    sizes[3], sizes[4], sizes[5] = f32.size * f32.itemsize, i64.size * i64.itemsize, f64.size * f64.itemsize
    addresses[6], sizes[6] = fill_another(7), 8 * MANY
    kept = (i8 == 1).all() and (u16 == 2).all() and (i32 == 3).all()
    return kept and (f32 == 4).all() and (i64 == 5).all() and (f64 == 6).all()


def test_arrays_on_the_stack_are_aligned_and_apart():
    addresses, sizes = np.zeros(7, np.int64), np.zeros(7, np.int64)
    assert of_every_kind(addresses, sizes)
    assert sizes.tolist() == [MANY, 2 * MANY, 4 * ONE, 4 * MANY, 8 * ONE, 8 * MANY, 8 * MANY]
    assert (addresses % LINE == 0).all()
    order = np.argsort(addresses)
    assert (addresses[order][:-1] + sizes[order][:-1] <= addresses[order][1:]).all()


@jit
def asked_for_in_a_loop(times, first, last):
    for i in range(times):
        array = stack_array(MANY, np.int64)
        array[i % MANY] = i
        if i == 0:
            first[0] = array.ctypes.data
        last[0] = array.ctypes.data


def test_a_loop_asks_for_the_same_memory_again():
    """A stack of eight megabytes would not hold an array for each turn."""
    first, last = np.zeros(1, np.int64), np.zeros(1, np.int64)
    asked_for_in_a_loop(1_000_000, first, last)
    assert first[0] == last[0] != 0
