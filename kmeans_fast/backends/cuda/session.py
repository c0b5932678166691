"""A data set opened on a GPU."""

import numpy as np

from ...kernels.cuda import sources
from ..protocol import Iteration
from ..relocation import farthest_rows
from . import column_statistics, planning
from .buffers import Centroids, IterationBuffers, Sums
from .device import Launcher, allocate, attempt, upload
from .gathering import gathered
from .hamerly import BoundsPolicy
from .launches import Launches
from .oversampler import CudaOversampler
from .scorers import planned_scorer
from .scorers.protocol import Sizes
from .seeder import CudaSeeder

_MANY_MOVED = 0.5  # the share of rows that changed from which adding all anew beats moving them (two additions each)
# Modules that a fit needs whatever scores.
_MODULES = ("column_statistics", "rows", "distances", "centroids", "seeding")
_NUMBERS = ("changed", "rechecked", "scored", "empty", "squared_shift", "inertia")  # of a status (`centroids.cu`)


class Step:
    """An iteration that has been enqueued; `read` waits for it (see `kmeans_fast.backends.protocol.Step`)."""

    def __init__(self, session, source, target, number):
        self.session, self.source, self.centroids, self.number = session, source, target, number
        self.numbers = self.result = None  # under way from the device; read
        self.bounded = False
        self.path = ""

    def read(self):
        if self.result is None:
            self.result = self.session.read(self)
        return self.result


class CudaSession:
    """See `kmeans_fast.backends.protocol.Session`.

    The launches of an iteration follow each other without waiting for the host: bounds, scores, rechecks and sums,
    means, conclusion. The host enqueues an iteration while the one before runs, and meanwhile reads what that came to.
    Only empty clusters need the host. Then the iteration halts on the device, what is enqueued behind it does nothing,
    and `read` relocates them.
    """

    runs_ahead = True

    def __init__(self, device, X, weights, n_clusters, *, on_host, uploaded=False):
        """Open rows.

        `on_host`: the caller's arrays are there, and so labels have to be. `uploaded`: X and the weights are on the
        device all the same.
        """
        self.device, self.k, self.on_host = device, n_clusters, on_host
        self.n, self.d = X.shape
        brought = on_host and not uploaded
        self.X = upload(device, X, "the data") if brought else X
        self.weights = upload(device, weights, "the weights") if brought and weights is not None else weights
        self.launcher = Launcher(device, X.dtype)
        self.scorer = planned_scorer(Sizes(self.n, self.d, self.k, np.dtype(X.dtype)), device.properties)
        self.scoring = self.scorer.open(self)
        self.iteration = IterationBuffers(device, self.k)
        self.launches = Launches(self)
        self.slots = []  # of centroids: those that iterations under way start from and end in
        self.sums = self.center = self.scatter = None
        self.device_labels = None
        self.sums_current = self.bounds_current = False
        self.latest = None  # numbers of the last iteration read
        self.under_way, self.enqueued, self.bounds = [], 0, BoundsPolicy()

    # ---- column statistics -----------------------------------------------------------------------------------------

    def _compile(self):
        """Compile what a fit needs, all at once."""
        real = self.launcher.real
        modules = [sources.module(name, real) for name in _MODULES]
        self.device.compile([*self.scorer.modules(real), *modules])

    def _plan_sums(self):
        if self.sums is not None:
            return
        self._compile()
        cut = column_statistics.planned_limbs(self.launcher, self.X, self.weights)
        self.sums = Sums(self.device, self.k, *cut)
        if self.weights is not None:
            cut = column_statistics.planned_limbs(self.launcher, self.X, None)
        self.center = upload(self.device, column_statistics.column_means(self.launcher, self.X, cut), "the mean")
        self.scatter = column_statistics.inertia(self.launcher, self.X, self.weights, self.center, None)

    def mean_variance(self):
        self._plan_sums()
        scatter = self.scatter
        if self.weights is not None:
            scatter = column_statistics.inertia(self.launcher, self.X, None, self.center, None)
        return scatter / (self.n * self.d)

    def for_clusters(self, n_clusters):
        self._forget_labels()
        return CudaSession(self.device, self.X, self.weights, n_clusters, on_host=self.on_host, uploaded=True)

    # ---- centroids -------------------------------------------------------------------------------------------------

    def _slot(self, taken):
        """Centroids that nothing under way uses."""
        for slot in self.slots:
            if not any(slot is other for other in taken):
                return slot
        self.slots.append(Centroids(self.device, self.k, self.d, self.scoring.packed()))
        return self.slots[-1]

    def _held(self, centroids):
        """Centroids on the device: as they are, or an array (k, d) brought there."""
        if isinstance(centroids, Centroids):
            return centroids
        self.bounds_current = False  # they are of other centroids
        slot = self._slot(self._taken())
        self.device.write(slot.exact, np.ascontiguousarray(centroids, np.float64))
        self.scoring.pack(slot)
        return slot

    def _taken(self):
        return [slot for step in self.under_way for slot in (step.source, step.centroids)]

    def fetch(self, centroids):
        """Centroids as a NumPy array in X's dtype."""
        if isinstance(centroids, Centroids):
            return self.device.download(centroids.exact).astype(self.X.dtype)
        return centroids

    # ---- Lloyd -----------------------------------------------------------------------------------------------------

    def reset(self):
        self.device_labels = allocate(self.device, self.n, np.int32, "labels", fill=-1)
        self.launches.forget()
        self._clear_counters()
        self.sums_current = self.bounds_current = False
        self.latest, self.under_way, self.enqueued, self.bounds = None, [], 0, BoundsPolicy()

    def _forget_labels(self):
        self.device_labels, self.under_way = None, []
        self.launches.forget()

    @property
    def labels(self):
        if self.device_labels is None:
            self.reset()
        return self.device.download(self.device_labels) if self.on_host else self.device_labels

    def assign(self, centroids):
        if self.device_labels is None:
            self.reset()
        self._clear_counters()
        self.launches.run(self.launches.assignment, self._held(centroids), False, False, False)
        self._clear_counters()
        self.sums_current = self.bounds_current = False

    def _clear_counters(self):
        """Forget what was counted, and that an iteration run ahead, whose result nobody will read, may have halted."""
        self.device.fill(self.iteration.counters, 0)
        self.device.fill(self.iteration.halted, 0)

    def iterate(self, centroids):
        if self.device_labels is None:
            self.reset()
        self._plan_sums()
        self.under_way = [step for step in self.under_way if step.result is None]
        source = self._held(centroids)
        step = Step(self, source, self._slot([source, *self._taken()]), self.enqueued)
        self.under_way.append(step)
        self.enqueued += 1
        self._enqueue(step)
        return step

    def _enqueue(self, step):
        changed = 1.0 if self.latest is None else self.latest.changed / self.n  # nothing is known of a later iteration
        bounded = self.bounds_current and self.sums_current and self.bounds.decide(step.number, changed)
        anew = not bounded and (not self.sums_current or changed > _MANY_MOVED)
        self.launches.run(self.launches.assignment, step.source, True, anew, bounded)
        self.sums_current, self.bounds_current = True, self.scorer.keeps_bounds
        self._conclude(step, relocated=False)
        step.bounded = bounded
        step.path = "hamerly, " * bounded + self.scorer.precision(self.X.dtype)

    def _conclude(self, step, *, relocated):
        """Sums into centroids, and what the iteration came to under way to the host."""
        self.launches.run(self.launches.update, step.source, step.centroids, relocated)
        step.numbers = self.device.read_later(self.iteration.status)

    def read(self, step):
        """What an iteration came to, as an `Iteration`."""
        numbers = dict(zip(_NUMBERS, step.numbers.read().tolist()))
        if numbers["empty"]:
            empty = numbers["empty"]
            self._relocate(step)
            numbers = dict(zip(_NUMBERS, step.numbers.read().tolist()))
            numbers["empty"] = empty
            self.sums_current = self.bounds_current = False
            for later in self.under_way:
                if later.result is None and later is not step and later.source is step.centroids:
                    self._enqueue(later)
        whole = {name: int(numbers[name]) for name in ("changed", "rechecked", "scored", "empty")}
        self.latest = Iteration(
            centroids=step.centroids,
            squared_shift=numbers["squared_shift"],
            inertia=max(0.0, numbers["inertia"]),
            path=step.path,
            **whole,
        )
        self.bounds.learn(step.number, self.latest.scored / self.n if step.bounded else None, self.enqueued)
        return self.latest

    def _relocate(self, step):
        """Give each empty cluster the row farthest from its centroid: in the sums, not in the labels."""
        device = self.device
        device.fill(self.iteration.halted, 0)
        empty = np.flatnonzero(device.download(self.iteration.weights) == 0).astype(np.int32)
        distances = device.download(self._own_distances(step.source, self.weights))
        rows = farthest_rows(self, distances, len(empty)).astype(np.uint64)
        if len(rows):
            self.launcher.prepare(
                "centroids", "relocate", len(rows), X=self.X, weights=self.weights, d=self.d,
                rows=upload(device, rows, "relocation"), empty=upload(device, empty[: len(rows)], "relocation"),
                m=len(rows), labels=self.device_labels, **self.sums.arguments,
            )()  # fmt: skip
        self._conclude(step, relocated=True)

    # ---- distances -------------------------------------------------------------------------------------------------

    def inertia(self, centroids):
        return column_statistics.inertia(
            self.launcher, self.X, self.weights, self._held(centroids).exact, self.device_labels
        )

    def _own_distances(self, held, weights):
        out = allocate(self.device, self.n, np.float64, "distances")
        self.launcher.run(
            "distances", "own_distances", self.n,
            X=self.X, n=self.n, d=self.d, centroids=held.exact, labels=self.device_labels, weights=weights, out=out,
        )  # fmt: skip
        return out

    def distances_after_assigning(self, centroids):
        """Assign; the squared distance of every row to its centroid, on the device."""
        held = self._held(centroids)
        self.assign(held)
        return self._own_distances(held, None)

    def own_distances(self, centroids):
        own = self._own_distances(self._held(centroids), None)
        return self.device.download(own) if self.on_host else own

    def distances(self, centroids, squared=False):
        held, itemsize = self._held(centroids), self.X.dtype.itemsize
        if not self.on_host:
            table = allocate(self.device, (self.n, self.k), self.X.dtype, "the distances")
            self._fill_table(held, 0, self.n, table, squared)
            return table
        out = np.empty((self.n, self.k), self.X.dtype)
        rows, start = planning.chunk_rows(self.n, self.k * itemsize), 0
        while start < self.n:
            stop = min(start + rows, self.n)
            try:
                table = allocate(self.device, (stop - start, self.k), self.X.dtype, "the distances")
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

    def seeder(self, words):
        self._forget_labels()  # the distances of seeding take their room
        return CudaSeeder(self, words)

    def oversampler(self):
        self._forget_labels()
        return CudaOversampler(self)

    def rows(self, numbers):
        return gathered(self.launcher, self.X, numbers)

    def weights_of(self, numbers):
        if self.weights is None:
            return None
        return gathered(Launcher(self.device, np.float64), self.weights[:, None], numbers)[:, 0]

    def cluster_sizes(self):
        device, labels = self.device, self.device_labels
        counts = attempt(device, lambda: device.bincount(labels, self.k), 8 * self.k, "the sizes of the clusters")
        return device.download(counts)
