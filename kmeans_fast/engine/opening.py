"""From arrays to sessions: which backend serves, and whether its plan fits into memory."""

from typing import Any, NamedTuple

import numpy as np

from .. import backends
from ..backends.protocol import Backend, Problem
from .checks import check_magnitudes
from .memory import shortage, too_little


class Opened(NamedTuple):
    """A data set opened on a backend, which can open few other rows too."""

    session: Any
    backend: Backend
    problem: Problem
    n_threads: int | None

    def rows(self, rows, weights):
        """A session on other rows (m, n_features), which are on the host, for as many clusters."""
        what = f"seeding on {len(rows):,} rows"
        return self._session(rows, weights, self.problem, what)

    def distances(self, rows, centroids):
        """The distances of few rows to the centroids, both on the host, in their dtype: (len(rows), len(centroids))."""
        problem = self.problem._replace(n_clusters=len(centroids))
        return self._session(rows, None, problem, "distances between centroids").distances(centroids)

    def _session(self, rows, weights, problem, what):
        problem = on_host(problem)._replace(n_samples=len(rows), weighted=weights is not None, second=0)
        problem = plan_memory(self.backend, problem, self.n_threads, what)
        return self.backend.open(np.ascontiguousarray(rows), weights, problem, self.n_threads)


def open_rows(X, weights, n_clusters, *, device="auto", n_threads=None, resident=None, second=0):
    """The rows of X `Opened` on the backend that serves them, after the memory plan has been checked.

    `second` is the number of clusters of a second session that will be open beside; 0: there will be none.
    """
    check_magnitudes([(X, weights)])
    problem = as_problem(X, weights, n_clusters, device, resident)._replace(second=second)
    backend = backends.select(problem, device)
    what = f"k-means of {X.shape[0]:,} x {X.shape[1]:,} rows into {n_clusters:,} clusters"
    problem = plan_memory(backend, problem, n_threads, what)
    return Opened(backend.open(X, weights, problem, n_threads), backend, problem, n_threads)


def plan_memory(backend, problem, n_threads, what):
    """The problem, frugal where there is not memory enough otherwise.

    Raises
    ------
    MemoryError
        If there is not enough even so; the message begins with `what`.
    """
    for frugal in (False, True):
        problem = problem._replace(frugal=frugal)
        plan = backend.plan(problem, n_threads)
        available = None if plan.on_device else shortage(plan.workspace_bytes)
        if available is None:
            return problem
    raise too_little(plan.workspace_bytes, available, what)


def as_problem(X, weights, n_clusters, device="auto", resident=None):
    """The `Problem` that these data make."""
    return Problem(*X.shape, n_clusters, X.dtype, weights is not None, device, resident)


def on_host(problem):
    """The problem on the same device with data on the host."""
    device = problem.device if problem.resident is None else f"cuda:{problem.resident}"
    return problem._replace(device=device, resident=None)
