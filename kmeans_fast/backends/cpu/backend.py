"""The backend object: what it can run, and sessions."""

import functools
import importlib

from ...kernels.undisturbed import undisturbed
from ..defaults import OnHost

# Among techniques, what only seeds need, what a problem cannot do without (`readiness`), and all that are on disk.
SEEDS, NEEDED, LOADING = "seeding", "what takes every pass", "loading"


@functools.cache
def _imported(name, package=None):
    """A module that Numba is imported with, which an interrupt must not leave half done."""
    return undisturbed(importlib.import_module, name, package)


@functools.cache
def module(name):
    """A module of this package, all of which but this one are imported with Numba."""
    return _imported(f".{name}", __package__)


class CpuBackend(OnHost):
    name = "cpu"
    proved = 23

    def is_available(self):
        try:
            numba = _imported("numba")
        except Exception as error:  # also what Numba raises beside a library of the wrong version
            return False, f"Numba, which compiles its kernels, cannot be imported: {error}"
        if numba.config.DISABLE_JIT:
            return False, "Numba compiles nothing while NUMBA_DISABLE_JIT is set; unset it"
        return True, ""

    def plan(self, problem, n_threads):
        return module("planning").plan(problem, n_threads)

    def open(self, X, weights, problem, n_threads):
        threads = module("planning").threads_for(problem, n_threads)
        return module("session").CpuSession(
            X, weights, problem.n_clusters, threads, problem.frugal, problem.copies, problem.without
        )

    def batches(self, problem, problems, runs, n_threads):
        return module("together").declines(problem, problems, runs, n_threads)

    def plan_problems(self, problem, problems, runs, n_threads):
        return module("together").plan(problem, problems, runs, n_threads)

    def open_problems(self, X, weights, problem, runs, n_threads):
        return module("problems").CpuProblems(X, weights, problem.n_clusters, module("together").threads_for(n_threads))
