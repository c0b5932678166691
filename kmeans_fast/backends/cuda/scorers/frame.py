"""What float32 scores on the device are worth: the frame that rows are scored in, and the bound on a score's error."""

from typing import NamedTuple

import numpy as np

from ....kernels import scaling

# Binary orders of magnitude that the frame scales by at most.
_REACH = {np.dtype(np.float32): 100, np.dtype(np.float64): 400}


class Frame(NamedTuple):
    """x' = (x - shift) * scale, and the parts of the error bound that `means.cu` and `assign.cu` take."""

    shift: np.ndarray  # (d,) in X's dtype
    scale: float
    gamma: float  # of the centroid's squared norm, into its half norm
    zeta: float
    margin: tuple[float, float, float]  # of |x'|^2, of the best centroid's half norm, added


def frame(sample):
    """The `Frame` of data that `sample` (rows, d) is taken from; any is right, that of a sample serves well."""
    shift, scale = scaling.frame(sample, _REACH[sample.dtype])
    return Frame(shift, scale, *scaling.error_bound(sample.shape[1], scale))


def drifts_in_frame(squared_shifts, scale):
    """How far each centroid has moved in the frame, not less, in float32; last, the farthest (see `update`)."""
    with np.errstate(over="ignore"):  # an infinite drift leaves bounds that prove nothing
        moved = (np.sqrt(squared_shifts) * scale).astype(np.float32)
    moved = moved * np.float32(1.000001) + np.float32(2.0**-100)
    return np.append(moved, moved.max())
