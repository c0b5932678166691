"""Whole runs in few launches on a GPU, by teams of one block and of several. The simulator stands in for the GPU."""

import contextlib
import functools
import itertools
from typing import NamedTuple

import numpy as np
import pytest
from kmeans_fast.kernels.cuda import sources
from numpy.testing import assert_array_equal
from support import DTYPES, rows, some_weights, uneven

from kmeans_fast import reference
from kmeans_fast.backends.cuda import problems as of_problems
from kmeans_fast.backends.cuda import runs
from kmeans_fast.backends.cuda.device import Properties
from kmeans_fast.backends.cuda.problems import CudaProblems
from kmeans_fast.backends.cuda.session import CudaSession
from kmeans_fast.backends.protocol import Problem
from kmeans_fast.engine.lloyd import lloyd
from simulator import build
from simulator.device import SimDevice

pytestmark = pytest.mark.skipif(not build.COMPILER, reason="there is no C++ compiler")

H100 = Properties("a GPU", 132, 227 << 10, 80 << 30, "9.0", "", "")
TURING = Properties("a GPU", 40, 64 << 10, 16 << 30, "7.5", "", "")


class Way(NamedTuple):
    across: int
    blocks: int
    streamed: bool = False  # rows pass through shared memory, whatever room there is
    iterations: int = 300  # of a launch

    def layout(self, d):
        held = 32 if self.streamed else -(-d // 4) * 4
        return runs.Layout(self.across, self.blocks, held, runs._LAUNCH / self.iterations, 1, 2)


WAYS = [
    Way(1, 1), Way(1, 2, iterations=3), Way(4, 1, iterations=1), Way(4, 3), Way(32, 1), Way(32, 4, iterations=2),
    Way(4, 2, streamed=True), Way(32, 3, streamed=True),
]  # fmt: skip


def opened(X, weights, k, order=0):
    device = SimDevice(order=order)
    device.properties = device.properties._replace(multiprocessors=8, shared_bytes=H100.shared_bytes)
    return CudaProblems(device, X, weights, k, on_host=True)


def check(problems, X, weights, starts, *, max_iter=12, tol=0.0):
    """Runs of all problems beside the reference."""
    of, thresholds = np.arange(len(X)), tol * problems.mean_variances()
    found = problems.lloyd(starts, thresholds, of, max_iter, True)
    for number, start in enumerate(starts):
        own = None if weights is None else weights[number]
        if found.halted[number]:
            continue
        wanted = reference.lloyd(X[number], own, start, max_iter, tol)
        assert_array_equal(found.labels[number], wanted.labels)
        assert_array_equal(found.centroids[number], wanted.centroids)
        assert found.inertia[number] == wanted.inertia
        assert found.n_iter[number] == wanted.n_iter
        assert found.n_used[number] == len(np.unique(wanted.labels))
        session = CudaSession(SimDevice(), X[number], own, len(start), on_host=True)
        history = lloyd(session, start, max_iter=max_iter, threshold=thresholds[number]).history
        told = [(step.changed, step.squared_shift, step.inertia) for step in history]
        assert_array_equal(found.iterations[number, : len(told), :3], told)
        assert_array_equal(found.iterations[number, : len(told), 4], len(X[number]))
    return found


def starts_of(X, k, seed=3):
    return np.array([own[np.random.default_rng([seed, at]).permutation(len(own))[:k]] for at, own in enumerate(X)])


def use(monkeypatch, way, d):
    monkeypatch.setattr(of_problems, "layout", lambda *_: way.layout(d))


@pytest.mark.parametrize(
    ("shape", "kind", "dtype", "weighted"),
    [
        ((3, 700, 2, 5), "grid", np.float32, False), ((2, 400, 5, 9), "normal", np.float64, True),
        ((2, 300, 24, 40), "normal", np.float32, False), ((2, 130, 20, 3), "grid", np.float32, True),
        ((3, 2, 1, 1), "normal", np.float64, False),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_runs_are_the_references(monkeypatch, way, shape, kind, dtype, weighted):
    count, n, d, k = shape
    use(monkeypatch, way, d)
    X = np.array([rows(n, d, dtype, kind, seed) for seed in range(count)])
    weights = np.array([some_weights(n, seed) for seed in range(count)]) if weighted else None
    found = check(opened(X, weights, k, order=n), X, weights, starts_of(X, k))
    assert not found.halted.all()


@pytest.mark.parametrize("kind", ["offset", "sizes", "tails", "outlier"])
@pytest.mark.parametrize("way", [WAYS[1], WAYS[3], WAYS[4]], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_of_uneven_sizes(monkeypatch, dtype, way, kind):
    """Float32 settles few of them, their sums have several limbs, and each problem has a frame of its own."""
    use(monkeypatch, way, 6)
    X = np.array([uneven(260, 6, dtype, kind), uneven(260, 6, dtype, "clouds")])
    check(opened(X, None, 20), X, None, starts_of(X, 20), max_iter=5)


@pytest.mark.parametrize("way", WAYS[:5], ids=str)
@pytest.mark.parametrize("kind", ["grid", "normal"])
def test_rows_on_bisectors_are_rechecked(monkeypatch, kind, way):
    """Few of a warp, which it measures one after the other, and nearly all."""
    use(monkeypatch, way, 3)
    X = rows(600, 3, np.float32, kind)[None]
    starts = np.unique(X[0], axis=0)[None, 3:120:6]
    apart = reference.squared_distances(starts[0], starts[0]) + 1e9 * np.eye(20)
    X[0, ::50] = 0.5 * starts[0, list(np.unravel_index(apart.argmin(), apart.shape))].sum(axis=0)
    found = check(opened(X, None, 20), X, None, starts, max_iter=2)
    assert not found.halted[0]
    assert found.iterations[0, 0, 3] >= (12 if kind == "normal" else 200)


@pytest.mark.parametrize("max_iter", [1, 2, 3])
@pytest.mark.parametrize("tol", [0.0, 1e-2, 1e9])
@pytest.mark.parametrize("way", [WAYS[1], WAYS[3]], ids=str)
def test_the_end_of_a_run(monkeypatch, way, max_iter, tol):
    use(monkeypatch, way, 4)
    X = np.array([rows(200, 4, np.float32, "normal", seed) for seed in range(3)])
    check(opened(X, None, 6), X, None, starts_of(X, 6), max_iter=max_iter, tol=tol)


@pytest.mark.parametrize("way", [WAYS[1], WAYS[3]], ids=str)
def test_a_run_with_a_cluster_of_no_weight_halts_and_others_go_on(monkeypatch, way):
    use(monkeypatch, way, 4)
    X = np.array([rows(200, 4, np.float32, "normal", seed) for seed in range(3)])
    starts = starts_of(X, 6)
    starts[1, 2] = 1e3
    found = check(opened(X, None, 6), X, None, starts)
    assert_array_equal(found.halted, [False, True, False])


@pytest.mark.parametrize("held", [np.float16, np.int8, np.uint8])
def test_narrow_rows_are_read_as_they_are(monkeypatch, held):
    use(monkeypatch, WAYS[3], 5)
    X = (10 * np.array([rows(400, 5, np.float32, "normal", seed) for seed in range(2)]) + 100).astype(held)
    values = X.astype(np.float32)
    problems = opened(X, None, 6)
    starts = starts_of(values, 6)
    found = problems.lloyd(starts, np.zeros(2), np.arange(2), 9, False)
    for number in range(2):
        wanted = reference.lloyd(values[number], None, starts[number], 9, 0.0)
        assert_array_equal(found.labels[number], wanted.labels)
        assert_array_equal(found.centroids[number], wanted.centroids)
        assert problems.mean_variances()[number] == reference.mean_variance(values[number])


# ---- what is launched ------------------------------------------------------------------------------------------------


def test_runs_of_one_problem_share_its_rows(monkeypatch):
    monkeypatch.setattr(of_problems, "layout", lambda *_: Way(4, 2).layout(5))
    X = rows(300, 5, np.float32)[None]
    problems = opened(X, None, 4)
    starts = np.array([X[0, seed : seed + 4] for seed in range(5)])
    found = problems.lloyd(starts, np.zeros(5), np.zeros(5, np.int64), 20, False)
    for run, start in enumerate(starts):
        assert_array_equal(found.labels[run], reference.lloyd(X[0], None, start, 20, 0.0).labels)
    assert found.iterations is None
    assert problems.device.launches.count("lloyd_runs") == 3  # two runs at a time


@pytest.mark.parametrize("weighted", [False, True])
def test_to_open_many_problems_takes_the_launches_of_one(weighted):
    counts = set()
    for count in (1, 7):
        X = np.array([rows(300, 5, np.float32, "normal", seed) for seed in range(count)])
        weights = np.array([some_weights(300, seed) for seed in range(count)]) if weighted else None
        counts.add(len(opened(X, weights, 4).device.launches))
    assert len(counts) == 1


def test_more_blocks_than_the_device_has_room_for_are_refused(monkeypatch):
    X = rows(300, 5, np.float32)[None]
    monkeypatch.setattr(of_problems, "layout", lambda *_: Way(32, 60).layout(5))
    with pytest.raises(RuntimeError, match="lloyd_runs: 60 blocks wait for each other, and 48 fit on the GPU"):
        opened(X, None, 4).lloyd(X[:, :4], np.zeros(1), np.zeros(1, np.int64), 9, False)


# Faults in the kernels: what is there, what stands in its place.
FAULTS = {
    "blocks that do not wait": ("while (*(volatile u64*)arrived < all) __nanosleep(20);", ""),
    "a block too many is waited for": ("(before / blocks + 1) * blocks;", "(before / blocks + 1) * blocks + 1;"),
    "one tile for all": ("filled = (i64)team_blocks * ROWS >= n;", "filled = true;"),
    "a lane's second best is forgotten": ("is_open && !(second < threshold)", "false"),
    "ties are settled": ("best - second > margin", "best - second >= 0"),
    "thresholds are forgotten": ("|| run.state[LAST]", ""),
    "two centroids in one place": ("q / 4 * (PANEL / 2)", "q / 4 * 4"),
}  # fmt: skip


@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_a_planted_fault_is_found(monkeypatch, fault):
    text = sources.text("runs")
    if fault:
        assert text.count(FAULTS[fault][0]) == 1
        text = text.replace(*FAULTS[fault])
    monkeypatch.setattr(sources, "text", lambda name, text_of=sources.text: text if name == "runs" else text_of(name))
    monkeypatch.setattr(build, "simulated", functools.cache(build.simulated.__wrapped__))
    monkeypatch.setattr(of_problems, "layout", lambda *_: Way(4, 3).layout(6))
    X = np.array([rows(1100, 6, np.float32, "grid", 1), uneven(1100, 6, np.float32, "clouds")])
    starts = np.array([np.unique(X[0], axis=0)[::25][:40], X[1, :40]])

    def right():
        found = check(opened(X, None, 40), X, None, starts, tol=1e-2)
        assert not found.halted.any()
        assert found.n_iter.min() < 12

    with pytest.raises((AssertionError, RuntimeError)) if fault else contextlib.nullcontext():
        right()


# ---- layouts ---------------------------------------------------------------------------------------------------------

SIZES = itertools.product((1, 300, 8192, 100_000), (1, 3, 16, 100, 1000), (1, 8, 33, 1024), (1, 10, 5000))


@pytest.mark.parametrize("properties", [H100, TURING], ids=["H100", "Turing"])
def test_layouts_fit_the_device(properties):
    for n, d, k, count in SIZES:
        for one in runs.layouts(n, d, k, count, properties):
            assert one.shared_bytes + runs.STATIC[one.across] <= properties.shared_bytes
            assert one.blocks * one.at_once <= properties.multiprocessors * runs.RESIDENT[one.across]
            assert 1 <= one.most <= count or one.blocks > 1
            assert one.blocks == 1 or one.most <= one.at_once
            assert one.iterations(min(count, one.most)) >= 1


def test_what_is_made_whole_is_small():
    def objection(n, d, k, count=1):
        return runs.objection(Problem(n, d, k, np.dtype(np.float32)), count, H100)

    assert not any(objection(*sizes) for sizes in [(2000, 16, 8), (5000, 2, 10), (8192, 128, 1024), (1, 1, 1, 9999)])
    assert "worth launches of its own" in objection(1_000_000, 128, 1024)
    assert "do not stay where they are" in objection(10_000_000, 2, 3, 10)
    assert "shared memory" in runs.objection(
        Problem(10, 10, 2, np.dtype(np.float32)), 1, H100._replace(shared_bytes=30 << 10)
    )


def test_a_few_rows_have_one_block_and_many_the_whole_device():
    assert runs.layout(300, 4, 3, 1, H100).blocks == 1
    assert runs.layout(8192, 128, 1024, 1, H100)[:2] == (32, 128)
    assert runs.layout(4096, 64, 64, 1024, H100).blocks == 1
