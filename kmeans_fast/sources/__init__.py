"""Where rows come from when they are not one array. A new source is a file here and a line in `SOURCES`.

Whatever takes rows takes these too: paths of .npy, Parquet and CSV files, patterns and directories; `Npy`, `Parquet`
and `Csv`, where there is more to say of them; tables and readers of Arrow; datasets of h5py, Zarr and xarray, and what
else has a shape, a dtype and slices; lists of arrays; functions that return an iterable of chunks. What fits into
memory becomes one array. The rest is read anew in each pass, with the same answer.
"""

from typing import Any

import numpy as np

from .arrow import ArrowReader, ArrowTable
from .csv import Csv
from .generated import Generated, Iterated
from .npy import Mapped, Npy
from .parquet import Parquet
from .paths import Paths
from .protocol import Source
from .several_arrays import SeveralArrays
from .sliced import Sliced

__all__ = ["Csv", "Npy", "Parquet"]

SOURCES: tuple[Any, ...] = (
    SeveralArrays, Paths, Npy, Parquet, Csv, Mapped, ArrowTable, ArrowReader, Sliced, Iterated, Generated,
)  # fmt: skip


def source_of(X: Any) -> Source | None:
    """The source that X stands for; None where X is an array-like."""
    if type(X) is np.ndarray:
        return None
    for kind in SOURCES:
        source = kind.of(X)
        if source is not None:
            return source
    return None
