"""Exact sums of values that are not negative, rounded once in compiled code, beside `math.fsum`."""

import math

import numpy as np
import pytest
from kmeans_fast.kernels.cpu.exact import totals
from kmeans_fast.kernels.cpu.exact.distances import EXPONENTS
from kmeans_fast.kernels.cpu.runtime.jit import kernel


@kernel
def _total(task, tasks, values, low, high, out):
    out[0] = totals.total_of_values(values, values.size, low, high)


def total(*arguments):
    out = np.empty(1)
    _total(1, *arguments, out)
    return out[0]


def values_of(kind, rng):
    values = rng.random(int(rng.integers(1, 200)))
    if kind == "wide":
        values *= 2.0 ** rng.integers(-1000, 900, len(values))
    if kind == "subnormal":
        values *= 2.0**-1060
    if kind == "halves":  # sums in the middle between two float64, and a little beside
        values = np.array([1.0, 2.0**-53, 2.0**-53 * rng.integers(0, 2), 2.0 ** -rng.integers(90, 1074)])
    if kind == "zeros":
        values *= 0.0
    return values


@pytest.mark.parametrize("kind", ["near", "wide", "subnormal", "halves", "zeros"])
def test_the_sum_is_rounded_once(kind):
    rng, bins = np.random.default_rng(0), np.zeros((2, EXPONENTS), np.int64)
    for _ in range(200):
        values = values_of(kind, rng)
        assert total(values, bins[0], bins[1]) == math.fsum(values)
        assert not bins.any()


def test_what_is_no_number_gives_none():
    bins = np.zeros((2, EXPONENTS), np.int64)
    for wrong in (np.nan, -np.nan, np.inf):
        assert math.isnan(total(np.array([1.0, wrong, 1e300]), bins[0], bins[1]))
        assert not bins.any()
