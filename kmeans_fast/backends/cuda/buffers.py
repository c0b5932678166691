"""The arrays of a session on the device, allocated once."""

import numpy as np

from .device import allocate, upload


class Centroids:
    """Centroids on the device, exact and in the form that the scorer takes, and the iteration that they come from."""

    def __init__(self, device, k, d, packed):
        self.exact = allocate(device, (k, d), np.float64, f"{k:,} centroids of {d:,} features")
        self.packed = packed
        self.status = device.report(7, np.float64)  # see `update` in `centroids.cu`
        self.arrays = (self.exact, self.status.array, *packed)


class Sums:
    """The exact sums of the clusters (`fixed_point.cu`), and the `column_statistics.Limbs` of the columns."""

    def __init__(self, device, n, k, limbs):
        what = f"the sums of {k:,} clusters"
        self.device, self.limbs, columns = device, limbs, len(limbs.exponent)
        self.summed = allocate(device, n, np.int32, what)  # the label by which each row is in the sums
        self.unit = upload(device, limbs.exponent.astype(np.int32), what)
        self.cells = allocate(device, k * limbs.n_limbs * columns, np.int64, what, fill=0)
        self.counts = allocate(device, k, np.int64, what, fill=0)

    @property
    def arguments(self):
        """What kernels take of them."""
        of_values = {"unit": self.unit, "limbs": self.limbs.n_limbs, "limb_bits": self.limbs.bits}
        return {"cells": self.cells, "counts": self.counts, **of_values}

    def in_form(self, form):
        """The sums on the host, in the limbs of a `partials.Form`: (limbs, k, columns)."""
        shape = (-1, self.limbs.n_limbs, len(self.limbs.exponent))
        return self.limbs.in_form(form, self.device.download(self.cells).reshape(shape))


NO_SUMS = {"cells": None, "counts": None, "unit": None, "limbs": 0, "limb_bits": 0}


class IterationBuffers:
    """What an iteration comes to, besides labels and centroids: numbers for each cluster, and of all together."""

    def __init__(self, device, k):
        what = f"the workspace of {k:,} clusters"
        self.weights = allocate(device, k, np.float64, what)
        self.shifts = allocate(device, k, np.float64, what)  # squared
        self.differences = allocate(device, k, np.float64, what)  # of inertia, see `update` in `centroids.cu`
        self.drifts = allocate(device, k + 1, np.float32, what)
        self.counters = allocate(device, 7, np.int64, what, fill=0)  # see `update` in `centroids.cu`
        self.halted = allocate(device, 1, np.int32, what, fill=0)
        self.tally = allocate(device, 3, np.uint64, what, fill=0)  # of `update`
