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


def error_bound(d, scale):
    """gamma, zeta and the parts of a margin, for rows of d features.

    Let u = 2**-24, and m = d + 2 roundings in the chain of a score. The score differs from the exact score of the
    unrounded x', c' by at most ``(m + 3) u (|x'||c'| + |c'|^2 / 2)`` (Higham 2002, §3.1), plus underflows of 2**-149
    each. The contract's own D differs by ``(d + 2) 2**-53 (|x'| + |c'|)^2``, half of which counts here, and d 2**-1074
    before scaling. As ``|x'||c'| <= (|x'|^2 + |c'|^2) / 2``, all of it is ``alpha |x'|^2 + gamma |c'|^2 + zeta``.

    gamma and zeta are put into the half norms. That leaves a row's best score too large by twice the part of its own
    centroid, for which ``|c'|^2 = 2 (zeta - half norm) / (1 - 2 gamma)``. Factors above 1 cover second-order terms and
    the evaluation of the bound.
    """
    u, chain = 2.0**-24, d + 8
    score = (chain + 3) * u * (1 + 2 * (chain + 3) * u)
    contract = (d + 4) * 2.0**-53
    slack = (1 + 2.0**-10) * (1 + 4 * d * u)
    underflow = (d + 4) * 2.0**-126 + (d * 2.0**-1074 * scale) * scale
    alpha, gamma, zeta = (0.5 * score + contract) * slack, (score + contract) * slack, underflow * slack
    own = 4 * gamma / (1 - 2 * gamma) * (1 + 2.0**-10)
    return gamma, zeta, (2 * alpha, own, (2 + own) * zeta * (1 + 2.0**-10))
