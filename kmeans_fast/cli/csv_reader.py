"""Text files in: pyarrow for large files where it is installed, the csv module otherwise and wherever pyarrow objects.

The csv module is the authority: its errors name row and column. pyarrow gives the same numbers (both round correctly),
or its result is thrown away.
"""

import csv
import itertools
from contextlib import contextmanager

import numpy as np

from .columns import describe

_DELIMITERS = "\t;|, "
_SNIFFED_ROWS = 5
_ROWS_AT_A_TIME = 1 << 14
_WORTH_PYARROW = 4 << 20  # bytes; below, importing pyarrow takes longer than reading


def read_csv(path, selection, header="auto", delimiter=None, dtype="auto"):
    """Read the chosen columns of a text file.

    Parameters
    ----------
    path : pathlib.Path
    selection : kmeans_fast.cli.columns.Selection
    header : {"auto", "yes", "no"}
    delimiter : str, optional
        Default: the first of tab, ``;``, ``|``, comma and space that cuts the first rows into equal numbers of cells.
    dtype : {"auto", "float32", "float64"}

    Returns
    -------
    data : ndarray (n_samples, n_features)
    names : list of str or None
    weights : ndarray (n_samples,) float64, or None

    Raises
    ------
    ValueError
        For a cell that is not a finite number; the message names its row (line of the file) and column.
    """
    with _reading(path):
        delimiter = delimiter or _sniff(path)
        names, n_columns, skip = _head(path, header, delimiter)
        features, weights = selection.resolve(names, n_columns)
        chosen = features if weights is None else [*features, weights]
        values = _fast(path, delimiter, n_columns, chosen, skip)
        if values is None:
            values = _careful(path, delimiter, names, n_columns, chosen, skip)
    data = values if weights is None else values[:, :-1]
    with np.errstate(over="ignore"):  # a value too large for float32 is found by the estimator's check
        data = np.ascontiguousarray(data, np.float32 if dtype == "float32" else np.float64)
    feature_names = [names[index] for index in features] if names else None
    return data, feature_names, None if weights is None else values[:, -1].copy()


@contextmanager
def _reading(path):
    try:
        yield
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: the text must be UTF-8; byte {error.object[error.start]:#04x} is not") from error
    except csv.Error as error:
        raise ValueError(f"{path}: not a table of text: {error}") from error


def _open(path):
    return open(path, newline="", encoding="utf-8-sig")


def _sniff(path):
    with _open(path) as file:
        lines = list(itertools.islice((line for line in file if line.strip()), _SNIFFED_ROWS))
    for delimiter in _DELIMITERS:
        counts = {len(row) for row in csv.reader(lines, delimiter=delimiter)}
        if len(counts) == 1 and counts != {1}:
            return delimiter
    return ","


def _is_number(cell):
    """Whether the cell is a number in the usual notation (Python's own ``1_000`` is not), NaN and infinity included."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _head(path, header, delimiter):
    """The names of the columns (or None), their number, and the lines to skip before the first row of numbers."""
    with _open(path) as file:
        reader = csv.reader(file, delimiter=delimiter)
        first = next(filter(None, reader), None)
        if first is None:
            raise ValueError(f"{path}: at least one row is needed, got an empty file")
        lines = reader.line_num
    if header == "auto":
        numbers = sum(map(_is_number, first))
        texts = sum(bool(cell.strip()) for cell in first) - numbers
        if numbers and texts:
            text = next(cell for cell in first if cell.strip() and not _is_number(cell))
            raise ValueError(
                f"{path}: row {lines} has both numbers and text ({text!r}): say --header yes if it names the columns, "
                "--header no if it does not"
            )
        header = "yes" if texts else "no"
    if header == "yes":
        return [cell.strip() for cell in first], len(first), lines
    return None, len(first), 0


def _fast(path, delimiter, n_columns, chosen, skip):
    """The chosen columns (n_samples, len(chosen)) by pyarrow; None where it is missing, objects, or finds a gap."""
    if path.stat().st_size < _WORTH_PYARROW or n_columns == 1:  # in one column, an empty line may be an empty cell
        return None
    try:
        from pyarrow import ArrowException, float64
        from pyarrow import csv as arrow_csv
    except ImportError:
        return None
    names = [str(index) for index in range(n_columns)]
    try:
        table = arrow_csv.read_csv(
            path,
            arrow_csv.ReadOptions(column_names=names, skip_rows=skip),
            arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            arrow_csv.ConvertOptions(
                include_columns=[names[index] for index in chosen],
                column_types={names[index]: float64() for index in chosen},
            ),
        )
    except ArrowException:
        return None
    values = np.empty((table.num_rows, len(chosen)))
    for position, index in enumerate(chosen):
        column = table[names[index]]
        if column.null_count:
            return None
        values[:, position] = column.to_numpy()
    return values if np.isfinite(values).all() else None


def _careful(path, delimiter, names, n_columns, chosen, skip):
    """The chosen columns by the csv module; ValueError names the first cell that is not a finite number."""
    parts = []
    with _open(path) as file:
        for _ in range(skip):
            next(file)
        rows = _numbered_rows(path, csv.reader(file, delimiter=delimiter), n_columns, skip)
        while batch := list(itertools.islice(rows, _ROWS_AT_A_TIME)):
            parts.append(_numbers(path, batch, names, chosen))
    return np.concatenate(parts) if parts else np.empty((0, len(chosen)))


def _numbered_rows(path, reader, n_columns, skip):
    """(line, cells) of every row that is not empty. With one column, only empty rows at the end pass."""
    empty = None
    for row in reader:
        line = skip + reader.line_num
        if not row:
            empty = empty or line
            continue
        if n_columns == 1 and empty:
            raise ValueError(f"{path}: row {empty}, column 1 is empty; every cell must be a finite number")
        if len(row) != n_columns:
            raise ValueError(
                f"{path}: row {line} has {len(row)} cells; every row must have {n_columns}, like the first"
            )
        yield line, row


def _numbers(path, batch, names, chosen):
    cells = [row[index] for _, row in batch for index in chosen]
    try:
        values = np.fromiter(map(float, cells), np.float64, len(cells))
        if np.isfinite(values).all() and "_" not in "".join(cells):
            return values.reshape(len(batch), len(chosen))
    except ValueError:
        pass
    for line, row in batch:
        for index in chosen:
            cell = row[index].strip()
            if not _is_number(cell) or not np.isfinite(float(cell)):
                what = repr(cell) if cell else "empty"
                hint = "" if _is_number(cell) or not cell else " (choose columns with --columns)"
                raise ValueError(
                    f"{path}: row {line}, {describe(index, names)} is {what}; every cell must be a finite number{hint}"
                )
    raise AssertionError("a bad cell was seen and then not found")
