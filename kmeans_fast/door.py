"""The way in: what users hold becomes the data that the engine takes. `Data.back` is the way out."""

import contextlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .arrays import ON_HOST, ROWS, Batch, Data, as_data, as_weights, computed_in, origin_of, values_of
from .sources import source_of


@contextlib.contextmanager
def opened(
    X: Any, sample_weight: Any = None, dtype: str | None = None, *, check: Callable | None = None
) -> Iterator[Any]:
    """What users hold, checked, as `Data` or `DataInChunks`.

    The work with it is done inside the ``with`` block (`Origin.current`).

    Parameters
    ----------
    X : array-like (n_samples, n_features) or what a source stands for
        As for `as_data`, or see `kmeans_fast.sources`.
    sample_weight : array-like (n_samples,), float or None
        As for `as_weights`.
    dtype : {"float32", "float64"} or None
        As for `as_data`.
    check : callable, optional
        ``check(X, sample_weight, origin)`` in place of `as_data` and `as_weights`: a layer with messages of its own.
    """
    source = source_of(X)
    if source is not None:
        with ON_HOST.current():
            yield DataInChunks(source, sample_weight, dtype)
        return
    origin = origin_of(X)
    with origin.current():
        array, weights = check(X, sample_weight, origin) if check else _checked(X, sample_weight, origin, dtype)
        yield Data(array, weights, origin)


def _checked(X, sample_weight, origin, dtype):
    X = as_data(X, dtype=dtype)
    return X, as_weights(sample_weight, len(X), origin)


@contextlib.contextmanager
def opened_batch(X: Any, sample_weight: Any = None, dtype: str | None = None) -> Iterator[Batch]:
    """As `opened`, for several data sets: X (problems, n_samples, n_features), weights (problems, n_samples)."""
    origin = origin_of(X)
    with origin.current():
        array = as_data(X, axes=("problems", *ROWS), dtype=dtype)
        yield Batch(array, as_weights(sample_weight, array.shape[:2], origin), origin)


class DataInChunks:
    """Rows that come in chunks, checked once, and their weights: `Data` that is not one array.

    Parameters
    ----------
    source : kmeans_fast.sources.Source
    sample_weight : array-like (n_samples,), float or None
        Of all rows, in their order.
    asked : {"float32", "float64"} or None
        The dtype to compute in, as for `as_data`.

    Attributes
    ----------
    dtype : dtype
        What they are computed in.
    held : dtype
        What they are held in: of rows that are read anew, only while they are there.

    Raises
    ------
    ValueError
        As for `as_data`, with the number of the chunk; if chunks differ in dtype or number of features.
    """

    origin = ON_HOST

    def __init__(self, source, sample_weight=None, asked=None):
        self.source, self.asked, self.dtype = source, asked, None
        self._reading, self._next = iter(()), -1
        self.places, self.checksums, sizes = [], [], []  # of the chunks that have rows; their places are among all
        for place, chunk in enumerate(source.chunks()):
            if np.shape(chunk)[:1] == (0,):
                continue
            array = as_data(chunk, name=f"chunk {place}", dtype=asked)
            dtype = computed_in(array.dtype)
            if self.dtype is None:
                self.dtype, self.n_features, self.held = dtype, array.shape[1], array.dtype
            if (dtype, array.shape[1]) != (self.dtype, self.n_features):
                raise ValueError(
                    f"chunk {place} has {array.shape[1]} features of {dtype}, those before it {self.n_features} "
                    f"of {self.dtype}: chunks must be of one dtype and one number of features."
                )
            if array.dtype != self.held or not source.in_memory:
                self.held = dtype
            self.places.append(place)
            sizes.append(len(array))
            self.checksums.append(self._checksum(array))
        if not sizes:
            raise ValueError("X has no chunk with rows; at least one is needed.")
        self.starts = np.cumsum([0, *sizes])
        self.n_samples = int(self.starts[-1])
        self.shape, self.size = (self.n_samples, self.n_features), self.n_samples * self.n_features
        self.weights = as_weights(sample_weight, self.n_samples)

    @property
    def X(self):
        return self

    def back(self, array):
        """A result: it is NumPy's."""
        return array

    def astype(self, dtype):
        """The same rows in another dtype."""
        other = object.__new__(DataInChunks)
        other.__dict__ |= {**self.__dict__, "dtype": np.dtype(dtype), "_reading": iter(()), "_next": -1}
        if dtype != self.dtype:
            other.held = other.dtype
        return other

    def sizes(self):
        """The number of rows of each chunk."""
        return np.diff(self.starts).tolist()

    def chunks(self):
        """The rows and their weights, chunk by chunk."""
        return (self.read(number) for number in range(len(self.places)))

    def read(self, number):
        """The rows of a chunk, and their weights or None. To read the next one is all that a source need be good at."""
        place = self.places[number]
        if place < self._next or self._next < 0:
            self._reading, self._next = self.source.chunks(), 0
        for chunk in self._reading:
            self._next += 1
            if self._next > place:
                rows = slice(self.starts[number], self.starts[number + 1])
                return self._as_before(chunk, number), None if self.weights is None else self.weights[rows]
        raise ValueError(
            f"the source had {len(self.places)} chunks with rows and has {number} now: it must not change."
        )

    def _as_before(self, chunk, number):
        array = as_data(chunk, name=f"chunk {self.places[number]}", dtype=self.asked)
        wanted = (int(self.starts[number + 1] - self.starts[number]), self.n_features)
        if array.shape != wanted:
            raise ValueError(
                f"chunk {self.places[number]} had the shape {wanted} and has {array.shape} now: it must not change."
            )
        if self._checksum(array) != self.checksums[number]:
            raise ValueError(f"chunk {self.places[number]} has other values than at first: it must not change.")
        computed = computed_in(array.dtype) == self.dtype
        return array if computed else values_of(array).astype(self.dtype, copy=False)

    def _checksum(self, array):
        """Of rows that are read anew: what is known of them is believed in the next pass. None of rows in memory."""
        return None if self.source.in_memory else zlib.crc32(array)
