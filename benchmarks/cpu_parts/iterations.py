"""The section "iterations": ten Lloyd iterations from the same start, ours and every peer; the answers are checked."""

import numpy as np
from common.cells import Cell, parse, sized
from common.contenders import race
from common.data import exact_inertia, normal, some_rows, true_labels
from common.timing import PAUSE, affordable, say

from .contenders import CONTENDERS, OURS

ITERATIONS = 10
SAMPLE = 500  # rows checked against brute force
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


def run(unit, stand, context):
    """Run one cell.

    Returns
    -------
    dict
        "cell", "wanted", "labels_checked", "labels_wrong", and per contender under "results": "seconds" (raw, of every
        run), "n_iter", "best" and "median" in ms per iteration, "inertia_difference" relative to ours, "skipped".
    """
    cell = parse(unit)
    wanted = next((known.wanted for known in GRID if known.key == unit), None)
    cell = sized(cell, context.dry_run)
    n, d, k = cell[:3]
    X = normal(n, d)
    start = X[:k].copy()  # rows are independent, so the first ones are as random as any
    options = context.options

    def prepare(contender):
        if contender.name == OURS:
            contender.run(start, 1)  # compiles where it must
        # Half as long as so many iterations: a fit of one has the fixed costs of a fit of ten.
        few, many = (lambda: contender.run(start, 1)), (lambda: contender.run(start, ITERATIONS))
        return affordable(few, many, scale=ITERATIONS / 2, limit=options["limit"])

    limits = {"limit": options["limit"], "budget": options["budget"], "pause": PAUSE}
    done = race(CONTENDERS.values(), prepare, X, k, options["rounds"], stand, context, **limits)
    if not done[OURS].values:
        raise RuntimeError(f"kmeans_fast did not run {cell}: {done[OURS].skipped}")
    fitted = done[OURS].result
    rows = some_rows(n, SAMPLE)
    wrong = int((true_labels(np, X[rows], fitted.centroids) != fitted.labels[rows]).sum())
    inertia, results = exact_inertia(X, fitted.centroids), {}
    for name, found in done.items():
        results[name] = {"seconds": found.seconds, "skipped": found.skipped}
        if found.values:
            per_iteration = 1000 / found.result.n_iter
            results[name] |= {
                "n_iter": found.result.n_iter,
                "best": found.best * per_iteration,
                "median": found.median * per_iteration,
                "inertia_difference": exact_inertia(X, found.result.centroids) / inertia - 1,
            }
            say(f"  {name}: {results[name]['median']:.2f} ms/iteration, {len(found.values)} rounds")
    checked = {"labels_checked": len(rows), "labels_wrong": wrong, "inertia": inertia}
    return {"cell": str(cell), "shape": [n, d, k], "wanted": wanted, **checked, "results": results}
