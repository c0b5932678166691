"""Names of files: the ending says what they hold."""

import os

from .chained import Chained
from .csv import Csv
from .files import matching, unpacked
from .npy import Npy
from .parquet import Parquet

_KINDS = {".npy": Npy, ".parquet": Parquet, ".pq": Parquet, ".csv": Csv, ".tsv": Csv}


def _is_path(X):
    return isinstance(X, (str, os.PathLike))


def _ending(path):
    return os.path.splitext(unpacked(path))[1].lower()


def named(X):
    """The kind of source that a path stands for, or a list of paths, and the files.

    Raises
    ------
    ValueError
        If there are none, or they are not of one kind.
    """
    files = matching(X, tuple(_KINDS))
    kinds = {_KINDS.get(_ending(file)) for file in files}
    if len(kinds) > 1 or None in kinds:
        endings = ", ".join(sorted({_ending(file) or "none" for file in files}))
        raise ValueError(f"X names files, which must all end in one of {', '.join(_KINDS)}; got {endings}.")
    return kinds.pop(), files


class Paths:
    """A path, a pattern, a directory, or a list of them."""

    @classmethod
    def of(cls, X):
        several = isinstance(X, (list, tuple)) and len(X) > 0
        if not (_is_path(X) or (several and all(map(_is_path, X)))):
            return None
        kind, files = named(X)
        if kind is Npy:
            return Npy(files[0]) if len(files) == 1 else Chained([Npy(file) for file in files])
        return kind(files)
