"""Centroids in panels, GROUP neighbours in space side by side: for kernels whose lanes are centroids.

Mapping    A lane is a centroid. A panel holds its centroids feature by feature; a few rows are scored against it at a
           time, each feature of a row broadcast to all lanes. So rows need not fill vectors, and centroids are left out
           a panel at a time.
Maths      As `tile`; so is the error of a score, whose sums are cut into the same segments. The gap of a centroid c and
           a panel is not above the distance of c to any other centroid there: ``|c' - e'|^2 = |c'|^2 - 2 score``.
Precision  As `tile`. Gaps are rounded down by the error of their scores.
Cost       2 k d flops a row for all panels, at the speed of `tile`: PANEL_ROWS x VECTORS accumulators stay in
           registers. O(k^2 d) for the gaps.
Limits     k * groups float32 of gaps, groups = k / GROUP.
"""

import math
from typing import NamedTuple

import numpy as np

from ..machine.host import VECTOR_REGISTERS
from ..machine.product_sums import product_sums
from ..machine.register_tiles import add_tiles, loads, splats, store_tile, tile_rows, zeros_like
from ..machine.scratch import private, stack_array
from ..machine.simd import (
    element,
    equal,
    fma,
    lane_maximum,
    lane_sum,
    lanes_of,
    load,
    load_widened,
    mul,
    narrowed,
    select,
    splat,
    store,
    sub,
)
from ..runtime.jit import inlined, kernel, share
from .packing import Packed
from .tile import DOWN, LANES, SEGMENT, TINY

VECTORS = 2
GROUP = VECTORS * LANES  # centroids of a panel (measured: one vector is slower, more are no faster)
PANEL_ROWS = 8 if VECTOR_REGISTERS == 32 else 6  # rows that are scored together: the most that registers allow
_SCORES = PANEL_ROWS * GROUP  # of a few rows with a panel
_SLACK = 1 + 2.0**-20
_INFINITE = np.float32(np.inf)

load_group = loads(VECTORS)
splat_rows = splats(PANEL_ROWS)
load_scores = loads(PANEL_ROWS * VECTORS)
_add_products = product_sums(VECTORS, PANEL_ROWS, lanes_are_rows=False)


class Panels(NamedTuple):
    """Centroids in panels, the last filled up with some that never win."""

    order: np.ndarray  # (groups * GROUP,) int32: the centroid in each place, -1 in the filling
    places: np.ndarray  # (k,) int32: the place of each centroid
    values: np.ndarray  # (groups * d * GROUP,) float32: c', panel by panel, feature by feature
    half_norms: np.ndarray  # (groups * GROUP,) float32: as those of `packing.pack`; minus infinity in the filling
    gaps: np.ndarray  # (k * padded groups,) float32: of each centroid and panel; infinity in the filling


@kernel
def fill_panels(
    task,
    tasks,
    packed: Packed,  #  IN
    d,
    panels: Panels,  #  INOUT `values` and `half_norms` are written but for the filling
):
    """Put centroids into their panels. O(k d)."""
    first, stop = share(task, tasks, panels.order.size // GROUP)
    for place in range(first * GROUP, stop * GROUP):
        c = panels.order[place]
        if c < 0:
            continue
        base = place // GROUP * d * GROUP + place % GROUP
        for j in range(d):
            panels.values[base + j * GROUP] = packed.values[c * d + j]
        panels.half_norms[place] = packed.half_norms[c]


@inlined
def group_scores(rows, d, panels, group, norms, at):
    """The scores of the PANEL_ROWS rows at ``rows`` (row by row) with a panel: a tile of rows by vectors.

    The panel's half norms are at ``norms[at:]``.
    """
    scores = tile_rows(splat_rows(rows, 0, d), load_group(norms, at, LANES))
    base = group * d * GROUP
    scores = _add_products(scores, panels.values, base, rows, 0, d, min(d, SEGMENT))
    for start in range(SEGMENT, d, SEGMENT):
        stop = min(d, start + SEGMENT)
        part = _add_products(zeros_like(scores), panels.values, base + start * GROUP, rows, start, d, stop - start)
        scores = add_tiles(scores, part)
    return scores


@inlined
def load_row(X, at, d, shift, scale, rows, r):
    """Row r of the tile, from ``X[at:]``; |x'|^2 in float64."""
    norms = splat(0.0)
    step, j = lanes_of(norms), 0
    while j + step <= d:
        moved = mul(sub(load_widened(X, at + j), load_widened(shift, j)), splat(scale))
        store(rows, r * d + j, narrowed(moved))
        norms = fma(moved, moved, norms)
        j += step
    norm = lane_sum(norms)
    while j < d:
        moved_one = (np.float64(element(X, at + j)) - element(shift, j)) * scale
        rows[r * d + j] = moved_one
        norm += moved_one * moved_one
        j += 1
    return norm


def tiles(tasks, d):
    """Memory for the rows of the tiles of all tasks."""
    return private(tasks, PANEL_ROWS * d, np.float32)


def padded_groups(groups):
    """Columns of the gaps: whole vectors."""
    return -(-groups // LANES) * LANES


@kernel
def find_gaps(
    task,
    tasks,
    packed: Packed,  #  IN
    d,
    panels: Panels,  #  INOUT `gaps` is written
    factor: float,  #         from distances of points scaled by the scale of `packed` to the unit of the gaps
    memory,  #                `tiles`
    half_gap,  #        OUT   (k,) float32: half the least gap of each centroid
):
    """How far every centroid is from every panel: not above its distance to any other centroid there. O(k^2 d)."""
    exact, _, _, shift, scale, bound = packed
    k, groups, gaps = half_gap.size, panels.order.size // GROUP, panels.gaps
    width = gaps.size // k
    rows, buffer = memory[task], stack_array(_SCORES, np.float32)
    norms, nearest = stack_array(PANEL_ROWS, np.float64), stack_array(PANEL_ROWS, np.float32)
    first, stop = share(task, tasks, -(-k // PANEL_ROWS))
    for tile in range(first, stop):
        for r in range(PANEL_ROWS):
            norms[r] = load_row(exact, min(tile * PANEL_ROWS + r, k - 1) * d, d, shift, scale, rows, r)
            nearest[r] = _INFINITE
        for group in range(groups):
            scores = group_scores(rows, d, panels, group, panels.half_norms, group * GROUP)
            store_tile(buffer, 0, LANES, scores)
            for r in range(min(PANEL_ROWS, k - tile * PANEL_ROWS)):
                c, best = tile * PANEL_ROWS + r, np.float32(-np.inf)
                for v in range(0, GROUP, LANES):
                    score = load(buffer, r * GROUP + v)
                    itself = equal(load(panels.order, group * GROUP + v), splat(np.int32(c)))
                    best = max(best, lane_maximum(select(itself, splat(np.float32(-np.inf)), score)))
                least = norms[r] * (1 - np.float64(bound[0]) * _SLACK - 2.0**-40) - 2 * (best + np.float64(bound[2]))
                gap = np.float32(math.sqrt(max(least, 0.0)) * factor) * DOWN - TINY
                gaps[c * width + group] = gap
                nearest[r] = min(nearest[r], gap)
        for r in range(min(PANEL_ROWS, k - tile * PANEL_ROWS)):
            c = tile * PANEL_ROWS + r
            half_gap[c] = np.float32(0.5) * nearest[r]
            for group in range(groups, width):
                gaps[c * width + group] = _INFINITE
