"""The way in: what users hold becomes the data that the engine takes. `Data.back` is the way out."""

import contextlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .array_checks import ROWS, as_data, dtype_of_each
from .arrays import BFLOAT16, ON_HOST, Batch, Data, computed_in, origin_of, stacked, values_of
from .memory import available_bytes, limited
from .sources import source_of
from .sources.protocol import CHUNK_BYTES
from .sources.reading import Reader
from .weights import as_weights

_ARRAY_SHARE = 0.5  # of the memory there is, for rows that become one array; the rest is for the work on them
_UNKNOWN = 1 << 30  # where nothing tells what there is
_CHUNKS = 16  # of the memory there is, at least
_MAPPED_BYTES = 4 * CHUNK_BYTES  # of a chunk that is there without being read
_PAGES_SHARE = 0.75  # of the memory there is, for pages of files: with more, passes would read from the disk again
_MOST_FEW = 256  # rows that are sooner read one by one than with all of their chunk


@contextlib.contextmanager
def opened(
    X: Any,
    sample_weight: Any = None,
    dtype: str | None = None,
    *,
    max_memory: int | None = None,
    check: Callable | None = None,
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
    max_memory : int, optional
        Bytes that all that is done inside the block may take, besides arrays that are given.
    check : callable, optional
        ``check(X, sample_weight, origin, read, head)`` in place of `as_data` and `as_weights`: a layer with messages of
        its own. `read`: whether X has been read from a source, so that its values have been checked; `head` is that of
        the source, or None.
    """
    with limited(max_memory):
        rows, head = whole_or_chunks(X, sample_weight, dtype)
        if isinstance(rows, DataInChunks):
            with ON_HOST.current(), contextlib.closing(rows):
                yield rows
                rows.check_stamp()
            return
        origin, read = origin_of(rows), rows is not X
        with origin.current():
            if check:
                array, weights = check(rows, sample_weight, origin, read, head)
            else:
                array = as_data(rows, dtype=dtype, checked=read)
                weights = as_weights(sample_weight, len(array), origin)
            yield Data(array, weights, origin)


def whole_or_chunks(X: Any, sample_weight: Any = None, dtype: str | None = None) -> tuple[Any, Any]:
    """X itself, where it is an array-like; what a source gives as one array, where that fits into memory; else as
    `DataInChunks`. And the source's `head`.
    """
    source = source_of(X)
    if source is None:
        return X, None
    with ON_HOST.current():
        found = DataInChunks(source, sample_weight, dtype)
    if found.whole is None:
        return found, found.head
    found.close()
    return found.whole, found.head


@contextlib.contextmanager
def opened_batch(X: Any, sample_weight: Any = None, dtype: str | None = None) -> Iterator[Batch]:
    """As `opened`, for several data sets: X (problems, n_samples, n_features), weights (problems, n_samples)."""
    of_each = dtype_of_each(X)
    X, dtype = stacked(X), dtype or of_each
    origin = origin_of(X)
    with origin.current():
        array = as_data(X, axes=("problems", *ROWS), dtype=dtype)
        yield Batch(array, as_weights(sample_weight, array.shape[:2], origin), origin)


def chunk_bytes(most=CHUNK_BYTES):
    """How large a chunk should be at most: two of them are there at a time, and what is worked out from one."""
    available = available_bytes()
    return most if available is None else max(1, min(most, available // _CHUNKS))


def ahead_of(source):
    """How many chunks of a source are read at the same time: each is there as it is read, and as rows."""
    available, values = available_bytes(), (source.n_samples, source.n_features, source.n_chunks, source.dtype)
    if source.ahead == 1 or None in values or not source.n_chunks:
        return 1
    of_chunk = source.n_samples * source.n_features * source.dtype.itemsize // source.n_chunks
    return source.ahead if available is None else max(1, min(source.ahead, available // (_CHUNKS * of_chunk)))


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
    largest, largest_at : float, str or None
        The largest magnitude of all values, and what messages call its place; 0.0 and None of float32 without weights,
        for which there is no rule (`engine.checks.check_magnitudes`).
    whole : array (n_samples, n_features) or None
        All rows, if they are not in memory yet and fit there.
    mapped : bool
        Whether rows are looked at where the system has the file's pages, not read anew.

    Raises
    ------
    ValueError
        As for `as_data`, with the chunk, by number or by its file; if chunks differ in dtype or number of features.
    """

    origin = ON_HOST

    def __init__(self, source, sample_weight=None, asked=None):
        source = source.cut(chunk_bytes())
        self.source, self.asked, self.dtype, self.largest, self.largest_at = source, asked, None, 0.0, None
        self.reader = None if source.in_memory else Reader(source, ahead_of(source))
        self.stamp, self.last = source.stamp(), -1
        self.places, self.checksums = [], []  # of the chunks that have rows; their places are among all
        gathered = _Gathered(source)
        try:
            sizes = self._look_at_all(gathered, sample_weight is not None)
            if not sizes:
                raise ValueError("X has no chunk with rows; at least one is needed.")
            self.starts = np.cumsum([0, *sizes])
            self.n_samples = int(self.starts[-1])
            self.whole = gathered.result()
            self.weights = as_weights(sample_weight, self.n_samples)
            self.shape, self.size = (self.n_samples, self.n_features), self.n_samples * self.n_features
            self._map()
        except BaseException:
            self.close()
            raise
        self.needed = np.ones(len(self.places), bool)  # chunks that are likely to be read in this pass

    def _look_at_all(self, gathered, weighted):
        """Check and note every chunk, and pass it on; the numbers of rows of those that have any."""
        source, asked, sizes = self.source, self.asked, []
        for place, chunk in enumerate(source.chunks() if self.reader is None else self.reader.all()):
            if _has_no_rows(chunk):
                continue
            name, first_row = source.told(place)
            array = as_data(chunk, name=name, dtype=asked, first_row=first_row)
            dtype = computed_in(array.dtype)
            if self.dtype is None:
                self.dtype, self.n_features, self.held = dtype, array.shape[1], array.dtype
            if (dtype, array.shape[1]) != (self.dtype, self.n_features):
                raise ValueError(
                    f"{name} has {array.shape[1]} features of {dtype}, those before it {self.n_features} "
                    f"of {self.dtype}: chunks must be of one dtype and one number of features."
                )
            if array.dtype != self.held or not source.in_memory:
                self.held = dtype
            if dtype == np.float64 or weighted:
                self._compare(values_of(array), name, first_row)
            self.places.append(place)
            sizes.append(len(array))
            self.checksums.append(self._checksum(array))
            gathered.add(array)
        return sizes

    def _map(self):
        """Have the rows where they are from now on, if the source can do that and the system keeps them in memory."""
        self.mapped, n_bytes, room = False, self.size * self.held.itemsize, available_bytes(budgets=False)
        known = self.reader is not None and self.whole is None and self.stamp is not None
        if not known or self.held != self.source.dtype or (room is not None and n_bytes > _PAGES_SHARE * room):
            return
        found = self.source.mapped(chunk_bytes(_MAPPED_BYTES))
        if found is None:
            return
        sizes = [len(found.chunk(number)) for number in range(found.n_chunks)]
        self.reader.close()
        self.source, self.reader, self.mapped = found, Reader(found), True
        self.places, self.starts, self.checksums = range(len(sizes)), np.cumsum([0, *sizes]), [None] * len(sizes)
        self.check_stamp()

    def _compare(self, array, name, first_row):
        high, low = float(array.max()), float(array.min())
        if max(high, -low) > self.largest:
            self.largest = max(high, -low)
            row, column = divmod(int(array.argmax() if high >= -low else array.argmin()), array.shape[1])
            self.largest_at = f"{name} at ({row + first_row}, {column})"

    @property
    def head(self):
        """A table without rows that has the names of the columns, or None."""
        return self.source.head

    @property
    def X(self):
        return self

    def back(self, array):
        """A result: it is NumPy's."""
        return array

    def close(self):
        """Stop reading ahead, and let others write."""
        if self.reader is not None:
            self.reader.close()
        self.source.close()

    def astype(self, dtype):
        """The same rows in another dtype."""
        other = object.__new__(DataInChunks)
        other.__dict__ |= {**self.__dict__, "dtype": np.dtype(dtype), "needed": self.needed.copy()}
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
        if number <= self.last:
            self.check_stamp()
        self.last = number
        chunk = self.source.chunk(self.places[number]) if self.reader is None else self._read(number)
        if chunk is None:
            raise ValueError(
                f"the source had {len(self.places)} chunks with rows and has {number} now: it must not change."
            )
        return self._as_before(chunk, number), self.weights_of(number)

    def weights_of(self, number):
        """The weights of a chunk's rows, or None."""
        return None if self.weights is None else self.weights[self.starts[number] : self.starts[number + 1]]

    def _read(self, number):
        if not self.needed[number]:  # another kind of pass: it may read all of them
            self.needed[:] = True
        later = np.flatnonzero(self.needed[number + 1 :])[: self.reader.ahead] + number + 1
        if self.source.n_chunks is not None:  # the next pass begins with what is no more than a place in a file
            later = np.append(later, np.flatnonzero(self.needed[: number + 1])[: self.reader.ahead - len(later)])
        return self.reader.read(self.places[number], [self.places[one] for one in later.tolist()])

    def few_rows(self, number, rows):
        """Some rows (m,) of a chunk, as `read` gives them; None where that takes as long as to read them all."""
        if self.reader is None or len(rows) > _MOST_FEW:
            return None
        found = self.source.rows(self.starts[number] + rows)
        return None if found is None else self._computed(as_data(found, dtype=self.asked, checked=True))

    def check_stamp(self):
        """Raise ValueError if the source says that it has changed."""
        now = self.source.stamp()
        if now != self.stamp:
            name = next(one[0] for one, before in zip(now, self.stamp) if one != before)
            raise ValueError(f"{name} has changed since it was first read: it must not change.")

    def _as_before(self, chunk, number):
        name = self.source.told(self.places[number])[0]
        array = as_data(chunk, name=name, dtype=self.asked, checked=True)
        wanted = (int(self.starts[number + 1] - self.starts[number]), self.n_features)
        if array.shape != wanted:
            raise ValueError(f"{name} had the shape {wanted} and has {array.shape} now: it must not change.")
        if self._checksum(array) != self.checksums[number]:
            raise ValueError(f"{name} has other values than at first: it must not change.")
        return self._computed(array)

    def _computed(self, array):
        computed = computed_in(array.dtype) == self.dtype
        return array if computed else values_of(array).astype(self.dtype, copy=False)

    def _checksum(self, array):
        """Of rows that are read anew: what is known of them is believed in the next pass. None of rows in memory, or
        where the source says itself whether it has changed.
        """
        return None if self.source.in_memory or self.stamp is not None else zlib.crc32(array)


def _has_no_rows(chunk):
    shape = getattr(chunk, "shape", None)
    return shape[:1] == (0,) if shape is not None else hasattr(chunk, "__len__") and len(chunk) == 0


class _Gathered:
    """Chunks that become one array, as long as there is room for it."""

    def __init__(self, source):
        available = available_bytes()
        self.source, self.arrays, self.n_bytes = source, None if source.in_memory else [], 0
        self.room = _UNKNOWN if available is None else int(_ARRAY_SHARE * available)
        self.into, self.n_rows = None, 0  # where the number of rows is known

    def add(self, array):
        if self.arrays is None:
            return
        array = values_of(array) if array.dtype == BFLOAT16 else array
        n, known = len(array), self.source.n_samples
        self.n_bytes += array.nbytes
        needed = 2 * self.n_bytes if known is None else known * array[:1].nbytes  # to put them together takes a copy
        if needed > self.room:
            if self.source.once:
                raise ValueError(
                    f"X can be read once only, and its rows take more than {self.room / 2**20:,.0f} MiB: give a "
                    "function that returns such an iterable whenever it is called, or files."
                )
            self.arrays = self.into = None
        elif known is None:
            self.arrays.append(array)
        else:
            self.into = np.empty((known, array.shape[1]), array.dtype) if self.into is None else self.into
            self.into[self.n_rows : self.n_rows + n] = array[: known - self.n_rows]
        self.n_rows += n

    def result(self):
        if self.into is not None and self.n_rows != len(self.into):
            raise ValueError(f"X says that it has {len(self.into):,} rows and gave {self.n_rows:,}.")
        return self.into if self.into is not None else np.concatenate(self.arrays) if self.arrays else None
