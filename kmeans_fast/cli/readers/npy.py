""".npy files in: one array, mapped into memory; what is not as it is wanted is copied once, block by block."""

import tokenize

import numpy as np

from .collected import Collected, arrow_texts, narrowest
from .columns import left_out

_BLOCK = 1 << 22  # values


def load_array(path):
    """The array of a .npy file as a read-only memory map; ValueError if the file holds anything else than one array of
    real numbers.
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


def read_npy(path, selection, dtype="auto", progress=None, collect=Collected, most=None):
    """Read the chosen columns of a .npy file; parameters as of `kmeans_fast.cli.readers.read`. Yields its result.

    `collect` makes what rows are added to, at most about so many numbers at a time, and what it hands on is yielded
    before.

    The data is the memory map itself where all of it is wanted as it is.
    """
    array = load_array(path)
    if array.ndim != 2:
        raise ValueError(f"{path}: the array must have 2 dimensions (rows, columns), got shape {array.shape}")
    n_samples, n_columns = array.shape
    chosen = selection.chosen(None, n_columns)
    dtype = narrowest(dtype, array.dtype == np.float32)
    whole = chosen.numbers == list(range(n_columns))
    as_it_is = whole and array.dtype == dtype and array.flags.c_contiguous
    data = array if as_it_is else dtype
    table = collect(path, None, chosen, data, n_samples, progress, selection.prepares)
    step = max(1, min(most or _BLOCK, _BLOCK) // max(1, n_columns))
    for start in range(0, n_samples, step):
        block = array[start : start + step]
        texts = [arrow_texts(block[:, column]) for column in chosen.texts]
        yield from table.add(block if whole and chosen.weights is None else block[:, table.chosen], texts=texts)
    yield table.result(left_out([*table.chosen, *chosen.texts], None, n_columns))
