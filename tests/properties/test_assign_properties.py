"""What is true of every assignment, without knowing the answer."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import assignments, floats

from kmeans_fast import assign, reference


def same(got, wanted):
    for a, b in zip(got, wanted, strict=True):
        assert_array_equal(a, b)


@given(assignments())
def test_labels_are_nearest_and_lowest(problem):
    X, centroids = problem
    labels, nearest = assign(X, centroids)
    distances = ((X[:, None].astype(float) - centroids[None]) ** 2).sum(axis=2)
    assert_array_equal(nearest, distances.min(axis=1))
    assert_array_equal(labels, distances.argmin(axis=1))


@given(floats(), st.data())
def test_floats_are_assigned_as_by_the_reference(X, data):
    centroids = X[data.draw(st.lists(st.integers(0, len(X) - 1), min_size=1, max_size=20))]
    same(assign(X, centroids), reference.assign(X, centroids))
    near = np.nextafter(centroids, np.inf, dtype=X.dtype)
    same(assign(X, near), reference.assign(X, near))


@given(assignments(), st.integers(-1000, 1000))
def test_translation_changes_nothing(problem, shift):
    X, centroids = problem
    same(assign(X + X.dtype.type(shift), centroids + X.dtype.type(shift)), assign(X, centroids))


@given(assignments(), st.integers(-40, 40))
def test_scaling_by_a_power_of_two_scales_the_distances(problem, exponent):
    X, centroids = problem
    labels, distances = assign(X, centroids)
    scale = X.dtype.type(2.0**exponent)
    same(assign(X * scale, centroids * scale), (labels, np.ldexp(distances, 2 * exponent)))


@given(assignments(), st.randoms())
def test_order_of_features_and_their_signs_do_not_matter(problem, random):
    X, centroids = problem
    order = random.sample(range(X.shape[1]), X.shape[1])
    signs = np.array([random.choice([-1, 1]) for _ in order], X.dtype)
    same(assign(X[:, order] * signs, centroids[:, order] * signs), assign(X, centroids))


@given(assignments(), st.randoms())
def test_rows_are_assigned_independently_of_their_order(problem, random):
    X, centroids = problem
    order = random.sample(range(len(X)), len(X))
    labels, distances = assign(X, centroids)
    same(assign(X[order], centroids), (labels[order], distances[order]))


@given(assignments(), st.randoms())
def test_permuting_centroids_relabels_up_to_ties(problem, random):
    X, centroids = problem
    order = np.array(random.sample(range(len(centroids)), len(centroids)))
    labels, distances = assign(X, centroids)
    relabelled, same_distances = assign(X, centroids[order])
    assert_array_equal(same_distances, distances)
    assert_array_equal(reference.own_distances(X, centroids, order[relabelled]), distances)
    alone = (reference.squared_distances(X, centroids) == distances[:, None]).sum(axis=1) == 1
    assert_array_equal(order[relabelled][alone], labels[alone])


@given(st.one_of(assignments(), floats().map(lambda X: (X, X[::3].copy()))), st.lists(st.integers(0, 60), max_size=5))
def test_splitting_into_batches_changes_nothing(problem, cuts):
    X, centroids = problem
    batches = [assign(batch, centroids) for batch in np.split(X, sorted(cuts)) if len(batch)]
    same([np.concatenate(parts) for parts in zip(*batches, strict=True)], assign(X, centroids))


@given(assignments())
def test_a_zero_feature_changes_nothing_and_a_repeated_set_doubles_the_distances(problem):
    X, centroids = problem
    labels, distances = assign(X, centroids)
    same(assign(np.pad(X, ((0, 0), (0, 1))), np.pad(centroids, ((0, 0), (0, 1)))), (labels, distances))
    same(assign(np.hstack([X, X]), np.hstack([centroids, centroids])), (labels, 2 * distances))


@given(assignments())
def test_distinct_centroids_are_their_own_nearest(problem):
    centroids = np.unique(problem[1], axis=0)
    same(assign(centroids, centroids), (np.arange(len(centroids)), np.zeros(len(centroids))))


@given(assignments())
def test_a_centroid_that_no_row_is_nearest_to_can_be_left_out(problem):
    X, centroids = problem
    labels, distances = assign(X, centroids)
    used, compact = np.unique(labels, return_inverse=True)
    same(assign(X, centroids[used]), (compact, distances))
