"""Rows of text to numbers: by pyarrow, which rounds correctly and refuses rows of other lengths.

What it does not read is read cell by cell, so that a message names the place.
"""

import math
from array import array

import numpy as np

from .collected import is_finite
from .columns import describe
from .header import is_number
from .rows import BLANKS, cells_of_table, rows_of

_WORTH_THREADS = 1 << 20  # bytes; fewer are read before threads have started
_WIDE = 64  # columns above which it is faster to read one column of all cells and to fold it


def parse(text, line, head, chosen, path):
    """The chosen columns, all finite float64: an array (n_rows, len(chosen)), or a list of its columns.

    `text` are whole rows from `line` of the file on, of which the quotes are checked, without comments. A row of
    another length, and a cell that is not a finite number, is a ValueError that names its line and column.
    """
    order = sorted(set(chosen))
    found = by_pyarrow(text, head.dialect, head.n_columns, order)
    if found is None or not is_finite(found):
        found = _by_cells(text, line, head, order, path)
    if chosen == order:
        return found
    places = np.searchsorted(order, chosen)
    return found[:, places] if isinstance(found, np.ndarray) else [found[place] for place in places]


def by_pyarrow(text, dialect, n_columns, order):
    """The columns `order`, which ascend, as pyarrow reads them; None where it finds more than numbers in whole rows."""
    import pyarrow
    from pyarrow import csv

    has_quotes, n_cells = dialect.has_quotes(text), None
    names = [str(index) for index in range(n_columns)]
    columns, after_last = [names[index] for index in order], []
    if dialect.delimiter == BLANKS:
        text = _with_single_blanks(text)
    if dialect.ends_with_delimiter:
        after_last = ["after the last delimiter"]
    elif n_columns >= _WIDE and not has_quotes and (folded := _folded(text, dialect.delimiter, n_columns, order)):
        text, n_cells = folded
        names, columns = ["cells"], ["cells"]
    types = dict.fromkeys(columns, pyarrow.float64()) | dict.fromkeys(after_last, pyarrow.binary())
    try:
        table = csv.read_csv(
            pyarrow.BufferReader(text),
            csv.ReadOptions(
                column_names=names + after_last,
                use_threads=len(text) >= _WORTH_THREADS,
                block_size=1 << 20 if len(names) < _WIDE else min(len(text) + 1, (1 << 31) - 1),
            ),
            csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char='"' if has_quotes else False,
                newlines_in_values=dialect.quotes == "yes",
                ignore_empty_lines=n_cells is None,  # of a folded table they are empty cells
            ),
            csv.ConvertOptions(
                include_columns=columns + after_last,
                column_types=types,
                null_values=[],
                decimal_point=dialect.decimal,
            ),
        )
    except pyarrow.ArrowException:
        return None
    if after_last and table[after_last[0]].unique().to_pylist() not in ([], [b""]):
        return None
    if n_cells is None:
        return [table[name].to_numpy() for name in columns]
    return table["cells"].to_numpy().reshape(-1, len(order)) if len(table) == n_cells else None


def _with_single_blanks(text):
    """The text with one space in place of blanks, and none at the ends of rows."""
    text = text.replace(b"\t", b" ")
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text.replace(b"\n ", b"\n").replace(b" \n", b"\n").removeprefix(b" ")


def _folded(text, delimiter, n_columns, order):
    """The cells of a table without quotes, a line each, and how many; None where it has rows of other lengths."""
    codes = np.frombuffer(text, np.uint8)
    ends_cell = (codes == ord(delimiter)) | (codes == ord("\n"))
    ends_row = codes[ends_cell] == ord("\n")
    n_rows, rest = divmod(len(ends_row), n_columns)
    if rest or np.count_nonzero(ends_row) != n_rows or not ends_row[n_columns - 1 :: n_columns].all():
        return None
    if len(order) < n_columns:
        wanted = np.isin(np.arange(n_columns), order)
        cell = np.cumsum(ends_cell, dtype=np.int32) - ends_cell
        codes = codes[wanted[cell % n_columns]]
    return codes.tobytes().replace(delimiter.encode(), b"\n"), n_rows * len(order)


def _by_cells(text, line, head, order, path):
    """The columns `order`; ValueError for the first cell of them that is not a finite number."""
    found, dialect, bad = array("d"), head.dialect, None
    for begins, row in rows_of(text, line, dialect):
        where = f"{path}: row {begins}"
        row = cells_of_table(row.decode(), dialect, head.n_columns, where)
        for column in order if bad is None else ():  # after a bad cell, a row of another length may tell why it is one
            cell = row[column].text
            found.append(float(cell.replace(",", ".")) if is_number(cell, dialect.decimal) else math.nan)
            if not math.isfinite(found[-1]):
                bad = _bad_cell(cell, f"{where}, {describe(column, head.names)}", dialect)
                break
    if bad is not None:
        raise bad
    return np.frombuffer(found).reshape(-1, len(order))


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
