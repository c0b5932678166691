"""A session on rows that workers hold: all partitions are asked at once, and what they answer is merged in a tree.

The client has the whole state: the centroids that the labels are those of, and what has been drawn. A task brings what
it needs of that, so that any worker can do it.
"""

import uuid
from typing import NamedTuple

import numpy as np

from ..backends.drawing import buckets_for
from ..backends.masses import Masses
from ..engine.parts import Parts
from ..engine.refinement import common_shift
from ..engine.update import means
from .tasks import Asked, Drawn

_MOST_BUCKETS = 1 << 19  # 4 MB from each partition for every measuring of masses


class LabelsOf(NamedTuple):
    """The labels of all rows by these centroids, which nobody has yet."""

    centroids: np.ndarray


class RemoteParts(Parts):
    """See `kmeans_fast.engine.parts.Parts`; `data` is `kmeans_fast.dask.partitions.Partitions`."""

    def __init__(self, data, n_clusters, rule):
        self.data, self.n_clusters, self.parts = data, n_clusters, ()
        self.rule, self.labels_decide, self.center, self.scatter = rule, rule is means, None, None
        self.shape, self.starts, self.dtype, self.weighted = data.shape, data.starts, data.dtype, data.weighted
        self.labelled_by = None
        self.backend = " / ".join(sorted(set(self.each("backend"))))

    def for_clusters(self, n_clusters):
        other = object.__new__(RemoteParts)
        other.__dict__ |= self.__dict__ | {"n_clusters": n_clusters, "labelled_by": None}
        return other

    @property
    def labels(self):
        return LabelsOf(self.labelled_by)

    # ---- asking ----------------------------------------------------------------------------------------------------

    def _ask(self, name, arguments, drawn=None, **how):
        asked = Asked(
            self.data.fit, name, arguments, self.n_clusters, self.weighted, self.data.how["device"],
            self.data.how["n_threads"], self.labelled_by, drawn,
        )  # fmt: skip
        return self.data.ask(asked, **how)

    def each(self, name, *arguments):
        if name == "reset":
            self.labelled_by = None
        elif name == "assign":  # labels follow from the centroids; who needs them finds them
            self.labelled_by = arguments[0]
        elif name != "follow":  # a task sees by itself how far centroids have moved
            return self._ask(name, arguments)
        return []

    def total(self, name, *arguments):
        found = self._ask(name, arguments, merge=True)
        if name == "accumulate":
            self.labelled_by = arguments[0]
        return found

    def by_part(self, name, numbers):
        of_part = np.searchsorted(self.starts, numbers, side="right") - 1
        places = {int(at): np.flatnonzero(of_part == at) for at in np.unique(of_part)}
        own = {at: (numbers[there] - self.starts[at],) for at, there in places.items()}
        found = self._ask(name, (), own=own)
        yield from zip(found, (places[at] for at in sorted(places)))

    def cluster_totals(self, n_clusters, centroids):
        """See `engine.refinement.cluster_totals`."""
        largest = max(self.each("largest_product", centroids))
        if largest == 0.0:
            return np.zeros(n_clusters)
        shift = common_shift(self.shape[0], largest)
        return np.ldexp(self.total("units", centroids, shift), -shift)

    # ---- drawing ---------------------------------------------------------------------------------------------------

    def _masses(self, fine=False):
        return RemoteMasses(self, fine)


class RemoteMasses(Masses):
    """See `kmeans_fast.backends.masses.Masses`: what has been drawn is noted here, and goes with every question."""

    def __init__(self, session, fine=False):
        self.session, self.parts, session.labelled_by = session, (), None
        self.name, self.buckets = uuid.uuid4().hex, buckets_for(session, fine, _MOST_BUCKETS)
        self.steps, self.excluded, self.shift = (), {}, None
        self.rescale()

    def each(self, name, *arguments):
        if name not in ("fill", "begin", "join"):
            return self._ask(name, arguments)
        self.steps = (*self.steps, (name, arguments[0]))
        self.excluded, self.shift = {}, None  # all distances are new
        return []

    def total(self, name, *arguments):
        return self._ask(name, arguments, merge=True)

    def weigh(self, shift):
        self.shift = shift
        return self.total("weigh", shift)

    def _ask(self, name, arguments, **how):
        drawn = Drawn(self.name, self.buckets, self.steps, self.excluded, self.shift)
        return self.session._ask(name, arguments, drawn, **how)

    def accept(self, candidates, best):
        shift = self.shift
        self.each("join", candidates[best : best + 1])
        self.of_buckets = self.weigh(shift)

    def exclude(self, number):
        at = int(np.searchsorted(self.session.starts, number, side="right")) - 1
        rows = (*self.excluded.get(at, ()), number - int(self.session.starts[at]))
        self.excluded = self.excluded | {at: rows}
        self.of_buckets = self.weigh(self.shift)
        self.mass = int(self.of_buckets.sum())
        return self.mass > 0 or self.largest() > 0
