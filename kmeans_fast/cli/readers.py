"""Files in: `read` gives a .npy, text or Parquet file as an array of finite numbers, or says which cell is not one."""

from typing import NamedTuple

import numpy as np

from .columns import Selection, describe

_TEXT = (".csv", ".tsv", ".txt")
_PARQUET = (".parquet", ".pq")
_CHECKED_ROWS = 1 << 16


class Table(NamedTuple):
    """What was read.

    Attributes
    ----------
    data : ndarray (n_samples, n_features), float32 or float64
        A read-only memory map where the file allows it.
    names : list of str or None
        Of the features.
    weights : ndarray (n_samples,) float64, or None
    """

    data: np.ndarray
    names: list[str] | None
    weights: np.ndarray | None


def read(path, selection=None, *, header="auto", delimiter=None, dtype="auto"):
    """Read a table of numbers.

    Parameters
    ----------
    path : pathlib.Path
        .npy, .csv, .tsv, .txt, .parquet or .pq.
    selection : Selection, optional
        Default: all columns are features.
    header : {"auto", "yes", "no"}
        Of a text file.
    delimiter : str, optional
        Of a text file; default: found from its first rows.
    dtype : {"auto", "float32", "float64"}
        auto: float32 stays float32, all else becomes float64.

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        If there is no such file, or it is damaged, of an unknown kind, or has a cell that is not a finite number.
    ImportError
        For Parquet without pyarrow.
    """
    check_file(path)
    selection = selection or Selection()
    ending = path.suffix.lower()
    if ending == ".npy":
        table = _read_npy(path, selection, dtype)
    elif ending in _TEXT:
        from .csv_reader import read_csv

        table = Table(*read_csv(path, selection, header, delimiter, dtype))
    elif ending in _PARQUET:
        from .parquet_reader import read_parquet

        table = Table(*read_parquet(path, selection, dtype))
    else:
        known = ", ".join((".npy", *_TEXT, *_PARQUET))
        raise ValueError(f"{path}: the file's ending must be one of {known}, got {ending!r}")
    if len(table.data) == 0:
        raise ValueError(f"{path}: at least one row is needed, got none")
    return table


def check_file(path):
    """Raise ValueError if `path` is not a file."""
    if path.is_dir():
        raise ValueError(f"{path}: a file is needed, got a directory")
    if not path.exists():
        raise ValueError(f"{path}: no such file")


def load_array(path):
    """The real numbers of a .npy file as a read-only memory map; ValueError if it holds anything else."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, SyntaxError) as error:
        raise ValueError(f"{path}: not a .npy file of numbers: {error}") from error
    if not isinstance(array, np.ndarray):  # np.load looks at the content, and opens an .npz under any name
        array.close()
        raise ValueError(f"{path}: not a .npy file of numbers but an archive")
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{path}: the array must hold real numbers, got dtype {array.dtype}")
    return array


def narrowest(dtype, is_float32):
    """The dtype to compute in: what `dtype` names, or for "auto" float32 where the data is float32."""
    return np.dtype(("float32" if is_float32 else "float64") if dtype == "auto" else dtype)


def check_finite(data, path, names=None, columns=None):
    """Raise ValueError naming row and column (from 1) of a NaN or infinity; `columns` are positions in the file."""
    for start in range(0, len(data), _CHECKED_ROWS):
        finite = np.isfinite(data[start : start + _CHECKED_ROWS])
        if not finite.all():
            row, column = np.argwhere(~finite)[0].tolist()
            at = columns[column] if columns else column
            raise ValueError(
                f"{path}: row {start + row + 1}, {describe(at, names)} is {data[start + row, column]}; every cell must "
                "be a finite number"
            )


def _read_npy(path, selection, dtype):
    array = load_array(path)
    if array.ndim != 2:
        raise ValueError(f"{path}: the array must have 2 dimensions (rows, columns), got shape {array.shape}")
    features, weights = selection.resolve(None, array.shape[1])
    if weights is not None:
        weights = np.array(array[:, weights], np.float64)
    if features != list(range(array.shape[1])):
        array = array[:, features]
    dtype = narrowest(dtype, array.dtype == np.float32)
    with np.errstate(over="ignore"):  # a value too large for float32 is found below, with its place
        data = np.ascontiguousarray(array, dtype)
    check_finite(data, path, None, features)
    return Table(data, None, weights)
