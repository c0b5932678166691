"""Parquet: a file, several, a directory or a pattern."""

import copy
import itertools
from typing import Any, NamedTuple

from .arrow_columns import as_rows, check_names, dtype_of, head_of, is_vector
from .buffers import Buffers
from .files import matching, stamp_of
from .protocol import CHUNK_BYTES, Source

_ENDINGS = (".parquet", ".pq")


class _Group(NamedTuple):
    """A row group that is read."""

    fragment: Any  # its file
    number: int
    first_row: int
    n_values: int  # of the columns that are read


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
    Row groups are the chunks, small ones several together. Their columns are decoded by pyarrow on all cores, while the
    chunk before is worked on. A row group has to fit into memory twice: write files with row groups of at most some
    hundred MiB.

    Examples
    --------
    >>> from kmeans_fast import KMeans, sources
    >>> data = sources.Parquet("points/*.parquet", columns=["x", "y"], filter=[("year", ">", 2020)])  # doctest: +SKIP
    >>> KMeans(100, max_memory="4GB").fit(data)  # doctest: +SKIP
    """

    def __init__(self, path, *, columns=None, filter=None):
        try:
            import pyarrow.dataset as dataset
            import pyarrow.parquet as parquet
            from pyarrow.fs import LocalFileSystem
        except ImportError as error:
            raise ImportError("reading Parquet needs pyarrow: install it (the extra 'cli').") from error
        self.paths = matching(path, _ENDINGS)
        self.filter = parquet.filters_to_expression(filter) if isinstance(filter, (list, tuple)) else filter
        self.columns, self.groups, self.n_rows = None if columns is None else list(columns), [], 0
        kind, files, fields, known = dataset.ParquetFileFormat(), LocalFileSystem(), [], None
        for path in self.paths:
            try:
                fragment = kind.make_fragment(path, files)
                schema = fragment.physical_schema
                if known is None or not schema.equals(known):
                    self.columns = check_names(schema.names, self.columns)
                    chosen, known = [schema.field(name) for name in self.columns], schema
                    dtype_of(chosen, path)
                    fields += chosen
                self._look(fragment, chosen)
            except (OSError, ValueError) as error:
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
                self.groups.append(_Group(fragment, number, first, n_values))
            first += group.num_rows
        self.n_rows += first

    def _cut(self, n_bytes):
        """Make the pieces that are chunks: row groups of one file, and the number of its first row there."""
        self.pieces, self.buffers, together, taken = [], Buffers(), [], 0
        most = n_bytes // self.dtype.itemsize
        for group, after in zip(self.groups, [*self.groups[1:], None]):
            together, taken = [*together, group], taken + group.n_values
            if after is None or after.fragment is not group.fragment or taken + after.n_values > most:
                numbers = [one.number for one in together]
                self.pieces.append((group.fragment.subset(row_group_ids=numbers), together[0].first_row))
                together, taken = [], 0
        self.n_chunks = len(self.pieces)

    def cut(self, n_bytes):
        other = copy.copy(self)
        other._cut(n_bytes)
        return other

    def chunk(self, number):
        fragment, _ = self.pieces[number]
        try:
            table = fragment.to_table(columns=self.columns, filter=self.filter)
        except OSError as error:
            raise ValueError(f"{fragment.path}: the file is damaged: {error}") from error
        return as_rows(table, self.dtype, fragment.path, self.buffers)

    def stamp(self):
        return stamp_of(self.paths)

    def told(self, number):
        fragment, first = self.pieces[number]
        if self.filter is None:
            return fragment.path, first
        return f"{fragment.path}, the chosen ones of its rows from {first:,} on,", 0


def _is_in(names, path):
    """Whether a column of the file, called by its path, is of one of these columns; names may have dots."""
    return not names.isdisjoint(itertools.accumulate(path.split("."), "{}.{}".format))
