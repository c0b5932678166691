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
    return Frame(shift, scale, *error_bound(sample.shape[1], scale))


def drifts_in_frame(squared_shifts, scale):
    """How far each centroid has moved in the frame, not less, in float32; last, the farthest (see `update`)."""
    with np.errstate(over="ignore"):  # an infinite drift leaves bounds that prove nothing
        moved = (np.sqrt(squared_shifts) * scale).astype(np.float32)
    moved = moved * np.float32(1.000001) + np.float32(2.0**-100)
    return np.append(moved, moved.max())


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
