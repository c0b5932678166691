"""The masses of the rows on the CPU, and draws from them."""

import numpy as np

from ...kernels.cpu.seeding import drawing
from ..drawing import factors_of, located_in_part
from ..protocol import MassesState
from . import costs
from .tasks import tasks_for
from .trials import Trials

_PIECE = 1 << 20  # rows whose masses are added up at a time, where all distances are alike


class CpuMasses:
    """See `kmeans_fast.backends.protocol.PartMasses`."""

    def __init__(self, session, buckets, state=None):
        self.session, self.n_buckets = session, buckets.count
        self.alike = 1.0  # the distance of every row, while `_nearest` is None
        self._nearest, self.owner, self.joined, self.buckets = state or (None, None, 0, None)
        if self.buckets is None:
            self.buckets = self._filled(buckets)
        self._make_room(4 * drawing.MOST_TRIALS * drawing.ROWS_A_BUCKET)
        self.tried, self.latest = None, session  # open on these rows

    def _filled(self, buckets):
        """The bucket of every row."""
        s, few = self.session, buckets.count <= drawing.MOST_BUCKETS
        found = np.empty(s.n, np.uint16 if few else np.int32)
        tasks = tasks_for(s.threads, costs.HASHING * s.X.size)
        drawing.fill_buckets(tasks, s.flat, s.d, buckets.bits, buckets.splitters, found)
        return found

    # ---- masses ----------------------------------------------------------------------------------------------------

    @property
    def nearest(self):
        """The distances (n,) float64. They take memory from when somebody asks for them: to draw by weight none is."""
        if self._nearest is None:
            self._nearest = np.full(self.session.n, self.alike)
        return self._nearest

    def _pieces(self):
        """Rows and their distances: all of them, or some at a time where they have no memory."""
        if self._nearest is not None:
            yield slice(None), self._nearest
            return
        n, alike = self.session.n, np.full(min(self.session.n, _PIECE), self.alike)
        for start in range(0, n, _PIECE):
            yield slice(start, start + _PIECE), alike[: n - start]

    def largest(self):
        weights = self.session.weights
        if self._nearest is None:
            return self.alike * float(weights.max() if weights.size else 1.0)
        return float((weights * self._nearest).max() if weights.size else self._nearest.max())

    def fill(self, distance):
        self._nearest, self.alike = None, distance

    def measure_by(self, shift):
        self.factors = factors_of(shift)

    def weigh(self, shift):
        self.measure_by(shift)
        return self._sums(self.buckets, self.n_buckets)

    def _sums(self, groups, n_groups):
        """The mass of every group, `groups` (n,) being the number of each row's."""
        s = self.session
        # Each has sums of its own, which must be few beside the rows.
        tasks = tasks_for(min(s.threads, max(1, s.n // (4 * n_groups))), costs.WEIGHING_ROW * s.n)
        masses = np.zeros((tasks, n_groups), np.int64)
        for rows, nearest in self._pieces():
            drawing.weigh(tasks, s.weights[rows], nearest, self.factors, groups[rows], masses)
        return masses.sum(axis=0) if tasks > 1 else masses[0]

    # ---- draws -----------------------------------------------------------------------------------------------------

    def draw(self, targets, of_buckets):
        if len(targets) > drawing.MOST_TRIALS or self.buckets.itemsize > 2:
            return located_in_part(targets, of_buckets, self, self.session)
        s, rows, found = self.session, np.empty(len(targets), np.int64), np.empty(1, np.int64)
        while True:
            drawing.draw(
                1, s.flat, s.d, targets, s.weights, self.nearest, self.factors, self.buckets, of_buckets, *self.drawn,
                rows, found,
            )  # fmt: skip
            if found[0] <= self.drawn[0].size:
                return rows
            self._make_room(2 * int(found[0]))

    def _make_room(self, rows):
        """Memory for the rows that a draw looks at."""
        self.drawn = np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.uint64)

    def rows_in(self, wanted):
        s, rows = self.session, np.flatnonzero(wanted[self.buckets])
        masses = np.full(len(rows), self.alike) if self._nearest is None else self._nearest[rows]
        if s.weighted:
            masses *= s.weights[rows]
        return rows, s.hashes(rows), (masses * self.factors[0] * self.factors[1]).astype(np.int64)

    # ---- seeds -----------------------------------------------------------------------------------------------------

    def begin(self, candidate):
        self.tried = Trials(self.session)
        self.tried.begin(self, candidate)

    def trials(self, candidates):
        if self.tried is None:
            self.tried = Trials(self.session)
        return self.tried.run(self, candidates)

    def accept(self, trial, of_buckets):
        self.tried.accept(self, trial, of_buckets)

    def exclude(self, number, of_buckets):
        weights = self.session.weights
        weight = float(weights[number]) if weights.size else 1.0
        mass = int(weight * self.nearest[number] * self.factors[0] * self.factors[1])
        self.nearest[number] = 0.0
        of_buckets[int(self.buckets[number])] -= mass
        return mass

    # ---- candidates of k-means|| -----------------------------------------------------------------------------------

    def join(self, candidates):
        among = self.latest.for_clusters(len(candidates))
        if len(candidates) == 1:  # the first of all: there is nothing to choose, and no kernel to load for it
            among.resume(np.zeros(self.session.n, np.int32))
        else:
            among.assign(candidates)
        distances = among.own_distances(candidates)
        if self.joined == 0:
            self.owner = np.zeros(len(distances), np.int32)
        else:  # the next takes the rows as bytes over from this one; the first, of one cluster, has no use for them
            self.latest = among
        nearer = distances < self.nearest
        np.copyto(self.nearest, distances, where=nearer)
        np.copyto(self.owner, among.labels + np.int32(self.joined), where=nearer)
        self.joined += len(candidates)

    def shares(self, count):
        return self._sums(self.owner, count)

    # ---- rows that are opened anew ---------------------------------------------------------------------------------

    def state(self):
        return MassesState(self.nearest, self.owner, self.joined, self.buckets)
