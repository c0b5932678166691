"""The CUDA backend around its kernels: no order of threads, no wait for the host, no memory that runs out unsaid.

The simulator stands in for the GPU.
"""

import itertools
import weakref

import numpy as np
import pytest
from kmeans_fast.kernels.cuda import sources
from numpy.testing import assert_array_equal
from support import DTYPES, rows, some_weights

from kmeans_fast import reference
from kmeans_fast.arrays import Data
from kmeans_fast.backends.cuda import column_statistics, cost, planning
from kmeans_fast.backends.cuda.backend import CudaBackend
from kmeans_fast.backends.cuda.device import Launcher
from kmeans_fast.backends.cuda.hamerly import BoundsPolicy
from kmeans_fast.backends.cuda.scorers import SCORERS, panels, planned_scorer, points, use_scorer
from kmeans_fast.backends.cuda.scorers.protocol import Sizes
from kmeans_fast.backends.cuda.scorers.sums_in_shared_memory import block_sums, private_sums
from kmeans_fast.backends.cuda.session import CudaSession
from kmeans_fast.backends.partials import Form, Ranges
from kmeans_fast.backends.protocol import Problem
from kmeans_fast.engine.fit import initial_centroids
from kmeans_fast.engine.lloyd import lloyd
from kmeans_fast.engine.seeding import most_candidates
from simulator import build
from simulator.device import SimDevice

pytestmark = pytest.mark.skipif(not build.COMPILER, reason="there is no C++ compiler")


def fitted(device, X, weights, k, iterations=12, seed=5):
    """Seeds and a run of Lloyd's algorithm on a device."""
    session = CudaSession(device, X, weights, k, on_host=True)
    start = initial_centroids(session, Data(X), "k-means++", k, seed, 0, None)
    return start, lloyd(session, start, max_iter=iterations, threshold=0.0)


def check(found, X, weights, k, iterations=12, seed=5):
    start, run = found
    wanted = X[reference.kmeans_plusplus(X, weights, k, seed)]
    assert_array_equal(start, wanted)
    expected = reference.lloyd(X, weights, wanted, iterations, 0.0)
    assert_array_equal(run.labels, expected.labels)
    assert_array_equal(run.centroids, expected.centroids)
    assert run.inertia == expected.inertia
    assert run.n_iter == expected.n_iter


# ---- order ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 9])
@pytest.mark.parametrize(("n", "d", "k"), [(700, 2, 5), (700, 12, 70), (300, 3, 600)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_order_of_threads_and_blocks_does_not_matter(order, n, d, k, dtype):
    k = min(k, n)
    X, weights = rows(n, d, dtype), some_weights(n)
    check(fitted(SimDevice(order=order), X, weights, k), X, weights, k)


# ---- waiting -------------------------------------------------------------------------------------------------------


class Watched(SimDevice):
    """Records what the host does, and does not let it read what has not been waited for."""

    def __init__(self):
        super().__init__()
        self.events = []

    def download(self, array):
        self.events.append("download")
        return super().download(array)

    def read_later(self, array):
        pending, number = super().read_later(array), self.events.count("copy")
        self.events.append("copy")
        read = pending.read

        def watched():
            self.events.append(f"read {number}")
            return read()

        pending.read = watched
        return pending


@pytest.mark.parametrize(("d", "k"), [(2, 6), (24, 60)])
def test_an_iteration_is_enqueued_before_the_one_before_is_read(d, k):
    X = rows(900, d, np.float32)
    device = Watched()
    session = CudaSession(device, X, None, k, on_host=True)
    session.mean_variance()
    device.events.clear()
    run = lloyd(session, X[:k].copy(), max_iter=100, threshold=0.0)
    last = max(at for at, event in enumerate(device.events) if event.startswith("read"))
    expected = ["copy"]
    for iteration in range(run.n_iter):
        expected += ["copy", f"read {iteration}"] if iteration < 99 else [f"read {iteration}"]
    assert device.events[: last + 1] == expected  # nothing else: no download, and every read one iteration late


def test_seeding_waits_for_nothing_but_the_seeds():
    X = rows(900, 5, np.float32)
    device = Watched()
    session = CudaSession(device, X, None, 40, on_host=True)
    device.events.clear()
    initial_centroids(session, Data(X), "k-means++", 40, 1, 0, None)
    assert (
        device.events.count("download") == 4
    )  # whether hashes suffice for an order; the seeds, how many there are, and their rows


def test_allocations_are_made_once():
    X = rows(2000, 20, np.float32)
    device = SimDevice()
    session = CudaSession(device, X, None, 40, on_host=True)
    session.reset()
    centroids, counts = X[:40].copy(), []
    for _ in range(6):
        step = session.iterate(centroids)
        centroids = step.centroids
        step.read()
        counts.append(device.allocations)
    assert counts[3:] == counts[2:3] * 3


# ---- rows that float32 cannot settle -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("near", "pairs"),
    [
        ((0, 1), 0), ((0, 4), 1), ((4, 0), 1), ((60, 63), 0), ((3, 67), None), ((5, 6, 90), 0), ((0, 40, 90), 0),
        ((0, 4, 8), 0), (range(100), 0),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("d", "k"), [(8, 100), (8, 30), (40, 200)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_centroids_as_good_as_equally_near(dtype, d, k, near, pairs):
    """Two that different threads have scored are measured alone; those of one thread, and more, are looked for."""
    near = [c for c in near if c < k]
    X, centroids = rows(150, d, dtype), 50 + rows(k, d, dtype)
    centroids[near] = np.linspace(1, 1 + len(near) * 1e-7, len(near))[::-1, None]
    X[::3] = 1.0  # the last of them is nearest, by less than float32 can tell
    device = SimDevice()
    session = CudaSession(device, X, None, k, on_host=True)
    counted, forget = [], session._clear_counters
    session._clear_counters = lambda: counted.append(session.iteration.counters.copy()) or forget()
    session.assign(centroids)
    assert_array_equal(session.labels, reference.assign(X, centroids)[0])
    if pairs is not None and len(near) > 1:
        assert counted[-1][1 if pairs else 4] >= 50
        assert pairs or counted[-1][1] == 0


# ---- empty clusters ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("d", "k"), [(2, 9), (24, 60)])
def test_what_runs_ahead_of_a_relocation_is_run_again(d, k, weighted):
    """Equal centroids come out empty but one.

    The iteration that was enqueued behind must start from the relocated ones.
    """
    X, weights = rows(300, d, np.float32), some_weights(300) if weighted else None
    start = np.repeat(X[:3], k // 3, axis=0)
    session = CudaSession(SimDevice(), X, weights, k, on_host=True)
    run = lloyd(session, start, max_iter=30, threshold=0.0)
    expected = reference.lloyd(X, weights, start, 30, 0.0)
    assert run.history[0].empty > 0
    assert_array_equal(run.labels, expected.labels)
    assert_array_equal(run.centroids, expected.centroids)
    assert run.n_iter == expected.n_iter


def test_a_run_after_one_whose_last_iteration_halted_is_not_held_up():
    X = rows(60, 3, np.float32)
    session = CudaSession(SimDevice(), X, None, 4, on_host=True)
    session.reset()
    session.iterate(np.repeat(X[:1], 4, axis=0))  # halts: three clusters are empty; nobody reads it
    session.reset()
    run = lloyd(session, X[:4].copy(), max_iter=20, threshold=0.0)
    assert_array_equal(run.labels, reference.lloyd(X, None, X[:4], 20, 0.0).labels)


# ---- bounds --------------------------------------------------------------------------------------------------------


def ran_ahead(session, start, iterations):
    """Which of so many iterations used bounds, each read when the next one has been enqueued."""
    session.reset()
    step, used = session.iterate(start), []
    for _ in range(iterations):
        following = session.iterate(step.centroids)
        used.append(step.read().path.startswith("hamerly"))
        step = following
    return [number for number, one in enumerate(used) if one]


def test_bounds_that_do_not_pay_are_tried_ever_more_rarely(monkeypatch):
    X = rows(400, 20, np.float32)
    monkeypatch.setattr("kmeans_fast.backends.cuda.hamerly._MOST_SCORED", -1.0)
    monkeypatch.setattr("kmeans_fast.backends.cuda.hamerly._SETTLED", 1.0)
    found = ran_ahead(CudaSession(SimDevice(), X, None, 80, on_host=True), X[:80].copy(), 70)
    trials = [number for number in found if number - 1 not in found]  # what follows one is enqueued before it is read
    assert len(found) <= 2 * len(trials)
    pauses = [after - before - 2 for before, after in itertools.pairwise(trials)]
    assert pauses == [1, 2, 4, 8, 16]


def test_bounds_that_pay_again_are_used_from_then_on():
    bounds = BoundsPolicy()
    for number in (5, 9):
        assert bounds.decide(number, 0.1)
        bounds.learn(number, 0.9, number + 1)
        assert not bounds.decide(number + 1, 0.0)
    assert not bounds.decide(11, 0.1)
    assert bounds.decide(12, 0.1)
    assert not bounds.decide(12, 0.4)  # many rows still move
    bounds.learn(12, 0.5, 13)
    assert bounds.decide(13, 0.4)
    bounds.learn(13, 1.0, 14)  # nothing was excluded: not to be taken for an iteration without bounds
    assert not bounds.decide(14, 0.0)
    assert bounds.decide(15, 0.0)


# ---- memory --------------------------------------------------------------------------------------------------------


def allocations_of_a_fit(X, weights, k):
    device = SimDevice()
    fitted(device, X, weights, k)
    return device.allocations


@pytest.mark.parametrize(("d", "k"), [(2, 4), (12, 20)])
def test_every_allocation_that_fails_once_is_tried_again(d, k):
    X, weights = rows(200, d, np.float32), some_weights(200)
    for failing in range(1, allocations_of_a_fit(X, weights, k) + 1):
        device = SimDevice()
        device.failing = {failing}
        try:
            check(fitted(device, X, weights, k), X, weights, k)
        except device.OutOfMemory:
            pytest.fail(f"allocation {failing} is not guarded")
        assert device.released == 1


@pytest.mark.parametrize(("d", "k"), [(2, 4), (12, 20)])
def test_an_allocation_that_fails_for_good_is_a_memory_error_with_the_numbers(d, k):
    X, weights = rows(200, d, np.float32), some_weights(200)
    for failing in range(1, allocations_of_a_fit(X, weights, k) + 1):
        device = SimDevice()
        device.failing = {failing, failing + 1}
        with pytest.raises(MemoryError, match=r"needs .* GiB on a simulated GPU and .* GiB are available"):
            fitted(device, X, weights, k)


def test_a_table_that_does_not_fit_is_made_in_smaller_chunks():
    X = rows(500, 3, np.float32)
    device = SimDevice()
    session = CudaSession(device, X, None, 7, on_host=True)
    most, real = 7 * 4 * 40, device.empty

    def empty(shape, dtype):
        if np.prod(shape) * np.dtype(dtype).itemsize > most:
            raise device.OutOfMemory
        return real(shape, dtype)

    centroids = session._held(X[:7])
    device.empty = empty
    expected = np.sqrt(reference.squared_distances(X, X[:7])).astype(np.float32)
    assert_array_equal(session.distances(centroids), expected)
    most = 0
    with pytest.raises(MemoryError, match="the distances needs"):
        session.distances(centroids)


def test_a_problem_that_does_not_fit_the_gpu_is_refused_before_anything_is_allocated():
    problem = Problem(2000, 4, 3, np.dtype(np.float32))
    device = SimDevice(memory_bytes=1000)
    with pytest.raises(MemoryError, match=r"2,000 x 4 rows into 3 clusters needs .* 0\.00 GiB are available"):
        planning.check_fits(device, planning.workspace_bytes(problem, device.properties) + problem.data_bytes, problem)
    assert device.released == 1
    assert device.allocations == 0


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("n", "d", "k", "init"),
    [
        (20_000, 2, 8, "k-means++"),
        (20_000, 2, 8, "k-means||"),
        (20_000, 24, 60, "k-means||"),
        (3000, 40, 500, "k-means++"),
    ],
)
def test_the_plan_covers_what_a_fit_allocates(n, d, k, weighted, init):
    """Sorting included, for which CuPy takes memory of its own, twice where equal rows have different weights."""
    X, weights = rows(n, d, np.float32, "grid" if d == 2 else "normal"), some_weights(n) if weighted else None
    alive = {}

    class Counting(SimDevice):
        most = 0

        def _allocated(self, shape, dtype):
            array = super()._allocated(shape, dtype)
            alive[id(array)] = array.nbytes
            weakref.finalize(array, alive.pop, id(array), None)
            self.most = max(self.most, sum(alive.values()))
            return array

    device = Counting()
    session = CudaSession(device, X, weights, k, on_host=True)
    start = initial_centroids(
        session, Data(X), init, k, 5, 0, None, lambda *few: CudaSession(device, *few, k, on_host=True)
    )
    lloyd(session, start, max_iter=3, threshold=0.0)
    second = most_candidates(k, n) if init == "k-means||" else 0
    problem = Problem(n, d, k, X.dtype, weighted, second=second)
    planned = planning.workspace_bytes(problem, device.properties) + problem.data_bytes
    assert planned / 3 < device.most < planned * 1.05


def properties(shared_bytes=227 << 10, multiprocessors=132):
    return SimDevice().properties._replace(shared_bytes=shared_bytes, multiprocessors=multiprocessors)


def scorer_of(n, d, k, of_device):
    return planned_scorer(Sizes(n, d, k, np.dtype(np.float32)), of_device)


# ---- what can run, and what is worth it ----------------------------------------------------------------------------


def test_problems_beyond_the_kernels_are_refused_with_the_reason():
    backend = CudaBackend()
    for name, value in (("n_samples", 2**31), ("n_features", 2**21), ("n_clusters", 3_000_001)):
        problem = Problem(100, 3, 4, np.dtype(np.float32))._replace(**{name: value})
        (reason,) = backend.supports(problem)
        assert str(value) in reason
        assert name in reason


@pytest.mark.parametrize(
    ("n", "d", "k", "taken"),
    [(1000, 10, 5, False), (100_000, 2, 3, False), (1_000_000, 128, 1024, True), (10_000_000, 16, 256, True)],
)
def test_data_on_the_host_is_sent_to_a_gpu_only_where_it_should_win(n, d, k, taken):
    reason = cost.declines(Problem(n, d, k, np.dtype(np.float32)))
    assert (reason == "") == taken
    assert taken or "the CPU" in reason


def test_data_on_a_gpu_stays_there():
    assert cost.declines(Problem(10, 2, 2, np.dtype(np.float32), resident=0)) == ""


@pytest.mark.parametrize(
    ("d", "k", "choices"),
    [
        (1, 3, {"DIM": 1}), (4, 5000, {"DIM": 4}), (5, 3, {"PANEL": 32, "HEIGHT": 8}),
        (5, 32, {"PANEL": 32, "HEIGHT": 8}), (20, 33, {"PANEL": 64, "HEIGHT": 8}),
        (128, 64, {"PANEL": 64, "HEIGHT": 8}), (128, 1024, {"PANEL": 128, "HEIGHT": 8}),
        (768, 65, {"PANEL": 128, "HEIGHT": 8}),
    ],
)  # fmt: skip
def test_which_kernels_run(d, k, choices):
    scorer = scorer_of(1_000_000, d, k, properties())
    assert scorer.modules("float")[0] == sources.module("points" if d < 5 else "assign", "float", **choices)
    assert scorer.blocks <= 8 * 132


def test_few_rows_are_cut_into_lower_tiles():
    assert scorer_of(8192, 128, 1024, properties()).height == 4
    assert scorer_of(8192, 128, 1024, properties()).blocks == 128
    assert scorer_of(8192, 128, 1024, properties(multiprocessors=16)).height == 8


@pytest.mark.parametrize("scorer", [scorer.name for scorer in SCORERS])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_scorers_that_are_forced_give_the_same_answer(scorer, weighted, dtype):
    X, weights = rows(500, 3, dtype, "grid"), some_weights(500) if weighted else None
    with use_scorer(scorer):
        device = SimDevice()
        check(fitted(device, X, weights, 70), X, weights, 70)
    assert ("assign_points" in device.launches) == (scorer == "points")
    assert ("assign" in device.launches) == (scorer == "panels")


def test_a_scorer_that_cannot_run_is_refused_with_the_reason():
    with use_scorer("points"), pytest.raises(RuntimeError, match=r"'points' was asked for .* up to 4 features.* are 9"):
        scorer_of(100, 9, 3, properties())
    with pytest.raises(ValueError, match="no scorer 'tensor'; there are 'points', 'panels'"), use_scorer("tensor"):
        pass
    assert scorer_of(100, 2, 3, properties()).name == "points"


def test_explain_names_the_scorer_that_runs():
    problem = Problem(1000, 3, 40, np.dtype(np.float32))
    found = {}
    for scorer in SCORERS:
        with use_scorer(scorer.name):
            found[scorer.name] = planning.plan(problem, properties())
    assert found["points"].path == "distances by differences, 3 features"
    assert found["panels"].path == "certified float32 scores in panels of 64 centroids"
    assert found["points"].workspace_bytes < found["panels"].workspace_bytes


def test_blocks_have_room_for_their_sums_or_do_without():
    assert block_sums(1000, 50, 100 << 10) == (1000, 8200)
    assert block_sums(100_000, 50, 100 << 10) == (0, 0)
    assert private_sums(20, 10, 227 << 10) == (30, 8 * 30 * 256)
    assert private_sums(200, 10, 227 << 10) == (0, 0)
    assert private_sums(20, 10, 99 << 10) == (0, 0)  # an older GPU
    assert column_statistics.limb_bits(1) == 61
    assert column_statistics.limb_bits(planning.MOST_ROWS) == 31


# Bytes of shared memory that a block may have, a multiprocessor has, and multiprocessors: RTX 2080, A100, RTX 3090,
# H100.
GPUS = [(64 << 10, 64 << 10, 46), (163 << 10, 164 << 10, 108), (99 << 10, 100 << 10, 82), (227 << 10, 228 << 10, 132)]


@pytest.mark.parametrize("gpu", GPUS)
def test_sums_leave_room_for_the_blocks_that_are_to_run_at_once(gpu):
    of_block, of_multiprocessor, multiprocessors = gpu
    gpu = properties(of_block, multiprocessors)
    for d, k in itertools.product((1, 3, 5, 16, 33, 64, 128, 700), (2, 10, 33, 64, 100, 200, 1000)):
        for n in (3000, 10_000_000):
            scorer = scorer_of(n, d, k, gpu)
            cells, dynamic = block_sums(k * d, k, scorer.room_for_sums(gpu))
            if cells:
                static, resident = points.SHARED, points.RESIDENT
                if scorer.name == "panels":
                    static = panels.SHARED[scorer.height][scorer.panel]
                    resident = -(-scorer.blocks // multiprocessors)
                assert static + dynamic <= of_block
                assert resident * (static + dynamic + (of_multiprocessor - of_block)) <= of_multiprocessor


def test_sums_that_nearly_fill_an_h100_are_shared():
    room = scorer_of(10_000_000, 128, 64, properties()).room_for_sums(properties())
    assert block_sums(64 * 128, 64, room) == (8192, 65_792)


# ---- launches ------------------------------------------------------------------------------------------------------


def test_a_launch_with_wrong_arguments_is_refused():
    X = rows(10, 3, np.float32)
    launcher = Launcher(SimDevice(), X.dtype)
    good = {"X": X, "n": 10, "d": 3, "hashes": np.empty(10, np.uint64)}
    launcher.run("rows", "row_hashes", 10, **good)
    with pytest.raises(TypeError, match=r"row_hashes takes .* \['extra'\] differ"):
        launcher.run("rows", "row_hashes", 10, **good, extra=1)
    with pytest.raises(TypeError, match=r"\['d'\] differ"):
        launcher.run("rows", "row_hashes", 10, **{name: value for name, value in good.items() if name != "d"})
    with pytest.raises(TypeError, match="row_hashes: X must be float32, got float64"):
        launcher.run("rows", "row_hashes", 10, **{**good, "X": X.astype(float)})


def test_column_statistics_are_exact_at_the_ends_of_the_range():
    X = np.array([[5e-324, 1e300, 0.0, -3.0], [1.0, 2.0**-1074, 0.0, 3.0], [-1e-310, -1e300, 0.0, 3.5]])
    launcher = Launcher(SimDevice(), X.dtype)
    largest, lowest = column_statistics.column_ranges(launcher, X, None)
    assert_array_equal(largest, [1.0, 1e300, 0.0, 3.5])
    assert_array_equal(lowest, [5e-324, 5e-324, np.inf, 0.5])
    form = Form.of(Ranges(largest, lowest), len(X))
    sums = CudaSession(SimDevice(), X, None, 1, on_host=True).column_sums(form)
    assert_array_equal(form.rounded(sums) / len(X), [np.float64(1.0 - 1e-310) / 3, 0.0, 0.0, 3.5 / 3])
