"""The same calls in several checkouts, each in a process of its own that lives on."""

import functools
import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from common.timing import SHORT, interleaved, timed
from common.worker import answer

MOST_TIMES = 200  # that a short call is repeated within a measurement


class Case(NamedTuple):
    """A call, and the data that it is for. Only public names are called."""

    run: Callable  # run(X, k, n_threads) gives what was found, arrays first
    rows: Callable  # rows() gives X
    n_clusters: int


def work(cases, checkout):
    """Answer how many seconds calls of a case take in the checkout that is on the path, and with which bits.

    0 threads: as many as are chosen.
    """
    import kmeans_fast

    made = functools.lru_cache(1)(lambda name: cases[name].rows())

    def run(question):
        name, n_threads, times = question
        if not Path(kmeans_fast.__file__).is_relative_to(checkout):
            raise ImportError(f"kmeans_fast is {kmeans_fast.__file__}, not that of {checkout}")
        case, X = cases[name], made(name)
        calls = [timed(lambda: case.run(X, case.n_clusters, n_threads or None)) for _ in range(times)]
        bits = hashlib.sha256(b"".join(array.tobytes() for array in calls[-1][1][:2])).hexdigest()
        return min(seconds for seconds, _ in calls), bits

    return answer(run)


def measured(name, workers, rounds, pause=0.0):
    """The `Rounds` of a case by who does it, of the best of several calls where they are short; results are the bits.

    `workers` are pairs of a `Worker` and a number of threads.
    """
    times = 1
    for worker, n_threads in workers.values():
        worker.ask([name, n_threads, 1])  # compiles, where it must
        times = max(times, min(MOST_TIMES, math.ceil(SHORT / worker.ask([name, n_threads, 1])[0])))
    ask = {who: functools.partial(worker.ask, [name, few, times]) for who, (worker, few) in workers.items()}
    return ran(interleaved({who: lambda run=run: run for who, run in ask.items()}, rounds, pause=pause))


def ran(found):
    """The `Rounds` by who did it; RuntimeError where one has none."""
    if any(not rounds.values for rounds in found.values()):
        raise RuntimeError("; ".join(f"{who}: {rounds.skipped}" for who, rounds in found.items() if rounds.skipped))
    return found
