"""The arrays of a session on the device, allocated once."""

import numpy as np

from .device import allocate, upload


class Centroids:
    """Centroids on the device: exact, and packed for scoring."""

    def __init__(self, device, k, d, panel):
        what = f"{k:,} centroids of {d:,} features"
        padded = -(-k // panel) * panel
        self.exact = allocate(device, (k, d), np.float64, what)
        self.panels = allocate(device, padded * d, np.float32, what, fill=0)
        self.half_norms = allocate(device, padded, np.float32, what, fill=-np.inf)


class RowBuffers:
    """What an assignment keeps of every row, besides the label."""

    def __init__(self, device, n, gated):
        what = f"the workspace of {n:,} rows"
        self.norms = allocate(device, n, np.float32, what)
        self.open = allocate(device, 3 * n, np.int32, what)
        self.upper = self.lower = self.left = None
        if gated:
            self.upper = allocate(device, n, np.float32, what)
            self.lower = allocate(device, n, np.float32, what)
            self.left = allocate(device, n, np.int32, what)


class Sums:
    """The exact sums of the clusters (`fixed_point.cu`), and how columns are cut into limbs."""

    def __init__(self, device, k, exponent, limbs, bits):
        what = f"the sums of {k:,} clusters"
        self.columns, self.limbs, self.bits = len(exponent), limbs, bits
        self.unit = upload(device, exponent.astype(np.int32), what)
        self.cells = allocate(device, k * limbs * self.columns, np.int64, what, fill=0)
        self.counts = allocate(device, k, np.int64, what, fill=0)

    @property
    def arguments(self):
        """What kernels take of them."""
        of_values = {"unit": self.unit, "limbs": self.limbs, "limb_bits": self.bits}
        return {"cells": self.cells, "counts": self.counts, **of_values}


NO_SUMS = {"cells": None, "counts": None, "unit": None, "limbs": 0, "limb_bits": 0}


class Steering:
    """The numbers of clusters that the loop is steered by."""

    def __init__(self, device, k):
        what = f"the workspace of {k:,} clusters"
        self.weights = allocate(device, k, np.float64, what)
        self.shifts = allocate(device, k, np.float64, what)
        self.differences = allocate(device, k, np.float64, what)
        self.drifts = allocate(device, k + 1, np.float32, what)
        self.counters = allocate(device, 5, np.int64, what, fill=0)  # see `conclude` in `centroids.cu`
        self.halted = allocate(device, 1, np.int32, what, fill=0)
        self.status = allocate(device, 6, np.float64, what, fill=0)
