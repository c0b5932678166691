"""The sections beside "iterations": seeding, memory, first fit, small fits."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from .cells import Cell, gaussian
from .timing import PAUSE, interleaved, say, timed

CHILD = Path(__file__).with_name("child.py")
SEEDING = (Cell(1_000_000, 16, 256, 10.0), Cell(200_000, 32, 1024, 10.0), Cell(100_000, 128, 1000, 10.0))
MEMORY = Cell(5_000_000, 16, 16)
MEMORY_WANTED = 0.20  # of X
COLD_WANTED, CACHED_WANTED = 12.0, 1.5  # seconds
SMALL = Cell(1000, 8, 8)
SMALL_WANTED = 2.0  # ms
POTENTIAL_SEEDS = 10
POTENTIAL_SHARE = 10  # the small variant has one row in so many


def seeding(cell, rounds, *, limit, budget, potential=None):
    """Greedy k-means++ of ours and of scikit-learn, whose slow runs are as many as `budget` allows (one at least).

    `potential` is None, "small" or "full": compare the mean inertia of the seeds, over ten draws, on a tenth of the
    rows or on all.
    """
    from sklearn.cluster import kmeans_plusplus

    import kmeans_fast

    say(f"seeding {cell}")
    n, d, k, wanted = cell
    X = gaussian(n, d)
    few = max(2, k // 20)  # seeds of the warm-up: enough to touch all that a run touches
    kmeans_fast.kmeans_plusplus(X, few, seed=0)  # compiles where it must
    tasks = {
        "kmeans_fast": (
            lambda: kmeans_fast.kmeans_plusplus(X, few, seed=0),
            lambda: kmeans_fast.kmeans_plusplus(X, k, seed=0),
            k / few,
        ),
        "sklearn": (
            lambda: kmeans_plusplus(X, few, random_state=0),
            lambda: kmeans_plusplus(X, k, random_state=0),
            k / few,
        ),
    }
    done = interleaved(tasks, max(3, rounds), limit=limit, budget=budget)
    result = {"cell": str(cell), "shape": [n, d, k], "wanted": wanted, "results": {}}
    for name, run in done.items():
        result["results"][name] = {"seconds": run.seconds, "skipped": run.skipped}
        say(f"  {name}: {run.best:.3f} s, best of {len(run.seconds)}" if run.seconds else f"  {name}: {run.skipped}")
    if potential:
        Y = X if potential == "full" else X[: max(k, n // POTENTIAL_SHARE)]
        ours = [_potential(Y, kmeans_fast.kmeans_plusplus(Y, k, seed=seed)[0]) for seed in range(POTENTIAL_SEEDS)]
        theirs = [_potential(Y, kmeans_plusplus(Y, k, random_state=seed)[0]) for seed in range(POTENTIAL_SEEDS)]
        result["potential"] = {"n_samples": len(Y), "kmeans_fast": ours, "sklearn": theirs}
    return result


def _potential(X, centroids):
    """What k-means++ makes small: the inertia of the seeds."""
    import kmeans_fast

    return float(kmeans_fast.assign(X, centroids)[1].sum())


def child(what, library, *sizes, environment=(), timeout=None):
    """Wall seconds of a measurement in a fresh process, from before its start to after its end, and its answer."""
    command = [sys.executable, str(CHILD), what, library, *map(str, sizes)]
    environment = {**os.environ, **dict(environment), "PYTHONPATH": os.pathsep.join(filter(None, _python_path()))}
    run = {"capture_output": True, "text": True, "check": False, "timeout": timeout}
    seconds, done = timed(lambda: subprocess.run(command, env=environment, **run))
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return seconds, json.loads(done.stdout.splitlines()[-1])  # libraries may print before


def _python_path():
    """The kmeans_fast of this process also in the child, whether installed or a checkout, and this folder's parent."""
    import kmeans_fast

    return str(Path(kmeans_fast.__file__).parents[1]), str(CHILD.parents[1]), os.environ.get("PYTHONPATH")


def memory(cell):
    """Peak memory of a fit from k-means++ seeds, three iterations, beyond X itself."""
    say(f"memory {cell}")
    results = {library: child("memory", library, *cell[:3])[1] for library in ("kmeans_fast", "sklearn")}
    return {"cell": str(cell), "wanted": MEMORY_WANTED, "results": results}


def first_fit(sizes, rounds=3):
    """Seconds from the start of a process to its end: import only, and import with a first fit.

    Cold is a first fit with an empty cache of compiled kernels (once: it is long), cached one that finds them.
    """
    say("first fit")
    result = {"sizes": list(sizes), "wanted": {"cold": COLD_WANTED, "cached": CACHED_WANTED}, "results": {}}
    for library in ("kmeans_fast", "sklearn"):
        child("import", library)  # the operating system reads the files, Python writes its .pyc
        times = {"import": [child("import", library)[0] for _ in range(rounds)]}
        with tempfile.TemporaryDirectory() as cache:
            environment = {"KMEANS_FAST_CACHE_DIR": cache}
            if library == "kmeans_fast":
                times["cold"] = [child("first-fit", library, *sizes, environment=environment)[0]]
            times["cached"] = [child("first-fit", library, *sizes, environment=environment)[0] for _ in range(rounds)]
        result["results"][library] = times
    return result


def small(cell, repeats):
    """Warm fits from given centroids with the default stopping rule.

    In blocks, not interleaved: at a millisecond a fit the other library's spinning threads would be in the way.
    """
    from sklearn.cluster import KMeans as ScikitLearn

    from kmeans_fast import KMeans

    say(f"small {cell}")
    X = gaussian(cell.n_samples, cell.n_features)
    start = X[: cell.n_clusters].copy()
    result = {"cell": str(cell), "wanted": SMALL_WANTED, "results": {}}
    for name, estimator in (("kmeans_fast", KMeans), ("sklearn", ScikitLearn)):
        model = estimator(cell.n_clusters, init=start, n_init=1, algorithm="lloyd")
        for _ in range(5):
            model.fit(X)
        time.sleep(PAUSE)
        seconds = [timed(lambda m=model: m.fit(X))[0] for _ in range(repeats)]
        result["results"][name] = {
            "seconds": seconds,
            "median": 1000 * statistics.median(seconds),
            "best": 1000 * min(seconds),
            "n_iter": int(model.n_iter_),
            "inertia": float(np.float64(model.inertia_)),
        }
    return result
