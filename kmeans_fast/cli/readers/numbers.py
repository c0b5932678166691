"""Rows of text to numbers: by pyarrow where there is much of it, else by pandas.

Both round correctly, so they give the same numbers. What neither reads is looked for cell by cell, so that the message
names the place.
"""

import io
import itertools

import numpy as np

from .columns import describe
from .header import is_number
from .rows import BLANKS, cells

_WORTH_PYARROW = 1 << 20  # bytes; below, pandas is as fast
_WIDE = 64  # columns above which it is faster to read one column of all cells and to fold it
_BOOLEANS = (b"rue", b"RUE", b"alse", b"ALSE")  # pandas takes True for 1


def parse(rows, dialect, n_columns, chosen, names, path):
    """The chosen columns of checked rows.

    Parameters
    ----------
    rows : kmeans_fast.cli.readers.rows.Rows
    dialect : kmeans_fast.cli.readers.rows.Dialect
    n_columns : int
    chosen : list of int
    names : list of str or None
        Of all columns.
    path : pathlib.Path

    Returns
    -------
    ndarray (n_rows, len(chosen)), float64, finite

    Raises
    ------
    ValueError
        For a cell that is not a finite number; the message names its line and column.
    """
    tried = [by_pyarrow] if len(rows.text) >= _WORTH_PYARROW else []
    for parser in (*tried, by_pandas):
        values = parser(rows, dialect, n_columns, chosen)
        if values is not None and values.shape == (len(rows.lines), len(chosen)) and np.isfinite(values).all():
            return values
    raise _refused(rows, dialect, chosen, names, path)


def by_pandas(rows, dialect, n_columns, chosen):
    """The chosen columns by pandas; None where it finds something else than numbers."""
    import pandas

    if any(word in rows.text for word in _BOOLEANS):
        cells_of_rows = (cells(rows.row(index), dialect) for index in range(len(rows.lines)))
        if not all(is_number(row[column].text, dialect.decimal) for row in cells_of_rows for column in chosen):
            return None
    text, width, delimiter = _folded(rows, dialect, n_columns, chosen)
    options = {} if _is_exact(pandas) else {"float_precision": "round_trip"}
    columns = [0] if width == 1 else chosen
    try:
        frame = pandas.read_csv(
            io.BytesIO(text),
            sep=r"\s+" if delimiter == BLANKS else delimiter,
            header=None,
            names=range(width),
            usecols=sorted(set(columns)),
            index_col=False,
            dtype=np.float64,
            na_filter=False,
            skipinitialspace=True,
            decimal=dialect.decimal,
            quoting=3 if dialect.quotes == "no" else 0,
            engine="c",
            low_memory=False,
            **options,
        )
    except (ValueError, OverflowError):
        return None
    return _unfolded([frame[column].to_numpy() for column in columns], len(rows.lines), n_columns, chosen, width)


def _is_exact(pandas):
    """Whether pandas rounds correctly without being told to, and objects to being told."""
    major, minor = pandas.__version__.split(".")[:2]
    return (int(major), int(minor)) >= (3, 1)


def by_pyarrow(rows, dialect, n_columns, chosen):
    """The chosen columns by pyarrow; None where it is missing or finds something else than numbers."""
    try:
        import pyarrow
        from pyarrow import csv
    except ImportError:
        return None
    text, width, delimiter = _folded(rows, dialect, n_columns, chosen)
    if delimiter == BLANKS:
        return None
    names = [str(index) for index in range(width)]
    columns = names if width == 1 else [names[index] for index in chosen]
    has_quotes = dialect.quotes != "no"
    try:
        table = csv.read_csv(
            pyarrow.BufferReader(text),
            csv.ReadOptions(
                column_names=names,
                block_size=min(max(1 << 20, 2 * int((rows.ends - rows.starts).max())), (1 << 31) - 1),
            ),
            csv.ParseOptions(
                delimiter=delimiter,
                quote_char='"' if has_quotes else False,
                newlines_in_values=dialect.quotes == "yes",
            ),
            csv.ConvertOptions(
                include_columns=list(dict.fromkeys(columns)),
                column_types=dict.fromkeys(columns, pyarrow.float64()),
                null_values=[],
                decimal_point=dialect.decimal,
            ),
        )
    except pyarrow.ArrowException:
        return None
    return _unfolded([table[name].to_numpy() for name in columns], len(rows.lines), n_columns, chosen, width)


def _folded(rows, dialect, n_columns, chosen):
    """(text, its columns, its delimiter) to parse: of many columns, one column of all the cells that are wanted."""
    width = n_columns + dialect.ends_with_delimiter
    as_it_is = rows.text, width, dialect.delimiter
    if n_columns < _WIDE or rows.has_quotes:
        return as_it_is
    wanted = np.zeros(width, bool)
    wanted[chosen] = True
    text = rows.text[rows.starts[0] : rows.ends[-1] + 1]
    if dialect.delimiter == BLANKS:
        return b"\n".join(itertools.compress(text.split(), itertools.cycle(wanted.tolist()))) + b"\n", 1, ";"
    codes = np.frombuffer(text, np.uint8)
    ends_cell = (codes == ord(dialect.delimiter)) | (codes == ord("\n"))
    if np.count_nonzero(ends_cell) != len(rows.lines) * width:  # there are empty lines
        return as_it_is
    if not wanted.all():
        cell = np.cumsum(ends_cell, dtype=np.int32) - ends_cell
        codes = codes[wanted[cell % width]]
    return codes.tobytes().replace(dialect.delimiter.encode(), b"\n"), 1, dialect.delimiter


def _unfolded(columns, n_rows, n_columns, chosen, width):
    """The array (n_rows, len(chosen)) of what was read as `width` columns; None where cells are missing."""
    if width == 1 and n_columns > 1:
        order = sorted(set(chosen))
        if len(columns[0]) != n_rows * len(order):
            return None
        values = columns[0].reshape(n_rows, len(order))
        return values if chosen == order else values[:, np.searchsorted(order, chosen)]
    values = np.empty((len(columns[0]), len(columns)))
    for position, column in enumerate(columns):
        values[:, position] = column
    return values


def _refused(rows, dialect, chosen, names, path):
    """The error for the first of the chosen cells that is not a finite number."""
    for index, line in enumerate(rows.lines.tolist()):
        row = cells(rows.row(index), dialect)
        for column in chosen:
            text = row[column].text
            if not is_number(text, dialect.decimal) or not np.isfinite(float(text.replace(",", "."))):
                return _bad_cell(text, f"{path}: row {line}, {describe(column, names)}", dialect)
    first, last = rows.lines[[0, -1]]
    return ValueError(f"{path}: rows {first} to {last} cannot be read as numbers (see --delimiter and --quotes)")


def _bad_cell(text, where, dialect):
    if not text:
        return ValueError(f"{where} is empty; every cell must be a finite number")
    if is_number(text, dialect.decimal):
        return ValueError(f"{where} is {text!r}, too large for a float64")
    other = ",."[dialect.decimal == ","]
    hint = ""
    if is_number(text, other):
        hint = f" (if the {'comma' if other == ',' else 'point'} is its decimal mark: --decimal {other})"
    elif text.lower().lstrip("+-") not in ("nan", "inf", "infinity"):
        hint = " (choose columns with --columns)"
    return ValueError(f"{where} is {text!r}; every cell must be a finite number{hint}")
