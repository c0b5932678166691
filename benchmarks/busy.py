"""Whether threads do harm where other processes have the cores. See benchmarks/README.md.

And whether care for that costs anything where they do not. Every case is run by one thread and by as many as are
chosen, with the machine to itself and beside as many spinning processes as there are cores; on request also by another
checkout, of the commit before, say.

Examples
--------
    python benchmarks/busy.py --markdown busy.md
    python benchmarks/busy.py --before ../main --rounds 15
"""

import argparse
import contextlib
import functools
import os
import subprocess
import sys
import time
from pathlib import Path

from common import ROOT, runs
from common.data import normal
from common.processes import Worker
from common.report import Output, milliseconds, page, table
from common.timing import say
from cpu_parts.checkouts import Case, measured, work

MOST_BUSY = 1.5  # times one thread's time that the chosen threads may take beside others
MOST_QUIET = 1.02  # times the time before
ONE, CHOSEN, BEFORE = "one thread", "chosen", "before"
PAUSE = 0.1  # seconds


def _seeds(X, k, n_threads):
    import kmeans_fast

    return kmeans_fast.kmeans_plusplus(X, k, seed=0, n_threads=n_threads)


def _fits(n_iter, times, X, k, n_threads):
    import kmeans_fast

    for _ in range(times):
        found = kmeans_fast.kmeans(X, k, init=X[:k], max_iter=n_iter, tol=0, n_threads=n_threads)
    return found.centroids, found.labels


def _case(run, n, d, k):
    return Case(run, functools.partial(normal, n, d), k)


CASES = {
    "seeding, short rows (10k, 2, 2000)": _case(_seeds, 10_000, 2, 2000),
    "seeding, long rows (50k, 64, 200)": _case(_seeds, 50_000, 64, 200),
    "20 small fits (12k, 8, 12)": _case(functools.partial(_fits, 10, 20), 12_000, 8, 12),
    "fit, short rows (500k, 2, 50)": _case(functools.partial(_fits, 20, 1), 500_000, 2, 50),
    "fit, long rows (200k, 64, 512)": _case(functools.partial(_fits, 3, 1), 200_000, 64, 512),
}


@contextlib.contextmanager
def spinning(count):
    """So many processes that spin."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    time.sleep(0.5)
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def cells(name, quiet, busy):
    """A row of the table, and whether all is as it should be."""
    row, words = [name], []
    row += [milliseconds(outcome.best) for outcome in quiet.values()]
    if BEFORE in quiet:
        slower = quiet[CHOSEN].best / quiet[BEFORE].best
        row.append(f"{slower:.2f}")
        words += [f"**over {MOST_QUIET}**"] * (slower > MOST_QUIET)
    row += [f"{milliseconds(outcome.median)} ({milliseconds(outcome.best)})" for outcome in busy.values()]
    harm = busy[CHOSEN].median / busy[ONE].median
    row.append(f"{harm:.2f}")
    words += [f"**over {MOST_BUSY}**"] * (harm > MOST_BUSY)
    return [*row, ", ".join(words) or "ok"], not words


def report(rows, who, options, count):
    """The whole page."""
    caption = (
        f"Milliseconds. Quiet: best of {options.rounds} interleaved runs with the machine to itself. Busy: median (and "
        f"best) of {options.busy_rounds} beside {count} spinning processes on {count} cores, and the median of the "
        f"chosen threads over that of one, which is to be at most {MOST_BUSY}."
    )
    if BEFORE in who:
        caption += f" Before: another checkout, whose time the chosen threads may take {MOST_QUIET} times."
    header = ["n, d, k", *(f"quiet, {name}" for name in who), *["over before"] * (BEFORE in who)]
    header += [*(f"busy, {name}" for name in who), "busy, chosen over one", ""]
    return page("# Beside busy processes", caption, table(header, rows))


def main():
    parser = runs.parser(__doc__, only="cases")
    parser.add_argument("--rounds", type=int, default=9, help="of runs with the machine to itself")
    parser.add_argument("--busy-rounds", type=int, default=7, help="of runs beside spinning processes")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="measure another checkout too")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        return work(CASES, options.work)
    names = [name for name in CASES if any(word in name for word in options.only or [""])]
    if not names:
        sys.exit("No case has a name like that.")
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    rows, well = [], True
    with contextlib.ExitStack() as stack:
        worker = stack.enter_context(Worker.of_checkout(__file__, ROOT))
        workers = {ONE: (worker, 1), CHOSEN: (worker, 0)}
        if options.before:
            other = stack.enter_context(Worker.of_checkout(__file__, options.before.resolve()))
            workers[BEFORE] = other, 0
        for name in names:
            quiet = measured(name, workers, options.rounds, PAUSE)
            with spinning(count):
                busy = measured(name, workers, options.busy_rounds, PAUSE)
            row, fine = cells(name, quiet, busy)
            rows.append(row)
            well = well and fine
            say(" | ".join(row))
    Output({"rows": rows}, options.json, options.markdown).add(report(rows, workers, options, count))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
