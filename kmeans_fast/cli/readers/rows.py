"""Rows of a text table: whether every line is one, and how it is cut into cells.

The checks that keep a misread table from being taken for data. A parser takes a quote that never closes for a cell of a
thousand lines, and fills a row that is too short; here every row must have as many cells as the first, and a quote must
open or close a cell.
"""

import re
from typing import NamedTuple

import numpy as np

from ...messages import counted

BLANKS = " "  # the delimiter that stands for runs of spaces and tabs
_LINE, _QUOTE = ord("\n"), b'"'
_LONGEST_ROW = 64 << 20
_WIDEST_GAP = 256


class Dialect(NamedTuple):
    """How cells and rows are written.

    Attributes
    ----------
    delimiter : str
        One character; `BLANKS`: runs of spaces and tabs.
    decimal : {".", ","}
    quotes : {"auto", "yes", "no"}
        What a double quote does. auto: it encloses cells, within one line; yes: also cells of several lines; no: it is
        a character like any other.
    ends_with_delimiter : bool
        Whether a delimiter stands after every row's last cell, too.
    """

    delimiter: str
    decimal: str = "."
    quotes: str = "auto"
    ends_with_delimiter: bool = False


class Rows(NamedTuple):
    """Rows of one table, checked: all have the same number of cells.

    Attributes
    ----------
    text : bytes
        Without comments; empty lines may stand between the rows.
    starts, ends : ndarray (n_rows,)
        Where each row is in `text`.
    lines : ndarray (n_rows,)
        The line of the file, from 1, that each row begins in.
    n_comments : int
    has_quotes : bool
    empty_lines : ndarray
        The lines of a table of one column that hold nothing, which may stand for a cell.
    """

    text: bytes
    starts: np.ndarray
    ends: np.ndarray
    lines: np.ndarray
    n_comments: int
    has_quotes: bool
    empty_lines: np.ndarray

    def row(self, index):
        """The text of a row."""
        return self.text[self.starts[index] : self.ends[index]].decode()


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


def without_comment(row, delimiter):
    """The row without the comment at its end: from a ``#`` that follows a blank, if no delimiter follows."""
    return _comment_at_end(delimiter).sub(b"", row.encode()).decode() if "#" in row else row


def _without_comments(text, delimiter):
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
    ends, quotes = np.flatnonzero(codes == _LINE), np.flatnonzero(codes == ord(_QUOTE))
    outside = ends[np.searchsorted(quotes, ends) % 2 == 0]
    if len(outside) == 0 and len(text) > _LONGEST_ROW:
        raise ValueError(f"a quote opens a cell that does not end within {_LONGEST_ROW >> 20} MiB (--quotes)")
    return int(outside[-1]) + 1 if len(outside) else 0


def check_rows(piece, dialect, n_columns, path):
    """The rows of a piece of a file.

    Parameters
    ----------
    piece : kmeans_fast.cli.readers.source.Piece
    dialect : Dialect
    n_columns : int
        Cells that every row must have.
    path : pathlib.Path

    Returns
    -------
    Rows

    Raises
    ------
    ValueError
        For a row with more or fewer cells, or a quote that neither opens nor closes a cell.
    """
    empty = []
    if n_columns == 1:
        empty = [piece.line + at for at, line in enumerate(piece.text.split(b"\n")[:-1]) if not line.strip()]
    text, n_comments = _without_comments(piece.text, dialect.delimiter)
    codes = np.frombuffer(text, np.uint8)
    feeds = np.flatnonzero(codes == _LINE)
    has_quotes = dialect.quotes != "no" and _QUOTE in text
    inside = _inside_quotes(text, codes, feeds, dialect, piece.line, path) if has_quotes else None
    ends = feeds if inside is None else feeds[~inside[feeds]]
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.intp)[: len(ends)]
    widths = _widths(text, codes, starts, ends, inside, dialect)
    lines = piece.line + np.searchsorted(feeds, starts)
    expected = n_columns + dialect.ends_with_delimiter
    is_row = widths > 0
    wrong = is_row & (widths != expected)
    if dialect.ends_with_delimiter:
        wrong |= is_row & (codes[ends - 1] != ord(dialect.delimiter))
    if wrong.any():
        row = int(wrong.argmax())
        if widths[row] == expected:
            raise ValueError(
                f"{path}: row {lines[row]} does not end with {dialect.delimiter!r}, and the rows before do"
            )
        raise ValueError(
            f"{path}: row {lines[row]} has {counted(int(widths[row]), 'cell')}; every row must have {expected}, like "
            f"the first (cells end at {delimiter_name(dialect.delimiter)}; --delimiter says otherwise)"
        )
    return Rows(text, starts[is_row], ends[is_row], lines[is_row], n_comments, has_quotes, np.array(empty, np.intp))


def check_quotes(piece, dialect, path):
    """Raise ValueError if a quote neither opens nor closes a cell, or a quoted cell spans lines and may not."""
    if dialect.quotes != "no" and _QUOTE in piece.text:
        text, _ = _without_comments(piece.text, dialect.delimiter)
        codes = np.frombuffer(text, np.uint8)
        _inside_quotes(text, codes, np.flatnonzero(codes == _LINE), dialect, piece.line, path)


def delimiter_name(delimiter):
    """The delimiter in words."""
    return {"\t": "tabs", BLANKS: "blanks"}.get(delimiter, repr(delimiter))


def _widths(text, codes, starts, ends, inside, dialect):
    """Cells in each line; 0 for one that is empty or blank."""
    if dialect.delimiter == BLANKS:
        content = (codes != ord(" ")) & (codes != ord("\t")) & (codes != _LINE)
        if inside is not None:
            content |= inside
        begins = content.copy()
        begins[1:] &= ~content[:-1]
        return np.diff(np.searchsorted(np.flatnonzero(begins), ends), prepend=0)
    is_delimiter = codes == ord(dialect.delimiter)
    if inside is not None:
        is_delimiter &= ~inside
    widths = np.diff(np.searchsorted(np.flatnonzero(is_delimiter), ends), prepend=0) + 1
    widths[starts == ends] = 0
    blanks = _blanks(dialect.delimiter)
    for row in np.flatnonzero(np.isin(codes[starts], list(blanks)) & (widths == 1)):
        if not text[starts[row] : ends[row]].strip(blanks):
            widths[row] = 0
    return widths


def _inside_quotes(text, codes, feeds, dialect, line, path):
    """Which bytes are in a quoted cell: from the quote that opens it to before the one that closes it."""
    quotes = np.flatnonzero(codes == ord(_QUOTE))
    if dialect.quotes == "auto":
        in_line = np.bincount(np.searchsorted(feeds, quotes))
        strays = quotes[[]] if not (in_line % 2).any() else feeds[[int((in_line % 2).argmax())]]
    else:
        strays = quotes[-1:] if len(quotes) % 2 else quotes[[]]
    if not len(strays):
        ends_cell = [ord(" "), ord("\t")] if dialect.delimiter == BLANKS else [ord(dialect.delimiter)]
        allowed = bytes([_LINE, ord(_QUOTE), *ends_cell])
        opening, closing = quotes[::2], quotes[1::2]
        before = np.where(opening == 0, _LINE, codes[opening - 1])
        # Blanks may part a quote from the end of its cell: 1, "a" ,2.
        opening = [at for at in opening[~np.isin(before, list(allowed))].tolist() if _before(text, at) not in allowed]
        closing = closing[~np.isin(codes[closing + 1], list(allowed))].tolist()
        strays = sorted(opening + [at for at in closing if _after(text, at) not in allowed])
    if len(strays):
        row = line + int(np.searchsorted(feeds, strays[0]))
        raise ValueError(
            f'{path}: row {row} has a quote (") that is not at the beginning or end of a cell, or whose cell goes on '
            "in the next line; rows could be lost. --quotes no: a quote is an ordinary character; --quotes yes: quoted "
            "cells may span lines"
        )
    return np.bitwise_xor.accumulate(codes == ord(_QUOTE))


def _before(text, at):
    return text[max(0, at - _WIDEST_GAP) : at].rstrip(b" ")[-1:] or b"\n"


def _after(text, at):
    return text[at + 1 : at + 1 + _WIDEST_GAP].lstrip(b" ")[:1]
