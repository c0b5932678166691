"""Lloyd's algorithm over a backend's session, with scikit-learn's stopping rules (the loop of `kmeans_fast.reference.lloyd`)."""

import time
from typing import Any, NamedTuple

import numpy as np

from .history import Progress
from .phases import ITERATING, LAST_PASS, Phases


class Run(NamedTuple):
    """One run of Lloyd's algorithm."""

    centroids: np.ndarray
    labels: Any  # of the kind that the data is
    inertia: float
    n_used: int  # clusters that have rows
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


def lloyd(
    session, centroids, *, max_iter, threshold, run=0, stage=0, done=0, verbose=False, callback=None, phases=None
):
    """Iterate from `centroids` until no label changes, the centroids settle, `max_iter`, or the callback says so.

    The labels returned are those of the centroids returned. `run`, `stage` and the iterations `done` before in this run
    are for the history; `phases` are told when the iterations and the last pass begin.
    """
    phases = phases or Phases()
    phases.begin(ITERATING)
    session.reset()
    history, stopped, ahead = [], False, None
    started = time.perf_counter()
    for iteration in range(1, max_iter + 1):
        step = session.iterate(centroids) if ahead is None else ahead
        # The next iteration begins with labels for this one's centroids: should this one be the last, those are the labels that are wanted.
        ahead = session.iterate(step.centroids) if session.runs_ahead and iteration < max_iter else None
        centroids, found = step.centroids, step.read()
        now = time.perf_counter()
        history.append(
            Progress(
                run,
                done + iteration,
                found.inertia,
                found.squared_shift,
                found.changed,
                now - started,
                found.empty,
                found.rechecked,
                found.scored,
                found.path,
                stage,
            )
        )
        started = now
        if verbose:
            print(f"Iteration {iteration - 1}, inertia {found.inertia}.")
        reason = _converged(found, threshold)
        stopped = history[-1].told_to(callback, lambda step=step: session.fetch(step.centroids))
        if reason and verbose:
            print(f"Converged at iteration {iteration - 1}: {reason}.")
        if reason or stopped:
            break
    phases.begin(LAST_PASS)
    labels_are_current = ahead is not None or (found.changed == 0 and found.squared_shift == 0.0)
    if not labels_are_current:
        session.assign(centroids)
    inertia, n_used = session.inertia(centroids), int(np.count_nonzero(session.cluster_sizes()))
    return Run(session.fetch(centroids), session.labels, inertia, n_used, iteration, history, stopped)
