"""Scores in 8-bit integers: the labels, sums and bounds of the reference, whatever the bytes lose."""

import numpy as np
import pytest
from kmeans_fast.kernels.cpu.scoring import byte_codes
from numpy.testing import assert_array_equal
from support import DTYPES, EDGES, beside_the_reference, iterated, problem, session, some_weights, uneven

from kmeans_fast import reference
from kmeans_fast.backends import use_technique
from kmeans_fast.backends.cpu.techniques.bounds import HamerlyBounds
from kmeans_fast.backends.cpu.techniques.codes import Codes, Encoder

pytestmark = pytest.mark.skipif(
    not byte_codes.AVAILABLE, reason="this machine has no VNNI, without which bytes are never used"
)

_rng = np.random.default_rng(8)
SHAPES = sorted(
    {(n, 5, 4) for n in EDGES}
    | {(70, d, 6) for d in EDGES}
    | {(101, 4, k) for k in EDGES}
    | {tuple(int(size) for size in _rng.choice(EDGES, 3)) for _ in range(20)}
    | {(1500, 130, 300), (900, 70, 600), (3000, 33, 20), (200, 600, 5), (700, 1030, 9)}
)


@pytest.fixture(autouse=True)
def always():
    """Bytes and bounds are used however little they pay, in every iteration, and never given up."""
    with use_technique("hamerly, bytes"):
        yield


def iterate(threads, X, weights, k, iterations):
    return beside_the_reference(session(threads, X, weights, k), X, weights, k, iterations)


@pytest.mark.parametrize("kind", ["normal", "grid"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_without_labels_get_the_references(dtype, shape, kind):
    X, centroids = problem(*shape, dtype, kind)
    opened = session(2, X, None, shape[2])
    opened.assign(centroids)
    assert_array_equal(opened.labels, reference.assign(X, centroids)[0])


@pytest.mark.parametrize("kind", ["normal", "grid", "clouds", "offset", "sizes", "tails", "features", "outlier"])
@pytest.mark.parametrize(
    "shape", [(1000, 3, 7), (777, 33, 65), (500, 200, 20), (65, 1, 2), (300, 600, 5), (900, 17, 400)], ids=str
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_iterations_are_the_references(dtype, shape, kind):
    n, d, k = shape
    iterate(3, uneven(n, d, dtype, kind), None, k, 8)


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("dtype", DTYPES)
def test_iterations_with_weights_are_the_references(dtype, threads):
    iterate(threads, uneven(2000, 20, dtype, "clouds"), some_weights(2000), 30, 8)


@pytest.mark.parametrize("scale", [1e-37, 1e-30, 1e-12, 1e12, 1e30])
@pytest.mark.parametrize("dtype", DTYPES)
def test_they_hold_at_any_scale(dtype, scale):
    iterate(2, uneven(800, 24, np.float64, "clouds").astype(dtype) * dtype(scale), None, 12, 6)


@pytest.mark.parametrize("scale", [1e-300, 1e-162, 1e-150, 1e-100, 1e100, 1e140])
def test_they_hold_at_the_ends_of_float64(scale):
    iterate(2, uneven(500, 24, np.float64, "clouds") * scale, None, 12, 6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("far", [1e3, 1e9, 1e30])
def test_a_centroid_far_from_the_uneven(dtype, far):
    X = uneven(500, 40, dtype, "normal")
    centroids = X[:20].copy()
    centroids[7] = far
    opened = session(2, X, None, 20)
    for _ in range(3):
        labels, _ = reference.assign(X, centroids)
        opened.assign(centroids)
        assert_array_equal(opened.labels, labels)
        step = iterated(opened, centroids)
        assert_array_equal(step.centroids, reference.update(X, None, centroids, labels))


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_rows_and_centroids(dtype):
    X = np.repeat(uneven(30, 40, dtype, "normal"), 20, axis=0)
    centroids = np.concatenate([X[:200], X[:100]])
    opened = session(2, X, None, len(centroids))
    for _ in range(3):
        labels, _ = reference.assign(X, centroids)
        step = iterated(opened, centroids)
        assert_array_equal(opened.labels, labels)
        assert_array_equal(step.centroids, reference.update(X, None, centroids, labels))
        centroids = step.centroids


@pytest.mark.parametrize("value", [0.0, 1.0, -3e4])
def test_rows_that_are_all_alike(value):
    X = np.full((200, 30), value, np.float32)
    opened = session(2, X, None, 3)
    opened.assign(X[:3] + np.array([[0], [1], [0]], np.float32))
    assert_array_equal(opened.labels, np.zeros(200))


def test_most_rows_are_left_one_candidate():
    steps = iterate(2, uneven(3000, 64, np.float32, "normal"), None, 100, 6)
    assert [step.path for step in steps[1:]] == ["hamerly, bytes"] * 5
    assert all(step.rechecked < 0.4 * 3000 for step in steps)


def test_tiles_with_too_many_candidates_are_scored_in_float32():
    """All centroids within a hair of each other: bytes cannot tell them apart."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 40)).astype(np.float32)
    centroids = (1e-3 * rng.normal(size=(150, 40))).astype(np.float32)
    opened = session(1, X, None, 150)
    opened.assign(centroids)
    assert opened.assignment.rows.counts.overfull.sum() > 0
    assert_array_equal(opened.labels, reference.assign(X, centroids)[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 100])
def test_codes_lose_no_more_than_they_say(dtype, d):
    """`reaches` bound |x'/s| and what rounding takes from it, in exact arithmetic; norms are never too large."""
    X = uneven(200, d, dtype, "sizes")
    opened = session(2, X, None, 3)
    opened.assign(X[:3])
    codes = opened.assignment.kept[Codes]
    words = byte_codes.words_a_row(d)
    q = codes.rows.words.view(np.uint8)[: 200 * 4 * words].reshape(200, -1).astype(np.float64) - 128
    assert_array_equal(q[:, d:], 0)
    s = 1 / codes.rows.inverses.astype(np.float64)
    moved = (X.astype(np.longdouble) - codes.encoder.shift.astype(np.longdouble)) * codes.encoder.scale
    lost = np.linalg.norm((moved / s[:, None] - q[:, :d]).astype(np.float64), axis=1)
    reaches = codes.rows.reaches.astype(np.float64)
    assert (reaches >= np.linalg.norm(q, axis=1)).all()
    assert (reaches * codes.encoder.ratio * (1 + 1e-6) >= lost).all()
    assert (codes.rows.norms <= np.square(moved).sum(axis=1)).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_iterations_with_and_without_bytes_may_alternate(monkeypatch, dtype):
    """A centroid too far away for bytes, in some iterations.

    The gaps that an iteration in float32 finds between its centroids are not the next one's.
    """
    calls, encode = [], Encoder.encode

    def in_turn(*given):
        calls.append(given)
        return encode(*given) and len(calls) % 2 == 1

    monkeypatch.setattr(Encoder, "encode", in_turn)
    X = uneven(1500, 6, dtype, "clouds")
    opened, centroids = session(2, X, None, 6), X[:6].copy()
    for _ in range(12):
        labels, _ = reference.assign(X, centroids)
        step = iterated(opened, centroids)
        assert_array_equal(opened.labels, labels)
        assert_array_equal(step.centroids, reference.update(X, None, centroids, labels))
        assert opened.assignment.kept[HamerlyBounds].half_gap.any() == (step.path == "hamerly, float32")
        centroids = step.centroids
