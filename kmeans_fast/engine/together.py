"""Runs that have nothing to do with each other, made together by a backend (`backends.together.Problems`)."""

from typing import NamedTuple

import numpy as np

from ..reference import draws, n_trials
from .events import ITERATING, SEEDING
from .history import Progress
from .lloyd import lloyd


class Together(NamedTuple):
    """What the runs of all problems came to; the best of each problem is the first of least inertia."""

    best: np.ndarray  # (problems,) int64: the number of the best run among all
    centroids: np.ndarray  # these five of all runs, as of `backends.together.Outcome`
    labels: object
    inertia: np.ndarray
    n_used: np.ndarray
    n_iter: np.ndarray
    history: list  # of `Progress`, of all runs in order; empty unless recorded


def run_together(
    problems, alone, count, n_clusters, *, starts, n_init, max_iter, tol, seed, events, record=False,
):  # fmt: skip
    """Make `n_init` runs of each of `count` problems.

    Parameters
    ----------
    problems : kmeans_fast.backends.together.Problems
    alone : callable
        ``alone(number)``: a session on one of the problems.
    starts : ndarray (count, n_clusters, n_features) or None
        Given centroids to start all runs of a problem from; None: seeds by k-means++.
    tol : float, relative to the mean variance of the features
    seed : int
        The same for every problem, so that each answer is that of a fit of its own.
    events : Events
    record : bool
        Whether the history is wanted.

    Returns
    -------
    Together
    """
    of = np.repeat(np.arange(count), n_init)
    thresholds = (tol * problems.mean_variances() if tol > 0 else np.zeros(count))[of]
    events.begin(SEEDING)
    if starts is None:
        shape = n_clusters, n_trials(n_clusters)
        words = np.array([draws(seed, run, shape) for run in range(n_init)])
        centroids = problems.rows(problems.seeds(np.tile(words, (count, 1, 1)), of), of)
    else:
        centroids = starts[of]
    events.begin(ITERATING)
    clock = events.seconds[ITERATING]
    found = problems.lloyd(centroids, thresholds, of, max_iter, record)
    told, session, opened = {}, None, -1
    for run in np.flatnonzero(found.halted).tolist():
        if of[run] != opened:
            session = None  # its memory is not wanted beside another's
            session, opened = alone(int(of[run])), of[run]
        one = lloyd(session, centroids[run], max_iter=max_iter, threshold=thresholds[run], run=run % n_init)
        found.centroids[run], found.labels[run], told[run] = one.centroids, one.labels, one.history
        found.inertia[run], found.n_used[run], found.n_iter[run] = one.inertia, one.n_used, one.n_iter
    events.end()
    history = []
    if record:
        seconds = (events.seconds[ITERATING] - clock) * (1 - 2.0**-40) / int(found.n_iter.sum())  # they add up to less
        for run in range(len(of)):
            history += told[run] if run in told else _history(found, run, seconds, thresholds[run])
    best = np.arange(count) * n_init + found.inertia.reshape(count, n_init).argmin(axis=1)
    return Together(best, found.centroids, found.labels, found.inertia, found.n_used, found.n_iter, history)


def _history(found, run, seconds, threshold):
    """The history of a run of one problem, whose time is shared out evenly."""
    for at, numbers in enumerate(found.iterations[run, : found.n_iter[run]].tolist()):
        changed, squared_shift, inertia, rechecked, scored = numbers
        yield Progress(
            run, at + 1, inertia, squared_shift, int(changed), seconds, 0, int(rechecked), int(scored), found.path,
            threshold=float(threshold), converged=squared_shift <= threshold or changed == 0,
        )  # fmt: skip
