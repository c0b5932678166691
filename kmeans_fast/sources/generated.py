"""What a function yields, each time it is called; and what an iterator yields, once."""

import sys
from collections.abc import Iterator

import numpy as np

from .arrow_columns import as_rows, dtype_of
from .buffers import Buffers
from .protocol import Source


def _rows(chunk):
    """A chunk as an array-like that stays as it is, whatever its maker does when it is asked for the next one."""
    if hasattr(chunk, "clone"):  # PyTorch's
        return chunk.clone()
    if isinstance(chunk, np.ndarray):
        return np.array(chunk, order="C", subok=True)
    pa = sys.modules.get("pyarrow")
    if pa is not None and isinstance(chunk, (pa.Table, pa.RecordBatch)):
        return as_rows(chunk, dtype_of(chunk.schema, "a chunk"), "a chunk", Buffers())
    return chunk


class Generated(Source):
    """A function without arguments that returns an iterable of chunks, the same whenever it is called."""

    def __init__(self, function):
        self.function = function

    @classmethod
    def of(cls, X):
        return cls(X) if callable(X) and not hasattr(X, "shape") else None

    def chunks(self):
        return map(_rows, iter(self.function()))


class Iterated(Source):
    """An iterator of chunks."""

    once = True

    def __init__(self, iterator):
        self.iterator = iterator

    @classmethod
    def of(cls, X):
        return cls(X) if isinstance(X, Iterator) else None

    def chunks(self):
        return map(_rows, self.iterator)
