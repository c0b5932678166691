"""What is known of the columns of the data before a fit: their ranges, and exact sums."""

import numpy as np

from ...kernels import scaling
from ...kernels.cuda import sources
from .device import allocate, upload

_NO_BIT = np.iinfo(np.uint64).max


def limb_bits(n_samples):
    """Bits of a limb so that the sum of n of them fits 62 bits."""
    return 62 - int(n_samples).bit_length()


def column_ranges(launcher, X, weights):
    """The largest magnitude and the lowest set bit of every column of ``w_i * x_i``, as values; last, of ``w_i``."""
    device, (n, d) = launcher.device, X.shape
    columns = d + (weights is not None)
    largest = allocate(device, columns, np.uint64, "column statistics", fill=0)
    lowest = allocate(device, columns, np.uint64, "column statistics", fill=_NO_BIT)
    launcher.run(
        "column_statistics", "column_ranges", n, rows_a_block=max(1, sources.THREADS // columns),
        X=X, weights=weights, n=n, d=d, largest=largest, lowest=lowest,
    )  # fmt: skip
    lowest = device.download(lowest)
    lowest[lowest == _NO_BIT] = 0
    return device.download(largest).view(np.float64), lowest.view(np.float64)


def planned_limbs(launcher, X, weights):
    """The units (columns,) and the number of limbs for the weighted rows of X, and the bits of a limb."""
    largest, lowest = column_ranges(launcher, X, weights)
    bits = limb_bits(len(X))
    return (*scaling.limbs(largest, lowest, bits), bits)


def column_means(launcher, X, cut):
    """The exact column means (d,), without weights; `cut` is `planned_limbs` of them."""
    device, (n, d) = launcher.device, X.shape
    exponent, limbs, bits = cut
    cells = allocate(device, limbs * d, np.int64, "column sums", fill=0)
    unit = upload(device, exponent.astype(np.int32), "column sums")
    launcher.run(
        "column_statistics", "column_sums", n, rows_a_block=max(1, sources.THREADS // d),
        X=X, n=n, d=d, unit=unit, limbs=limbs, limb_bits=bits, cells=cells,
    )  # fmt: skip
    digits = device.download(cells).reshape(limbs, d).tolist()
    return np.array([_rounded([row[j] for row in digits], int(exponent[j]), bits) for j in range(d)]) / n


def _rounded(digits, exponent, bits):
    """``sum(digits[l] * 2**(bits * l)) * 2**exponent``, rounded once."""
    total = sum(digit << (bits * limb) for limb, digit in enumerate(digits))
    return total / (1 << -exponent) if exponent < 0 else float(total << exponent)


def inertia(launcher, X, weights, centroids, labels):
    """The exact sum of ``w_i * D(x_i, c_label)``, rounded once; `labels` None: all zero. Arrays are on the device."""
    device, (n, d) = launcher.device, X.shape
    bins = allocate(device, sources.BINS, np.int64, "inertia", fill=0)
    out = allocate(device, 1, np.float64, "inertia")
    launcher.run(
        "distances", "inertia_bins", n,
        X=X, n=n, d=d, centroids=centroids, labels=labels, weights=weights, bins=bins,
    )  # fmt: skip
    launcher.prepare("distances", "bins_total", 1, bins=bins, out=out)()
    return float(device.download(out)[0])
