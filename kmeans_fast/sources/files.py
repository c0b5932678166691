"""What files tell of themselves without being read."""

import glob
import os
from pathlib import Path

_PACKED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}


def stamp_of(paths):
    """The sizes and times of files by their names, which change whenever the files do."""
    return tuple((path, *_looks(path)) for path in paths)


def _looks(path):
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def check_name(path):
    """Raise ValueError if the name of a file is none that pyarrow can open."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        raise ValueError(f"{path}: pyarrow opens no file whose name is not UTF-8: rename it.") from None


def unpacked(path):
    """A path without the ending that says how the file is packed."""
    stem, ending = os.path.splitext(os.fspath(path))
    return stem if ending.lower() in _PACKED else os.fspath(path)


def packing(path):
    """How the file is packed, as pyarrow calls it; None: it is not."""
    return _PACKED.get(os.path.splitext(path)[1].lower())


def matching(path, endings):
    """The files that a path stands for, a pattern or a directory included, in the order of their names; of a list of
    paths, those of each.

    Raises
    ------
    ValueError
        If a path stands for none.
    """
    if isinstance(path, (list, tuple)):
        return [file for one in path for file in matching(one, endings)]
    path = os.path.expanduser(os.fspath(path))
    if os.path.isdir(path):
        found, what = _below(path, endings), f"a file that ends in {' or '.join(endings)}"
    elif os.path.exists(path):
        return [path]
    else:
        found = sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) else []
        found = [file for one in found for file in (_below(one, endings) if os.path.isdir(one) else [one])]
        found = list({os.path.abspath(file): file for file in found}.values())  # "**" matches directories and files
        what = "such a file"
    if not found:
        raise ValueError(f"{path}: there must be {what}, and there is none.")
    return found


def _below(directory, endings):
    """Files; what ends so may be a directory, as Spark writes them. Names that begin with "." or "_" are of what is no
    data, or not yet: backups, checkpoints of notebooks, what a program has not finished.
    """
    found = (one for one in Path(directory).rglob("*") if Path(unpacked(one)).suffix.lower() in endings)
    shown = (one for one in found if not any(name[0] in "._" for name in one.relative_to(directory).parts))
    return sorted(str(one) for one in shown if one.is_file())
