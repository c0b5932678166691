"""A part whose rows are read anew for each pass: only what is known of them stays in memory.

That is a label for every row and, while seeds are drawn, a distance (and the nearest candidate, for k-means||).
"""

import contextlib

import numpy as np

from ..arrays import to_host


def _asked(name, new_distances=False):
    """A method that opens the rows, asks what is open for the same, and closes them.

    Where it sets `new_distances`, the power of two by which masses were measured no longer fits and is forgotten.
    """

    def method(self, *arguments):
        if new_distances:
            self.shift = None
        with self.opened() as session:
            return getattr(session, name)(*arguments)

    method.__name__ = name
    return method


class RereadPart:
    """See `kmeans_fast.backends.protocol.Part`.

    Parameters
    ----------
    read : callable
        ``read()``: the rows (n_samples, n_features) and their weights or None, each time the same.
    shape, dtype, weighted
        Of the rows.
    open_session : callable
        ``open_session(X, weights, n_clusters)``: a session on them, which is to keep nothing that only saves time.
    n_clusters : int
    """

    def __init__(self, read, shape, dtype, weighted, open_session, n_clusters):
        self.read, self.open_session, self.n_clusters = read, open_session, n_clusters
        self.shape, self.dtype, self.weighted = shape, dtype, weighted
        self.labels = None

    def for_clusters(self, n_clusters):
        self.labels = None
        return RereadPart(self.read, self.shape, self.dtype, self.weighted, self.open_session, n_clusters)

    def reset(self):
        self.labels = None

    @contextlib.contextmanager
    def opened(self):
        """A session on the rows, with the labels that are known."""
        session = self.open_session(*self.read(), self.n_clusters)
        if self.labels is not None:
            session.resume(self.labels)
        yield session

    def assign(self, centroids):
        with self.opened() as session:
            session.assign(centroids)
            self.labels = to_host(session.labels)

    def accumulate(self, centroids, form):
        with self.opened() as session:
            partial = session.accumulate(centroids, form)
            self.labels = to_host(session.labels)
        return partial

    def follow(self, centroids, shifts):
        """Nothing is kept that would have to know."""

    def cluster_sizes(self):
        return np.bincount(self.labels, minlength=self.n_clusters)

    def masses(self, buckets):
        self.labels = None
        return RereadMasses(self, buckets)

    ranges = _asked("ranges")
    column_sums = _asked("column_sums")
    scatter = _asked("scatter")
    farthest = _asked("farthest")
    exact_inertia = _asked("exact_inertia")
    own_distances = _asked("own_distances")
    distances = _asked("distances")
    hashes = _asked("hashes")
    rows = _asked("rows")
    weights_of = _asked("weights_of")


class RereadMasses:
    """See `kmeans_fast.backends.protocol.PartMasses`."""

    def __init__(self, part, buckets):
        self.part, self.buckets = part, buckets
        self.state = self.shift = self.candidates = None

    @contextlib.contextmanager
    def opened(self):
        with self.part.opened() as session:
            masses = session.masses(self.buckets)
            if self.state is not None:
                masses.resume(self.state)
            if self.shift is not None:
                masses.weigh(self.shift)
            yield masses
            self.state = masses.state()

    largest = _asked("largest")
    rows_in = _asked("rows_in")
    shares = _asked("shares")
    exclude = _asked("exclude")

    fill = _asked("fill", new_distances=True)
    join = _asked("join", new_distances=True)
    begin = _asked("begin", new_distances=True)

    def weigh(self, shift):
        self.shift = shift
        with self.opened() as masses:
            return masses.weigh(shift)

    def draw(self, targets, of_buckets):
        with self.opened() as masses:
            return masses.draw(targets, of_buckets)

    def trials(self, candidates):
        self.candidates = candidates
        with self.opened() as masses:
            return masses.trials(candidates)

    def accept(self, trial, of_buckets):
        with self.opened() as masses:
            before = masses.weigh(self.shift)
            masses.join(self.candidates[trial : trial + 1])
            of_buckets += masses.weigh(self.shift) - before
