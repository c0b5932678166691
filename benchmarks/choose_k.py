"""How often choose_k finds the true number of clusters, and how long it takes beside scikit-learn's fits alone.

Examples
--------
    python benchmarks/choose_k.py --json choose_k.json --markdown choose_k.md       # five minutes
    python benchmarks/choose_k.py --seeds 3 --rounds 0
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from common import machine
from common.report import Output, page, table
from common.timing import say
from sklearn.cluster import KMeans as ScikitLearn

from kmeans_fast import choose_k
from kmeans_fast.choosing_k.criteria import VOTING
from kmeans_fast.datasets import make_blobs

KINDS = ("apart", "overlapping", "unequal sizes", "unequal spreads")
FIRST_SEED = 100  # the rules were made on seeds below
N_SAMPLES, NUMBERS = 2000, range(2, 21)
_GAPS = (8.0, 4.2, 6.0, 6.0)  # least distance of two centers, in standard deviations, by kind
BIG = (1_000_000, 8, 12)  # rows, features, blobs
THEIRS = range(2, 6)  # numbers that scikit-learn fits


def generated(kind, seed):
    """Rows (N_SAMPLES, n_features) in three to twelve blobs of 2 to 16 features, and how many there are."""
    number = KINDS.index(kind)
    rng, gap = np.random.default_rng([seed, number]), _GAPS[number]
    d, k = int(rng.choice([2, 3, 5, 8, 16])), int(rng.integers(3, 13))
    spreads = rng.uniform(0.4, 2.0, k) if kind == "unequal spreads" else np.ones(k)
    shares = rng.dirichlet(np.full(k, 1.5)) if kind == "unequal sizes" else np.full(k, 1.0)
    shares = np.maximum(shares / shares.sum(), 0.02)
    centers, box = np.empty((0, d)), gap * k ** (1 / d)
    while len(centers) < k:
        center = rng.uniform(-box, box, d)
        apart = np.linalg.norm(centers - center, axis=1)
        if (apart > gap * (spreads[: len(centers)] + spreads[len(centers)]) / 2).all():
            centers = np.vstack([centers, center])
        else:
            box *= 1.002
    labels = rng.choice(k, N_SAMPLES, p=shares / shares.sum())
    return centers[labels] + rng.normal(size=(N_SAMPLES, d)) * spreads[labels, None], k


def found_numbers(seeds):
    """By kind how often the recommendation, and each criterion alone, is the true number; and by confidence."""
    hits = {kind: dict.fromkeys(["recommended", *(one.name for one in VOTING)], 0) for kind in KINDS}
    sure = {}
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        for kind in KINDS:
            X, k = generated(kind, seed)
            choice = choose_k(X, NUMBERS, seed=seed)
            for name, vote in {"recommended": choice.n_clusters, **choice.votes}.items():
                hits[kind][name] += vote == k
            right, all_of_it = sure.get(choice.confidence, (0, 0))
            sure[choice.confidence] = right + (choice.n_clusters == k), all_of_it + 1
        say(f"  seed {seed}: " + ", ".join(f"{kind} {found['recommended']}" for kind, found in hits.items()))
    return {"hits": hits, "sure": sure, "seeds": seeds}


def times(rounds):
    """Seconds of choose_k and of scikit-learn's fits, in turns."""
    n, d, k = BIG
    X = make_blobs(n, d, centers=k, cluster_std=3, random_state=4, dtype=np.float32)[0]
    choose_k(X[:20_000], NUMBERS, seed=0)  # the kernels are compiled
    ours, theirs = [], []
    for _ in range(rounds):
        started = time.perf_counter()
        choice = choose_k(X, NUMBERS, seed=0)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        for number in THEIRS:
            ScikitLearn(number, n_init=1, random_state=0).fit(X)
        theirs.append(time.perf_counter() - started)
        say(f"  {ours[-1]:.2f} s, scikit-learn {theirs[-1]:.2f} s")
    return {"ours": ours, "theirs": theirs, "n_clusters": choice.n_clusters}


def report(contents):
    """The page."""
    parts = ["# How many clusters", f"{contents['machine']['cpu']}, {contents['machine']['threads']} threads."]
    found = contents.get("found")
    if found:
        names = list(found["hits"][KINDS[0]])
        rows = [[kind, *(found["hits"][kind][name] for name in names)] for kind in KINDS]
        rows.append(["all", *(sum(found["hits"][kind][name] for kind in KINDS) for name in names)])
        sure = ", ".join(f"{word} {right} of {of}" for word, (right, of) in found["sure"].items())
        parts += [
            f"Times that the true number was found, of {found['seeds']} sets of each kind ({N_SAMPLES:,} rows, 2 to 16"
            f" features, 3 to 12 blobs; {NUMBERS[0]} to {NUMBERS[-1]} clusters tried): by the recommendation, and by"
            " each criterion alone.",
            table(["sets", *(name.replace("_", "-") for name in names)], rows),
            f"The recommendation was right where it said to be: {sure}.",
        ]
    if contents.get("times"):
        ours, theirs = (statistics.median(contents["times"][who]) for who in ("ours", "theirs"))
        parts.append(
            f"choose_k on {BIG[0]:,} x {BIG[1]} float32 rows in {BIG[2]} blobs, all of {NUMBERS[0]} to {NUMBERS[-1]}:"
            f" {ours:.2f} s (it says {contents['times']['n_clusters']}). scikit-learn's fits of {THEIRS[0]} to"
            f" {THEIRS[-1]} clusters alone, n_init=1: {theirs:.2f} s. Medians of {len(contents['times']['ours'])},"
            " in turns."
        )
    return page(*parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="sets of each kind (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of the times (default %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    options = parser.parse_args()
    contents = {"machine": machine.machine(), "versions": machine.versions()}
    if options.rounds:
        contents["times"] = times(options.rounds)
    if options.seeds:
        contents["found"] = found_numbers(options.seeds)
    Output(contents, options.json, options.markdown).add(report(contents))


if __name__ == "__main__":
    sys.exit(main())
