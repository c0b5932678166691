"""What the tests of the primitives share: compilers for them, numbers at every edge, and arithmetic rounded once."""

from fractions import Fraction

import numba
import numpy as np
from kmeans_fast.kernels.cpu.runtime.jit import inner

jit = numba.njit(error_model="numpy", no_cfunc_wrapper=True)

WORDS = {np.float32: np.int32, np.float64: np.int64}  # as wide as the floats


def compiled(function):
    """The function as kernels call it."""
    names = ", ".join(f"a{at}" for at in range(function.__code__.co_argcount))
    return jit(eval(f"lambda {names}: function({names})", {"function": inner(function)}))


def edges(dtype):
    """Both signs of zero, of subnormal numbers, of the largest ones, of infinity, of what lies between; and NaN."""
    kind = np.finfo(dtype)
    least, tiny, most = kind.smallest_subnormal, kind.tiny, kind.max
    values = [0, 1, 1.5, 3, np.pi, 1 + kind.eps, 1 - kind.epsneg, 1e6 + 1 / 3, 1e-6 / 3, 2.0**64, 2.0**-80]
    values = [dtype(x) for x in values] + [least, 3 * least, tiny - least, tiny, 3 * tiny, most, most / 3, np.inf]
    return np.array([*values, *(-x for x in values), np.nan], dtype)


def groups(dtype, numbers, seed=0):
    """`numbers` arrays of as many values: every pair of edges, in an order of its own in each later array."""
    rng, values = np.random.default_rng(seed), edges(dtype)
    first, second = (np.resize(a.ravel(), 1536) for a in np.meshgrid(values, values))
    return [first, second, *(rng.permutation(second) for _ in range(numbers - 2))]


def assert_same(actual, expected):
    """The same bits; any NaN is any other."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    if actual.dtype.kind == "f":
        word = WORDS[actual.dtype.type]
        nan = np.isnan(expected)
        np.testing.assert_array_equal(np.isnan(actual), nan)
        actual, expected = actual[~nan].view(word), expected[~nan].view(word)
    np.testing.assert_array_equal(actual, expected)


def rounded(exact, dtype):
    """A Fraction other than zero as the nearest float, ties to the even one."""
    kind = np.finfo(dtype)
    size = abs(exact)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= size < Fraction(2) ** exponent  # now 2**exponent <= size < 2**(exponent + 1)
    quantum = Fraction(2) ** (max(exponent, int(kind.minexp)) - kind.nmant)
    nearest = round(size / quantum) * quantum
    value = dtype(np.inf) if nearest > Fraction(float(kind.max)) else dtype(float(nearest))
    return -value if exact < 0 else value


def _fused(a, b, c, dtype):
    if not np.isfinite([a, b]).all():
        return a * b + c
    if not np.isfinite(c):
        return c
    product, addend = Fraction(float(a)) * Fraction(float(b)), Fraction(float(c))
    if product + addend != 0:
        return rounded(product + addend, dtype)
    if product != 0:
        return dtype(0.0)  # an exact difference of equal numbers
    return a * b + c  # zeros, whose signs IEEE 754 adds


def fused(a, b, c):
    """``a * b + c`` rounded once, in their dtype."""
    a, b, c = np.broadcast_arrays(a, b, c)
    dtype = a.dtype.type
    with np.errstate(all="ignore"):
        values = [_fused(*numbers, dtype) for numbers in zip(a.flat, b.flat, c.flat, strict=True)]
    return np.array(values, dtype).reshape(a.shape)


def larger(a, b):
    """The larger of each; `b` where either is NaN, or where they are equal."""
    return np.where(a > b, a, b)
