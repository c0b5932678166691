"""Time and memory to the converged answer, ours and every peer's, from the same start and end to end. See benchmarks/README.md.

Examples
--------
    python benchmarks/convergence.py --json convergence.json --markdown convergence.md --figure convergence.png
    python benchmarks/convergence.py --from-json convergence.json --figure convergence.png
    KMEANS_FAST_EMBEDDINGS=embeddings.npy python benchmarks/convergence.py --only embeddings
"""

import argparse
import contextlib
import importlib
import json
import math
import statistics
import sys
from pathlib import Path

import numpy as np
from common import convergence_report, fits
from common.cells import exact_inertia
from common.contenders import installed
from common.datasets import datasets, named
from common.fit_memory import peaks
from common.machine import machine, versions
from common.timing import interleaved, say
from sklearn.cluster import KMeans as ScikitLearn

from kmeans_fast import KMeans

SEEDS = 5


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="data sets whose name holds one of these words")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=30.0, help="seconds beyond which a contender is left out")
    parser.add_argument("--budget", type=float, default=20.0, help="seconds that one contender may take on one row")
    parser.add_argument("--no-memory", dest="memory", action="store_false", help="measure times only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw it there (PNG, SVG or PDF)")
    parser.add_argument(
        "--from-json", type=Path, metavar="FILE", help="measure nothing: report what an earlier run wrote"
    )
    return parser.parse_args()


@contextlib.contextmanager
def without(module, name, value):
    """One technique switched off: `name` of a module of the CPU backend is `value`."""
    module = importlib.import_module(f"kmeans_fast.backends.cpu.{module}")
    kept = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, kept)


# Without bounds, every row is scored in every iteration (`kmeans_fast.kernels.cpu.assignment.hamerly`); without bytes, all scores are float32 (`byte_filter`); without boxes,
# rows of few features stay in their order, and no centroid is excluded for many of them at a time (`kd_tree_filter`); without search, rows of one feature are
# scored (`sorted_1d`); without panels, a row is scored against every centroid, however far from its own (`exponion`).
ABLATIONS = {
    "without bounds": ("hamerly", "_LEAST_GAIN", math.inf),
    "without bytes": ("assignment", "filters_by_bytes", lambda *sizes: False),
    "without boxes": ("assignment", "builds_kd_tree", lambda *sizes: False),
    "without search": ("assignment", "searches_sorted", lambda *sizes: False),
    "without panels": ("assignment", "tries_exponion", lambda *sizes: False),
}


def same_start(X, k, peers, options):
    """From the same rows to convergence; libraries without a stopping rule run as many iterations as we did."""
    start = fits.start(X, k)
    n_iter = fits.fit(fits.OURS, X, start).n_iter_

    def ours(*switched_off):
        with without(*switched_off):
            return fits.fit(fits.OURS, X, start)

    counters = [peer.name for peer in peers if peer.name in fits.COUNTERS and not peer.refuses(*X.shape, k)]
    tasks = {
        fits.OURS: lambda: fits.fit(fits.OURS, X, start),
        **{name: (lambda s=switch: ours(*s)) for name, switch in ABLATIONS.items()},
        **{
            name: (lambda n=name: fits.fit(n, X, start, n_iter))
            for name in ("sklearn lloyd", "sklearn elkan", *counters)
        },
    }
    done = interleaved(
        {name: (run, run, 1) for name, run in tasks.items()}, options.rounds, limit=options.limit, budget=options.budget
    )
    return {name: summary(run, X) for name, run in done.items()}


def memory(data, k, timed, options):
    """Peak memory of the same fits; whoever was too slow or failed is not asked again."""
    if "n_iter" not in timed[fits.OURS]:
        return {}  # nothing to compare with
    contenders = [name for name in timed if name not in ABLATIONS]
    ran = [name for name in contenders if "median" in timed[name]]
    found = peaks(ran, data, k, timed[fits.OURS]["n_iter"], 60 + 4 * options.limit)
    return {name: found.get(name, {"skipped": timed[name].get("skipped")}) for name in contenders}


def end_to_end(X, k, options):
    """Seeding and all iterations, each library with its own seeds; medians over them."""
    results = {}
    for name, estimator in (("kmeans_fast", KMeans), ("sklearn lloyd", ScikitLearn)):
        tasks = {
            seed: ((lambda: None), (lambda s=seed, e=estimator: e(k, n_init=1, random_state=s).fit(X)), 1)
            for seed in range(SEEDS)
        }
        done = interleaved(tasks, 1, limit=options.limit * 4, budget=options.budget * 4)
        runs = [summary(run, X) for run in done.values()]
        failed = [run for run in runs if "skipped" in run]
        if failed:
            results[name] = failed[0]
            continue
        results[name] = {
            "median": statistics.median(run["median"] for run in runs),
            "inertia": statistics.mean(run["inertia"] for run in runs),
        }
    return results


def summary(run, X):
    """Seconds, iterations and exact inertia of one contender."""
    if not run.seconds:
        return {"skipped": run.skipped}
    result = run.result
    centroids = getattr(result, "cluster_centers_", None)
    centroids = result.centroids if centroids is None else centroids
    iterations = getattr(result, "n_iter_", None) or result.n_iter
    return {
        "best": run.best,
        "median": run.median,
        "n_iter": int(iterations),
        "inertia": exact_inertia(X, np.ascontiguousarray(centroids, X.dtype)),
    }


def measured(options):
    """A report of every data set that is asked for."""
    peers, absent = installed()
    rows = []
    for data in named(datasets(), options.only):
        for k in data.n_clusters:
            shape = data.shape(k)
            say(f"{data.name} {shape}")
            row = {"data": data.name, "shape": shape, "same_start": same_start(data.X, k, peers, options)}
            times = {name: f"{run['median']:.3f}" for name, run in row["same_start"].items() if "median" in run}
            say(f"  {times}")
            row["end_to_end"] = end_to_end(data.X, k, options)
            if options.memory:
                row["memory"] = memory(data.name, k, row["same_start"], options)
            rows.append(row)
    return {"machine": machine(), "versions": versions(), "absent": absent, "rows": rows}


def main():
    options = arguments()
    if options.figure:
        from common import convergence_figure  # needs matplotlib: better missed now than after the measuring
    report = json.loads(options.from_json.read_text()) if options.from_json else measured(options)
    if not report["rows"]:
        sys.exit("No data set has a name like that.")
    if options.json and not options.from_json:
        options.json.write_text(json.dumps(report, indent=1, default=str))
    text = convergence_report.markdown(report["rows"])
    print(text)
    if options.markdown:
        options.markdown.write_text(text)
    if options.figure:
        convergence_figure.draw(options.figure, report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
