"""Text files in, piece by piece: the first rows tell what the table is, all rows are checked and then parsed."""

import numpy as np

from ...messages import counted
from .checks import check_memory
from .columns import describe, left_out
from .head import read_head, refuse_unclear
from .numbers import parse
from .rows import check_rows, whole_rows
from .source import Source


def read_text(path, selection, options, dtype="auto", progress=None):
    """Read the chosen columns of a text file.

    Parameters
    ----------
    path : pathlib.Path
        ``-`` is standard input.
    selection : kmeans_fast.cli.readers.columns.Selection
    options : kmeans_fast.cli.readers.head.TextOptions
    dtype : {"auto", "float32", "float64"}
    progress : callable, optional

    Returns
    -------
    data : ndarray (n_samples, n_features)
    names : list of str or None
    weights : ndarray (n_samples,) float64, or None
    notes : list of str

    Raises
    ------
    ImportError
        Without pandas; the message says how to get it.
    ValueError
        For a table whose structure is in doubt, and for a cell that is not a finite number; the message names its row
        (line of the file) and column.
    """
    try:
        import pandas  # noqa: F401
    except ImportError as error:
        raise ImportError("reading text needs pandas: install it (the extra 'cli'); .npy is read without") from error
    head, table, n_comments = None, None, 0
    with Source(path, options.encoding) as source:
        for piece in source.pieces(whole_rows if options.quotes == "yes" else None):
            if head is None:
                head = read_head(piece, options, path)
                if head is None:
                    continue
                n_comments, piece = head.n_comments, head.rest
            rows = check_rows(piece, head.dialect, head.n_columns, path)
            n_comments += rows.n_comments
            table = table or _Table(head, selection, dtype, path)
            table.add(rows, piece.share)
            if progress is not None:
                progress(piece.share, f"{table.n_rows:,} rows")
    if head is None:
        raise ValueError(f"{path}: at least one row is needed, got an empty file")
    notes = [*head.notes, *table.notes()]
    if n_comments:
        notes.append(f"left out: {counted(n_comments, 'comment')} (#)")
    if source.encoding == "utf-16" and options.encoding is None:
        notes.append("the text is UTF-16 (--encoding)")
    return *table.result(), notes


class _Table:
    """The numbers that have been read, in an array that grows in place."""

    def __init__(self, head, selection, dtype, path):
        self.head, self.path, self.n_rows = head, path, 0
        names = head.names
        self.features, self.weights = selection.resolve(names, head.n_columns, head.left_out)
        if selection.by_default:
            unclear = {index: why for index, why in head.unclear.items() if index != self.weights}
            refuse_unclear(head._replace(unclear=unclear), path)
        self.chosen = self.features if self.weights is None else [*self.features, self.weights]
        self.data = np.empty((0, len(self.features)), np.float32 if dtype == "float32" else np.float64)
        self.weight_parts = []
        self.gap = None

    def add(self, rows, share):
        """Add the rows of a piece, up to which the file has been read to this share."""
        self._check_gap(rows)
        if len(rows.lines) == 0:
            return
        head, end = self.head, self.n_rows + len(rows.lines)
        values = parse(rows, head.dialect, head.n_columns, self.chosen, head.names, self.path)
        if self.weights is not None:
            self.weight_parts.append(values[:, -1].copy())
            values = values[:, :-1]
        if end > len(self.data):
            self._grow(end, share)
        target = self.data[self.n_rows : end]
        with np.errstate(over="ignore"):
            target[...] = values
        if target.dtype != np.float64 and not (finite := np.isfinite(target)).all():
            row, column = np.argwhere(~finite)[0].tolist()
            raise ValueError(
                f"{self.path}: row {rows.lines[row]}, {describe(self.features[column], head.names)} is "
                f"{values[row, column]}, too large for {target.dtype}: use --dtype float64"
            )
        self.n_rows = end

    def _check_gap(self, rows):
        """In one column, an empty line may be an empty cell: only those at the end pass."""
        if self.head.n_columns == 1:
            last = rows.lines[-1] if len(rows.lines) else 0
            if self.gap is None and len(rows.empty_lines):
                self.gap = rows.empty_lines[0]
            if self.gap is not None and last > self.gap:
                raise ValueError(f"{self.path}: row {self.gap}, column 1 is empty; every cell must be a finite number")

    def _grow(self, least, share):
        rows = int(least / share * 1.01) + 1 if share and share < 1 else least if share else least + least // 2
        check_memory(self.path, rows - len(self.data), self.data.shape[1], self.data.dtype)
        self.data.resize((max(rows, least), self.data.shape[1]), refcheck=False)

    def notes(self):
        """What was left out."""
        names, used = self.head.names, set(self.chosen)
        found = []
        for index, why in self.head.left_out.items():
            if index not in used:
                where = describe(index, names if names and names[index] else None)
                found.append(f"left out: {where}: {why} (--columns can choose it)")
        rest = [i for i in range(self.head.n_columns) if i not in used and i not in self.head.left_out]
        if rest:
            found.append(left_out(rest, names))
        return found

    def result(self):
        """Data, names and weights."""
        self.data.resize((self.n_rows, self.data.shape[1]), refcheck=False)
        names = self.head.names
        names = [names[index] for index in self.features] if names else None
        return self.data, names, np.concatenate(self.weight_parts) if self.weight_parts else None
