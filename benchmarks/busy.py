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

import numpy as np
from common import ROOT
from common.processes import Worker
from common.report import Output, milliseconds, table
from common.timing import affordable, interleaved, say
from common.worker import answer

MOST_BUSY = 1.5  # times one thread's time that the chosen threads may take beside others
MOST_QUIET = 1.02  # times the time before
ONE, CHOSEN, BEFORE = "one thread", "chosen", "before"
PAUSE = 0.1  # seconds


def seeding(n, d, k):
    def run(kmeans_fast, X, n_threads):
        return kmeans_fast.kmeans_plusplus(X, k, seed=0, n_threads=n_threads)

    return run, n, d


def fit(n, d, k, n_iter, times=1):
    def run(kmeans_fast, X, n_threads):
        for _ in range(times):
            found = kmeans_fast.kmeans(X, k, init=X[:k], max_iter=n_iter, tol=0, n_threads=n_threads)
        return found

    return run, n, d


CASES = {
    "seeding, short rows (10k, 2, 2000)": seeding(10_000, 2, 2000),
    "seeding, long rows (50k, 64, 200)": seeding(50_000, 64, 200),
    "20 small fits (12k, 8, 12)": fit(12_000, 8, 12, 10, times=20),
    "fit, short rows (500k, 2, 50)": fit(500_000, 2, 50, 20),
    "fit, long rows (200k, 64, 512)": fit(200_000, 64, 512, 3),
}


def work():
    """Run cases as they are asked for, in the checkout that is on the path; 0 threads: as many as are chosen."""
    import kmeans_fast

    data = {}

    def run(question):
        name, n_threads = question
        call, n, d = CASES[name]
        if name not in data:
            data[name] = np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)
        call(kmeans_fast, data[name], n_threads or None)
        return "done"

    return answer(run)


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


def measured(name, workers, rounds):
    """`Rounds` of a case by who does it."""
    tasks = {}
    for who, (worker, n_threads) in workers.items():
        run = functools.partial(worker.ask, [name, n_threads])
        run()  # compiles
        tasks[who] = functools.partial(affordable, run, run)
    found = interleaved(tasks, rounds, pause=PAUSE)
    for outcome in found.values():
        if not outcome.values:
            raise RuntimeError(outcome.skipped)
    return found


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


def page(rows, before, options, count):
    """The whole page."""
    caption = (
        f"Milliseconds. Quiet: best of {options.rounds} interleaved runs with the machine to itself. Busy: median (and "
        f"best) of {options.busy_rounds} beside {count} spinning processes on {count} cores, and the median of the "
        f"chosen threads over that of one, which is to be at most {MOST_BUSY}."
    )
    if before:
        caption += f" Before: another checkout, whose time the chosen threads may take {MOST_QUIET} times."
    who = [ONE, CHOSEN, *([BEFORE] if before else [])]
    header = ["n, d, k", *(f"quiet, {name}" for name in who), *(["over before"] if before else [])]
    header += [*(f"busy, {name}" for name in who), "busy, chosen over one", ""]
    return "\n\n".join(["# Beside busy processes", caption, table(header, rows)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="WORD", help="cases whose name holds one of these words")
    parser.add_argument("--rounds", type=int, default=9, help="of runs with the machine to itself")
    parser.add_argument("--busy-rounds", type=int, default=7, help="of runs beside spinning processes")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="measure another checkout too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        return work()
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
            quiet = measured(name, workers, options.rounds)
            with spinning(count):
                busy = measured(name, workers, options.busy_rounds)
            row, fine = cells(name, quiet, busy)
            rows.append(row)
            well = well and fine
            say(" | ".join(row))
    Output({}, markdown_path=options.markdown).add(page(rows, options.before, options, count))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
