"""How good an optimum, in how much time: ten restarts (scikit-learn's and ours) and one refined run. See benchmarks/README.md.

Examples
--------
    python benchmarks/optima.py --json optima.json --markdown optima.md
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

from common.datasets import datasets, named
from common.machine import machine, versions
from common.report import table
from common.timing import say
from sklearn.cluster import KMeans as ScikitLearn

from kmeans_fast import KMeans

RESTARTS = 10
SEEDS = 3  # of the refined run: means of time and inertia
HEAD = ["data", "n, d, k", "sklearn, s", "ours", "inertia", "refined", "inertia", "one run", "inertia"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="data sets whose name holds one of these words")
    parser.add_argument(
        "--limit", type=float, default=180.0, help="seconds of scikit-learn beyond which a row is left out"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    return parser.parse_args()


def timed(estimator, X, seeds):
    """Mean seconds and mean inertia over the seeds."""
    seconds, inertia = [], []
    for seed in seeds:
        started = time.perf_counter()
        inertia.append(float(estimator(seed).fit(X).inertia_))
        seconds.append(time.perf_counter() - started)
    return {"seconds": statistics.mean(seconds), "inertia": statistics.mean(inertia)}


def measured(X, k, limit):
    """Every way to look for a good optimum, by name; a reason instead where scikit-learn would take too long."""
    KMeans(k, random_state=0, refine="breathing", max_iter=5).fit(X)  # the kernels are compiled
    one = timed(lambda seed: ScikitLearn(k, n_init=1, random_state=seed), X, range(1))
    if one["seconds"] * RESTARTS > limit:
        return {"skipped": f"scikit-learn would take {one['seconds'] * RESTARTS:.0f} s"}
    return {
        "sklearn": timed(lambda seed: ScikitLearn(k, n_init=RESTARTS, random_state=seed), X, range(1)),
        "ours": timed(lambda seed: KMeans(k, n_init=RESTARTS, random_state=seed), X, range(1)),
        "refined": timed(lambda seed: KMeans(k, random_state=seed, refine="breathing"), X, range(SEEDS)),
        "one": timed(lambda seed: KMeans(k, random_state=seed), X, range(SEEDS)),
    }


def cells(row):
    """A row of the table: scikit-learn's time over each of ours, and inertia against scikit-learn's."""
    if "skipped" in row:
        return [row["data"], row["shape"], row["skipped"], *[""] * (len(HEAD) - 3)]
    theirs = row["sklearn"]
    found = [row["data"], row["shape"], f"{theirs['seconds']:.2f}"]
    for name in ("ours", "refined", "one"):
        found.append(f"{theirs['seconds'] / row[name]['seconds']:.1f}")
        found.append(f"{row[name]['inertia'] / theirs['inertia'] - 1:+.2%}")
    return found


def main():
    options = arguments()
    rows = []
    for data in named(datasets(), options.only):
        for k in data.n_clusters:
            shape = data.shape(k)
            rows.append({"data": data.name, "shape": shape, **measured(data.X, k, options.limit)})
            say(" ".join(cells(rows[-1])))
    text = (
        f"# Better optima\n\nTen restarts of scikit-learn in seconds; how many times our time that is, for our ten restarts, for one run with "
        f'`refine="breathing"` and for one run without; and the inertia of each against scikit-learn\'s. Means of {SEEDS} seeds for the '
        f"single runs.\n\n" + table(HEAD, [cells(row) for row in rows], left=2) + "\n"
    )
    print(text)
    if options.json:
        options.json.write_text(
            json.dumps({"machine": machine(), "versions": versions(), "rows": rows}, indent=1, default=str)
        )
    if options.markdown:
        options.markdown.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
