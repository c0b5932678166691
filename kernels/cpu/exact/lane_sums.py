"""Cluster sums where there are few of them (small k * d): lanes are rows, as in the scoring tile.

Adding row by row costs a store and a dependent load for every value, because the next row of the same cluster needs the
sum just written. Here each sum has one integer a lane: a tile of rows goes in by masked additions, cluster by cluster,
without a conflict. That reads all k * d sums for every tile, so it pays while they are few.

The integers are the single limb of `fixed_point`; a lane's sums are folded into its accumulators every MOST_TILES
tiles.
"""

import numpy as np

from ..machine.bits import bits_of, set_bits
from ..machine.float_arrays import narrow, wide
from ..machine.host import POINT_VECTORS, VECTOR_BYTES
from ..machine.scratch import private_zeros
from ..machine.simd import (
    bits,
    equal,
    fma,
    gather,
    iadd,
    isub,
    load,
    load_like,
    mul,
    select,
    splat,
    splat_like,
    store,
    widened,
)
from ..runtime.jit import inlined
from .fixed_point import MAGIC, MAGIC_BITS, SPILL_ROWS, spill

LANES = VECTOR_BYTES // 4
ROWS = POINT_VECTORS * LANES
# The most sums (k * d), measured: with more, row by row is as fast; earlier so where a row fills vectors.
_FEW, _FEW_OF_VECTORS = 96, 32
MOST_TILES = SPILL_ROWS // ROWS


def are_few(k, d):
    """Whether there are so few sums that lanes are better for them than row by row."""
    return k * d <= (_FEW if d < VECTOR_BYTES // 8 else _FEW_OF_VECTORS)


NO_LANES = np.empty((0, 0), np.int64)  # for sums that are made row by row


def scratch(threads, k, d):
    """The sums of every lane for `assign` and a tile's limbs; `NO_LANES` where row by row is better."""
    if not are_few(k, d):
        return NO_LANES
    return private_zeros(threads, (k * d * LANES + d * ROWS,), np.int64)[0]


@inlined
def _find_limbs(X, first, d, steps, up, up_rest, limbs):
    """The limbs of a tile of rows, feature by feature."""
    for v in range(0, ROWS, LANES):
        at = load(steps, v)
        for j in range(d):
            value = mul(widened(gather(X, first * d + j, at)), splat_like(at, up[j]))
            pattern = bits_of(fma(value, splat_like(at, up_rest[j]), splat_like(at, MAGIC)))
            store(limbs, j * ROWS + v, isub(pattern, splat_like(at, MAGIC_BITS)))


@inlined
def add_tile(
    lane_sums,  #  INOUT (k * d * LANES,) int64
    count,  #      INOUT (k,) int64: rows of each cluster
    labels,  #     IN    (ROWS,) int32
    k,
    X,  #          IN    (n * d,)
    first,  #            number of the first row in X
    d,
    steps,  #      IN    (ROWS,) int32: offset of each row from the first
    up,  #         IN    (d,): the single limb of `fixed_point.Plan`
    up_rest,  #    IN    (d,)
    limbs,  #      OUT   (d * ROWS,) int64: scratch
):
    """Add ROWS rows to the sums of their clusters."""
    if X.itemsize == 4:
        _find_limbs(narrow(X), first, d, steps, up, up_rest, limbs)
    else:
        _find_limbs(wide(X), first, d, steps, up, up_rest, limbs)
    for c in range(k):
        members = 0
        label = splat(np.int32(c))
        for v in range(0, ROWS, LANES):
            members += set_bits(bits(equal(load(labels, v), label)))
        count[c] += members
        for j in range(d):
            place = (c * d + j) * LANES
            total = load_like(lane_sums, place, label)
            for v in range(0, ROWS, LANES):
                limb = load_like(limbs, j * ROWS + v, label)
                total = iadd(total, select(equal(load(labels, v), label), limb, isub(limb, limb)))
            store(lane_sums, place, total)


@inlined
def flush_lanes(lane_sums, sums, k, d):
    """Fold the lane sums into `fixed_point.Accumulators` and zero them."""
    for c in range(k):
        for j in range(d):
            place = (c * d + j) * LANES
            total = np.int64(0)
            for lane in range(LANES):
                total += lane_sums[place + lane]
                lane_sums[place + lane] = 0
            sums.pending[c * d + j] += total
        spill(sums.pending, sums.high, sums.low, sums.unspilled, c, d)
