"""The fits of many problems of the same sizes: together, where the backend does that, else one after the other."""

import contextlib
import functools
from typing import Any, NamedTuple

import numpy as np

from ..array_checks import plain_numbers
from ..arrays import stacked, to_host
from .checks import as_centroids, check_clusters, check_init_size, check_magnitudes
from .events import PHASES, PREPARING, Events
from .fit import fit, may_run_together, resolved_start
from .memory import shortage, too_little
from .opening import choose_checked, copied_bytes, results_bytes
from .together import run_together


class BatchFit(NamedTuple):
    """The best run of each problem; arrays are the host's, but for the labels."""

    centroids: np.ndarray  # (problems, n_clusters, n_features)
    labels: Any  # (problems, n_samples) int32, of the kind that the data is
    inertia: np.ndarray  # (problems,) float64
    n_iter: np.ndarray  # (problems,) int64
    n_used: np.ndarray  # (problems,) int64: clusters that have rows
    backend: str
    timings: dict[str, float]  # seconds by phase (`events.PHASES`), all problems together


@contextlib.contextmanager
def _of_problem(number):
    """What is refused inside is said to be of this problem."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"problem {number}: {error}") from error


def _starts(init, batch, n_clusters):
    """Given centroids of every problem, (problems, n_clusters, n_features), from those of all or of each."""
    given, count = to_host(plain_numbers(stacked(init), "init")), len(batch.X)
    if given.ndim == 3 and len(given) != count:
        raise ValueError(f"init has centroids for {len(given):,} problems, and X has {count:,}.")
    starts = []
    for number in range(count):
        data = batch.problem(number)
        with _of_problem(number):
            own = given[number] if given.ndim == 3 else given
            starts.append(as_centroids(own, data, n_clusters))
    return np.array(starts)


def fit_batch(batch, n_clusters, *, init, n_init, max_iter, tol, seed, init_size, device, n_threads):
    """Cluster the rows of each problem.

    Parameters
    ----------
    batch : kmeans_fast.arrays.Batch
    init : {"k-means++", "k-means||", "random"}, ndarray (n_clusters, n_features) or with one more axis, or callable
    n_clusters, n_init, max_iter, tol, seed, init_size, device, n_threads
        As for `fit`, the same for every problem.

    Returns
    -------
    BatchFit
        Each answer is that of `fit` on its problem alone.

    Raises
    ------
    ValueError
        As `fit`; the message says of which problem.
    """
    count, n_samples, _ = batch.X.shape
    check_init_size(init_size, n_clusters)
    check_clusters(n_samples, n_clusters)
    events = Events()
    events.begin(PREPARING)
    given = None if isinstance(init, str) or callable(init) else _starts(init, batch, n_clusters)
    for number in range(count):
        with _of_problem(number):
            check_magnitudes(batch.problem(number))
    choice = choose_checked(batch.X, batch.weights, batch.origin, n_clusters, device, n_threads)
    how = {"n_init": n_init, "max_iter": max_iter, "tol": tol, "seed": seed}
    start = (init, init_size) if init_size != "auto" else resolved_start(init, n_samples, n_clusters)
    if not may_run_together(*start, n_samples) or choice.objection(count, count * n_init):
        how |= {"init_size": init_size, "device": device, "n_threads": n_threads}
        return _one_by_one(batch, choice, init, given, how)
    problems = choice.together(batch.X, count * n_init)
    alone = functools.partial(choice.alone, batch.X)
    found = run_together(problems, alone, count, n_clusters, starts=given, events=events, **how)
    labels, best = found.labels, found.best
    if n_init > 1:
        labels = np.stack([labels[run] for run in best.tolist()])  # NumPy's functions dispatch to CuPy's
    of_all = (found.centroids[best], labels, found.inertia[best], found.n_iter[best], found.n_used[best])
    return BatchFit(*of_all, choice.backend.name, events.seconds)


def _one_by_one(batch, choice, init, given, how):
    """The `BatchFit` of a fit for each problem; `how` they are made: see `fit`."""
    count = len(batch.X)
    plan = choice.backend.plan(choice.problem, how["n_threads"])
    copied = copied_bytes(choice.backend, choice.problem)
    needed = plan.workspace_bytes + results_bytes(choice.problem, count) + copied
    available = None if plan.on_device else shortage(needed)
    if available is not None:
        raise too_little(needed, available, f"k-means of {count:,} problems")
    fits = []
    for number in range(count):
        rng = np.random.RandomState(how["seed"] % 2**32) if callable(init) else None
        start = init if given is None else given[number]
        with _of_problem(number):
            found = fit(batch.problem(number), choice.problem.n_clusters, init=start, rng=rng, **how)
        fits.append(found._replace(history=()))
    seconds = {phase: sum(found.timings[phase] for found in fits) for phase in PHASES}
    labels = np.stack([found.labels for found in fits])
    of_all = (np.array([getattr(found, name) for found in fits]) for name in ("inertia", "n_iter", "n_used"))
    return BatchFit(np.stack([found.centroids for found in fits]), labels, *of_all, choice.backend.name, seconds)
