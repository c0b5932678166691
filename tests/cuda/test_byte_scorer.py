"""Scores in bytes on tensor cores: the labels, sums and bounds of the reference, whatever the bytes lose.

On a GPU where there is one, else in the simulator.
"""

import numpy as np
import pytest
from kmeans_fast.kernels import byte_scores
from numpy.testing import assert_array_equal
from support import AVAILABLE, DTYPES, EDGES, beside_the_reference, iterated, problem, some_weights, uneven

from kmeans_fast import reference
from kmeans_fast.backends.cuda.scorers import bytes as bytes_on_tensor_cores
from kmeans_fast.backends.cuda.scorers import use_scorer
from kmeans_fast.backends.cuda.scorers.operands import use_operand
from kmeans_fast.backends.cuda.session import CudaSession
from simulator import build
from simulator.device import SimDevice

ON_GPU = "cuda" in AVAILABLE
pytestmark = pytest.mark.skipif(not (build.COMPILER or ON_GPU), reason="there is no GPU and no C++ compiler")

_rng = np.random.default_rng(16)
SHAPES = sorted(
    {(n, 5, 4) for n in EDGES}
    | {(70, d, 6) for d in EDGES}
    | {(101, 7, k) for k in EDGES}
    | {tuple(int(size) for size in _rng.choice(EDGES, 3)) for _ in range(10)}
    | {(600, 130, 300), (900, 256, 70), (300, 257, 65), (200, 600, 5), (90, 1030, 130)}
)
KINDS = ("normal", "grid", "clouds", "offset", "sizes", "tails", "features", "outlier")


@pytest.fixture(autouse=True)
def always():
    with use_scorer("bytes"):
        yield


def opened(X, weights, k, order=0):
    if ON_GPU:
        from kmeans_fast.backends.cuda.cupy_device import CupyDevice

        device = CupyDevice(0)
    else:
        device = SimDevice(order=order)
    return CudaSession(device, X, weights, k, on_host=True)


def assert_labels(session, X, centroids):
    session.assign(centroids)
    assert_array_equal(session.labels, reference.assign(X, centroids)[0])


def iterate(X, weights, k, iterations, order=0):
    return beside_the_reference(opened(X, weights, k, order), X, weights, k, iterations)


@pytest.mark.parametrize(("dtype", "kind"), [(np.float32, "normal"), (np.float64, "grid")])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_labels_are_the_references(dtype, shape, kind):
    X, centroids = problem(*shape, dtype, kind)
    session = opened(X, None, shape[2])
    assert_labels(session, X, centroids)  # rows have no labels yet
    assert_labels(session, X, centroids[::-1].copy())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(700, 5, 7), (500, 33, 65), (300, 200, 20), (200, 300, 5), (450, 17, 400)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_iterations_are_the_references(dtype, shape, kind):
    n, d, k = shape
    iterate(uneven(n, d, dtype, kind), None, k, 6)


@pytest.mark.skipif(not build.COMPILER, reason="it takes devices of several sizes")
@pytest.mark.parametrize(
    ("d", "k", "kilobytes"), [(5, 1025, 100), (40, 641, 100), (100, 513, 227), (200, 321, 160), (300, 65, 227)]
)
def test_wide_panels_pass_through_shared_memory(d, k, kilobytes):
    n = 1100 if d < 200 else 600  # more than the warps of all blocks take at once
    X, centroids = problem(n, d, k, np.float32, "normal")
    device = SimDevice()
    device.properties = device.properties._replace(shared_bytes=kilobytes << 10)
    session = CudaSession(device, X, None, k, on_host=True)
    assert session.scorer.byte_panel == 128
    assert not session.scorer.all_resident
    assert_labels(session, X, centroids)
    bounds_that_hold(session, X, centroids[::-1].copy())


@pytest.mark.parametrize("order", [1, 9])
@pytest.mark.parametrize("dtype", DTYPES)
def test_iterations_with_weights_in_any_order_of_threads(dtype, order):
    iterate(uneven(900, 20, dtype, "clouds"), some_weights(900), 90, 6, order=order)


@pytest.mark.parametrize("offset", [0.0, 10.0, 100.0])
def test_an_offset_of_the_data_changes_no_label(offset):
    X = (np.random.default_rng(4).normal(size=(600, 40)) + offset).astype(np.float32)
    iterate(X, None, 100, 3)


@pytest.mark.parametrize("scale", [1e-37, 1e-30, 1e-12, 1e12, 1e30])
@pytest.mark.parametrize("dtype", DTYPES)
def test_they_hold_at_any_scale(dtype, scale):
    iterate(uneven(400, 24, np.float64, "clouds").astype(dtype) * dtype(scale), None, 12, 4)


@pytest.mark.parametrize("scale", [1e-300, 1e-162, 1e-150, 1e-100, 1e100, 1e140])
def test_they_hold_at_the_ends_of_float64(scale):
    iterate(uneven(300, 24, np.float64, "clouds") * scale, None, 12, 4)


@pytest.mark.parametrize("far", [1e3, 1e9, 1e13, 1e30])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_centroid_far_from_the_data(dtype, far):
    X = uneven(300, 40, dtype, "normal")
    centroids = X[:20].copy()
    centroids[7] = far
    session = opened(X, None, 20)
    for _ in range(2):
        assert_labels(session, X, centroids)


@pytest.mark.parametrize("d", [32, 256, 300])
def test_the_largest_sums_of_products(d):
    """All codes are 127 or -127: sums are as large as they can be, of either sign."""
    signs = np.random.default_rng(d).choice([-1.0, 1.0], (120, 1))
    X = np.repeat(signs, d, axis=1).astype(np.float32) * np.float32(3)
    centroids = np.repeat(np.linspace(-3, 3, 70)[:, None], d, axis=1).astype(np.float32)
    session = opened(X, None, 70)
    for _ in range(2):
        assert_labels(session, X, centroids)
    if d <= 256:
        codes = decoded(session, session.scoring.row_words, 120, _of_rows)
        assert np.abs(codes).max() == byte_scores.LEVELS
        assert np.abs(codes).sum(axis=1).max() * byte_scores.LEVELS < 2**22


@pytest.mark.parametrize("k", [40, 200])
def test_rows_of_too_many_candidates_are_scored_in_float32(k):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 40)).astype(np.float32)
    centroids = (1e-3 * rng.normal(size=(k, 40))).astype(np.float32)
    session = opened(X, None, k)
    assert_labels(session, X, centroids)
    rows = session.device.download(session.scoring.overflowed)[:250]
    assert len(np.unique(rows)) == 250
    several = session.device.download(session.scoring.several)
    assert not np.isin(several[: session.device.download(session.iteration.counters)[6]], rows).any()


@pytest.mark.parametrize("few", [0, 12])
def test_few_rows_of_too_many_candidates_are_scored_a_block_each(monkeypatch, few):
    rng = np.random.default_rng(0)
    centroids = np.concatenate([rng.normal(size=(40, 24)), 1e-3 * rng.normal(size=(60, 24))]).astype(np.float32)
    X = (centroids[np.arange(500) % 40] + 0.1 * rng.normal(size=(500, 24))).astype(np.float32)
    X[40:160:10] = 2e-3 * rng.normal(size=(12, 24))
    session = opened(X, None, 100)
    monkeypatch.setattr(bytes_on_tensor_cores, "_SCANNED_A_BLOCK", few / session.scoring.rechecking)
    counters = counted(session, centroids)
    assert counters[2] == 500
    assert counters[5] == 12
    assert not few or counters[4] == 12
    assert_array_equal(session.labels, reference.assign(X, centroids)[0])
    bounds_that_hold(session, X, centroids)


def counted(session, centroids, way=None):
    """What an assignment of rows without labels counts."""
    session.reset()
    launches, way = session.launches, way or session.scoring.way(None, False)
    launches.run(launches.assignment, session._held(centroids), False, False, False, way)
    return session.device.download(session.iteration.counters)


def test_a_sample_of_the_centroids_spares_rows_too_many_candidates():
    X = np.random.default_rng(0).normal(size=(160, 250)).astype(np.float32)
    centroids = np.random.default_rng(1).normal(size=(1500, 250)).astype(np.float32)
    session = opened(X, None, 1500)
    assert counted(session, centroids, "int8")[5] > 10
    assert counted(session, centroids)[5] < 5
    assert_array_equal(session.labels, reference.assign(X, centroids)[0])


def test_rows_with_labels_need_no_sample():
    X = uneven(300, 24, np.float32, "clouds")
    session = opened(X, None, 40)
    session.resume(np.zeros(300, np.int32))
    assert iterated(session, X[:40].copy()).path == "int8"


def test_equal_rows_and_centroids():
    X = np.repeat(uneven(30, 40, np.float32, "normal"), 20, axis=0)
    centroids = np.concatenate([X[:200], X[:100]])
    session = opened(X, None, len(centroids))
    for _ in range(2):
        assert_labels(session, X, centroids)


@pytest.mark.parametrize("value", [0.0, 1.0, -3e4])
def test_rows_that_are_all_alike(value):
    X = np.full((200, 30), value, np.float32)
    assert_labels(opened(X, None, 3), X, X[:3] + np.array([[0], [1], [0]], np.float32))


def test_rows_left_by_bounds_are_scored_in_bytes():
    X = uneven(1500, 24, np.float32, "clouds")
    steps = iterate(X, None, 90, 12)
    assert any(step.path == "hamerly, int8" and step.scored < 1500 for step in steps)


def bounds_that_hold(session, X, centroids):
    """The bounds on distances after an assignment, which have been checked."""
    session.assign(centroids)
    scoring, rows = session.scoring, np.arange(len(X))
    upper, lower = (session.device.download(bound) for bound in (scoring.upper, scoring.lower))
    distances = np.sqrt(reference.squared_distances(X, centroids)) * scoring.scale
    own = distances[rows, session.labels]
    distances[rows, session.labels] = np.inf
    assert (upper >= own).all()
    assert (lower <= distances.min(axis=1)).all()
    return upper, lower


def test_what_a_run_has_learnt_of_bytes_ends_with_it():
    X = uneven(300, 24, np.float32, "clouds")
    session = opened(X, None, 40)
    session.scoring.policy.resume = 1000
    session.reset()
    paths = []
    centroids = X[:40].copy()
    for _ in range(3):
        step = iterated(session, centroids)
        paths.append(step.path.removeprefix("hamerly, "))
        centroids = step.centroids
    assert paths == ["int8, sampled", "int8", "int8"]


@pytest.mark.parametrize("kind", ["normal", "clouds", "sizes"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_bounds_hold(dtype, kind):
    X = uneven(500, 24, dtype, kind)
    upper, lower = bounds_that_hold(opened(X, None, 70), X, X[:70].copy())
    assert kind == "sizes" or (lower > upper).mean() > 0.3


@pytest.mark.parametrize("dtype", DTYPES)
def test_bounds_hold_where_scores_overflow(dtype):
    """Rows of zeros have the smallest unit: in it the scores of all centroids but one are minus infinity."""
    X = np.zeros((300, 24), dtype)
    X[:100] = np.random.default_rng(0).integers(-5, 6, (100, 24))
    X[100:200] = -X[:100]
    centroids = np.repeat(2.0 ** np.linspace(32, 36, 70)[:, None], 24, axis=1).astype(dtype)
    centroids[40] = 2.0**20
    session = opened(X, None, 70)
    assert_labels(session, X, centroids)
    bounds_that_hold(session, X, centroids)


# ---- codes ---------------------------------------------------------------------------------------------------------


def _of_rows(row, word):
    """The place of the word of a row, of its first product (`byte_codes.cu`)."""
    return (row % 8 * 4 + word % 4) * 4 + row // 8 % 2 + word // 4 * 2


def _of_centroids(row, word):
    return (row % 8 * 4 + word % 4) * 4 + row // 8 % 2 * 2 + word // 4


def decoded(session, words, n, place, panel=16):
    """The codes of rows, or of centroids in panels: (n, 32 * products), of halves (n, 16 * products)."""
    words, products = session.device.download(words), session.scorer.products
    row, word = np.ogrid[:n, : 8 * products]
    tile = row // panel * products * panel * 8 + word // 8 * panel * 8 + row % panel // 16 * 128
    codes = words[tile + place(row, word % 8)].view(np.float16 if session.scorer.operand.halves else np.int8)
    return codes.reshape(n, -1).astype(np.float64)


@pytest.mark.parametrize(
    ("n", "d", "k", "every"), [(70, 5, 33, 1), (33, 40, 300, 3), (90, 250, 70, 2), (65, 300, 100, 1)]
)
def test_a_centroid_that_is_likely_near_scores_most_of_the_sample(n, d, k, every):
    X, centroids = problem(n, d, k, np.float32, "normal")
    session = opened(X, None, k)
    session.assign(centroids)
    scoring = session.scoring
    scoring.plan.sampled = every
    scoring._sample(session)()
    likely = session.device.download(scoring.likely)
    assert (likely // 64 % every == 0).all()

    q = decoded(session, scoring.row_words, n, _of_rows)
    r = decoded(session, scoring.words, k, _of_centroids, session.scorer.byte_panel)
    steps = session.device.download(scoring.steps).reshape(-1, 2)[:k].astype(np.float64)
    minus_inverses = session.device.download(scoring.row_facts).reshape(n, 4)[:, :1]
    products, rest = q @ r.T * steps[:, 0], steps[:, 1] * minus_inverses
    scores, rounding = products + rest, 2.0**-22 * (abs(products) + abs(rest))
    scores[:, np.arange(k) // 64 % every > 0] = -np.inf
    assert (scores[np.arange(n), likely] >= (scores - 2 * rounding).max(axis=1)).all()


@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 31, 32, 33, 64, 100, 250, 300])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("operand", ["int8", "fp16"])
def test_codes_lose_no_more_than_they_say(operand, dtype, d):
    """y and g bound what they are to bound, in exact arithmetic; norms are never too large."""
    X = uneven(150, max(d, 5), dtype, "sizes")[:, :d].copy()
    with use_operand(operand):
        session = opened(X, None, 70)
    session.assign(X[:70].copy())
    scoring, download = session.scoring, session.device.download
    ratio, scale = scoring.how["ratio"], scoring.scale
    moved = (X.astype(np.longdouble) - download(scoring.frame["shift"]).astype(np.longdouble)) * scale

    q = decoded(session, scoring.row_words, 150, _of_rows)
    assert_array_equal(q[:, d:], 0)
    assert np.abs(q).max() == session.scorer.levels
    facts = download(scoring.row_facts).reshape(150, 4).astype(np.float64)
    lost = np.linalg.norm((moved * -facts[:, :1] - q[:, :d]).astype(np.float64), axis=1)
    assert (facts[:, 1] >= np.linalg.norm(q, axis=1)).all()
    assert (facts[:, 1] * ratio * (1 + 1e-6) >= lost).all()
    assert (facts[:, 3] <= np.square(moved).sum(axis=1)).all()

    r = decoded(session, scoring.words, 70, _of_centroids, session.scorer.byte_panel)
    assert_array_equal(r[:, d:], 0)
    steps = download(scoring.steps).reshape(-1, 2)[:70].astype(np.float64)
    slopes = download(scoring.measures).reshape(-1, 2)[:70, 1]
    norms = np.linalg.norm(moved[:70].astype(np.float64), axis=1)
    lost = np.linalg.norm((moved[:70] - steps[:, :1] * r[:, :d]).astype(np.float64), axis=1)
    assert (slopes >= lost + ratio * norms).all()
    assert (steps[:, 1] <= norms**2 / 2).all()
