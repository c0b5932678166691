"""Metrics beside scikit-learn's: times in turns, and silhouettes checked against exact sums. See benchmarks/README.md.

Examples
--------
    python benchmarks/metrics.py --markdown metrics.md
    python benchmarks/metrics.py --rows 20k,16,10 --rounds 1
"""

import argparse
import math
import sys
from pathlib import Path

import numpy as np
import sklearn.metrics
from common import cells, machine, report
from common.journal import write_whole
from common.timing import Rounds, say, timed

from kmeans_fast import kmeans, metrics

SAMPLED = 20  # rows whose silhouettes are checked
ALLOWED = 1e-10
CAPTION = (
    "Seconds of scikit-learn and of kmeans_fast, medians of {rounds} in turns, and how many times ours that is; rows "
    "are float64, labels those of k-means. For silhouettes the largest difference to sums of exact distances, of "
    f"{SAMPLED} rows; for scores the relative difference to scikit-learn's. It has no simplified silhouette."
)
HEAD = ["score", "n, d, k", "sklearn, s", "ours, s", "times", "difference"]


def silhouettes_of(X, labels, numbers):
    """Silhouettes of some rows: exact sums of distances in float64."""
    found, sizes = [], np.bincount(labels)
    for i in numbers:
        distances = np.sqrt(((X - X[i]) ** 2).sum(axis=1))
        means = np.array([math.fsum(distances[labels == c]) for c in range(len(sizes))])
        a = means[labels[i]] / (sizes[labels[i]] - 1)
        b = (np.delete(means, labels[i]) / np.delete(sizes, labels[i])).min()
        found.append((b - a) / max(a, b))
    return np.array(found)


def measured(name, X, labels, theirs, rounds):
    """Rounds of theirs (None: not measured) and of ours."""
    ours, other = Rounds(), Rounds()
    getattr(metrics, name)(X[:2000], labels[:2000])  # the kernels are compiled
    for _ in range(rounds):
        if theirs:
            other.values.append(timed(lambda: theirs(X, labels)))
        ours.values.append(timed(lambda: getattr(metrics, name)(X, labels)))
    return other, ours


def rows_of(cell, limit, rounds):
    """The rows of the table for one shape."""
    n, d, k = cell[:3]
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d)) + 3 * rng.integers(0, 3, (n, 1)) + 10.0
    labels = np.asarray(kmeans(X, k, seed=0, max_iter=20).labels)
    some = np.linspace(0, n - 1, SAMPLED).astype(int)
    for name in (
        "silhouette_samples", "simplified_silhouette", "calinski_harabasz_score", "davies_bouldin_score",
    ):  # fmt: skip
        pairs = name == "silhouette_samples"
        if pairs and n > limit:
            continue
        theirs, ours = measured(name, X, labels, getattr(sklearn.metrics, name, None), rounds)
        difference = ""
        if pairs:
            difference = float(np.abs(ours.result[some] - silhouettes_of(X, labels, some)).max())
        elif theirs.values:
            difference = abs(ours.result / theirs.result - 1)
        seconds, times = ("-", "-")
        if theirs.values:
            seconds, times = f"{theirs.median:.3f}", f"{theirs.median / ours.median:.1f}"
        say(f"{name} {cell}: {seconds} {ours.median:.3f} {difference}")
        if pairs and difference > ALLOWED:
            raise SystemExit(f"{name} {cell} is off by {difference}: more than {ALLOWED}.")
        shown = f"{difference:.0e}" if difference != "" else "-"
        yield [name, str(cell), seconds, f"{ours.median:.3f}", times, shown]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", default=["20k,16,10", "100k,16,10", "1M,16,10"], help="n,d,k")
    parser.add_argument("--limit", type=int, default=100_000, help="rows beyond which pairs of them are not looked at")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    rows = [row for text in options.rows for row in rows_of(cells.parse(text), options.limit, options.rounds)]
    caption = CAPTION.format(rounds=options.rounds)
    text = report.page("# Metrics", caption, report.table(HEAD, rows, left=2), report.versions(machine.versions()))
    print(text)
    if options.markdown:
        write_whole(options.markdown, text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
