""".npy files in: one array, mapped into memory; what is not as it is wanted is copied once, block by block."""

import tokenize

import numpy as np

from .checks import check_finite, check_memory, narrowest, store
from .columns import left_out

_BLOCK = 1 << 22  # values


def load_array(path):
    """The array of a .npy file as a read-only memory map.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    ndarray of float, int or bool

    Raises
    ------
    ValueError
        If the file holds anything else than one such array.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, SyntaxError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path}: not a .npy file of numbers: {error}") from error
    except tokenize.TokenError as error:  # a header that ends early
        raise ValueError(f"{path}: not a .npy file of numbers: its header is damaged") from error
    if not isinstance(array, np.ndarray):  # np.load looks at the content, and opens an .npz under any name
        array.close()
        raise ValueError(f"{path}: not a .npy file of numbers but an archive")
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{path}: the array must hold real numbers, got dtype {array.dtype}")
    more = path.stat().st_size - getattr(array, "offset", 0) - array.nbytes
    if array.size and more > 0:
        raise ValueError(
            f"{path}: {more:,} bytes follow the array of shape {array.shape} that the header tells of: the file is "
            "damaged, or holds several arrays; save the one to read in a file of its own"
        )
    return array


def read_npy(path, selection, dtype="auto", progress=None):
    """Read the chosen columns of a .npy file.

    Parameters
    ----------
    path : pathlib.Path
    selection : kmeans_fast.cli.readers.columns.Selection
    dtype : {"auto", "float32", "float64"}
        auto: float32 stays float32, all else becomes float64.
    progress : callable, optional

    Returns
    -------
    data : ndarray (n_samples, n_features)
        The memory map itself where all of it is wanted as it is.
    names : None
    weights : ndarray (n_samples,) float64, or None
    notes : list of str
    """
    array = load_array(path)
    if array.ndim != 2:
        raise ValueError(f"{path}: the array must have 2 dimensions (rows, columns), got shape {array.shape}")
    n_samples, n_columns = array.shape
    features, weights = selection.resolve(None, n_columns)
    dtype = narrowest(dtype, array.dtype == np.float32)
    notes = []
    if len(features) < n_columns:
        chosen = {*features, weights}
        rest = [index for index in range(n_columns) if index not in chosen]
        notes = [left_out(rest, None)] if rest else []
    whole = features == list(range(n_columns))
    as_it_is = whole and array.dtype == dtype and array.flags.c_contiguous
    if not as_it_is:
        check_memory(path, n_samples, len(features), dtype)
    data = array if as_it_is else np.empty((n_samples, len(features)), dtype)
    step = max(1, _BLOCK // max(1, n_columns))
    for start in range(0, n_samples, step):
        rows = slice(start, start + step)
        block = array[rows] if whole else array[rows][:, features]
        if as_it_is:
            check_finite(block, path, None, features, start)
        else:
            store(data[rows], block, path, None, features, start)
        if progress is not None:
            done = min(start + step, n_samples)
            progress(done / n_samples, f"{done:,} rows")
    if weights is not None:
        weights = np.array(array[:, weights], np.float64)
    return data, None, weights, notes
