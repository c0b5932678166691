"""Whether what a fit chooses to do is the best that it could have been told to do. See benchmarks/README.md.

Every data set of `convergence.py` is fitted from the same start as it comes (what runs is chosen, and may change from pass to pass) and with each technique
that the CPU backend has in every pass, whether it pays or not. All give the same answer.

Examples
--------
    python benchmarks/choice.py --markdown choice.md
    python benchmarks/choice.py --only pixels --rounds 15
"""

import argparse
import contextlib
import importlib
import math
import sys
from pathlib import Path

import numpy as np
from common import fits
from common.datasets import datasets
from common.timing import interleaved, say

AUTO, AGAIN = "as chosen", "again"  # the second tells the noise
PAUSE = 0.05  # seconds: only our own threads are to fall asleep
TOLERATED = 1.05  # time as chosen over that of the best fixed choice
SLOW = 2.0  # times the time as chosen, from which a fixed choice is not run again
MOST_BOXED = 8  # features


def never(*sizes, **options):
    return False


def always(*sizes, **options):
    return True


def may_encode(n_samples, n_features, n_clusters, itemsize, passes=None):
    return importlib.import_module("kmeans_fast.backends.cpu.planning")._may_encode(n_samples, n_features, itemsize)


# What decides on each technique, as module (and class) and name below the CPU backend, and what it says instead.
OFF = {
    ("assignment", "worth_it"): never,
    ("assignment", "filters_by_bytes"): never,
    ("assignment", "sorts_into_boxes"): never,
    ("assignment", "searches_a_line"): never,
    ("assignment", "looks_nearby"): never,
}
BOUNDS = {("assignment", "worth_it"): always, ("gate.Gate", "pays"): always}
BYTES = {("assignment", "filters_by_bytes"): may_encode, ("assignment", "_TOO_MANY"): math.inf}
BOXES = {
    ("assignment", "sorts_into_boxes"): lambda n, d, k: d <= MOST_BOXED,
    ("boxes.Wager", "is_due"): always,
    ("boxes.Wager", "settle"): never,
}
SEARCH = {("assignment", "searches_a_line"): lambda d, k: d == 1}
PANELS = BOUNDS | {("assignment", "looks_nearby"): always, ("near.Near", "pays"): always}
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

    def run(choice=None):
        with fixed(choice) if choice else contextlib.nullcontext():
            found = fits.fit(fits.OURS, X, start)
        if not np.array_equal(found.labels_, expected.labels_):
            raise AssertionError(f"another answer by {choice or AUTO}")
        return found

    def best(choices, limit, budget):
        tasks = {name: (lambda n=name: run(None if n in (AUTO, AGAIN) else n)) for name in choices}
        done = interleaved(
            {name: (task, task, 1) for name, task in tasks.items()},
            options.rounds,
            limit=limit,
            budget=budget,
            pause=PAUSE,
        )
        failed = [rounds.skipped for rounds in done.values() if rounds.skipped.startswith("failed")]
        if failed:
            raise RuntimeError(failed[0])
        return {name: rounds.best if rounds.seconds else None for name, rounds in done.items()}

    quick = min(interleaved({AUTO: (run, run, 1)}, 2, limit=math.inf, budget=math.inf)[AUTO].seconds)
    choices = (AUTO, *(choice for choice in FIXED if applies(choice, X.shape[1])), AGAIN)
    return best(choices, SLOW * quick + 0.01, options.budget)


def line(name, X, k, found):
    """A row of the table, and the time as chosen over the best."""
    ours = min(found[AUTO], found[AGAIN])
    over = ours / min(filter(None, [ours, *(found.get(choice) for choice in FIXED)]))
    cells = [
        "-" if choice not in found else "slow" if not found[choice] else f"{found[choice] / ours:.2f}"
        for choice in FIXED
    ]
    shape = f"({len(X):,}, {X.shape[1]}, {k})"
    noise = max(found[AUTO], found[AGAIN]) / ours
    return f"| {name} | {shape} | {ours * 1e3:.1f} | {noise:.2f} | " + " | ".join(cells) + f" | {over:.2f} |", over


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="data sets whose name holds one of these words")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--budget", type=float, default=10.0, help="seconds that one choice may take on one row")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    options = parser.parse_args()
    lines, over = [], []
    for data in datasets():
        if options.only and not any(word in data.name for word in options.only):
            continue
        for k in data.n_clusters:
            row, times_over = line(data.name, data.X, k, times(data.X, k, options))
            say(row)
            lines.append(row)
            over.append(times_over)
    if not lines:
        sys.exit("No data set has a name like that.")
    text = "\n".join(
        [
            "# What is chosen, beside each technique in every pass",
            "",
            f'Best of {options.rounds} interleaved runs from the same start to convergence. Each technique alone: its time over that as chosen; "slow": more than '
            f'{SLOW:.0f} times. "Again": as chosen '
            "is measured twice, and this is the slower over the faster. Last column: the time as chosen over the best of all.",
            "",
            f"| data | n, d, k | as chosen, ms | again | {' | '.join(FIXED)} | over the best |",
            "| --- | --- | ---: | ---: |" + " ---: |" * (len(FIXED) + 1),
            *lines,
            "",
            f"Within {TOLERATED - 1:.0%} of the best fixed choice on {sum(t <= TOLERATED for t in over)} of {len(over)} rows; the worst is {max(over):.2f}.",
            "",
        ]
    )
    print(text)
    if options.markdown:
        options.markdown.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
