"""Which rows are to be labelled anew, sorted by the panels they need: the first half of an assignment by `exponion`.

Mapping    A task takes a range of rows. `find_failing` brings their bounds up to date (`hamerly`) and measures those
           that fail; without bounds, `guess_labels` finds each row a centroid that is nearly the nearest. Both note,
           for each row to be labelled, its cluster and how many panels of centroids it needs; `sort_rows` sorts the
           rows by that (a counting sort), so that those scored together need the same ones.
Maths      As `hamerly`. How many panels a row needs is what `exponion` will find; that only sorts, and so does a guess.
Precision  As `hamerly`: distances in float64, rounded up.
Order      Within a key, rows keep their order; no result depends on it.
Cost       As `hamerly`, O(groups / lanes) more a row that fails; a guess costs the scores of one panel.
Limits     12 bytes a row.
"""

import math
from typing import NamedTuple

import numpy as np

from ..exact.distances import squared
from ..exact.rows import Rows
from ..machine.bits import set_bits, trailing_zeros
from ..machine.float_arrays import Floats
from ..machine.register_tiles import add_tiles, rank1_update, splats, store_tile, zeros_like
from ..machine.scratch import stack_array
from ..machine.simd import bits, greater, load, splat
from ..runtime.jit import inlined, kernel, share
from ..scoring.packing import Packed
from ..scoring.panels import GROUP, Panels, load_group, load_row
from ..scoring.tile import EVERY_LANE, LANES, TINY, UP
from .arguments import Bounds
from .hamerly import MARGIN, failing_rows, farthest_moves

_splat_one = splats(1)


@inlined
def _level(gaps, start, width, reach, groups, levels):
    """Which of the levels a row is on, by the panels it needs, whose gaps are at ``gaps[start:]``."""
    needed = 0
    for v in range(0, width, LANES):
        out = np.uint64(bits(greater(load(gaps, start + v), splat(reach + reach))))
        needed += set_bits(np.int64(out ^ EVERY_LANE))
    return min(levels - 1, needed * levels // groups)


class FailedRows(NamedTuple):
    """The rows that are to be labelled anew; a task's begin at the first of its rows."""

    numbers: np.ndarray  # (n,) int32
    keys: np.ndarray  # (n,) int32: ``label * levels + level`` of each
    found: np.ndarray  # (tasks,) int64: how many there are
    counts: np.ndarray  # (tasks, k * levels or more) int64: of each key
    levels: int  # parts that the rows of a cluster are sorted into, by how many panels they need


@kernel
def find_failing(
    task,
    tasks,
    rows: Rows,  #          IN
    values: Floats,  #      IN    (k * d,) X's dtype: the centroids
    labels,  #              IN    (n,) int32
    bounds: Bounds,  #      INOUT with the `half_gap` of `find_gaps`
    panels: Panels,  #      IN
    failed: FailedRows,  #  OUT
):
    """The rows whose label may have changed; the distance of each to its centroid goes to `upper`."""
    X, _, d = rows
    upper, lower, drift, half_gap, unit, _ = bounds
    numbers, keys, found, counts, levels = failed
    n, k, gaps, groups = labels.size, drift.size, panels.gaps, panels.order.size // GROUP
    width = gaps.size // k
    moves = farthest_moves(drift)
    first, stop = share(task, tasks, n)
    for key in range(k * levels):
        counts[task, key] = 0
    at = first
    for row in range(first, stop, LANES):
        failing = failing_rows(row, min(LANES, stop - row), labels, bounds, moves)
        while failing != 0:
            i = row + trailing_zeros(failing)
            failing &= failing - np.uint64(1)
            label = np.int64(labels[i])
            upper[i] = np.float32(math.sqrt(squared(X, i * d, values, label * d, d)) * unit) * UP + TINY
            reach = upper[i] * MARGIN
            if reach < max(lower[i], half_gap[label]):
                continue
            key = label * levels + _level(gaps, label * width, width, reach, groups, levels)
            numbers[at], keys[at] = i, key
            counts[task, key] += 1
            at += 1
    found[task] = at - first


@inlined
def _nearest_in_panel(rows, d, panels, group, buffer):
    """The centroid of the best score in a panel for the row at ``rows``, as far as float32 tells."""
    places, j = group * GROUP, 0
    a = load_group(panels.half_norms, places, LANES)
    b = c = e = zeros_like(a)
    base = places * d
    while j + 4 <= d:
        at = base + j * GROUP
        a = rank1_update(a, _splat_one(rows, j, 1), load_group(panels.values, at, LANES))
        b = rank1_update(b, _splat_one(rows, j + 1, 1), load_group(panels.values, at + GROUP, LANES))
        c = rank1_update(c, _splat_one(rows, j + 2, 1), load_group(panels.values, at + 2 * GROUP, LANES))
        e = rank1_update(e, _splat_one(rows, j + 3, 1), load_group(panels.values, at + 3 * GROUP, LANES))
        j += 4
    while j < d:
        a = rank1_update(a, _splat_one(rows, j, 1), load_group(panels.values, base + j * GROUP, LANES))
        j += 1
    store_tile(buffer, 0, LANES, add_tiles(add_tiles(a, b), add_tiles(c, e)))
    best = 0
    for q in range(1, GROUP):
        best = q if buffer[q] > buffer[best] else best
    return np.int64(panels.order[places + best])


@kernel
def guess_labels(
    task,
    tasks,
    data: Rows,  #          IN
    packed: Packed,  #      IN
    nearest,  #             IN    (n,) int32: a panel for each row; the nearer, the fewer are needed
    bounds: Bounds,  #      OUT   `upper` is not below the distance to the centroid guessed
    panels: Panels,  #      IN
    memory,  #                    `panels.tiles`
    failed: FailedRows,  #  OUT
):
    """As `find_failing`, for rows without bounds: every row fails; its cluster is the best centroid of a panel."""
    X, _, d = data
    exact, _, _, shift, scale, _ = packed
    upper, unit = bounds.upper, bounds.unit
    numbers, keys, found, counts, levels = failed
    k, rows, buffer = exact.size // d, memory[task], stack_array(GROUP, np.float32)
    gaps, groups = panels.gaps, panels.order.size // GROUP
    width = gaps.size // k
    first, stop = share(task, tasks, upper.size)
    for key in range(k * levels):
        counts[task, key] = 0
    for i in range(first, stop):
        load_row(X, i * d, d, shift, scale, rows, 0)
        label = _nearest_in_panel(rows, d, panels, np.int64(nearest[i]), buffer)
        upper[i] = np.float32(math.sqrt(squared(X, i * d, exact, label * d, d)) * unit) * UP + TINY
        key = label * levels + _level(gaps, label * width, width, upper[i] * MARGIN, groups, levels)
        numbers[i], keys[i] = i, key
        counts[task, key] += 1
    found[task] = stop - first


@kernel
def sort_rows(
    task,
    tasks,
    failed: FailedRows,  #  INOUT but `counts` is where the task's first row of each key goes
    in_order,  #            OUT   (rows that fail,) int32
):
    """Sort the rows that fail by their keys. `tasks` must be those of `find_failing`."""
    numbers, keys, found, places, _ = failed
    first, _ = share(task, tasks, numbers.size)
    for at in range(first, first + found[task]):
        key = keys[at]
        in_order[places[task, key]] = numbers[at]
        places[task, key] += 1
