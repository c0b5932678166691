"""A part whose rows are read anew for each pass: what is known of them stays in memory, as much as memory allows.

That is a label for every row and, while seeds are drawn, a distance and a bucket (and the nearest candidate, for
k-means||). With more memory it is the whole session without its rows: bounds, sums, what techniques have learned.
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
        ``open_session(X, weights, n_clusters, keeps)``: a session on them. It is a `DetachablePart` that passes are
        made with and whose state stays in memory, if it `keeps`; otherwise it is to keep nothing that only saves time.
    n_clusters : int
    keeps : bool
        Whether to keep such a state.
    """

    def __init__(self, read, shape, dtype, weighted, open_session, n_clusters, keeps=False):
        self.read, self.open_session, self.n_clusters, self.keeps = read, open_session, n_clusters, keeps
        self.shape, self.dtype, self.weighted = shape, dtype, weighted
        self._forget()

    def _forget(self):
        self.detached = self.known_labels = None  # a session without its rows; the labels where there is none

    @property
    def labels(self):
        return self.known_labels if self.detached is None else self.detached.labels

    def for_clusters(self, n_clusters):
        self._forget()
        how = (self.dtype, self.weighted, self.open_session, n_clusters, self.keeps)
        return RereadPart(self.read, self.shape, *how)

    def reset(self):
        self.known_labels = None
        if self.detached is not None:
            self.detached.reset()

    @contextlib.contextmanager
    def opened(self):
        """A session on the rows, with the labels that are known, for anything but a pass."""
        session = self.open_session(*self.read(), self.n_clusters, False)
        if self.labels is not None:
            session.resume(self.labels)
        yield session

    @contextlib.contextmanager
    def _opened_for_a_pass(self):
        rows = self.read()
        session, self.detached = self.detached, None
        if session is not None:
            session.attach(*rows)
        else:
            session = self.open_session(*rows, self.n_clusters, self.keeps)
            if self.known_labels is not None:
                session.resume(self.known_labels)
        yield session
        if self.keeps:
            session.detach()
            self.detached, self.known_labels = session, None
        else:
            self.known_labels = to_host(session.labels)

    def assign(self, centroids):
        with self._opened_for_a_pass() as session:
            session.assign(centroids)

    def accumulate(self, centroids, form):
        with self._opened_for_a_pass() as session:
            return session.accumulate(centroids, form)

    def follow(self, centroids, shifts):
        if self.detached is not None:
            self.detached.follow(centroids, shifts)

    def cluster_sizes(self):
        return np.bincount(self.labels, minlength=self.n_clusters)

    def masses(self, buckets):
        self._forget()
        return RereadMasses(self, buckets)

    ranges = _asked("ranges")
    column_sums = _asked("column_sums")
    scatter = _asked("scatter")
    farthest = _asked("farthest")
    exact_inertia = _asked("exact_inertia")
    own_distances = _asked("own_distances")
    distances = _asked("distances")
    hashes = _asked("hashes")
    digest = _asked("digest")
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
            masses = session.masses(self.buckets, self.state)
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
