"""Every CUDA kernel once on next to no data, the answers checked: what compute-sanitizer runs.

``python sanitized.py cuda|cuda-sim``.

Nothing but CuPy is imported with it, and CuPy's memory pool is off: the sanitizer then knows where each array ends.
"""

import contextlib
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
CASES = (  # n, d, k, dtype, weighted, iterations, and the scorer and its operand where those planned are not meant
    (150, 2, 4, "float32", True, 3),
    (300, 3, 5, "float64", False, 3),
    (250, 20, 66, "float32", False, 6),
    (150, 6, 50, "float64", True, 4),
    (70, 260, 34, "float64", False, 3),
    (200, 33, 200, "float32", True, 3),
    (150, 40, 70, "float32", False, 4, "bytes"),
    (70, 260, 34, "float64", True, 3, "bytes"),
    (70, 300, 34, "float32", True, 3, "bytes", "fp16"),
)


def device(backend, *, pooled=False):
    """The device of a backend, and the names of the kernels that are launched on it as they come."""
    if backend == "cuda":
        if not pooled:
            import cupy

            cupy.cuda.set_allocator(None)
            cupy.cuda.set_pinned_memory_allocator(None)
        from kmeans_fast.backends.cuda.cupy_device import CupyDevice

        opened = CupyDevice(0)
    else:
        from simulator.device import SimDevice

        opened = SimDevice()
    launched, prepare = set(), opened.prepare

    def noted(module, kernel, *arguments):
        launched.add(kernel)
        return prepare(module, kernel, *arguments)

    opened.prepare = noted
    return opened, launched


def checked(case, opened):
    """Check a case of CASES."""
    from kmeans_fast.backends.cuda.accumulators import exact_halves
    from kmeans_fast.backends.cuda.scorers import use_scorer
    from kmeans_fast.backends.cuda.scorers.operands import use_operand

    problem, forced = case[:6], case[6:]
    with contextlib.ExitStack() as stack:
        for force, name in zip((use_scorer, use_operand), forced):
            stack.enter_context(force(name))
        if len(forced) == 2:
            assert exact_halves(opened)
        check(*problem, opened)


def check(n, d, k, dtype, weighted, iterations, opened):
    """Seeding in every way, iterations with an empty cluster, inertia, distances: all equal to the reference."""
    from kmeans_fast import reference
    from kmeans_fast.backends.cuda.session import CudaSession
    from kmeans_fast.engine.lloyd import lloyd
    from kmeans_fast.engine.parts import Parts
    from kmeans_fast.engine.seeding import kmeans_parallel, kmeans_plusplus, random_rows

    rng = np.random.default_rng(n)
    X = rng.normal(size=(n, d)).astype(dtype)
    X[n // 2 :: 7] = X[0]
    weights = rng.integers(0, 3, n).astype(float) if weighted else None
    session = CudaSession(opened, X, weights, k, on_host=True)
    session.reset()
    seeds = min(k, 5)
    same = np.testing.assert_array_equal
    for rows in (session, Parts([session])):  # on the device alone, and by way of the host
        same(kmeans_plusplus(rows, seeds, 1, 0), reference.kmeans_plusplus(X, weights, seeds, 1))
        same(random_rows(rows, 3, 1, 0), reference.random_rows(X, weights, 3, 1))
    parallel = kmeans_parallel(
        session, 3, 1, 0, lambda rows, shares: CudaSession(opened, rows, shares, 3, on_host=True)
    )
    same(parallel, reference.kmeans_parallel(X, weights, 3, 1))
    start = X[np.arange(k) % n]
    start[1] = start[0]  # a cluster that comes out empty
    found = lloyd(session, start, max_iter=iterations, threshold=0.0)
    expected = reference.lloyd(X, weights, start, iterations, 0.0)
    same(found.labels, expected.labels)
    same(found.centroids, expected.centroids)
    assert found.inertia == expected.inertia
    assert any(step.empty for step in found.history)
    assert session.mean_variance() == reference.mean_variance(X)
    distances = np.sqrt(reference.squared_distances(X, found.centroids)).astype(dtype)
    same(session.distances(found.centroids), distances)
    same(session.own_distances(found.centroids), reference.own_distances(X, found.centroids, found.labels))


def check_problems(opened):
    """Seeds and runs of several problems side by side."""
    from kmeans_fast import reference
    from kmeans_fast.backends.cuda.problems import CudaProblems

    X = np.random.default_rng(5).normal(size=(2, 150, 6)).astype(np.float32)
    k, of = 5, np.arange(2)
    problems = CudaProblems(opened, X, None, k, on_host=True)
    words = np.stack([reference.draws(1, 0, (k, reference.n_trials(k)))] * 2)
    seeds = problems.seeds(words, of)
    found = problems.lloyd(problems.rows(seeds, of), np.zeros(2), of, 4, True)
    for number in of:
        np.testing.assert_array_equal(seeds[number], reference.kmeans_plusplus(X[number], None, k, 1))
        expected = reference.lloyd(X[number], None, X[number][seeds[number]], 4, 0.0)
        np.testing.assert_array_equal(found.labels[number], expected.labels)
        np.testing.assert_array_equal(found.centroids[number], expected.centroids)


def check_few_of_many(opened):
    """A few rows drawn from many, and silhouettes of them."""
    from kmeans_fast import reference
    from kmeans_fast.backends.cuda.session import CudaSession
    from kmeans_fast.backends.silhouettes import silhouettes

    X = np.random.default_rng(6).normal(size=(12_000, 2)).astype(np.float32)
    words = reference.draws(1, 2**63, (20,))
    drawn = CudaSession(opened, X, None, 2, on_host=True).oversampler().draw(words)
    np.testing.assert_array_equal(drawn, reference.sample(X, None, 20, 1)[0])
    few, labels = X[:90], np.arange(90) % 3
    found = CudaSession(opened, few, None, 2, on_host=True).silhouette(labels, 3)
    np.testing.assert_array_equal(found, silhouettes(few, labels, 3))


def main():
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    opened, launched = device(sys.argv[1])
    from kmeans_fast.kernels.cuda import sources

    for case in CASES:
        checked(case, opened)
        print(f"{case}: as the reference", flush=True)
    for check_others in (check_problems, check_few_of_many):
        check_others(opened)
        print(f"{check_others.__doc__} As the reference.", flush=True)
    every = {kernel for name in sources.MODULES for kernel in sources.kernels(name)}
    print(f"{len(launched)} kernels ran; not run: {', '.join(sorted(every - launched)) or 'none'}")
    if every - launched:
        sys.exit(3)


if __name__ == "__main__":
    main()
