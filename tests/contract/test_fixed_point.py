"""Cluster sums in integers: `math.fsum` of the members, whatever their magnitudes, order and number."""

import math
from fractions import Fraction

import numpy as np
import pytest
from kmeans_fast.kernels.cpu.assignment import dense
from kmeans_fast.kernels.cpu.exact import column_statistics, fixed_point, rounding
from numpy.testing import assert_array_equal
from support import DTYPES, iterated, rows, session

from kmeans_fast import reference

NO_WEIGHTS = np.empty(0)


def wild(n, d, dtype, lowest, highest, seed=0):
    """Values of both signs whose binary exponents are uniform in [lowest, highest)."""
    rng = np.random.default_rng(seed)
    significands = rng.uniform(0.5, 1.0, (n, d)) * rng.choice([-1, 1], (n, d))
    return np.ldexp(significands, rng.integers(lowest, highest, (n, d))).astype(dtype)


def planned(X, weights=NO_WEIGHTS):
    """The plan for the columns of X, from the kernel that measures them."""
    return column_statistics.planned(2, X.reshape(-1), weights, X.shape[1])


def accumulated(X, plan, weights=NO_WEIGHTS, labels=None, n_sums=1, tasks=1):
    """Accumulators to which every row of X has been added."""
    n, d = X.shape
    labels = np.zeros(n, np.int32) if labels is None else labels
    totals = fixed_point.Totals.zeros(1, n_sums, d + (weights.size > 0), plan.limbs)
    dense.sum_owned(tasks, X.reshape(-1), weights, d, labels, n_sums, totals, *plan.arguments)
    return totals


def finished(totals, plan, n_sums=1):
    return rounding.rounded(1, totals, plan, n_sums, len(plan.exponent), False)[0]


def column_sums(X):
    """The sum of every column by the integer accumulators."""
    return finished(accumulated(X, planned(X)), planned(X))


def exact_sums(X):
    return [[math.fsum(column) for column in X.T.tolist()]]


def sum_of_all(X, threads):
    """The sum of every column, by the kernel that adds all rows; X has one limb."""
    d = X.shape[1]
    plan = column_statistics.planned(threads, X.reshape(-1), NO_WEIGHTS, d)
    assert plan.limbs == 1
    totals = column_statistics.column_totals(threads, X.reshape(-1), d, plan)
    return rounding.rounded(1, totals, plan, 1, d, False)[0]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("d", [1, 2, 3, 5, 7, 8, 10, 15, 16, 31, 63, 64, 100, 1031])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 17, 200])
def test_sums_of_all_rows_in_vectors_are_exact(n, d, threads):
    """Rows that fill no vector, or fill one only together, and tasks of a few rows or of none."""
    for X in (np.round(rows(n, d, np.float32), 3), rows(n, d, np.float64, "grid")):
        assert_array_equal(sum_of_all(X, threads), exact_sums(X))


@pytest.mark.parametrize("d", [1, 3, 7, 8, 9])
def test_sums_of_all_rows_are_spilled_in_time(d):
    """More rows, of the largest values that one limb holds, than 64 bits can take."""
    X = np.full((75_001, d), 2.0**fixed_point.LIMB - 1)
    X[1::7] = 1.0
    assert_array_equal(sum_of_all(X, 2), exact_sums(X))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("d", [1, 3, 5, 8, 11, 64])
@pytest.mark.parametrize("n", [1, 5, 16, 700])
def test_the_range_of_columns_is_what_python_finds(n, d, weighted):
    """Zeros, powers of two, subnormal numbers and both signs, wherever in a vector they fall."""
    rng = np.random.default_rng(n + d)
    for dtype in DTYPES:
        least, tiny = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).tiny
        usual = np.array([0.0, -0.0, 1.0, -0.5, 1024.0, 3.0, -0.75, 1e6, np.pi], dtype)
        extreme = np.array([0.0, least, -3 * least, tiny, 3 * tiny], dtype)
        X = np.where(np.arange(d) % 3 == 1, rng.choice(extreme, (n, d)), rng.choice(usual, (n, d)))
        X[:, d // 2 :: 5] = rng.choice([dtype(6.0), dtype(-20.0)], (n, 1))
        weights = rng.choice([0.0, 1.0, 0.75], n) if weighted else NO_WEIGHTS
        values = np.column_stack([weights[:, None] * X, weights]) if weighted else X
        columns = [[Fraction(x) for x in column if x != 0] for column in values.T.tolist()]
        largest, lowest = column_statistics.column_ranges(2, X.reshape(-1), weights, d)
        assert_array_equal(largest, [float(max(map(abs, column), default=0)) for column in columns])
        assert_array_equal(lowest, [float(min(map(lowest_bit, column), default=math.inf)) for column in columns])


def lowest_bit(x):
    """The largest power of two that divides a Fraction whose denominator is a power of two."""
    return Fraction(1, x.denominator) if x.denominator > 1 else Fraction(x.numerator & -x.numerator)


RANGES = [
    (np.float32, -10, 10),
    (np.float32, -60, 60),
    (np.float32, -120, 120),
    (np.float32, -148, 128),
    (np.float64, -10, 10),
    (np.float64, -100, 100),
    (np.float64, -500, 500),
    (np.float64, -1074, -960),
    (np.float64, -1074, 0),
    (np.float64, -1074, 1000),
    (np.float64, 900, 1010),
]


@pytest.mark.parametrize("d", [1, 3, 8, 17])
@pytest.mark.parametrize("values", RANGES, ids=str)
def test_column_sums_are_exact_over_wild_ranges(values, d):
    X = wild(500, d, *values)
    assert_array_equal(column_sums(X), exact_sums(X))


@pytest.mark.parametrize("tasks", [1, 3])
@pytest.mark.parametrize("values", RANGES[:6], ids=str)
def test_weighted_cluster_sums_are_exact_over_wild_ranges(values, tasks):
    X, weights = wild(300, 9, *values), wild(300, 1, np.float64, -300, 300, seed=1).ravel() ** 2
    labels = np.random.default_rng(2).integers(0, 7, 300).astype(np.int32)
    plan = planned(X, weights)
    sums, totals = reference.cluster_sums(X, weights, labels, 7)
    found = finished(accumulated(X, plan, weights, labels, 7, tasks), plan, 7)
    assert_array_equal(found, np.column_stack([sums, totals]))


@pytest.mark.parametrize("values", RANGES, ids=str)
def test_large_values_cancel_and_leave_the_small_ones(values):
    X = wild(500, 3, *values)
    X = np.concatenate([X, -X[::2], X[:7] / 2])
    assert_array_equal(column_sums(X), exact_sums(X))


@pytest.mark.parametrize("n", [4095, 4096, 4097, 8191, 8192, 8193, 12_288, 20_000])
@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_of_more_members_than_an_accumulator_holds(dtype, n):
    X = np.abs(rows(n, 5, dtype)) + dtype(1)
    assert_array_equal(column_sums(X), exact_sums(X))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("limb_bits", [1, 50, 51, 100, 101])
def test_the_largest_limbs_do_not_overflow_before_they_are_spilled(limb_bits, sign):
    largest = 2.0**limb_bits * (1 - 2.0**-53)
    X = np.full((9000, 2), sign * largest)
    X[0] = 1.0
    assert_array_equal(column_sums(X), exact_sums(X))


@pytest.mark.parametrize("bits", [1, 31, 32, 33, 49, 50, 51, 52, 53])
def test_sums_are_rounded_once_half_to_even(bits):
    large, tiny = 2.0**53, 2.0 ** -(bits + 1)
    X = np.array(
        [
            [large, large + 2, -large, -large - 2, large, large + 2],
            [1, 1, -1, -1, 1, 1],
            [0, 0, 0, 0, tiny, -tiny],
        ]
    )
    assert_array_equal(column_sums(X), exact_sums(X))


def test_columns_of_zeros_sum_to_zero():
    X = np.zeros((50, 4))
    X[:, 2] = 3.5
    assert_array_equal(column_sums(X), exact_sums(X))


def test_ordinary_float32_data_takes_one_limb():
    assert planned(np.round(rows(1000, 4, np.float32), 3)).limbs == 1


@pytest.mark.parametrize("values", RANGES, ids=str)
def test_the_quantum_divides_every_value(values):
    X = wild(300, 2, *values)
    for column, exponent in zip(X.T.tolist(), planned(X).exponent.tolist(), strict=True):
        quantum = Fraction(2) ** exponent
        assert all((Fraction(value) / quantum).denominator == 1 for value in column)


@pytest.mark.parametrize("values", RANGES, ids=str)
def test_moving_a_row_takes_it_from_one_sum_to_the_other_and_back(values):
    X = wild(40, 9, *values)
    plan = planned(X)
    totals = accumulated(X, plan, n_sums=2)
    before = finished(totals, plan, 2)

    def move(source, target):
        limbs = (plan.limbs, plan.up, plan.up_rest, plan.down)
        moved = np.array([5]), 9, NO_WEIGHTS, np.array([source], np.int32), np.array([target], np.int32)
        fixed_point.relocate(1, totals, X.reshape(-1), *moved, *limbs)

    move(0, 1)
    assert_array_equal(finished(totals, plan, 2), exact_sums(np.delete(X, 5, axis=0)) + exact_sums(X[5:6]))
    move(1, 0)
    assert_array_equal(finished(totals, plan, 2), before)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("values", [v for v in RANGES if v[2] < 240], ids=str)
def test_cluster_means_over_wild_ranges_are_the_references(values, threads, weighted):
    X = wild(400, 5, *values)
    weights = wild(400, 1, np.float64, -200, 200, seed=1).ravel() ** 2 if weighted else None
    centroids = X[:6].copy()
    step = iterated(session(threads, X, weights, 6), centroids)
    assert_array_equal(step.centroids, reference.update(X, weights, centroids, reference.assign(X, centroids)[0]))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [4095, 4096, 4097, 8193])
@pytest.mark.parametrize("d", [2, 16, 40])
@pytest.mark.parametrize("dtype", DTYPES)
def test_means_of_clusters_with_thousands_of_members_are_the_references(dtype, d, n, weighted):
    X = rows(n, d, dtype) + dtype(3)
    X[: n // 100] += dtype(100)
    weights = np.random.default_rng(1).exponential(size=n) if weighted else None
    centroids = X[[0, n - 1]].copy()
    labels, _ = reference.assign(X, centroids)
    for threads in (1, 3):
        assert_array_equal(
            iterated(session(threads, X, weights, 2), centroids).centroids,
            reference.update(X, weights, centroids, labels),
        )


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("values", [(-10, 10), (-250, 250), (-530, 400)], ids=str)
def test_inertia_over_wild_ranges_is_exact(threads, values):
    X, centroids = wild(900, 1, np.float64, *values), np.zeros((1, 1))
    opened = session(threads, X, None, 1)
    opened.assign(centroids)
    assert opened.inertia(centroids) == reference.inertia(X, None, centroids, opened.labels)
