"""Whether what a fit chooses to do is the best that it could have been told to do. See benchmarks/README.md.

Every data set of `convergence.py` is fitted from the same start as it comes (what runs is chosen, and may change from pass to pass) and with each technique
that the CPU backend has alone, in every pass, whether it pays or not (tiles of rows that bytes tell too little of go over to float32 even so). All give the
same answer.

Examples
--------
    python benchmarks/choice.py --markdown choice.md
    python benchmarks/choice.py --only pixels --rounds 15
"""

import argparse
import contextlib
import functools
import importlib
import math
import sys
from pathlib import Path

import numpy as np
from common import fits
from common.datasets import datasets, named
from common.report import table
from common.timing import interleaved, say, timed
from kmeans_fast.kernels.cpu.scoring import byte_codes

AUTO, AGAIN = "as chosen", "again"  # the second tells the noise
PAUSE = 0.05  # seconds: only our own threads are to fall asleep
TOLERATED = 1.05  # time as chosen over that of the best fixed choice
# A fixed choice that takes more than so many times the time as chosen, and so many seconds, is not measured further.
SLOW, LITTLE = 2.0, 0.01
MOST_BOXED = 8  # features


def never(*sizes, **options):
    return False


def always(*sizes, **options):
    return True


def may_encode(n_samples, n_features, n_clusters, itemsize, passes=None):
    return importlib.import_module("kmeans_fast.backends.cpu.planning")._may_encode(n_samples, n_features, itemsize)


# What decides on each technique, as module (and class) and name below the CPU backend, and what it says instead.
OFF = {
    ("assignment", "keeps_bounds"): never,
    ("assignment", "filters_by_bytes"): never,
    ("assignment", "builds_kd_tree"): never,
    ("assignment", "searches_sorted"): never,
    ("assignment", "tries_exponion"): never,
}
BOUNDS = {("assignment", "keeps_bounds"): always, ("hamerly.HamerlyBounds", "pays"): always}
BYTES = {("assignment", "filters_by_bytes"): may_encode, ("assignment", "_TOO_MANY"): math.inf}
BOXES = {
    ("assignment", "builds_kd_tree"): lambda n, d, k: d <= MOST_BOXED,
    ("kd_tree.BuildPolicy", "is_due"): always,
    ("kd_tree.BuildPolicy", "settle"): never,
}
SEARCH = {("assignment", "searches_sorted"): lambda d, k: d == 1}
PANELS = BOUNDS | {("assignment", "tries_exponion"): always, ("exponion.Exponion", "pays"): always}
FIXED = {
    "float32": {},
    "bounds": BOUNDS,
    "bytes": BYTES,
    "bounds, bytes": BOUNDS | BYTES,
    "boxes": BOXES,
    "search": SEARCH,
    "panels": PANELS,
}


def applies(choice, d):
    """Whether a technique is for rows of d features."""
    if "bytes" in choice:
        return byte_codes.AVAILABLE
    return {"search": d == 1, "boxes": d <= MOST_BOXED}.get(choice, True)


@contextlib.contextmanager
def fixed(choice):
    """Only this technique, in every pass."""
    with contextlib.ExitStack() as kept:
        for (place, name), value in (OFF | FIXED[choice]).items():
            module, _, of_class = place.partition(".")
            owner = importlib.import_module(f"kmeans_fast.backends.cpu.{module}")
            owner = getattr(owner, of_class) if of_class else owner
            kept.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)
        yield


def times(X, k, options):
    """Seconds of the best run of each choice, or None for one that is hopeless."""
    start = fits.start(X, k)
    expected = fits.fit(fits.OURS, X, start)

    def run(choice):
        with contextlib.nullcontext() if choice in (AUTO, AGAIN) else fixed(choice):
            found = fits.fit(fits.OURS, X, start)
        if not np.array_equal(found.labels_, expected.labels_):
            raise AssertionError(f"another answer by {choice}")
        return found

    most = SLOW * min(timed(functools.partial(run, AUTO))[0] for _ in range(2)) + LITTLE
    tasks = {}
    for choice in (AUTO, *(choice for choice in FIXED if applies(choice, X.shape[1])), AGAIN):
        task = functools.partial(run, choice)
        task()  # the first may compile
        if choice in (AUTO, AGAIN) or timed(task)[0] <= most:
            tasks[choice] = task, task, 1
    done = interleaved(tasks, options.rounds, limit=math.inf, budget=options.budget, pause=PAUSE)
    for outcome in done.values():
        if not outcome.seconds:
            raise RuntimeError(outcome.skipped)
    return {choice: done[choice].best if choice in done else None for choice in (AUTO, *FIXED, AGAIN)}


def cells(data, k, found):
    """A row of the table."""
    X, chosen = data.X, found[AUTO]
    row = [data.name, f"({len(X):,}, {X.shape[1]}, {k})", f"{chosen * 1e3:.1f}", f"{found[AGAIN] / chosen:.2f}"]
    for choice, seconds in found.items():
        if choice in FIXED:
            slow = "slow" if applies(choice, X.shape[1]) else "-"
            row.append(f"{seconds / chosen:.2f}" if seconds else slow)
    return [*row, f"{over_the_best(found):.2f}"]


def over_the_best(found):
    """The time as chosen over that of the best fixed choice, 1 where none is faster."""
    return max(1.0, *(found[AUTO] / found[choice] for choice in FIXED if found[choice]))


def page(rows, over, rounds):
    """The whole page."""
    caption = (
        f"Best of {rounds} interleaved runs from the same start to convergence. Times over those as chosen: of what is chosen once more, as a measure of noise, "
        f'and of each technique alone (those for which a dash stands do not apply; "slow": more than {SLOW:.0f} times). Last column: the time as chosen over '
        "that of the best technique alone."
    )
    within = sum(ratio <= TOLERATED for ratio in over)
    summary = f"Within {TOLERATED - 1:.0%} of the best on {within} of {len(over)} rows; the worst is {max(over):.2f}."
    header = ["data", "n, d, k", "as chosen, ms", AGAIN, *FIXED, "over the best"]
    title = "# What is chosen, beside each technique alone"
    return "\n\n".join([title, caption, table(header, rows, left=2), summary]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="data sets whose name holds one of these words")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--budget", type=float, default=10.0, help="seconds that one choice may take on one row")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    options = parser.parse_args()
    rows, over = [], []
    for data in named(datasets(), options.only):
        for k in data.n_clusters:
            found = times(data.X, k, options)
            rows.append(cells(data, k, found))
            over.append(over_the_best(found))
            say(" | ".join(rows[-1]))
    if not rows:
        sys.exit("No data set has a name like that.")
    text = page(rows, over, options.rounds)
    print(text)
    if options.markdown:
        options.markdown.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
