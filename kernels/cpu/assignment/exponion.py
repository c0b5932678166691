"""Assignment that measures a row only against the centroids near its own: whole panels of the others are left out.

Mapping    Rows come by cluster, those together that need the same panels (`exponion_rows`), PANEL_ROWS at a time.
           Panels in reach of a tile are scored (`panels`: lanes are centroids), and what may be nearer than a row's own
           centroid is measured.
Maths      A centroid at distance g from a row's own centroid a is no nearer to the row than ``g - u``, u being the
           row's distance to a: with g > 2u it is not nearer than a. Of the others, c is a contender unless its score is
           below the row's floor, ``(|x'|^2 - |x' - a'|^2) / 2`` with a margin, which is what a has. A contender's own
           score raises the floor. What is left is measured in float64.
Precision  u is rounded up and gaps are rounded down (`panels.find_gaps`); g must exceed 2u by 2**-18 of it: beyond the
           (d + 2) 2**-53 by which the contract's D may differ. Floors are lowered by the error of a score
           (`packing.error_bound`), those made of scores by that of two (`tile.open_rows`), and by 2**-22 for their own
           roundings.
Ties       A tie is never below a floor; distances within 2**-40 are compared by the contract's D, then by index.
Order      None: labels are per row, sums are exact integers.
Cost       O(d) a row, and a score for each centroid of the panels in reach.
Limits     A tile with more contenders than there is room for has its rows measured against every centroid.

Method: the exponion algorithm of Newling and Fleuret, "Fast k-means with accurate bounds" (ICML 2016), for panels
instead of centroids and with rows sorted by what they need, so that it runs in register tiles.
"""

import math
from typing import NamedTuple

import numpy as np

from ..exact.distances import is_nearer, squared, squared_distance
from ..exact.fixed_point import accumulators, add_rows, clear, move_rows
from ..exact.rows import Rows
from ..machine.bits import set_bits, trailing_zeros
from ..machine.register_tiles import any_of, larger, negative_infinity_like, reached, store_tile
from ..machine.scratch import stack_array
from ..machine.simd import bits, greater, lane_maximum, load, maximum, prefetch, select, splat, sub
from ..runtime.jit import inlined, inner, kernel
from ..scoring.packing import Packed
from ..scoring.panels import (
    GROUP,
    PANEL_ROWS,
    VECTORS,
    Panels,
    group_scores,
    load_group,
    load_row,
    load_scores,
    splat_rows,
)
from ..scoring.tile import CACHE_LINE, DOWN, EVERY_LANE, LANES, TINY, UP
from .arguments import MOVES, SUMS_ANEW, SUMS_MOVED, Bounds, Counts, Sums
from .hamerly import MARGIN

_SCORES = PANEL_ROWS * GROUP  # of a tile with a panel
_ROOM = 3 * _SCORES  # contenders of a tile that wait to be measured
_ENOUGH = _ROOM - _SCORES
_ROUNDINGS = 2.0**-22  # of a floor, where it becomes float32
_SLACK = 1 + 2.0**-20
_INFINITE = np.float32(np.inf)


class Tile(NamedTuple):
    """What a task needs to label PANEL_ROWS rows of a cluster."""

    rows: np.ndarray  # (PANEL_ROWS * d,) float32: x', row by row
    own: np.ndarray  # (PANEL_ROWS,) float64: |x - c|^2 of the label, of rows whose contenders were measured
    others: np.ndarray  # (PANEL_ROWS,) float64: the least of the contenders that were measured and lost
    norms: np.ndarray  # (PANEL_ROWS,) float64: |x'|^2
    floors: np.ndarray  # (PANEL_ROWS,) float32: the score that a contender has at least
    rest: np.ndarray  # (PANEL_ROWS * GROUP,) float32: for each place in a panel, the largest score of another centroid
    half_norms: np.ndarray  # (GROUP,) float32: those of a panel, without the own centroid's
    pair_rows: np.ndarray  # (_ROOM,) int32: the contenders
    pair_centroids: np.ndarray  # (_ROOM,) int32
    pair_scores: np.ndarray  # (_ROOM,) float32


@inlined
def _floor(score):
    """As float32, not above."""
    return np.float32(score - abs(score) * _ROUNDINGS)


@inner
def _drop(tile, count):
    """Drop the contenders that the floors exclude by now; how many are left."""
    kept = 0
    for p in range(count):
        if not (tile.pair_scores[p] < tile.floors[tile.pair_rows[p]]):
            tile.pair_rows[kept], tile.pair_centroids[kept] = tile.pair_rows[p], tile.pair_centroids[p]
            tile.pair_scores[kept] = tile.pair_scores[p]
            kept += 1
    return kept


@inner
def _append(tile, found, scores, order, first, used, bound, count):
    """Append the contenders of a panel, whose centroids are at ``order[first:]``, and raise the floors."""
    for r in range(used):
        for v in range(VECTORS):
            word = found[r * VECTORS + v]
            while word != 0:
                lane = v * LANES + trailing_zeros(word)
                word &= word - np.uint64(1)
                if order[first + lane] < 0:
                    continue
                score = scores[r * GROUP + lane]
                tile.pair_rows[count], tile.pair_centroids[count] = r, order[first + lane]
                tile.pair_scores[count] = score
                count += 1
                margin = tile.norms[r] * bound[0] + max(-tile.half_norms[lane], np.float32(0)) * bound[1] + bound[2]
                floor = _floor(score - margin * _SLACK)
                if floor > tile.floors[r]:
                    tile.floors[r] = floor
    return count


@inner
def _contenders(tile, used, d, panels, place, bound, start, width, reach, scores):
    """The contenders of the rows of a tile, whose centroid has the place `place` and its gaps at ``gaps[start:]``.

    Returns how many they are (-1 if there is no room for them), the gap of the nearest panel that was left out, and how
    many panels were not.
    """
    count, taken, own_group, groups = 0, 0, place // GROUP, panels.order.size // GROUP
    left_out = splat(-_INFINITE)
    store_tile(tile.rest, 0, LANES, negative_infinity_like(load_scores(tile.rest, 0, LANES)))
    for v in range(0, width, LANES):
        gap = load(panels.gaps, start + v)
        is_out = greater(gap, splat(reach))
        left_out = maximum(select(is_out, sub(splat(np.float32(0)), gap), splat(-_INFINITE)), left_out)
        in_reach = np.uint64(bits(is_out)) ^ EVERY_LANE
        while in_reach != 0:
            group = v + trailing_zeros(in_reach)
            in_reach &= in_reach - np.uint64(1)
            if group >= groups:  # the padding of the gaps, which an infinite reach reaches
                break
            taken += 1
            store_tile(tile.half_norms, 0, LANES, load_group(panels.half_norms, group * GROUP, LANES))
            if group == own_group:
                tile.half_norms[place % GROUP] = -_INFINITE
            tile_scores = group_scores(tile.rows, d, panels, group, tile.half_norms, 0)
            found = reached(tile_scores, splat_rows(tile.floors, 0, 1))
            store_tile(tile.rest, 0, LANES, larger(tile_scores, load_scores(tile.rest, 0, LANES)))
            if any_of(found) != 0:
                if count > _ENOUGH:
                    count = _drop(tile, count)
                    if count > _ENOUGH:
                        return -1, np.float32(0), taken
                store_tile(scores, 0, LANES, tile_scores)
                count = _append(tile, found, scores, panels.order, group * GROUP, used, bound, count)
    return count, -lane_maximum(left_out), taken


@inner
def _measure(tile, X, numbers, index, exact, d, count):
    """Take the nearest of each row's contenders for its label.

    Returns a word whose bit r is set where row r had a contender that was measured.
    """
    compared = np.uint64(0)
    for r in range(PANEL_ROWS):
        tile.others[r] = np.inf
    for p in range(count):
        r, c = np.int64(tile.pair_rows[p]), np.int64(tile.pair_centroids[p])
        if tile.pair_scores[p] < tile.floors[r] or c == index[r]:
            continue
        at, bit = numbers[r] * d, np.uint64(1) << np.uint64(r)
        if compared & bit == 0:
            compared |= bit
            tile.own[r] = squared(X, at, exact, np.int64(index[r]) * d, d)
        least = tile.own[r]
        distance = squared(X, at, exact, c * d, d)
        if is_nearer(X, at, exact, d, c, distance, np.int64(index[r]), least):
            index[r], tile.own[r], distance = c, distance, least
        tile.others[r] = min(tile.others[r], distance)
    return compared


@inner
def _search(tile, X, numbers, index, exact, used, d):
    """The contract's labels of the rows, by D to every centroid; nothing is claimed of the others."""
    for r in range(used):
        least = np.inf
        for c in range(exact.size // d):
            distance = squared_distance(X, numbers[r] * d, exact, c * d, d)
            if distance < least:
                index[r], least = c, distance
        tile.own[r], tile.others[r] = least, 0.0


@kernel
def assign_exponion(
    task,
    tasks,
    data: Rows,  #      IN
    packed: Packed,  #  IN
    panels: Panels,  #  IN
    numbers,  #         IN    (rows,) int32: the rows to label, by cluster (their own, or a guess): `sort_rows`
    starts,  #          IN    (k + 1,) int64: where in `numbers` each cluster begins
    labels,  #          INOUT (n,) int32
    counts: Counts,  #  OUT   `changed`, `rechecked` (rows measured against another centroid) and `pairs`
    sums: Sums,  #      INOUT SUMS_ANEW only if these are all rows
    bounds: Bounds,  #  INOUT `upper` as `find_failing` leaves it, and then of the new labels; `lower` is written
    memory,  #                `panels.tiles`
):
    """Label rows and bring the exact sums of the clusters up to date.

    Tasks take turns: neighbours need as many panels.
    """
    X, weights, d = data
    exact, _, _, shift, scale, bound = packed
    upper, lower, unit, factor = bounds.upper, bounds.lower, bounds.unit, bounds.factor
    k = starts.size - 1
    width = panels.gaps.size // k
    tile = Tile(
        memory[task],
        stack_array(PANEL_ROWS, np.float64),
        stack_array(PANEL_ROWS, np.float64),
        stack_array(PANEL_ROWS, np.float64),
        stack_array(PANEL_ROWS, np.float32),
        stack_array(_SCORES, np.float32),
        stack_array(GROUP, np.float32),
        stack_array(_ROOM, np.int32),
        stack_array(_ROOM, np.int32),
        stack_array(_ROOM, np.float32),
    )
    scores = stack_array(_SCORES, np.float32)
    rows, index = stack_array(PANEL_ROWS, np.int64), stack_array(PANEL_ROWS, np.int32)
    moves = stack_array(MOVES, np.int64)
    sources, targets = stack_array(MOVES, np.int32), stack_array(MOVES, np.int32)
    own_sums = accumulators(sums.totals, task, sums.plan.limbs, sums.plan.up, sums.plan.up_rest, sums.plan.down)
    line = CACHE_LINE // X.itemsize
    ambiguity = 0.5 * np.float64(bound[0]) * _SLACK
    moved, measured, done, n_moves, turn = 0, 0, 0, 0, 0
    if sums.mode == SUMS_ANEW:
        clear(own_sums, 0, k, d + 1 if weights.size > 0 else d)
    for c in range(k):
        for first in range(starts[c], starts[c + 1], PANEL_ROWS):
            turn += 1
            if turn % tasks != task:
                continue
            # STEP 1: the rows, while those that are next are fetched.
            used, reach = min(PANEL_ROWS, starts[c + 1] - first), np.float32(0)
            for ahead in range(first + PANEL_ROWS * tasks, min(first + PANEL_ROWS * (tasks + 1), numbers.size)):
                start = np.int64(numbers[ahead]) * d
                for offset in range(start, start + d, line):
                    prefetch(X, offset)
            for r in range(PANEL_ROWS):
                rows[r] = i = np.int64(numbers[first + min(r, used - 1)])
                index[r] = c
                norm, own = load_row(X, i * d, d, shift, scale, tile.rows, r), np.float64(upper[i]) / factor
                tile.norms[r] = norm
                tile.floors[r] = _floor(
                    0.5 * (norm * (1 - 2.0**-40) - own * own * _SLACK) - norm * ambiguity - bound[2]
                )
                reach = max(reach, upper[i] * MARGIN)
            for r in range(used, PANEL_ROWS):
                tile.floors[r] = _INFINITE

            # STEP 2: score the panels in reach, and measure what may be nearer.
            count, left_out, taken = _contenders(
                tile, used, d, panels, np.int64(panels.places[c]), bound, c * width, width, reach + reach, scores
            )
            done += taken * used
            if count < 0:
                _search(tile, X, rows, index, exact, used, d)
                measured += used
            else:
                measured += set_bits(np.int64(_measure(tile, X, rows, index, exact, d, count)))

            # STEP 3: record, and move the rows that changed cluster.
            for r in range(used):
                i, most = rows[r], load(tile.rest, r * GROUP)
                for v in range(LANES, GROUP, LANES):
                    most = maximum(load(tile.rest, r * GROUP + v), most)
                best = lane_maximum(most)
                least = tile.norms[r] * (1 - 2.0**-40 - 2 * ambiguity) - 2 * (best + np.float64(bound[2]))
                other = min(math.sqrt(max(least, 0.0)) * factor, math.sqrt(tile.others[r]) * unit)
                other = min(other, np.float64(left_out) - np.float64(upper[i]))
                lower[i] = np.float32(other) * DOWN - TINY
                if index[r] != c:
                    upper[i] = np.float32(math.sqrt(tile.own[r]) * unit) * UP + TINY
                if index[r] != labels[i]:
                    moves[n_moves], sources[n_moves], targets[n_moves] = i, labels[i], index[r]
                    n_moves += sums.mode == SUMS_MOVED
                    moved += 1
                    labels[i] = index[r]
            if sums.mode == SUMS_ANEW:
                add_rows(own_sums, data, index, rows, used, 1)
            if n_moves > MOVES - PANEL_ROWS:
                move_rows(own_sums, data, sources, targets, moves, n_moves)
                n_moves = 0
    move_rows(own_sums, data, sources, targets, moves, n_moves)
    counts.changed[task], counts.rechecked[task], counts.pairs[task] = moved, measured, done
