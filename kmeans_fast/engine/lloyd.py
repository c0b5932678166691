"""Lloyd's algorithm over a backend's session, with scikit-learn's stopping rules (the loop of `kmeans_fast.reference.lloyd`)."""

import time
from typing import NamedTuple

import numpy as np

from .history import Progress


class Run(NamedTuple):
    """One run of Lloyd's algorithm."""

    centroids: np.ndarray
    labels: np.ndarray
    inertia: float
    n_iter: int
    history: list
    stopped: bool  # by the callback


def _converged(step, threshold):
    """The rule that ends the run at this step, in scikit-learn's words; empty if none does."""
    if step.changed == 0:
        return "strict convergence"
    if step.squared_shift <= threshold:
        return f"center shift {step.squared_shift} within tolerance {threshold}"
    return ""


def lloyd(session, centroids, *, max_iter, threshold, run=0, verbose=False, callback=None):
    """Iterate from `centroids` until no label changes, the centroids settle, `max_iter`, or the callback says so.

    The labels returned are those of the centroids returned.
    """
    session.reset()
    history, stopped = [], False
    for iteration in range(1, max_iter + 1):
        started = time.perf_counter()
        step = session.iterate(centroids)
        seconds = time.perf_counter() - started
        history.append(
            Progress(
                run,
                iteration,
                step.inertia,
                step.squared_shift,
                step.changed,
                seconds,
                step.empty,
                step.rechecked,
                step.scored,
                step.path,
            )
        )
        if verbose:
            print(f"Iteration {iteration - 1}, inertia {step.inertia}.")
        labels_are_current = step.changed == 0 and step.squared_shift == 0.0
        centroids = step.centroids
        reason = _converged(step, threshold)
        stopped = bool(callback is not None and callback(history[-1]))
        if reason and verbose:
            print(f"Converged at iteration {iteration - 1}: {reason}.")
        if reason or stopped:
            break
    if not labels_are_current:
        session.assign(centroids)
    return Run(centroids, session.labels, session.inertia(centroids), iteration, history, stopped)
