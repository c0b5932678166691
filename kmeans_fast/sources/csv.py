"""CSV, parsed anew in each pass."""

import os

import numpy as np

from .arrow_columns import as_rows
from .buffers import Buffers
from .files import matching, stamp_of
from .protocol import CHUNK_BYTES, Source

_ENDINGS = (".csv", ".tsv")


class Csv(Source):
    """The rows of text files with numbers, one file after the other.

    Parameters
    ----------
    path : path-like, or a list of them
        As for `Parquet`, of text; also packed (.csv.gz).
    columns : list of str, optional
        Features, in this order; default: all columns. Without a header columns are named "f0", "f1" and so on.
    header : bool, default=True
        Whether the first line of each file names the columns.
    delimiter : str, default=","
        What separates cells; for a file that ends in .tsv a tab.

    Raises
    ------
    ValueError
        If there is no such file or column, or a cell is not a number.
    ImportError
        Without pyarrow.

    Notes
    -----
    Cells become float64. Every pass parses the text again: for more than a few passes over a large file, write it as
    Parquet or .npy first.
    """

    dtype = np.dtype(np.float64)

    def __init__(self, path, *, columns=None, header=True, delimiter=None):
        try:
            import pyarrow.csv  # noqa: F401
        except ImportError as error:
            raise ImportError("reading CSV needs pyarrow: install it (the extra 'cli').") from error
        several = isinstance(path, (list, tuple))
        self.paths = [one for each in (path if several else [path]) for one in matching(each, _ENDINGS)]
        self.columns, self.header, self.delimiter = columns, header, delimiter
        self.buffers = Buffers()

    def chunks(self):
        for path in self.paths:
            for batch in self._batches(path):
                if batch.num_rows:
                    yield as_rows(batch, self.dtype, path, self.buffers)

    def _batches(self, path):
        import pyarrow as pa
        from pyarrow import csv

        tab = "\t" if os.path.splitext(path)[1].lower() == ".tsv" else ","
        read = csv.ReadOptions(block_size=CHUNK_BYTES, autogenerate_column_names=not self.header)
        parse = csv.ParseOptions(delimiter=self.delimiter or tab)
        try:
            with csv.open_csv(path, read, parse) as reader:
                names = reader.schema.names
            missing = [name for name in self.columns or () if name not in names]
            if missing:
                raise ValueError(f"no column {missing[0]!r} among {', '.join(map(repr, names[:20]))}")
            self.names = list(self.columns or names)
            self.n_features = len(self.names)
            numbers = dict.fromkeys(self.names, pa.float64())
            convert = csv.ConvertOptions(include_columns=self.names, column_types=numbers)
            with csv.open_csv(path, read, parse, convert) as reader:
                yield from reader
        except (OSError, ValueError) as error:  # also pyarrow's own
            raise ValueError(f"{path}: not a table of numbers: {error}") from error

    def stamp(self):
        return stamp_of(self.paths)
