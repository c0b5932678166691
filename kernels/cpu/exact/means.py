"""Sums into centroids: O(k d), in compiled code, so that an iteration on a small data set costs little Python."""

import numpy as np

from ..machine.float_arrays import Floats
from ..machine.scratch import stack_array
from ..machine.simd import (
    divide,
    fma,
    lane_sum,
    load_lanes_widened,
    mul,
    splat_like,
    store_rounded,
    sub,
    zero_lanes,
)
from ..runtime.jit import kernel, share
from .distances import BLOCK, block_distances


@kernel
def means(
    task,
    tasks,
    sums,  #         IN   (k, columns) float64
    weights,  #      IN   (k,) float64: the weight of each cluster
    old,  #          IN   (k * d,) float64: the centroids before
    reference,  #    IN   (d,) float64: the point that the scatter of the data is known about
    new: Floats,  #  OUT  (k * d,) X's dtype: sums / weights; a cluster without weight takes the heaviest one's
    shifts,  #       OUT  (k,) float64: the contract's D between new and old
    differences,  #  OUT  (k,) float64: the inertia of the cluster with its old centroid less its scatter
):
    """New centroids, how far they moved, and the inertia of the labels with the old ones without a pass over X. O(k d).

    ``sum w |x - c|^2 = sum w |x - m|^2 - 2 (c - m)(S - W m) + W |c - m|^2`` for a cluster of sum S and weight W and any
    point m.
    """
    k, d = len(sums), reference.size
    heaviest = 0
    for c in range(k):
        if weights[c] > weights[heaviest]:
            heaviest = c
    first, stop = share(task, tasks, k)
    flat = sums.reshape(-1)
    columns = sums.shape[1]
    for c in range(first, stop):
        source, weight = c if weights[c] > 0 else heaviest, weights[c]
        at, own, j, total = source * columns, c * columns, 0, 0.0
        # Eight lanes whatever the machine's vectors, so that it adds in one order.
        parts = zero_lanes(8)
        while j + 8 <= d:
            mean = divide(load_lanes_widened(flat, at + j, 8), splat_like(parts, weights[source]))
            store_rounded(new, c * d + j, mean)
            middle = load_lanes_widened(reference, j, 8)
            moved = sub(load_lanes_widened(old, c * d + j, 8), middle)
            doubled = mul(load_lanes_widened(flat, own + j, 8), splat_like(parts, -2.0))
            parts = fma(
                moved, fma(fma(middle, splat_like(parts, 2.0), moved), splat_like(parts, weight), doubled), parts
            )
            j += 8
        while j < d:
            store_rounded(new, c * d + j, flat[at + j] / weights[source])
            moved_one = old[c * d + j] - reference[j]
            total += moved_one * (weight * (moved_one + 2 * reference[j]) - 2 * flat[own + j])
            j += 1
        differences[c] = total + lane_sum(parts)
    starts = stack_array(BLOCK, np.int64)
    for start in range(first, stop, BLOCK):
        rows = min(BLOCK, stop - start)
        for r in range(rows):
            starts[r] = (start + r) * d
        block_distances(new, start, rows, old, starts, d, shifts, start)
