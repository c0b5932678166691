"""Parquet: a file, several, a directory or a pattern."""

import os

from .arrow_columns import as_rows, dtype_of, is_vector
from .buffers import Buffers
from .files import matching, stamp_of
from .protocol import CHUNK_BYTES, Source

_ENDINGS = (".parquet", ".pq")


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
        except ImportError as error:
            raise ImportError("reading Parquet needs pyarrow: install it (the extra 'cli').") from error
        several = isinstance(path, (list, tuple))
        self.paths = [one for each in (path if several else [path]) for one in matching(each, _ENDINGS)]
        self.where = os.fspath(self.paths[0]) if len(self.paths) == 1 else f"{self.paths[0]} and those after it"
        self.filter = parquet.filters_to_expression(filter) if isinstance(filter, (list, tuple)) else filter
        try:
            whole = dataset.dataset(self.paths, format="parquet")
            schema = whole.schema
            missing = [name for name in columns or () if name not in schema.names]
            if missing:
                raise ValueError(f"no column {missing[0]!r} among {', '.join(map(repr, schema.names[:20]))}")
            self.columns = list(schema.names if columns is None else columns)
            self._plan(whole)
        except (OSError, ValueError) as error:
            raise ValueError(f"{self.where}: not Parquet with these columns: {error}") from error
        chosen = [schema.field(name) for name in self.columns]
        self.dtype = dtype_of(chosen, self.where)
        plain = not any(is_vector(field.type) for field in chosen)
        self.n_features, self.names = (len(chosen), self.columns) if plain else (None, None)
        self.buffers = Buffers()

    def _plan(self, whole):
        """The pieces that are chunks: a fragment of row groups of one file, and the number of its first row there."""
        self.pieces, rows, most = [], 0, max(1, CHUNK_BYTES // (8 * max(1, len(self.columns))))
        for fragment in {fragment.path: fragment for fragment in whole.get_fragments()}.values():
            wanted = None
            if self.filter is not None:
                wanted = {one.id for part in fragment.split_by_row_group(self.filter) for one in part.row_groups}
            together, taken, first, begin = [], 0, 0, 0
            for number in range(fragment.metadata.num_row_groups):
                size = fragment.metadata.row_group(number).num_rows
                if size and (wanted is None or number in wanted):
                    if together and taken + size > most:
                        self.pieces.append((fragment.subset(row_group_ids=together), begin))
                        together, taken = [], 0
                    begin = begin if together else first
                    together, taken = [*together, number], taken + size
                first += size
            if together:
                self.pieces.append((fragment.subset(row_group_ids=together), begin))
            rows += first
        self.n_chunks = len(self.pieces)
        self.n_samples = rows if self.filter is None else None

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
