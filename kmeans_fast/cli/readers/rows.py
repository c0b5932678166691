"""Rows of a text table: where they begin, how they are cut into cells, and what keeps a misread table from being data.

A parser takes a quote that never closes for a cell of a thousand lines. Here a quote must open or close a cell, and
every row must have as many cells as the first.
"""

import io
import re
from typing import NamedTuple

import numpy as np

from ...messages import counted

BLANKS = " "  # the delimiter that stands for runs of spaces and tabs
_LINE, _QUOTE = b"\n", b'"'
_LONGEST_ROW = 64 << 20


class Dialect(NamedTuple):
    """How cells and rows are written.

    A double quote encloses cells, within one line ("auto") or also of several lines ("yes"), or is a character like any
    other ("no").
    """

    delimiter: str  # one character; `BLANKS`: runs of spaces and tabs
    decimal: str = "."  # or ","
    quotes: str = "auto"
    ends_with_delimiter: bool = False  # whether a delimiter stands after every row's last cell, too

    def has_quotes(self, text):
        """Whether there are quotes in `text` that enclose cells."""
        return self.quotes != "no" and _QUOTE in text


class Cell(NamedTuple):
    """A cell without the blanks and quotes around it."""

    text: str
    quoted: bool


def cells(row, dialect):
    """The cells of the text of a row, as a list of `Cell`."""
    if dialect.quotes == "no" or '"' not in row:
        if dialect.delimiter == BLANKS:
            return [Cell(text, False) for text in re.findall(r"[^ \t]+", row)]
        return [Cell(text.strip(" \t"), False) for text in row.split(dialect.delimiter)]
    if dialect.delimiter == BLANKS:
        pattern = r'"((?:[^"]|"")*)"|([^ \t]+)'
    else:
        d = re.escape(dialect.delimiter)
        pattern = rf'(?:^|{d})(?: *"((?:[^"]|"")*)" *(?={d}|$)|([^{d}]*))'
    return [
        Cell(match[2].strip(" \t"), False) if match[1] is None else Cell(match[1].replace('""', '"').strip(), True)
        for match in re.finditer(pattern, row)
    ]


def cells_of_table(row, dialect, n_columns, where):
    """The cells of a row of a table of so many columns; ValueError if it has others. `where` is the row in words."""
    found, expected = cells(row, dialect), n_columns + dialect.ends_with_delimiter
    if len(found) != expected:
        raise wrong_length(where, len(found), expected, dialect)
    if dialect.ends_with_delimiter and not row.endswith(dialect.delimiter):
        raise ValueError(f"{where} does not end with {dialect.delimiter!r}, and the rows before do")
    return found


def wrong_length(where, n_cells, expected, dialect):
    """The error for a row of another number of cells."""
    return ValueError(
        f"{where} has {counted(n_cells, 'cell')}; every row must have {expected}, like the first (cells end at "
        f"{delimiter_name(dialect.delimiter)}; --delimiter says otherwise)"
    )


def pieces_of_rows(text, line, quotes):
    """(line that it begins in, its bytes) of every row of `text`, which begins in `line`; blank lines are rows, too."""
    lines = io.BytesIO(text)
    for row in lines:
        begins, is_open = line, quotes == "yes" and row.count(_QUOTE) % 2
        if is_open:
            more = [row]
            while is_open and (row := lines.readline()):
                more.append(row)
                is_open ^= row.count(_QUOTE) % 2
            row = b"".join(more)
        line += row.count(_LINE)
        yield begins, row


def rows_of(text, line, dialect):
    """(line that it begins in, its bytes without the end) of every row of `text`, which has no comments."""
    blanks = _blanks(dialect.delimiter) + _LINE
    for begins, row in pieces_of_rows(text, line, dialect.quotes):
        if row.strip(blanks):
            yield begins, row.removesuffix(_LINE)


def without_comment(row, delimiter):
    """The row without the comment at its end: from a ``#`` that follows a blank, if no delimiter follows."""
    return _comment_at_end(delimiter).sub(b"", row.encode()).decode() if "#" in row else row


def without_comments(text, delimiter):
    """The text with nothing in place of its comments, and their number."""
    if b"#" not in text:
        return text, 0
    text, n_lines = re.subn(rb"(?m)^[%b]*#[^\n]*" % _blanks(delimiter), b"", text)
    text, n_ends = _comment_at_end(delimiter).subn(b"", text)
    return text, n_lines + n_ends


def _blanks(delimiter):
    return b" " if delimiter == "\t" else b" \t"


def _comment_at_end(delimiter):
    more = b"" if delimiter == BLANKS else re.escape(delimiter).encode()
    return re.compile(rb'(?m)[%b]+#[^\n"%b]*$' % (_blanks(delimiter), more))


def whole_rows(text):
    """How many bytes of `text` are whole rows where a quoted cell may hold line feeds."""
    if text.count(_QUOTE) % 2 == 0:
        return len(text)
    codes = np.frombuffer(text, np.uint8)
    ends, quotes = np.flatnonzero(codes == ord(_LINE)), np.flatnonzero(codes == ord(_QUOTE))
    outside = ends[np.searchsorted(quotes, ends) % 2 == 0]
    if len(outside) == 0 and len(text) > _LONGEST_ROW:
        raise ValueError(f"a quote opens a cell that does not end within {_LONGEST_ROW >> 20} MiB (--quotes)")
    return int(outside[-1]) + 1 if len(outside) else 0


def checked_quotes(text, line, dialect, path):
    """`text`, which has no comments, without the spaces around quoted cells.

    If a quote neither opens nor closes a cell, or a quoted cell spans lines and may not, it is a ValueError.
    """
    if not dialect.has_quotes(text):
        return text
    ends_cell = b"\n \t" if dialect.delimiter == BLANKS else _LINE + dialect.delimiter.encode()
    if dialect.delimiter != BLANKS and (_beside(_QUOTE, text) == ord(" ")).any():
        d = re.escape(dialect.delimiter).encode()
        text = re.sub(rb'(?m)" +(?=%b|$)' % d, b'"', re.sub(rb'(?<![^%b\n]) +(?=")' % d, b"", text))
    inside = b'[^"]*' if dialect.quotes == "yes" else rb'[^"\n]*'
    quoted = re.compile(b'"%b(?:""%b)*"' % (inside, inside))

    def is_clean(rows):
        rows = quoted.sub(b"\0", rows)  # a zero, which no text has, for every quoted cell
        return _QUOTE not in rows and np.isin(_beside(b"\0", rows), list(ends_cell)).all()

    if not is_clean(text):
        rows = pieces_of_rows(text, line, dialect.quotes)
        bad = next((begins for begins, row in rows if not is_clean(row)), line)
        raise ValueError(
            f'{path}: row {bad} has a quote (") that is not at the beginning or end of a cell, or whose cell goes on '
            "in the next line; rows could be lost. --quotes no: a quote is an ordinary character; --quotes yes: quoted "
            "cells may span lines"
        )
    return text


def _beside(byte, text):
    """The bytes before and after every `byte` of a text that ends with a line feed."""
    codes = np.frombuffer(_LINE + text, np.uint8)
    at = np.flatnonzero(codes == ord(byte))
    return codes[np.array([at - 1, at + 1])]


def delimiter_name(delimiter):
    """The delimiter in words."""
    return {"\t": "tabs", BLANKS: "blanks"}.get(delimiter, repr(delimiter))
