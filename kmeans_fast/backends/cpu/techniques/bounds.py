"""Hamerly's bounds on the distances of every row, which other techniques write and use too."""

import weakref

import numpy as np

from ....kernels.cpu.assignment import settled
from ....kernels.cpu.assignment.arguments import NO_BOUNDS, Bounds
from ....kernels.cpu.exact import distances
from .. import costs
from ..buffers import flat
from ..tasks import tasks_for
from .protocol import Kept

# Binary orders of magnitude between the data and 1 within which squares of distances neither overflow nor vanish.
_FARTHEST = 300
_APART = 60  # and between the scales of two passes
_MOST_GAPS = 2048  # centroids, for whose distances to each other memory is taken


def bounds_memory(sizes):
    return {"bounds": 8 * sizes.n}


def bounds_decline(sizes):
    """Why bounds are not kept although they could be; empty if they are."""
    if sizes.frugal:
        return "memory is short"
    if sizes.shared:
        return "the sums of so many clusters are shared by all threads"
    scoring = costs.float_scoring(sizes.d, sizes.k)
    if sizes.k == 1 or scoring < costs.LEAST_BOUNDS_GAIN * costs.BOUNDS_ROW:
        return "a row is scored as soon as its bounds are read"
    return "" if sizes.n * scoring >= costs.LEAST_BOUNDED_PASS else "a pass is over before bounds could help"


def is_usual(scale):
    """Whether bounds hold for data that `scale` brings near 1."""
    return abs(np.log2(scale)) <= _FARTHEST


_latest: tuple = (lambda: None, None)  # centroids, and their half gaps: many parts ask one after the other


def half_gaps(centroids):
    """Half the distance of each centroid to its nearest neighbour, (k,) float64; 0 where that is much work."""
    global _latest
    known, found = _latest
    if known() is not centroids:
        k, d = centroids.shape
        found = np.zeros(k)
        if k <= _MOST_GAPS:
            table = np.empty((k, k))
            columns = distances.columns_padded(centroids)
            distances.distance_table(1, flat(centroids), columns.ravel(), d, columns.shape[1], table, False)
            np.fill_diagonal(table, np.inf)
            found = 0.5 * table.min(axis=1)
        _latest = weakref.ref(centroids), found
    return found


class HamerlyBounds(Kept):
    """The bounds (`kmeans_fast.kernels.cpu.assignment.hamerly`), in a unit that is fixed when they are first written.

    They are true of the centroids of the last pass that wrote or used them, so they hold in the next pass only: what a
    pass that knows nothing of bounds makes of the labels cannot mislead.
    """

    def __init__(self, session):
        self.session = session
        self.make_room()

    def make_room(self):
        self.upper = self.lower = self.drift = self.half_gap = self.unit = self.number = self.share = None

    def open(self):
        """Allocate them, if they are not there."""
        if self.upper is None:
            n, k = self.session.n, self.session.k
            self.upper, self.lower = np.empty((2, n), np.float32)
            self.drift, self.half_gap = np.zeros((2, k), np.float32)
            self.share = None  # of the rows, that failed in the last pass; None where that wrote all bounds anew

    def holds(self, coming):
        """Whether they are of the labels and of centroids that are known to have moved to those of this pass."""
        if self.upper is None or coming.shifts is None or self.number != coming.number - 1:
            return False
        scale = float(coming.packed.scale)
        return is_usual(scale) and abs(np.log2(self.unit) - np.log2(scale)) <= _APART

    def follow(self, coming):
        """Take note of how far centroids have moved; the bounds must hold."""
        self.drift = self._drifts(coming.shifts)

    def settle(self, labels, number, centroids, shifts):
        """Whether all hold for the pass after this `number`, with centroids that have moved by these squared `shifts`;
        then they are brought up to date, as that pass would. The rows are not asked for.
        """
        if self.upper is None or self.number != number or not is_usual(self.unit):
            return False
        gaps = half_gaps(centroids) * (self.unit * (1 - 2.0**-20))
        bounds = Bounds(self.upper, self.lower, self._drifts(shifts), gaps.astype(np.float32), self.unit, np.float32(1))
        tasks = tasks_for(self.session.threads, costs.BOUNDS_ROW * len(labels))
        failing = np.zeros(tasks, np.int64)
        settled.settled(tasks, labels, bounds, False, failing)
        if failing.any():
            return False
        settled.settled(tasks, labels, bounds, True, failing)
        self.number, self.share = number + 1, 0.0
        return True

    def _drifts(self, shifts):
        return (np.sqrt(shifts) * (self.unit * (1 + 2.0**-20)) + 2.0**-100).astype(np.float32)

    def pays(self):
        """Whether they are likely to skip rows enough, after `follow`."""
        share = self._expected_share(self.session.labels) if self.share is None else self.share
        return share <= costs.most_failing(self.session.d, self.session.k)

    def _expected_share(self, labels):
        """The share of a sample of rows that would fail, their bounds being fresh."""
        sample = slice(None, None, -(-len(labels) // costs.BOUNDS_SAMPLE))
        above = self.upper[sample] + self.drift[labels[sample]]
        return np.count_nonzero(~(above < self.lower[sample] - self.drift.max())) / len(above)

    def written(self, coming):
        """The `Bounds` that a kernel takes in a pass that writes all of them; NO_BOUNDS where none are kept."""
        if self.upper is None:
            return NO_BOUNDS
        self.unit, self.share = float(coming.packed.scale), None
        return self.used(coming)

    def used(self, coming):
        """The `Bounds` that a kernel takes in a pass that brings them up to date."""
        self.number = coming.number
        factor = np.float32(self.unit / float(coming.packed.scale))
        return Bounds(self.upper, self.lower, self.drift, self.half_gap, self.unit, factor)
