"""Rows and slices of arrays are in kernels what they are in Python: they are lowered by code of ours."""

import itertools

import numpy as np
import pytest
from exact_numbers import compiled
from kmeans_fast.kernels.cpu.runtime.jit import inner
from numpy.testing import assert_array_equal

BOUNDS = [*range(-7, 8), -(2**63), 2**63 - 1]
A = np.arange(120).reshape(5, 4, 6)
ARRAYS = {
    "contiguous": A[0, 0].copy(),
    "with steps": A[0, :, 1],
    "backwards": A[0, 0, ::-1],
    "columns": A[0].T,
    "rows": A[0],
    "rows with gaps": A[:, 1, :3],
    "three dimensions": A,
    "three, in another order": A.transpose(2, 0, 1),
    "in Fortran's order": np.asfortranarray(A[0]),
    "empty": A[0, 0, :0].copy(),
    "empty rows": A[0, :, :0],
}


@inner
def described(view):
    """All there is to know of a view: where it is in memory, and how it lies there."""
    return view.ctypes.data, view.itemsize, view.size, view.shape, view.strides


def slices(a, start, stop):
    return described(a[start:stop]), described(a[start:]), described(a[:stop])


def row(a, index):
    return described(a[index])


slices_by_kernels, row_by_kernels = compiled(slices), compiled(row)


def check(described_by_a_kernel, view):
    """The description is that of this view, but that it does not matter where nothing is."""
    (place, *found), (expected_place, *expected) = described_by_a_kernel, described.py_func(view)
    assert found == expected
    assert place == expected_place or not view.size


@pytest.mark.parametrize("name", ARRAYS)
def test_slices_are_those_of_python(name):
    a = ARRAYS[name]
    for start, stop in itertools.product(BOUNDS, BOUNDS):
        for found, expected in zip(slices_by_kernels(a, start, stop), (a[start:stop], a[start:], a[:stop])):
            check(found, expected)


@pytest.mark.parametrize("name", [name for name, a in ARRAYS.items() if a.ndim > 1])
def test_rows_are_those_of_python(name):
    a = ARRAYS[name]
    for index in range(-len(a), len(a)):
        check(row_by_kernels(a, index), a[index])


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.uint8, np.uint64])
def test_an_index_is_an_integer_of_any_kind(dtype):
    for index in range(-len(A) if np.issubdtype(dtype, np.signedinteger) else 0, len(A)):
        check(row_by_kernels(A, dtype(index)), A[index])


def test_a_slice_of_a_slice_of_a_row():
    def nested(a, i, j):
        return described(a[i][j:][1:-1])

    of = compiled(nested)
    for i, j in itertools.product(range(-5, 5), range(-4, 5)):
        check(of(A, i, j), A[i][j:][1:-1])


def test_what_is_written_to_a_slice_is_in_the_array():
    def write(a, start, stop):
        part = a[start:stop]
        for i in range(part.size):
            part[i] = i + 1
        return part.size

    of = compiled(write)
    for start, stop in itertools.product(range(-9, 9), range(-9, 9)):
        a, expected = np.zeros(7, np.int64), np.zeros(7, np.int64)
        expected[start:stop] = 1 + np.arange(expected[start:stop].size)
        assert of(a, start, stop) == expected[start:stop].size
        assert_array_equal(a, expected)
