"""Parquet: a file, several, a directory or a pattern."""

import copy
import functools
import itertools
from typing import Any, NamedTuple

from ..kernels import processors
from .arrow_columns import as_rows, check_names, dtype_of, head_of, is_vector
from .buffers import Buffers
from .files import check_name, matching, stamp_of
from .protocol import CHUNK_BYTES, Source, rows_in

_ENDINGS = (".parquet", ".pq")
_AHEAD = 4  # chunks that may be decoded at the same time, each by one thread
_BUFFER = 1 << 16  # bytes of each column that are read from a file at a time, or one page


class _Group(NamedTuple):
    """A row group that is read."""

    fragment: Any  # its file
    number: int
    first_row: int
    n_rows: int
    n_values: int  # of the columns that are read


class _Piece(NamedTuple):
    """A chunk: row groups of one file, or a part of one that is too large."""

    fragment: Any  # these row groups
    first_row: int  # its number in the file
    group: _Group | None = None  # that the part is of
    part: int = 0
    step: int = 0  # rows of a part


class Parquet(Source):
    """The rows of Parquet files, one file after the other in the order of their names.

    Parameters
    ----------
    path : path-like, or a list of them
        A file, a directory (all that ends in .parquet or .pq below it), or a pattern such as ``"day-*.parquet"``. A
        list is taken in its own order.
    columns : list of str, optional
        Features, in this order; default: all columns. Others are not read. A column of lists of one length (an
        embedding) is as many features as they are long.
    filter : pyarrow.compute.Expression or list of tuples, optional
        Which rows: an expression, or ``[("year", ">", 2020), ...]``, all of which must hold. Row groups that cannot
        hold any are not read.

    Raises
    ------
    ValueError
        If there is no such file or column, or a column does not hold numbers.
    ImportError
        Without pyarrow.

    Notes
    -----
    Row groups are the chunks, small ones several together. They are decoded by pyarrow, several at the same time while
    another is worked on. A row group that is larger than a chunk is decoded in parts, so it need not fit into
    memory. That is done from its first row on: a part is reached through all parts before it, which are decoded for
    nothing where a pass does not need them. Besides the chunk it takes the memory of a page of each column, packed and
    unpacked: most writers make pages of 1 MiB, so some 2 MiB a column.

    Examples
    --------
    >>> from kmeans_fast import KMeans, sources
    >>> data = sources.Parquet("points/*.parquet", columns=["x", "y"], filter=[("year", ">", 2020)])  # doctest: +SKIP
    >>> KMeans(100, max_memory="4GB").fit(data)  # doctest: +SKIP
    """

    def __init__(self, path, *, columns=None, filter=None):
        try:
            import pyarrow.dataset as dataset
            import pyarrow.parquet  # noqa: F401
            from pyarrow.fs import LocalFileSystem
        except ImportError as error:
            raise ImportError("reading Parquet needs pyarrow: install it (the extra 'cli').") from error
        self.paths = matching(path, _ENDINGS)
        self.filter = _expression(filter)
        self.columns, self.groups, self.n_rows = None if columns is None else list(columns), [], 0
        kind, files, fields, known = dataset.ParquetFileFormat(), LocalFileSystem(), [], None
        for path in self.paths:
            check_name(path)
            try:
                fragment = kind.make_fragment(path, files)
                schema = fragment.physical_schema
                if known is None or not schema.equals(known):
                    self.columns = check_names(schema.names, self.columns)
                    chosen, known = [schema.field(name) for name in self.columns], schema
                    dtype_of(chosen, path)
                    fields += chosen
                self._look(fragment, chosen)
            except (OSError, ValueError, NotImplementedError, TypeError) as error:  # the last two of filters: "x" > 1
                raise ValueError(f"{path}: not Parquet with these columns: {error}") from error
        self.dtype = dtype_of(fields, self.paths[0])  # of all files: none is rounded to the dtype of another
        self.head = head_of(chosen) if not any(is_vector(field.type) for field in fields) else None
        self.n_features = None if self.head is None else len(self.columns)
        self.n_samples = self.n_rows if self.filter is None else None
        self._cut(CHUNK_BYTES)

    def _look(self, fragment, chosen):
        """Note the row groups of a file."""
        wanted = None
        if self.filter is not None:
            wanted = {one.id for part in fragment.split_by_row_group(self.filter) for one in part.row_groups}
        facts, first = fragment.metadata, 0
        vectors = {field.name for field in chosen if is_vector(field.type)}
        leaves = [at for at in range(facts.num_columns) if _is_in(vectors, facts.schema.column(at).path)]
        for number in range(facts.num_row_groups):
            group = facts.row_group(number)
            if group.num_rows and (wanted is None or number in wanted):
                n_values = (len(chosen) - len(vectors)) * group.num_rows
                n_values += sum(group.column(at).num_values for at in leaves)
                self.groups.append(_Group(fragment, number, first, group.num_rows, n_values))
            first += group.num_rows
        self.n_rows += first

    def _cut(self, n_bytes):
        """Make the pieces that are chunks."""
        self.pieces, self.buffers, self.stream, together, taken = [], Buffers(), None, [], 0
        most = n_bytes // self.dtype.itemsize
        for group, after in zip(self.groups, [*self.groups[1:], None]):
            together, taken = [*together, group], taken + group.n_values
            if after is None or after.fragment is not group.fragment or taken + after.n_values > most:
                fragment = group.fragment.subset(row_group_ids=[one.number for one in together])
                step = rows_in(n_bytes, group.n_values // group.n_rows, self.dtype.itemsize)
                if group.n_values > most and group.n_rows > step:  # it is the only one
                    starts = range(0, group.n_rows, step)
                    self.pieces += [_Piece(fragment, group.first_row, group, part, step) for part in range(len(starts))]
                else:
                    self.pieces.append(_Piece(fragment, together[0].first_row))
                together, taken = [], 0
        self.n_chunks = len(self.pieces)
        in_order = any(piece.group is not None for piece in self.pieces)
        self.ahead = 1 if in_order else min(_AHEAD, processors.usable_cpus())

    def cut(self, n_bytes):
        other = copy.copy(self)
        other._cut(n_bytes)
        return other

    def chunk(self, number):
        piece = self.pieces[number]
        path = piece.fragment.path
        try:
            if piece.group is not None:
                table = self._part(piece)
            elif self.filter is not None:
                table = piece.fragment.to_table(columns=self.columns, filter=self.filter)
            else:
                table = self._whole(piece.fragment)
        except OSError as error:
            raise ValueError(f"{path}: the file is damaged: {error}") from error
        return as_rows(table, self.dtype, path, self.buffers)

    def _whole(self, fragment):
        """All rows of some row groups, at less cost than by the scanner of a dataset."""
        from pyarrow import parquet

        with parquet.ParquetFile(fragment.path, metadata=fragment.metadata, pre_buffer=False) as file:
            numbers = [group.id for group in fragment.row_groups]
            table = file.read_row_groups(numbers, columns=self.columns, use_threads=self.ahead == 1)
        return table.select(self.columns)

    def _part(self, piece):
        """A part of a row group. What reads it stays for the next part."""
        stream, self.stream = self.stream, None
        if stream is None or stream.group is not piece.group or stream.part > piece.part:
            stream = _Stream(piece, self.columns, self.filter)
        table = stream.read(piece.part)
        if (piece.part + 1) * piece.step < piece.group.n_rows:
            self.stream = stream
        return table

    def close(self):
        self.stream = None

    def stamp(self):
        return stamp_of(self.paths)

    def told(self, number):
        piece = self.pieces[number]
        if self.filter is None:
            return piece.fragment.path, piece.first_row + piece.part * piece.step
        return f"{piece.fragment.path}, the chosen ones of its rows from {piece.first_row:,} on,", 0


class _Stream:
    """The rows of a row group, or those of them that are chosen, from the first on, in parts of so many.

    The generators do not refer to it, so that file and memory are given back with the last reference to it.
    """

    def __init__(self, piece, columns, filter):
        self.group, self.part = piece.group, 0  # the number of the next one
        self.chosen = functools.partial(_chosen, columns, filter)
        self.parts = _parts(_batches(piece.group, piece.step, columns, filter), piece.step, self.chosen)

    def read(self, part):
        """A part that has not been read yet; without rows after the last one."""
        table = next(itertools.islice(self.parts, part - self.part, None), None)
        self.part = part + 1
        return self.chosen(self.group.fragment.physical_schema.empty_table()) if table is None else table


def _expression(filter):
    """What rows are chosen by; None: all are."""
    from pyarrow.compute import Expression
    from pyarrow.parquet import filters_to_expression

    if isinstance(filter, (list, tuple)):
        try:
            filter = filters_to_expression(filter) if filter else None
        except (TypeError, ValueError) as error:
            raise ValueError(f'filter must be like [("year", ">", 2020), ...]; got {filter!r}: {error}') from error
    if filter is not None and not isinstance(filter, Expression):
        raise TypeError(f"filter must be an expression of pyarrow.compute or a list of tuples, got {filter!r}.")
    return filter


def _chosen(columns, filter, table):
    return (table if filter is None else table.filter(filter)).select(columns)


def _parts(batches, step, chosen):
    """What is chosen of record batches, in tables of so many rows."""
    import pyarrow as pa

    waiting, n = [], 0
    for batch in batches:
        waiting.append(chosen(pa.Table.from_batches([batch])))
        n += waiting[-1].num_rows
        while n >= step:
            table = pa.concat_tables(waiting)
            waiting, n = [table.slice(step)] * (n > step), n - step
            yield table.slice(0, step)
    if n:
        yield pa.concat_tables(waiting)


def _batches(group, step, columns, filter):
    """A row group in record batches of so many rows, or fewer."""
    from pyarrow import parquet

    fragment, of_filter = group.fragment, "" if filter is None else str(filter)
    # Whatever an expression names stands in its text; what it tells by position it can only among all columns.
    names = [name for name in fragment.physical_schema.names if name in columns or name in of_filter]
    with parquet.ParquetFile(fragment.path, metadata=fragment.metadata, pre_buffer=False, buffer_size=_BUFFER) as file:
        yield from file.iter_batches(step, [group.number], columns=None if "FieldPath(" in of_filter else names)


def _is_in(names, path):
    """Whether a column of the file, called by its path, is of one of these columns; names may have dots."""
    return not names.isdisjoint(itertools.accumulate(path.split("."), "{}.{}".format))
