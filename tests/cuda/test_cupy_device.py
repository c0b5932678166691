"""`CupyDevice`, line by line, on a stand-in for CuPy: what would fail at the first launch on a GPU fails here."""

import importlib
import sys
import threading

import numpy as np
import pytest
from kmeans_fast.kernels.cuda import compiler, sources
from numpy.testing import assert_array_equal
from stand_in_for_cupy import CUDARuntimeError, Function, make_modules, on_gpu
from support import DTYPES, rows, some_weights

from kmeans_fast import reference
from kmeans_fast.arrays import Data
from kmeans_fast.backends.cuda import streaming
from kmeans_fast.backends.cuda.problems import CudaProblems
from kmeans_fast.backends.cuda.runs import Layout
from kmeans_fast.backends.cuda.session import CudaSession
from kmeans_fast.backends.protocol import Problem
from kmeans_fast.engine.fit import initial_centroids
from kmeans_fast.engine.lloyd import lloyd
from kmeans_fast.engine.parts import Parts
from kmeans_fast.engine.seeding import kmeans_plusplus
from simulator import build

pytestmark = pytest.mark.skipif(not build.COMPILER, reason="there is no C++ compiler")


@pytest.fixture
def device_module(monkeypatch):
    """`cupy_device`, imported with the stand-ins."""
    compiled = {}

    def binary_file(module, architecture):
        assert architecture == 90
        compiled[f"/{module}"] = module
        return f"/{module}"

    cupy, cupyx = make_modules(compiled)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setitem(sys.modules, "cupyx", cupyx)
    monkeypatch.setattr(compiler, "binary_file", binary_file)
    monkeypatch.setattr(compiler, "version", lambda: "13.0")
    name = "kmeans_fast.backends.cuda.cupy_device"
    monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module(name)
    sys.modules.pop(name, None)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("d", "k"), [(2, 6), (3, 90), (20, 66)])
def test_a_fit_is_the_references(device_module, monkeypatch, d, k, dtype, weighted):
    """On the GPU that is not the current one."""
    monkeypatch.setattr("kmeans_fast.backends.cuda.launches._OFTEN", 2)
    X, weights = rows(300, d, dtype), some_weights(300) if weighted else None
    session = CudaSession(device_module.CupyDevice(1), X, weights, k, on_host=True)
    start = initial_centroids(session, Data(X), "k-means++", k, 5, 0, None)
    assert_array_equal(start, X[reference.kmeans_plusplus(X, weights, k, 5)])
    device = session.device
    of_few = initial_centroids(
        session,
        Data(X),
        "k-means||",
        4,
        5,
        0,
        None,
        lambda few, shares: CudaSession(device, few, shares, 4, on_host=True),
    )
    assert_array_equal(of_few, X[reference.kmeans_parallel(X, weights, 4, 5)])
    start[-1] = start[0]  # comes out empty
    run = lloyd(session, start, max_iter=9, threshold=0.0)
    expected = reference.lloyd(X, weights, start, 9, 0.0)
    assert_array_equal(run.labels, expected.labels)
    assert_array_equal(run.centroids, expected.centroids)
    assert run.inertia == expected.inertia
    assert run.n_used == len(np.unique(expected.labels))
    table = np.sqrt(reference.squared_distances(X, run.centroids)).astype(dtype)
    assert_array_equal(session.distances(run.centroids), table)


def test_runs_whose_blocks_wait_for_each_other(device_module, monkeypatch):
    X = np.stack([rows(600, 5, np.float32, "normal", seed) for seed in range(2)])
    problems = CudaProblems(device_module.CupyDevice(1), on_gpu(X), None, 9, on_host=False)
    of, starts = np.arange(2), X[:, :9]
    for blocks in (2, 5):
        plan = Layout(4, blocks, 8, 1e-3, 1, 1)
        monkeypatch.setattr("kmeans_fast.backends.cuda.problems.layout", lambda *_, plan=plan: plan)
        if blocks > 4:
            with pytest.raises(RuntimeError, match="5 blocks wait for each other, and 4 fit on the GPU"):
                problems.lloyd(starts, np.zeros(2), of, 9, True)
            continue
        found = problems.lloyd(starts, np.zeros(2), of, 9, True)
        for number in of:
            expected = reference.lloyd(X[number], None, starts[number], 9, 0.0)
            assert_array_equal(found.labels[number], expected.labels)
            assert_array_equal(found.centroids[number], expected.centroids)


def test_the_facts_are_read(device_module):
    found = device_module.CupyDevice(0).properties
    assert (found.name, found.compute_capability, found.driver) == ("stand-in", "9.0", "for CUDA 13.0")
    assert found.runtime == "CuPy 14.2.0, CUDA 13.2, NVRTC 13.0"
    assert device_module.device_count() == 2
    assert device_module.current_device() == 0
    assert device_module.CupyDevice(0).free_bytes() == (1 << 33) + 5


@pytest.mark.parametrize("weighted", [False, True])
def test_two_parts_are_as_one(device_module, weighted):
    X, weights = rows(500, 9, np.float32), some_weights(500) if weighted else None
    gpu, halves = device_module.CupyDevice(0), (slice(200), slice(200, None))
    parts = [
        CudaSession(gpu, X[half], weights if weights is None else weights[half], 30, on_host=True) for half in halves
    ]
    session = Parts(parts)
    start = X[kmeans_plusplus(session, 30, 5, 0)]
    assert_array_equal(start, X[reference.kmeans_plusplus(X, weights, 30, 5)])
    run = lloyd(session, start, max_iter=8, threshold=0.0)
    expected = reference.lloyd(X, weights, start, 8, 0.0)
    assert_array_equal(run.labels, expected.labels)
    assert_array_equal(run.centroids, expected.centroids)
    assert run.inertia == expected.inertia


def test_a_gpu_that_is_not_there_is_refused(device_module):
    with pytest.raises(ValueError, match="'cuda:3': there are 2 GPUs"):
        device_module.CupyDevice(3)


def test_a_sort_that_finds_no_memory_is_tried_again_and_then_told_with_the_numbers(device_module, monkeypatch):
    """Thrust's own allocations fail with a plain MemoryError."""
    X, sort, released = rows(300, 3, np.float32), device_module.cupy.argsort, []
    session = CudaSession(device_module.CupyDevice(0), X, None, 4, on_host=True)
    monkeypatch.setattr(type(session.device), "release", lambda self: released.append(1))

    def failing(keys):
        if len(released) < needed:
            raise MemoryError("std::bad_alloc")
        return sort(keys)

    monkeypatch.setattr(device_module.cupy, "argsort", failing)
    needed = 1
    session.seeder(reference.draws(0, 0, (4, 3)))
    assert released == [1]
    needed = 3
    with pytest.raises(MemoryError, match=r"the order of the rows needs .* GiB on stand-in"):
        session.seeder(reference.draws(0, 0, (4, 3)))


def test_all_modules_are_compiled_at_once_and_only_once(device_module, monkeypatch):
    device, modules, asked = device_module.CupyDevice(0), list(sources.every_module()), []
    monkeypatch.setattr(compiler, "binary_file", lambda module, architecture: asked.append(module))
    device.compile(modules[:2])
    device.compile(modules)
    assert sorted(asked) == sorted(modules)


@pytest.mark.parametrize("number", [0, 1])
def test_rows_are_brought_through_pinned_memory(device_module, monkeypatch, number):
    monkeypatch.setattr(streaming, "_PIECE_BYTES", 1000)
    device, X, weights = device_module.CupyDevice(number), rows(700, 5, np.float32), some_weights(700)
    parts = list(zip(np.split(X, [300, 500]), np.split(weights, [300, 500])))
    problem = Problem(300, 5, 3, X.dtype, True)
    uploads = streaming.Uploads(device, [lambda part=part: part for part in parts], problem)
    for at in (0, 1, 2, 0, 2):
        found, own = uploads.bring(at)
        assert_array_equal(device.download(found.array), parts[at][0])
        assert_array_equal(device.download(own.array), parts[at][1])
    assert uploads.copies.stream.waited >= 5
    del uploads  # waits for what nobody has asked for


def test_memory_of_the_host_that_cannot_be_pinned_is_told(device_module, monkeypatch):
    def failing(*_):
        raise CUDARuntimeError(status)

    monkeypatch.setattr(device_module.cupy.cuda, "alloc_pinned_memory", failing)
    monkeypatch.setattr(device_module.cupyx, "zeros_pinned", failing)
    device, X = device_module.CupyDevice(0), rows(70, 5, np.float32)
    uploads = streaming.Uploads(device, [lambda: (X, None)], Problem(70, 5, 3, X.dtype))
    for ask in (lambda: uploads.bring(0), lambda: device.report(7, np.float64)):
        status = 2  # "out of memory"
        with pytest.raises(MemoryError, match=r"pins no more memory of the host.* use device='cpu'"):
            ask()
        status = 700
        with pytest.raises(CUDARuntimeError, match="another"):
            ask()


def test_threads_give_a_kernel_the_most_shared_memory_that_any_of_them_needs(device_module, monkeypatch):
    """One looks what it has, and then another, before either has raised it."""
    device, raised, asked = device_module.CupyDevice(0), threading.Event(), threading.Event()
    module = sources.module("update_sums", "float", COLUMNS=1)

    class Slow(Function):
        def ask(self):
            found = self.bytes
            if threading.current_thread() is smaller:
                asked.set()
                raised.wait(0.3)
            return found

        def set(self, size):
            self.bytes = size
            raised.set()

        max_dynamic_shared_size_bytes = property(ask, set)

    function = Slow(module, "update_sums", [0])
    monkeypatch.setattr(device, "_kernel", lambda *_: function)
    smaller = threading.Thread(target=device.prepare, args=(module, "update_sums", 1, 60_000, []))
    smaller.start()
    asked.wait()
    device.prepare(module, "update_sums", 1, 100_000, [])
    smaller.join()
    assert function.bytes == 100_000


def test_another_thread_enqueues_where_this_one_does(device_module):
    device = device_module.CupyDevice(1)
    with device.as_here():
        assert device_module.current_device() == 1
    assert device_module.current_device() == 0
