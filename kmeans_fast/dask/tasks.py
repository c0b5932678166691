"""What workers do: tasks without a state that the answer depends on.

A task gets the rows of a partition and all that its answer follows from: the centroids that the labels of these rows
are those of, and what has been drawn so far. What a worker knows of the rows beyond that (labels, bounds, distances to
the seeds) is kept in the process that has found it. It saves time, and may be gone at any moment: then it is found
again from what the task brings.
"""

import threading
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..array_checks import as_data, check_finite, plain_numbers
from ..arrays import origin_of, to_host, values_of
from ..backends.drawing import Buckets
from ..door import opened
from ..engine.checks import least_positive
from ..engine.labelling import open_beside
from ..engine.opening import reread_part
from ..engine.refinement import products, units_by_cluster
from ..functional import assign
from ..reference import LABEL, distance

_MOST_FITS = 4  # whose rows something is known of
_LABELLED = {"accumulate", "farthest", "exact_inertia", "cluster_sizes"}  # methods that need labels


def _largest_product(part, centroids):
    return float(products(part, centroids).max())


def _units(part, centroids, shift):
    return units_by_cluster(to_host(part.labels), products(part, centroids), part.n_clusters, shift)


_REFINING = {"largest_product": _largest_product, "units": _units}  # what parts have no method for; needs labels too


# ---- rows ----------------------------------------------------------------------------------------------------------


class Rows(NamedTuple):
    """The rows of a partition as parts take them."""

    X: Any
    weights: Any


class Facts(NamedTuple):
    """What the client has to know of a partition: as much of its magnitudes as there are rules for."""

    n_samples: int
    largest: float = 0.0  # the largest and the least positive magnitude of the values
    smallest: float = np.inf
    heaviest: float = 1.0  # and of the weights
    lightest: float = 1.0
    weighted: bool = False  # whether a weight is not 1


def prepared(block, number, n_features, dtype):
    """The rows of a partition, checked, in the dtype that is computed in."""
    if np.shape(block)[1:] != (n_features,):
        raise ValueError(f"partition {number} must have {n_features} columns, got shape {np.shape(block)}.")
    if len(block) == 0:
        return Rows(np.empty((0, n_features), dtype), None)
    with origin_of(block).current():
        return Rows(values_of(as_data(block, name=f"partition {number}", dtype=dtype)), None)


def weighted(rows, weights, number):
    """The rows with weights (n_samples,), checked; that not all are zero is checked by the client."""
    name = f"sample_weight of partition {number}"
    weights = np.ascontiguousarray(to_host(plain_numbers(weights, name)), np.float64)
    if weights.shape != (len(rows.X),):
        raise ValueError(f"{name} must have shape {(len(rows.X),)}, got {weights.shape}.")
    if len(weights):
        check_finite(weights, name)
        if weights.min() < 0:
            raise ValueError(f"{name} must not be negative, got {weights.min()} at row {int(weights.argmin())}.")
    return Rows(rows.X, weights)


def in_dtype(rows, dtype):
    """The same rows in a wider dtype."""
    return Rows(rows.X.astype(dtype, copy=False), rows.weights)


def facts(rows):
    """The `Facts` of a partition."""
    X, weights = rows
    if len(X) == 0:
        return Facts(0, heaviest=0.0)
    if weights is None and X.dtype == np.float32:
        return Facts(len(X))
    largest = max(abs(float(X.max())), abs(float(X.min())))
    if weights is None:
        return Facts(len(X), largest)
    smallest, lightest = least_positive(abs(X)), least_positive(weights)
    return Facts(len(X), largest, smallest, float(weights.max()), lightest, bool((weights != 1.0).any()))


# ---- parts ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """What the masses of all rows follow from (`backends.protocol.PartMasses`)."""

    name: str
    buckets: Buckets
    steps: tuple  # pairs: a method that changes distances, and its argument
    excluded: dict  # by partition: rows that have been left without mass since
    shift: int | None  # what masses are measured by


@dataclass(frozen=True)
class Asked:
    """What parts are asked: a method of theirs (`backends.protocol.Part`), and all that the answer follows from."""

    fit: str
    name: str
    arguments: tuple
    n_clusters: int
    weighted: bool
    device: str
    n_threads: int
    labelled_by: np.ndarray | None  # the centroids that labels are those of; None: there are none
    drawn: Drawn | None  # the masses whose method it is, if it is one of masses

    @property
    def n_bytes(self):
        """Of the arrays in it."""
        steps = [] if self.drawn is None else [argument for _, argument in self.drawn.steps]
        return sum(getattr(one, "nbytes", 0) for one in (*self.arguments, self.labelled_by, *steps))


class Within:
    """What is asked, as a part of a task, which Dask does not look into."""

    def __init__(self, asked):
        self.asked = asked


class _Kept:
    """What this process knows of the rows of a partition."""

    def __init__(self, rows, asked):
        self.part, self.backend = reread_part(rows, asked.n_clusters, asked.device, asked.n_threads)
        self.labelled_by = self.masses = self.drawn = None
        self.steps = self.excluded = 0  # that the masses have seen

    def ask(self, rows, asked, number, own):
        """What the part answers."""
        if asked.name == "backend":
            return self.backend
        if self.part.n_clusters != asked.n_clusters:
            self.part = self.part.for_clusters(asked.n_clusters)
            self.labelled_by = self.drawn = None
        self.part.read = lambda: rows
        try:
            return self._answer(asked, number, own)
        finally:
            self.part.read = None

    def _answer(self, asked, number, own):
        arguments = (*asked.arguments, *own)
        if asked.drawn is not None:
            return getattr(self._masses(asked.drawn, number), asked.name)(*arguments)
        if asked.name not in _LABELLED | {*_REFINING}:
            return getattr(self.part, asked.name)(*arguments)
        self._label(asked.labelled_by)
        if asked.name in _REFINING:
            return _REFINING[asked.name](self.part, *arguments)
        if asked.name != "accumulate":
            return getattr(self.part, asked.name)(*arguments)
        centroids, form = arguments
        if self.labelled_by is not None:
            self.part.follow(centroids, distance(centroids, self.labelled_by))
        found = self.part.accumulate(centroids, form)
        self.labelled_by = centroids
        return found

    def _label(self, centroids):
        """Let the labels be those of some centroids."""
        if centroids is None:
            self.part.reset()
        elif self.labelled_by is None or not np.array_equal(centroids, self.labelled_by):
            self.part.assign(centroids)
        self.labelled_by = centroids

    def _masses(self, drawn, number):
        """The masses after all that has been drawn."""
        if self.drawn != drawn.name:
            self.masses, self.drawn, self.labelled_by = self.part.masses(drawn.buckets), drawn.name, None
            self.steps = self.excluded = 0
        for name, argument in drawn.steps[self.steps :]:
            getattr(self.masses, name)(argument)
            self.excluded = 0
        self.steps = len(drawn.steps)
        self.masses.shift = drawn.shift
        excluded = drawn.excluded.get(number, ())
        for row in excluded[self.excluded :]:
            self.masses.exclude(row, np.zeros(drawn.buckets.count, np.int64))
        self.excluded = len(excluded)
        return self.masses


_known: dict[str, dict[int, _Kept]] = {}  # by fit and partition
_lock = threading.Lock()


def perform(rows, asked, number, *own):
    """What a partition answers; `own` are arguments beside those of all."""
    asked = asked.asked if isinstance(asked, Within) else asked
    rows = Rows(rows.X, rows.weights if asked.weighted else None)
    with origin_of(rows.X).current():
        with _lock:  # taken while it is worked with, so that no other thread has it
            kept = _known.setdefault(asked.fit, {}).pop(number, None)
            while len(_known) > _MOST_FITS:
                del _known[next(iter(_known))]
        kept = kept or _Kept(rows, asked)
        answer = kept.ask(rows, asked, number, own)
        with _lock:
            if asked.fit in _known:
                _known[asked.fit][number] = kept
    return answer


def forget(fit):
    """Let go of what this process knows of the rows of a fit."""
    with _lock:
        _known.pop(fit, None)


async def forget_soon(fit):
    """`forget`, for which the client need not wait."""
    forget(fit)


# ---- rows beside centroids -----------------------------------------------------------------------------------------


def labels(block, centroids, how):
    """The labels of the rows of a partition."""
    return assign(block, centroids, **how)[0] if len(block) else np.empty(0, LABEL)


def labels_and_distances(block, centroids, how):
    """Labels and squared distances in two columns, float64, which has all numbers of labels."""
    return np.column_stack(assign(block, centroids, **how)) if len(block) else np.empty((0, 2))


def distances(block, centroids, how, dtype):
    """The distances to all centroids, of this dtype."""
    if len(block) == 0:
        return np.empty((0, len(centroids)), dtype)
    with opened(block, dtype=how["dtype"]) as data:
        session, centroids = open_beside(
            data, centroids, "cluster_centers_", device=how["device"], n_threads=how["n_threads"]
        )
        return session.distances(centroids)
