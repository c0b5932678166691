"""Rows in several parts, as one session: what the parts return is merged, and nothing depends on how rows were cut."""

import copy
import functools

import numpy as np

from ..arrays import to_host
from ..backends.drawing import distinct
from ..backends.masses import Masses, Oversampler, Seeder
from ..backends.partials import Form, float_of, merged
from ..backends.protocol import Finished, Iteration
from ..reference import row_hash
from . import on_disk
from .update import means, updated

_SAMPLE = 1024  # rows for a point in the middle of the data


def joined(arrays):
    """Arrays (n,), one after the other: without a copy where they are all of one array."""
    first, n = arrays[0], sum(map(len, arrays))
    base = first.base
    if isinstance(base, np.ndarray) and base.shape == (n,) and base.dtype == first.dtype:
        at = base.ctypes.data
        for array in arrays:
            if array.ctypes.data != at or not array.flags.c_contiguous:
                break
            at += array.nbytes
        else:
            return base
    return np.concatenate(arrays)


class Parts:
    """A `kmeans_fast.backends.protocol.Session` made of parts, which may be on any backends.

    Parameters
    ----------
    parts : sequence of Part
        Of the same number of features, dtype and number of clusters; all of them have weights, or none has. Rows are
        numbered through all parts in this order.
    rule : callable
        How centroids follow from sums: see `update.means`.
    """

    runs_ahead = False

    def __init__(self, parts, rule=means):
        self.parts, self.rule, self.labels_decide = list(parts), rule, rule is means
        self.starts = np.cumsum([0, *(part.shape[0] for part in self.parts)])
        first = self.parts[0]
        self.shape, self.dtype, self.weighted = (int(self.starts[-1]), first.shape[1]), first.dtype, first.weighted
        self.center = self.scatter = None  # a point, and the weighted sum of squared distances to it

    def for_clusters(self, n_clusters):
        other = copy.copy(self)
        other.form, other.parts = self.form, self.each("for_clusters", n_clusters)
        return other

    def each(self, name, *arguments):
        """What a method of each part returns."""
        return [getattr(part, name)(*arguments) for part in self.parts]

    def total(self, name, *arguments):
        """The sum of it."""
        return merged(getattr(part, name)(*arguments) for part in self.parts)

    # ---- the columns -----------------------------------------------------------------------------------------------

    def _form(self, weighted):
        return Form.of(self.total("ranges", weighted), self.shape[0])

    @functools.cached_property
    def form(self):
        """Of the sums of the clusters."""
        return self._form(weighted=True)

    def _scatter_about(self, center, weighted):
        return float_of(self.total("scatter", center, weighted))

    def mean_variance(self):
        form = self._form(weighted=False) if self.weighted else self.form
        sums = form.rounded(self.total("column_sums", form))
        self.center = sums / self.shape[0]
        scatter = self._scatter_about(self.center, weighted=False)
        self.scatter = self._scatter_about(self.center, weighted=True) if self.weighted else scatter
        return scatter / (self.shape[0] * self.shape[1])

    def _find_scatter(self):
        step = -(-self.shape[0] // _SAMPLE)
        self.center = self.rows(np.arange(0, self.shape[0], step)).mean(axis=0, dtype=np.float64)
        self.scatter = self._scatter_about(self.center, weighted=True)

    # ---- Lloyd -----------------------------------------------------------------------------------------------------

    @property
    def labels(self):
        return joined([to_host(part.labels) for part in self.parts])

    def reset(self):
        self.each("reset")

    def iterate(self, centroids):
        if self.center is None:
            self._find_scatter()
        partial = self.total("accumulate", centroids, self.form)
        farthest = functools.partial(self.total, "farthest", centroids)
        found = updated(centroids, partial, self.form, self.weighted, self.center, farthest, self.rule)
        self.each("follow", found.centroids, found.shifts)
        return Finished(
            Iteration(
                centroids=found.centroids,
                changed=partial.changed,
                squared_shift=found.squared_shift,
                inertia=max(0.0, self.scatter + found.gain),
                empty=found.empty,
                rechecked=partial.rechecked,
                scored=partial.scored,
                path=" / ".join(sorted(partial.paths)),
            )
        )

    def assign(self, centroids):
        self.each("assign", centroids)

    def fetch(self, centroids):
        return centroids

    def cluster_sizes(self):
        return self.total("cluster_sizes")

    def inertia(self, centroids):
        return float_of(self.total("exact_inertia", centroids))

    def own_distances(self, centroids):
        out = on_disk.empty_where_there_is_room(self.shape[0], np.float64)
        for part, start, end in zip(self.parts, self.starts, self.starts[1:]):
            out[start:end] = to_host(part.own_distances(centroids))
        return out

    def distances(self, centroids, squared=False):
        return np.concatenate([to_host(part.distances(centroids, squared)) for part in self.parts])

    # ---- drawing ---------------------------------------------------------------------------------------------------

    def _masses(self, fine=False):
        return Masses(self, self.parts, fine)

    def seeder(self, words):
        return Seeder(self, self._masses(), words)

    def oversampler(self):
        return Oversampler(self._masses(fine=True))

    def by_part(self, name, numbers):
        """What a method of the parts returns of the rows of these numbers that are there, and their places."""
        of_part = np.searchsorted(self.starts, numbers, side="right") - 1
        for at in np.unique(of_part):
            places = np.flatnonzero(of_part == at)
            yield getattr(self.parts[at], name)(numbers[places] - self.starts[at]), places

    def _gathered(self, name, numbers, out):
        for found, places in self.by_part(name, numbers):
            out[places] = found
        return out

    def rows(self, numbers):
        return self._gathered("rows", numbers, np.empty((len(numbers), self.shape[1]), self.dtype))

    def hashes(self, numbers):
        return self._gathered("hashes", numbers, np.empty(len(numbers), np.uint64))

    def weights_of(self, numbers):
        return self._gathered("weights_of", numbers, np.empty(len(numbers))) if self.weighted else None

    def digest(self):
        return self.total("digest") % 2**64

    def taken(self, numbers):
        return self.rows(numbers) + 0

    def distinct(self, numbers):
        values = self.rows(numbers)
        return distinct(values, row_hash(values), numbers)
