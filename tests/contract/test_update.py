"""One iteration: assign, relocate what is empty, move each centroid to the exact weighted mean of its rows."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from support import DTYPES, LARGE_SHAPES, SHAPES, iterated, problem, session, some_weights

from kmeans_fast import reference


def check(engine, X, weights, centroids, iterations=2):
    """Compare `iterations` iterations, field by field. Returns the last."""
    opened = session(engine, X, weights, len(centroids))
    before = np.full(len(X), -1)
    for _ in range(iterations):
        labels, _ = reference.assign(X, centroids)
        new = reference.update(X, weights, centroids, labels)
        step = iterated(opened, centroids)
        assert_array_equal(opened.labels, labels)
        assert step.centroids.dtype == X.dtype
        assert_array_equal(step.centroids, new)
        assert step.changed == np.count_nonzero(labels != before)
        assert step.squared_shift == reference.squared_shift(new, centroids)
        assert step.empty == np.count_nonzero(reference.cluster_sums(X, weights, labels, len(centroids))[1] == 0)
        before, centroids = labels, new
    return step


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", ["normal", "grid"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_session_iterates_as_the_reference(engine, dtype, kind, shape):
    X, centroids = problem(*shape, dtype, kind)
    check(engine, X, None, centroids)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_session_iterates_with_weights_as_the_reference(engine, dtype, shape):
    X, centroids = problem(*shape, dtype)
    check(engine, X, some_weights(len(X)), centroids)


@pytest.mark.parametrize("shape", LARGE_SHAPES, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("threads", [1, 3])
def test_session_iterates_large_problems_as_the_reference(threads, dtype, weighted, shape):
    X, centroids = problem(*shape, dtype)
    check(threads, X, some_weights(len(X)) if weighted else None, centroids)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("d", [2, 9, 40])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("threads", [1, 3])
def test_sums_stay_exact_while_few_rows_move_again_and_again(threads, dtype, d, weighted):
    """Rows that move leave one sum for another: thousands of times, more than accumulators hold before a spill."""
    X, centroids = problem(3000, d, 3, dtype)
    weights = some_weights(3000) if weighted else None
    opened, rng, moved = session(threads, X, weights, 3), np.random.default_rng(0), []
    for step in range(60):
        nearby = (centroids + rng.normal(scale=0.1, size=centroids.shape)).astype(dtype)
        found = iterated(opened, nearby)
        moved.append(found.changed)
        if step % 6 == 0:
            assert_array_equal(found.centroids, reference.update(X, weights, nearby, reference.assign(X, nearby)[0]))
    assert max(moved[1:]) < 0.3 * 3000 < 4096 < sum(moved[1:]), "the test does not reach what it is for"


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_are_right_again_after_a_relocation_and_after_a_mere_assignment(engine, dtype):
    X, centroids = problem(500, 3, 4, dtype)
    opened = session(engine, X, None, 4)
    far = centroids.copy()
    far[2] += dtype(1e4)
    for wanted in (centroids, centroids, far, centroids, None, centroids):
        if wanted is None:
            opened.assign(centroids[::-1].copy())
        else:
            labels, _ = reference.assign(X, wanted)
            assert_array_equal(iterated(opened, wanted).centroids, reference.update(X, None, wanted, labels))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("threads", [2, 3, 7])
def test_one_accumulator_shared_by_all_threads_gives_the_same(monkeypatch, threads, dtype, weighted):
    monkeypatch.setattr("kmeans_fast.backends.cpu.costs.PRIVATE_BYTES", 0)
    X, centroids = problem(300, 9, 65, dtype)
    weights = some_weights(300) if weighted else None
    opened = session(threads, X, weights, 65)
    iterated(opened, centroids)
    assert len(opened.totals.count) == 1, "the test does not reach the shared accumulator"
    check(threads, X, weights, centroids)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_inertia_of_an_iteration_is_good_to_ten_digits(engine, dtype, weighted):
    """`Iteration.inertia` is documented as approximate: it comes from the sums, not from a pass over the data."""
    X, centroids = problem(500, 6, 9, dtype)
    weights = some_weights(500) if weighted else None
    step = iterated(session(engine, X, weights, 9), centroids)
    assert_allclose(
        step.inertia, reference.inertia(X, weights, centroids, reference.assign(X, centroids)[0]), rtol=1e-10
    )


def test_an_iteration_after_reset_counts_every_row_as_changed(engine):
    X, centroids = problem(65, 3, 5, np.float64)
    opened = session(engine, X, None, 5)
    assert iterated(opened, centroids).changed == 65
    assert iterated(opened, centroids).changed == 0
    opened.reset()
    assert iterated(opened, centroids).changed == 65


def test_iterating_changes_neither_data_nor_centroids_nor_weights(engine):
    X, centroids = problem(65, 3, 5, np.float32)
    weights = some_weights(65)
    copies = [array.copy() for array in (X, centroids, weights)]
    iterated(session(engine, X, weights, 5), centroids)
    for array, copy in zip((X, centroids, weights), copies, strict=True):
        assert_array_equal(array, copy)


# ---- empty clusters ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_empty", [1, 2, 5, 9])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_empty_clusters_take_the_farthest_rows(engine, dtype, weighted, n_empty):
    X, centroids = problem(97, 4, 10, dtype)
    centroids[:n_empty] = 1e4 + np.arange(n_empty)[:, None]
    assert check(engine, X, some_weights(97) if weighted else None, centroids, iterations=1).empty == n_empty
    check(engine, X, some_weights(97) if weighted else None, centroids, iterations=4)


@pytest.mark.parametrize("weighted", [False, True])
def test_among_equally_far_rows_their_content_decides(engine, weighted):
    """In any order of the rows; of equal rows, the lighter comes first."""
    X = np.array([[0.0], [2.0], [-2.0], [2.0], [1.0], [-2.0]])
    weights, found = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) if weighted else None, set()
    for order in itertools.islice(itertools.permutations(range(6)), 0, None, 60):
        given = None if weights is None else weights[list(order)]
        step = check(engine, X[list(order)], given, np.array([[0.0], [100.0], [200.0], [300.0]]), iterations=1)
        found.add(step.centroids.tobytes())
    assert len(found) == 1


def test_a_row_of_zero_weight_is_never_relocated(engine):
    X = np.array([[0.0], [50.0], [3.0], [1.0]])
    step = check(engine, X, np.array([1.0, 0.0, 1.0, 1.0]), np.array([[0.0], [1e3]]), iterations=1)
    assert_array_equal(step.centroids[1], [3.0])


def test_a_cluster_whose_rows_all_have_zero_weight_counts_as_empty(engine):
    X = np.array([[0.0], [1.0], [9.0], [10.0]])
    assert check(engine, X, np.array([1.0, 2.0, 0.0, 0.0]), np.array([[0.0], [10.0]]), iterations=1).empty == 1


def test_more_empty_clusters_than_rows_off_their_centroid(engine):
    X = np.array([[0.0], [0.0], [4.0], [4.0], [4.0]])
    check(engine, X, None, np.array([[0.0], [5.0], [99.0], [98.0], [97.0], [96.0], [95.0]]), iterations=3)


def test_more_clusters_than_rows(engine):
    X = np.array([[1.0, 1.0], [5.0, 5.0]])
    check(engine, X, None, np.array([[3.0, 3.0], [50.0, 1.0], [60.0, 1.0], [70.0, 1.0], [80.0, 1.0]]), iterations=3)


def test_relocation_may_empty_the_cluster_that_it_takes_from(engine):
    X = np.array([[0.0], [1.0], [10.0]])
    check(engine, X, None, np.array([[0.5], [20.0], [400.0]]), iterations=3)


def test_every_row_on_its_centroid_leaves_nothing_to_relocate(engine):
    X = np.repeat([[1.0, 2.0]], 20, axis=0)
    step = check(engine, X, None, np.array([[1.0, 2.0], [7.0, 7.0], [8.0, 8.0]]), iterations=1)
    assert_array_equal(step.centroids, X[:3])
