"""The reference as a backend: slow, for checking the others and for machines where nothing else runs."""

import numpy as np

from .. import reference
from . import silhouettes
from .defaults import OneByOne, OnHost
from .drawing import digest, distinct, located_in_part
from .masses import Masses, Oversampler, Seeder
from .partials import LEAST, Partial, Ranges
from .protocol import Finished, Iteration, MassesState, Plan
from .relocation import farthest


def exact_sum(values):
    """The sum of float64 values (n,), not negative, in units of the least float64."""
    fraction, power = np.frexp(values)
    mantissas, shifts = (fraction * 2.0**53).astype(np.int64), power - 53 - LEAST
    # Where a shift is negative the lowest bits of the mantissa are zeros.
    return sum(m << s if s >= 0 else m >> -s for m, s in zip(mantissas.tolist(), shifts.tolist()))


class ReferenceMasses:
    """See `kmeans_fast.backends.protocol.PartMasses`."""

    def __init__(self, session, buckets, state=None):
        self.session, self.X, self.n_buckets, self.shift = session, session.X, buckets.count, 0
        self.weights = np.ones(len(self.X)) if session.weights is None else session.weights
        if state is None:
            state = MassesState(np.ones(len(self.X)), None, 0, None)
        self.d, self.owner, self.joined, self.buckets = state
        if self.buckets is None:
            self.buckets = buckets.of(session.hashes(slice(None)))

    def _masses(self, d):
        return np.floor(np.ldexp(self.weights * d, self.shift)).astype(np.int64)

    def _by(self, groups, masses, count):
        total = np.zeros(count, np.int64)
        np.add.at(total, groups, masses)
        return total

    def largest(self):
        return float((self.weights * self.d).max())

    def fill(self, distance):
        self.d.fill(distance)

    def measure_by(self, shift):
        self.shift = shift

    def weigh(self, shift):
        self.measure_by(shift)
        return self._by(self.buckets, self._masses(self.d), self.n_buckets)

    def rows_in(self, wanted):
        numbers = np.flatnonzero(wanted[self.buckets])
        return numbers, self.session.hashes(numbers), self._masses(self.d)[numbers]

    def draw(self, targets, of_buckets):
        return located_in_part(targets, of_buckets, self, self.session)

    def begin(self, candidate):
        self.d = reference.squared_distances(self.X, candidate)[:, 0]

    def trials(self, candidates):
        self.nearest = np.minimum(self.d[:, None], reference.squared_distances(self.X, candidates))
        return (self._masses(self.d)[:, None] - self._masses_of_trials()).sum(axis=0)

    def _masses_of_trials(self):
        return np.floor(np.ldexp(self.weights[:, None] * self.nearest, self.shift)).astype(np.int64)

    def accept(self, trial, of_buckets):
        before, self.d = self._masses(self.d), self.nearest[:, trial]
        np.add.at(of_buckets, self.buckets, self._masses(self.d) - before)

    def exclude(self, number, of_buckets):
        mass, self.d[number] = int(self._masses(self.d)[number]), 0.0
        of_buckets[self.buckets[number]] -= mass
        return mass

    def join(self, candidates):
        owner, d = self._assigned(candidates)
        if self.joined == 0:
            self.owner = np.zeros(len(d), reference.LABEL)
        nearer = d < self.d
        self.owner = np.where(nearer, owner + self.joined, self.owner)
        self.d = np.where(nearer, d, self.d)
        self.joined += len(candidates)

    def _assigned(self, candidates):
        return reference.assign(self.X, candidates)

    def shares(self, count):
        return self._by(self.owner, self._masses(self.d), count)

    def state(self):
        return MassesState(self.d, self.owner, self.joined, self.buckets)


class ReferenceSession:
    runs_ahead, labels_decide = False, True

    @property
    def parts(self):
        return (self,)

    def __init__(self, X, weights, n_clusters=0):
        self.X, self.weights, self.k = X, weights, n_clusters
        self.shape, self.dtype, self.weighted = X.shape, X.dtype, weights is not None
        self.reset()

    def reset(self):
        self.labels = np.full(len(self.X), -1, reference.LABEL)

    def resume(self, labels):
        self.labels = labels

    def for_clusters(self, n_clusters):
        return ReferenceSession(self.X, self.weights, n_clusters)

    # ---- parts -----------------------------------------------------------------------------------------------------

    def _products(self, weighted):
        """The rows, times their weights and followed by them if there are any, in float64."""
        X = self.X.astype(np.float64)
        if not (weighted and self.weighted):
            return X
        return np.column_stack([self.weights[:, None] * X, self.weights])

    def ranges(self, weighted):
        values = self._products(weighted)
        fraction, power = np.frexp(values)
        mantissa = (fraction * 2.0**53).astype(np.int64)
        lowest = np.ldexp((mantissa & -mantissa).astype(np.float64), power - 53)
        return Ranges(np.abs(values).max(axis=0), np.where(values == 0.0, np.inf, lowest).min(axis=0))

    def column_sums(self, form):
        return form.of_values(self._products(False)).sum(axis=1)

    def scatter(self, center, weighted):
        weights = self.weights if weighted else None
        return self._exact_inertia(weights, center[None], np.zeros(len(self.X), reference.LABEL))

    def _exact_inertia(self, weights, centroids, labels):
        distances = reference.own_distances(self.X, centroids, labels)
        return exact_sum(distances if weights is None else weights * distances)

    def accumulate(self, centroids, form):
        previous = self.labels
        self.assign(centroids)
        k = len(centroids)
        changed = int(np.count_nonzero(self.labels != previous))
        sizes = np.bincount(self.labels, minlength=k)
        return Partial(self._sums(form, k), sizes, changed, 0, len(self.X), frozenset(["float64"]))

    def _sums(self, form, k):
        values = form.of_values(self._products(True))
        sums = np.zeros((form.limbs, k, values.shape[-1]), np.int64)
        for limb, of_limb in zip(values, sums):
            np.add.at(of_limb, self.labels, limb)
        return sums

    def sums_of(self, labels, form):
        self.resume(labels)
        return self._sums(form, self.k)

    def follow(self, centroids, shifts):
        pass

    def farthest(self, centroids, count):
        return farthest(self, self.own_distances(centroids), count)

    def cluster_sizes(self):
        return np.bincount(self.labels, minlength=self.k)

    def exact_inertia(self, centroids):
        return self._exact_inertia(self.weights, centroids, self.labels)

    def masses(self, buckets, state=None):
        return ReferenceMasses(self, buckets, state)

    def hashes(self, numbers):
        return reference.row_hash(self.X[numbers])

    # ---- all rows --------------------------------------------------------------------------------------------------

    def mean_variance(self):
        return reference.mean_variance(self.X)

    def assign(self, centroids):
        self.labels, _ = reference.assign(self.X, centroids)

    def iterate(self, centroids):
        previous = self.labels
        self.assign(centroids)
        _, totals = reference.cluster_sums(self.X, self.weights, self.labels, len(centroids))
        new = reference.update(self.X, self.weights, centroids, self.labels)
        done = Iteration(
            centroids=new,
            changed=int(np.count_nonzero(self.labels != previous)),
            squared_shift=reference.squared_shift(new, centroids),
            inertia=self.inertia(centroids),
            empty=int(np.count_nonzero(totals == 0)),
            rechecked=0,
            scored=len(self.X),
            path="float64",
        )
        return Finished(done)

    def fetch(self, centroids):
        return centroids

    def inertia(self, centroids):
        return reference.inertia(self.X, self.weights, centroids, self.labels)

    def own_distances(self, centroids):
        return reference.own_distances(self.X, centroids, self.labels)

    def distances(self, centroids, squared=False):
        table = reference.squared_distances(self.X, centroids)
        return (table if squared else np.sqrt(table)).astype(self.X.dtype)

    def silhouette(self, labels, n_labels):
        return silhouettes.silhouettes(self.X, labels, n_labels)

    def seeder(self, words):
        return Seeder(self, Masses(self, [self]), words)

    def oversampler(self):
        return Oversampler(Masses(self, [self], fine=True))

    def digest(self):
        return digest(self)

    def rows(self, numbers):
        return self.X[numbers]

    def taken(self, numbers):
        return self.X[numbers] + 0

    def distinct(self, numbers):
        return distinct(self.X[numbers], self.hashes(numbers), numbers)

    def weights_of(self, numbers):
        return None if self.weights is None else self.weights[numbers]


class ReferenceBackend(OnHost, OneByOne):
    name = "reference"

    def plan(self, problem, n_threads):
        table = min(problem.n_samples, 4096) * problem.n_clusters * 8 * 4
        return Plan("NumPy, float64", 1, table + problem.n_samples * (problem.n_features + 8) * 8)

    def open(self, X, weights, problem, n_threads):
        return ReferenceSession(X, weights, problem.n_clusters)
