"""What every reader checks: that the file is there, that memory suffices, that the numbers are finite."""

import numpy as np

from ...engine.memory import shortage
from .columns import describe


def check_file(path):
    """Raise ValueError if `path` is not a file."""
    if path.is_dir():
        raise ValueError(f"{path}: a file is needed, got a directory")
    if not path.exists():
        raise ValueError(f"{path}: no such file")


def narrowest(dtype, is_float32):
    """The dtype to compute in: what `dtype` names, or for "auto" float32 where the data is float32."""
    return np.dtype(("float32" if is_float32 else "float64") if dtype == "auto" else dtype)


def check_memory(path, n_samples, n_features, dtype):
    """Raise MemoryError if an array of this shape does not fit, before it is made."""
    needed = n_samples * n_features * np.dtype(dtype).itemsize
    available = shortage(needed)
    if available is not None:
        raise MemoryError(
            f"{path}: {n_samples:,} rows of {n_features:,} columns as {np.dtype(dtype)} need {needed / 2**30:,.2f} GiB "
            f"and {available / 2**30:,.2f} GiB are available: choose fewer columns with --columns, or --dtype float32"
        )


def check_finite(data, path, names, columns, start=0):
    """Raise ValueError for the first NaN or infinity, naming its row and column.

    Parameters
    ----------
    data : ndarray (n_rows, n_columns)
    path : pathlib.Path
    names : list of str or None
        Of all columns of the file.
    columns : sequence of int
        Positions in the file of the columns of `data`.
    start : int
        Rows of the file that come before those of `data`.
    """
    finite = np.isfinite(data)
    if not finite.all():
        row, column = np.argwhere(~finite)[0].tolist()
        raise ValueError(
            f"{path}: row {start + row + 1}, {describe(columns[column], names)} is {data[row, column]}; every cell "
            "must be a finite number"
        )


def store(target, values, path, names, columns, start):
    """Write `values` (n_rows, n_columns) into `target`, of the dtype to compute in; ValueError where one does not fit.

    The other parameters are those of `check_finite`.
    """
    check_finite(values, path, names, columns, start)
    with np.errstate(over="ignore"):
        target[...] = values
    finite = np.isfinite(target)
    if not finite.all():
        row, column = np.argwhere(~finite)[0].tolist()
        raise ValueError(
            f"{path}: row {start + row + 1}, {describe(columns[column], names)} is {values[row, column]}, too large "
            f"for {target.dtype}: use --dtype float64"
        )
