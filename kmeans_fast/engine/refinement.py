"""A better optimum after convergence: breathing k-means.

Lloyd's algorithm stops at the local optimum next to its start. A breath leads out of it: some centroids more are put
where the error is largest, Lloyd's algorithm runs, as many are taken away where they are missed least, and it runs
again. What is no better is thrown away, and the next breath is half as deep.

The rules depend on exact sums and on distances by the contract only, so the result is the same on every backend.

* Errors: each row's ``w D`` in units of the smallest power of two that keeps their sum below 2**53: sums of integers,
  exact in any order.
* In: a second centroid for each of the clusters of largest error (ties: the lowest), STEP of its root mean square
  distance away, in a direction of random signs.
* Out: the centroids of least ``W_c D(c, nearest other)``, W being the weight of the cluster: what inertia grows by if
  that other one takes all its rows, c being their mean, and no less than what it grows by if each goes to the nearest.
  Of two neighbours only one goes, lest both leave a place at once.

Method: Fritzke, "The breathing k-means algorithm" (2020), after LBG-U (1997). His utility of a centroid is what rows
lose if each goes to its second nearest; the bound here needs no pass over the rows.
"""

import math

import numpy as np

from ..arrays import to_host
from ..reference import draws
from .events import ITERATING, Events
from .lloyd import lloyd

_STEP = 0.01
_LEAST_DEPTH, _DEPTH = 5, 0.05  # centroids of the first breath: so many, or this share of all
_LEAST_GAIN = 1e-4  # of inertia, below which the next breath is half as deep
_ROWS = 1 << 20  # at a time
_PAIRS = 1 << 22  # of centroids, at a time


def deepest(n_clusters, n_samples):
    """Centroids that the first breath adds: a session must have room for them."""
    return min(n_clusters, max(_LEAST_DEPTH, int(_DEPTH * n_clusters)), n_samples - n_clusters)


def sums_by_cluster(parts, n_clusters):
    """The sum over each cluster (n_clusters,) of the values of its rows: exact, of values cut to a common unit.

    `parts` is a list of pairs: labels (n,) and float64 values (n,), not negative.
    """
    largest = max(float(values.max()) for _, values in parts)
    if largest == 0.0:
        return np.zeros(n_clusters)
    shift = common_shift(sum(len(values) for _, values in parts), largest)
    return np.ldexp(sum(units_by_cluster(*part, n_clusters, shift) for part in parts), -shift)


def common_shift(n_samples, largest):
    """The unit is two to minus this: sums of so many values are exact in float64."""
    return 53 - n_samples.bit_length() - math.frexp(largest)[1]


def units_by_cluster(labels, values, n_clusters, shift):
    """The sums of the values of one part in that unit, whole numbers (n_clusters,) float64."""
    total = np.zeros(n_clusters)
    for start in range(0, len(labels), _ROWS):
        rows = slice(start, start + _ROWS)
        units = np.floor(np.ldexp(values[rows], shift))
        total += np.bincount(labels[rows], weights=units, minlength=n_clusters)
    return total


def cluster_totals(session, n_clusters, centroids=None):
    """The sum over each cluster of the session's labels of ``w D``, D being to its centroid; without them, of w."""
    if hasattr(session, "cluster_totals"):  # its rows are elsewhere
        return session.cluster_totals(n_clusters, centroids)
    parts = [(to_host(part.labels), products(part, centroids)) for part in session.parts]
    return sums_by_cluster(parts, n_clusters)


def products(part, centroids):
    """``w D`` (or w) of every row of a part."""
    weights = part.weights_of(np.arange(part.shape[0]))
    if centroids is None:
        return np.ones(part.shape[0]) if weights is None else weights
    own = to_host(part.own_distances(centroids))
    return own if weights is None else own * weights


def inhaled(centroids, errors, weights, depth, words):
    """The centroids, and another near each of the `depth` of largest error; fewer where fewer have any.

    `words` (depth, at least n_features / 64) uint64 are the signs.
    """
    chosen = np.argsort(-errors, kind="stable")[:depth]
    chosen = chosen[(errors[chosen] > 0) & (weights[chosen] > 0)]  # the lightest weights may be cut to nothing
    feature = np.arange(centroids.shape[1])
    signs = 1.0 - 2.0 * ((words[: len(chosen), feature // 64] >> (feature % 64).astype(np.uint64)) & np.uint64(1))
    steps = _STEP * np.sqrt(errors[chosen] / weights[chosen] / centroids.shape[1])
    beside = centroids[chosen].astype(np.float64) + steps[:, None] * signs
    most = np.finfo(centroids.dtype).max
    return np.concatenate([centroids, np.clip(beside, -most, most).astype(centroids.dtype)])


def exhaled(centroids, weights, depth, distances):
    """The centroids without the `depth` that are missed least.

    ``distances(rows)`` gives their distances to all centroids, in X's dtype, in which squares may overflow.
    """
    k = len(centroids)
    nearest, apart = np.empty(k, np.int64), np.empty(k)
    step = max(1, _PAIRS // k)
    for start in range(0, k, step):
        rows = slice(start, min(start + step, k))
        table = distances(centroids[rows]).astype(np.float64)
        table[np.arange(len(table)), np.arange(start, rows.stop)] = np.inf
        nearest[rows], apart[rows] = table.argmin(axis=1), table.min(axis=1)
    order = np.argsort(weights * apart**2, kind="stable")
    stays, goes, gone = np.zeros(k, bool), np.zeros(k, bool), 0
    for c in order:
        if gone == depth:
            break
        if not stays[c]:
            goes[c] = stays[nearest[c]] = True
            gone = int(np.count_nonzero(goes))
    rest = order[~goes[order]]
    goes[rest[: depth - gone]] = True  # too many are neighbours of each other
    return np.ascontiguousarray(centroids[~goes])


def breathe(session, first, *, seed, run, distances, max_iter, threshold, events=None, keeper=None):
    """Improve a converged run.

    Parameters
    ----------
    session : Session
        That `first` has just been made with.
    first : Run
    seed, run : int
        The key of the random signs.
    distances : callable
        ``distances(rows, centroids)``: their distances (len(rows), len(centroids)), by the contract.
    max_iter, threshold, events, keeper
        As for `lloyd`.

    Returns
    -------
    Run
        The best one found, with the iterations and the history of all.
    """
    best, k, n = first, len(first.centroids), session.shape[0]
    depth, history, stage = deepest(k, n), list(first.history), 0
    stopped, errors = first.stopped, None
    events = events or Events()
    how = {"max_iter": max_iter, "threshold": threshold, "run": run, "events": events, "keeper": keeper}
    while depth > 0 and not stopped:
        events.begin(ITERATING)
        if errors is None:
            errors, masses = cluster_totals(session, k, best.centroids), cluster_totals(session, k)
        words = draws(seed, run + (stage << 32) + 2**62, (depth, -(-first.centroids.shape[1] // 64)))
        start = inhaled(best.centroids, errors, masses, depth, words)
        added = len(start) - k
        if added == 0:
            break
        session = session.for_clusters(k + added)
        wide = lloyd(session, start, stage=stage + 1, done=len(history), **how)
        history += wide.history
        stopped = wide.stopped
        if not stopped:
            start = exhaled(
                wide.centroids,
                cluster_totals(session, k + added),
                added,
                lambda rows, c=wide.centroids: distances(rows, c),
            )
            session = session.for_clusters(k)
            found = lloyd(session, start, stage=stage + 2, done=len(history), **how)
            history += found.history
            stopped = found.stopped
            better = found.inertia < best.inertia * (1 - _LEAST_GAIN)
            events.breath(added, best.inertia, found.inertia)
            if found.inertia < best.inertia:
                best, errors = found, None
            if not better:
                depth //= 2
        stage += 2
    return best._replace(n_iter=len(history), history=history, stopped=stopped)
