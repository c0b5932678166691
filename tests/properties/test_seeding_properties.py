"""What is true of every choice of seeds: its law, and what it may not depend on."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.testing import assert_array_equal
from scipy.stats import chisquare
from strategies import SEEDS, floats, matrices, problems

import kmeans_fast
from kmeans_fast import kmeans_plusplus, reference

pytestmark = pytest.mark.filterwarnings("ignore:Number of distinct clusters")

WEIGHTS = st.just(0.0) | st.floats(2.0**-500, 1e6)  # products of lighter ones may underflow, and are refused


@given(floats(), st.data(), SEEDS)
def test_seeds_of_floats_are_the_references(X, data, seed):
    k = data.draw(st.integers(1, len(X)))
    weights = data.draw(arrays.arrays(np.float64, len(X), elements=WEIGHTS).filter(np.any))
    for w in (None, weights):
        assert_array_equal(
            kmeans_plusplus(X, k, sample_weight=w, seed=seed)[1], reference.kmeans_plusplus(X, w, k, seed)
        )


@given(matrices(), st.data(), SEEDS)
def test_seeds_are_distinct_while_distinct_rows_last(X, data, seed):
    distinct = len(np.unique(X, axis=0))
    k = data.draw(st.integers(1, distinct))
    centroids, indices = kmeans_plusplus(X, k, seed=seed)
    assert len(np.unique(centroids, axis=0)) == k
    assert_array_equal(centroids, X[indices])


@given(matrices(), st.data(), SEEDS)
def test_random_rows_are_drawn_without_replacement(X, data, seed):
    k = data.draw(st.integers(1, len(X)))
    rows = reference.random_rows(X, None, k, seed)
    assert len(set(rows.tolist())) == k


@given(matrices(), st.data(), SEEDS)
def test_rows_of_zero_weight_are_never_chosen(X, data, seed):
    kept = data.draw(arrays.arrays(bool, len(X)).filter(np.any))
    k = data.draw(st.integers(1, int(kept.sum())))
    _, indices = kmeans_plusplus(X, k, sample_weight=kept.astype(float), seed=seed)
    assert kept[indices].all()
    assert kept[reference.random_rows(X, kept.astype(float), k, seed)].all()
    assert kept[reference.kmeans_parallel(X, kept.astype(float), k, seed)].all()


@given(floats(), st.data(), SEEDS)
def test_parallel_seeds_of_floats_are_the_references(X, data, seed):
    k = data.draw(st.integers(1, min(5, len(X))))
    weights = data.draw(arrays.arrays(np.float64, len(X), elements=WEIGHTS).filter(np.any))
    for w in (None, weights):
        start = X[reference.kmeans_parallel(X, w, k, seed)]
        seeded = kmeans_fast.kmeans(X, k, init="k-means||", sample_weight=w, seed=seed, max_iter=1)
        given_start = kmeans_fast.kmeans(X, k, init=start, sample_weight=w, max_iter=1)
        assert_array_equal(seeded.centroids, given_start.centroids)
        assert_array_equal(seeded.labels, given_start.labels)


@given(matrices(), st.data(), SEEDS)
def test_parallel_seeds_are_distinct_while_distinct_rows_last(X, data, seed):
    k = data.draw(st.integers(1, len(np.unique(X, axis=0))))
    assert len(np.unique(X[reference.kmeans_parallel(X, None, k, seed)], axis=0)) == k


@given(matrices(), SEEDS)
def test_every_seed_lowers_the_potential(X, seed):
    k = len(np.unique(X, axis=0))
    centroids, _ = kmeans_plusplus(X, k, seed=seed)
    potential = [kmeans_fast.assign(X, centroids[: i + 1])[1].sum() for i in range(k)]
    assert all(after < before for before, after in itertools.pairwise(potential))
    assert potential[-1] == 0


@given(matrices(), st.data(), SEEDS)
def test_fewer_clusters_draw_the_same_first_seed(X, data, seed):
    k = data.draw(st.integers(1, len(X)))
    assert kmeans_plusplus(X, k, seed=seed)[1][0] == kmeans_plusplus(X, 1, seed=seed)[1][0]


@given(problems(), st.randoms(), SEEDS)
def test_seeds_do_not_depend_on_the_order_of_rows(problem, random, seed):
    X, init = problem
    weights = 1.0 + np.arange(len(X)) % 4
    order = random.sample(range(len(X)), len(X))
    for w, permuted in ((None, None), (weights, weights[order])):
        centroids, _ = kmeans_plusplus(X, len(init), sample_weight=w, seed=seed)
        assert_array_equal(kmeans_plusplus(X[order], len(init), sample_weight=permuted, seed=seed)[0], centroids)


@pytest.mark.parametrize("init", ["k-means++", "k-means||", "random"])
@given(st.one_of(matrices(), floats()), st.data(), SEEDS)
def test_the_whole_fit_does_not_depend_on_the_order_of_rows(init, X, data, seed):
    k = data.draw(st.integers(1, min(6, len(X))))
    order = data.draw(st.permutations(range(len(X))))
    one = kmeans_fast.kmeans(X, k, init=init, n_init=2, seed=seed)
    other = kmeans_fast.kmeans(X[order], k, init=init, n_init=2, seed=seed)
    assert_array_equal(other.labels, one.labels[order])
    assert_array_equal(other.centroids, one.centroids)
    assert (other.inertia, other.n_iter) == (one.inertia, one.n_iter)


@given(matrices(most_rows=25), st.data(), SEEDS)
def test_weights_are_repetitions_for_plusplus(X, data, seed):
    """Masses are rounded down row by row: the property needs masses that are integers, as on a grid."""
    weights = np.array(data.draw(st.lists(st.sampled_from([1, 2, 4]), min_size=len(X), max_size=len(X))))
    k = data.draw(st.integers(1, len(X)))
    weighted, _ = kmeans_plusplus(X, k, sample_weight=weights, seed=seed)
    repeated, _ = kmeans_plusplus(np.repeat(X, weights, axis=0), k, seed=seed)
    assert_array_equal(weighted, repeated)


# ---- the law -------------------------------------------------------------------------------------------------------

SIX = np.array([[0.0, 0], [1, 0], [0, 2], [5, 5], [6, 5], [9, 0]])
DRAWS = 3000


def law_of_two_seeds(X, weights):
    """Exact probability of every ordered pair of seeds of greedy k-means++ with the trials that two clusters get."""
    n, table = len(X), reference.squared_distances(X, X)
    probability = np.zeros((n, n))
    for first in range(n):
        mass = weights * table[first]
        p = mass / mass.sum()
        left = [(weights * np.minimum(table[first], table[second])).sum() for second in range(n)]
        for trials in itertools.product(np.flatnonzero(p), repeat=reference.n_trials(2)):
            chosen = min(trials, key=lambda row: left[row])
            probability[first, chosen] += weights[first] / weights.sum() * np.prod(p[list(trials)])
    return probability


@pytest.mark.parametrize("weights", [np.ones(6), np.array([1.0, 5, 2, 0, 1, 3])], ids=["unweighted", "weighted"])
def test_pairs_of_seeds_follow_the_squared_distance_law(weights):
    observed = np.zeros((6, 6))
    for seed in range(DRAWS):
        observed[tuple(kmeans_plusplus(SIX, 2, sample_weight=weights, seed=seed)[1])] += 1
    expected = DRAWS * law_of_two_seeds(SIX, weights)
    assert not observed[expected == 0].any()
    assert chisquare(observed[expected > 0], expected[expected > 0]).pvalue > 1e-3


@pytest.mark.parametrize("init", ["k-means++", "k-means||"])
def test_clusters_far_apart_get_a_seed_each(init):
    """Of one row or of many: a row far from all candidates has nearly all the mass."""
    rng = np.random.default_rng(3)
    sizes = np.array([1, 2, 500, 40, 3, 1, 200, 7, 60, 186])
    of_cluster = np.repeat(np.arange(10), sizes)
    X = 1e4 * rng.normal(size=(10, 4))[of_cluster] + rng.normal(size=(1000, 4))
    for seed in range(30):
        found = kmeans_fast.kmeans(X, 10, init=init, seed=seed)
        assert len(np.unique(found.labels[np.cumsum(sizes) - 1])) == 10
        assert found.n_iter <= 3


def test_parallel_seeds_stand_for_the_rows_near_them():
    """The one seed of two clusters is in either as often as their sizes say, not as often as their candidates."""
    rng = np.random.default_rng(5)
    X = np.concatenate([rng.normal(size=(900, 2)), 50 + 10 * rng.normal(size=(100, 2))])
    in_the_larger = sum(int(reference.kmeans_parallel(X, None, 1, seed)[0] < 900) for seed in range(200))
    assert abs(in_the_larger - 180) < 5 * np.sqrt(200 * 0.9 * 0.1)


def test_parallel_seeds_are_about_as_good_as_those_of_plusplus(rng):
    """Of overlapping clusters, by the mean distance to the nearest seed over many draws, which either makes small."""
    X = rng.normal(size=(30, 3))[rng.integers(0, 30, 2000)] + 0.3 * rng.normal(size=(2000, 3))

    def potential(method):
        return np.mean([kmeans_fast.assign(X, X[method(X, None, 30, seed)])[1].mean() for seed in range(12)])

    assert abs(potential(reference.kmeans_parallel) / potential(reference.kmeans_plusplus) - 1) < 0.04


def test_random_rows_follow_the_weights():
    weights = np.array([1.0, 5, 2, 0, 1, 3])
    observed = np.zeros((6, 6))
    for seed in range(DRAWS):
        observed[tuple(reference.random_rows(SIX, weights, 2, seed))] += 1
    share = weights / weights.sum()
    expected = DRAWS * np.array(
        [[0 if i == j else share[i] * share[j] / (1 - share[i]) for j in range(6)] for i in range(6)]
    )
    assert not observed[expected == 0].any()
    assert chisquare(observed[expected > 0], expected[expected > 0]).pvalue > 1e-3
