"""What is true of every fit from given centroids, without knowing the answer."""

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.testing import assert_allclose, assert_array_equal
from strategies import SEEDS, floats, matrices, problems

import kmeans_fast
from kmeans_fast import assign, reference

pytestmark = pytest.mark.filterwarnings("ignore:Number of distinct clusters")


def fit(X, init, **options):
    return kmeans_fast.kmeans(X, len(init), init=init, **{"tol": 0.0, **options})


def relocates(result):
    """Whether empty clusters took rows: equally far ones go by a hash, which other values have another of."""
    return any(step.empty for step in result.history)


def same_fit(got, wanted):
    assert_array_equal(got.labels, wanted.labels)
    assert_array_equal(got.centroids, wanted.centroids)
    assert (got.inertia, got.n_iter) == (wanted.inertia, wanted.n_iter)


def no_relocation(result):
    """Relocation takes one of equal rows, and gives the farthest to the first empty cluster.

    Repetitions of rows and orders of clusters show there.
    """
    assume(not any(step.empty for step in result.history))
    return result


@given(problems())
def test_labels_are_those_that_assign_gives(problem):
    X, init = problem
    result = fit(X, init)
    labels, distances = assign(X, result.centroids)
    assert_array_equal(result.labels, labels)
    assert result.inertia == math.fsum(distances)


@given(st.one_of(problems(), floats().map(lambda X: (X, X[::4].copy()))))
def test_inertia_never_increases(problem):
    """Up to the rounding of the centroids to X's dtype."""
    X, init = problem
    slack = 8 * np.finfo(X.dtype).eps * float(np.square(X, dtype=np.float64).sum())
    found = [fit(X, init, max_iter=n).inertia for n in (1, 2, 3, 5, 300)]
    assert all(after <= before + slack for before, after in itertools.pairwise(found))


@given(problems())
def test_a_converged_fit_is_a_fixed_point(problem):
    X, init = problem
    result = fit(X, init)
    again = fit(X, result.centroids)
    assert_array_equal(again.centroids, result.centroids)
    assert_array_equal(again.labels, result.labels)
    assert again.n_iter <= 2


@given(problems())
def test_converged_centroids_are_the_means_of_their_rows(problem):
    X, init = problem
    result = fit(X, init)
    for c in np.unique(result.labels):
        members = X[result.labels == c]
        assert_array_equal(result.centroids[c], (members.astype(float).sum(axis=0) / len(members)).astype(X.dtype))


@given(problems())
def test_centroids_lie_within_the_range_of_the_data(problem):
    X, init = problem
    centroids = fit(X, init).centroids
    assert (centroids >= X.min(axis=0)).all()
    assert (centroids <= X.max(axis=0)).all()


@given(floats())
def test_one_cluster_is_the_mean(X):
    result = fit(X, X[:1].copy())
    mean = np.array([math.fsum(column) for column in X.T.tolist()]) / len(X)
    assert_array_equal(result.centroids, [mean.astype(X.dtype)])
    assert not result.labels.any()


@given(matrices())
def test_as_many_clusters_as_distinct_rows_leave_no_inertia(X):
    distinct = np.unique(X, axis=0)
    assert fit(X, distinct).inertia == 0.0


@given(problems(), st.integers(-30, 30))
def test_scaling_by_a_power_of_two_scales_the_fit(problem, exponent):
    X, init = problem
    scale = X.dtype.type(2.0**exponent)
    small, large = fit(X, init, tol=1e-4), fit(X * scale, init * scale, tol=1e-4)
    assume(not relocates(small))
    assert_array_equal(large.labels, small.labels)
    assert_array_equal(large.centroids, small.centroids * scale)
    assert large.inertia == small.inertia * 4.0**exponent
    assert large.n_iter == small.n_iter


@given(problems(), st.integers(-30, 30))
def test_scaling_all_weights_by_a_power_of_two_scales_the_inertia_only(problem, exponent):
    X, init = problem
    weights = 1.0 + np.arange(len(X)) % 3
    light, heavy = fit(X, init, sample_weight=weights), fit(X, init, sample_weight=weights * 2.0**exponent)
    same_fit(heavy, light._replace(inertia=light.inertia * 2.0**exponent))


@given(problems(), st.randoms())
def test_order_of_rows_does_not_matter(problem, random):
    X, init = problem
    order = random.sample(range(len(X)), len(X))
    result = fit(X, init)
    same_fit(fit(X[order], init), result._replace(labels=result.labels[order]))


@given(problems(), st.randoms())
def test_one_iteration_permutes_with_the_features(problem, random):
    X, init = problem
    order = random.sample(range(X.shape[1]), X.shape[1])
    one, other = (fit(x, start, max_iter=1) for x, start in ((X, init), (X[:, order], init[:, order])))
    assume(not relocates(one))
    assert_array_equal(other.centroids, one.centroids[:, order])


@given(problems(), st.randoms())
def test_permuting_distinct_centroids_relabels_up_to_ties(problem, random):
    X, init = problem
    init = np.unique(init, axis=0)
    order = np.array(random.sample(range(len(init)), len(init)))
    distances = reference.squared_distances(X, init)
    assume(((distances == distances.min(axis=1)[:, None]).sum(axis=1) == 1).all())
    one, other = no_relocation(fit(X, init, max_iter=1)), fit(X, init[order], max_iter=1)
    assert_array_equal(other.centroids, one.centroids[order])


@given(problems(most_rows=25), st.data())
def test_weights_are_repetitions(problem, data):
    """Powers of two: then ``w * D`` is as exact as adding D that often."""
    X, init = problem
    weights = np.array(data.draw(st.lists(st.sampled_from([1, 2, 4]), min_size=len(X), max_size=len(X))))
    weighted = no_relocation(fit(X, init, sample_weight=weights))
    repeated = fit(np.repeat(X, weights, axis=0), init)
    same_fit(repeated, weighted._replace(labels=np.repeat(weighted.labels, weights)))


@given(problems(), st.data())
def test_zero_weight_is_removal(problem, data):
    X, init = problem
    kept = data.draw(arrays.arrays(bool, len(X)).filter(np.any))
    assume(kept.sum() >= len(init))
    weighted = fit(X, init, sample_weight=kept.astype(float))
    removed = fit(X[kept], init)
    same_fit(removed, weighted._replace(labels=weighted.labels[kept]))


@given(problems())
def test_total_scatter_is_within_plus_between(problem):
    X, init = problem
    result = fit(X, init)
    values, means = X.astype(float), result.centroids.astype(float)[result.labels]
    between = ((means - values.mean(axis=0)) ** 2).sum()
    assert_allclose(result.inertia + between, ((values - values.mean(axis=0)) ** 2).sum(), rtol=1e-5, atol=1e-9)


@given(problems(), st.integers(1, 4))
def test_max_iter_is_an_upper_limit(problem, max_iter):
    X, init = problem
    assert 1 <= fit(X, init, max_iter=max_iter).n_iter <= max_iter


@given(problems(), SEEDS)
def test_fitting_again_gives_the_same_and_changes_no_argument(problem, seed):
    X, init = problem
    weights = 1.0 + np.arange(len(X)) % 3
    copies = [array.copy() for array in (X, init, weights)]
    same_fit(*(kmeans_fast.kmeans(X, len(init), sample_weight=weights, seed=seed) for _ in range(2)))
    same_fit(*(fit(X, init, sample_weight=weights) for _ in range(2)))
    for array, copy in zip((X, init, weights), copies, strict=True):
        assert_array_equal(array, copy)


@given(problems(), SEEDS)
def test_more_runs_are_never_worse(problem, seed):
    X, init = problem
    found = [kmeans_fast.kmeans(X, len(init), n_init=n, seed=seed).inertia for n in (1, 2, 4)]
    assert found == sorted(found, reverse=True)


def partitions(n, k):
    """Every way to label n rows with at most k labels, up to the names of the labels."""
    for labels in itertools.product(range(k), repeat=n):
        firsts = [labels.index(c) for c in sorted(set(labels))]
        if firsts == sorted(firsts) and set(labels) == set(range(len(firsts))):
            yield np.array(labels, reference.LABEL)


def best_inertia(X, k):
    def of(labels):
        centroids = reference.update(X, None, X[:1].repeat(labels.max() + 1, axis=0), labels)
        return reference.inertia(X, None, centroids, reference.assign(X, centroids)[0])

    return min(map(of, partitions(len(X), k)))


@settings(max_examples=15)
@given(matrices(n=6, d=2, elements=st.integers(-9, 9)), st.integers(1, 3), SEEDS)
def test_no_fit_beats_the_best_partition_and_many_runs_find_it(X, k, seed):
    best = best_inertia(X, k)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = kmeans_fast.kmeans(X, k, init="random", n_init=60, tol=0.0, seed=seed).inertia
    assert found == best
