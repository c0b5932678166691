"""Rows of the data, one after the other: on the device, or for the host to see."""

import numpy as np

from .device import allocate, upload

_SAMPLE = 1024  # rows


class OnDevice:
    """Rows (m, d) that are on the device already, wherever those of the caller are."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __len__(self):
        return self.shape[0]


def there(device, array, what, on_host):
    """An array of the caller's on the device: `OnDevice`, or brought there if it is `on_host`."""
    if isinstance(array, OnDevice):
        return array.array
    return upload(device, array, what) if on_host else array


def gathered(launcher, X, numbers, one_zero=False):
    """The rows of these numbers, which are on the host or the device, on the device in the type computed in."""
    device, d = launcher.device, X.shape[1]
    rows = upload(device, np.asarray(numbers, np.int64), "row numbers") if isinstance(numbers, np.ndarray) else numbers
    out = allocate(device, (len(numbers), d), launcher.dtype, f"{len(numbers):,} rows of the data")
    launcher.run("rows", "gather_rows", out.size, X=X, d=d, rows=rows, m=len(numbers), one_zero=one_zero, out=out)
    return out


def seen(launcher, X, numbers):
    """The rows of these numbers on the host."""
    return launcher.device.download(gathered(launcher, X, numbers))


def row_hashes(launcher, X):
    """The hashes (n,) of all rows, on the device."""
    hashes = allocate(launcher.device, len(X), np.uint64, "the hashes of the rows")
    launcher.run("rows", "row_hashes", len(X), X=X, n=len(X), d=X.shape[1], hashes=hashes)
    return hashes


def sample(launcher, X):
    """Some rows of X, evenly spread, on the host."""
    return seen(launcher, X, np.arange(0, len(X), -(-len(X) // _SAMPLE)))
