"""Every CUDA kernel under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer, with checked answers.

Under ThreadSanitizer every CUDA thread is a thread of the system: it sees whether barriers order all accesses. Blocks
still run one after the other.
"""

import pytest
from support import run_python

from simulator import build

pytestmark = pytest.mark.skipif(not build.COMPILER, reason="there is no C++ compiler")

RUN = """
import sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from simulator import build
from simulator.device import SimDevice
from kmeans_fast import reference
from kmeans_fast.backends.cuda import device as launching
from kmeans_fast.backends.cuda import problems as of_problems
from kmeans_fast.backends.cuda.accumulators import exact_halves
from kmeans_fast.backends.cuda.device import Launcher
from kmeans_fast.backends.cuda.runs import Layout
from kmeans_fast.backends.cuda.scorers import use_scorer
from kmeans_fast.backends.cuda.scorers.operands import use_operand
from kmeans_fast.backends.cuda.seeder import CudaSeeds
from kmeans_fast.backends.cuda.session import CudaSession
from kmeans_fast.backends.silhouettes import silhouettes
from kmeans_fast.engine.lloyd import lloyd
from kmeans_fast.engine.parts import Parts
from kmeans_fast.engine.seeding import kmeans_parallel, kmeans_plusplus, random_rows
from kmeans_fast.kernels.cuda import sources

sanitizer, launched = sys.argv[1], set()
quick = sanitizer == "thread"
if quick:
    launching._PER_MULTIPROCESSOR = 1  # two blocks: a thread of the system costs a millisecond here

def check(n, d, k, dtype, weighted, steps):
    rng = np.random.default_rng(n)
    X = rng.normal(size=(n, d)).astype(dtype)
    X[n // 2 :: 7] = X[0]  # equal rows, of different weights
    weights = rng.integers(0, 3, n).astype(float) if weighted else None
    device = SimDevice(sanitizer=sanitizer)
    session = CudaSession(device, X, weights, k, on_host=True)
    session.reset()
    seeds = min(k, 3 if quick else 20)
    drawn = reference.kmeans_plusplus(X, weights, seeds, 1)
    np.testing.assert_array_equal(kmeans_plusplus(session, seeds, 1, 0), drawn)
    taken = reference.random_rows(X, weights, 2, 1)
    np.testing.assert_array_equal(random_rows(session, 2, 1, 0), taken)
    if weighted:  # drawn by the host
        np.testing.assert_array_equal(random_rows(Parts([session]), 2, 1, 0), taken)
        drawn = reference.kmeans_plusplus(X, weights, 3, 1)
        np.testing.assert_array_equal(kmeans_plusplus(Parts([session]), 3, 1, 0), drawn)
    if weighted or not quick:
        of_few = lambda rows, shares: CudaSession(device, rows, shares, 2, on_host=True)
        parallel = reference.kmeans_parallel(X, weights, 2, 1)
        np.testing.assert_array_equal(kmeans_parallel(session, 2, 1, 0, of_few), parallel)
    start = X[np.arange(k) % n]
    start[1] = start[0]  # a cluster that comes out empty
    found = lloyd(session, start, max_iter=steps, threshold=0.0)
    expected = reference.lloyd(X, weights, start, steps, 0.0)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.centroids, expected.centroids)
    assert found.inertia == expected.inertia
    assert session.mean_variance() == reference.mean_variance(X)
    table = session.distances(found.centroids)
    np.testing.assert_array_equal(table, np.sqrt(reference.squared_distances(X, found.centroids)).astype(dtype))
    launched.update(device.launches)

def check_bytes(n, d, k, dtype, operand="int8"):
    # All kernels of an iteration by scores in bytes: without labels, with them, and of the rows that bounds leave.
    X = np.random.default_rng(n).normal(size=(n, d)).astype(dtype)
    X[n // 2 :: 7] = X[0]
    start = X[np.arange(k) % n]
    start[0], start[4] = 0.5 * (X[1] + X[2]), start[3]  # the latter comes out empty: no score settles a tie
    start[10:17] = start[9] + 1e-3 * start[:7]  # rows near there have so many candidates that lists fill up
    device = SimDevice(sanitizer=sanitizer)
    device.properties = device.properties._replace(exact_halves=lambda: True)
    with use_scorer("bytes"), use_operand(operand):
        session = CudaSession(device, X, None, k, on_host=True)
    session.scorer.byte_blocks = 1  # whose warps take several tiles of rows
    found, expected = lloyd(session, start, max_iter=3, threshold=0.0), reference.lloyd(X, None, start, 3, 0.0)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.centroids, expected.centroids)
    launched.update(device.launches)

def check_rounds(n, d, k):
    # One block, or two, whose warps take rows several times, all of which change.
    X = np.random.default_rng(n).normal(size=(n, d)).astype(np.float32)
    device = SimDevice(sanitizer=sanitizer)
    device.properties = device.properties._replace(multiprocessors=1)
    session = CudaSession(device, X, None, k, on_host=True)
    session.scorer.blocks = 1
    session.reset()
    session.assign(X[:k])
    np.testing.assert_array_equal(session.labels, reference.assign(X, X[:k])[0])
    start = X[k : 2 * k]
    found, expected = lloyd(session, start, max_iter=1, threshold=0.0), reference.lloyd(X, None, start, 1, 0.0)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_array_equal(found.centroids, expected.centroids)

def check_silhouettes(n, d, k):
    X, labels = np.random.default_rng(n).normal(size=(n, d)), np.arange(n) * np.arange(n) % k
    device = SimDevice(sanitizer=sanitizer)
    _, labels = np.unique(labels, return_inverse=True)
    found = CudaSession(device, X, None, 2, on_host=True).silhouette(labels, labels.max() + 1)
    np.testing.assert_array_equal(found, silhouettes(X, labels, labels.max() + 1))
    launched.update(device.launches)

def check_runs(blocks, across):
    # Whole runs; under ThreadSanitizer by one block, which is all that its threads can be.
    X = np.random.default_rng(5).normal(size=(2, 150, 6)).astype(np.float32)
    X[:, ::7] = X[0, 0]
    device = SimDevice(sanitizer=sanitizer)
    of_problems.layout = lambda *_: Layout(across, blocks, 8, 1e-3, 1, 1)
    problems = of_problems.CudaProblems(device, X, None, 5, on_host=True)
    found = problems.lloyd(X[:, 1:6], np.zeros(2), np.arange(2), 3, True)
    for number in range(2):
        expected = reference.lloyd(X[number], None, X[number, 1:6], 3, 0.0)
        np.testing.assert_array_equal(found.labels[number], expected.labels)
        np.testing.assert_array_equal(found.centroids[number], expected.centroids)
    launched.update(device.launches)

def check_draws(n, d, weighted):
    # A word asks for one bucket, whose rows are sorted apart; many for so many that all are. Then two problems at once.
    rng = np.random.default_rng(n)
    X, weights = rng.normal(size=(n, d)).astype(np.float32), rng.exponential(size=n) if weighted else None
    device = SimDevice(sanitizer=sanitizer)
    for size in (1, n):
        words, masses = reference.draws(1, 0, (size,)), reference.Masses(X, weights)
        found = CudaSession(device, X, weights, 2, on_host=True).oversampler().draw(words)
        np.testing.assert_array_equal(found, [masses.draw(word) for word in words])
    of, words = np.array([0, 1, 1]), np.stack([reference.draws(1, run, (4, 3)) for run in range(3)])
    half = n // 2
    seeds = CudaSeeds(Launcher(device, X.dtype), X[: 2 * half], weights, half, of, words)
    seeds.greedy()
    for run, found in enumerate(seeds.chosen()):
        rows = slice(of[run] * half, (of[run] + 1) * half)
        wanted = reference.kmeans_plusplus(X[rows], None if weights is None else weights[rows], 4, 1, run)
        np.testing.assert_array_equal(found, wanted)
    launched.update(device.launches)

def check_misaligned():
    # A view into a larger array, as users pass them on a GPU: a load of two values at once would be an error there.
    X = np.random.default_rng(0).normal(size=4201).astype(np.float32)[1:].reshape(2100, 2)
    session = CudaSession(SimDevice(sanitizer=sanitizer), X, None, 3, on_host=False)
    session.assign(X[:3].copy())
    np.testing.assert_array_equal(session.labels, reference.assign(X, X[:3])[0])

modules = [sources.module(name, "float") for name in sources.MODULES if name not in sources.CHOICES]
modules += [sources.module("assign", "float", PANEL=128, HEIGHT=4), sources.module("points", "float", DIM=2, SEVERAL=1)]
modules += [sources.module("update_sums", "float", COLUMNS=columns) for columns in (1, 4)]
modules += [
    sources.module(name, "float", HALVES=halves)
    for name in ("byte_rows", "byte_centroids", "byte_sample")
    for halves in (0, 1)
]
modules += [
    sources.module("byte_filter", "float", HALVES=halves, KSTEPS=size, PANEL=64)
    for halves, size in ((0, 2), (0, 0), (1, 0))
]
with ThreadPoolExecutor(2) as pool:
    list(pool.map(lambda module: build.simulated(module, sanitizer), modules))
check(150, 2, 4, np.float32, True, 3)
check(250, 20, 66, np.float32, False, 7)
check_bytes(700, 40, 70, np.float32)  # the centroids stay in shared memory
check_bytes(70, 520, 34, np.float32)  # two parts of them pass through it
check_bytes(70, 300, 34, np.float32, "fp16")  # three, and sums are taken over
device = SimDevice(sanitizer=sanitizer)
assert exact_halves(device, trials=32)
launched.update(device.launches)
check_rounds(2100, 2, 4)
check_rounds(2100, 5, 4)
check_silhouettes(70, 20, 5)
check_draws(240, 2, True)
check_runs(1, 1)
if not quick:
    check_runs(3, 4)
    check_silhouettes(300, 3, 40)
    check(150, 6, 50, np.float64, True, 6)
    check(70, 260, 34, np.float64, False, 4)
    check_misaligned()
print(" ".join(sorted(launched)))
"""


@pytest.mark.parametrize("sanitizer", ["address", "thread"])
def test_kernels_are_clean(sanitizer):
    out = run_python(RUN, sanitizer, timeout=500, **build.sanitizer_environment(sanitizer))
    # Every kernel has run, that is: the check is of all of them.
    from kmeans_fast.kernels.cuda import sources

    every = {kernel for name in sources.MODULES for kernel in sources.kernels(name)}
    assert set(out.split()) == every
