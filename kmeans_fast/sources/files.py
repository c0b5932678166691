"""What files tell of themselves without being read."""

import glob
import os
from pathlib import Path

_PACKED = (".gz", ".bz2", ".zst")


def stamp_of(paths):
    """The sizes and times of files by their names, which change whenever the files do."""
    return tuple((path, *_looks(path)) for path in paths)


def _looks(path):
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def unpacked(path):
    """A path without the ending that says how the file is packed."""
    stem, ending = os.path.splitext(os.fspath(path))
    return stem if ending.lower() in _PACKED else os.fspath(path)


def matching(path, endings):
    """The files that a path stands for, a pattern or a directory included, in the order of their names.

    Raises
    ------
    ValueError
        If there is none.
    """
    path = os.path.expanduser(os.fspath(path))
    if os.path.isdir(path):
        found = sorted(str(one) for one in Path(path).rglob("*") if Path(unpacked(one)).suffix.lower() in endings)
        what = f"a file that ends in {' or '.join(endings)}"
    elif os.path.exists(path):
        return [path]
    else:
        found = sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) else []
        what = "such a file"
    if not found:
        raise ValueError(f"{path}: there must be {what}, and there is none.")
    return found
