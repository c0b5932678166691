"""Rows beyond the memory of GPUs: the bits of one CPU, and no more memory than there is. The simulator is the GPU.

A copy to the device is made when somebody waits for it, and leaves garbage until then (`simulator.device.SimCopies`).
"""

import contextlib
import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import some_weights, uneven

import kmeans_fast
from kmeans_fast import backends as registry
from kmeans_fast import door, reference
from kmeans_fast.backends.cpu.session import CpuSession
from kmeans_fast.backends.cuda import sharing, streaming
from kmeans_fast.backends.cuda.session import CudaSession
from kmeans_fast.backends.protocol import Problem, Share
from kmeans_fast.engine import seeding
from kmeans_fast.engine.at_once import PartsAtOnce, Threads
from kmeans_fast.engine.lloyd import lloyd
from simulator import build
from simulator.device import SimBackend, SimCopies, SimDevice, SimMark

pytestmark = pytest.mark.skipif(not build.COMPILER, reason="there is no C++ compiler")

N, D, K = 2000, 6, 7
LABELS, STATES = 90_000, 200_000  # bytes: what is known of rows that are brought is labels, or stays on the device


@pytest.fixture
def gpus(monkeypatch):
    """``gpus(bytes, ...)``: have ``device="cuda"`` be GPUs of so much memory."""

    def make(*sizes):
        devices = [SimDevice(memory_bytes=size, number=number) for number, size in enumerate(sizes)]
        monkeypatch.setattr(registry, "BACKENDS", (SimBackend(*devices, devices=("cuda",)), *registry.BACKENDS[1:]))
        return devices

    monkeypatch.setattr(streaming, "_PIECE_BYTES", 1 << 10)
    monkeypatch.setattr(sharing, "_CHUNK_BYTES", 5000)
    monkeypatch.setattr(sharing, "_LEAST_ROWS", 32)
    monkeypatch.setattr(sharing, "_FOR_STATES", 0.9)
    return make


def data(n=N, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    return (4 * rng.integers(0, 5, (n, 1)) + rng.normal(size=(n, D))).astype(dtype)


def same(found, wanted):
    assert_array_equal(found.labels, wanted.labels)
    assert_array_equal(found.centroids, wanted.centroids)
    assert (found.inertia, found.n_iter) == (wanted.inertia, wanted.n_iter)


def shares_of(n, weighted=False, dtype=np.float32, device="cuda"):
    return registry.BACKENDS[0].shares(Problem(n, D, K, np.dtype(dtype), weighted, device))


OPTIONS = {
    "k-means++": {},
    "k-means||": {"init": "k-means||"},
    "weights": {"sample_weight": some_weights(N)},
    "seeds of a sample": {"init_size": 400},
    "several runs": {"n_init": 2, "max_iter": 3},
    "given centroids": {"init": data(K, seed=1)},
    "empty clusters": {"init": np.concatenate([data(K - 2, seed=1), np.full((2, D), 1e3, np.float32)])},
    "breathing": {"refine": "breathing", "max_iter": 3},
}  # fmt: skip


@pytest.mark.parametrize("memory", [LABELS, STATES])
@pytest.mark.parametrize("options", OPTIONS)
def test_an_array_beyond_the_device_has_the_bits_of_one_that_fits(gpus, options, memory):
    X, how = data(), {"seed": 3, "max_iter": 6, **OPTIONS[options]}
    wanted = kmeans_fast.kmeans(X, K, device="cpu", **how)
    gpus(memory)
    weighted = "sample_weight" in how
    shares = shares_of(N, weighted)
    assert sum(share.n_samples for share in shares) == N
    assert {share.stays for share in shares} == {True, False}
    assert shares[-1].state == (memory == STATES)
    found = kmeans_fast.kmeans(X, K, device="cuda", **how)
    assert found.backend == "cuda-sim"
    same(found, wanted)


@pytest.mark.parametrize("held", [np.float64, np.float16, np.uint8])
def test_rows_are_brought_as_they_are_held(gpus, held):
    X = np.clip(10 * data(), 0, 255).astype(held)
    how = {"seed": 1, "max_iter": 4, "dtype": None if held == np.float64 else "float32"}
    wanted = kmeans_fast.kmeans(X, K, device="cpu", **how)
    gpus(LABELS)
    problem = Problem(N, D, K, np.dtype(np.float64 if held == np.float64 else np.float32), device="cuda")
    assert len(registry.BACKENDS[0].shares(problem._replace(held=np.dtype(held)))) > 3
    same(kmeans_fast.kmeans(X, K, device="cuda", **how), wanted)


def test_rows_left_by_bounds_are_scored_where_these_stay(gpus, monkeypatch):
    X = uneven(1500, 24, np.float32, "clouds")
    wanted = kmeans_fast.kmeans(X, 90, device="cpu", seed=1, max_iter=9)
    gpus(1 << 30)
    shares = [Share(500, "cuda:0", number == 0, number > 0) for number in range(3)]
    monkeypatch.setattr(SimBackend, "shares", lambda self, problem, sizes=None: shares)
    monkeypatch.setattr(SimBackend, "batches", lambda *_: "it is to be a session")
    found = kmeans_fast.kmeans(X, 90, device="cuda", seed=1, max_iter=9)
    same(found, wanted)
    assert any("hamerly" in step.path and step.scored < 1500 for step in found.history)


def test_labels_and_distances_of_an_array_beyond_the_device(gpus):
    X, centroids = data(), data(K, seed=1)
    wanted = kmeans_fast.assign(X, centroids, device="cpu")
    gpus(LABELS)
    found = kmeans_fast.assign(X, centroids, device="cuda")
    assert_array_equal(found, wanted)


@pytest.mark.parametrize("rows", [100, 334])
def test_files_are_read_in_chunks_of_which_some_stay(gpus, monkeypatch, tmp_path, rows):
    X = data()
    wanted = kmeans_fast.kmeans(X, K, device="cpu", seed=4, max_iter=5)
    gpus(150_000)
    np.save(tmp_path / "x.npy", X)
    monkeypatch.setattr(door, "_ARRAY_SHARE", 0.0)
    monkeypatch.setattr(door, "chunk_bytes", lambda *most: rows * D * 4)
    same(kmeans_fast.kmeans(tmp_path / "x.npy", K, device="cuda", seed=4, max_iter=5), wanted)


def test_a_list_of_arrays_beyond_the_device(gpus):
    X = data()
    wanted = kmeans_fast.kmeans(X, K, device="cpu", seed=4, max_iter=5)
    gpus(150_000)
    same(kmeans_fast.kmeans(np.array_split(X, 9), K, device="cuda", seed=4, max_iter=5), wanted)


@pytest.mark.parametrize("memory", [LABELS, STATES, 1 << 30])
def test_explain_says_which_rows_stay(gpus, memory):
    gpus(memory)
    text = kmeans_fast.explain(data(), K, device="cuda")
    stay = sum(share.n_samples for share in shares_of(N) or () if share.stays)
    known = "stays there too" if memory == STATES else "is labels in memory"
    line = f"cuda:0: {stay:,} rows stay there, {N - stay:,} are brought there in each pass, in "
    assert (line in text and f"what is known of these {known}" in text) == (memory < 1 << 30), text
    gpus(8_000)
    assert "a fit is refused: k-means of 2,000 x 6 rows" in kmeans_fast.explain(data(), K, device="cuda")


def test_what_no_chunk_fits_is_refused_with_the_numbers(gpus):
    gpus(8_000)
    with pytest.raises(MemoryError, match=r"into 7 clusters, 32 rows at a time, needs .* GiB on a simulated GPU"):
        kmeans_fast.kmeans(data(), K, device="cuda")
    with pytest.raises(MemoryError, match=r"2,000 x 6 rows into 7 clusters needs .* GiB on a simulated GPU"):
        kmeans_fast.metrics.calinski_harabasz_score(data(), np.arange(N) % K, device="cuda")


FAULTS = {
    "kernels do not wait for the copy": (SimMark, "precede"),
    "pinned memory is filled before it has been sent": (SimMark, "wait"),
    "copies do not wait for kernels": (SimCopies, "follow"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wait_that_is_missing_is_found(gpus, monkeypatch, fault):
    X = data()
    wanted = kmeans_fast.kmeans(X, K, device="cpu", seed=3, max_iter=4)
    gpus(LABELS)
    of, name = FAULTS[fault]
    monkeypatch.setattr(of, name, lambda self: None)
    with pytest.raises((AssertionError, ValueError, RuntimeError)):
        same(kmeans_fast.kmeans(X, K, device="cuda", seed=3, max_iter=4), wanted)


# ---- several GPUs --------------------------------------------------------------------------------------------------

MEMORIES = {
    "both hold their rows": (1 << 30, 1 << 30),
    "one is too small": (1 << 30, LABELS),
    "both are": (LABELS, 70_000),
}


@pytest.mark.parametrize("memories", MEMORIES)
@pytest.mark.parametrize("options", ["k-means++", "k-means||", "weights", "seeds of a sample", "empty clusters"])
def test_several_gpus_have_the_bits_of_one_cpu(gpus, options, memories):
    X, how = data(), {"seed": 3, "max_iter": 6, **OPTIONS[options]}
    wanted = kmeans_fast.kmeans(X, K, device="cpu", **how)
    devices = gpus(*MEMORIES[memories])
    same(kmeans_fast.kmeans(X, K, device="cuda:0,1", **how), wanted)
    for device in devices:
        assert {"update_sums", "trials" if options != "k-means||" else "join"} & set(device.launches)


def test_rows_are_shared_out_evenly_as_far_as_they_fit(gpus):
    gpus(1 << 30, 1 << 30)
    assert [(share.n_samples, share.device) for share in shares_of(N, device="cuda:1,0")] == [
        (1000, "cuda:1"), (1000, "cuda:0")
    ]  # fmt: skip
    assert [share.n_samples for share in shares_of(1, device="cuda:0,1")] == [1]
    gpus(1 << 30, LABELS)
    first, second = shares_of(N, device="cuda:0,1")
    assert first.n_samples > second.n_samples
    assert first.stays
    assert second.stays


def test_gpus_are_asked_at_the_same_time(gpus, monkeypatch):
    gpus(1 << 30, 1 << 30)
    both = threading.Barrier(2)
    accumulate = CudaSession.accumulate
    monkeypatch.setattr(CudaSession, "accumulate", lambda *given: (both.wait(60) and None) or accumulate(*given))
    kmeans_fast.kmeans(data(), K, device="cuda:0,1", seed=1, max_iter=3)


def test_a_gpu_that_fails_ends_the_fit_when_no_other_is_at_work(gpus, monkeypatch):
    _, second = gpus(1 << 30, 1 << 30)
    second.failing = {60}
    second.release = lambda: second.failing.add(61)
    with pytest.raises(MemoryError, match="on a simulated GPU"):
        kmeans_fast.kmeans(data(), K, device="cuda:0,1", seed=1, max_iter=3)


@pytest.mark.parametrize("streams", [False, True])
def test_files_on_several_gpus(gpus, monkeypatch, tmp_path, streams):
    X = data()
    wanted = kmeans_fast.kmeans(X, K, device="cpu", seed=4, max_iter=5)
    gpus(*((LABELS, LABELS) if streams else (1 << 30, 1 << 30)))
    np.save(tmp_path / "x.npy", X)
    monkeypatch.setattr(door, "_ARRAY_SHARE", 0.0)
    monkeypatch.setattr(door, "chunk_bytes", lambda *most: 150 * D * 4)
    same(kmeans_fast.kmeans(tmp_path / "x.npy", K, device="cuda:0,1", seed=4, max_iter=5), wanted)


def test_a_cpu_and_two_gpus_as_parts_of_one_session():
    X, weights = data(), some_weights(N)
    gpus = [SimDevice(number=number) for number in range(2)]
    at = [700, 1500]
    x, w = np.split(X, at), np.split(weights, at)
    parts = [CpuSession(x[0], w[0], K, 2), *(CudaSession(*one, K, on_host=True) for one in zip(gpus, x[1:], w[1:]))]
    session = PartsAtOnce(parts, Threads(["cpu", "cuda:0", "cuda:1"], lambda device: contextlib.nullcontext()))
    numbers = seeding.kmeans_plusplus(session, K, 3, 0)
    assert_array_equal(numbers, reference.kmeans_plusplus(X, weights, K, 3))
    found, wanted = (
        lloyd(session, X[numbers], max_iter=8, threshold=0.0),
        reference.lloyd(X, weights, X[numbers], 8, 0.0),
    )
    assert_array_equal(found.labels, wanted.labels)
    assert_array_equal(found.centroids, wanted.centroids)


def test_several_gpus_are_named_apart_and_all_there(gpus):
    gpus(1 << 30, 1 << 30)
    with pytest.raises(ValueError, match=r"device must be .*'cuda:N,M', got 'cuda:0,0'"):
        kmeans_fast.kmeans(data(), K, device="cuda:0,0")
    with pytest.raises(RuntimeError, match=r"device='cuda:1,2' cannot be used: there is no simulated GPU 2"):
        kmeans_fast.kmeans(data(), K, device="cuda:1,2")
    text = kmeans_fast.explain(data(), K, device="cuda:0,1")
    assert "cuda:0: 1,000 rows stay there" in text
    assert "cuda:1: 1,000 rows stay there" in text
