"""Kernels on one block, which takes many tiles of rows one after the other, with its threads in both orders.

A simulated thread runs until it waits. So where the first one writes shared memory for the next tile before the others
have read what is there, they find what they should not, and the answer is another one. That this is seen is tested by
faults: a barrier at the head of a loop left out.
"""

import functools

import numpy as np
import pytest
from kmeans_fast.kernels.cuda import sources
from numpy.testing import assert_array_equal

from kmeans_fast import reference
from kmeans_fast.backends.cuda import device as launching
from kmeans_fast.backends.cuda import problems as of_problems
from kmeans_fast.backends.cuda.runs import Layout
from kmeans_fast.backends.cuda.scorers import use_scorer
from kmeans_fast.backends.cuda.session import CudaSession
from kmeans_fast.backends.silhouettes import silhouettes
from kmeans_fast.engine.lloyd import lloyd
from kmeans_fast.engine.seeding import kmeans_plusplus
from simulator import build
from simulator.device import SimDevice

pytestmark = pytest.mark.skipif(not build.COMPILER, reason="there is no C++ compiler")

N = 1100  # rows: five tiles of 256, of which the last is not full
EVERY = {"row_hashes", "inertia_bins", "trials", "silhouettes", "prefix_sums", "update_sums", "update"}
WAYS = {  # features, clusters, and kernels that have to run
    "panels": (72, 66, EVERY | {"assign", "recheck", "filter_rows"}),
    "bytes": (40, 70, EVERY | {"byte_filter", "settle_candidates", "encode_rows", "encode_centroids"}),
    "points": (2, 5, {"assign_points"}),
}


@pytest.fixture(autouse=True)
def one_block(monkeypatch):
    monkeypatch.setattr(launching, "_PER_MULTIPROCESSOR", 1)
    monkeypatch.setattr(of_problems, "layout", lambda *_: Layout(4, 1, 20, 1e-3, 1, 1))


def one_multiprocessor(order):
    device = SimDevice(order=order)
    device.properties = device.properties._replace(multiprocessors=1)
    return device


def check(scorer, order):
    d, k, kernels = WAYS[scorer]
    X = np.random.default_rng(d).normal(size=(N, d)).astype(np.float32)
    X[:2], X[N // 2 :: 7] = np.eye(2, d), 0  # many rows as near to one as to the other: scores cannot settle them
    if d > 4:
        X[2:4] = -X[:2]  # or to four
    device = one_multiprocessor(order)
    with use_scorer(scorer):
        session = CudaSession(device, X, None, k, on_host=True)
    session.reset()
    assert_array_equal(kmeans_plusplus(session, 4, 1, 0), reference.kmeans_plusplus(X, None, 4, 1))
    words, masses = reference.draws(1, 0, (N,)), reference.Masses(X, None)
    drawn = CudaSession(device, X, None, 2, on_host=True).oversampler().draw(words)
    assert_array_equal(drawn, [masses.draw(word) for word in words])
    found, expected = lloyd(session, X[:k], max_iter=8, threshold=0.0), reference.lloyd(X, None, X[:k], 8, 0.0)
    assert_array_equal(found.labels, expected.labels)
    assert_array_equal(found.centroids, expected.centroids)
    assert found.inertia == expected.inertia
    assert_array_equal(session.silhouette(found.labels, k), silhouettes(X, found.labels, k))
    assert kernels <= set(device.launches)


def check_runs(order):
    X = np.random.default_rng(5).normal(size=(1, N, 20)).astype(np.float32)
    problems = of_problems.CudaProblems(one_multiprocessor(order), X, None, 5, on_host=True)
    found = problems.lloyd(X[:, :5], np.zeros(1), np.arange(1), 5, True)
    expected = reference.lloyd(X[0], None, X[0, :5], 5, 0.0)
    assert_array_equal(found.labels[0], expected.labels)
    assert_array_equal(found.centroids[0], expected.centroids)


def check_orders(scorer):
    for order in (0, 1):
        check(scorer, order) if scorer else check_runs(order)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("scorer", WAYS)
def test_a_block_takes_many_tiles(order, scorer):
    check(scorer, order)


@pytest.mark.parametrize("order", [0, 1])
def test_a_block_takes_many_tiles_of_a_run(order):
    check_runs(order)


READ = "__syncthreads();  // what was in the tile has been read"
FAULTS = {  # the module, a barrier, what is there instead, and the scorer; or None: whole runs
    "hashes": ("rows", READ, "", "panels"),
    "codes": ("byte_rows", READ, "", "bytes"),
    "silhouettes": ("silhouettes", "__syncthreads();  // what was in shared memory has been read", "", "panels"),
    "moves": ("runs", "__syncthreads();\n    if (t == 0) shared.changed", "if (t == 0) shared.changed", None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_barrier_left_out_is_found(monkeypatch, fault):
    module, right, wrong, scorer = FAULTS[fault]
    as_it_is = sources.text
    assert as_it_is(module).count(right) == 1
    faulty = as_it_is(module).replace(right, wrong)
    monkeypatch.setattr(sources, "text", lambda name: faulty if name == module else as_it_is(name))
    monkeypatch.setattr(build, "simulated", functools.cache(build.simulated.__wrapped__))
    with pytest.raises(AssertionError, match="Arrays are not equal"):
        check_orders(scorer)
