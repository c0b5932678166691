"""CSV, parsed anew in each pass."""

import copy
import os
import re

import numpy as np

from ..memory import available_bytes
from ..messages import quoted
from .arrow_columns import HINT, as_rows, check_names, head_of
from .buffers import Buffers
from .files import check_name, matching, packing, stamp_of, unpacked
from .protocol import CHUNK_BYTES, Source

_ENDINGS = (".csv", ".tsv")
_NO_NUMBER = re.compile(r"In CSV column #(\d+): .*invalid value '(.*)'", re.DOTALL)  # as pyarrow says it
_SHARE = 0.5  # of the memory there is, for what pyarrow reads ahead: so many blocks of text, and two for each core
_AHEAD, _EXPANDS = 32, 4  # that are parsed, each so many times as large: "0," becomes eight bytes
_FEWEST_BYTES = 1 << 18  # of a block; fewer take longer
_MOST_LONGER = 16  # times as long as the first two rows is no row, or else a block has no end of a row


class Csv(Source):
    """The rows of text files with numbers, one file after the other.

    Parameters
    ----------
    path : path-like, or a list of them
        As for `Parquet`, of text; also packed (.csv.gz).
    columns : list of str, optional
        Features, in this order; default: all columns. Without a header columns are named "f0", "f1" and so on.
    header : bool, optional
        Whether the first line of each file names the columns. By default it does; but a line of numbers is refused
        then, unless they count the columns, as it may be the first row.
    delimiter : str, default=","
        The character that separates cells; for a file that ends in .tsv (also packed) a tab.

    Raises
    ------
    ValueError
        If there is no such file or column, a cell is not a number, or columns of a file are not those of the first.
    ImportError
        Without pyarrow.

    Notes
    -----
    Cells become float64. Every pass parses the text again: for more than a few passes over a large file, write it as
    Parquet or .npy first.
    """

    dtype = np.dtype(np.float64)

    def __init__(self, path, *, columns=None, header=None, delimiter=None):
        try:
            import pyarrow.csv  # noqa: F401
        except ImportError as error:
            raise ImportError("reading CSV needs pyarrow: install it (the extra 'cli').") from error
        self.paths = matching(path, _ENDINGS)
        for one in self.paths:
            check_name(one)
        if delimiter is not None and not (isinstance(delimiter, str) and len(delimiter) == 1):
            raise ValueError(f"delimiter must be one character, got {delimiter!r}.")
        self.columns, self.header, self.delimiter = columns, header, delimiter
        self.buffers, self.places = Buffers(), {}  # of the chunks: the file, and the number of the first row there
        self.looked_at, self.chosen = None, {}  # the stamp of the files, and the columns to read of each
        self.names = {}  # of all columns of each file
        self.block_bytes, self.rows_bytes = CHUNK_BYTES, {}  # of the first rows of each file

    def cut(self, n_bytes):
        import pyarrow as pa

        other, available = copy.copy(self), available_bytes()
        if available is not None:
            n_bytes = min(n_bytes, int(_SHARE * available) // (_AHEAD + _EXPANDS * (pa.cpu_count() + 2)))
        other.buffers, other.block_bytes = Buffers(), max(_FEWEST_BYTES, n_bytes)
        return other

    def chunks(self):
        number, expected, stamp = 0, None, self.stamp()
        if stamp != self.looked_at:
            self.looked_at, self.chosen, self.names, self.rows_bytes = stamp, {}, {}, {}
        for path in self.paths:
            first_row = 0
            for batch in self._batches(path, expected):
                if batch.num_rows:
                    self.places[number] = path, first_row  # the next pass begins before the last chunk is asked about
                    yield as_rows(batch, self.dtype, path, self.buffers)
                    number, first_row = number + 1, first_row + batch.num_rows
            expected = expected or self.chosen[path]

    def _batches(self, path, expected):
        """What a file holds, in columns of the names that are `expected`, if they are known from files before it."""
        import pyarrow as pa
        from pyarrow import csv

        tab = "\t" if os.path.splitext(unpacked(path))[1].lower() == ".tsv" else ","
        parse = csv.ParseOptions(delimiter=self.delimiter or tab)
        nameless = self.header is not None and not self.header
        try:
            read = csv.ReadOptions(block_size=self._block_bytes(path), autogenerate_column_names=nameless)
            if path not in self.chosen:  # to look at the names is to parse the first block
                with csv.open_csv(_unpacked(path), read, parse) as reader:
                    self.names[path] = reader.schema.names
                    self.chosen[path] = self._choose(self.names[path], expected)
            chosen = self.chosen[path]
            parse.ignore_empty_lines = len(self.names[path]) > 1  # of one column they are cells without a value
            self.n_features, numbers = len(chosen), dict.fromkeys(chosen, pa.float64())
            convert = csv.ConvertOptions(include_columns=chosen, column_types=numbers)
            with csv.open_csv(_unpacked(path), read, parse, convert) as reader:
                self.head = None if nameless else head_of(reader.schema)  # else they are named by their places
                yield from reader
        except (OSError, ValueError) as error:  # also pyarrow's own
            raise ValueError(f"{path}: {self._no_number(path, str(error))}") from error

    def _no_number(self, path, said):
        """What is wrong with a table, in words: pyarrow numbers columns from 0 and does not name them."""
        found = _NO_NUMBER.search(said)
        if not found:
            return f"not a table of numbers: {said}"
        return f"column {self.names[path][int(found[1])]!r} holds {quoted(found[2])} and not only numbers: {HINT}."

    def _block_bytes(self, path):
        """Of text that is parsed at a time: rows must be shorter."""
        if path not in self.rows_bytes:
            with _unpacked(path) as file:
                first = file.read(_FEWEST_BYTES)
                while first.count(b"\n") < 2 and len(first) < CHUNK_BYTES and (more := file.read(_FEWEST_BYTES)):
                    first += more
            self.rows_bytes[path] = max(map(len, first.split(b"\n", 2)[:2]))
        return min(CHUNK_BYTES, max(self.block_bytes, _MOST_LONGER * self.rows_bytes[path]))

    def _choose(self, names, expected):
        if self.header is None and _are_numbers(names):
            raise ValueError(
                f"its first line, {', '.join(names[:5])}, should name the columns and holds numbers: say whether it "
                "does with sources.Csv(path, header=True) or header=False"
            )
        chosen = check_names(names, self.columns or expected)
        if self.columns is None and len(chosen) != len(names):
            raise ValueError(f"it has {len(names)} columns, the files before it {len(chosen)}: choose columns")
        return chosen

    def told(self, number):
        return self.places[number]

    def stamp(self):
        return stamp_of(self.paths)


def _unpacked(path):
    """The text of a file.

    A reader of pyarrow has a thread that reads ahead, and may do so after the reader is closed. So a file that it was
    given is not closed here: the next file to be opened would get its descriptor, and the thread would take that file's
    first bytes. It is closed when the reader and its thread no longer hold it.
    """
    import pyarrow as pa

    return pa.input_stream(path, compression=packing(path))


def _are_numbers(names):
    """Whether all are, and do not count columns: as pandas calls those without a name, or as years."""
    try:
        numbers = [float(name) for name in names]
    except ValueError:
        return False
    return numbers != [numbers[0] + at for at in range(len(numbers))] or numbers[0] % 1 != 0
