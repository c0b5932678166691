"""Whether several runs are made together, each by one thread in compiled code, and what that takes."""

import functools

import numpy as np

from ...kernels.cpu.machine import host
from ...kernels.cpu.runtime import code_cache
from ...kernels.cpu.scoring import tile
from ..protocol import Plan
from . import costs, techniques
from .planning import is_small, sizes_of, sum_bytes
from .problems import CpuProblems

_asked = [0]  # runs that would have been made together if that were compiled


def threads_for(n_threads):
    """Threads that may take runs."""
    return host.usable_cpus() if n_threads is None else n_threads


def declines(problem, problems, runs, n_threads):
    """See `kmeans_fast.backends.protocol.Backend.batches`."""
    threads = threads_for(n_threads)
    if techniques.CHOICE.forced is not None:
        return "a technique is forced, which single fits use"
    path = techniques.chosen(sizes_of(problem, 1)).path
    if path != "float32":
        return f"single fits have ways that save more: {path}"
    if threads > 1 and runs < costs.RUNS_A_THREAD * threads and not is_small(problem):
        return f"a single fit has {threads} threads, which {runs} runs would not keep busy"
    if problems > 1 and problem.dtype.itemsize == 8 and problem.n_samples >= costs.MOST_CROWDED:
        return "many float64 rows may have nearly the same hash"
    return "" if _compiled(runs) else "compiling it would take longer than these runs"


def _compiled(runs):
    """Whether whole runs are compiled, or are worth it."""
    if CpuProblems.is_compiled or _kept():
        return True
    _asked[0] += runs
    return runs >= costs.MANY_RUNS or _asked[0] >= costs.MANY_SO_FAR


@functools.cache  # what is not there now, this process will compile itself
def _kept():
    """Whether the code for whole runs is on disk; then it is loaded."""
    of, zeros = np.zeros(1, np.int64), np.zeros(1)
    try:
        with code_cache.only_kept():
            one = CpuProblems(np.zeros((1, 1, 1)), None, 1, 1)
            one.seeds(np.zeros((1, 1, 2), np.uint64), of)
            one.lloyd(np.zeros((1, 1, 1)), zeros, of, 1, False)
    except code_cache.NotKeptError:
        return False
    return True


def plan(problem, problems, runs, n_threads):
    """See `kmeans_fast.backends.protocol.Backend.plan_problems`."""
    n, d, k = problem.n_samples, problem.n_features, problem.n_clusters
    threads = min(threads_for(n_threads), max(problems, runs))
    seeding = n * 36 + n // 8 * 16
    of_a_thread = seeding + sum_bytes(problem) + k * d * 36 + (d + tile.BLOCK) * tile.ROWS * 4
    notes = ("whole runs in compiled code, one on each thread at a time",)
    return Plan("float32", threads, threads * of_a_thread + problems * (d + 1) * 200, notes)
