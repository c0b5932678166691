"""Rows opened on a GPU: some of a data set, or all of it."""

import numpy as np

from ...kernels.cuda import sources
from ..drawing import Distinct, digest, equal_rows
from ..partials import Farthest, Partial, Ranges
from ..relocation import farthest_rows
from . import column_statistics
from .buffers import Centroids, IterationBuffers, Sums
from .device import Launcher, allocate, attempt, upload
from .gathering import OnDevice, gathered, row_hashes, seen, there
from .hamerly import BoundsPolicy
from .launches import Launches
from .part_masses import CudaPartMasses
from .planning import chunk_rows
from .scorers import planned_scorer
from .scorers.frame import drifts_in_frame
from .scorers.protocol import Sizes
from .scorers.sums_in_shared_memory import update_choices

# Modules that a fit needs whatever scores.
_MODULES = ("column_statistics", "rows", "distances", "centroids", "seeding")
_MANY_MOVED = 0.5  # the share of rows that changed from which adding all anew beats moving them (two additions each)


def path(bounded, way):
    """How an iteration went, for the history."""
    return "hamerly, " * bounded + way


class CudaPart:
    """See `kmeans_fast.backends.protocol.Part`."""

    def __init__(self, device, X, weights, n_clusters, *, on_host):
        """Open rows.

        `on_host`: the caller's arrays are there, unless they are `OnDevice`, and labels have to be.
        """
        self.device, self.k, self.on_host = device, n_clusters, on_host
        self.n, self.d = self.shape = X.shape
        self.launcher = Launcher(device, X.dtype)
        self.dtype, self.weighted = self.launcher.dtype, weights is not None
        self.X = there(device, X, "the data", on_host)
        self.weights = there(device, weights, "the weights", on_host) if self.weighted else None
        sizes = Sizes(self.n, self.d, self.k, self.dtype, X.dtype)
        self.scorer = planned_scorer(sizes, device.properties)
        self.scoring = self.scorer.open(self)
        self.iteration = IterationBuffers(device, self.k)
        self.launches = Launches(self)
        self.slots = []  # of centroids: those that iterations start from and end in
        self.sums = self.device_labels = None
        self.known = {}  # ranges of the columns: also of the same rows in other parts
        self._forget_iterations()

    def for_clusters(self, n_clusters):
        self._forget_labels()
        weights = OnDevice(self.weights) if self.weighted else None
        other = type(self)(self.device, OnDevice(self.X), weights, n_clusters, on_host=self.on_host)
        other.known = self.known
        return other

    # ---- rows that are brought for each pass -----------------------------------------------------------------------

    def detach(self):
        self.X = self.weights = None
        self.launches.forget()

    def attach(self, X, weights):
        self.X = there(self.device, X, "the data", self.on_host)
        self.weights = there(self.device, weights, "the weights", self.on_host) if self.weighted else None

    def settles(self):
        return False  # to look at the bounds would have the host wait for the device once more

    # ---- columns ---------------------------------------------------------------------------------------------------

    def ranges(self, weighted):
        weighted = weighted and self.weighted
        if weighted not in self.known:
            weights = self.weights if weighted else None
            self.known[weighted] = Ranges(*column_statistics.column_ranges(self.launcher, self.X, weights))
        return self.known[weighted]

    def _limbs(self, weighted):
        return column_statistics.Limbs.of(self.ranges(weighted), self.n)

    def column_sums(self, form):
        limbs = self._limbs(weighted=False)
        return limbs.in_form(form, column_statistics.column_sums(self.launcher, self.X, limbs))

    def scatter(self, center, weighted):
        center = upload(self.device, np.asarray(center, np.float64), "a point")
        weights = self.weights if weighted else None
        return column_statistics.exact_inertia(self.launcher, self.X, weights, center, None)

    def _plan_sums(self):
        if self.sums is None:
            modules = [sources.module(name, self.launcher.stored) for name in _MODULES]
            modules += self.scorer.modules(self.launcher.stored)
            if not self.scorer.adds_rows:
                choices = update_choices(self.d + self.weighted)
                modules.append(sources.module("update_sums", self.launcher.stored, **choices))
            self.device.compile(modules)  # all at once
            n = 0 if self.scorer.adds_rows else self.n
            self.sums = Sums(self.device, n, self.k, self._limbs(weighted=True))

    # ---- centroids -------------------------------------------------------------------------------------------------

    def _slot(self, taken):
        """Centroids that nothing under way uses."""
        for slot in self.slots:
            if not any(slot is other for other in taken):
                return slot
        self.slots.append(Centroids(self.device, self.k, self.d, self.scoring.packed()))
        return self.slots[-1]

    def _taken(self):
        """Centroids that have to stay as they are."""
        return [] if self.followed is None else [self.followed[1]]

    def _held(self, centroids):
        """Centroids on the device: as they are, or an array (k, d) brought there, or rows that are there."""
        if isinstance(centroids, Centroids):
            return centroids
        if isinstance(centroids, OnDevice):
            self.bounds_current = False
            slot, rows = self._slot(self._taken()), centroids.array
            self.launcher.run("rows", "widen", rows.size, rows=rows, size=rows.size, out=slot.exact)
            self.scoring.pack(slot)
            return slot
        if self.followed is not None and np.array_equal(self.followed[0], centroids):
            return self.followed[1]
        self.bounds_current = False  # they are of other centroids
        return self._uploaded(centroids)

    def _uploaded(self, centroids):
        slot = self._slot(self._taken())
        self.device.write(slot.exact, np.ascontiguousarray(centroids, np.float64))
        self.scoring.pack(slot)
        return slot

    # ---- assignment ------------------------------------------------------------------------------------------------

    @property
    def labels(self):
        labels = self._current_labels()
        return self.device.download(labels) if self.on_host else labels

    def _current_labels(self):
        if self.device_labels is None:
            self.reset()
        return self.device_labels

    def resume(self, labels):
        self.reset()
        if labels[0] >= 0:  # otherwise there are none yet
            self.device.write(self.device_labels, labels)
            self.labelled = True

    def reset(self):
        self.device_labels = allocate(self.device, self.n, np.int32, "labels", fill=-1)
        self.launches.forget()
        self._clear_counters()
        self._forget_iterations()

    def _forget_labels(self):
        self.device_labels = None
        self.launches.forget()
        self._forget_iterations()

    def _forget_iterations(self):
        self.sums_current = self.bounds_current = self.labelled = False
        self.changed = 1.0  # the share of rows, in the last iteration that is known
        self.enqueued, self.bounds = 0, BoundsPolicy()
        self.scoring.begin()
        self.followed, self.drifted = None, False  # the centroids that come next (host, device); the bounds know it

    def _clear_counters(self):
        """Forget what was counted, and that an iteration run ahead, whose result nobody will read, may have halted."""
        self.device.fill(self.iteration.counters, 0)
        self.device.fill(self.iteration.halted, 0)

    def assign(self, centroids):
        self._current_labels()
        self._clear_counters()
        way = self.scoring.way(None, self.labelled)
        self.launches.run(self.launches.assignment, self._held(centroids), False, False, False, way)
        self.labelled = True
        self._clear_counters()
        self.sums_current = self.bounds_current = False

    def _assign_and_sum(self, source, number):
        """Enqueue an assignment with sums. Whether rows are left out by their bounds, and how the others are scored."""
        way = self.scoring.way(number, self.labelled)
        bounded = self.bounds_current and self.sums_current
        bounded = bounded and self.bounds.decide(number, self.changed, self.scoring.bounds_pay(way))
        anew = not bounded and (not self.sums_current or self.changed > _MANY_MOVED)
        self.launches.run(self.launches.assignment, source, True, anew, bounded, way)
        self.sums_current, self.labelled, self.bounds_current = True, True, self.scorer.keeps_bounds
        return bounded, way

    def _learn(self, number, changed, scored, bounded, way, overflowed):
        """Take note of what an iteration came to."""
        self.changed = changed / self.n
        if self.scorer.keeps_bounds:
            pays = self.scoring.bounds_pay(way)
            self.bounds.learn(number, scored / self.n if bounded else None, self.enqueued, pays)
        self.scoring.learn(number, way, overflowed / self.n, self.enqueued)

    def accumulate(self, centroids, form):
        self._current_labels()
        self._plan_sums()
        number, self.enqueued, self.drifted = self.enqueued, self.enqueued + 1, False
        bounded, way = self._assign_and_sum(self._held(centroids), number)
        changed, pairs, scored, _, scans, overflowed, several = self.device.download(self.iteration.counters).tolist()
        self._clear_counters()
        self._learn(number, changed, scored, bounded, way, overflowed)
        sums, rows = self.sums.in_form(form), self.device.download(self.sums.counts)
        return Partial(sums, rows, changed, pairs + scans + several, scored, frozenset([path(bounded, way)]))

    def sums_of(self, labels, form):
        self.resume(labels)
        sums = Sums(self.device, self.n, self.k, self._limbs(weighted=True))
        self.launches.updating(sums, True)()
        return sums.in_form(form)

    def follow(self, centroids, shifts):
        if self.drifted:  # bounds would have to move twice
            self.bounds_current = False
        self.followed, self.drifted = (np.array(centroids), self._uploaded(centroids)), True
        self.device.write(self.iteration.drifts, drifts_in_frame(shifts, self.scoring.scale))

    def farthest(self, centroids, count):
        distances = self.device.download(self._own_distances(self._held(centroids), self.weights))
        numbers = farthest_rows(self, distances, count)
        weights = self.weights_of(numbers) if self.weighted else np.ones(len(numbers))
        labels = self.device.download(self.device_labels)[numbers]
        return Farthest(distances[numbers], self.rows(numbers), weights, labels)

    def cluster_sizes(self):
        device = self.device
        if self.sums_current:
            return device.download(self.sums.counts)
        labels = self._current_labels()
        sizes = attempt(device, lambda: device.bincount(labels, self.k), 8 * self.k, "the sizes of the clusters")
        return device.download(sizes)

    # ---- distances -------------------------------------------------------------------------------------------------

    def exact_inertia(self, centroids):
        held = self._held(centroids)
        return column_statistics.exact_inertia(self.launcher, self.X, self.weights, held.exact, self._current_labels())

    def _own_distances(self, held, weights):
        out = allocate(self.device, self.n, np.float64, "distances")
        self._measure(held.exact, self.device_labels, weights, out)
        return out

    def _measure(self, centroids, labels, weights, out):
        self.launcher.run(
            "distances", "own_distances", self.n,
            X=self.X, n=self.n, d=self.d, centroids=centroids, labels=labels, weights=weights, out=out,
        )  # fmt: skip

    def measure_to(self, point, out):
        """Write the squared distance of every row to a point (1, d) to `out` on the device."""
        self._measure(upload(self.device, np.asarray(point, np.float64), "a point"), None, None, out)

    def distances_after_assigning(self, centroids):
        """Assign; the squared distance of every row to its centroid, on the device."""
        held = self._held(centroids)
        self.assign(held)
        return self._own_distances(held, None)

    def own_distances(self, centroids):
        own = self._own_distances(self._held(centroids), None)
        return self.device.download(own) if self.on_host else own

    def distances(self, centroids, squared=False):
        held, itemsize = self._held(centroids), self.dtype.itemsize
        if not self.on_host:
            table = allocate(self.device, (self.n, self.k), self.dtype, "the distances")
            self._fill_table(held, 0, self.n, table, squared)
            return table
        out = np.empty((self.n, self.k), self.dtype)
        rows, start = chunk_rows(self.n, self.k * itemsize), 0
        while start < self.n:
            stop = min(start + rows, self.n)
            try:
                table = allocate(self.device, (stop - start, self.k), self.dtype, "the distances")
            except MemoryError:
                if rows == 1:
                    raise
                rows = -(-rows // 2)
                continue
            self._fill_table(held, start, stop, table, squared)
            out[start:stop] = self.device.download(table)
            start = stop
        return out

    def _fill_table(self, held, start, stop, table, squared):
        self.launcher.run(
            "distances", "distance_table", (stop - start) * self.k,
            X=self.X[start:stop], rows=stop - start, d=self.d, centroids=held.exact, k=self.k, squared=squared,
            out=table,
        )  # fmt: skip

    # ---- rows ------------------------------------------------------------------------------------------------------

    def masses(self, buckets, state=None):
        self._forget_labels()  # the distances of seeding take their room
        return CudaPartMasses(self, buckets, state)

    def digest(self):
        return digest(self)

    def rows(self, numbers):
        return seen(self.launcher, self.X, numbers)

    def taken(self, numbers):
        return OnDevice(gathered(self.launcher, self.X, numbers, one_zero=True))

    def distinct(self, numbers):
        found = equal_rows(self.hashes(numbers), numbers, lambda places: self.rows(numbers[places]))
        return Distinct(self.taken(numbers[found[0]]), *found)

    def weights_of(self, numbers):
        if self.weights is None:
            return None
        return seen(Launcher(self.device, np.float64), self.weights[:, None], numbers)[:, 0]

    def hashes(self, numbers):
        rows = gathered(self.launcher, self.X, numbers)
        return self.device.download(row_hashes(Launcher(self.device, rows.dtype), rows))
