"""The contract: k-means in NumPy float64, written to be obviously right.

Every backend returns these bits: the same labels, seeds, centroids and inertia, whatever its threads, chunks or
instruction set. Two rules make that possible. A squared distance is a fixed sequence of float64 roundings (`distance`),
so "nearest" has one meaning; and every sum over rows is the exact real-number sum rounded once (`math.fsum`), so it has
no order. Seeds are drawn in an order of the rows' values (`content_order`), not of their numbers; float64 data has the
seeds of its rounding to float32, but for rare chance. Nothing here is fast: O(n k d) with a Python loop over features.

Shapes: `X` (n_samples, n_features) float32 or float64, `weights` (n_samples,) float64 or None (all ones), `centroids`
(n_clusters, n_features) in X's dtype, `labels` (n_samples,) int32.

Sources: Lloyd (1982); k-means++: Arthur and Vassilvitskii (2007), greedy trials as in scikit-learn; k-means||: Bahmani
et al. (2012); counter-based random numbers: Salmon et al. (2011), Philox as NumPy ships it; empty clusters and
stopping: scikit-learn's rules.
"""

import math
from typing import NamedTuple

import numpy as np

LABEL = np.int32
_ROWS = 4096  # rows at a time, to bound the (rows, n_clusters) table
ROUNDS, OVERSAMPLING = 5, 2  # of k-means||: the paper's


class Fit(NamedTuple):
    centroids: np.ndarray
    labels: np.ndarray
    inertia: float
    n_iter: int
    converged: str  # "strict", "tolerance" or "" when max_iter came first


def distance(x, c):
    """D along the last axis, float64: ``acc = 0; for each feature: t = x - c; acc = acc + t*t``, each rounded once."""
    x, c, total = x.astype(np.float64), c.astype(np.float64), 0.0
    for j in range(x.shape[-1]):
        t = x[..., j] - c[..., j]
        total = total + t * t
    return total


def squared_distances(X, centroids):
    """D of every row to every centroid, (n_samples, n_clusters)."""
    return distance(X[:, None], centroids[None])


def assign(X, centroids):
    """Labels (the lowest index among the nearest centroids) and the squared distances to them."""
    labels, nearest = np.empty(len(X), LABEL), np.empty(len(X))
    for start in range(0, len(X), _ROWS):
        rows = slice(start, start + _ROWS)
        distances = squared_distances(X[rows], centroids)
        labels[rows], nearest[rows] = distances.argmin(axis=1), distances.min(axis=1)
    return labels, nearest


def own_distances(X, centroids, labels):
    """D of every row to the centroid that it is labelled with, (n_samples,)."""
    return distance(X, centroids[labels])


def inertia(X, weights, centroids, labels):
    """The exact sum of ``w_i * D_i`` (each product rounded once), rounded once."""
    distances = own_distances(X, centroids, labels)
    return math.fsum(distances if weights is None else weights * distances)


def mean_variance(X):
    """Mean over features of the variance, from exact sums: the scale that `tol` is relative to."""
    mean = np.array([[math.fsum(column) / len(X) for column in X.T.tolist()]])
    return inertia(X, None, mean, np.zeros(len(X), LABEL)) / X.size


def cluster_sums(X, weights, labels, n_clusters):
    """Exact sums of ``w_i * x_i`` (products rounded once) and of ``w_i`` over each cluster, each rounded once."""
    weights = np.ones(len(X)) if weights is None else weights
    products = weights[:, None] * X.astype(np.float64)
    sums, totals = np.zeros((n_clusters, X.shape[1])), np.zeros(n_clusters)
    for c in range(n_clusters):
        members = labels == c
        sums[c] = [math.fsum(column) for column in products[members].T.tolist()]
        totals[c] = math.fsum(weights[members])
    return sums, totals


def relocate(X, weights, centroids, labels, empty):
    """Owners of the rows for the update: each empty cluster, in order, takes the row farthest from its centroid, of
    equally far ones the first by content. Rows of zero weight and rows that sit on their centroid are never taken.
    """
    weights = np.ones(len(X)) if weights is None else weights
    distances = np.where(weights > 0, own_distances(X, centroids, labels), 0.0)
    farthest = content_order(X, weights)
    farthest = farthest[np.argsort(-distances[farthest], kind="stable")][: len(empty)]
    farthest = farthest[distances[farthest] > 0]
    owners = labels.copy()
    owners[farthest] = empty[: len(farthest)]
    return owners


def update(X, weights, centroids, labels):
    """New centroids: sum / weight in float64, rounded once to X's dtype.

    A cluster without weight even after relocation has the centroid of the heaviest.
    """
    sums, totals = cluster_sums(X, weights, labels, len(centroids))
    if (totals == 0).any():
        owners = relocate(X, weights, centroids, labels, np.flatnonzero(totals == 0))
        sums, totals = cluster_sums(X, weights, owners, len(centroids))
    means = sums / np.where(totals > 0, totals, 1.0)[:, None]
    means[totals == 0] = means[totals.argmax()]
    return means.astype(X.dtype)


def squared_shift(new, old):
    """The sum over clusters of D(new, old), exact, rounded once."""
    return math.fsum(own_distances(new, old, np.arange(len(new))))


def draws(seed, run, shape):
    """Uniform uint64 words, a pure function of (seed, run, position): Philox in counter mode."""
    return np.random.Philox(key=np.array([seed, run], np.uint64)).random_raw(math.prod(shape)).reshape(shape)


def n_trials(n_clusters):
    """Candidates drawn for each greedy k-means++ step (scikit-learn's number)."""
    return 2 + int(math.log(n_clusters))


def row_hash(X):
    """A hash of each row: of its values as float32 and, in its lower half, of what that rounding takes away."""
    with np.errstate(over="ignore"):
        narrow, wide = X.astype(np.float32) + np.float32(0), X.astype(np.float64) + 0.0  # + 0: the zeros are one value
    rest = wide - np.where(np.isinf(narrow), 0.0, narrow)
    bits, words = np.stack([narrow.view(np.uint32), rest.view(np.uint64)]), np.zeros((2, len(X)), np.uint64)
    for j in range(X.shape[1]):
        words = (words ^ bits[:, :, j]) * np.uint64(0x9E3779B97F4A7C15)
        words ^= words >> np.uint64(32)
    words *= np.uint64(0xD6E8FEB86659FD93)
    narrow, rest = words ^ (words >> np.uint64(29))
    return narrow ^ (rest >> np.uint64(32))


def content_order(X, weights):
    """Row numbers by content, whatever order the rows are in: by hash, then value by value, then by weight."""
    return np.lexsort((weights, *X.T[::-1], row_hash(X)))


class Masses:
    """Integer masses of the rows, so that draws and potentials have no order of summation.

    ``mass_i = floor(w_i * d_i * 2**shift)``, with `shift` set from the largest product so that the total stays under
    2**61, and set anew whenever the total has fallen below 2**44. When every product is zero, ``d_i = 1`` takes its
    place.
    """

    def __init__(self, X, weights):
        self.weights = np.ones(len(X)) if weights is None else weights
        self.order = content_order(X, self.weights)
        self.d = np.ones(len(X))
        self.rescale()

    def rescale(self):
        if not (self.weights * self.d).any():
            self.d = np.ones(len(self.d))
        self.shift = 61 - len(self.d).bit_length() - math.frexp((self.weights * self.d).max())[1]

    def of(self, d):
        return np.floor(np.ldexp(self.weights * d, self.shift)).astype(np.int64)

    def total(self):
        if self.of(self.d).sum() < 2**44:
            self.rescale()
        return int(self.of(self.d).sum())

    def draw(self, word):
        """The first row, in the order of the content, whose cumulative mass exceeds ``word / 2**64`` of the total."""
        target = (int(word) * self.total()) >> 64
        cumulative = np.cumsum(self.of(self.d)[self.order])
        return int(self.order[np.searchsorted(cumulative, target, side="right")])


def sample(X, weights, size, seed, run=0):
    """Rows drawn with probability ``w_i``, with replacement: the numbers, of equal rows one, and how often each was."""
    masses, drawn = Masses(X, weights), {}
    for word in draws(seed, run + 2**63, (size,)):
        row = masses.draw(word)
        drawn.setdefault((X[row] + 0).tobytes(), []).append(row)
    return np.array([rows[0] for rows in drawn.values()]), np.array([float(len(rows)) for rows in drawn.values()])


def kmeans_plusplus(X, weights, n_clusters, seed, run=0):
    """Row numbers of the seeds by greedy k-means++.

    Each step draws `n_trials` rows with probability ``w_i * d_i`` (d: squared distance to the nearest seed) and keeps
    the one that leaves the least total mass, the earliest drawn among equals.
    """
    words, masses = draws(seed, run, (n_clusters, n_trials(n_clusters))), Masses(X, weights)
    rows = [masses.draw(words[0, 0])]
    masses.d = squared_distances(X, X[rows])[:, 0]
    masses.rescale()
    for step in range(1, n_clusters):
        candidates = [masses.draw(word) for word in words[step]]
        nearest = np.minimum(masses.d[:, None], squared_distances(X, X[candidates]))
        best = min(range(len(candidates)), key=lambda trial: int(masses.of(nearest[:, trial]).sum()))
        rows.append(candidates[best])
        masses.d = nearest[:, best]
    return np.array(rows)


def kmeans_parallel(X, weights, n_clusters, seed, run=0):
    """Row numbers of the seeds by k-means||.

    From one drawn row, each of `ROUNDS` draws ``OVERSAMPLING * n_clusters`` candidates with probability ``w_i * d_i``
    (d: squared distance to the nearest candidate so far). k-means++ chooses among them, weighted by the mass of the
    rows nearest to each.
    """
    size = OVERSAMPLING * n_clusters
    words = draws(seed, run + 2**61, (1 + ROUNDS * size,))
    masses, rows = Masses(X, weights), []
    for drawn in np.split(words, range(1, len(words), size)):
        if not (masses.weights * masses.d).any():
            break
        masses.rescale()
        named = [masses.draw(word) for word in reversed(drawn)]
        rows += {(X[row] + 0).tobytes(): row for row in named}.values()  # of rows of equal values one
        owner, masses.d = assign(X, X[rows])
    whole = Masses(X, weights)
    shares = np.array([max(1, whole.of(whole.d)[owner == c].sum()) for c in range(len(rows))])
    shares = np.ldexp(shares, -int(shares.max()).bit_length())  # at most 1
    if len(rows) < n_clusters:
        return kmeans_plusplus(X, weights, n_clusters, seed, run)
    return np.array(rows)[kmeans_plusplus(X[rows], shares, n_clusters, seed, run)]


def random_rows(X, weights, n_clusters, seed, run=0):
    """Row numbers drawn one after the other with probability ``w_i``, without replacement."""
    masses, rows = Masses(X, weights), []
    for word in draws(seed, run, (n_clusters,)):
        if (masses.weights * masses.d).any():
            rows.append(masses.draw(word))
        else:  # too few rows have weight: the lowest not yet taken
            rows.append(min(set(range(len(X))) - set(rows)))
        masses.d[rows[-1]] = 0.0
    return np.array(rows)


def lloyd(X, weights, centroids, max_iter=300, tol=1e-4):
    """Lloyd's algorithm from given centroids.

    It stops when no label changed ("strict"), else when `squared_shift` <= tol * `mean_variance`, else after
    `max_iter`. The labels returned are those of the centroids returned.
    """
    threshold = tol * mean_variance(X) if tol > 0 else 0.0
    labels, converged = np.full(len(X), -1, LABEL), ""
    for n_iter in range(1, max_iter + 1):
        previous, (labels, _) = labels, assign(X, centroids)
        old, centroids = centroids, update(X, weights, centroids, labels)
        if np.array_equal(labels, previous):
            converged = "strict"
        elif squared_shift(centroids, old) <= threshold:
            converged = "tolerance"
        if converged:
            break
    labels, _ = assign(X, centroids)
    return Fit(centroids, labels, inertia(X, weights, centroids, labels), n_iter, converged)
