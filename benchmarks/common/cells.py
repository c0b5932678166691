"""The section "iterations": ten Lloyd iterations from the same start, ours and every peer; the answers are checked."""

from typing import NamedTuple

import numpy as np

from .contenders import Ours
from .timing import interleaved, say

ITERATIONS = 10
SEED = 20261123
SAMPLE = 500  # rows checked against brute force


class Cell(NamedTuple):
    """One shape, and the ratio scikit-learn (lloyd) / ours asked for on a quiet machine; None if nobody asked."""

    n_samples: int
    n_features: int
    n_clusters: int
    wanted: float | None = None

    def __str__(self):
        return f"({_short(self.n_samples)}, {self.n_features}, {self.n_clusters})"


GRID = (
    Cell(1_000_000, 2, 10, 3.5),
    Cell(1_000_000, 3, 16, 2.5),
    Cell(1_000_000, 8, 50, 2.0),
    Cell(1_000_000, 16, 256, 2.2),
    Cell(200_000, 32, 1024, 2.5),
    Cell(200_000, 128, 256, 1.6),
    Cell(100_000, 128, 1000, 1.4),
    Cell(50_000, 768, 500, 1.25),
)


def _short(number):
    for unit, letter in ((10**6, "M"), (10**3, "k")):
        if number >= unit and number % unit == 0:
            return f"{number // unit}{letter}"
    return str(number)


def _number(text):
    unit = {"M": 10**6, "k": 10**3}.get(text[-1:], 1)
    return int(text.rstrip("Mk")) * unit


def parse(text):
    """A cell from "1M,16,256"; with its wanted ratio if it is of the grid."""
    cell = Cell(*map(_number, text.split(",")))
    return next((known for known in GRID if known[:3] == cell[:3]), cell)


def tiny(cell):
    """The same cell small enough to be over in milliseconds: to try the benchmark itself."""
    n_samples = max(1000, cell.n_samples // 500)
    return cell._replace(n_samples=n_samples, n_clusters=min(cell.n_clusters, n_samples // 50))


def gaussian(n_samples, n_features, seed=SEED):
    """Standard normal float32 rows: no clusters to be found, so no contender converges early."""
    return np.random.default_rng(seed).standard_normal((n_samples, n_features), dtype=np.float32)


def brute_force_labels(X, centroids):
    """The nearest centroid of every row in float64, coordinate by coordinate; the lowest among equals."""
    X, centroids = X.astype(np.float64), centroids.astype(np.float64)
    squared = np.zeros((len(X), len(centroids)))
    for x, c in zip(X.T, centroids.T, strict=True):
        difference = x[:, None] - c
        squared += difference * difference
    return squared.argmin(axis=1)


def exact_inertia(X, centroids):
    """In float64, of the rows' nearest centroids: the same yardstick for every library."""
    import kmeans_fast

    return float(kmeans_fast.assign(X, centroids)[1].sum())


def measure(cell, peers, rounds, *, limit, budget):
    """Run one cell.

    Returns
    -------
    dict
        "cell", "wanted", "labels_checked", "labels_wrong", and per contender under "results": "seconds" (raw, of every
        run), "n_iter", "best" and "median" in ms per iteration, "inertia_difference" relative to ours, "skipped".
    """
    say(f"iterations {cell}")
    n, d, k, wanted = cell
    X = gaussian(n, d)
    start = X[:k].copy()  # rows are independent, so the first ones are as random as any
    ours = Ours()
    ours.load()
    ours.fit(X, start, 1)  # compiles where it must; the warm-up of all contenders below is also an estimate of time
    tasks, refused = {}, {}
    for contender in (ours, *peers):
        refused[contender.name] = contender.refuses(n, d, k)
        if not refused[contender.name]:
            tasks[contender.name] = (
                lambda c=contender: c.fit(X, start, 1),
                lambda c=contender: c.fit(X, start, ITERATIONS),
                ITERATIONS / 2,  # not ITERATIONS: a fit of one has the fixed costs of a fit of ten
            )
    done = interleaved(tasks, rounds, limit=limit, budget=budget)
    if not done[ours.name].seconds:
        raise RuntimeError(f"kmeans_fast did not run {cell}: {done[ours.name].skipped}")
    fitted = done[ours.name].result
    rows = np.random.default_rng(SEED).choice(n, min(n, SAMPLE), replace=False)
    wrong = int((brute_force_labels(X[rows], fitted.centroids) != fitted.labels[rows]).sum())
    inertia = exact_inertia(X, fitted.centroids)
    results = {name: {"seconds": [], "skipped": reason} for name, reason in refused.items() if reason}
    for name, run in done.items():
        results[name] = {"seconds": run.seconds, "skipped": run.skipped}
        if run.seconds:
            per_iteration = 1000 / run.result.n_iter
            results[name] |= {
                "n_iter": run.result.n_iter,
                "best": run.best * per_iteration,
                "median": run.median * per_iteration,
                "inertia_difference": exact_inertia(X, run.result.centroids) / inertia - 1,
            }
            say(f"  {name}: {results[name]['median']:.2f} ms/iteration, {len(run.seconds)} rounds")
        else:
            say(f"  {name}: {run.skipped}")
    return {
        "cell": str(cell),
        "shape": [n, d, k],
        "wanted": wanted,
        "labels_checked": len(rows),
        "labels_wrong": wrong,
        "inertia": inertia,
        "results": results,
    }
