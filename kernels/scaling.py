"""How data is brought into the ranges that kernels compute in: integers for exact sums, float32 for scores.

Plain NumPy, for every backend.
"""

import math

import numpy as np

SMALLEST = -1074  # exponent of the least positive float64


def limbs(largest, lowest_bit, bits):
    """How columns are cut into limbs: the exponent (columns,) of each column's lowest unit, and the number of limbs.

    A value is an integer times ``2**exponent``, of at most ``bits * limbs`` bits. So sums of values are exact integers.

    Parameters
    ----------
    largest, lowest_bit : ndarray (columns,), float64
        The largest magnitude and the lowest set bit in each column, both as values: the numbers 6.0 and 0.5 have
        largest 6.0 and lowest_bit 0.5. In a column of zeros the lowest bit is any number.
    bits : int
        Of a limb.
    """
    occupied = largest > 0
    top = np.frexp(largest)[1]
    exponent = np.where(occupied, np.frexp(lowest_bit)[1] - 1, 0).astype(np.int64)
    count = max(1, math.ceil(int(np.where(occupied, top - exponent, 1).max()) / bits))
    # Aligned to the top, so that most values end in their first limb.
    return np.maximum(np.where(occupied, top - bits * count, 0), SMALLEST), count


def frame(sample, farthest):
    """A shift (d,) and a power of two that bring the rows of `sample` (rows, d) near 1.

    The shift is in their dtype, and the power of two between 2**-farthest and 2**farthest.
    """
    shift = sample.mean(axis=0, dtype=np.float64).astype(sample.dtype)
    extent = float(np.abs(sample - shift).max())
    power = int(np.clip(-np.frexp(extent)[1], -farthest, farthest)) if extent > 0 else 0
    return shift, 2.0**power
