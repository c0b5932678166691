"""The bounds that let an iteration skip rows, and when that pays."""

import numpy as np

from ...kernels.cpu.assignment.arguments import Bounds

# Nanoseconds a row of one core (measured); only their ratios matter.
_SCORING = 0.011  # times k * (d + 12)
_BOUNDS = 4.0
_FAILING = 35.0  # for a row that fails: measuring its own distance, collecting it, bounds anew
_LEAST_GAIN = 3.5  # plain scoring over bounds from which bounds are kept at all
_LEAST_PASS = 400_000.0  # nanoseconds of one core: a shorter pass is over before it is known who need not take part
_SAMPLE = 2048  # rows
_FARTHEST = 300  # binary orders of magnitude between the data and 1 within which squares of distances neither overflow nor vanish


def keeps_bounds(n_samples, n_features, n_clusters):
    """Whether bounds are kept for a problem of these sizes."""
    scoring = _scoring(n_features, n_clusters)
    return n_clusters > 1 and scoring >= _LEAST_GAIN * _BOUNDS and n_samples * scoring >= _LEAST_PASS


def _scoring(n_features, n_clusters):
    return _SCORING * n_clusters * (n_features + 12)


def is_usual(scale):
    """Whether bounds hold for data that `scale` brings near 1."""
    return abs(np.log2(scale)) <= _FARTHEST


class HamerlyBounds:
    """Bounds on the distances of every row (`kmeans_fast.kernels.cpu.assignment.hamerly`), in a unit that is fixed when they are first written."""

    def __init__(self, n_samples, n_features, n_clusters):
        self.upper, self.lower = np.empty((2, n_samples), np.float32)
        self.drift = np.zeros(n_clusters, np.float32)
        self.half_gap, self.above = np.zeros((2, n_clusters), np.float32)
        self.nearest = np.empty(n_clusters, np.int32)
        self.unit = self.centroids = None
        self.share = None  # of the rows, that failed in the last pass; None where that wrote all bounds anew
        plain = _scoring(n_features, n_clusters)
        self.most_that_pays = (plain - _BOUNDS) / (plain + _FAILING + 0.4 * n_features)

    def arguments(self, scale):
        """The `Bounds` that kernels take, for points scaled by `scale`."""
        return Bounds(self.upper, self.lower, self.drift, self.half_gap, self.unit, np.float32(self.unit / scale))

    def begin(self, scale):
        """Before a pass that writes all bounds."""
        self.unit = scale
        self.share = None

    def holds(self, centroids, scale):
        """Whether the bounds are of these centroids."""
        return self.centroids is centroids and is_usual(scale) and abs(np.log2(self.unit) - np.log2(scale)) <= 60

    def pays(self, labels):
        """Whether they are likely to skip rows enough."""
        share = self._expected_share(labels) if self.share is None else self.share
        return share <= self.most_that_pays

    def _expected_share(self, labels):
        """The share of a sample of rows that would fail, their bounds being fresh."""
        sample = slice(None, None, -(-len(labels) // _SAMPLE))
        above = self.upper[sample] + self.drift[labels[sample]]
        return np.count_nonzero(~(above < self.lower[sample] - self.drift.max())) / len(above)

    def follow(self, centroids, shifts):
        """The bounds are of the centroids before; these are the ones after, and the squared distances between."""
        self.centroids = centroids
        self.drift = (np.sqrt(shifts) * (self.unit * (1 + 2.0**-20)) + 2.0**-100).astype(np.float32)
