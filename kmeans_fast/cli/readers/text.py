"""Text files in, piece by piece: the first rows tell what the table is, all rows are checked and then parsed."""

import functools
import itertools

import numpy as np

from ...messages import counted
from .collected import Collected
from .columns import left_out
from .head import has_a_sample, read_head, refuse_unclear
from .numbers import parse
from .rows import checked_quotes, rows_of, whole_rows, without_comments
from .source import Piece, Source, bytes_for


def parts(source, options):
    """(head, piece) of the rows of an open `Source` below its header, of which some may be none."""
    head = None
    for piece in _with_a_sample(source.pieces(whole_rows if options.quotes == "yes" else None), options.quotes):
        if head is None:
            head = read_head(piece, options, source.path)
            if head is None:
                continue
            piece = head.rest
        yield head, piece


def _with_a_sample(pieces, quotes):
    """Pieces, the first ones put together until they have the rows that tell what the table is: these do not depend on
    how long pieces are.
    """
    first = None
    for piece in pieces:
        first = piece if first is None else Piece(first.text + piece.text, first.line, piece.share)
        if has_a_sample(first, quotes):
            yield first
            break
    else:
        yield from [] if first is None else [first]
    yield from pieces


def read_text(path, selection, options, dtype="auto", progress=None, collect=Collected, most=None):
    """Read the chosen columns of a text file; parameters as of `kmeans_fast.cli.readers.read`. Yields its result.

    `collect` makes what rows are added to, at most about so many numbers at a time, and what it hands on is yielded
    before.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ImportError("reading text needs pyarrow: install it (the extra 'cli'); .npy is read without") from error
    table, n_comments, gap = None, 0, None
    with Source(path, options.encoding, bytes_for(most)) as source:
        for head, piece in parts(source, options):
            if table is None:
                n_comments = head.n_comments
                chosen = selection.chosen(head.names, head.n_columns, head.left_out, head.texts)
                if selection.by_default:
                    refuse_unclear(head, chosen, selection, path)
                kind = np.float32 if dtype == "float32" else np.float64
                table = collect(path, head.names, chosen, kind, progress=progress, missing=selection.prepares)
            text, more = without_comments(piece.text, head.dialect.delimiter)
            n_comments += more
            text = checked_quotes(text, piece.line, head.dialect, path)
            if head.n_columns == 1:  # a missing cell, too, for it cannot be told from the end of the file
                gap = _check_gap(piece, text, gap, head, path)
            block, texts = parse(text, piece.line, head, table.chosen, path, chosen.texts, selection.prepares)
            if len(block if isinstance(block, np.ndarray) else [*block, *texts][0]):
                yield from table.add(block, piece.share, functools.partial(_line_of, text, piece, head), texts)
    if table is None:
        raise ValueError(f"{path}: at least one row is needed, got an empty file")
    used = [*table.chosen, *chosen.texts]
    notes = [*head.notes, *left_out(used, head.names, head.n_columns, head.left_out)]
    if n_comments:
        notes.append(f"left out: {counted(n_comments, 'comment')} (#)")
    if source.encoding == "utf-16" and options.encoding is None:
        notes.append("the text is UTF-16 (--encoding)")
    yield table.result(notes)


def _line_of(text, piece, head, row):
    """The line of the file that a row of a piece begins in."""
    return next(itertools.islice(rows_of(text, piece.line, head.dialect), row, None))[0]


def _check_gap(piece, text, gap, head, path):
    """The first empty line of a table of one column, which may be an empty cell: only those at the end pass."""
    if gap is None:
        lines = enumerate(piece.text.split(b"\n")[:-1], piece.line)
        gap = next((number for number, line in lines if not line.strip()), None)
    if gap is not None and any(line > gap for line, _ in rows_of(text, piece.line, head.dialect)):
        raise ValueError(f"{path}: row {gap}, column 1 is empty; every cell must be a finite number")
    return gap
