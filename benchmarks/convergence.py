"""Time to the converged answer, ours and every peer's, from the same start and end to end. See benchmarks/README.md.

Examples
--------
    python benchmarks/convergence.py --json convergence.json --markdown convergence.md
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
from common.cells import exact_inertia
from common.contenders import installed
from common.datasets import datasets
from common.machine import machine, versions
from common.timing import interleaved, say
from sklearn.cluster import KMeans as ScikitLearn

from kmeans_fast import KMeans

MOST_ITERATIONS = 300
SEEDS = 5
ITERATION_COUNTERS = ("sklearnex", "faiss", "superkmeans")  # run for a given number of iterations


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="data sets whose name holds one of these words")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=30.0, help="seconds beyond which a contender is left out")
    parser.add_argument("--budget", type=float, default=20.0, help="seconds that one contender may take on one row")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
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


# Without bounds, every row is scored in every iteration (`kmeans_fast.kernels.cpu.gate`); without bytes, all scores are float32 (`byte_filter`); without search, rows of one feature
# are scored (`line`).
ABLATIONS = {
    "without bounds": ("gate", "_LEAST_GAIN", math.inf),
    "without bytes": ("session", "filters_by_bytes", lambda *sizes: False),
    "without search": ("session", "searches_a_line", lambda *sizes: False),
}


def same_start(X, k, peers, options):
    """From the same rows to convergence; libraries without a stopping rule run as many iterations as we did."""
    start = X[np.random.default_rng(k).choice(len(X), k, replace=False)].copy()
    common = {"init": start, "n_init": 1, "max_iter": MOST_ITERATIONS}
    n_iter = KMeans(k, **common).fit(X).n_iter_

    def ours(*switched_off):
        with without(*switched_off) if switched_off else contextlib.nullcontext():
            return KMeans(k, **common).fit(X)

    tasks = {
        "kmeans_fast": ours,
        **{name: (lambda s=switch: ours(*s)) for name, switch in ABLATIONS.items()},
        "sklearn lloyd": lambda: ScikitLearn(k, algorithm="lloyd", **common).fit(X),
        "sklearn elkan": lambda: ScikitLearn(k, algorithm="elkan", **common).fit(X),
    }
    for peer in peers:
        if peer.name in ITERATION_COUNTERS and not peer.refuses(*X.shape, k):
            tasks[peer.name] = lambda p=peer: p.fit(X, start, n_iter)
    done = interleaved(
        {name: (run, run, 1) for name, run in tasks.items()}, options.rounds, limit=options.limit, budget=options.budget
    )
    return {name: summary(run, X) for name, run in done.items()}


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


def table(rows):
    """Markdown: peers' times over ours, from the same start and end to end."""
    names = [name for name in rows[0]["same_start"] if name != "kmeans_fast"]
    head = [
        "data",
        "n, d, k",
        "ours, ms",
        "iterations",
        *names,
        "inertia of superkmeans",
        "end to end, ms",
        "sklearn",
        "inertia",
    ]
    lines = ["| " + " | ".join(head) + " |", "| --- | --- |" + " ---: |" * (len(head) - 2)]
    for row in rows:
        ours, ends = row["same_start"]["kmeans_fast"], row["end_to_end"]
        cells = [row["data"], row["shape"], f"{ours['median'] * 1e3:.1f}", str(ours["n_iter"])]
        for name in names:
            other = row["same_start"].get(name, {"skipped": ""})
            cells.append("-" if "skipped" in other else f"{other['median'] / ours['median']:.2f}")
        approximate = row["same_start"].get("superkmeans", {})
        cells.append(f"{approximate['inertia'] / ours['inertia'] - 1:+.1%}" if "inertia" in approximate else "-")
        mine, theirs = ends["kmeans_fast"], ends["sklearn lloyd"]
        cells += [f"{mine['median'] * 1e3:.1f}", f"{theirs['median'] / mine['median']:.2f}"]
        cells.append(f"{mine['inertia'] / theirs['inertia'] - 1:+.2%}")
        lines.append("| " + " | ".join(cells) + " |")
    ratios = {
        name: [
            row["same_start"][name]["median"] / row["same_start"]["kmeans_fast"]["median"]
            for row in rows
            if "median" in row["same_start"].get(name, {})
        ]
        for name in names
    }
    means = [f"{name} {statistics.geometric_mean(found):.2f}" for name, found in ratios.items() if found]
    ends = [row["end_to_end"]["sklearn lloyd"]["median"] / row["end_to_end"]["kmeans_fast"]["median"] for row in rows]
    lines += [
        "",
        f"Geometric means from the same start: {', '.join(means)}; end to end: sklearn {statistics.geometric_mean(ends):.2f}.",
    ]
    return "\n".join(lines)


def main():
    options = arguments()
    peers, absent = installed()
    rows = []
    for data in datasets():
        if options.only and not any(word in data.name for word in options.only):
            continue
        for k in data.n_clusters:
            shape = f"({len(data.X):,}, {data.X.shape[1]}, {k})"
            say(f"{data.name} {shape}")
            rows.append(
                {
                    "data": data.name,
                    "shape": shape,
                    "same_start": same_start(data.X, k, peers, options),
                    "end_to_end": end_to_end(data.X, k, options),
                }
            )
            times = {name: f"{run['median']:.3f}" for name, run in rows[-1]["same_start"].items() if "median" in run}
            say(f"  {times}")
    report = {"machine": machine(), "versions": versions(), "absent": absent, "rows": rows}
    text = (
        "# To convergence\n\nPeers' time over ours (medians), tolerance 1e-4; libraries without a stopping rule run as many iterations as we do.\n\n"
        + table(rows)
        + "\n"
    )
    print(text)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1, default=str))
    if options.markdown:
        options.markdown.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
