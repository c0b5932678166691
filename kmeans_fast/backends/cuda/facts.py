"""What is read off the data on the device before a fit."""

import numpy as np

from ...kernels import scaling
from ...kernels.cuda import sources
from .device import allocate, upload
from .planning import limb_bits

_SAMPLE = 1024  # rows


def _column_range(launcher, X, weights):
    """The largest magnitude and the lowest set bit of every column, as values."""
    device, (n, d) = launcher.device, X.shape
    columns = d + (weights is not None)
    largest = allocate(device, columns, np.uint64, "facts", fill=0)
    lowest = allocate(device, columns, np.uint64, "facts", fill=np.iinfo(np.uint64).max)
    launcher.run(
        "facts", "column_range", n, rows_a_block=max(1, sources.THREADS // columns),
        X=X, weights=weights, n=n, d=d, largest=largest, lowest=lowest,
    )  # fmt: skip
    lowest = device.download(lowest)
    lowest[lowest == np.iinfo(np.uint64).max] = 0
    return device.download(largest).view(np.float64), lowest.view(np.float64)


def planned_limbs(launcher, X, weights):
    """The units (columns,) and the number of limbs for the weighted rows of X, and the bits of a limb."""
    largest, lowest = _column_range(launcher, X, weights)
    bits = limb_bits(len(X))
    return (*scaling.limbs(largest, lowest, bits), bits)


def column_means(launcher, X, cut):
    """The exact column means (d,), without weights; `cut` is `planned_limbs` of them."""
    device, (n, d) = launcher.device, X.shape
    exponent, limbs, bits = cut
    cells = allocate(device, limbs * d, np.int64, "column sums", fill=0)
    unit = upload(device, exponent.astype(np.int32), "column sums")
    launcher.run(
        "facts", "column_sums", n, rows_a_block=max(1, sources.THREADS // d),
        X=X, n=n, d=d, unit=unit, limbs=limbs, limb_bits=bits, cells=cells,
    )  # fmt: skip
    digits = device.download(cells).reshape(limbs, d).tolist()
    return np.array([_rounded([row[j] for row in digits], int(exponent[j]), bits) for j in range(d)]) / n


def _rounded(digits, exponent, bits):
    """``sum(digits[l] * 2**(bits * l)) * 2**exponent``, rounded once."""
    total = sum(digit << (bits * limb) for limb, digit in enumerate(digits))
    return total / (1 << -exponent) if exponent < 0 else float(total << exponent)


def sample(launcher, X):
    """Some rows of X, on the host."""
    return gathered(launcher, X, np.arange(0, len(X), -(-len(X) // _SAMPLE)))


def gathered(launcher, X, numbers):
    """The rows of these numbers, on the host."""
    device, d = launcher.device, X.shape[1]
    rows = upload(device, np.asarray(numbers, np.int64), "row numbers")
    out = allocate(device, (len(numbers), d), X.dtype, f"{len(numbers):,} rows of the data")
    launcher.run("facts", "gather_rows", out.size, X=X, d=d, rows=rows, m=len(numbers), out=out)
    return device.download(out)


def inertia(launcher, X, weights, centroids, labels):
    """The exact sum of ``w_i * D(x_i, c_label)``, rounded once; `labels` None: all zero. `centroids` and the rest are on the device."""
    device, (n, d) = launcher.device, X.shape
    bins = allocate(device, sources.BINS, np.int64, "inertia", fill=0)
    out = allocate(device, 1, np.float64, "inertia")
    launcher.run(
        "distances", "inertia_bins", n, X=X, n=n, d=d, centroids=centroids, labels=labels, weights=weights, bins=bins
    )
    launcher.prepare("distances", "bins_total", 1, bins=bins, out=out)()
    return float(device.download(out)[0])
