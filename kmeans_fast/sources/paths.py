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


class Paths:
    """A path, a pattern, a directory, or a list of them."""

    @classmethod
    def of(cls, X):
        several = isinstance(X, (list, tuple)) and len(X) > 0
        if not (_is_path(X) or (several and all(map(_is_path, X)))):
            return None
        paths = [one for each in (X if several else [X]) for one in matching(each, tuple(_KINDS))]
        kinds = {_KINDS.get(_ending(path)) for path in paths}
        if len(kinds) > 1 or None in kinds:
            endings = ", ".join(sorted({_ending(path) or "none" for path in paths}))
            raise ValueError(f"X names files, which must all end in one of {', '.join(_KINDS)}; got {endings}.")
        kind = kinds.pop()
        if kind is Npy:
            return Npy(paths[0]) if len(paths) == 1 else Chained([Npy(path) for path in paths])
        return kind(paths)
