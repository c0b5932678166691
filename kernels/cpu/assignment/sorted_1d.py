"""Rows of one feature: the nearest centroid by search among the sorted ones.

Mapping    A task takes a range of rows, one after the other.
Maths      On a line, D = fl(fl(x - c)^2) never falls as c moves away from x, on either side, because rounding is
           monotone. So the centroids of least D are neighbours in sorted order, around the place of x: they are found
           from there outwards, and no bound is needed.
Search     A table over equal steps of the line gives the range of places that a step holds; the range is halved until
           one is left. The step of a number is a monotone function of it, however it is rounded, so the range is right.
Ties       The lowest index among the centroids of least D.
Order      None: labels are per row, sums are exact integers (`fixed_point`).
Cost       O(n log(k in a step) + k log k), where scoring is O(n k) and float32 leaves many rows open: centroids are
           close to each other for their norm.
"""

from typing import NamedTuple

import numpy as np

from ..exact.fixed_point import accumulators, add_rows, clear, move_rows
from ..exact.rows import Rows
from ..machine.scratch import stack_array
from ..machine.simd import element
from ..runtime.jit import inner, kernel, share
from .arguments import MOVES, SUMS_ANEW, SUMS_MOVED, Counts, Sums

_STEPS_A_CENTROID = 4


class SortedCentroids(NamedTuple):
    """Centroids of one feature, each value once, and a table of places among them."""

    values: np.ndarray  # (m + 1,) float64, ascending, the last infinite
    owners: np.ndarray  # (m,) int32: the lowest index among the centroids of each value
    starts: np.ndarray  # (steps + 1,) int32: places of the first value in every step
    origin: float  # where the first step begins
    per_unit: float  # steps a unit
    halvings: int  # of the range of places of a step, until one is left

    @classmethod
    def of(cls, centroids):
        """`centroids` (k, 1)."""
        values, owners = np.unique(centroids.astype(np.float64).ravel(), return_index=True)
        steps = _STEPS_A_CENTROID * len(values)
        origin, extent = float(values[0]), float(values[-1] - values[0])
        per_unit = steps / extent if extent > 0 else 0.0
        if not np.isfinite(per_unit):  # centroids next to each other among the smallest numbers
            per_unit = 0.0
        at = np.clip((values - origin) * per_unit, 0, steps - 1).astype(np.int64)
        starts = np.searchsorted(at, np.arange(steps + 1)).astype(np.int32)
        halvings = int(np.diff(starts).max()).bit_length()
        return cls(np.append(values, np.inf), owners.astype(np.int32), starts, origin, per_unit, halvings)


@inner
def _lowest_of_equals(x, values, owners):
    """The lowest label among the centroids of least D to x."""
    right, beyond = 0, owners.size - 1
    while right < beyond:  # to the first value that is not below x
        middle = (right + beyond) >> 1
        if values[middle] < x:
            right = middle + 1
        else:
            beyond = middle
    left = max(right - 1, 0)
    to_left, to_right = x - values[left], x - values[right]
    least = min(to_left * to_left, to_right * to_right)
    label = 0x7FFFFFFF
    for place in range(left, -1, -1):
        apart = x - values[place]
        if apart * apart != least:
            break
        label = min(label, owners[place])
    for place in range(right, owners.size):
        apart = x - values[place]
        if apart * apart != least:
            break
        label = min(label, owners[place])
    return label


@inner
def _search(xs, count, centroids, low, high, labels):
    """The labels of `count` numbers. Each loop does one step for all of them without a branch: LLVM vectorises it."""
    values, owners, starts, origin, per_unit, halvings = centroids
    last, most = owners.size - 1, np.float64(starts.size - 2)
    for i in range(count):
        at = (xs[i] - origin) * per_unit
        at = at if at > 0.0 else 0.0  # NaN, written by another thread of the caller's, is a step too
        step = np.int64(at if at < most else most)
        low[i], high[i] = element(starts, step), element(starts, step + 1)
    for _ in range(halvings):  # to the first value that is not below x, as often as the fullest step needs
        for i in range(count):
            middle = (low[i] + high[i]) >> 1
            below = element(values, middle) < xs[i]
            low[i] = middle + 1 if below else low[i]
            high[i] = high[i] if below else middle
    for i in range(count):
        right = min(low[i], last)
        left = max(right - 1, 0)
        to_left, to_right = xs[i] - element(values, left), xs[i] - element(values, right)
        to_left, to_right = to_left * to_left, to_right * to_right
        place = left if to_left < to_right else right
        beyond = max(left - 1, 0) if to_left < to_right else min(right + 1, last)
        apart = xs[i] - element(values, beyond)
        several = (apart * apart == min(to_left, to_right)) & (beyond != place) | (to_left == to_right) & (
            left != right
        )
        labels[i], low[i] = element(owners, place), -1 if several else right
    for i in range(count):
        if low[i] < 0:
            labels[i] = _lowest_of_equals(xs[i], values, owners)


@kernel
def assign_sorted_1d(
    task,
    tasks,
    rows: Rows,  #                  IN
    k,
    centroids: SortedCentroids,  #  IN
    labels,  #                      INOUT (n,) int32
    counts: Counts,  #              OUT   `changed`
    sums: Sums,  #                  INOUT
):
    """Label every row and bring the exact sums of the clusters up to date."""
    X, weights, _ = rows
    mode = sums.mode
    own_sums = accumulators(sums.totals, task, sums.plan.limbs, sums.plan.up, sums.plan.up_rest, sums.plan.down)
    xs = stack_array(MOVES, np.float64)
    begins, ends = stack_array(MOVES, np.int64), stack_array(MOVES, np.int64)
    found_labels, numbers = stack_array(MOVES, np.int32), stack_array(MOVES, np.int64)
    sources, targets = stack_array(MOVES, np.int32), stack_array(MOVES, np.int32)
    moved = 0
    if mode == SUMS_ANEW:
        clear(own_sums, 0, k, 2 if weights.size > 0 else 1)
    first, stop = share(task, tasks, labels.size)
    for start in range(first, stop, MOVES):
        size, found = min(MOVES, stop - start), 0
        for i in range(size):
            xs[i] = element(X, start + i)
        _search(xs, size, centroids, begins, ends, found_labels)
        for i in range(size):
            label, before = found_labels[i], labels[start + i]
            moved += label != before
            if mode == SUMS_ANEW or (mode == SUMS_MOVED and label != before):
                numbers[found], sources[found], targets[found] = start + i, before, label
                found += 1
            labels[start + i] = label
        if found > 0:
            if mode == SUMS_ANEW:
                add_rows(own_sums, rows, targets, numbers, found, 1)
            else:
                move_rows(own_sums, rows, sources, targets, numbers, found)
    counts.changed[task] = moved
