"""Is a checkout slower than another, and are its answers the same bits? See benchmarks/README.md.

Both run the same cells in one run, in turns, each in a process of its own that lives on; and a first fit in fresh
processes from a filled cache of kernels. Only public names are used, so that the two may differ inside.

Examples
--------
    git worktree add ../before HEAD^
    python benchmarks/old_new.py ../before --markdown old_new.md
    python benchmarks/old_new.py ../before --only small "in the plane" --rounds 15
"""

import argparse
import functools
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from common import ROOT, runs
from common.cells import Cell
from common.data import normal, start_of
from common.datasets import DATASETS
from common.machine import machine, versions
from common.processes import Worker, child, environment
from common.report import Output, milliseconds, page, table
from common.timing import first_line, interleaved, say
from cpu_parts.checkouts import Case, measured, ran, work
from cpu_parts.iterations import GRID, ITERATIONS
from cpu_parts.sections import FIRST, SEEDING

MOST_MEAN, MOST_EACH = 1.03, 1.08  # new over old
OLD, NEW = "old", "new"
FIRST_FIT = "first fit, fresh process"
HEAD = "what | old, ms | new, ms | new / old, best | new / old, median | bits | verdict"


def _iterations(X, k, n_threads):
    import kmeans_fast

    model = kmeans_fast.KMeans(k, init=X[:k], n_init=1, max_iter=ITERATIONS, tol=0.0).fit(X)
    return model.cluster_centers_, model.labels_


def _converged(X, k, n_threads):
    import kmeans_fast

    found = kmeans_fast.kmeans(X, k, init=start_of(X, k))
    return found.centroids, found.labels


def _seeds(X, k, n_threads):
    import kmeans_fast

    return kmeans_fast.kmeans_plusplus(X, k, seed=1)


def _assigned(X, k, n_threads):
    import kmeans_fast

    return kmeans_fast.assign(X, X[:k])


def _cases():
    few = (Cell(1000, 8, 8), Cell(2000, 2, 10), Cell(20_000, 8, 20))
    of_cells = (("iterations", _iterations, GRID), ("seeds", _seeds, SEEDING), ("small fit", _converged, few))
    for what, run, cells in (*of_cells, ("assign", _assigned, (GRID[2], GRID[5]))):
        for cell in cells:
            n, d, k = cell[:3]
            yield f"{what} {cell}", Case(run, functools.partial(normal, n, d), k)
    for data in DATASETS:
        for k in data.n_clusters:
            yield f"{data.name}, {k}", Case(_converged, lambda data=data: data.X, k)


CASES = dict(_cases())


def compile_kernels(checkout, **variables):
    """Fill the cache, so that a fit finds all of its kernels in either checkout; one of before has no such command."""
    command = [sys.executable, "-m", "kmeans_fast", "compile", "--all", "--quiet"]
    variables = environment(PYTHONPATH=str(checkout), **variables)
    subprocess.run(command, cwd=checkout, env=variables, check=False, capture_output=True)


def first_fits(checkouts, rounds):
    """As `measured`, of processes from start to end that find all kernels in the cache."""
    with tempfile.TemporaryDirectory() as folder:

        def task(who):
            cache = {"KMEANS_FAST_CACHE_DIR": str(Path(folder) / who)}
            compile_kernels(checkouts[who], **cache)
            fit = functools.partial(
                child, "first-fit", "kmeans_fast", *FIRST[:2], PYTHONPATH=str(checkouts[who]), **cache
            )
            fit()
            return fit

        return ran(interleaved({who: functools.partial(task, who) for who in checkouts}, rounds))


def row(name, found):
    """What is reported of a case."""
    old, new = found[OLD], found[NEW]
    ratios = {"best": new.best / old.best, "median": new.median / old.median}
    return {"what": name, OLD: old.seconds, NEW: new.seconds, **ratios, "same_bits": old.result == new.result}


def cells(one):
    """A row of the table."""
    times = [f"{milliseconds(min(one[who]))} ({milliseconds(statistics.median(one[who]))})" for who in (OLD, NEW)]
    bits = "same" if one["same_bits"] else "**other**"
    slower = f"**over {MOST_EACH}**" if one["best"] > MOST_EACH else "ok"
    return [one["what"], *times, f"{one['best']:.3f}", f"{one['median']:.3f}", bits, slower]


def report(rows, rounds):
    """The whole page, and whether all is well."""
    means = {kind: statistics.geometric_mean(one[kind] for one in rows) for kind in ("best", "median")}
    worst = max(rows, key=lambda one: one["best"])
    well = means["best"] <= MOST_MEAN and worst["best"] <= MOST_EACH and all(one["same_bits"] for one in rows)
    caption = (
        f"Best (and median) of {rounds} measurements of each checkout, in turns; of short calls one is the best of"
        f" several. New may take {MOST_MEAN} times as long as geometric mean of the bests, {MOST_EACH} times in each."
    )
    summary = (
        f"Geometric mean of new / old: best {means['best']:.3f}, median {means['median']:.3f}."
        f" Worst: {worst['what']}, {worst['best']:.3f}."
    )
    return page("# Old and new", caption, table(HEAD, map(cells, rows)), summary), well


def main():
    parser = runs.parser(__doc__, only="cases")
    parser.add_argument("old", type=Path, nargs="?", metavar="OLD", help="the checkout to compare with")
    parser.add_argument("--new", type=Path, default=ROOT, metavar="CHECKOUT", help="default: the one of this script")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        return work(CASES, options.work)
    if options.old is None or not options.old.is_dir():
        parser.error(f"name the checkout to compare with, a directory; got {options.old}")
    checkouts = {OLD: options.old.resolve(), NEW: options.new.resolve()}
    chosen = [name for name in (*CASES, FIRST_FIT) if any(word in name for word in options.only or [""])]
    if not chosen:
        sys.exit("No case has a name like that.")
    contents = {"machine": machine(), "versions": versions(), "rows": [], "failed": {}}
    output = Output(contents, options.json, options.markdown)
    for checkout in checkouts.values():
        compile_kernels(checkout)
    old, new = (Worker.of_checkout(__file__, checkout) for checkout in checkouts.values())
    with old, new:
        for name in chosen:
            try:
                if name == FIRST_FIT:
                    found = first_fits(checkouts, options.rounds)
                else:
                    found = measured(name, {OLD: (old, 0), NEW: (new, 0)}, options.rounds)
                contents["rows"].append(row(name, found))
                say(" | ".join(cells(contents["rows"][-1])))
            except RuntimeError as error:  # one of the two has no such call, or has ended
                contents["failed"][name] = first_line(error)
                say(f"{name}: {error}")
            output.write()
    well = not contents["failed"]
    if contents["rows"]:
        text, fast = report(contents["rows"], options.rounds)
        output.add(text)
        well = well and fast
    if contents["failed"]:
        output.add("\n".join(f"* **Failed**: {name}: {reason}." for name, reason in contents["failed"].items()))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
