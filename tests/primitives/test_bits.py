"""Bits, counted and found, and those of floats: Python's integers and fractions."""

import functools
from fractions import Fraction

import numpy as np
import pytest
from exact_numbers import WORDS, assert_same, edges, jit
from kmeans_fast.kernels.cpu.machine import bits, simd
from support import DTYPES


def some_words():
    """Each bit alone, all below it, all from it on, zero, and words without a pattern."""
    alone = np.uint64(1) << np.arange(64, dtype=np.uint64)
    without = np.random.default_rng(0).integers(0, 2**64, 100, np.uint64)
    return np.concatenate([np.zeros(1, np.uint64), alone, alone - np.uint64(1), ~(alone - np.uint64(1)), without])


@jit
def counted(words, set_bits, trailing, leading):
    for i in range(words.size):
        set_bits[i] = bits.set_bits(words[i])
        trailing[i] = bits.trailing_zeros(words[i])
        leading[i] = bits.leading_zeros(words[i])


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_bits_are_counted(dtype):
    words = some_words()
    found = np.empty((3, len(words)), np.int64)
    counted(words.astype(dtype), *found)
    text = [f"{word:064b}" for word in words.tolist()]
    expected = [[t.count("1"), 64 - len(t.rstrip("0")), 64 - len(t.lstrip("0"))] for t in text]
    assert_same(found, np.array(expected).T)


@jit
def reinterpreted(values, words, back):
    for i in range(values.size):
        words[i] = bits.bits_of(values[i])
        back[i] = bits.float_of(words[i])


@pytest.mark.parametrize("dtype", DTYPES)
def test_floats_are_words_and_words_floats(dtype):
    values = edges(dtype)
    words, back = np.empty(len(values), WORDS[dtype]), np.empty_like(values)
    reinterpreted(values, words, back)
    assert_same(words, values.view(WORDS[dtype]))
    assert_same(back.view(WORDS[dtype]), words)


@functools.cache
def of_floats(lanes):
    """The functions of float64 lanes, or of one float64."""

    @jit
    def of_scalars(values, words, magnitudes, lowest):
        for i in range(values.size):
            words[i] = bits.bits_of(values[i])
            magnitudes[i] = bits.magnitude(values[i])
            lowest[i] = bits.lowest_set_bit(values[i])

    @jit
    def of_vectors(values, words, magnitudes, lowest):
        for i in range(0, values.size, lanes):
            x = simd.load_like(values, i, simd.zero_lanes(lanes))
            simd.store(words, i, bits.bits_of(x))
            simd.store(magnitudes, i, bits.magnitude(x))
            simd.store(lowest, i, bits.lowest_set_bit(x))

    return of_vectors if lanes else of_scalars


def lowest_set_bit(x):
    if x == 0:
        return np.inf
    exact = abs(Fraction(x))
    return float(Fraction(exact.numerator & -exact.numerator, exact.denominator))


@pytest.mark.parametrize("lanes", [0, 1, 2, 4, 8, 16])
def test_magnitudes_and_lowest_set_bits(lanes):
    values = np.resize(np.append(edges(np.float64), np.ldexp(np.arange(1.0, 100.0), np.arange(-1074, -975))), 256)
    words, magnitudes, lowest = np.empty(256, np.int64), np.empty(256), np.empty(256)
    of_floats(lanes)(values, words, magnitudes, lowest)
    assert_same(words, values.view(np.int64))
    assert_same(magnitudes, np.abs(values))
    finite = np.isfinite(values)
    assert_same(lowest[finite], np.array([lowest_set_bit(x) for x in values[finite].tolist()]))
