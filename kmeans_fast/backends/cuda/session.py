"""All rows opened on a GPU."""

import numpy as np

from ..partials import Form, float_of
from ..protocol import Iteration
from ..relocation import farthest_rows
from .buffers import Centroids
from .device import upload
from .oversampler import CudaOversampler
from .part import CudaPart
from .part import path as path_of
from .seeder import CudaSeeder
from .silhouettes import silhouettes

# Of a status (`means.cu`).
_NUMBERS = ("changed", "rechecked", "scored", "empty", "squared_shift", "inertia", "overflowed")


class Step:
    """An iteration that has been enqueued; `read` waits for it (see `kmeans_fast.backends.protocol.Step`)."""

    def __init__(self, session, source, target, number):
        self.session, self.source, self.centroids, self.number = session, source, target, number
        self.result = None
        self.bounded, self.way = False, ""

    def read(self):
        if self.result is None:
            self.result = self.session.read(self)
        return self.result


class CudaSession(CudaPart):
    """See `kmeans_fast.backends.protocol.Session`.

    The launches of an iteration follow each other without waiting for the host: bounds, scores, rechecks and sums,
    means, conclusion. The host enqueues an iteration while the one before runs, and meanwhile reads what that came to.
    Only empty clusters need the host. Then the iteration halts on the device, what is enqueued behind it does nothing,
    and `read` relocates them.
    """

    runs_ahead = labels_decide = True
    mean = center = scattered = None  # of the columns, on the host and the device; `scatter` about it, with weights

    @property
    def parts(self):
        return (self,)

    def for_clusters(self, n_clusters):
        other = super().for_clusters(n_clusters)
        other.mean, other.center, other.scattered = self.mean, self.center, self.scattered
        return other

    def _plan_update(self):
        """Find what the sums and the inertia of an iteration take, once."""
        self._plan_sums()
        if self.mean is None:
            form = Form.of(self.ranges(False), self.n)
            self.mean = form.rounded(self.column_sums(form)) / self.n
            self.center = upload(self.device, self.mean, "the mean")
            self.scattered = float_of(self.scatter(self.mean, True))

    def mean_variance(self):
        self._plan_update()
        scattered = float_of(self.scatter(self.mean, False)) if self.weighted else self.scattered
        return scattered / (self.n * self.d)

    def fetch(self, centroids):
        """Centroids as a NumPy array in X's dtype."""
        if isinstance(centroids, Centroids):
            return self.device.download(centroids.exact).astype(self.dtype)
        return centroids

    # ---- Lloyd -----------------------------------------------------------------------------------------------------

    def _forget_iterations(self):
        super()._forget_iterations()
        self.under_way = []

    def _taken(self):
        return [*super()._taken(), *(slot for step in self.under_way for slot in (step.source, step.centroids))]

    def iterate(self, centroids):
        self._current_labels()
        self._plan_update()
        self.under_way = [step for step in self.under_way if step.result is None]
        source = self._held(centroids)
        step = Step(self, source, self._slot([source, *self._taken()]), self.enqueued)
        self.under_way.append(step)
        self.enqueued += 1
        self._enqueue(step)
        return step

    def _enqueue(self, step):
        step.bounded, step.way = self._assign_and_sum(step.source, step.number)
        self._conclude(step, relocated=False)

    def _conclude(self, step, *, relocated):
        """Sums into centroids, and what the iteration came to into their report."""
        self.launches.run(self.launches.update, step.source, step.centroids, relocated)
        step.centroids.status.record()

    def read(self, step):
        """What an iteration came to, as an `Iteration`."""
        numbers = dict(zip(_NUMBERS, step.centroids.status.read().tolist()))
        if numbers["empty"]:
            empty = numbers["empty"]
            self._relocate(step)
            numbers = dict(zip(_NUMBERS, step.centroids.status.read().tolist()))
            numbers["empty"] = empty
            self.sums_current = self.bounds_current = False
            for later in self.under_way:
                if later.result is None and later is not step and later.source is step.centroids:
                    self._enqueue(later)
        changed, rechecked, scored, empty = (int(numbers[name]) for name in _NUMBERS[:4])
        self._learn(step.number, changed, scored, step.bounded, step.way, int(numbers["overflowed"]))
        return Iteration(
            centroids=step.centroids,
            changed=changed,
            squared_shift=numbers["squared_shift"],
            inertia=max(0.0, numbers["inertia"]),
            empty=empty,
            rechecked=rechecked,
            scored=scored,
            path=path_of(step.bounded, step.way),
        )

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

    def inertia(self, centroids):
        return float_of(self.exact_inertia(centroids))

    def silhouette(self, labels, n_labels):
        return silhouettes(self, labels, n_labels)

    # ---- seeds -----------------------------------------------------------------------------------------------------

    def seeder(self, words):
        self._forget_labels()  # the distances of seeding take their room
        return CudaSeeder(self, words)

    def oversampler(self):
        self._forget_labels()
        return CudaOversampler(self)
