"""Where to start: whole fits from each kind of seeds, their time and their inertia. See benchmarks/README.md.

Examples
--------
    python benchmarks/starts.py --json starts.json --markdown starts.md
"""

import functools
import statistics
import sys
import time

import numpy as np
from common import runs
from common.datasets import DATASETS, Dataset
from common.timing import say

from kmeans_fast import KMeans
from kmeans_fast.engine.seeding import auto_start

SAMPLED = (20, 64, 256)  # rows a cluster that `init_size` leaves
WAYS = ("auto", *(f"{rows} a cluster" for rows in SAMPLED), "k-means||", "random")
HEAD = ["data", "n, d, k", "all rows, s"]
HEAD += [title for way in WAYS for title in (way.replace("|", r"\|"), "inertia")]


@functools.cache
def _further():
    """All by name: one stream of random numbers makes them."""
    rng = np.random.default_rng(7)
    centers = rng.standard_normal((3000, 64))
    many = centers[rng.integers(0, 3000, 200_000)] + 0.5 * rng.standard_normal((200_000, 64))
    rows = 2 * rng.standard_normal((256, 16))[rng.integers(0, 256, 1_000_000)] + rng.standard_normal((1_000_000, 16))
    share = np.minimum(rng.zipf(1.3, 200), 10_000).astype(float)
    unequal = 6 * rng.standard_normal((200, 8))[rng.choice(200, 500_000, p=share / share.sum())]
    unequal += rng.standard_normal(unequal.shape)
    return many, rows, unequal


# What the other data sets lack: thousands of clusters that are there, many rows, very unequal clusters.
FURTHER = (
    Dataset("many clusters", lambda: _further()[0], (2000,)),
    Dataset("many rows", lambda: _further()[1], (64, 256)),
    Dataset("unequal clusters", lambda: _further()[2], (100, 200)),
)


def ways(n, k):
    """Estimators by name."""
    found = {name: {"init": name, "n_init": 1, "init_size": None} for name in ("k-means++", "k-means||", "random")}
    if auto_start(n, k) != ("k-means++", None):
        found["auto"] = {"init_size": "auto"}
    return found | {f"{rows} a cluster": {"init_size": k * rows} for rows in SAMPLED if k * rows < n}


def measured(data, k, stand, context):
    """Seconds and inertia of every seed, by way, the ways taking turns."""
    X = data.X
    chosen = ways(len(X), k)
    for options in chosen.values():
        KMeans(k, random_state=0, max_iter=3, **options).fit(X)  # the kernels are compiled
    found = {name: {"seconds": [], "inertia": []} for name in chosen}
    for seed in range(context.options["seeds"]):
        context.tell(f"seed {seed}")
        for name, options in chosen.items():
            started = time.perf_counter()
            model = KMeans(k, random_state=seed, **options).fit(X)
            found[name]["seconds"].append(time.perf_counter() - started)
            found[name]["inertia"].append(float(model.inertia_))
    say("  " + " ".join(cells({"data": "", "shape": "", **found})))
    return found


def _against(found, usual):
    """How many times as fast, and the mean inertia relative to the usual one, with the standard error."""
    relative = statistics.mean(found["inertia"]) / statistics.mean(usual["inertia"]) - 1
    spread = [statistics.variance(way["inertia"]) / len(way["inertia"]) for way in (found, usual)]
    error = sum(spread) ** 0.5 / statistics.mean(usual["inertia"])
    faster = statistics.median(usual["seconds"]) / statistics.median(found["seconds"])
    return [f"{faster:.2f}", f"{relative:+.2%} ± {error:.2%}"]


def cells(row):
    """A row of the table."""
    usual = row["k-means++"]
    found = [row["data"], row["shape"], f"{statistics.median(usual['seconds']):.3f}"]
    for name in WAYS:
        found += _against(row[name], usual) if name in row else ["", ""]
    return found


CAPTION = (
    "Whole fits, seeding and iterations, from greedy k-means++ seeds among all rows, in seconds; how many times as fast"
    " fits are from k-means++ on samples of the rows (`init_size`; auto: where it takes one), from k-means|| and from"
    " rows drawn at random; and their inertia against that of all rows, with the standard error of the difference."
    " Medians of the times and means of the inertia of {} seeds, in turns."
)


def main():
    parser = runs.parser(__doc__)
    parser.add_argument("--least", type=int, default=64, metavar="K", help="clusters, below which rows are left out")
    parser.add_argument("--seeds", type=int, default=8)
    options = parser.parse_args()
    report = runs.Table("Where to start", CAPTION.format(options.seeds), HEAD, cells)
    return runs.rows(options, __file__, measured, report, (*DATASETS, *FURTHER))


if __name__ == "__main__":
    sys.exit(main())
