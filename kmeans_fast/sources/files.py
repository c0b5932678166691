"""What files tell of themselves without being read."""

import glob
import os
from pathlib import Path


def stamp_of(paths):
    """The sizes and times of files, which change whenever the files do."""
    found = [os.stat(path) for path in paths]
    return tuple((one.st_ino, one.st_size, one.st_mtime_ns) for one in found)


def matching(path, endings):
    """The files that a path stands for, a pattern or a directory included, in the order of their names.

    Raises
    ------
    ValueError
        If there is none.
    """
    path = os.path.expanduser(os.fspath(path))
    if os.path.isdir(path):
        found = sorted(str(one) for one in Path(path).rglob("*") if one.suffix.lower() in endings)
        what = f"a file that ends in {' or '.join(endings)}"
    elif os.path.exists(path):
        return [path]
    else:
        found = sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) else []
        what = "such a file"
    if not found:
        raise ValueError(f"{path}: there must be {what}, and there is none.")
    return found
