"""Arguments of kernels: every kind arrives whole, on one thread and on several, and what is none is an error.

Named tuples are taken apart on the way.
"""

import contextlib
import subprocess
import sys
import threading
from typing import NamedTuple

import numpy as np
import pytest
from kmeans_fast.kernels.cpu.runtime.jit import kernel, share
from numba.core.errors import TypingError
from numpy.testing import assert_array_equal


class Pair(NamedTuple):
    first: np.ndarray
    second: np.ndarray


class Mixed(NamedTuple):
    pair: Pair
    factor: float
    added: int


@kernel
def combine(task, tasks, mixed: Mixed, plain, pair: Pair, maybe, out):
    """All fields of all arguments, each with a weight of its own."""
    for i in range(*share(task, tasks, out.size)):
        value = mixed.pair.first[i] + 10 * mixed.pair.second[i] + mixed.factor * plain[i] + mixed.added
        out[i] = value + 100 * pair.first[i] + 1000 * pair.second[i]
        if maybe is not None:
            out[i] += maybe.first[i]


def test_nothing_else_is_taken_apart():
    @kernel
    def plain(task, tasks, out: np.ndarray):
        out[task] = tasks

    assert plain._flat is None
    assert combine._flat(Mixed(Pair(1, 2), 3, 4), (5, 6), Pair(7, 8), None, 9) == (1, 2, 3, 4, (5, 6), 7, 8, None, 9)


@pytest.mark.parametrize("tasks", [1, 2, 5])
def test_every_field_arrives_where_it_belongs(tasks):
    a, b, c = (np.arange(7.0) + shift for shift in (0, 0.25, 0.5))
    narrow, out = np.arange(7, dtype=np.float32), np.empty(7)
    for maybe in (None, Pair(c, a)):
        for last in (b, narrow):  # fields of one type, and of two
            combine(tasks, Mixed(Pair(a, last), 2.0, 3), c, Pair(last, a), maybe, out)
            expected = a + 10 * last + 2 * c + 3 + 100 * last + 1000 * a + (c if maybe else 0)
            assert_array_equal(out, expected)


@kernel
def read(task, tasks, array, number, out):
    """The sum of the array's elements, by their places, and the number."""
    total = 0.0
    for place in np.ndindex(array.shape):
        total += array[place]
    out[0], out[1] = total, number


def _read(array, number=0):
    out = np.empty(2)
    read(1, array, number, out)
    return out.tolist()


@kernel
def scaled(task, tasks, factor: float, out):
    """Write the factor."""
    out[0] = factor


@pytest.fixture
def a_file(tmp_path):
    """An array of two rows that is a file."""
    array = np.memmap(tmp_path / "array", np.float64, "w+", shape=(2, 3))
    array[:] = np.arange(6).reshape(2, 3)
    return array


def test_arrays_of_every_layout(a_file):
    whole = np.arange(60.0).reshape(3, 4, 5)
    closed = whole.copy()
    closed.flags.writeable = False
    given = [
        whole, whole.T, whole[::2, 1:3, ::-1], whole[:, 1, :], closed, np.broadcast_to(whole[0], (2, 4, 5)),
        whole.astype(np.float32)[::-1], np.arange(5, dtype=np.uint8)[::2], whole[0, 0] > 1, a_file, a_file[:, ::2],
        np.array(2.5), np.empty((0, 3)), np.empty(0)[::2],
    ]  # fmt: skip
    for array in given:
        assert _read(array) == [array.sum(), 0]


def test_numbers_of_every_kind():
    array = np.ones(2)
    numbers = [5, -1, 2**63 - 1, -(2**63), 2.5, -1.0, True, False]
    numbers += [kind(1) for kind in (np.bool_, np.int8, np.uint8, np.int32, np.uint64, np.float32, np.float64)]
    for number in numbers:
        assert _read(array, number) == [2, float(number)]
        scaled(1, number, array)
        assert_array_equal(array, [float(number), 1])
        array[0] = 1


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, np.uint64(2**63)])
def test_integers_that_are_too_large(number):
    _read(np.ones(2), 0)  # of a first call Numba says that it has no type for such a number
    with pytest.raises(OverflowError):
        _read(np.ones(2), number)


def test_tuples_in_tuples():
    @kernel
    def nested(task, tasks, given, out):
        (one, (two, _)), _, three = given
        out[0] = one + two[0] + three

    out = np.empty(1)
    nested(1, ((1, (np.array([20.0]), None)), (), 300.0), out)
    assert out[0] == 321


@pytest.mark.parametrize("other", ["text", b"text", [1.0], {}, 1j, object(), 2**70, np.array(["text"])])
def test_what_kernels_do_not_take(other):
    for _ in range(2):
        with pytest.raises((TypeError, OverflowError, TypingError)):
            _read(np.ones(2), other)


@pytest.mark.parametrize("other", ["text", None, np.zeros(3), (1.0, 2.0), (), 1j, Pair(1.0, 2.0)])
def test_what_is_no_number(other):
    for _ in range(2):
        with pytest.raises((TypeError, TypingError)):
            scaled(1, other, np.ones(2))


def test_the_wrong_number_of_arguments():
    for arguments in ((), (np.ones(2),), (np.ones(2), 0, np.empty(2), 0)):
        with pytest.raises(TypeError):
            read(1, *arguments)
    with pytest.raises(TypeError):
        read()


@pytest.mark.parametrize("tasks", [1, 2])
def test_references_are_given_back(tasks):
    arguments = Mixed(Pair(np.ones(3), np.ones(3)), 2.5, 1000), np.ones(3), Pair(np.ones(3), np.ones(3)), None
    objects = [*arguments[0].pair, arguments[0].factor, arguments[0].added, *arguments, np.empty(3)]
    too_large, out = 2**63, np.empty(2)

    def call():
        combine(tasks, *arguments, objects[-1])
        with contextlib.suppress(OverflowError):
            read(tasks, objects[0], too_large, out)

    call()
    before = [sys.getrefcount(one) for one in (*objects, too_large, out)]
    for _ in range(10_000):
        call()
    after = [sys.getrefcount(one) for one in (*objects, too_large, out)]
    assert all(abs(one - other) < 100 for one, other in zip(before, after))  # other threads may count None


def test_threads_call_a_new_kernel_at_once():
    @kernel
    def fresh(task, tasks, number, out):
        out[task] = number

    start, outs = threading.Barrier(8), np.zeros((8, 2))

    def work(number):
        start.wait()
        for _ in range(100):
            fresh(2, number, outs[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_array_equal(outs, np.repeat(np.arange(8.0), 2).reshape(8, 2))


def test_the_end_of_a_process_frees_entries_first():
    code = """
import os
import numpy as np
from kmeans_fast.kernels.cpu.runtime import entries, frames
from kmeans_fast.kernels.cpu.runtime.jit import kernel

class Record(np.ndarray):
    def __del__(self, write=os.write):
        write(1, b"entry")

class Definition(entries._Definition):
    def __del__(self, write=os.write):
        write(1, b"definition")

entries._Definition, record = Definition, frames.record
frames.record = lambda *arguments: record(*arguments).view(Record)

@kernel
def written(task, tasks, out):
    out[task] = tasks

written(1, np.empty(1))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout in ("", "entry")
