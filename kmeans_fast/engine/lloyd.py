"""Lloyd's algorithm over a backend's session, with scikit-learn's stopping rules.

It is the loop of `kmeans_fast.reference.lloyd`.
"""

import time
from typing import Any, NamedTuple

import numpy as np

from .events import ITERATING, LAST_PASS, Events
from .history import Progress


class Run(NamedTuple):
    """One run of Lloyd's algorithm."""

    centroids: np.ndarray
    labels: Any  # of the kind that the data is
    inertia: float
    n_used: int  # clusters that have rows
    n_iter: int
    history: list
    stopped: bool  # by the callback


class Reached(NamedTuple):
    """How far a run of Lloyd's algorithm has come that is not over."""

    centroids: np.ndarray  # after the last iteration,
    before: np.ndarray  # and those that it began with: the labels are theirs
    history: list


def lloyd(session, centroids, *, max_iter, threshold, run=0, stage=0, done=0, events=None, keeper=None):
    """Iterate from `centroids` until no label changes, the centroids settle, `max_iter`, or the callback says so.

    The labels returned are those of the centroids returned. `run`, `stage` and the iterations `done` before in this run
    are for the history; `events` hear of every iteration, and when the iterations and the last pass begin. A `keeper`
    (`checkpoint.Keeper`) hears of every iteration too, and may know where to go on.
    """
    events = events or Events()
    events.begin(ITERATING)
    session.reset()
    history, stopped, ahead = [], False, None
    over = reached = None
    if keeper is not None:
        over, reached = keeper.over(stage, centroids), keeper.reached(stage, centroids)
    if over is not None:
        session.assign(over.centroids)
        return over._replace(labels=session.labels)
    if reached is not None:
        centroids, history = reached.centroids, reached.history
        session.assign(reached.before)
    after = centroids
    started = time.perf_counter()
    for iteration in range(len(history) + 1, max_iter + 1):
        step = session.iterate(centroids) if ahead is None else ahead
        # The next iteration begins with labels for this one's centroids: those that are wanted if this one is the last.
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
                threshold,
                found.squared_shift <= threshold or (found.changed == 0 and session.labels_decide),
            )
        )
        started = now
        stopped = events.iteration(history[-1], lambda step=step: session.fetch(step.centroids))
        ended = history[-1].converged or iteration == max_iter
        if keeper is not None and not ended:
            before, after = after, session.fetch(centroids)
            keeper.iterated(Reached(after, before, history), must=stopped)
        if stopped or ended:
            break
    events.begin(LAST_PASS)
    labels_are_current = ahead is not None or (found.changed == 0 and found.squared_shift == 0.0)
    if not labels_are_current:
        session.assign(centroids)
    inertia, n_used = session.inertia(centroids), int(np.count_nonzero(session.cluster_sizes()))
    found = Run(session.fetch(centroids), session.labels, inertia, n_used, iteration, history, stopped)
    if keeper is not None and ended:
        keeper.ended(found)
    return found
