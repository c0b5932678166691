"""What a function yields, each time it is called; and what an iterator yields, once."""

import sys
from collections.abc import Iterable, Iterator

import numpy as np

from .arrow_columns import as_rows, dtype_of, head_of
from .buffers import Buffers
from .protocol import Source


def _is_arrow(chunk):
    pa = sys.modules.get("pyarrow")
    return pa is not None and isinstance(chunk, (pa.Table, pa.RecordBatch))


def _rows(chunk):
    """A chunk as an array-like that stays as it is, whatever its maker does when it is asked for the next one."""
    if hasattr(chunk, "clone"):  # PyTorch's
        return chunk.clone()
    if isinstance(chunk, np.ndarray):
        return np.array(chunk, order="C", subok=True)
    if _is_arrow(chunk):
        return as_rows(chunk, dtype_of(chunk.schema, "a chunk"), "a chunk", Buffers())
    return chunk


def _head(chunk):
    """The `Source.head` of a chunk: of a table of Arrow, pandas or Polars. It does not keep the chunk in memory."""
    if _is_arrow(chunk):
        return head_of(chunk.schema)
    if hasattr(type(chunk), "iloc"):
        return chunk.iloc[:0].copy()
    return chunk.clear() if hasattr(type(chunk), "clear") and hasattr(chunk, "columns") else None


def _names(head):
    """Of its columns; None where they are no strings, which name nothing for scikit-learn either."""
    names = list(head.schema.names if _is_arrow(head) else head.columns)
    return names if any(isinstance(name, str) for name in names) else None


class _Yielded(Source):
    """Chunks, arrays or tables, as they are yielded."""

    def _noted(self, chunk):
        """Its rows, once its columns have been noted, or found to be those of the chunks before it."""
        if chunk is None:  # which is no end, either
            raise TypeError("X gave None for a chunk: chunks must be arrays (n, n_features) or tables.")
        head = _head(chunk)
        if self.head is None:
            self.head = head
        elif head is not None and _names(head) != _names(self.head):
            raise ValueError(
                f"a chunk has the columns {_names(head)}, those before it {_names(self.head)}: chunks must have "
                "the same columns in the same order."
            )
        return _rows(chunk)


class Generated(_Yielded):
    """A function without arguments that returns an iterable of chunks, the same whenever it is called."""

    def __init__(self, function):
        self.function = function

    @classmethod
    def of(cls, X):
        return cls(X) if callable(X) and not hasattr(X, "shape") else None

    def chunks(self):
        given = self.function()
        if not isinstance(given, Iterable):
            raise TypeError(f"X is a function, which must return an iterable of chunks, got {type(given).__name__}.")
        return map(self._noted, given)


class Iterated(_Yielded):
    """An iterator of chunks."""

    once = True

    def __init__(self, iterator):
        self.iterator = iterator

    @classmethod
    def of(cls, X):
        return cls(X) if isinstance(X, Iterator) else None

    def chunks(self):
        return map(self._noted, self.iterator)
