"""What the first rows of a text table tell: where cells end, what the columns are called, and which are no features."""

import re
from collections import Counter
from typing import NamedTuple

from ...messages import counted, quoted
from ...preparation.number_texts import PLAINLY, is_number_text
from .columns import describe, numbered
from .header import Judge, is_missing, is_number
from .rows import (
    BLANKS,
    Cell,
    Dialect,
    cells,
    checked_quotes,
    delimiter_name,
    pieces_of_rows,
    without_comment,
    without_comments,
    wrong_length,
)
from .source import Piece

_MOST_ROWS = 100
_MOST_BYTES = 1 << 16  # of the rows that are looked at; more only where three rows are longer
_MOST_COMMENTS = 8 << 20  # bytes without a row, that a row which tells more is looked for behind
_FEWEST_ROWS = 3
_DELIMITERS = ("\t", ";", "|", ",", BLANKS)  # the first wins where several would do
_UNNAMED = re.compile(r"(?:Unnamed: \d+(?:_level_\d+)?(?:\.\d+)*)?")  # what pandas calls a column without a name


class TextOptions(NamedTuple):
    """What the user says about a text file."""

    header: str = "auto"  # whether the first row names the columns: "auto", "yes" or "no"
    delimiter: str | None = None  # one ASCII character, " " for runs of blanks; None: found from the first rows
    decimal: str = "."
    quotes: str = "auto"  # see `Dialect`
    encoding: str | None = None  # None: UTF-8, with or without its mark, or UTF-16 with its mark


class Head(NamedTuple):
    """What the first rows tell."""

    dialect: Dialect
    n_columns: int
    names: list[str] | None
    left_out: dict[int, str]  # columns that are no features, and why
    texts: dict[int, str]  # columns of text, with a cell in words
    unclear: dict[int, str]  # columns without names, which are features only if the user says so
    notes: list[str]
    above: bytes  # the row that names the columns, and what is above it; nothing where no row names them
    n_comments: int  # in it
    rest: Piece  # the rows below it


class _Sample(NamedTuple):
    rows: list[str]
    lines: list[int]  # of the file, that the rows begin in
    after_first: int  # bytes before the second row
    comment: str  # the last one above the first row
    is_full: bool  # whether there are more rows, which are not looked at


def has_a_sample(piece, quotes):
    """Whether `read_head` would look at no more rows if there were more."""
    sample = _sample(piece, quotes)
    return sample.is_full or (not sample.rows and len(piece.text) >= _MOST_COMMENTS)


def read_head(piece, options, path):
    """The `Head` of the table that begins with `piece`, None if it has no row; ValueError if the rows leave it open."""
    sample = _sample(piece, options.quotes)
    if not sample.rows:
        return None
    delimiter = options.delimiter or _found_delimiter(sample.rows, options)
    dialect = Dialect(delimiter, options.decimal, options.quotes)
    first, *below = (cells(without_comment(row, delimiter), dialect) for row in sample.rows)
    notes = [] if options.delimiter or delimiter == "," else [f"cells end at {delimiter_name(delimiter)} (--delimiter)"]
    if delimiter != BLANKS and _ends_with_delimiter(first, below):
        dialect = dialect._replace(ends_with_delimiter=True)
        first, below = first[: len(below[0]) - 1 if below else -1], [row[:-1] for row in below]
        notes.append("the delimiter at the end of every row begins no column")
    checked_quotes(without_comments(piece.text, delimiter)[0], piece.line, dialect, path)
    nameless = options.header != "no" and _lacks_a_name(first, below, dialect, f"{path}: row {sample.lines[0]}")
    first = [Cell("", False), *first] if nameless else first
    for line, row in zip(sample.lines[1:], below, strict=True):
        if len(row) != len(first):
            raise wrong_length(f"{path}: row {line}", len(row), len(first), dialect)
    judge = Judge(first, below)
    if options.header == "auto":
        has_names = judge.names_columns(f"{path}: row {sample.lines[0]}")
        option = "no: it is data" if has_names else "yes: it names the columns"
        notes.append(f"row {sample.lines[0]} {'names the columns' if has_names else 'is data'} (--header {option})")
    else:
        has_names = options.header == "yes"
    if not has_names:
        names = _names_in(sample.comment, len(first), dialect) if options.header == "auto" else None
        if names:
            notes[-1] = "the comment above the first row names the columns (--header no: it does not)"
        texts = _texts(Judge([], [first, *below]), sample.lines, len(first))
        return Head(dialect, len(first), names, {}, texts, {}, notes, b"", 0, piece)
    names = [cell.text for cell in judge.first]
    left_out = _index_columns(names, nameless)
    texts = _texts(judge, sample.lines[1:], len(names))
    above, rest = piece.text[: sample.after_first], piece.text[sample.after_first :]
    n_comments = without_comments(above, delimiter)[1]
    texts = {index: why for index, why in texts.items() if index not in left_out}
    unclear = {index: "has no name" for index, name in enumerate(names) if not name and index not in left_out}
    rest = Piece(rest, piece.line + above.count(b"\n"), piece.share)
    return Head(dialect, len(names), names, left_out, texts, unclear, notes, above, n_comments, rest)


def refuse_unclear(head, chosen, selection, path):
    """Raise ValueError if a column that the user has not spoken of is no clear feature."""
    spoken_of = {chosen.weights, *chosen.texts}
    texts = {} if selection.categories == "drop" else head.texts
    unclear = {index: why for index, why in (texts | head.unclear).items() if index not in spoken_of}
    if not unclear:
        return
    index, why = next(iter(unclear.items()))
    where = describe(index, head.names if head.names and head.names[index] else None)
    others = [i for i in range(head.n_columns) if i not in unclear and i not in head.left_out]
    more = f", one of {len(unclear)} columns that are no clear features" if len(unclear) > 1 else ""
    if not others:
        way_out = (
            f"no column is left (cells end at {delimiter_name(head.dialect.delimiter)}; --delimiter says otherwise)"
        )
    else:
        text = numbered(others)
        way_out = "choose columns with --columns" if text.endswith("...") else f"--columns {text} chooses the others"
    if selection.prepares and index in head.texts:
        way_out += ", --categories auto makes columns of 0 and 1 of texts"
        way_out += ", --categories drop leaves them out" if others else ""
    raise ValueError(f"{path}: {where} {why}{more}; every feature must be a number: {way_out}")


def _sample(piece, quotes):
    rows, lines, comment, size, at, after_first, is_full = [], [], "", 0, 0, 0, False
    for line, raw in pieces_of_rows(piece.text, piece.line, quotes):
        at += len(raw)
        content = raw.strip(b" \t\n")
        if content.startswith(b"#"):
            comment = comment if rows else content.decode()
        elif content:
            is_full = len(rows) >= _FEWEST_ROWS and (len(rows) >= _MOST_ROWS or size > _MOST_BYTES)
            if is_full:
                break
            rows.append(raw.removesuffix(b"\n").decode())
            lines.append(line)
            size += len(raw)
            after_first = after_first or at
    return _Sample(rows, lines, after_first, comment, is_full)


def _found_delimiter(rows, options):
    """The delimiter that cuts the rows into equal numbers of cells, as many of them numbers as can be."""
    best, found = None, "," if options.decimal == "." else ";"
    for delimiter in _DELIMITERS:
        if delimiter == options.decimal:
            continue
        dialect = Dialect(delimiter, options.decimal, options.quotes)
        first, *below = (cells(without_comment(row, delimiter), dialect) for row in rows)
        below = below or [first]
        n_cells, count = Counter(map(len, below)).most_common(1)[0]
        if n_cells < 2:
            continue
        agree = count == len(below) and len(first) in (n_cells, n_cells - 1)
        columns = zip(*(row for row in below if len(row) == n_cells), strict=True)
        share = sum(_looks_numeric(column, delimiter) for column in columns) / n_cells
        rating = (agree, share, count / len(below))
        if best is None or rating > best:
            best, found = rating, delimiter
    return found


def _looks_numeric(column, delimiter):
    """Whether a column holds numbers, with whatever decimal mark."""
    marks = ".," if delimiter != "," else "."
    texts = [cell.text for cell in column if not is_missing(cell.text)]
    return bool(texts) and any(all(is_number(text, mark) for text in texts) for mark in marks)


def _ends_with_delimiter(first, below):
    """Whether every row ends with a delimiter. A last column that is empty but has a name is a column."""
    rows = below or [first]
    n_cells = len(rows[0])
    if n_cells < 2 or any(len(row) != n_cells or row[-1].text or row[-1].quoted for row in rows):
        return False
    return len(first) == n_cells - 1 or (len(first) == n_cells and not first[-1].text)


def _lacks_a_name(first, below, dialect, where):
    """Whether the first row names all columns but the first, as R writes row names; other lengths are refused."""
    widths = {len(row) for row in below}
    if len(widths) != 1 or widths == {len(first)}:
        return False
    (n_cells,) = widths
    texts = [row[0].text for row in below]
    row_names = (
        all(row[0].quoted or not is_number(row[0].text, dialect.decimal) for row in below)
        or texts == [str(1 + index) for index in range(len(texts))]
        or texts == [str(index) for index in range(len(texts))]
    )
    if n_cells == len(first) + 1 and row_names and (len(first) > 1 or first[0].quoted):
        return True
    if len(below) > 1:
        raise ValueError(
            f"{where} has {counted(len(first), 'cell')}, and the rows below it have {n_cells}: if it is a title, "
            "remove it or begin it with # (cells end at "
            f"{delimiter_name(dialect.delimiter)}; --delimiter says otherwise)"
        )
    return False


def _names_in(comment, n_columns, dialect):
    """The names that a comment holds, as ``numpy.savetxt(header=...)`` writes them; None if it holds other words."""
    if not comment:
        return None
    names = [cell.text for cell in cells(comment.lstrip("# \t"), dialect)]
    words = all(name and not is_number(name, dialect.decimal) and not is_missing(name) for name in names)
    return names if len(names) == n_columns == len(set(names)) and words else None


def _index_columns(names, nameless):
    """The first columns without names: an index that pandas or R wrote."""
    found = {}
    for index, name in enumerate(names):
        if not _UNNAMED.fullmatch(name):
            return found
        found[index] = (
            "the header has no name for it" if nameless else "it has no name, like an index that pandas wrote"
        )
    return {}


def _texts(judge, lines, n_columns):
    """The columns that hold text, with a cell of each."""
    found = {}
    for column in range(n_columns):
        if judge.kinds[column] == "text":
            row = next(i for i, row in enumerate(judge.below) if not is_missing(row[column].text))
            cell = judge.below[row][column].text
            plainly = f"; {PLAINLY}" if is_number_text(cell) else ""
            found[column] = f"is text ({quoted(cell)} in row {lines[row]}{plainly})"
    return found
