"""CuPy, PyTorch and two GPUs are stand-ins (`fake_cupy`, `fake_torch`); the CUDA backend runs in the simulator."""

import sys

import pytest
from fake_cupy import GpuBackend, make_cupy
from fake_torch import make_torch
from libraries import CUPY, TORCH, TORCH_CPU
from support import DTYPES

from kmeans_fast import backends as registry


@pytest.fixture(autouse=True)
def gpus(monkeypatch):
    """Two simulated GPUs, the modules that put arrays there, and the backend that runs on them."""
    monkeypatch.delenv(registry.ENVIRONMENT, raising=False)
    monkeypatch.setitem(sys.modules, "cupy", make_cupy())
    monkeypatch.setitem(sys.modules, "torch", make_torch())
    backend = GpuBackend()
    others = [other for other in registry.BACKENDS if other.name != "cuda"]
    monkeypatch.setattr(registry, "BACKENDS", (backend, *others))
    return backend.gpus


@pytest.fixture(params=[CUPY, TORCH, TORCH_CPU], ids=["cupy", "torch", "torch-cpu"])
def library(request):
    return request.param


@pytest.fixture(params=[CUPY, TORCH], ids=["cupy", "torch"])
def on_a_gpu(request):
    return request.param


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param
