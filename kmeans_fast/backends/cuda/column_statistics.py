"""What is known of the columns of the data before a fit, and exact sums over rows."""

from typing import NamedTuple

import numpy as np

from ...kernels import scaling
from ...kernels.cuda import sources
from .device import allocate, upload

_NO_BIT = np.iinfo(np.uint64).max


def limb_bits(n_samples):
    """Bits of a limb so that the sum of n of them fits 62 bits."""
    return 62 - int(n_samples).bit_length()


class Limbs(NamedTuple):
    """How the values of columns are cut into limbs on the device (`fixed_point.cu`)."""

    exponent: np.ndarray  # (columns,) int64: the lowest unit of each column is 2**exponent
    n_limbs: int
    bits: int

    @classmethod
    def of(cls, ranges, n_samples):
        """The limbs for so many rows whose columns have these `partials.Ranges`."""
        bits = limb_bits(n_samples)
        return cls(*scaling.limbs(ranges.largest, ranges.lowest, bits), bits)

    def in_form(self, form, cells):
        """Sums in limbs (..., n_limbs, columns), on the host, in the limbs of a `partials.Form`.

        The form's unit divides all values, and so what a limb has of them: nothing is lost.
        """
        return sum(
            form.of_integers(cells[..., limb, :], self.exponent + self.bits * limb) for limb in range(self.n_limbs)
        )


def column_ranges(launcher, X, weights):
    """The largest magnitude and the lowest set bit of every column of ``w_i * x_i``, as values; last, of ``w_i``.

    The lowest bit of a column of zeros is infinity.
    """
    device, (n, d) = launcher.device, X.shape
    columns = d + (weights is not None)
    largest = allocate(device, columns, np.uint64, "column statistics", fill=0)
    lowest = allocate(device, columns, np.uint64, "column statistics", fill=_NO_BIT)
    launcher.run(
        "column_statistics", "column_ranges", n, rows_a_block=max(1, sources.THREADS // columns),
        X=X, weights=weights, n=n, d=d, largest=largest, lowest=lowest,
    )  # fmt: skip
    lowest = device.download(lowest)
    return device.download(largest).view(np.float64), np.where(lowest == _NO_BIT, np.inf, lowest.view(np.float64))


def column_sums(launcher, X, limbs):
    """The exact sums of the columns in `limbs`, without weights: (n_limbs, d) on the host."""
    device, (n, d) = launcher.device, X.shape
    cells = allocate(device, limbs.n_limbs * d, np.int64, "column sums", fill=0)
    unit = upload(device, limbs.exponent.astype(np.int32), "column sums")
    launcher.run(
        "column_statistics", "column_sums", n, rows_a_block=max(1, sources.THREADS // d),
        X=X, n=n, d=d, unit=unit, limbs=limbs.n_limbs, limb_bits=limbs.bits, cells=cells,
    )  # fmt: skip
    return device.download(cells).reshape(limbs.n_limbs, d)


def exact_inertia(launcher, X, weights, centroids, labels):
    """The exact sum of ``w_i * D(x_i, c_label)`` in units of the least float64; `labels` None: all zero.

    Arrays are on the device.
    """
    device, (n, d) = launcher.device, X.shape
    bins = allocate(device, sources.BINS, np.int64, "inertia", fill=0)
    launcher.run(
        "distances", "inertia_bins", n,
        X=X, n=n, d=d, centroids=centroids, labels=labels, weights=weights, bins=bins,
    )  # fmt: skip
    bins = device.download(bins)
    return sum(int(bins[place]) << int(place) for place in np.flatnonzero(bins))
