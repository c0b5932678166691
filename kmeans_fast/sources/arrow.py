"""Tables of Arrow in memory, and readers of record batches."""

import sys

from .arrow_columns import as_rows, dtype_of, head_of
from .buffers import Buffers
from .protocol import CHUNK_BYTES, ByRows, Source


class ArrowTable(ByRows):
    """A table or a record batch of Arrow; its rows are copied chunk by chunk."""

    def __init__(self, table):
        self.table = table
        self.dtype = dtype_of(table.schema, "X")
        self.n_samples, self.head = table.num_rows, head_of(table.schema)
        self.n_features = as_rows(table.slice(0, 1), self.dtype, "X", Buffers()).shape[1]  # lists are several
        self._cut(CHUNK_BYTES)

    @classmethod
    def of(cls, X):
        pa = sys.modules.get("pyarrow")  # without it X is none
        return cls(X) if pa is not None and isinstance(X, (pa.Table, pa.RecordBatch)) else None

    def chunk(self, number):
        return as_rows(self.table.slice(number * self.step, self.step), self.dtype, "X", self.buffers)

    def stamp(self):
        return (("X", id(self.table)),)  # Arrow's memory does not change


class ArrowReader(Source):
    """A reader of record batches: what it gives is gone once it has been read."""

    once = True

    def __init__(self, reader):
        self.reader, self.dtype, self.head = reader, dtype_of(reader.schema, "X"), head_of(reader.schema)

    @classmethod
    def of(cls, X):
        pa = sys.modules.get("pyarrow")
        return cls(X) if pa is not None and isinstance(X, pa.RecordBatchReader) else None

    def chunks(self):
        return (as_rows(batch, self.dtype, "X", Buffers()) for batch in self.reader)
