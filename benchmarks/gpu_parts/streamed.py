"""The section "streamed": rows on the host, all of them on the GPU or, where it may hold fewer, some brought there."""

import statistics
import time

import numpy as np
from common import data
from common.cells import Cell, parse, sized
from common.timing import guarded, say

GRID = (Cell(10_000_000, 128, 64), Cell(20_000_000, 16, 256))
SHARES = (1.0, 0.7, 0.4)  # of the memory that all rows take
ITERATIONS = 4


def _measured(stand, X, start, room):
    """Seconds of each iteration but the first, the share of the rows that is brought, and the labels."""
    from kmeans_fast.arrays import Data
    from kmeans_fast.backends.cuda.sharing import with_room
    from kmeans_fast.engine.opening import open_data
    from kmeans_fast.engine.rereading import RereadPart

    with with_room(room):
        session = open_data(Data(X), len(start)).session
    session.reset()
    seconds, centroids = [], start
    for _ in range(1 + ITERATIONS):
        stand.wait()
        begin = time.perf_counter()
        centroids = session.iterate(centroids).read().centroids
        stand.wait()
        seconds.append(time.perf_counter() - begin)
    brought = sum(part.shape[0] for part in session.parts if isinstance(part, RereadPart)) / len(X)
    return seconds[1:], brought, session.labels


def run(unit, stand, context):
    """Measure a cell.

    Returns
    -------
    dict
        "shape"; per share of the memory under "results" the median ms of an iteration, the share of the rows that is
        "brought" and the "rate" of that in GB/s, or why there is nothing; "labels_wrong": labels unlike those of rows
        that all stay.
    """
    from kmeans_fast import backends
    from kmeans_fast.backends.protocol import Problem

    cell = parse(unit)
    n, d, k = sized(cell, context.dry_run)[:3]
    n *= 10 if context.dry_run else 1  # a chunk has some hundred rows at least
    context.tell("data")
    X = stand.host(data.blobs(stand.xp, n, d, k))
    stand.release()
    start, results, expected, wrong = X[data.start_rows(n, k)], {}, None, 0
    with stand.forced():
        problem = Problem(n, d, k, X.dtype)
        full = 1.1 * (backends.select(problem).plan(problem, None).workspace_bytes + problem.data_bytes)
        for share in SHARES:
            context.tell(f"{share:.0%}", context.seconds / len(SHARES))
            found, reason = guarded(stand, _measured, stand, X, start, share * full)
            results[f"{share:.0%}"] = {"skipped": reason}
            if found:
                seconds, brought, labels = found
                expected = labels if expected is None else expected
                wrong += int(np.count_nonzero(labels != expected))
                middle = statistics.median(seconds)
                one = {"median": 1e3 * middle, "raw": seconds, "brought": brought}
                results[f"{share:.0%}"] |= {**one, "rate": 1e-9 * brought * X.nbytes / middle}
                say(f"  room for {share:.0%}: {1e3 * middle:.3f} ms, {brought:.0%} of the rows brought")
            stand.release()
    return {"cell": str(cell), "shape": [n, d, k], "labels_wrong": wrong, "results": results}
