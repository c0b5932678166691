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


def _run(launcher, module, kernel, X, rows_a_block, **arguments):
    """A launch on all rows of one problem (n, d) or of several (problems, n, d), with some blocks for each."""
    *several, n, d = X.shape
    problems = several[0] if several else 1
    blocks = max(1, min(-(-n // rows_a_block), launcher.blocks(problems * n, rows_a_block) // problems))
    launcher.prepare(module, kernel, problems * blocks, X=X, n=n, d=d, problem_blocks=blocks, **arguments)()


def column_ranges(launcher, X, weights):
    """The largest magnitude and the lowest set bit of every column of ``w_i * x_i``, as values; last, of ``w_i``.

    X is (n, d), or (problems, n, d) for those of each problem. The lowest bit of a column of zeros is infinity.
    """
    device, columns = launcher.device, X.shape[-1] + (weights is not None)
    shape = *X.shape[:-2], columns
    largest = allocate(device, shape, np.uint64, "column statistics", fill=0)
    lowest = allocate(device, shape, np.uint64, "column statistics", fill=_NO_BIT)
    rows_a_block = max(1, sources.THREADS // columns)
    _run(
        launcher, "column_statistics", "column_ranges", X, rows_a_block,
        weights=weights, largest=largest, lowest=lowest,
    )  # fmt: skip
    lowest = device.download(lowest)
    return device.download(largest).view(np.float64), np.where(lowest == _NO_BIT, np.inf, lowest.view(np.float64))


def column_sums(launcher, X, limbs):
    """The exact sums of the columns in `limbs`, without weights: (n_limbs, columns) on the host.

    X is (n, d), or (problems, n, d), whose columns are those of all problems, one after the other.
    """
    device, d = launcher.device, X.shape[-1]
    cells = allocate(device, (len(limbs.exponent) // d, limbs.n_limbs, d), np.int64, "column sums", fill=0)
    unit = upload(device, limbs.exponent.astype(np.int32), "column sums")
    _run(
        launcher, "column_statistics", "column_sums", X, max(1, sources.THREADS // d),
        unit=unit, limbs=limbs.n_limbs, limb_bits=limbs.bits, cells=cells,
    )  # fmt: skip
    return device.download(cells).swapaxes(0, 1).reshape(limbs.n_limbs, -1)


def exact_inertia(launcher, X, weights, centroids, labels):
    """The exact sum of ``w_i * D(x_i, c_label)`` in units of the least float64; `labels` None: all zero.

    Arrays are on the device.
    """
    return _inertias(launcher, X, weights, centroids, labels, 1)[0]


def exact_scatters(launcher, X, weights, points):
    """The exact sum of squared distances of the rows of each problem of X (problems, n, d) to its point."""
    return _inertias(launcher, X, weights, points, None, len(X))


def _inertias(launcher, X, weights, centroids, labels, problems):
    device = launcher.device
    bins = allocate(device, (problems, sources.BINS), np.int64, "inertia", fill=0)
    _run(
        launcher, "distances", "inertia_bins", X, sources.THREADS,
        centroids=centroids, labels=labels, weights=weights, bins=bins,
    )  # fmt: skip
    return [sum(int(own[place]) << int(place) for place in np.flatnonzero(own)) for own in device.download(bins)]
