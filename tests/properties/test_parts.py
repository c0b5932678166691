"""However the rows are cut, on whatever backends the parts are, in whatever order they merge: the bits of one part."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import SEEDS
from support import DTYPES, PART_ENGINES, colliding_rows, part, some_weights

from kmeans_fast import reference
from kmeans_fast.backends.reference import ReferenceSession
from kmeans_fast.engine import seeding
from kmeans_fast.engine.lloyd import lloyd
from kmeans_fast.engine.parts import Parts
from kmeans_fast.engine.refinement import breathe
from kmeans_fast.reference import squared_distances

pytestmark = pytest.mark.filterwarnings("ignore:Number of distinct clusters")


@st.composite
def data_sets(draw, most_rows=40):
    """Rows and weights (or None): normal values, a grid full of ties, magnitudes far apart, or hashes that collide."""
    n, d = draw(st.integers(1, most_rows)), draw(st.integers(1, 6))
    dtype, kind = draw(st.sampled_from(DTYPES)), draw(st.sampled_from(["normal", "grid", "wide", "collisions"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    X = rng.integers(-2, 3, (n, d)).astype(float) if kind == "grid" else rng.normal(size=(n, d))
    if kind == "collisions":
        several = colliding_rows()
        X, dtype = several[rng.integers(0, len(several), n)], several.dtype
    if kind == "wide":
        X *= 2.0 ** rng.integers(-60, 60, (n, d))
    weights = some_weights(n, draw(st.integers(0, 99))) if draw(st.booleans()) else None
    return np.ascontiguousarray(X, dtype), weights


@st.composite
def cuts(draw, n):
    """Row numbers in parts, a permutation of all, and the engine that each part is opened on."""
    order = np.random.default_rng(draw(st.integers(0, 2**32))).permutation(n)
    at = sorted(draw(st.lists(st.integers(0, n), max_size=5)))
    pieces = [piece for piece in np.split(order, at) if len(piece)]
    return pieces, [draw(st.sampled_from(PART_ENGINES)) for _ in pieces]


@st.composite
def problems(draw):
    X, weights = draw(data_sets())
    pieces, engines = draw(cuts(len(X)))
    k = draw(st.integers(1, min(len(X), 9)))
    return X, weights, k, pieces, engines, draw(SEEDS)


def opened(X, weights, k, pieces, engines):
    """The parts as a session, and the numbers of its rows in X."""
    own = [None if weights is None else np.ascontiguousarray(weights[piece]) for piece in pieces]
    parts = [part(engine, np.ascontiguousarray(X[piece]), w, k) for engine, piece, w in zip(engines, pieces, own)]
    return Parts(parts), np.concatenate(pieces)


def open_few(rows, weights):
    return ReferenceSession(rows, weights)


def assert_same_rows(X, got, wanted):
    """Equal rows may be named by either number."""
    assert_array_equal(X[got], X[wanted])


@settings(max_examples=500)
@given(problems(), st.data())
def test_a_run_is_that_of_one_part(problem, data):
    X, weights, k, pieces, engines, seed = problem
    start = X[reference.random_rows(X, weights, k, seed)]
    start = start if data.draw(st.booleans()) else start + X.dtype.type(100)  # far away: clusters are empty
    tol = data.draw(st.sampled_from([0.0, 1e-4, 0.3]))
    session, numbers = opened(X, weights, k, pieces, engines)
    threshold = tol * session.mean_variance() if tol > 0 else 0.0
    got = lloyd(session, start, max_iter=20, threshold=threshold)
    wanted = reference.lloyd(X, weights, start, max_iter=20, tol=tol)
    assert_array_equal(got.centroids, wanted.centroids)
    assert_array_equal(got.labels, wanted.labels[numbers])
    assert (got.inertia, got.n_iter) == (wanted.inertia, wanted.n_iter)
    assert threshold == (tol * reference.mean_variance(X) if tol > 0 else 0.0)


@pytest.mark.parametrize("engine", PART_ENGINES)
@pytest.mark.parametrize("least", [2.0**-1074, -(2.0**-1074), 0.75 * 2.0**-1024 + 2.0**-1074])
@pytest.mark.parametrize("wide", [1.0, 2.0**50 + 1, 2.0**82 + 2.0**30, 2.0**100 + 2.0**48])
def test_sums_of_the_least_numbers_beside_a_wide_column(engine, least, wide):
    """Limbs as wide as another column needs may begin above the largest value of this one."""
    X = np.array([[wide, -least], [-wide, least], [wide, -least]])
    start = X[:1].copy()
    got = Parts([part(engine, X[:2].copy(), None, 1), part(engine, X[2:].copy(), None, 1)]).iterate(start).read()
    assert_array_equal(got.centroids, reference.update(X, None, start, np.zeros(3, np.int32)))


@settings(max_examples=500)
@given(problems())
def test_seeds_and_samples_are_those_of_one_part(problem):
    X, weights, k, pieces, engines, seed = problem
    session, numbers = opened(X, weights, k, pieces, engines)
    for method, wanted in (
        (seeding.kmeans_plusplus, reference.kmeans_plusplus),
        (lambda *args: seeding.kmeans_parallel(*args, open_few), reference.kmeans_parallel),
    ):
        assert_same_rows(X, numbers[method(session, k, seed, 0)], wanted(X, weights, k, seed))
    positive = len(X) if weights is None else np.count_nonzero(weights)
    if k <= positive:  # others are taken by number
        assert_same_rows(
            X, numbers[seeding.random_rows(session, k, seed, 0)], reference.random_rows(X, weights, k, seed)
        )
    rows, times = seeding.sample(session, k, seed, 0)
    wanted, wanted_times = reference.sample(X, weights, k, seed)
    assert_array_equal(rows, X[wanted])
    assert_array_equal(times, wanted_times)


@given(problems())
def test_refinement_is_that_of_one_part(problem):
    X, weights, k, pieces, engines, seed = problem
    start = X[reference.random_rows(X, weights, k, seed)]

    def refined(session):
        how = {"max_iter": 10, "threshold": 0.0, "run": 0}
        found = lloyd(session, start, **how)
        return breathe(
            session,
            found,
            seed=seed,
            distances=lambda a, b: np.sqrt(squared_distances(a, b)).astype(X.dtype),
            **how,
        )

    session, numbers = opened(X, weights, k, pieces, engines)
    got = refined(session)
    wanted = refined(ReferenceSession(X, weights))
    assert_array_equal(got.centroids, wanted.centroids)
    assert_array_equal(got.labels, wanted.labels[numbers])
    assert (got.inertia, got.n_iter) == (wanted.inertia, wanted.n_iter)
