"""Arrays in .npy files, and other arrays on disk: read by blocks, or mapped where nobody can cut the file short."""

import copy
import mmap
import os
import sys

import numpy as np

from ..memory import available_bytes
from .files import stamp_of
from .protocol import CHUNK_BYTES, ByRows

if sys.platform == "linux":
    from .mapping import mapping_of
else:  # no leases

    def mapping_of(path):
        return None


_DAMAGED = (ValueError, EOFError, SyntaxError, TypeError, KeyError, OverflowError, RecursionError)


class Npy(ByRows):
    """A .npy file of one array of two dimensions, of any size.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    ValueError
        If it is not such a file.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from kmeans_fast import kmeans, sources
    >>> path = os.path.join(tempfile.mkdtemp(), "points.npy")
    >>> np.save(path, [[0.0], [1.0], [10.0], [11.0]])
    >>> sorted(kmeans(sources.Npy(path), 2, seed=0).centroids.ravel().tolist())
    [0.5, 10.5]
    """

    mapping = None  # of the file, where it is mapped

    def __init__(self, path):
        self.path = os.path.expanduser(os.fspath(path))
        array = _mapped(self.path)
        self._describe(array.shape, array.dtype, array.offset, array.flags.c_contiguous)

    def _describe(self, shape, dtype, offset, by_rows):
        if len(shape) != 2 or shape[1] == 0 or dtype.kind not in "fiub":
            raise ValueError(
                f"{self.path}: an array of numbers with 2 dimensions and at least one column is needed, got shape "
                f"{shape} of {dtype}."
            )
        self.n_samples, self.n_features = shape
        self.dtype, self.offset, self.by_rows = dtype, offset, by_rows
        self._cut(CHUNK_BYTES)

    @property
    def ready(self):
        return self.mapping is not None

    def mapped(self, n_bytes):
        if not self.by_rows or not self.dtype.isnative or self.offset % self.dtype.itemsize:
            return None
        mapping = mapping_of(self.path)
        if mapping is None or mapping.bytes.size < self.offset + self.n_samples * self.n_features * self.dtype.itemsize:
            return None
        other = copy.copy(self)
        other._cut(n_bytes)
        other.mapping = mapping
        return other

    def close(self):
        if self.mapping is not None:
            self.mapping.close()
        self.mapping = None

    def chunk(self, number):
        start = number * self.step
        rows = min(self.step, self.n_samples - start)
        if self.mapping is not None:
            try:
                first = self.offset + start * self.n_features * self.dtype.itemsize
                return self.mapping.array((rows, self.n_features), self.dtype, first)
            except (OSError, TypeError):  # somebody writes to the file: a reading says what has become of it
                self.mapping = None
        found = self.buffers.empty((rows, self.n_features), self.dtype)
        with open(self.path, "rb", buffering=0) as file:
            if self.by_rows:
                self._read(file, start * self.n_features, found)
                return found
            for column in range(self.n_features):
                values = np.empty(rows, self.dtype)
                self._read(file, column * self.n_samples + start, values)
                found[:, column] = values
        return found

    def rows(self, numbers):
        if not self.by_rows:
            return None
        found = np.empty((len(numbers), self.n_features), self.dtype)
        with open(self.path, "rb", buffering=0) as file:
            for row, number in zip(found, numbers.tolist()):
                self._read(file, number * self.n_features, row)
        return found

    def _read(self, file, first, out):
        """Read values from the `first` of the file on."""
        file.seek(self.offset + first * self.dtype.itemsize)
        wanted = memoryview(out).cast("B")
        while len(wanted):
            got = file.readinto(wanted)
            if not got:
                raise ValueError(f"{self.path}: the file ends early: it is damaged, or has changed.")
            wanted = wanted[got:]

    def stamp(self):
        return stamp_of([self.path])

    def told(self, number):
        return self.path, number * self.step


class Mapped(Npy):
    """A memory map of NumPy's that is larger than the memory there is, or than a budget."""

    @classmethod
    def of(cls, X):
        if not isinstance(X, np.memmap) or X.ndim != 2 or X.size == 0 or X.dtype.kind not in "fiub":
            return None
        base = X
        while isinstance(base.base, np.ndarray):
            base = base.base
        if X.filename is None or X.mode == "c" or not X.flags.c_contiguous or base.base is not X._mmap:
            return None
        available = available_bytes()
        if available is None or X.nbytes <= available:
            return None  # pages of a file that nobody needs are given back
        found = cls.__new__(cls)
        found.path, found.map = os.fspath(X.filename), X
        first = np.frombuffer(X._mmap, np.uint8, 1).__array_interface__["data"][0]
        at = X.__array_interface__["data"][0] - first
        start = base.offset - base.offset % mmap.ALLOCATIONGRANULARITY  # NumPy begins a map there
        found._describe(X.shape, X.dtype, start + at, True)
        return found if os.path.exists(found.path) else None

    def chunk(self, number):
        found = super().chunk(number)
        first = number * self.step
        if found[0].tobytes() != self.map[first].tobytes():
            raise ValueError(f"{self.path}: another file has this name since it was mapped: map it again.")
        return found


def _mapped(path):
    """The array of a .npy file as a memory map; ValueError if it is not such a file."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file.") from None
    except _DAMAGED as error:
        raise ValueError(f"{path}: not a .npy file of numbers: {error}") from error
    except Exception as error:  # a header that ends early makes tokenize raise its own
        raise ValueError(f"{path}: not a .npy file of numbers: its header is damaged") from error
    if not isinstance(array, np.memmap):  # an archive, or no values at all
        getattr(array, "close", lambda: None)()
        raise ValueError(f"{path}: not a .npy file with an array of numbers.")
    return array
