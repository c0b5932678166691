"""The registry: what can run, what does, how to force it, and words for why not."""

import os
import re
import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import AVAILABLE, rows, run_python

import kmeans_fast
from kmeans_fast import KMeans, available_backends, explain, use_backend
from kmeans_fast.backends import BACKENDS, select
from kmeans_fast.backends.cuda import availability
from kmeans_fast.backends.cuda import backend as cuda_backend
from kmeans_fast.backends.protocol import Problem
from kmeans_fast.engine import memory

X = rows(50, 3, np.float32)
PROBLEM = Problem(50, 3, 4, np.dtype(np.float32))


def test_backends_are_listed_in_order_of_preference():
    assert list(available_backends()) == ["cuda", "cpu", "numpy", "reference"]


def test_every_backend_is_able_or_says_why_not():
    for name, reason in available_backends().items():
        assert isinstance(reason, str)
        assert (reason == "") == (name in AVAILABLE)
    assert {"cpu", "numpy", "reference"} <= set(AVAILABLE)


def test_names_are_unique_and_devices_are_known():
    names = [backend.name for backend in BACKENDS]
    assert len(set(names)) == len(names)
    assert all(set(backend.devices) <= {"cpu", "cuda"} for backend in BACKENDS)


def test_more_features_than_bounds_are_proved_for_are_not_for_the_cpus_kernels():
    cpu = next(backend for backend in BACKENDS if backend.name == "cpu")
    assert cpu.supports(PROBLEM._replace(n_features=2**23 - 1)) == []
    assert "2**23" in cpu.supports(PROBLEM._replace(n_features=2**23))[0]


def test_more_features_than_bounds_are_proved_for_are_not_for_numpy():
    found = next(backend for backend in BACKENDS if backend.name == "numpy")
    assert found.supports(PROBLEM._replace(n_features=2**21 - 1)) == []
    assert "2**21" in found.supports(PROBLEM._replace(n_features=2**21))[0]


def test_the_first_that_can_is_chosen():
    assert select(PROBLEM).name == AVAILABLE[0]
    assert kmeans_fast.kmeans(X, 4, seed=0).backend == AVAILABLE[0]


# ---- forcing -------------------------------------------------------------------------------------------------------


def test_a_forced_backend_is_the_one_that_runs(backend):
    assert kmeans_fast.kmeans(X, 4, seed=0).backend == backend
    assert KMeans(n_clusters=4).fit(X).backend_ == backend
    assert select(PROBLEM).name == backend


def test_forcing_ends_with_its_block_even_by_an_exception():
    with pytest.raises(ZeroDivisionError), use_backend("reference"):
        raise ZeroDivisionError
    assert select(PROBLEM).name == AVAILABLE[0]


def test_the_innermost_block_counts():
    with use_backend("reference"):
        with use_backend("cpu"):
            assert select(PROBLEM).name == "cpu"
        assert select(PROBLEM).name == "reference"


def test_forcing_holds_in_its_own_thread_only():
    seen = []
    with use_backend("reference"):
        thread = threading.Thread(target=lambda: seen.append(select(PROBLEM).name))
        thread.start()
        thread.join()
    assert seen == [AVAILABLE[0]]


@pytest.mark.parametrize("name", ["gpu", "CPU", "", "cpu "])
def test_an_unknown_name_is_an_error_that_lists_the_known_ones(name):
    with pytest.raises(ValueError, match="'cuda', 'cpu', 'numpy', 'reference'"), use_backend(name):
        pass


@pytest.mark.parametrize("name", AVAILABLE)
def test_the_environment_forces_a_backend(name):
    code = "import kmeans_fast; print(kmeans_fast.kmeans([[0.0], [1], [5]], 2, seed=0).backend)"
    assert run_python(code, KMEANS_FAST_BACKEND=name).strip() == name


def test_an_unknown_name_in_the_environment_is_an_error(monkeypatch):
    monkeypatch.setenv("KMEANS_FAST_BACKEND", "gpu")
    with pytest.raises(ValueError, match=r"no backend 'gpu'.*'cuda', 'cpu', 'numpy', 'reference'"):
        kmeans_fast.kmeans(X, 2, seed=0)


def test_an_empty_name_in_the_environment_forces_nothing(monkeypatch):
    monkeypatch.setenv("KMEANS_FAST_BACKEND", "")
    assert select(PROBLEM).name == AVAILABLE[0]


def test_a_block_outranks_the_environment(monkeypatch):
    monkeypatch.setenv("KMEANS_FAST_BACKEND", "cpu")
    with use_backend("reference"):
        assert select(PROBLEM).name == "reference"


@pytest.mark.skipif("cuda" in AVAILABLE, reason="the CUDA backend can run here")
def test_a_backend_that_cannot_run_is_refused_with_the_reason(monkeypatch):
    reason = available_backends()["cuda"]
    with pytest.raises(RuntimeError) as caught, use_backend("cuda"):
        pass
    assert reason in str(caught.value)
    monkeypatch.setenv("KMEANS_FAST_BACKEND", "cuda")
    with pytest.raises(RuntimeError) as caught:
        kmeans_fast.kmeans(X, 2, seed=0)
    assert reason in str(caught.value)


def test_a_forced_backend_that_does_not_serve_the_device_is_refused():
    with use_backend("cpu"), pytest.raises(RuntimeError, match=r"'cpu' was asked for.*device='cuda'"):
        kmeans_fast.kmeans(X, 2, seed=0, device="cuda")


# ---- device --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "size", "times"), [("cpu", "small", 0), ("cpu", "large", 0), ("auto", "small", 0), ("auto", "large", 1)]
)
def test_a_gpu_that_is_not_wanted_is_not_looked_for(monkeypatch, device, size, times):
    looked, sizes = [], {"small": (300, 64, 4), "large": (10**8, 64, 1000)}
    monkeypatch.setattr(cuda_backend, "missing", lambda: looked.append(device) or "there is none")
    assert select(Problem(*sizes[size], np.dtype(np.float32)), device).name == "cpu"
    assert len(looked) == times


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_devices_give_the_same(device):
    one, other = kmeans_fast.kmeans(X, 4, seed=0), kmeans_fast.kmeans(X, 4, seed=0, device=device)
    assert_array_equal(one.centroids, other.centroids)


@pytest.mark.skipif("cuda" in AVAILABLE, reason="the CUDA backend can run here")
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:7"])
@pytest.mark.parametrize(
    "call",
    [
        lambda device: kmeans_fast.kmeans(X, 2, device=device),
        lambda device: kmeans_fast.assign(X, X[:2], device=device),
        lambda device: kmeans_fast.kmeans_plusplus(X, 2, device=device),
        lambda device: KMeans(2, device=device).fit(X),
        lambda device: explain(X, 2, device=device),
    ],
    ids=["kmeans", "assign", "kmeans_plusplus", "KMeans", "explain"],
)
def test_a_named_gpu_is_refused_with_the_reason(device, call):
    with pytest.raises(RuntimeError) as caught:
        call(device)
    assert f"device={device!r}" in str(caught.value)
    assert available_backends()["cuda"] in str(caught.value)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [("no driver", "driver"), ("no GPU", "no usable GPU")],
)
def test_why_there_is_no_gpu(monkeypatch, facts, reason):
    class Driver:
        cuInit = staticmethod(lambda flags: 100)
        cuDeviceGetCount = staticmethod(lambda count: 100)

    def load(name):
        if facts == "no driver":
            raise OSError
        return Driver

    monkeypatch.setattr(availability.ctypes, "CDLL", load)
    assert reason in availability.missing.__wrapped__()  # past the cache


FORKED = """
import ctypes, importlib.util, os
from kmeans_fast import available_backends
from kmeans_fast.backends.cuda import availability

class Driver:
    at_work = None  # the process that has initialised it; in a child of that one it says 3

    @classmethod
    def cuInit(cls, flags):
        cls.at_work = cls.at_work or os.getpid()
        return 0 if cls.at_work == os.getpid() else 3

    cuDeviceGetCount = staticmethod(lambda count: setattr(count._obj, "value", 1) or 0)

ctypes.CDLL = lambda name: Driver
importlib.util.find_spec = lambda name: object()
availability.compiler.version = lambda: "13.0"
assert available_backends()["cuda"] == ""
child = os.fork()
if child:
    os.waitpid(child, 0)  # or both might print at once
print(available_backends()["cuda"] or "it is there", flush=True)
if not child:
    os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_a_gpu_is_not_there_for_a_process_forked_from_one_that_used_it():
    parent, child = sorted(run_python(FORKED).splitlines())
    assert parent == "it is there"
    assert child == "the NVIDIA driver does not work in a process forked from one that used it: start it with 'spawn'"


def test_a_gpu_whose_kernels_cannot_be_compiled_is_not_available(monkeypatch):
    """CuPy alone is not enough: it would be found out at the first compilation, in the middle of a fit."""

    class Driver:
        cuInit = staticmethod(lambda flags: 0)
        cuDeviceGetCount = staticmethod(lambda count: setattr(count._obj, "value", 1) or 0)

    def version():
        raise found

    monkeypatch.setattr(availability.ctypes, "CDLL", lambda name: Driver)
    monkeypatch.setattr(availability.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(availability.compiler, "version", version)
    for found, words in (
        (ModuleNotFoundError("No module named 'cuda'"), "cuda-bindings, which compiles .*No module named 'cuda'"),
        (
            RuntimeError("libnvrtc.so.13 was not found\nsearched in"),
            r"NVRTC, which compiles .*\(libnvrtc.so.13 was not found;",
        ),
    ):
        assert re.search(words, availability.missing.__wrapped__())
        assert "the extra 'cuda12' or 'cuda13'" in availability.missing.__wrapped__()
    monkeypatch.setattr(availability.compiler, "version", lambda: "13.0")
    assert availability.missing.__wrapped__() == ""


@pytest.mark.parametrize("device", ["gpu", "cpu:0", "cuda:", "cuda:x", "cuda:-1", "CUDA", "", None, 0, ["cpu"]])
@pytest.mark.parametrize(
    "call",
    [
        lambda device: kmeans_fast.kmeans(X, 2, device=device),
        lambda device: kmeans_fast.assign(X, X[:2], device=device),
        lambda device: kmeans_fast.kmeans_plusplus(X, 2, device=device),
        lambda device: explain(X, 2, device=device),
    ],
    ids=["kmeans", "assign", "kmeans_plusplus", "explain"],
)
def test_a_device_that_does_not_exist_is_refused_with_the_rule_and_the_value(device, call):
    with pytest.raises(ValueError, match="'auto', 'cpu', 'cuda', 'cuda:N' or 'cuda:N,M'") as caught:
        call(device)
    assert repr(device) in str(caught.value)


# ---- explain -------------------------------------------------------------------------------------------------------


def test_explain_names_the_choice_and_every_other_backend(backend):
    lines = explain((1_000_000, 16), 256).splitlines()
    assert lines[0] == "1,000,000 x 16 float32, 256 clusters, device='auto'"
    assert [line for line in lines if line.startswith("* ")] == [
        line for line in lines if line.startswith(f"* {backend}:")
    ]
    for other in BACKENDS:
        if other.name != backend:
            assert any(line.startswith(f"  {other.name}: ") for line in lines)


@pytest.mark.parametrize(("data", "dtype"), [(X, "float32"), (X.astype(float), "float64"), (X.astype(int), "float64")])
def test_explain_takes_data(data, dtype):
    assert explain(data, 4).startswith(f"50 x 3 {dtype}, 4 clusters")
    assert "1 thread" in explain(data, 4)


@pytest.mark.parametrize("available", [1 << 40, 5 << 20, 1 << 20])
@pytest.mark.parametrize("options", [{}, {"init": "k-means||"}, {"refine": "breathing"}, {"n_threads": 1}], ids=str)
def test_explain_tells_the_very_plan_of_a_fit(monkeypatch, options, available):
    opened, planned = [], []
    backend = next(backend for backend in BACKENDS if backend.name == "cpu")
    plan = backend.plan

    def planning(problem, n_threads):
        planned.append((problem, n_threads))
        return plan(problem, n_threads)

    def opening(X, weights, problem, n_threads):
        opened.append((problem, n_threads))
        raise ZeroDivisionError

    monkeypatch.setattr(memory, "available_bytes", lambda: available)
    monkeypatch.setattr(memory, "_NEGLIGIBLE", 0)
    monkeypatch.setattr(backend, "open", opening)
    data = np.zeros((100_000, 3))  # for which every processor's plan has a tree, that only saves time
    with use_backend("cpu"):
        with pytest.raises((ZeroDivisionError, MemoryError)) as error:
            kmeans_fast.kmeans(data, 300, seed=0, **options)
        monkeypatch.setattr(backend, "plan", planning)
        text = explain(data, 300, **options)
    refused = error.type is MemoryError
    assert ("a fit is refused" in text) == refused == (available == 1 << 20)
    assert ("memory is short" in text) == (not refused and planned[-1][0].frugal) == (available == 5 << 20)
    if not refused:
        assert planned[-1] == opened[0]


def test_explain_tells_of_the_memory_of_a_second_session():
    with use_backend("cpu"):
        needs = [
            float(re.search(r"workspace ([\d.,]+) MiB", explain((100_000, 20), 300, **options))[1].replace(",", ""))
            for options in ({}, {"init": "k-means||"}, {"refine": "breathing"})
        ]
    assert needs[0] < min(needs[1:])


def test_explain_refuses_what_a_fit_refuses():
    for k, options in ((4, {}), (0, {}), (2, {"refine": "more"}), (2, {"n_threads": 0}), (2, {"device": "tpu"})):
        messages = []
        for call in (explain, kmeans_fast.kmeans):
            with pytest.raises(ValueError, match=r".") as caught:
                call([[0.0], [1.0], [2.0]], k, **options)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]


def test_explain_takes_lists_and_weights():
    assert explain([[1, 2], [3, 4]], 2, sample_weight=[1, 2], n_threads=1).startswith("2 x 2 float64")


def test_explain_tells_the_threads():
    with use_backend("cpu"):
        assert "; 3 threads" in explain((1_000_000, 16), 256, n_threads=3)
        assert "; 1 thread," in explain((1_000_000, 16), 256, n_threads=1)
