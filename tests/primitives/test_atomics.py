"""Words that threads share: nothing that one writes is lost, and all see one order."""

import ctypes
import threading

import numba
import numpy as np
import pytest
from kmeans_fast.kernels.cpu.runtime import atomics

SOME = (0, 1, -1, 2**31, -(2**31) - 1, 2**63 - 1, -(2**63))

jit = numba.njit(nogil=True, no_cfunc_wrapper=True)


@jit
def load(address):
    atomics.pause()
    return atomics.load(address)


@jit
def store(address, value):
    atomics.store(address, value)


@jit
def add(address, value):
    atomics.add(address, value)


@jit
def replace(address, old, new):
    return atomics.replace(address, old, new)


@jit
def call(function, first, second):
    atomics.call(function, first, second)


@pytest.fixture
def words():
    """Three words, and the address of the one in the middle."""
    array = np.full(3, 11, np.int64)
    yield array, array.__array_interface__["data"][0] + 8
    assert array[0] == array[2] == 11


@pytest.mark.parametrize("value", SOME)
def test_a_word_is_written_read_and_added_to(words, value):
    array, address = words
    store(address, value)
    assert array[1] == load(address) == value
    add(address, 2**63 - 5)
    assert array[1] == load(address) == (value + 2**63 - 5 + 2**63) % 2**64 - 2**63


@pytest.mark.parametrize("value", SOME)
def test_a_word_is_replaced_where_it_is_what_was_expected(words, value):
    array, address = words
    array[1] = value
    assert replace(address, value ^ 1, 5) is False
    assert replace(address, value ^ (1 << 62), 5) is False
    assert array[1] == value
    assert replace(address, value, 5) is True
    assert array[1] == 5


def test_functions_at_addresses_are_called_with_both_words():
    calls = []
    function = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(lambda *words: calls.append(words))
    address = ctypes.cast(function, ctypes.c_void_p).value
    for first, second in zip(SOME, SOME[::-1], strict=True):
        call(address, first, second)
    assert calls == list(zip(SOME, SOME[::-1], strict=True))


def test_what_a_function_returns_is_left():
    function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(lambda word: word + 1)
    assert call(ctypes.cast(function, ctypes.c_void_p).value, 1, 0) is None


# ---- several threads -----------------------------------------------------------------------------------------------

TIMES = 100_000


def together(function, calls):
    """Call it on as many threads, begun at the same moment."""
    barrier = threading.Barrier(len(calls))

    def run(arguments):
        barrier.wait()
        function(*arguments)

    threads = [threading.Thread(target=run, args=(arguments,)) for arguments in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@jit
def add_often(address, value, times):
    for _ in range(times):
        atomics.add(address, value)
        atomics.pause()  # or a compiler could make one addition of them all


def test_no_addition_is_lost(words):
    array, address = words
    array[1] = 0
    add_often(address, 0, 1)  # compiled before threads begin
    together(add_often, [(address, 1, TIMES), (address, 2**40, TIMES), (address, -3, TIMES)])
    assert array[1] == (1 + 2**40 - 3) * TIMES


@jit
def count_often(address, counts, times):
    """Raise the word by one as often, and count how often another thread was quicker."""
    for _ in range(times):
        while True:
            old = atomics.load(address)
            if atomics.replace(address, old, old + 1):
                break
            counts[0] += 1


def test_a_word_is_replaced_by_one_thread_only(words):
    array, address = words
    array[1] = 0
    quicker = np.zeros((3, 1), np.int64)
    count_often(address, quicker[0], 0)
    together(count_often, [(address, quicker[i], TIMES) for i in range(3)])
    assert array[1] == 3 * TIMES


@jit
def write_one_read_other(own, other, seen):
    """Word by word, beside the other thread unless that is far away. The last words say where each is."""
    at, of_other = own + 8 * seen.size, other + 8 * seen.size
    for i in range(seen.size):
        atomics.store(at, i + 1)
        turns = 0
        while atomics.load(of_other) <= i and turns < 500:
            turns += 1
        atomics.store(own + 8 * i, 1)
        seen[i] = atomics.load(other + 8 * i)


def test_of_two_threads_one_sees_what_the_other_wrote():
    """Each writes a word and then reads the other's: without one order for all, both may miss what the other wrote."""
    a, b, seen = np.zeros(TIMES + 1, np.int64), np.zeros(TIMES + 1, np.int64), np.zeros((2, TIMES), np.int64)
    write_one_read_other(0, 0, seen[0, :0])
    of_a, of_b = (array.__array_interface__["data"][0] for array in (a, b))
    for _ in range(3):
        a[:] = b[:] = 0
        together(write_one_read_other, [(of_a, of_b, seen[0]), (of_b, of_a, seen[1])])
        assert (seen.sum(axis=0) > 0).all()
