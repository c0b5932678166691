"""Arrays of rows that memory has no room for: in files without a name, which vanish with them."""

import os
import tempfile

import numpy as np

from .memory import allowed_for_states


def empty(n, dtype):
    """An array (n,) of any values in a file of the directory for temporary files (TMPDIR).

    Raises
    ------
    OSError
        If the disk has no room for it.
    """
    size = n * np.dtype(dtype).itemsize
    with tempfile.TemporaryFile() as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)  # a hole that a full disk cannot fill would end the process
        return np.memmap(file, dtype, "r+", shape=(n,)).view(np.ndarray)


def empty_where_there_is_room(n, dtype):
    """An array (n,) of any values: in memory if there is room for it, else in a file."""
    fits = n * np.dtype(dtype).itemsize <= allowed_for_states()
    return np.empty(n, dtype) if fits else empty(n, dtype)
