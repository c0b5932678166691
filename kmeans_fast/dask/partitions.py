"""The rows of a Dask collection as the engine takes them, and the way to ask all partitions for something."""

import contextlib
import uuid
from typing import Any, NamedTuple

import dask
import dask.array as da
import numpy as np
from dask.delayed import delayed

from ..arrays import ON_HOST, as_weights
from ..backends.partials import merged
from ..engine.checks import check_extremes
from ..engine.opening import opened_elsewhere
from ..reference import LABEL
from . import tasks
from .session import LabelsOf, RemoteParts

_FAN_IN = 8  # answers that are merged at a time
_prepared, _weighted, _in_dtype, _facts, _perform, _merged = (
    delayed(function, pure=True)
    for function in (tasks.prepared, tasks.weighted, tasks.in_dtype, tasks.facts, tasks.perform, merged)
)


def is_collection(X):
    """Whether X is a Dask collection, which is asked without importing more of Dask."""
    return dask.is_dask_collection(X)


def as_array(X, name="X"):
    """A Dask collection of rows as a Dask array (n_samples, n_features) that is cut between rows only."""
    array = X.to_dask_array() if hasattr(X, "to_dask_array") else X
    if not isinstance(array, da.Array):
        raise TypeError(f"{name} must be a Dask array or DataFrame, got {type(X).__name__}.")
    if array.ndim != 2 or not array.shape[1]:
        raise ValueError(f"{name} must have 2 dimensions and at least one column, got shape {array.shape}.")
    if array.dtype.kind not in "fiubO":
        raise ValueError(f"{name} must be an array of numbers, got dtype {array.dtype}.")
    return array.rechunk({1: -1})


def dtype_of(array, how):
    """What the rows of a Dask array are computed in."""
    return np.dtype(how["dtype"] or (np.float32 if array.dtype == np.float32 else np.float64))


@contextlib.contextmanager
def opened(X, sample_weight, how):
    """A Dask collection as `Partitions`; what workers keep for them is let go of in the end."""
    data = Partitions(as_array(X), sample_weight, how)
    try:
        yield data
    finally:
        data.forget()


class Partitions:
    """Rows in partitions, checked once and held by workers: `kmeans_fast.arrays.Data` that is elsewhere.

    Parameters
    ----------
    array : dask.array.Array (n_samples, n_features)
        As `as_array` gives it; the number of rows may be unknown.
    sample_weight : Dask array or Series, array-like (n_samples,), float or None
    how : dict
        `dtype`, `device` and `n_threads`, as for `kmeans_fast.kmeans`.

    Raises
    ------
    ValueError
        For rows or weights outside the rules, with the number of the partition.
    """

    origin = ON_HOST

    def __init__(self, array, sample_weight, how):
        self.array, self.how, self.fit = array, how, uuid.uuid4().hex
        self.n_features = array.shape[1]
        self.dtype = dtype_of(array, how)
        rows = [
            _prepared(block, number, self.n_features, self.dtype.name, dask_key_name=self._key("rows", number))
            for number, block in enumerate(array.to_delayed().ravel())
        ]
        self._hold(rows)
        if not sum(self.sizes):
            raise ValueError("X has no partition with rows; at least one is needed.")
        self._weigh(sample_weight)
        filled = [number for number, size in enumerate(self.sizes) if size]
        self.rows = [self.rows[number] for number in filled]
        self.starts = np.cumsum([0, *(self.sizes[number] for number in filled)])
        self.n_samples = int(self.starts[-1])
        self.shape, self.size = (self.n_samples, self.n_features), self.n_samples * self.n_features

    def _key(self, name, number):
        return f"kmeans-{name}-{self.fit}", number

    def _hold(self, rows):
        """Let workers hold rows, and learn what there is to know of them."""
        self.rows = list(dask.persist(*rows))
        key = f"kmeans-facts-{uuid.uuid4().hex}"
        self.facts = dask.compute(*[_facts(held, dask_key_name=(key, at)) for at, held in enumerate(self.rows)])
        self.sizes = [fact.n_samples for fact in self.facts]

    def _weigh(self, sample_weight):
        """Give the rows their weights."""
        if sample_weight is not None:
            blocks = self._in_blocks(sample_weight)
            if len(blocks) != len(self.rows):
                raise ValueError(f"sample_weight must have {len(self.rows)} partitions, as X has, got {len(blocks)}.")
            self._hold(
                [
                    _weighted(held, block, number, dask_key_name=self._key("weighted", number))
                    for number, (held, block) in enumerate(zip(self.rows, blocks))
                ]
            )
        heaviest = max(fact.heaviest for fact in self.facts)
        if heaviest == 0:
            raise ValueError("sample_weight must not be zero for every row: at least one must be positive.")
        self.weighted = any(fact.weighted for fact in self.facts)
        self.weights = np.array([heaviest]) if self.weighted else None  # as much as checks look at

    def _in_blocks(self, sample_weight):
        if not dask.is_dask_collection(sample_weight):
            weights = as_weights(sample_weight, sum(self.sizes))
            return np.split(weights, np.cumsum(self.sizes)[:-1])
        weights = sample_weight.to_dask_array() if hasattr(sample_weight, "to_dask_array") else sample_weight
        if weights.ndim != 1:
            raise ValueError(f"sample_weight must have one dimension, got {weights.ndim}.")
        if not np.isnan(weights.shape[0]):
            if weights.shape[0] != sum(self.sizes):
                raise ValueError(f"sample_weight must have shape {(sum(self.sizes),)}, got {weights.shape}.")
            weights = weights.rechunk((tuple(self.sizes),))
        return weights.to_delayed().ravel().tolist()

    # ---- what the engine asks of data ------------------------------------------------------------------------------

    @property
    def X(self):
        return self

    def astype(self, dtype):
        """The same rows in another dtype, which has all values."""
        if dtype == self.dtype:
            return self
        other = object.__new__(Partitions)
        other.__dict__ |= self.__dict__ | {"dtype": np.dtype(dtype)}
        other.rows = list(dask.persist(*[_in_dtype(held, other.dtype.name) for held in self.rows]))
        return other

    def choice(self, n_clusters, device, n_threads):
        """How the engine is to open these rows: see `Elsewhere`."""
        facts = [fact for fact in self.facts if fact.n_samples]
        if self.dtype == np.float64 or self.weighted:
            check_extremes(
                self.size,
                max(fact.largest for fact in facts),
                min(fact.smallest for fact in facts),
                max(fact.heaviest for fact in facts),
                min(fact.lightest for fact in facts),
            )
        return Elsewhere(n_clusters)

    def back(self, result):
        """A result as users get it: labels come in a Dask array, which has the chunks of X and is not computed yet."""
        if not isinstance(result, LabelsOf):
            return result
        return self.array.map_blocks(
            tasks.labels, result.centroids, self.how, dtype=LABEL, drop_axis=1, chunks=(tuple(self.sizes),),
            name=f"kmeans-labels-{uuid.uuid4().hex}", meta=np.empty(0, LABEL),
        )  # fmt: skip

    # ---- asking ----------------------------------------------------------------------------------------------------

    def ask(self, asked, own=None, merge=False):
        """What partitions answer, in their order: a list, or the sum of it, merged in a tree.

        Parameters
        ----------
        asked : kmeans_fast.dask.tasks.Asked
        own : dict of int to tuple, optional
            Arguments for some partitions, by number: only these are asked.
        merge : bool
            Whether the sum is wanted.
        """
        key = uuid.uuid4().hex
        shared = delayed(asked, name=f"kmeans-asked-{key}", traverse=False)
        numbers = range(len(self.rows)) if own is None else sorted(own)
        answers = [
            _perform(
                self.rows[number], shared, number, *(own[number] if own else ()),
                dask_key_name=(f"kmeans-{asked.name}-{key}", number),
            )
            for number in numbers
        ]  # fmt: skip
        level = 0
        while merge and len(answers) > 1:
            level += 1
            answers = [
                _merged(answers[start : start + _FAN_IN], dask_key_name=(f"kmeans-merged-{key}", level, start))
                for start in range(0, len(answers), _FAN_IN)
            ]
        found = dask.compute(*answers)
        return found[0] if merge else list(found)

    def forget(self):
        """Let workers let go of what they keep. One that does not hear of it lets go when others have been fitted."""
        tasks.forget(self.fit)
        with contextlib.suppress(Exception):  # no client, no distributed, or workers that are gone
            from distributed import get_client

            get_client().run(tasks.forget_soon, self.fit, wait=False)


class Elsewhere(NamedTuple):
    """As `kmeans_fast.engine.opening.Choice`, for rows on workers, each of which chooses its backend."""

    n_clusters: int

    def opened(self, data: Any, rule: Any) -> Any:
        """The rows `Opened`."""
        return opened_elsewhere(RemoteParts(data, self.n_clusters, rule), self.n_clusters)
