"""How good an optimum, and how fast: ten restarts, scikit-learn's and ours, one refined run. See benchmarks/README.md.

Examples
--------
    python benchmarks/optima.py --json optima.json --markdown optima.md
"""

import statistics
import sys
import time

from common import runs
from common.timing import say
from sklearn.cluster import KMeans as ScikitLearn

from kmeans_fast import KMeans

RESTARTS = 10
SEEDS = 3  # of the refined run: means of time and inertia
HEAD = ["data", "n, d, k", "sklearn, s", "ours", "inertia", "refined", "inertia", "one run", "inertia"]


def timed(estimator, X, seeds):
    """Mean seconds and mean inertia over the seeds."""
    seconds, inertia = [], []
    for seed in seeds:
        started = time.perf_counter()
        inertia.append(float(estimator(seed).fit(X).inertia_))
        seconds.append(time.perf_counter() - started)
    return {"seconds": statistics.mean(seconds), "inertia": statistics.mean(inertia)}


def measured(data, k, stand, context):
    """Every way to look for a good optimum, by name; a reason instead where scikit-learn would take too long."""
    X = data.X
    KMeans(k, random_state=0, refine="breathing", max_iter=5).fit(X)  # the kernels are compiled
    one = timed(lambda seed: ScikitLearn(k, n_init=1, random_state=seed), X, range(1))
    if one["seconds"] * RESTARTS > context.options["limit"]:
        return {"skipped": f"scikit-learn would take {one['seconds'] * RESTARTS:.0f} s"}
    row = {
        "sklearn": timed(lambda seed: ScikitLearn(k, n_init=RESTARTS, random_state=seed), X, range(1)),
        "ours": timed(lambda seed: KMeans(k, n_init=RESTARTS, random_state=seed), X, range(1)),
        "refined": timed(lambda seed: KMeans(k, random_state=seed, refine="breathing"), X, range(SEEDS)),
        "one": timed(lambda seed: KMeans(k, random_state=seed), X, range(SEEDS)),
    }
    say("  " + " ".join(cells({"data": "", "shape": "", **row})))
    return row


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


CAPTION = (
    "Ten restarts of scikit-learn in seconds; how many times our time that is, for our ten restarts, for one run with"
    ' `refine="breathing"` and for one run without; and the inertia of each against scikit-learn\'s. Means of'
    f" {SEEDS} seeds for the single runs."
)


def main():
    parser = runs.parser(__doc__)
    limit = "seconds of scikit-learn beyond which a row is left out"
    parser.add_argument("--limit", type=float, default=180.0, help=limit)
    options = parser.parse_args()
    report = runs.Table("Better optima", CAPTION, HEAD, cells)
    return runs.rows(options, __file__, measured, report, patience=300 + 10 * options.limit)


if __name__ == "__main__":
    sys.exit(main())
