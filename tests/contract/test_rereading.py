"""Rows that are read anew in each pass: what is kept of them, how much, and that it saves work and no bits."""

import gc
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from kmeans_fast.kernels.cpu.seeding import drawing
from numpy.testing import assert_array_equal
from support import PART_ENGINES, most_bytes, part, rows, some_weights

import kmeans_fast
from kmeans_fast import door, reference
from kmeans_fast.backends import select, use_technique
from kmeans_fast.backends.cpu import costs
from kmeans_fast.backends.cpu.session import CpuSession
from kmeans_fast.backends.cuda.backend import CudaBackend
from kmeans_fast.backends.partials import Form
from kmeans_fast.backends.protocol import Problem
from kmeans_fast.backends.reference import ReferenceBackend
from kmeans_fast.engine import memory, on_disk, seeding
from kmeans_fast.engine.lloyd import lloyd
from kmeans_fast.engine.opening import plan_states
from kmeans_fast.engine.parts import Parts

KEPT = [engine for engine in PART_ENGINES if isinstance(engine, tuple) and engine[0] == "kept"]


@pytest.fixture(autouse=True)
def no_array_is_made_of_chunks(monkeypatch):
    monkeypatch.setattr(door, "_ARRAY_SHARE", 0.0)  # however little they are


def reread(X, where):
    """Rows that are copied anew in each pass, cut as `np.split` does."""
    return lambda: np.split(X, where)


def blobs(n, d, k):
    """Rows around k points, in any order: of the first k, some are around one point."""
    points = 3 * rows(k, d, np.float32, seed=1)
    return points[np.random.default_rng(0).permutation(n) % k] + rows(n, d, np.float32)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("n", "d", "k"), [(75_000, 16, 64), (60_000, 64, 300), (60_000, 2, 60), (40_000, 1, 150)])
def test_what_is_kept_saves_work_and_no_bits(monkeypatch, n, d, k, weighted):
    """Bounds on rows in float32 and in bytes, the k-d tree, sorted centroids; for all chunks, for one, for none."""
    X = blobs(n, d, k)
    how = {"init": X[:k], "max_iter": 12, "tol": 0.0, "device": "cpu", "n_threads": 2}
    how["sample_weight"] = np.random.default_rng(0).exponential(size=n) if weighted else None
    whole, scored = kmeans_fast.kmeans(X, k, **how), []
    parts = reread(X, [n // 3, 2 * n // 3])
    problem = Problem(n // 3, d, k, X.dtype, weighted, copies=False)
    least, sums = (select(problem, "cpu").plan(one, 2).state_bytes for one in (problem, problem._replace(frugal=True)))
    for available in (1 << 40, 2 * (least + 2 * sums + 4 * n), 0):
        monkeypatch.setattr(memory, "available_bytes", lambda free=available: free)
        monkeypatch.setattr(memory, "_NEGLIGIBLE", 1 << 40)  # for the rest there is enough
        found = kmeans_fast.kmeans(parts, k, **how)
        assert_array_equal(found.labels, whole.labels)
        assert_array_equal(found.centroids, whole.centroids)
        assert (found.inertia, found.n_iter) == (whole.inertia, whole.n_iter)
        scored.append([step.scored for step in found.history])
    every, one, none = scored
    assert min(none) == n or d == 1
    if d >= 16:
        assert max(every[-3:]) < n / 2
        assert n * 2 // 3 < min(one[-3:])
        assert max(one[-3:]) < n


@pytest.mark.parametrize("engine", KEPT, ids=str)
def test_neither_rows_nor_weights_are_held_between_passes(engine):
    X, k, held = rows(500, 3, np.float64), 6, []

    def read():
        given = X.copy(), np.ones(len(X))
        held[:] = [weakref.ref(array) for array in given]
        return given

    def passes():
        one = part(engine, X, np.ones(len(X)), k)
        one.read = read
        for number in range(3):
            one.accumulate(X[number : number + k], form)
            yield
            one.follow(X[number + 1 : number + 1 + k], np.ones(k))
        assert_array_equal(one.labels, reference.assign(X, X[2 : 2 + k])[0])
        one.assign(X[:k])
        yield

    form = Form.of(part(1, X, np.ones(len(X)), k).ranges(True), len(X))
    assert len(list(passes())) == 4  # kernels are compiled now: while that goes on their arguments are held
    gc.collect()
    gc.disable()
    try:
        for _ in passes():
            assert [array() for array in held] == [None, None]
    finally:
        gc.enable()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("engine", [engine for engine in KEPT if engine[1] not in ("numpy", "cuda-sim")], ids=str)
def test_sums_that_all_threads_share_are_made_anew(monkeypatch, engine, weighted):
    monkeypatch.setattr(costs, "PRIVATE_BYTES", 0)
    X, k, weights = rows(600, 3, np.float64), 200, some_weights(600) if weighted else None
    of_part = [None, None] if weights is None else np.split(weights, [400])
    parts = [part(engine, x, w, k) for x, w in zip(np.split(X, [400]), of_part)]
    found = lloyd(Parts(parts), X[:k].copy(), max_iter=6, threshold=0.0)
    assert all(one.detached.totals is None for one in parts)
    wanted = reference.lloyd(X, weights, X[:k].copy(), max_iter=6, tol=0.0)
    assert_array_equal(found.centroids, wanted.centroids)
    assert_array_equal(found.labels, wanted.labels)


@pytest.mark.parametrize("engine", KEPT, ids=str)
def test_a_run_knows_nothing_of_the_one_before(engine):
    X = blobs(900, 3, 9)
    session = Parts([part(engine, x, None, 9) for x in np.split(X, [300])])
    first, second = (lloyd(session, X[:9].copy(), max_iter=20, threshold=0.0) for _ in range(2))
    assert second.n_iter > 2
    assert [step.changed for step in first.history] == [step.changed for step in second.history]
    assert_array_equal(first.labels, second.labels)


def array_bytes(thing, seen):
    """The bytes of all arrays that are reached from something of ours."""
    if id(thing) in seen:
        return 0
    seen[id(thing)] = thing
    if isinstance(thing, np.ndarray):
        return thing.nbytes if thing.base is None else array_bytes(thing.base, seen)
    if isinstance(thing, (tuple, list)):
        return sum(array_bytes(one, seen) for one in thing)
    if isinstance(thing, dict):
        return sum(array_bytes(one, seen) for one in thing.values())
    ours = type(thing).__module__.startswith("kmeans_fast")
    return array_bytes(vars(thing), seen) if ours and hasattr(thing, "__dict__") else 0


@pytest.mark.parametrize("copies", [False, True])
@pytest.mark.parametrize(("n", "d", "k"), [(30_000, 16, 64), (20_000, 64, 300), (30_000, 2, 60), (20_000, 1, 150)])
def test_a_state_is_as_large_as_planned(n, d, k, copies):
    X = blobs(n, d, k)
    problem = Problem(n, d, k, X.dtype, copies=copies)
    opened = CpuSession(X, None, k, 2, copies=copies)
    form, centroids = Form.of(opened.ranges(False), n), X[:k]
    for _ in range(4):
        partial = opened.accumulate(centroids, form)
        sums = form.rounded(partial.sums)
        after = (sums / np.maximum(partial.rows, 1)[:, None]).astype(X.dtype)
        opened.follow(after, ((after - centroids) ** 2).sum(axis=1, dtype=np.float64))
        centroids = after
        opened.detach()
        planned = select(problem, "cpu").plan(problem, 2).state_bytes
        held = array_bytes(opened, {}) - 4 * n  # labels
        assert held <= planned + 32 * k + 8 * d + (1 << 14)
        opened.attach(X.copy(), None)
    assert held >= 0.7 * planned


def test_states_are_those_that_fit(monkeypatch):
    """With copies of the rows, without them, of the first parts, of none."""
    problem, sizes = Problem(10**6, 2, 200, np.dtype(np.float32), frugal=True), [400_000, 400_000, 200_000]
    backend = select(problem, "cpu")

    def states(allowed):
        labels = 4 * sum(sizes)
        monkeypatch.setattr(memory, "available_bytes", lambda: None if allowed is None else 2 * (allowed + labels))
        return plan_states(backend, problem, sizes, 2)

    with_copies = states(1 << 40)
    assert (with_copies.kept, with_copies.problem.copies, with_copies.problem.frugal) == (3, True, False)
    bounds = states(with_copies.n_bytes - 1)
    assert (bounds.kept, bounds.problem.copies) == (3, False)
    assert 8 * 10**6 < bounds.n_bytes < 9 * 10**6
    assert states(bounds.n_bytes)[:3] == bounds[:3]
    assert states(bounds.n_bytes - 1).kept == 2
    assert states(bounds.n_bytes // 2 - 1).kept == 1
    sums = 3 * backend.plan(problem, 2).state_bytes
    assert 0 < sums < bounds.n_bytes / 50
    assert states(sums) == (bounds.problem, 0, sums, False, True, True)
    assert states(sums - 1) == (bounds.problem, 0, 0, False, True, False)
    assert states(-1000).labels_on_disk
    assert states(None).kept == 3  # a gibibyte
    assert plan_states(ReferenceBackend(), problem, sizes, 2).kept == 0


def test_explain_says_what_is_kept(monkeypatch):
    X = blobs(75_000, 16, 64)
    for available, said in (
        (1 << 40, "labels, and what techniques know of 3 chunks, "),
        (1_600_000, "know of 2 of 3 chunks, without copies of rows, and the sums of the others, 0.5 MiB\n"),
        (800_000, "kept in memory: labels, and the sums of each chunk, 0.1 MiB\n"),
        (600_000, "kept in memory: labels\n"),
        (0, "kept in a file: labels\n"),
    ):
        monkeypatch.setattr(memory, "available_bytes", lambda free=available: free)
        monkeypatch.setattr(memory, "_NEGLIGIBLE", 1 << 40)
        text = kmeans_fast.explain(reread(X, 3), 64, device="cpu", n_threads=2)
        assert said in text


def test_sums_that_are_kept_are_not_made_again(monkeypatch):
    """Nor are the ranges of the columns, which say how sums are held: those of the rows are found in the first pass."""
    X, k = blobs(75_000, 16, 64), 64
    how = {"init": X[:k], "max_iter": 8, "tol": 0.0, "device": "cpu", "n_threads": 2}
    whole, parts, asked, ranges = kmeans_fast.kmeans(X, k, **how), reread(X, 3), [], CpuSession.ranges
    monkeypatch.setattr(CpuSession, "ranges", lambda *given: asked.append(0) or ranges(*given))
    monkeypatch.setattr(memory, "_NEGLIGIBLE", 1 << 40)  # for the rest there is enough
    for available in (800_000, 600_000):
        monkeypatch.setattr(memory, "available_bytes", lambda free=available: free)
        asked.clear()
        found = kmeans_fast.kmeans(parts, k, **how)
        assert_array_equal(found.labels, whole.labels)
        assert_array_equal(found.centroids, whole.centroids)
        assert (len(asked) <= 12) == (available == 800_000)
        assert min(step.scored for step in found.history) == len(X)


@pytest.mark.parametrize("engine", ["reference", 2])
def test_rows_are_hashed_once_for_all_seeds(monkeypatch, engine):
    """All of them; a draw hashes those of a few buckets again."""
    X, hashed = rows(5000, 3, np.float32), []
    row_hash, fill_buckets = reference.row_hash, drawing.fill_buckets
    monkeypatch.setattr(reference, "row_hash", lambda X: hashed.append(len(X)) or row_hash(X))
    monkeypatch.setattr(drawing, "fill_buckets", lambda *given: hashed.append(given[-1].size) or fill_buckets(*given))
    session = Parts([part(("reread", engine), x, None, 20) for x in np.split(X, [2000])])
    numbers = seeding.kmeans_plusplus(session, 20, 3, 0)
    assert sorted(size for size in hashed if size > 1000) == [2000, 3000]
    monkeypatch.undo()
    assert_array_equal(X[numbers], X[reference.kmeans_plusplus(X, None, 20, 3)])


@pytest.mark.parametrize("weights", [None, some_weights(300)], ids=["none", "some"])
def test_weights_are_known_without_the_rows(weights):
    one, numbers = part(("reread", "reference"), rows(300, 4, np.float32), weights, 5), np.array([3, 0, 9])
    one.read = SimpleNamespace(weights=weights)  # nothing that could be called
    assert_array_equal(one.weights_of(numbers), None if weights is None else weights[numbers])


def test_a_forced_technique_makes_the_passes_over_rows_read_anew():
    X = blobs(3000, 3, 9)
    with use_technique("hamerly, float32"):
        found = kmeans_fast.kmeans(reread(X, 3), 9, init=X[:9], seed=0, device="cpu", tol=0.0)
    assert "hamerly, float32" in {step.path for step in found.history}
    assert found.history[-1].scored < 3000
    assert_array_equal(found.labels, kmeans_fast.kmeans(X, 9, init=X[:9], seed=0, device="cpu", tol=0.0).labels)


@pytest.mark.parametrize("tasks", [1, 3])
def test_rows_whose_bounds_hold_are_not_read(monkeypatch, tasks):
    """Two points far apart that each become several centroids, and rows of the one in chunks of their own."""
    rng, k = np.random.default_rng(0), 8
    near, far = rng.normal(size=(2, 40_000, 16)).astype(np.float32)
    far[:, 0] += 200
    far[:20_000, 1] += 50
    X = np.concatenate([far, near])
    init = np.concatenate([X[[0, 30_000]], near[: k - 2]])
    how = {"init": init, "tol": 0.0, "max_iter": 15, "device": "cpu", "n_threads": tasks}
    with use_technique("hamerly, float32"):
        found = kmeans_fast.kmeans(reread(X, [20_001, 40_000, 60_007]), k, **how)
        wanted = kmeans_fast.kmeans(X, k, **how)
    assert_array_equal(found.labels, wanted.labels)
    assert_array_equal(found.centroids, wanted.centroids)
    assert (found.inertia, found.n_iter) == (wanted.inertia, wanted.n_iter)
    assert [step.changed for step in found.history] == [step.changed for step in wanted.history]
    assert found.n_iter == 15
    assert any("rows not read" in step.path for step in found.history)
    assert min(step.scored for step in found.history) > 0


@pytest.mark.parametrize("init", ["k-means++", "k-means||"])
@pytest.mark.parametrize("weighted", [False, True])
def test_what_memory_has_no_room_for_is_on_disk(monkeypatch, backend, init, weighted):
    X = rows(900, 3, np.float32)
    how = {"init": init, "init_size": None, "seed": 1, "sample_weight": some_weights(900) if weighted else None}
    wanted = kmeans_fast.kmeans(X, 9, **how)
    monkeypatch.setattr(memory, "allowed_for_states", lambda: 0)
    monkeypatch.setattr("kmeans_fast.engine.opening.allowed_for_states", lambda: 0)
    monkeypatch.setattr(CudaBackend, "shares", lambda *_: None)  # no chunk stays on the device
    made, empty = [], on_disk.empty
    monkeypatch.setattr(on_disk, "empty", lambda n, dtype: made.append(n) or empty(n, dtype))
    found = kmeans_fast.kmeans(reread(X, [100, 400]), 9, **how)
    assert_array_equal(found.centroids, wanted.centroids)
    assert_array_equal(found.labels, wanted.labels)
    assert {100, 300, 500, 900} <= set(made)


def test_a_full_disk_is_said_to_be_full():
    with most_bytes(1 << 16), pytest.raises(OSError, match="File too large"):
        on_disk.empty(1 << 20, np.int32)
