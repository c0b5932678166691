"""What a source is: rows that come in chunks, each time the same."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from .buffers import Buffers

CHUNK_BYTES = 1 << 24  # of a chunk whose size is ours to choose: large for a disk, small beside a budget


def rows_in(n_bytes, n_features, itemsize):
    """Rows of a chunk of so many bytes: a multiple of 64, so that kernels have no remainder of lanes."""
    return max(64, n_bytes // max(1, n_features * itemsize) // 64 * 64)


class Source:
    """Rows in chunks. What is said here is right for one that knows nothing beforehand and reads from the first on.

    A subclass has `chunks`; or, if it can be read from the middle, `n_chunks` and `chunk`.
    """

    in_memory = False
    """Whether the chunks are arrays that stay where they are. Otherwise they are read anew in each pass."""

    once = False
    """Whether the rows can be read once only."""

    n_samples: int | None = None
    n_features: int | None = None
    dtype: np.dtype | None = None
    """What is known before anything is read."""

    head: Any = None
    """A table without rows that has the columns, where each is a feature and has a name; known once a chunk is read."""

    n_chunks: int | None = None
    """How many there are, where `chunk` reads any of them."""

    ahead = 1
    """How many chunks may be read at the same time, each by a thread, ahead of the work on them."""

    @property
    def ready(self) -> bool:
        """Whether `chunk` need not read: it gives arrays of memory that holds the rows in any case (`mapped`)."""
        return False

    def __init__(self, *arguments):
        pass

    @classmethod
    def of(cls, X: Any) -> "Source | None":
        """The source that what a user passed as X stands for; None where it is of another kind."""
        return X if type(X) is cls else None

    def cut(self, n_bytes: int) -> "Source":
        """The same rows in chunks of at most about so many bytes, as far as that is ours to choose."""
        return self

    def mapped(self, n_bytes: int) -> "Source | None":
        """The same rows, `ready`, in chunks of at most about so many bytes; None where that cannot be.

        They may cease to be ready at any time; then chunks are read as before.
        """
        return None

    def close(self) -> None:
        """Nobody looks at the rows any more."""

    def chunks(self) -> Iterator[Any]:
        """The rows from the first on, in array-likes (n, n_features) of one dtype, each time the same."""
        return (self.chunk(number) for number in range(self.n_chunks or 0))

    def chunk(self, number: int) -> Any:
        """One of the chunks."""
        raise NotImplementedError

    def rows(self, numbers: np.ndarray) -> Any:
        """A few rows by their numbers; None where that takes as long as to read their chunks."""
        return None

    def stamp(self) -> Any:
        """What changes whenever the rows do, such as the sizes and times of files: a tuple of tuples that begin with a
        name. None: the rows must be compared.
        """
        return None

    def told(self, number: int) -> tuple[str, int]:
        """What messages call a chunk, and the number that its first row has there."""
        return f"chunk {number}", 0


class ByRows(Source):
    """A source of known shape and dtype that may be cut between any two rows."""

    step: int  # rows of a chunk
    buffers: Buffers

    def _cut(self, n_bytes):
        self.step, self.buffers = rows_in(n_bytes, self.n_features, self.dtype.itemsize), Buffers()
        self.n_chunks = -(-self.n_samples // self.step)

    def cut(self, n_bytes):
        other = copy.copy(self)
        other._cut(n_bytes)
        return other

    def told(self, number):
        return "X", number * self.step
