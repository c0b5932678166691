"""What an iteration costs by bytes read, bytes sent and arithmetic: checked, then told for more rows.

Arithmetic is what an iteration in memory takes for a row. Reading is what a file in the page cache takes to be read by
one thread, or what is assumed of a disk; the slower of both counts, since rows come while others are worked on. On a
cluster there are four partitions for each worker: each is a task, sums are merged eight at a time, and each task costs
the scheduler, which is one process for all, time: what the fewest rows on Dask take beyond arithmetic.
"""

import math
import statistics

from common.report import page, table

from .scale_child import PARTITIONS, WORKERS

ITEM = 4  # bytes of a value
LIMB_BYTES = 8  # of a sum of whole numbers: one limb for a feature of a cluster, in the usual case
FAN_IN = 8
DISK, NETWORK = 2e9, 1.25e9  # bytes in a second that are assumed for a worker: an SSD, 10 Gbit
SCHEDULER = 0.5e-3  # seconds of a task that are assumed where none was measured
ON_PAPER = [(n, workers) for n in (1e9, 1e10, 1e11) for workers in (1, 8, 64, 1000)]
HEAD = ["n", "way", "measured, s", "by the model, s", "measured over model"]
PAPER_HEAD = ["n", "workers", "arithmetic, s", "reading, s", "tasks and sums, s", "an iteration, s", "limited by"]
CAPTION = (
    "The model of an iteration, checked. From these measurements: {compute:.2f} ns of arithmetic a row on all cores of "
    "this machine, {reading:.1f} GB in a second from the page cache, {scheduler:.1f} ms of the scheduler for a task."
)
PAPER_CAPTION = (
    "On paper: workers like this machine, rows on their disks ({disk:.0f} GB in a second), {partitions} partitions "
    "a worker, {network:.2f} GB in a second of network, {scheduler:.1f} ms of the scheduler for a task. Not measured."
)


def tasks_of(workers):
    """How many tasks an iteration has, and how many levels the tree of sums."""
    at_a_level, tasks, levels = workers * PARTITIONS, workers * PARTITIONS, 0
    while at_a_level > 1:
        at_a_level = -(-at_a_level // FAN_IN)
        tasks, levels = tasks + at_a_level, levels + 1
    return tasks, levels


def sent(workers, d, k, scheduler):
    """Seconds of the scheduler and of the network for an iteration: centroids to each task, sums through the tree."""
    tasks, levels = tasks_of(workers)
    a_sum = k * d * LIMB_BYTES
    through_the_tree = levels * FAN_IN * a_sum / NETWORK
    centroids = PARTITIONS * workers * k * d * ITEM / NETWORK  # all from the scheduler
    return tasks * scheduler + through_the_tree + centroids


def _iteration(row):
    return statistics.median(row["iterations"])


def report(rows, d, k):
    """The model beside what was measured, and what it says of more rows: Markdown."""
    good = [row for row in rows if "failed" not in row]
    largest = max((row for row in good if row["way"] == "memory"), key=lambda row: row["n"], default=None)
    read = max((row for row in good if row["way"] == "reading"), key=lambda row: row["n"], default=None)
    if largest is None or read is None:
        return "The model needs the ways `memory` and `reading`."
    compute = _iteration(largest) / largest["n"]
    reading = read["n"] * d * ITEM / _iteration(read)
    fewest = min((row for row in good if row["way"] == "dask"), key=lambda row: row["n"], default=None)
    scheduler = SCHEDULER
    if fewest is not None:
        beyond = _iteration(fewest) - fewest["n"] * compute - sent(WORKERS, d, k, 0.0)
        scheduler = max(0.0, beyond) / tasks_of(WORKERS)[0]
    models = {
        "memory": lambda n: n * compute,
        "npy": lambda n: max(n * compute, n * d * ITEM / reading),
        "dask": lambda n: n * compute + sent(WORKERS, d, k, scheduler),
    }
    checked = []
    for row in good:
        if row["way"] in models:
            modelled = models[row["way"]](row["n"])
            ratio = f"{_iteration(row) / modelled:.2f}"
            checked.append([f"{row['n']:,}", row["way"], f"{_iteration(row):.3g}", f"{modelled:.3g}", ratio])
    caption = CAPTION.format(compute=1e9 * compute, reading=reading / 1e9, scheduler=1e3 * scheduler)
    paper = [_on_paper(n, workers, compute, d, k, scheduler) for n, workers in ON_PAPER]
    assumed = {"disk": DISK / 1e9, "partitions": PARTITIONS, "network": NETWORK / 1e9, "scheduler": 1e3 * scheduler}
    return page(
        "## The model", caption, table(HEAD, checked, left=2), PAPER_CAPTION.format(**assumed),
        table(PAPER_HEAD, paper, left=1),
    )  # fmt: skip


def _on_paper(n, workers, compute, d, k, scheduler):
    arithmetic, reading = n * compute / workers, n * d * ITEM / DISK / workers
    of_tasks = sent(workers, d, k, scheduler) if workers > 1 else 0.0
    whole = max(arithmetic, reading) + of_tasks
    parts = {"arithmetic": arithmetic, "reading": reading, "tasks and sums": of_tasks}
    numbers = [f"{seconds:.2g}" for seconds in (arithmetic, reading, of_tasks, whole)]
    return [f"1e{round(math.log10(n))}", f"{workers:,}", *numbers, max(parts, key=parts.get)]
