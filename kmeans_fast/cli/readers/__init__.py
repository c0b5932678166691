"""Files in: `read` gives a .npy, text or Parquet file as an array of finite numbers, or says which cell is not one."""

import numpy as np

from ...messages import counted
from ...preparation.defaults import FEWEST_UNIQUE
from .blocks import Blocks
from .collected import Collected, Table
from .columns import Selection, listed
from .head import TextOptions
from .npy import load_array, read_npy

__all__ = [
    "ENDINGS",
    "Selection",
    "Table",
    "TextOptions",
    "check_file",
    "kind_of",
    "load_array",
    "read",
    "read_blocks",
    "text_options",
]

_TEXT = (".csv", ".tsv", ".txt", ".dat", ".data")
_PACKED = (".gz", ".bz2", ".xz")
_PARQUET = (".parquet", ".pq")
ENDINGS = (".npy", *_PARQUET, *_TEXT)


def text_options(args):
    """The options of a command line that are about text files."""
    return TextOptions(args.header, args.delimiter, args.decimal, args.quotes, args.encoding)


def kind_of(path):
    """What a file's name says that it is, "npy", "text", "parquet" or None, and the ending that says so, unpacked."""
    if str(path) == "-":
        return "text", ""
    ending = path.suffix.lower()
    if ending in _PACKED:
        inner = path.with_suffix("").suffix.lower()
        return (None, ending) if inner in (".npy", *_PARQUET) else ("text", inner)
    kinds = {".npy": "npy", **dict.fromkeys(_TEXT, "text"), **dict.fromkeys(_PARQUET, "parquet")}
    return kinds.get(ending), ending


def check_file(path):
    """Raise ValueError if `path` is not a file."""
    if path.is_dir():
        raise ValueError(f"{path}: a file is needed, got a directory")
    if not path.exists():
        raise ValueError(f"{path}: no such file")


def read(path, selection=None, *, text=None, dtype="auto", progress=None):
    """Read a table of numbers.

    Parameters
    ----------
    path : pathlib.Path
        .npy, .parquet, .pq, .csv, .tsv, .txt, .dat or .data; text may be packed (.gz, .bz2, .xz). ``-`` is text on
        standard input.
    selection : Selection, optional
        Default: all columns are features, but for an index that pandas or R wrote.
    text : TextOptions, optional
        What is known of a text file; the rest is found from its first rows.
    dtype : {"auto", "float32", "float64"}
        auto: float32 stays float32, all else becomes float64.
    progress : callable, optional
        Called as the rows come: ``progress(share, text)``, with the share of the file, 0 to 1 (None where it is not
        known), and the rows in words.

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        If there is no such file, or it is damaged, of an unknown kind or in doubt, or has a cell that is not a finite
        number.
    ImportError
        For Parquet or text without pyarrow.
    MemoryError
        If the data does not fit.
    """
    selection = selection or Selection()
    (found,) = _read(path, selection, text, dtype, progress)
    n_features = found.data.shape[1] + len(found.texts)
    if len(found.data) == 0:
        raise ValueError(f"{path}: at least one row is needed, got none")
    called = f": {listed(found.names)}" if found.names else ""
    size = f"{counted(len(found.data), 'row')}, {counted(n_features, 'column')}{called}"
    told = selection.prepares and len(found.data) >= FEWEST_UNIQUE  # of identifiers: by `health`
    count = selection.by_default and not told
    counters = _counters(found.data, found.rows(), found.names is not None) if count else []
    return found._replace(notes=[size, *found.notes, *counters])


def read_blocks(path, most, selection, *, text=None, dtype="auto", progress=None):
    """As `read`, but the rows come in several tables, at most about so many numbers at a time. The last one has no rows
    and says what there is to say of the file.

    Yields
    ------
    Table
    """
    return _read(path, selection, text, dtype, progress, Blocks, most)


def _read(path, selection, text, dtype, progress, collect=Collected, most=None):
    kind, _ = kind_of(path)
    if str(path) != "-":
        check_file(path)
    if kind == "npy":
        return read_npy(path, selection, dtype, progress, collect, most)
    if kind == "text":
        from .text import read_text

        return read_text(path, selection, text or TextOptions(), dtype, progress, collect, most)
    if kind == "parquet":
        from .parquet import read_parquet

        return read_parquet(path, selection, dtype, progress, collect, most)
    known = ", ".join(ENDINGS)
    raise ValueError(
        f"{path}: the file's ending must be one of {known}, the last five also with {' or '.join(_PACKED)}; got "
        f"{path.suffix!r}"
    )


def _counters(data, rows, named):
    """What to say of columns that number the rows: they are features, for nobody knows whether they should not be."""
    found = []
    for column in np.flatnonzero(np.isin(data[0], (0, 1)) & (data[-1] == data[0] + len(data) - 1)).tolist():
        first = int(data[0, column])
        if len(data) > 2 and np.array_equal(data[:, column], np.arange(first, first + len(data))):
            place = rows.places[column]
            called = f" ({rows.names[place]!r})" if named else ""
            found.append(
                f"feature {place + 1}{called} numbers the rows ({first}, {first + 1}, ...): if it should not count, "
                "choose columns with --columns"
            )
    return found
