"""Rows of the data that the host wants to see."""

import numpy as np

from .device import allocate, upload

_SAMPLE = 1024  # rows


def gathered(launcher, X, numbers):
    """The rows of these numbers, on the host."""
    device, d = launcher.device, X.shape[1]
    rows = upload(device, np.asarray(numbers, np.int64), "row numbers")
    out = allocate(device, (len(numbers), d), X.dtype, f"{len(numbers):,} rows of the data")
    launcher.run("rows", "gather_rows", out.size, X=X, d=d, rows=rows, m=len(numbers), out=out)
    return device.download(out)


def sample(launcher, X):
    """Some rows of X, evenly spread, on the host."""
    return gathered(launcher, X, np.arange(0, len(X), -(-len(X) // _SAMPLE)))
