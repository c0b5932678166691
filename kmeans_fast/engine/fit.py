"""A fit: choose the backend, seed, run Lloyd's algorithm n_init times, keep the best."""

import functools
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Data, values_of
from .checkpoint import Keeper, identity
from .checks import as_centroids, check_clusters, check_init_size
from .events import PREPARING, SEEDING, Events
from .history import Progress
from .lloyd import lloyd
from .opening import choose
from .refinement import breathe, deepest
from .seeding import auto_start, kmeans_parallel, kmeans_plusplus, most_candidates, random_rows, sample
from .together import run_together
from .update import means


class Fit(NamedTuple):
    """The best of the runs."""

    centroids: np.ndarray
    labels: Any  # of the kind that the data is
    inertia: float
    n_iter: int
    n_used: int  # clusters that have rows: fewer than n_clusters where rows are duplicates
    backend: str
    history: tuple[Progress, ...]  # of all runs
    timings: dict[str, float]  # seconds by phase (`events.PHASES`), all runs together

    @property
    def warning(self) -> str:
        """What the caller is to be warned of, in scikit-learn's words; empty if of nothing."""
        if self.n_used == len(self.centroids):
            return ""
        return (
            f"Number of distinct clusters ({self.n_used}) found smaller than n_clusters ({len(self.centroids)}). "
            "Possibly due to duplicate points in X."
        )


def initial_centroids(session, data, init, n_clusters, seed, run, rng, open_rows=None):
    """Centroids to start a run from, (n_clusters, n_features) in X's dtype.

    `init` is the name of a method, an array, or a callable ``init(X, n_clusters, random_state=rng)``. `session` is open
    on the rows to draw seeds from, and ``open_rows(rows, weights)``, which "k-means||" needs, opens one on others.
    """
    if isinstance(init, str):
        if init == "k-means++":
            return session.rows(kmeans_plusplus(session, n_clusters, seed, run))
        if init == "k-means||":
            return session.rows(kmeans_parallel(session, n_clusters, seed, run, open_rows))
        return session.rows(random_rows(session, n_clusters, seed, run))
    if callable(init):
        if not isinstance(data, Data):
            raise ValueError(
                "init is a callable, which takes the rows as one array, and X is in chunks: give an array."
            )
        init = init(values_of(data.X), n_clusters, random_state=rng)
    return as_centroids(init, data, n_clusters)


def _open_sample(opened, init_size, seed, run):
    """A session on a sample of the rows to draw seeds from.

    None where all rows serve: if there are no more, or too few different ones were drawn.
    """
    if init_size is None or init_size >= opened.problem.n_samples:
        return None
    rows, times = sample(opened.session, init_size, seed, run)
    return opened.rows(rows, times) if len(times) >= opened.problem.n_clusters else None


def _drawn(opened, data, init, init_size, seed, run, rng):
    """Centroids to start a run from. The memory of a sample that they are drawn from is free again after it."""
    few = _open_sample(opened, init_size, seed, run) if isinstance(init, str) else None
    n_clusters = opened.problem.n_clusters
    return initial_centroids(few or opened.session, data, init, n_clusters, seed, run, rng, opened.rows)


def second_session(n_clusters, n_samples, init, refine):
    """Clusters of the widest second session on the rows that a fit will have open at times; 0: there will be none."""
    second = n_clusters + deepest(n_clusters, n_samples) if refine else 0
    if isinstance(init, str) and init == "k-means||":
        second = max(second, most_candidates(n_clusters, n_samples))
    return second


def resolved_start(init, n_samples, n_clusters):
    """What `init` comes to with ``init_size="auto"``, and the rows that seeds are drawn from; None: all."""
    if isinstance(init, str) and init == "k-means++":
        return auto_start(n_samples, n_clusters)
    return init, None


def may_run_together(init, init_size, n_samples):
    """Whether runs may be made together from this start: from given centroids, or k-means++ on all rows."""
    if isinstance(init, str):
        return init == "k-means++" and (init_size is None or init_size >= n_samples)
    return not callable(init)


def _fit_together(data, choice, init, events, how):
    """The `Fit` of runs that the chosen backend makes together; `how` they are made: see `run_together`."""
    X, k = data.X[None], choice.problem.n_clusters
    choice = choice._replace(weights=None if choice.weights is None else choice.weights[None])
    problems = choice.together(X, how["n_init"])
    starts = None if isinstance(init, str) else init[None]
    found = run_together(
        problems, functools.partial(choice.alone, X), 1, k, starts=starts, events=events, record=True, **how
    )
    best = int(found.best[0])
    return Fit(
        found.centroids[best], found.labels[best], float(found.inertia[best]), int(found.n_iter[best]),
        int(found.n_used[best]), choice.backend.name, tuple(found.history), events.seconds,
    )  # fmt: skip


def fit(
    data, n_clusters, *, init, n_init, max_iter, tol, seed, rng=None, init_size=None, device="auto", n_threads=None,
    callback=None, refine=None, rule=means, checkpoint=None, resume=False,
):  # fmt: skip
    """Cluster rows.

    Parameters
    ----------
    data : kmeans_fast.arrays.Data
    n_clusters : int
    init : {"k-means++", "k-means||", "random"}, ndarray or callable
    n_init, max_iter : int
    tol : float, relative to the mean variance of the features
    seed : int, the key of all random draws
    rng : numpy.random.RandomState, for a callable `init` only
    init_size : int, at least n_clusters, "auto" or None
        Rows that seeds are drawn from: so many; as many, and by the method, that `seeding.auto_start` says, where
        `init` is "k-means++"; or all.
    callback : callable or None
        See `Events`.
    refine : "breathing" or None
        Whether each run is improved after it has converged.
    rule : callable
        How centroids follow from sums (`update.means`). Another one than the means is followed on the host.
    checkpoint : path-like or None
        Where to keep how far the fit has come (`checkpoint.Keeper`).
    resume : bool
        Whether to go on from there.

    Returns
    -------
    Fit

    Raises
    ------
    ValueError
        If the arguments do not fit the rows or each other.
    """
    if resume and checkpoint is None:
        raise ValueError("resume=True goes on from a checkpoint and there is none: give its path as `checkpoint`.")
    check_init_size(init_size, n_clusters)
    check_clusters(data.n_samples, n_clusters)
    if not isinstance(init, str) and not callable(init):
        init = as_centroids(init, data, n_clusters)
    events = Events(callback)
    events.begin(PREPARING)
    n_samples = data.n_samples
    given = {"init": init, "init_size": init_size}
    if init_size == "auto":
        init, init_size = resolved_start(init, n_samples, n_clusters)
    second = second_session(n_clusters, n_samples, init, refine)
    choice = choose(data, n_clusters, device=device, n_threads=n_threads, second=second)
    alike = isinstance(data, Data) and callback is None and refine is None and rule is means and checkpoint is None
    if alike and may_run_together(init, init_size, n_samples) and not choice.objection(1, n_init):
        how = {"n_init": n_init, "max_iter": max_iter, "tol": tol, "seed": seed}
        return _fit_together(data, choice, init, events, how)
    opened = choice.opened(data, rule)
    session = opened.session
    threshold = tol * session.mean_variance() if tol > 0 else 0.0
    keeper, best, history, over = None, None, [], 0
    if checkpoint is not None:
        how = {"n_clusters": n_clusters, **given, "n_init": n_init, "max_iter": max_iter, "tol": tol, "seed": seed}
        of = identity(data, session, **how, refine=refine, rule=rule)
        keeper = Keeper(checkpoint, of, resume, events)
        best, history, over = keeper.best, list(keeper.history), keeper.run
    for run in range(0 if callable(init) else over, n_init):  # a callable goes on with its random numbers
        events.begin(SEEDING)
        start = keeper and keeper.start_of(run)
        if start is None or callable(init):
            drawn = _drawn(opened, data, init, init_size, seed, run, rng)
            if run < over:
                continue
            if start is None:
                start = drawn
                if keeper is not None:
                    keeper.began(start)
        how = {"max_iter": max_iter, "threshold": threshold, "run": run, "events": events, "keeper": keeper}
        found = lloyd(session, start, **how)
        if refine is not None:
            found = breathe(session, found, seed=seed, distances=opened.distances, **how)
        history += found.history
        if best is None or found.inertia < best.inertia:
            best = found
        if found.stopped:
            break
        if keeper is not None:
            keeper.ran(best, history, last=run + 1 == n_init)
    if best.labels is None:  # it was another process that made this run
        session.assign(best.centroids)
        best = best._replace(labels=session.labels)
    events.end()
    of_all = (getattr(session, "backend", opened.backend.name), tuple(history), events.seconds)
    return Fit(best.centroids, best.labels, best.inertia, best.n_iter, best.n_used, *of_all)
