"""Rows of text to numbers: by pyarrow, which rounds correctly and refuses rows of other lengths.

What it does not read is read cell by cell, so that a message names the place.
"""

import math
from array import array

import numpy as np

from ...messages import quoted
from ...preparation.number_texts import PLAINLY, is_number_text
from .collected import has_infinity, is_finite
from .columns import describe
from .header import ABSENT, is_absent, is_number
from .rows import BLANKS, cells_of_table, rows_of

_WORTH_THREADS = 1 << 20  # bytes; fewer are read before threads have started
_WIDE = 64  # columns above which it is faster to read one column of all cells and to fold it


def parse(text, line, head, chosen, path, texts=(), missing=False):
    """The chosen columns, all finite float64: an array (n_rows, len(chosen)), or a list of its columns; and a list of
    Arrow arrays of the columns `texts`.

    `text` are whole rows from `line` of the file on, of which the quotes are checked, without comments. A row of
    another length, and a cell that is not a finite number, is a ValueError that names its line and column; but where
    cells may be missing they are NaN, and null in texts.
    """
    order = sorted(set(chosen))
    found = by_pyarrow(text, head.dialect, head.n_columns, order, texts, missing)
    if found is None or not (is_finite(found[0]) or (missing and not has_infinity(found[0]))):
        found = _by_cells(text, line, head, order, path, texts, missing)
    numbers, cells = found
    if chosen == order:
        return numbers, cells
    places = np.searchsorted(order, chosen)
    numbers = numbers[:, places] if isinstance(numbers, np.ndarray) else [numbers[place] for place in places]
    return numbers, cells


def by_pyarrow(text, dialect, n_columns, order, texts=(), missing=False):
    """What `parse` gives of the columns `order`, which ascend, as pyarrow reads them; None where rows are others."""
    import pyarrow
    from pyarrow import csv

    has_quotes, n_cells = dialect.has_quotes(text), None
    names = [str(index) for index in range(n_columns)]
    columns, after_last = [names[index] for index in [*order, *texts]], []
    if dialect.delimiter == BLANKS:
        text = _with_single_blanks(text)
    if dialect.ends_with_delimiter:
        after_last = ["after the last delimiter"]
    elif (
        n_columns >= _WIDE and not has_quotes and not texts
        and (folded := _folded(text, dialect.delimiter, n_columns, order))
    ):  # fmt: skip
        text, n_cells = folded
        names, columns = ["cells"], ["cells"]
    types = dict.fromkeys(columns, pyarrow.float64()) | dict.fromkeys(after_last, pyarrow.binary())
    types |= {names[index]: pyarrow.dictionary(pyarrow.int32(), pyarrow.string()) for index in texts}
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
                null_values=ABSENT if missing else [],
                strings_can_be_null=missing,
                decimal_point=dialect.decimal,
            ),
        )
    except pyarrow.ArrowException:
        return None
    if after_last and table[after_last[0]].unique().to_pylist() not in ([], [b""], [None]):
        return None
    if n_cells is None:
        cells = [table[names[index]].unify_dictionaries().combine_chunks() for index in texts]
        return [table[names[index]].to_numpy() for index in order], cells
    return (table["cells"].to_numpy().reshape(-1, len(order)), []) if len(table) == n_cells else None


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


def _by_cells(text, line, head, order, path, texts, missing):
    """What `parse` gives of the columns `order`, cell by cell; ValueError for the first cell that must not be there."""
    import pyarrow

    found, dialect, bad = array("d"), head.dialect, None
    strings = {index: [] for index in texts}
    for begins, row in rows_of(text, line, dialect):
        where = f"{path}: row {begins}"
        row = cells_of_table(row.decode(), dialect, head.n_columns, where)
        for column in order if bad is None else ():  # after a bad cell, a row of another length may tell why it is one
            cell = row[column].text
            found.append(float(cell.replace(",", ".")) if is_number(cell, dialect.decimal) else math.nan)
            if not math.isfinite(found[-1]) and not (missing and is_absent(cell)):
                bad = _bad_cell(cell, f"{where}, {describe(column, head.names)}", dialect)
                break
        for column, cells in strings.items():
            cells.append(None if missing and is_absent(row[column].text) else row[column].text)
    if bad is not None:
        raise bad
    numbers = np.frombuffer(found).reshape(-1, len(order)) if order else []
    return numbers, [pyarrow.array(cells, pyarrow.string()) for cells in strings.values()]


def _bad_cell(text, where, dialect):
    if not text:
        return ValueError(f"{where} is empty; every cell must be a finite number")
    if is_number(text, dialect.decimal):
        return ValueError(f"{where} is {quoted(text)}, too large for a float64")
    other = ",."[dialect.decimal == ","]
    hint = ""
    if is_number(text, other):
        hint = f" (if the {'comma' if other == ',' else 'point'} is its decimal mark: --decimal {other})"
    elif text.lower() in ("true", "false"):
        hint = " (write 1 for true and 0 for false, as Parquet's booleans count; fit, choose-k and report take them as "
        hint += "--categories)"
    elif is_number_text(text):
        hint = f" ({PLAINLY.replace('.', dialect.decimal)})"
    elif text.lower().lstrip("+-") not in ("nan", "inf", "infinity"):
        hint = " (empty the cell if it has no value; choose columns with --columns; fit, choose-k and report take "
        hint += "texts as --categories)"
    return ValueError(f"{where} is {quoted(text)}; every cell must be a finite number{hint}")
