"""What several test modules need: problems to solve, sessions to solve them with, and Python processes to do it in."""

import contextlib
import functools
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import kmeans_fast
from kmeans_fast import backends as registry
from kmeans_fast import reference
from kmeans_fast.backends.cpu.session import CpuSession
from kmeans_fast.backends.cuda.session import CudaSession
from kmeans_fast.backends.numpy.session import NumpySession
from kmeans_fast.backends.reference import ReferenceSession
from kmeans_fast.engine.rereading import RereadPart
from simulator.build import COMPILER
from simulator.device import SimBackend, SimDevice

EDGES = (1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 97)
DTYPES = (np.float32, np.float64)
AVAILABLE = [name for name, reason in registry.available_backends().items() if not reason]
SIMULATED = SimBackend()
TESTED = AVAILABLE + ["cuda-sim"] * bool(COMPILER)
ENGINES = ["reference", "numpy", 1, 2, 3, 7, *["cuda-sim"] * bool(COMPILER), *["cuda"] * ("cuda" in AVAILABLE)]
PART_ENGINES = ["reference", "numpy", 1, 2, *["cuda-sim"] * bool(COMPILER), *["cuda"] * ("cuda" in AVAILABLE)]
PART_ENGINES += [("reread", engine) for engine in PART_ENGINES if engine != 1]
_KEEPING = ("kd-tree", "exponion", "hamerly, float32", "hamerly, bytes")
PART_ENGINES += [("kept", "numpy"), *[("kept", "cuda-sim")] * bool(COMPILER)]
PART_ENGINES += [("kept", name) for name, reason in registry.techniques().items() if name in _KEEPING and not reason]
REPOSITORY = Path(kmeans_fast.__file__).parents[1]


def _shapes():
    shapes = [(n, 5, 4) for n in EDGES] + [(70, d, 6) for d in EDGES] + [(101, 4, k) for k in EDGES]
    rng = np.random.default_rng(20)
    shapes += [tuple(int(size) for size in rng.choice(EDGES, 3)) for _ in range(20)]
    return sorted(set(shapes))


SHAPES = _shapes()  # (n_samples, n_features, n_clusters); some have more clusters than rows
LARGE_SHAPES = [
    (4097, 20, 33),
    (5000, 3, 4),
    (1000, 130, 70),
    (9001, 1, 2),
    (300, 600, 5),
    (1500, 7, 1000),
    (2000, 2, 300),
]


def times_open(path):
    """How often this process has a file open. Other threads of it open files of their own: only this one counts."""
    found = 0
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # one that has been closed meanwhile
            found += os.path.samefile(f"/proc/self/fd/{number}", path)
    return found


def rows(n, d, dtype, kind="normal", seed=0):
    """Data: "normal" values, or a "grid" of few integers, full of ties and repeated rows."""
    rng = np.random.default_rng([seed, n, d])
    values = rng.normal(size=(n, d)) if kind == "normal" else rng.integers(-2, 3, (n, d))
    return np.ascontiguousarray(values, dtype)


def uneven(n, d, dtype, kind):
    """A cloud; integers full of ties and repeated rows; clouds apart; a cloud far from the origin; rows of very
    different sizes; heavy tails; few features that matter; one row far beyond the others.
    """
    X = rows(n, d, np.float64, "grid" if kind == "grid" else "normal")
    rng = np.random.default_rng([n, d])
    if kind == "clouds":
        X += 8.0 * rng.integers(0, 3, (n, 1))
    if kind == "offset":
        X += 1e4
    if kind == "sizes":
        X *= 10.0 ** rng.integers(-12, 3, (n, 1))
    if kind == "tails":
        X = rng.standard_t(1, (n, d))
    if kind == "features":
        X *= 10.0 ** -np.arange(d)
    if kind == "outlier":
        X[n // 2] = 1e30
    return np.ascontiguousarray(X, dtype)


def problem(n, d, k, dtype, kind="normal", seed=0):
    """Data and centroids of one kind; as many centroids as possible are rows."""
    X, more = rows(n, d, dtype, kind, seed), rows(k, d, dtype, kind, seed + 1)
    chosen = np.random.default_rng(seed).permutation(n)[:k]
    more[: len(chosen)] = X[chosen]
    return X, more


@functools.cache
def colliding_rows():
    """Different rows whose hashes are equal: of a million rows of ones as float32, some agree in the lower half."""
    X = 1.0 + np.random.default_rng(0).integers(0, 2**27, (1_000_000, 2)) * 2.0**-52
    hashes = reference.row_hash(X)
    order = np.argsort(hashes)
    same = np.flatnonzero(np.diff(hashes[order]) == 0)
    assert len(same) > 50
    return np.concatenate([X[order[same]], X[order[same + 1]]])


def some_weights(n, seed=0):
    """Positive weights, and a few zeros if there are rows enough."""
    weights = np.random.default_rng([seed, n]).exponential(size=n) + 0.01
    weights[5::9] = 0.0
    return weights


@functools.cache
def cuda_device():
    """The first GPU."""
    from kmeans_fast.backends.cuda.cupy_device import CupyDevice

    return CupyDevice(0)


def session(engine, X, weights, n_clusters):
    """A session, ready to iterate.

    `engine` is "reference", "numpy", "cuda", "cuda-sim", or a number of CPU threads, used even for a small problem.
    """
    if engine == "reference":
        opened = ReferenceSession(X, weights, n_clusters)
    elif engine == "numpy":
        opened = NumpySession(X, weights, n_clusters, 2)
    elif engine in ("cuda", "cuda-sim"):
        opened = CudaSession(cuda_device() if engine == "cuda" else SimDevice(), X, weights, n_clusters, on_host=True)
    else:
        opened = CpuSession(X, weights, n_clusters, engine)
    opened.reset()
    return opened


def part(engine, X, weights, n_clusters):
    """Some of the rows: a `session`, or rows that are read anew each time.

    Then the engine is ("reread", another), which keeps labels only, or ("kept", another or a technique that is forced).
    """
    if not isinstance(engine, tuple):
        return session(engine, X, weights, n_clusters)

    def opened(X, weights, n_clusters, keeps):
        if engine[0] == "reread" or engine[1] in ("numpy", "cuda-sim"):
            return session(engine[1], X, weights, n_clusters)
        with registry.use_technique(engine[1]):
            return session(2, X, weights, n_clusters)

    how = (X.shape, X.dtype, weights is not None, opened, n_clusters, engine[0] == "kept")
    return RereadPart(rereading(X, weights), *how)


def rereading(X, weights):
    """``read()`` of a part. What it gave the time before is overwritten, lest anything refers to it still."""
    given = []

    def read():
        for array in given:
            array.fill(np.nan)
        given[:] = [array.copy() for array in (X, weights) if array is not None]
        return given[0], None if weights is None else given[1]

    return read


class OwnCentroids(np.ndarray):
    """Centroids of an iteration, on the host; they know the session's own, from which the next one starts."""

    own = None


def iterated(opened, centroids):
    """An iteration of a session, read, with its centroids on the host."""
    own = getattr(centroids, "own", None)
    done = opened.iterate(centroids if own is None else own).read()
    host = opened.fetch(done.centroids).view(OwnCentroids)
    host.own = done.centroids
    return done._replace(centroids=host)


def beside_the_reference(opened, X, weights, k, iterations):
    """Iterate a session from rows of X, the reference beside it; what was told of every iteration."""
    centroids, steps = X[np.random.default_rng(3).permutation(len(X))[:k]].copy(), []
    for _ in range(iterations):
        labels, _ = reference.assign(X, centroids)
        step = iterated(opened, centroids)
        np.testing.assert_array_equal(opened.labels, labels)
        np.testing.assert_array_equal(step.centroids, reference.update(X, weights, centroids, labels))
        steps.append(step)
        centroids = step.centroids
    opened.assign(centroids)
    np.testing.assert_array_equal(opened.labels, reference.assign(X, centroids)[0])
    return steps


def run_python(code, *arguments, timeout=580, **environment):
    """What `code` prints in a fresh interpreter; a crash, a hang or an exception fails the test.

    A script that prints "SKIP: reason" skips the test.
    """
    path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path, **{name: str(value) for name, value in environment.items()}},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    if done.stdout.startswith("SKIP: "):
        pytest.skip(done.stdout[6:].strip())
    return done.stdout


def names(directory):
    """The names of what is in it."""
    return sorted(path.name for path in directory.iterdir())


@contextlib.contextmanager
def most_bytes(limit):
    """No file can have more bytes: what happens is what happens on a full disk, with another number of the error."""
    resource = pytest.importorskip("resource")
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
