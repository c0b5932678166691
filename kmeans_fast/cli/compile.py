"""``kmeans-fast compile``: the kernels of this machine's processor, compiled ahead of the first fit."""

import multiprocessing.util
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from ..messages import counted
from . import kernel_cache, progress
from .every_kernel import USES, compiled
from .tables import duration

_USUAL = ("fits", "bytes", "exponion", "bounds", "trees")  # what fits come to use by themselves


def run(args):
    """Run the subcommand."""
    place = kernel_cache.contents()
    if not place["writable"]:
        raise RuntimeError(f"compiled kernels cannot be kept: {kernel_cache.where(place)}. {kernel_cache.WAY_OUT}")
    wanted = args.what or (tuple(USES) if args.all else _USUAL)
    jobs = [use for use in USES if use in wanted]
    began = time.perf_counter()
    with progress.display(args.quiet) as display:
        display.phase("compiling")
        kernels, are_kept = _compiled_by_processes(jobs, display)
    seconds = duration(time.perf_counter() - began)
    place = kernel_cache.where(kernel_cache.contents())
    if not are_kept:
        raise RuntimeError(
            f"not all compiled kernels could be kept: {place}. Make room there (the disk may be full), or set "
            "KMEANS_FAST_CACHE_DIR to another directory."
        )
    print(f"{counted(kernels, 'kernel')} compiled in {seconds}: {place}")


def _compiled_by_processes(jobs, display):
    """How many kernels had to be compiled, in a process for each core, and whether all are kept.

    Numba compiles one at a time in a process.
    """
    from ..kernels import processors

    kernels, done, are_kept = 0, 0, True
    workers = min(processors.usable_cpus(), len(jobs))
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin)
    try:
        for future in as_completed([pool.submit(compiled, job) for job in jobs]):
            names, kept = future.result()
            kernels, done, are_kept = kernels + len(names), done + 1, are_kept and kept
            display.working(done / len(jobs), f"compiling, {counted(kernels, 'kernel')} so far")
        pool.shutdown()
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()
        if isinstance(error, BrokenProcessPool):
            raise RuntimeError("a process that compiled has ended: there may be too little memory") from None
        raise
    return kernels, are_kept


def _begin():
    """Leave interrupts to the parent, and end without tidying up, which takes a second: files are whole at any time."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    multiprocessing.util.Finalize(None, os._exit, args=(0,), exitpriority=0)
