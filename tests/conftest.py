"""Fixtures of all tests, and which of them are quick."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from fast import chosen
from support import ENGINES, SIMULATED, TESTED

import kmeans_fast
from kmeans_fast import backends as registry
from kmeans_fast.backends.cpu import costs

os.environ["KMEANS_FAST_WAIT"] = "1"  # tests are of the kernels that they name, compiled or not

try:
    from hypothesis import settings
except ImportError:
    pass
else:
    settings.register_profile("kmeans_fast", deadline=None, max_examples=50, derandomize=True)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "kmeans_fast"))


def pytest_addoption(parser):
    parser.addoption("--every-architecture", action="store_true", help="compile all CUDA kernels for all GPUs")


# They begin first, so that no process is left with one of them in the end.
LONGEST = ("test_kernels_are_clean", "test_the_site", "test_sse_only")


def pytest_collection_modifyitems(items):
    for item in chosen(items, Path(__file__).parent):
        item.add_marker("fast")
    items.sort(key=lambda item: not item.name.startswith(LONGEST))


@pytest.fixture(scope="session", autouse=True)
def as_many_tasks_as_threads():
    """Small problems test what large ones do: every step is divided, however short it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(costs, "LEAST_TASK", 1e-9)
        yield


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Ctrl-C reaches tests and their processes, also where a shell runs them in the background and has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory of the test's own, in which it is."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=TESTED)
def backend(request):
    """The name of every backend that can run here, the CUDA backend in the simulator too; forced while a test runs."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == SIMULATED.name:
            patch.setattr(registry, "BACKENDS", (*registry.BACKENDS, SIMULATED))
        with kmeans_fast.use_backend(request.param):
            yield request.param


@pytest.fixture(params=ENGINES, ids=lambda engine: engine if isinstance(engine, str) else f"{engine}-threads")
def engine(request):
    """What `support.session` opens: the reference, CPU kernels on some threads, CUDA kernels in the simulator."""
    return request.param
