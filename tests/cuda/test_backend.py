"""The CUDA backend around its kernels: no order of threads, no wait for the host, no wrong launch.

The simulator stands in for the GPU.
"""

import itertools
import math

import numpy as np
import pytest
from fits_on_a_device import check, fitted
from numpy.testing import assert_array_equal
from support import DTYPES, rows, some_weights

from kmeans_fast import reference
from kmeans_fast.arrays import Data
from kmeans_fast.backends.cuda import column_statistics
from kmeans_fast.backends.cuda.device import Launcher
from kmeans_fast.backends.cuda.hamerly import BoundsPolicy
from kmeans_fast.backends.cuda.session import CudaSession
from kmeans_fast.backends.partials import Form, Ranges
from kmeans_fast.engine.fit import initial_centroids
from kmeans_fast.engine.lloyd import lloyd
from simulator import build
from simulator.device import SimDevice

pytestmark = pytest.mark.skipif(not build.COMPILER, reason="there is no C++ compiler")


# ---- order ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 9])
@pytest.mark.parametrize(("n", "d", "k"), [(700, 2, 5), (700, 12, 70), (300, 3, 600)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_order_of_threads_and_blocks_does_not_matter(order, n, d, k, dtype):
    k = min(k, n)
    X, weights = rows(n, d, dtype), some_weights(n)
    check(fitted(SimDevice(order=order), X, weights, k), X, weights, k)


@pytest.mark.parametrize("order", [0, 1, 9])
def test_blocks_that_filter_rows_in_several_rounds(order):
    n, d, k = 6400, 40, 50  # more rows than a launch has threads
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(k, d)) * 4 / np.sqrt(2 * d)
    X = (centres[rng.integers(k, size=n)] + rng.normal(size=(n, d))).astype(np.float32)
    session = CudaSession(SimDevice(order=order), X, None, k, on_host=True)
    found = lloyd(session, X[:k].astype(np.float64), max_iter=6, threshold=0.0)
    expected = reference.lloyd(X, None, X[:k], 6, 0.0)
    assert any("hamerly" in step.path for step in found.history)
    assert_array_equal(found.labels, expected.labels)
    assert_array_equal(found.centroids, expected.centroids)


# ---- waiting -------------------------------------------------------------------------------------------------------


class Watched(SimDevice):
    """Records what the host does, and does not let it read what has not been waited for."""

    def __init__(self):
        super().__init__()
        self.events = []

    def download(self, array):
        self.events.append("download")
        return super().download(array)

    def report(self, shape, dtype):
        report = super().report(shape, dtype)
        record, read = report.record, report.read

        def recording():
            report.number = self.events.count("record")
            self.events.append("record")
            record()

        def reading():
            self.events.append(f"read {report.number}")
            return read()

        report.record, report.read = recording, reading
        return report


@pytest.mark.parametrize(("d", "k"), [(2, 6), (24, 60)])
def test_an_iteration_is_enqueued_before_the_one_before_is_read(d, k):
    X = rows(900, d, np.float32)
    device = Watched()
    session = CudaSession(device, X, None, k, on_host=True)
    session.mean_variance()
    device.events.clear()
    run = lloyd(session, X[:k].copy(), max_iter=100, threshold=0.0)
    last = max(at for at, event in enumerate(device.events) if event.startswith("read"))
    expected = ["record"]
    for iteration in range(run.n_iter):
        expected += ["record", f"read {iteration}"] if iteration < 99 else [f"read {iteration}"]
    assert device.events[: last + 1] == expected  # nothing else: no download, and every read one iteration late


def test_seeding_waits_for_nothing_but_the_seeds():
    X = rows(900, 5, np.float32)
    device = Watched()
    session = CudaSession(device, X, None, 40, on_host=True)
    device.events.clear()
    initial_centroids(session, Data(X), "k-means++", 40, 1, 0, None)
    # Whether hashes suffice for an order, the seeds, and their rows.
    assert device.events.count("download") == 3


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


def test_launches_that_are_run_often_become_one(monkeypatch):
    """With the answer as it was, relocated rows and launches of another run included."""
    monkeypatch.setattr("kmeans_fast.backends.cuda.launches._OFTEN", 2)
    X = rows(600, 24, np.float32)
    device = SimDevice()
    session = CudaSession(device, X, None, 60, on_host=True)
    for start in (np.repeat(X[:20], 3, axis=0), X[:60].copy()):
        graphs = device.graphs
        run = lloyd(session, start, max_iter=30, threshold=0.0)
        expected = reference.lloyd(X, None, start, 30, 0.0)
        assert_array_equal(run.labels, expected.labels)
        assert_array_equal(run.centroids, expected.centroids)
        assert device.graphs > graphs


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
    assert_array_equal(session.cluster_sizes(), np.bincount(run.labels, minlength=k))
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
    monkeypatch.setattr("kmeans_fast.backends.cuda.scorers.panels._BOUNDS_PAY", (1.0, -1.0))
    found = ran_ahead(CudaSession(SimDevice(), X, None, 80, on_host=True), X[:80].copy(), 70)
    trials = [number for number in found if number - 1 not in found]  # what follows one is enqueued before it is read
    assert len(found) <= 2 * len(trials)
    pauses = [after - before - 2 for before, after in itertools.pairwise(trials)]
    assert pauses == [1, 2, 4, 8, 16]


def test_bounds_that_pay_again_are_used_from_then_on():
    bounds, pays = BoundsPolicy(), (0.3, 0.8)
    for number in (5, 9):
        assert bounds.decide(number, 0.1, pays)
        bounds.learn(number, 0.9, number + 1, pays)
        assert not bounds.decide(number + 1, 0.0, pays)
    assert not bounds.decide(11, 0.1, pays)
    assert bounds.decide(12, 0.1, pays)
    assert not bounds.decide(12, 0.4, pays)  # many rows still move
    bounds.learn(12, 0.5, 13, pays)
    assert bounds.decide(13, 0.4, pays)
    bounds.learn(13, 1.0, 14, pays)  # nothing was excluded: not to be taken for an iteration without bounds
    assert not bounds.decide(14, 0.0, pays)
    assert bounds.decide(15, 0.0, pays)


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


# ---- what an iteration came to -------------------------------------------------------------------------------------


@pytest.mark.parametrize("smallest", [0, -20, -600])
def test_the_shift_is_summed_exactly_however_far_apart_its_parts_are(smallest):
    """Every row stays with its centroid, which moves by a power of two: all in one window of exponents, or not."""
    X = np.zeros((300, 2))
    X[:, 0] = 1000 * np.arange(300)
    start = X.copy()
    start[:, 1] = 2.0 ** -np.linspace(0, -smallest, 300).astype(int)
    session = CudaSession(SimDevice(), X, None, 300, on_host=True)
    session.reset()
    found = session.iterate(start).read()
    assert found.changed == 300
    assert found.squared_shift == math.fsum(start[:, 1] ** 2)
    assert_array_equal(session.iterate(found.centroids).read().centroids.exact, X)
