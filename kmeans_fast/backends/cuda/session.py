"""A data set opened on a GPU."""

import numpy as np

from ..protocol import Iteration
from ..relocation import farthest_rows
from . import facts, planning, scoring
from .bounds import Bounds
from .buffers import Centroids, RowBuffers, Steering, Sums
from .chains import Chains
from .device import Launcher, allocate, attempt, upload
from .oversampler import CudaOversampler
from .seeder import CudaSeeder

_MANY_MOVED = 0.5  # the share of rows that changed from which adding all anew beats moving them (two additions each)
_NUMBERS = ("changed", "rechecked", "scored", "empty", "squared_shift", "inertia")  # of a status (`centroids.cu`)


class Step:
    """An iteration that has been enqueued; `read` waits for it (see `kmeans_fast.backends.protocol.Step`)."""

    def __init__(self, session, source, target, number):
        self.session, self.source, self.centroids, self.number = session, source, target, number
        self.letter = self.result = None
        self.gated = False
        self.path = ""

    def read(self):
        if self.result is None:
            self.result = self.session.read(self)
        return self.result


class CudaSession:
    """See `kmeans_fast.backends.protocol.Session`.

    An iteration is a chain of launches that needs no word from the host: bounds, scores, rechecks and sums, means, conclusion. The host enqueues an
    iteration while the one before runs, and reads what that came to meanwhile. The one thing that chain cannot do is to relocate empty clusters: then it
    halts on the device, what is enqueued behind does nothing, and `read` sees to it.
    """

    runs_ahead = True

    def __init__(self, device, X, weights, n_clusters, *, on_host, uploaded=False):
        """`on_host`: the caller's arrays are, and so are the labels; `uploaded`: X and the weights are on the device all the same."""
        self.device, self.k, self.on_host = device, n_clusters, on_host
        self.n, self.d = X.shape
        brought = on_host and not uploaded
        self.X = upload(device, X, "the data") if brought else X
        self.weights = upload(device, weights, "the weights") if brought and weights is not None else weights
        self.launcher = Launcher(device, X.dtype)
        self.kernels = planning.kernels(self.n, self.d, self.k, device.facts.multiprocessors)
        self.frame = self.rows_of = None
        if self.kernels.points:
            self.shift = allocate(device, self.d, self.X.dtype, "the frame", fill=0)
        else:
            self._find_frame()
        self.steering = Steering(device, self.k)
        self.chains = Chains(self)
        self.slots = []  # of centroids: those that iterations under way start from and end in
        self.sums = self.center = self.scatter = None
        self.device_labels = None
        self.sums_current = self.bounds_current = False
        self.latest = None  # numbers of the last iteration read
        self.under_way, self.enqueued, self.bounds = [], 0, Bounds()

    # ---- facts -----------------------------------------------------------------------------------------------------

    def _find_frame(self):
        frame = scoring.frame(facts.sample(self.launcher, self.X))
        self.rows_of = RowBuffers(self.device, self.n, self.kernels.gated)
        self.shift, self.frame = upload(self.device, frame.shift, "the frame"), frame
        self.launcher.run(
            "facts", "squared_norms", self.n,
            X=self.X, n=self.n, d=self.d, shift=self.shift, scale=frame.scale, norms=self.rows_of.norms,
        )  # fmt: skip

    def _plan_sums(self):
        if self.sums is not None:
            return
        self.device.compile(planning.modules(self.kernels, self.launcher.real, self.d))
        cut = facts.planned_limbs(self.launcher, self.X, self.weights)
        self.sums = Sums(self.device, self.k, *cut)
        if self.weights is not None:
            cut = facts.planned_limbs(self.launcher, self.X, None)
        self.center = upload(self.device, facts.column_means(self.launcher, self.X, cut), "the mean")
        self.scatter = facts.inertia(self.launcher, self.X, self.weights, self.center, None)

    def mean_variance(self):
        self._plan_sums()
        scatter = self.scatter
        if self.weights is not None:
            scatter = facts.inertia(self.launcher, self.X, None, self.center, None)
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
        self.slots.append(Centroids(self.device, self.k, self.d, self.kernels.panel))
        return self.slots[-1]

    def _held(self, centroids):
        """Centroids on the device: as they are, or an array (k, d) brought there."""
        if isinstance(centroids, Centroids):
            return centroids
        self.bounds_current = False  # they are of other centroids
        slot = self._slot(self._taken())
        self.device.write(slot.exact, np.ascontiguousarray(centroids, np.float64))
        if not self.kernels.points:
            self.launcher.run(
                "centroids", "pack", 32 * self.k, centroids=slot.exact, k=self.k, d=self.d, panel=self.kernels.panel,
                panels=slot.panels, half_norms=slot.half_norms, **self.frame_arguments,
            )  # fmt: skip
        return slot

    def _taken(self):
        return [slot for step in self.under_way for slot in (step.source, step.centroids)]

    @property
    def frame_arguments(self):
        """The frame as `pack` and `means` take it; without one, what they pack is not used."""
        frame = self.frame
        if frame is None:
            return {"shift": self.shift, "scale": 1.0, "gamma": 0.0, "zeta": 0.0}
        return {"shift": self.shift, "scale": frame.scale, "gamma": frame.gamma, "zeta": frame.zeta}

    def fetch(self, centroids):
        """Centroids as a NumPy array in X's dtype."""
        if isinstance(centroids, Centroids):
            return self.device.download(centroids.exact).astype(self.X.dtype)
        return centroids

    # ---- Lloyd -----------------------------------------------------------------------------------------------------

    def reset(self):
        self.device_labels = allocate(self.device, self.n, np.int32, "labels", fill=-1)
        self.chains.forget()
        self._clear_counters()
        self.sums_current = self.bounds_current = False
        self.latest, self.under_way, self.enqueued, self.bounds = None, [], 0, Bounds()

    def _forget_labels(self):
        self.device_labels, self.under_way = None, []
        self.chains.forget()

    @property
    def labels(self):
        if self.device_labels is None:
            self.reset()
        return self.device.download(self.device_labels) if self.on_host else self.device_labels

    def assign(self, centroids):
        if self.device_labels is None:
            self.reset()
        self._clear_counters()
        self.chains.run(self.chains.scoring, self._held(centroids), False, False, False)
        self._clear_counters()
        self.sums_current = self.bounds_current = False

    def _clear_counters(self):
        """Forget what was counted, and that an iteration run ahead, whose result nobody will read, may have halted."""
        self.device.fill(self.steering.counters, 0)
        self.device.fill(self.steering.halted, 0)

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
        gated = self.bounds_current and self.sums_current and self.bounds.pay(step.number, changed)
        anew = not gated and (not self.sums_current or changed > _MANY_MOVED)
        self.chains.run(self.chains.scoring, step.source, True, anew, gated)
        self.sums_current, self.bounds_current = True, self.kernels.gated
        self._conclude(step, relocated=False)
        step.gated = gated
        step.path = ("bounds, " if gated else "") + (
            "float32" if self.X.dtype == np.float32 or not self.kernels.points else "float64"
        )

    def _conclude(self, step, *, relocated):
        """Sums into centroids, and a letter with what the iteration came to."""
        self.chains.run(self.chains.conclusion, step.source, step.centroids, relocated)
        step.letter = self.device.post(self.steering.status)

    def read(self, step):
        """What an iteration came to, as an `Iteration`."""
        numbers = dict(zip(_NUMBERS, step.letter.read().tolist()))
        if numbers["empty"]:
            empty = numbers["empty"]
            self._relocate(step)
            numbers = dict(zip(_NUMBERS, step.letter.read().tolist()))
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
        self.bounds.told(step.number, self.latest.scored / self.n if step.gated else None, self.enqueued)
        return self.latest

    def _relocate(self, step):
        """Give each empty cluster the row farthest from its centroid (`kmeans_fast.reference.relocate`): in the sums, not in the labels."""
        device = self.device
        device.fill(self.steering.halted, 0)
        empty = np.flatnonzero(device.download(self.steering.weights) == 0).astype(np.int32)
        distances = device.download(self._own_distances(step.source, self.weights))
        rows = farthest_rows(self, distances, len(empty)).astype(np.uint64)
        if len(rows):
            self.launcher.prepare(
                "centroids", "relocate", len(rows), X=self.X, weights=self.weights, d=self.d, rows=upload(device, rows, "relocation"),
                empty=upload(device, empty[: len(rows)], "relocation"), m=len(rows), labels=self.device_labels, **self.sums.arguments,
            )()  # fmt: skip
        self._conclude(step, relocated=True)

    # ---- distances -------------------------------------------------------------------------------------------------

    def inertia(self, centroids):
        return facts.inertia(self.launcher, self.X, self.weights, self._held(centroids).exact, self.device_labels)

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
            X=self.X[start:stop], rows=stop - start, d=self.d, centroids=held.exact, k=self.k, squared=squared, out=table,
        )  # fmt: skip

    def seeder(self, words):
        self._forget_labels()  # the distances of seeding take their room
        return CudaSeeder(self, words)

    def oversampler(self):
        self._forget_labels()
        return CudaOversampler(self)

    def rows(self, numbers):
        return facts.gathered(self.launcher, self.X, numbers)

    def weights_of(self, numbers):
        if self.weights is None:
            return None
        return facts.gathered(Launcher(self.device, np.float64), self.weights[:, None], numbers)[:, 0]

    def used_clusters(self):
        device, labels = self.device, self.device_labels
        counts = attempt(device, lambda: device.bincount(labels, self.k), 8 * self.k, "the sizes of the clusters")
        return int(np.count_nonzero(device.download(counts)))
