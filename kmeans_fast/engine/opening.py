"""From arrays to sessions: which backend serves, and whether its plan fits into memory."""

import bisect
import functools
import itertools
from typing import Any, NamedTuple

import numpy as np

from .. import backends
from ..arrays import Data, computed_in, origin_of, values_of
from ..backends.protocol import Backend, Problem, Share
from . import on_disk
from .at_once import PartsAtOnce, Threads
from .checks import check_magnitudes
from .memory import allowed_for_states, shortage, too_little
from .parts import Parts
from .rereading import Labels, RereadPart
from .slices import Slices
from .update import means

_LABEL_BYTES, _SEEDING_BYTES = 4, 16  # of a row
_READ_AHEAD = 2  # chunks that are there while one is worked on, itself among them


class Opened(NamedTuple):
    """A data set opened on a backend, which can open few other rows too."""

    session: Any
    backend: Backend
    problem: Problem
    n_threads: int | None

    def rows(self, rows, weights):
        """A session on other rows (m, n_features), on the host or from `Session.taken`, for as many clusters."""
        what = f"seeding on {len(rows):,} rows"
        return self._session(rows, weights, self.problem, what)

    def distances(self, rows, centroids):
        """The distances of few rows to the centroids, both on the host, in their dtype: (len(rows), len(centroids))."""
        problem = self.problem._replace(n_clusters=len(centroids))
        rows = np.ascontiguousarray(rows)
        return self._session(rows, None, problem, "distances between centroids").distances(centroids)

    def _session(self, rows, weights, problem, what):
        problem = on_host(problem)._replace(n_samples=len(rows), weighted=weights is not None, second=0, held=None)
        problem = plan_memory(self.backend, problem, self.n_threads, what)
        shares = self.backend.shares(problem) if isinstance(rows, np.ndarray) else None
        if shares is None:
            return self.backend.open(rows, weights, problem, self.n_threads)
        data = Slices(rows, weights, problem.dtype, [share.n_samples for share in shares])
        return _several(data, weights is not None, self.backend, problem, self.n_threads, shares)


def open_data(data, n_clusters, *, device="auto", n_threads=None, second=0, rule=means, whole=False):
    """The rows of `data` `Opened` on the backend that serves them, after the memory plan has been checked.

    Parameters
    ----------
    data : kmeans_fast.arrays.Data or kmeans_fast.door.DataInChunks
    n_clusters : int
    device, n_threads
        As for `kmeans_fast.kmeans`.
    second : int
        Clusters of a second session that will be open beside; 0: there will be none.
    rule : callable
        How centroids follow from sums: see `update.means`.
    whole : bool
        Whether what is wanted takes one session on an array; MemoryError where there is no room for that.
    """
    return choose(data, n_clusters, device=device, n_threads=n_threads, second=second).opened(data, rule, whole)


class Choice(NamedTuple):
    """Which backend serves the rows of some data, or of several data sets, none of which has been opened yet."""

    backend: Backend
    problem: Problem
    weights: Any  # as they are wanted: None where all are 1
    n_threads: int | None

    def opened(self, data, rule=means, whole=False):
        """The rows of `data` `Opened`, after the memory plan has been checked; `whole`: an array, as one session."""
        what = f"k-means of {data.n_samples:,} x {data.n_features:,} rows into {self.problem.n_clusters:,} clusters"
        backend, n_threads, weights = self.backend, self.n_threads, self.weights
        shares = None if whole else backend.shares(self.problem, None if isinstance(data, Data) else data.sizes())
        if shares is not None:
            problem = self.problem
            if isinstance(data, Data):
                data = Slices(data.X, weights, problem.dtype, [share.n_samples for share in shares])
        elif isinstance(data, Data):
            problem, in_slices = plan_rows(backend, self.problem, n_threads, what, whole)
            data = Slices(data.X, weights, problem.dtype) if in_slices else data
        elif data.source.in_memory:
            problem = plan_memory(backend, self.problem, n_threads, what)
        else:
            problem = plan_chunks(backend, self.problem, data.sizes(), n_threads, what)
        if isinstance(data, Data):
            session = backend.open(_readable(backend, data.X), weights, problem, n_threads)
            session = session if rule is means else Parts([session], rule)
        else:
            session = _several(data, weights is not None, backend, problem, n_threads, shares, rule)
        return Opened(session, backend, problem, n_threads)

    def alone(self, X, number):
        """A session on one of several data sets X (problems, n_samples, n_features)."""
        weights = None if self.weights is None else self.weights[number]
        return self._replace(weights=weights).opened(Data(X[number], weights)).session

    def objection(self, problems, runs):
        """Why so many problems are not run together, `runs` in all; empty if they are.

        The labels of all runs are held at once: where there is no room for them, one after the other takes less.
        """
        backend, problem = self.backend, self.problem
        reason = backend.batches(problem, problems, runs, self.n_threads)
        if reason:
            return reason
        plan = backend.plan_problems(problem, problems, runs, self.n_threads)
        needed = plan.workspace_bytes + results_bytes(problem, runs) + problems * copied_bytes(backend, problem)
        fits = plan.on_device or shortage(needed) is None
        return "" if fits else "there is no room for what the runs come to"

    def together(self, X, runs):
        """The data sets X opened together for so many runs in all, to which there is no `objection`."""
        rows = _readable(self.backend, X)
        return self.backend.open_problems(rows, self.weights, self.problem, runs, self.n_threads)


def _readable(backend, X):
    """Rows as a backend takes them: as they are held, or else a copy of their values."""
    return X if backend.reads_narrow else values_of(X)


def copied_bytes(backend, problem):
    """What that copy takes; 0: there is none."""
    if backend.reads_narrow or not problem.narrow:
        return 0
    return problem.n_samples * problem.n_features * problem.dtype.itemsize


def results_bytes(problem, runs):
    """What the labels and centroids of so many runs take."""
    return runs * (problem.n_samples * 4 + problem.n_clusters * problem.n_features * problem.dtype.itemsize)


def choose(data, n_clusters, *, device="auto", n_threads=None, second=0):
    """The `Choice` for the rows of `data`; the arguments are those of `open_data`. Rows elsewhere have their own."""
    if hasattr(data, "choice"):
        return data.choice(n_clusters, device, n_threads)
    check_magnitudes(data)
    return choose_checked(data.X, data.weights, data.origin, n_clusters, device, n_threads, second)


def choose_checked(X, weights, origin, n_clusters, device, n_threads, second=0):
    """The `Choice` for data whose magnitudes have been checked; with a third axis, before the others, several sets."""
    if weights is not None and bool((weights == 1.0).all()):
        weights = None  # the same integers, and one column less
    problem = as_problem(X, weights, n_clusters, device, origin.resident)._replace(second=second)
    return Choice(backends.select(problem, device), problem, weights, n_threads)


class _Chunk(NamedTuple):
    """What a `RereadPart` reads."""

    data: Any
    number: int
    backend: Backend

    def __call__(self):
        X, weights = self.data.read(self.number)
        return _readable(self.backend, X), weights

    @property
    def weights(self):
        """Known without the rows, (n_samples,) or None."""
        return self.data.weights_of(self.number)

    def few(self, numbers):
        return self.data.few_rows(self.number, numbers)

    def needed(self, whether):
        self.data.needed[self.number] = whether


def _several(data, weighted, backend, problem, n_threads, shares, rule=means):
    """A session on rows in chunks, of which the backend may have `shares`.

    Devices are asked at the same time, unless they would both read from a source that is read in order.
    """
    parts, devices = _parts(data, weighted, backend, problem, n_threads, shares), [one.device for one in shares or ()]
    in_memory = isinstance(data, Slices) or data.source.in_memory or all(one.stays for one in shares or ())
    if len(set(devices)) < 2 or not in_memory:
        return Parts(parts, rule)
    threads = Threads(devices, lambda device: backend.as_here(problem._replace(device=device)))
    return PartsAtOnce(parts, threads, rule)


def _parts(data, weighted, backend, problem, n_threads, shares):
    """A part for each chunk: a session that stays open, or rows that are read anew in each pass.

    `shares`: what the backend has to say of each, if it has.
    """
    sizes = data.sizes()
    chunks = [_Chunk(data, number, backend) for number in range(len(sizes))]
    states = plan_states(backend, problem, sizes, n_threads)
    labels = Labels(np.cumsum([0, *sizes]), on_disk.empty if states.labels_on_disk else np.empty)
    if shares is None:
        in_memory, device = data.source.in_memory, problem.device
        shares = [Share(n, device, in_memory, number < states.kept) for number, n in enumerate(sizes)]

    def open_session(of_part, X, weights, n_clusters):
        own = of_part._replace(n_samples=len(X), n_clusters=n_clusters)
        return backend.open(X, weights if weighted else None, own, n_threads)

    def part(number, share):
        own = problem._replace(device=share.device)
        if share.stays:
            found = open_session(own, *chunks[number](), own.n_clusters)
            chunks[number].needed(False)
            return found

        def open_reread(X, weights, n_clusters, keeps):
            with_state = states.problem._replace(device=share.device)
            with_state = with_state if keeps and share.state else own._replace(frugal=True)
            return open_session(with_state, X, weights, n_clusters)

        return RereadPart(
            chunks[number], (sizes[number], data.n_features), data.dtype, weighted, open_reread, own.n_clusters,
            keeps=share.state or states.sums, room=functools.partial(labels.room, number),
            seeds_on_disk=states.seeds_on_disk,
        )  # fmt: skip

    for device in {share.device for share in shares}:
        numbers = [number for number, share in enumerate(shares) if share.device == device and not share.stays]
        if numbers:
            largest = max(sizes[number] for number in numbers)
            own = problem._replace(device=device, n_samples=largest, weighted=weighted)
            brought = backend.brought([chunks[number] for number in numbers], own)
            for number, chunk in zip(numbers, brought):
                chunks[number] = chunk
    return [part(number, share) for number, share in enumerate(shares)]


def opened_elsewhere(session, n_clusters):
    """A session whose rows are on other machines `Opened`: few other rows are opened on this one."""
    problem = Problem(*session.shape, n_clusters, session.dtype, session.weighted)
    return Opened(session, backends.select(problem), problem, None)


def reread_part(rows, n_clusters, device, n_threads):
    """A `RereadPart` for rows and weights (X, weights) that will be given anew for each pass, and its backend's name.

    Its state is kept where there is room for that.
    """
    X, weights = rows
    resident = origin_of(X).resident
    problem = as_problem(X, weights, n_clusters, device, resident)
    backend = backends.select(problem, device)
    needed = _state_bytes(backend, problem, n_threads)

    def open_session(X, weights, n_clusters, keeps):
        own = problem._replace(n_clusters=n_clusters, frugal=not keeps)
        return backend.open(X, weights, own, n_threads)

    keeps = needed is not None and needed <= allowed_for_states()
    part = RereadPart(None, X.shape, X.dtype, weights is not None, open_session, n_clusters, keeps=keeps)
    return part, backend.name


class States(NamedTuple):
    """What stays between passes of parts whose rows are read anew."""

    problem: Problem  # that parts whose state stays are opened for
    kept: int  # of how many parts, the first ones
    n_bytes: int  # at most, all together, besides labels
    labels_on_disk: bool = False  # whether there is no room in memory for these,
    seeds_on_disk: bool = False  # or for what is known of every row while seeds are drawn from all rows
    sums: bool = False  # whether of the other parts the sums of the clusters stay, which do not grow with the rows


def plan_states(backend, problem, sizes, n_threads):
    """The `States` of parts of these `sizes` in rows: those of all, with copies of the rows or without them, if
    `allowed_for_states` has room for them; else without copies of as many parts as it has room for, and the sums of the
    others.
    """
    allowed, n = allowed_for_states(), sum(sizes)
    where = {"labels_on_disk": _LABEL_BYTES * n > allowed, "seeds_on_disk": _SEEDING_BYTES * n > allowed}
    allowed -= 0 if where["labels_on_disk"] else _LABEL_BYTES * n

    def totals(problem):
        """Of the first parts, none to all."""
        of_part = {size: _state_bytes(backend, problem._replace(n_samples=size), n_threads) for size in set(sizes)}
        return None if None in of_part.values() else [0, *itertools.accumulate(of_part[size] for size in sizes)]

    for copies in (True, False):
        problem = problem._replace(frugal=False, copies=copies)
        full = totals(problem)
        if full is None:
            return States(problem, 0, 0, **where)
        if full[-1] <= allowed:
            return States(problem, len(sizes), full[-1], **where)
    least = totals(problem._replace(frugal=True))
    sums = least[-1] <= allowed
    if sums:
        full = [bounds + least[-1] - own for bounds, own in zip(full, least)]
    kept = max(0, bisect.bisect_right(full, allowed) - 1)
    return States(problem, kept, full[kept] if kept or sums else 0, sums=sums, **where)


def _state_bytes(backend, problem, n_threads):
    """Of a part, with as many clusters as it will have at most."""
    problem = problem._replace(n_clusters=max(problem.n_clusters, problem.second), second=0)
    return backend.plan(problem, n_threads).state_bytes


def plan_chunks(backend, problem, sizes, n_threads, what):
    """As `plan_memory`, of rows that are read anew in chunks of these `sizes`: a chunk has to fit, as it is read and as
    the next one is, besides the work on it.
    """
    largest = problem._replace(n_samples=max(sizes))
    found = plan_memory(backend, largest, n_threads, f"{what}, {largest.n_samples:,} rows at a time,", _READ_AHEAD)
    return found._replace(n_samples=problem.n_samples)


def plan_memory(backend, problem, n_threads, what, copies=0):
    """The problem, frugal where there is not memory enough otherwise, besides so many `copies` of the rows.

    Raises
    ------
    MemoryError
        If there is not enough even so; the message begins with `what`.
    """
    for frugal in (False, True):
        problem = problem if problem.frugal == frugal else problem._replace(frugal=frugal)
        plan = backend.plan(problem, n_threads)
        needed = plan.workspace_bytes + copied_bytes(backend, problem) + copies * problem.data_bytes
        available = None if plan.on_device else shortage(needed)
        if available is None:
            return problem
    raise too_little(needed, available, what)


def plan_rows(backend, problem, n_threads, what, whole=False):
    """As `plan_memory`, and whether rows are read in `Slices`, there being no room to copy them all as it takes."""
    try:
        return plan_memory(backend, problem, n_threads, what), False
    except MemoryError:
        if whole or not copied_bytes(backend, problem):
            raise
    return plan_memory(backend, problem._replace(held=None), n_threads, what), True


def as_problem(X, weights, n_clusters, device="auto", resident=None):
    """The `Problem` that these data make."""
    held = getattr(X, "held", X.dtype)  # of rows in chunks it is not what `dtype` says
    dtype = computed_in(X.dtype)
    return Problem(*X.shape[-2:], n_clusters, dtype, weights is not None, device, resident, held=held)


def on_host(problem):
    """The problem on the same device, the first of several, with data on the host."""
    device = problem.device.split(",")[0] if problem.resident is None else f"cuda:{problem.resident}"
    return problem._replace(device=device, resident=None)
