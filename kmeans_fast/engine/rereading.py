"""A part whose rows are read anew for each pass: what is known of them stays in memory, as much as memory allows.

That is a label for every row and, while seeds are drawn, a distance and a bucket (and the nearest candidate, for
k-means||). With more memory it is the whole session without its rows: bounds, sums, what techniques have learned. Then
rows are not read at all in a pass in which no bound fails.
"""

import contextlib
import threading
from typing import NamedTuple

import numpy as np

from ..arrays import to_host
from ..backends.drawing import runs_of
from ..backends.partials import Form, Ranges
from ..backends.protocol import MassesState
from ..reference import row_hash
from . import on_disk

_REMEMBERED = 8  # this part of the rows, at most, are kept that a draw has looked at


def _asked(name):
    """A method that opens the rows, asks what is open for the same, and closes them."""

    def method(self, *arguments):
        with self.opened() as session:
            return getattr(session, name)(*arguments)

    method.__name__ = name
    return method


class Labels:
    """The labels of all rows, in one array that parts write to.

    Parameters
    ----------
    starts : ndarray (parts + 1,)
        Where the rows of each part begin.
    allocate : callable
        ``allocate(n, dtype)``: an array.
    """

    def __init__(self, starts, allocate=np.empty):
        self.starts, self.allocate, self.array, self.given = starts, allocate, None, set()
        self.lock = threading.Lock()

    def room(self, number):
        """Where a part writes its labels from now on. Arrays that have been handed out stay as they are."""
        with self.lock:  # parts of several devices ask at the same time
            if self.array is None or number in self.given:
                self.array, self.given = self.allocate(int(self.starts[-1]), np.int32), set()
            self.given.add(number)
            return self.array[self.starts[number] : self.starts[number + 1]]


class Looked(NamedTuple):
    """What one reading tells of the columns."""

    ranges: Ranges  # of the rows alone
    weighted: Ranges  # times weights
    form: Form  # of the sums
    sums: np.ndarray  # (limbs, n_features), without weights


class RereadPart:
    """See `kmeans_fast.backends.protocol.Part`.

    Parameters
    ----------
    read : callable
        ``read()``: the rows (n_samples, n_features) and their weights or None, each time the same. It may have a method
        ``few(numbers)`` that reads some rows, or gives None, and one ``needed(whether)`` that hears whether the rows
        are likely to be read in the next pass; and an attribute ``weights``, where these are known without the rows.
    shape, dtype, weighted
        Of the rows.
    open_session : callable
        ``open_session(X, weights, n_clusters, keeps)``: a session on them. It is a `DetachablePart` that passes are
        made with and whose state stays in memory, if it `keeps`; otherwise it is to keep nothing that only saves time.
    n_clusters : int
    keeps : bool
        Whether to keep such a state.
    room : callable, optional
        ``room()``: where to write labels from now on, (n_samples,) int32.
    seeds_on_disk : bool
        Whether what is known of every row while seeds are drawn goes to a file.
    """

    def __init__(
        self, read, shape, dtype, weighted, open_session, n_clusters, keeps=False, room=None, seeds_on_disk=False
    ):
        self.read, self.open_session, self.n_clusters, self.keeps = read, open_session, n_clusters, keeps
        self.shape, self.dtype, self.weighted, self.seeds_on_disk = shape, dtype, weighted, seeds_on_disk
        self.new_room = room or (lambda: np.empty(shape[0], np.int32))
        self.looked = self.remembered = None
        self._forget()

    def _forget(self):
        self.detached = self.settled = None  # a session without its rows; centroids that its labels are right for
        self.room, self.labelled = None, False

    @property
    def labels(self):
        if not self.labelled:
            return None
        return self.room if self.detached is None else self.detached.labels  # which writes them there, where it has not

    def for_clusters(self, n_clusters):
        self._forget()
        how = (self.dtype, self.weighted, self.open_session, n_clusters, self.keeps, self.new_room, self.seeds_on_disk)
        other = RereadPart(self.read, self.shape, *how)
        other.looked, other.remembered = self.looked, self.remembered
        return other

    def reset(self):
        self.room, self.labelled, self.remembered = None, False, None
        self._read_next_time()
        if self.detached is not None:
            self._start(self.detached)

    def _start(self, session):
        """Let a session that is kept write its labels to the room there is for them."""
        if not self.labelled:
            self.room = self.new_room()
            self.room.fill(-1)
        session.resume(self.room)

    @contextlib.contextmanager
    def opened(self):
        """A session on the rows, with the labels that are known, for anything but a pass."""
        session = self.open_session(*self.read(), self.n_clusters, False)
        if self.labelled:
            session.resume(self.labels)
        yield session

    # ---- passes ----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _opened_for_a_pass(self):
        self._read_next_time()
        rows = self.read()
        session, self.detached = self.detached, None
        if session is not None:
            session.attach(*rows)
        else:
            session = self.open_session(*rows, self.n_clusters, self.keeps)
            if self.keeps:
                self._start(session)
            elif self.labelled:
                session.resume(self.room)
        yield session
        if self.keeps:
            session.detach()
            self.detached = session
        else:
            found = to_host(session.labels)
            self.room = self.new_room() if self.room is None else self.room
            if found is not self.room:
                np.copyto(self.room, found)
        self.labelled = True

    def assign(self, centroids):
        if self.settled is not centroids:
            with self._opened_for_a_pass() as session:
                session.assign(centroids)

    def accumulate(self, centroids, form):
        if self.settled is centroids:
            return self.detached.unchanged(form)
        with self._opened_for_a_pass() as session:
            return session.accumulate(centroids, form)

    def follow(self, centroids, shifts):
        self._read_next_time()
        if self.detached is not None:
            self.detached.follow(centroids, shifts)
            if self.detached.settles():
                self.settled = centroids
                self._tell(False)

    def _read_next_time(self):
        self.settled = None
        self._tell(True)

    def _tell(self, needed):
        if hasattr(self.read, "needed"):
            self.read.needed(needed)

    # ---- the columns -----------------------------------------------------------------------------------------------

    def _look(self):
        if self.looked is None:
            with self.opened() as session:
                ranges = session.ranges(False)
                form = Form.of(ranges, self.shape[0])
                weighted = session.ranges(True) if self.weighted else ranges
                self.looked = Looked(ranges, weighted, form, session.column_sums(form))
        return self.looked

    def ranges(self, weighted):
        return self._look().weighted if weighted else self._look().ranges

    def column_sums(self, form):
        looked = self._look()
        return looked.form.converted(looked.sums, form)

    # ---- few rows --------------------------------------------------------------------------------------------------

    def _few(self, numbers):
        """Some rows without reading them all, or None."""
        if self.remembered is not None:
            known, of_run, values = self.remembered
            at = np.minimum(np.searchsorted(known, numbers), max(0, len(known) - 1))
            if len(known) and (known[at] == numbers).all():
                return values[of_run[at]]
        return self.read.few(numbers) if hasattr(self.read, "few") else None

    def rows(self, numbers):
        found = self._few(numbers)
        if found is None:
            with self.opened() as session:
                found = session.rows(numbers)
        return found

    def hashes(self, numbers):
        found = self._few(numbers)
        if found is not None:
            return row_hash(found)
        with self.opened() as session:
            return session.hashes(numbers)

    def weights_of(self, numbers):
        if not self.weighted:
            return None
        weights = getattr(self.read, "weights", None)  # known without the rows
        if weights is not None:
            return weights[numbers]
        with self.opened() as session:
            return session.weights_of(numbers)

    def remember(self, runs, session):
        """Keep the rows of `Runs`, which are likely to be asked for by number."""
        if _REMEMBERED * len(runs.numbers) <= self.shape[0]:
            order = np.argsort(runs.numbers)
            of_run = np.repeat(np.arange(len(runs.masses), dtype=np.int32), np.diff(runs.begin))
            self.remembered = runs.numbers[order], of_run[order], session.rows(runs.first)

    def cluster_sizes(self):
        return np.bincount(self.labels, minlength=self.n_clusters)

    def masses(self, buckets):
        self._forget()
        return RereadMasses(self, buckets)

    scatter = _asked("scatter")
    farthest = _asked("farthest")
    exact_inertia = _asked("exact_inertia")
    own_distances = _asked("own_distances")
    distances = _asked("distances")
    digest = _asked("digest")


class RereadMasses:
    """See `kmeans_fast.backends.protocol.PartMasses`.

    As long as all distances are one number, no distance is kept, and without weights no row is read for a mass.
    """

    def __init__(self, part, buckets):
        self.part, self.buckets, self.distance = part, buckets, 1.0  # of all rows; None: they differ
        self.state, self.kept_on_disk = MassesState(None, None, 0, None), {}
        self.shift = self.candidates = None

    @contextlib.contextmanager
    def opened(self):
        with self.part.opened() as session:
            self.session, state = session, self.state
            if self.distance is not None:
                state = state._replace(nearest=np.full(self.part.shape[0], self.distance))
            masses = session.masses(self.buckets, state)
            if self.shift is not None:
                masses.measure_by(self.shift)
            yield masses
            self._keep(masses.state())
            self.session = None

    def _keep(self, state):
        if self.distance is not None:
            state = state._replace(nearest=None, buckets=None if self.part.seeds_on_disk else state.buckets)
        elif self.part.seeds_on_disk:
            state = state._replace(**{name: self._on_disk(name, getattr(state, name)) for name in _PER_ROW})
        self.state = state

    def _on_disk(self, name, array):
        if array is None:
            return None
        if name not in self.kept_on_disk:
            self.kept_on_disk[name] = on_disk.empty(len(array), array.dtype)
        if array is not self.kept_on_disk[name]:
            np.copyto(self.kept_on_disk[name], array)
        return self.kept_on_disk[name]

    # ---- masses: without the rows, where weights and buckets are known -----------------------------------------------

    def _weights(self):
        """(n_samples,), or 1.0; None where they come with the rows only."""
        return getattr(self.part.read, "weights", None) if self.part.weighted else 1.0

    def _weighed(self, weights):
        """Distances times weights: of every row, or one number."""
        return weights * (self.state.nearest if self.distance is None else self.distance)

    def _masses(self, weights):
        return np.floor(np.ldexp(self._weighed(weights), self.shift)).astype(np.int64)

    def largest(self):
        weights = self._weights()
        if weights is not None:
            return float(np.max(self._weighed(weights)))
        with self.opened() as masses:
            return masses.largest()

    def fill(self, distance):
        self.shift, self.distance = None, distance

    def weigh(self, shift):
        total = np.zeros(self.buckets.count, np.int64)
        self.weigh_into(shift, total)
        return total

    def weigh_into(self, shift, total):
        """Add the masses of the buckets to others: as many as there are rows, not as many as there are buckets."""
        self.shift, weights, buckets = shift, self._weights(), self.state.buckets
        if weights is not None and buckets is not None:
            np.add.at(total, buckets, self._masses(weights))
            return
        with self.opened() as masses:
            buckets = masses.state().buckets
            if weights is None or buckets is None:  # they are on a device
                total += masses.weigh(shift)
            else:
                np.add.at(total, buckets, self._masses(weights))

    def shares(self, count):
        weights = self._weights()
        if weights is None or self.state.owner is None:
            with self.opened() as masses:
                return masses.shares(count)
        total = np.zeros(count, np.int64)
        np.add.at(total, self.state.owner, self._masses(weights))
        return total

    def rows_in(self, wanted):
        with self.opened() as masses:
            found = runs_of(*masses.rows_in(wanted), self.session)
            self.part.remember(found, self.session)
        return found

    def exclude(self, number, of_buckets):
        return self._changing("exclude", number, of_buckets)

    def join(self, candidates):
        self.shift = None
        self._changing("join", candidates)

    def begin(self, candidate):
        self.shift = None
        self._changing("begin", candidate)

    def _changing(self, name, *arguments):
        """Ask what is open for something that makes distances differ."""
        with self.opened() as masses:
            self.distance = None
            return getattr(masses, name)(*arguments)

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


_PER_ROW = ("nearest", "owner", "buckets")
