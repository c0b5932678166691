"""Centroids in the form that scores are computed from: O(k d), compiled, so that a small fit costs little Python."""

import math
from typing import NamedTuple

import numpy as np

from ..machine.bits import bits_of, float_of
from ..machine.float_arrays import Floats
from ..machine.host import CENTROIDS
from ..machine.simd import (
    element,
    fma,
    lane_sum,
    lanes,
    load,
    load_widened,
    mul,
    narrowed,
    splat,
    store,
    store_rounded,
    sub,
)
from ..runtime.jit import inlined, kernel
from .tile import SEGMENT

_MAGNITUDE = 0x7FFFFFFFFFFFFFFF


@inlined
def error_bound(d, scale):
    """alpha, gamma and zeta of the error bound ``alpha |x'|^2 + gamma |c'|^2 + zeta`` of a score.

    With u = 2**-24 and m the longest chain of roundings that a term of the score passes through, the float32 score
    differs from the exact score of the unrounded x', c' by at most ``(m + 3) u (|x'||c'| + |c'|^2 / 2)`` (Higham 2002,
    §3.1: m for the sum, 2 for the rounding of x' and c', 1 for the half norm), plus underflows of 2**-149 each. The
    contract's own D carries ``(d + 2) 2**-53 (|x'| + |c'|)^2``, half of which counts here, and where its squares
    underflow an error of d 2**-1074 before scaling. ``|x'||c'| <= (|x'|^2 + |c'|^2) / 2`` turns both into the form
    wanted. The factors above 1 cover second-order terms and the evaluation of the bound.
    """
    u = 2.0**-24
    chain = min(d, SEGMENT) + -(-d // SEGMENT) + 24
    score = (chain + 3) * u * (1 + 2 * (chain + 3) * u)
    contract = (d + 4) * 2.0**-53
    slack = (1 + 2.0**-10) * (1 + 4 * d * u)
    underflow = (d + 4) * 2.0**-126 + (d * 2.0**-1074 * scale) * scale
    return (0.5 * score + contract) * slack, (score + contract) * slack, underflow * slack


@kernel
def pack(
    task,
    tasks,  #            1
    centroids: Floats,  # IN (k * d,) X's dtype
    d,
    reach,  #            the scale is within 2**-reach and 2**reach
    exact,  #       OUT  (k * d,) float64: the centroids
    packed,  #      OUT  (padded k * d,) float32: c' = (c - shift) * scale; padding keeps its zeros
    half_norms,  #  OUT  (padded k,) float32: -|c'|^2 / 2 plus its part of the error; padding keeps its minus infinity
    shift: Floats,  # OUT (d,) X's dtype: `mean`
    mean,  #        INOUT (d,) float64: a point in the middle of the data; if it is not `known`, that of the centroids
    known,
    margin,  #      OUT  (4,) float64: the scale, and the parts of a bound (`Packed`), which are float32
):
    """Pack the centroids; the scale, a power of two that brings c' to at most 1, and the bound for `tile.open_rows`.

    With a score too large by ``gamma |c'|^2 + zeta``, what is left of its error is ``alpha |x'|^2``, and a row's best
    score is too large by twice that and by twice its own centroid's part, for which
    ``|c'|^2 = 2 (zeta - half norm) / (1 - 2 gamma)``. So a centroid far out costs the others nothing.
    """
    k, step = centroids.size // d, lanes(exact)
    for i in range(k * d):
        exact[i] = element(centroids, i)
    if not known:
        for j in range(d):
            mean[j] = 0.0
        for c in range(k):
            for j in range(d):
                mean[j] += exact[c * d + j] / k
    for j in range(d):
        store_rounded(shift, j, mean[j])
    extent = 0  # as a bit pattern: a maximum of integers is one that LLVM vectorises
    for c in range(k):
        for j in range(d):
            extent = max(extent, bits_of(exact[c * d + j] - element(shift, j)) & _MAGNITUDE)
    _, power = math.frexp(float_of(extent))
    scale = math.ldexp(1.0, np.int32(min(max(-power, -reach), reach)))
    alpha, gamma, zeta = error_bound(d, scale)
    for c in range(k):
        squares, j = splat(0.0), 0
        while j + step <= d:
            moved = mul(sub(load(exact, c * d + j), load_widened(shift, j)), splat(scale))
            store(packed, c * d + j, narrowed(moved))
            squares = fma(moved, moved, squares)
            j += step
        norm = lane_sum(squares)
        while j < d:
            moved_one = (exact[c * d + j] - element(shift, j)) * scale
            packed[c * d + j] = moved_one
            norm += moved_one * moved_one
            j += 1
        half_norms[c] = -(0.5 - gamma) * norm + zeta
    own = 4 * gamma / (1 - 2 * gamma) * (1 + 2.0**-10)
    added = (2 + own) * zeta * (1 + 2.0**-10)
    margin[0], margin[1], margin[2], margin[3] = scale, np.float32(2 * alpha), np.float32(own), np.float32(added)


class Packed(NamedTuple):
    """Centroids as kernels take them: as they are, and as the scores are computed from."""

    exact: np.ndarray  # (k * d,) float64: the centroids
    values: np.ndarray  # (padded k * d,) float32: c' = (c - shift) * scale
    half_norms: np.ndarray  # (padded k,) float32: -|c'|^2 / 2 plus its part of the error
    shift: Floats  # (d,) X's dtype
    scale: float  # X's dtype, a power of two
    bound: tuple  # of |x'|^2, of -half norm, added: the parts of a margin


def reach(dtype):
    """Scales of rows of this dtype are within 2**-reach and 2**reach."""
    return 100 if dtype == np.float32 else 900


class Packing:
    """The arrays of a `Packed`, allocated once for a number of centroids."""

    def __init__(self, k, d, dtype):
        padded = -(-k // CENTROIDS) * CENTROIDS
        self.d, self.dtype = d, np.dtype(dtype)
        self.exact = np.empty(k * d)
        self.values = np.zeros(padded * d, np.float32)
        self.half_norms = np.full(padded, -np.inf, np.float32)
        self.shift, self.mean, self.margin = np.empty(d, dtype), np.empty(d), np.empty(4)
        self.reach = reach(self.dtype)

    def fill(self, flat_centroids, center=None):
        """Pack the centroids, `center` (d,) being in the middle of the data."""
        mean = self.mean if center is None else center
        pack(
            1, flat_centroids, self.d, self.reach, self.exact, self.values, self.half_norms, self.shift, mean,
            center is not None, self.margin,
        )  # fmt: skip
        scale, bound = self.dtype.type(self.margin[0]), tuple(self.margin[1:].astype(np.float32))
        return Packed(self.exact, self.values, self.half_norms, self.shift, scale, bound)
