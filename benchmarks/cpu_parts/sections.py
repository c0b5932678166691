"""The sections of peers.py: iterations, seeding, memory, first fit, small fits."""

import functools
import statistics
import tempfile
import time

from common.cells import Cell, keys, parse, sized
from common.data import exact_inertia, normal
from common.jobs import Section
from common.processes import child
from common.timing import PAUSE, affordable, interleaved, say, timed

from . import iterations

SEEDING = (Cell(1_000_000, 16, 256, 10.0), Cell(200_000, 32, 1024, 10.0), Cell(100_000, 128, 1000, 10.0))
MEMORY = Cell(5_000_000, 16, 16)
MEMORY_WANTED = 0.20  # of X
FIRST = Cell(100_000, 16, 8)
COLD_WANTED, CACHED_WANTED = 1.5, 1.5  # seconds
SMALL = Cell(1000, 8, 8)
SMALL_WANTED = 2.0  # ms
LIBRARIES = ("kmeans_fast", "sklearn")
POTENTIAL_SEEDS = 10
POTENTIAL_SHARE = 10  # the small variant has one row in so many


def _seeding_units(options):
    shapes = {cell[:3] for cell in options["cells"] or SEEDING}
    return [cell.key for cell in SEEDING if cell[:3] in shapes]


def _seeding(unit, stand, context):
    """Greedy k-means++ of ours and of scikit-learn, whose slow runs are as many as `budget` allows (one at least).

    The option "potential" is None, "small" or "full": compare the mean inertia of the seeds, over ten draws, on a tenth
    of the rows or on all.
    """
    from sklearn.cluster import kmeans_plusplus

    import kmeans_fast

    wanted = next(cell.wanted for cell in SEEDING if cell.key == unit)
    cell, options = sized(parse(unit), context.dry_run), context.options
    n, d, k = cell[:3]
    X = normal(n, d)
    few = max(2, k // 20)  # seeds of the warm-up: enough to touch all that a run touches
    draws = {
        "kmeans_fast": lambda X, k, seed: kmeans_fast.kmeans_plusplus(X, k, seed=seed)[0],
        "sklearn": lambda X, k, seed: kmeans_plusplus(X, k, random_state=seed)[0],
    }

    def task(draw):
        draw(X, few, 0)  # compiles where it must
        return affordable(lambda: draw(X, few, 0), lambda: draw(X, k, 0), scale=k / few, limit=options["limit"])

    tasks = {name: functools.partial(task, draw) for name, draw in draws.items()}
    rounds = max(3, options["rounds"])
    done = interleaved(tasks, rounds, stand, context, limit=options["limit"], budget=options["budget"], pause=PAUSE)
    result = {"cell": str(cell), "shape": [n, d, k], "wanted": wanted, "results": {}}
    for name, run in done.items():
        result["results"][name] = {"seconds": run.seconds, "skipped": run.skipped}
        say(f"  {name}: {run.best:.3f} s, best of {len(run.values)}" if run.values else f"  {name}: {run.skipped}")
    if options["potential"]:
        Y = X if options["potential"] == "full" else X[: max(k, n // POTENTIAL_SHARE)]
        result["potential"] = {"n_samples": len(Y)}
        for name, draw in draws.items():
            context.tell(f"{name}, potential")
            result["potential"][name] = [exact_inertia(Y, draw(Y, k, seed)) for seed in range(POTENTIAL_SEEDS)]
    return result


def _memory(unit, stand, context):
    """Peak memory of a fit from k-means++ seeds, three iterations, beyond X itself."""
    cell, results = sized(MEMORY, context.dry_run), {}
    for library in LIBRARIES:
        context.tell(library)
        results[library] = child("memory", library, *cell[:3])[1]
    return {"cell": str(cell), "wanted": MEMORY_WANTED, "results": results}


def _first_fit(unit, stand, context, rounds=3):
    """Seconds from the start of a process to its end: import only, and import with a first fit.

    Cold is a first fit with an empty cache of compiled kernels (once: the next one fills the cache), cached one that
    finds them. In both nobody waits for kernels, as a user meets it: NumPy may answer.
    """
    sizes = sized(FIRST, context.dry_run)[:2]
    result = {"sizes": sizes, "wanted": {"cold": COLD_WANTED, "cached": CACHED_WANTED}, "results": {}}
    for library in LIBRARIES:

        def seconds(what, *sizes, library=library, **variables):
            context.tell(f"{library}, {what}")
            return child(what, library, *sizes, **variables)[0]

        seconds("import")  # the operating system reads the files, Python writes its .pyc
        times = {"import": [seconds("import") for _ in range(rounds)]}
        with tempfile.TemporaryDirectory() as cache:
            as_met = {"KMEANS_FAST_CACHE_DIR": cache, "KMEANS_FAST_WAIT": ""}
            if library == "kmeans_fast":
                times["cold"] = [seconds("first-fit", *sizes, **as_met)]
                seconds("first-fit", *sizes, KMEANS_FAST_CACHE_DIR=cache)  # fills it
            times["cached"] = [seconds("first-fit", *sizes, **as_met) for _ in range(rounds)]
        result["results"][library] = times
    return result


def _small(unit, stand, context):
    """Warm fits from given centroids with the default stopping rule.

    In blocks, not interleaved: at a millisecond a fit the other library's spinning threads would be in the way.
    """
    from sklearn.cluster import KMeans as ScikitLearn

    from kmeans_fast import KMeans

    X, repeats = normal(SMALL.n_samples, SMALL.n_features), 20 if context.dry_run else 200
    start = X[: SMALL.n_clusters].copy()
    result = {"cell": str(SMALL), "wanted": SMALL_WANTED, "results": {}}
    for name, estimator in zip(LIBRARIES, (KMeans, ScikitLearn), strict=True):
        context.tell(name)
        model = estimator(SMALL.n_clusters, init=start, n_init=1, algorithm="lloyd")
        for _ in range(5):
            model.fit(X)
        time.sleep(PAUSE)
        seconds = [timed(lambda m=model: m.fit(X))[0] for _ in range(repeats)]
        times = {"seconds": seconds, "median": 1000 * statistics.median(seconds), "best": 1000 * min(seconds)}
        result["results"][name] = {**times, "n_iter": int(model.n_iter_), "inertia": float(model.inertia_)}
    return result


def _alone(run):
    """A section of one unit."""
    return Section(lambda options: ["all"], run)


SECTIONS = {
    "iterations": Section(keys(iterations.GRID), iterations.run),
    "seeding": Section(_seeding_units, _seeding),
    "memory": _alone(_memory),
    "first-fit": _alone(_first_fit),
    "small": _alone(_small),
}
