"""The section "narrow": the same rows stored as float32, float16 and uint8, each read as it is."""

import numpy as np
from common import data
from common.cells import Cell, parse, sized
from common.contenders import race
from common.timing import say

from .ours import Ours, steady

TYPES = (np.float32, np.float16, np.uint8)
GRID = (Cell(10_000_000, 128, 64), Cell(100_000_000, 2, 10))
ITERATIONS, ROUNDS = 10, 3


class Stored(Ours):
    """kmeans_fast on rows of a type."""

    def __init__(self, dtype):
        super().__init__()
        self.stored, self.name = dtype, np.dtype(dtype).name

    def open(self, stand, X, n_clusters):
        super().open(stand, X.astype(self.stored), n_clusters)


def run(unit, stand, context):
    """Measure a cell.

    Returns
    -------
    dict
        "shape"; per type under "results" ms of an iteration, as `ours.steady` has them, or why there are none;
        "labels_wrong": how many labels differ from those of float32.
    """
    cell = parse(unit)
    n, d, k = sized(cell, context.dry_run)[:3]
    context.tell("data")
    X = stand.xp.clip(stand.xp.rint(24 * data.blobs(stand.xp, n, d, k) + 128), 0, 255)
    start = stand.host(X[stand.xp.asarray(data.start_rows(n, k))])
    contenders = [Stored(dtype) for dtype in TYPES]

    def prepare(contender):
        contender.iterate(start, 3)  # compiles, and plans the sums
        return lambda: contender.iterate(start, 1 + ITERATIONS)

    rounds = race(contenders, prepare, X, k, ROUNDS, stand, context, seconds=context.seconds * 0.7)
    results, labels, wrong = {}, None, 0
    for contender in contenders:
        name, values = contender.name, rounds[contender.name].values
        results[name] = {"skipped": rounds[name].skipped}
        if values:
            results[name] |= {**steady(values), "raw": [run["seconds"] for run in values]}
            say("  {}: {median:.3f} ms".format(name, **results[name]))
            found = stand.host(contender.session.labels)
            labels = found if labels is None else labels
            wrong += int((found != labels).sum())
        contender.close()
    stand.release()
    return {"cell": str(cell), "shape": [n, d, k], "labels_wrong": wrong, "results": results}
