"""The rows of a Dask collection, and the way to ask all its partitions for something."""

import contextlib
import copy
import uuid

import dask
import dask.array as da
import numpy as np
from dask.delayed import delayed

from ..arrays import dtype_of_columns
from ..backends.partials import merged
from ..reference import LABEL
from ..weights import as_weights
from . import tasks
from .elsewhere import RowsElsewhere
from .session import LabelsOf

_FAN_IN = 8  # answers that are merged at a time
_SMALL = 1 << 16  # bytes of a question that goes with each task
_FEW_CELLS = 1 << 17  # of the sums of clusters, up to which the client itself merges the last ones
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
    if array.dtype.kind == "O" and dtype_of_columns(X) == np.float32:  # the rest becomes float64, in its partition
        array = array.astype(np.float32)
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


def _held(rows):
    """Rows that workers hold, and the facts of them."""
    rows, key = dask.persist(*rows), f"kmeans-facts-{uuid.uuid4().hex}"
    return rows, dask.compute(*[_facts(held, dask_key_name=(key, at)) for at, held in enumerate(rows)])


def _in_blocks(sample_weight, sizes):
    """Weights for partitions of these sizes."""
    if not dask.is_dask_collection(sample_weight):
        return np.split(as_weights(sample_weight, sum(sizes)), np.cumsum(sizes)[:-1])
    weights = sample_weight.to_dask_array() if hasattr(sample_weight, "to_dask_array") else sample_weight
    if weights.ndim != 1:
        raise ValueError(f"sample_weight must have one dimension, got {weights.ndim}.")
    if not np.isnan(weights.shape[0]):
        if weights.shape[0] != sum(sizes):
            raise ValueError(f"sample_weight must have shape {(sum(sizes),)}, got {weights.shape}.")
        weights = weights.rechunk((tuple(sizes),))
    if weights.npartitions != len(sizes):
        raise ValueError(f"sample_weight must have {len(sizes)} partitions, as X has, got {weights.npartitions}.")
    return weights.to_delayed().ravel().tolist()


class Partitions(RowsElsewhere):
    """The rows of a Dask array, checked once and held by workers.

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

    def __init__(self, array, sample_weight, how):
        self.array, n_features, dtype = array, array.shape[1], dtype_of(array, how)
        key = f"kmeans-rows-{uuid.uuid4().hex}"
        rows, facts = _held(
            _prepared(block, number, n_features, dtype.name, dask_key_name=(key, number))
            for number, block in enumerate(array.to_delayed().ravel())
        )
        if sample_weight is not None and any(fact.n_samples for fact in facts):
            blocks = _in_blocks(sample_weight, [fact.n_samples for fact in facts])
            key = f"kmeans-weighted-{uuid.uuid4().hex}"
            rows, facts = _held(
                _weighted(held, block, number, dask_key_name=(key, number))
                for number, (held, block) in enumerate(zip(rows, blocks))
            )
        super().__init__(facts, n_features, dtype, how)
        self.rows = [rows[number] for number in self.filled]

    def astype(self, dtype):
        """The same rows in another dtype, which has all values."""
        if dtype == self.dtype:
            return self
        other = copy.copy(self)
        other.dtype = np.dtype(dtype)
        other.rows = list(dask.persist(*[_in_dtype(held, other.dtype.name) for held in self.rows]))
        return other

    def back(self, result):
        """A result as users get it: labels come in a Dask array, which has the chunks of X and is not computed yet."""
        if not isinstance(result, LabelsOf):
            return result
        return self.array.map_blocks(
            tasks.labels, result.centroids, self.how, dtype=LABEL, drop_axis=1, chunks=(self.sizes,),
            name=f"kmeans-labels-{uuid.uuid4().hex}", meta=np.empty(0, LABEL),
        )  # fmt: skip

    def ask(self, asked, own=None, merge=False):
        key = uuid.uuid4().hex
        if asked.n_bytes <= _SMALL:
            shared = tasks.Within(asked)
        else:  # it goes to each worker once, which takes another exchange between these
            shared = delayed(asked, name=f"kmeans-asked-{key}", traverse=False)
        numbers = range(len(self.rows)) if own is None else sorted(own)
        answers = [
            _perform(
                self.rows[number], shared, number, *(own[number] if own else ()),
                dask_key_name=(f"kmeans-{asked.name}-{key}", number),
            )
            for number in numbers
        ]  # fmt: skip
        # A level of the tree takes two exchanges of the scheduler with workers. Answers of masses may be long.
        left = _FAN_IN if asked.drawn is None and asked.n_clusters * self.shape[1] <= _FEW_CELLS else 1
        level = 0
        while merge and len(answers) > left:
            level += 1
            answers = [
                _merged(answers[start : start + _FAN_IN], dask_key_name=(f"kmeans-merged-{key}", level, start))
                for start in range(0, len(answers), _FAN_IN)
            ]
        found = dask.compute(*answers)
        return merged(found) if merge else list(found)

    def forget(self):
        """Let workers let go of what they keep. One that does not hear of it lets go when others have been fitted."""
        tasks.forget(self.fit)
        with contextlib.suppress(Exception):  # no client, no distributed, or workers that are gone
            from distributed import get_client

            get_client().run(tasks.forget_soon, self.fit, wait=False)
