"""Too little memory: refused before anything is allocated, with the numbers."""

import tracemalloc

import numpy as np
import pytest
from simulator.device import SimDevice
from support import rows

import kmeans_fast
from kmeans_fast import KMeans
from kmeans_fast.backends import select
from kmeans_fast.backends.protocol import Problem
from kmeans_fast.engine import memory

X = rows(2000, 4, np.float32)


@pytest.fixture
def little_memory(monkeypatch):
    """A system with 1000 bytes left, on which no need is negligible."""
    monkeypatch.setattr(memory, "_NEGLIGIBLE", 0)
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    monkeypatch.setattr(SimDevice, "free_bytes", lambda device: 1000)
    return monkeypatch


@pytest.mark.parametrize(
    "call",
    [
        lambda: kmeans_fast.kmeans(X, 3, seed=0),
        lambda: kmeans_fast.assign(X, X[:3]),
        lambda: kmeans_fast.kmeans_plusplus(X, 3, seed=0),
        lambda: KMeans(3).fit(X),
    ],
    ids=["kmeans", "assign", "kmeans_plusplus", "KMeans"],
)
def test_a_plan_that_does_not_fit_is_refused_with_the_numbers(little_memory, backend, call):
    with pytest.raises(MemoryError, match=r"2,000 x 4 rows into 3 clusters needs .* GiB .* 0\.00 GiB are available"):
        call()
    little_memory.undo()
    call()


def test_a_refused_fit_leaves_the_estimator_unfitted(little_memory):
    model = KMeans(3)
    with pytest.raises(MemoryError):
        model.fit(X)
    assert not hasattr(model, "labels_")


def test_a_system_that_does_not_tell_refuses_nothing(little_memory):
    little_memory.setattr(memory, "available_bytes", lambda: None)
    kmeans_fast.kmeans(X, 3, seed=0)


def test_available_memory_is_a_plausible_number():
    assert memory.available_bytes() is None or 0 < memory.available_bytes() < 2**50


@pytest.mark.parametrize(("init", "second"), [("k-means++", 0), ("k-means||", 40)])
def test_the_plan_covers_what_a_fit_allocates(init, second):
    """Beyond the data and compiled code: the peak of a fit's own arrays stays within twice the plan."""
    data = rows(100_000, 4, np.float32)
    kmeans_fast.kmeans(data, 20, init=init, seed=0, max_iter=2, n_threads=2)
    problem = Problem(*data.shape, 20, data.dtype, second=second)
    planned = select(problem).plan(problem, 2).workspace_bytes
    tracemalloc.start()
    try:
        kmeans_fast.kmeans(data, 20, init=init, seed=0, max_iter=2, n_threads=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * planned
