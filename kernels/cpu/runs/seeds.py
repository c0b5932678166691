"""Whole greedy k-means++, a run at a time on each thread (`kmeans_fast.reference.kmeans_plusplus`).

Mapping    A thread takes one run after the other. The steps are those of `kmeans_fast.backends.masses` and
           `kmeans_fast.backends.cpu.trials`: draw, try, accept, called by symbol.
Order      None: masses are integers.
Cost       As seeding by one thread, less about 20 microseconds of Python for a seed.
Limits     At most 16 trials a step. Buckets are the same for all problems: by the top bits of the hash, so that every
           draw sorts nearly all rows where these share them; or by splitters, which suit the rows of one problem.
"""

import math
from typing import NamedTuple

import numpy as np

from ..exact.rows import Rows
from ..machine.float_arrays import Floats, part
from ..machine.scratch import stack_array
from ..machine.simd import element
from ..runtime.jit import inner, kernel
from ..scoring.packing import reach
from ..seeding import drawing, trials
from ..seeding.drawing import MOST_TRIALS
from ..seeding.trials import UNREACHED, Filter
from .turns import Runs, next_run, rows_of

_fill_buckets = drawing.fill_buckets.by_symbol()
_weigh = drawing.weigh.by_symbol()
_draw = drawing.draw.by_symbol()
_trials = trials.trials.by_symbol()
_accept = trials.accept.by_symbol()

_TOO_SMALL = 1 << 44  # a total mass below this is measured anew


class Filters(NamedTuple):
    """The `Filter` of every problem."""

    shift: Floats  # (problems * d,) X's dtype
    scale: Floats  # (problems,) X's dtype
    slope: np.float32
    rise: float
    blur: float
    least: np.ndarray  # (problems,) float32


def filters_of(samples, middles):
    """The `Filters` of problems, given some rows of each (problems, rows, d) and their middles (problems, d)."""
    dtype, d, shift = samples.dtype, samples.shape[2], middles.astype(samples.dtype)
    extent = np.abs(samples - shift[:, None]).max(axis=(1, 2)).astype(np.float64)
    farthest = reach(dtype)
    power = np.where(extent > 0, np.clip(-np.frexp(extent)[1], -farthest, farthest), 0)
    slope, rise, blur, least = Filter.constants(d)
    with np.errstate(over="ignore"):
        least = (least + d * 2.0**-1074 * np.ldexp(1.0, 2 * power)).astype(np.float32)
    return Filters(shift.ravel(), np.ldexp(1.0, power).astype(dtype), slope, rise, blur, least)


class Room(NamedTuple):
    """Memory of the threads, a row for each, at least as long as is said (`scratch.private`)."""

    nearest: np.ndarray  # n float64
    buckets: np.ndarray  # n uint16
    marks: np.ndarray  # n uint16
    tile_marks: np.ndarray  # tiles, uint16
    of_buckets: np.ndarray  # buckets, int64
    change: np.ndarray  # buckets, int64
    found: np.ndarray  # n int64: these three are what a draw looks at
    drawn: np.ndarray  # n int64
    hashes: np.ndarray  # n uint64
    targets: np.ndarray  # trials, int64
    chosen: np.ndarray  # trials, int64
    gains: np.ndarray  # MOST_TRIALS int64
    exact: np.ndarray  # trials * d float64: the candidates
    moved: np.ndarray  # padded trials * d float32: zeros
    half_norms: np.ndarray  # padded trials, float32: zeros
    splitters: np.ndarray  # (m,) uint64, of a single problem; (0,): none


@inner
def _upper_half(a, b):
    """The upper 64 bits of the product of two uint64."""
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    a0, a1, b0, b1 = a & low, a >> half, b & low, b >> half
    middle = ((a0 * b0) >> half) + (a1 * b0 & low) + (a0 * b1 & low)
    return a1 * b1 + (a1 * b0 >> half) + (a0 * b1 >> half) + (middle >> half)


@inner
def _largest(weights, nearest):
    most = 0.0
    if weights.size > 0:
        for i in range(nearest.size):
            most = max(most, weights[i] * nearest[i])
    else:
        for i in range(nearest.size):
            most = max(most, nearest[i])
    return most


@inner
def _rescaled(weights, nearest, buckets, masses):
    """Choose the power of two of the masses anew and measure those of the buckets, (1, buckets): its two factors, and
    the total.
    """
    largest = _largest(weights, nearest)
    if largest == 0.0:
        for i in range(nearest.size):
            nearest[i] = 1.0
        largest = _largest(weights, nearest)
    _, power = math.frexp(largest)
    bits, rest = 0, nearest.size
    while rest > 0:
        bits, rest = bits + 1, rest >> 1
    shift = 61 - bits - power
    first = min(shift, 1000)
    factors = math.ldexp(1.0, np.int32(first)), math.ldexp(1.0, np.int32(shift - first))
    total = np.int64(0)
    for bucket in range(masses.size):
        masses[0, bucket] = 0
    _weigh((0, 1, weights, nearest, factors, buckets, masses))
    for bucket in range(masses.size):
        total += masses[0, bucket]
    return factors, total


@inner
def _moved(X, row, d, candidate, own_filter, exact, moved, half_norms):
    """Put a row in place as a candidate: in float64, and as the filter takes it (`Filter.candidates`)."""
    shift, scale, _, rise, blur, _ = own_filter
    norm = 0.0
    for j in range(d):
        x = element(X, row * d + j)
        exact[candidate * d + j] = x
        moved[candidate * d + j] = (x - element(shift, j)) * scale
        value = np.float64(moved[candidate * d + j])
        norm += value * value
    half_norms[candidate] = -0.5 * (1 - rise - blur) * norm
    if np.isinf(half_norms[candidate]):
        half_norms[candidate] = np.nan


@kernel
def seeds(
    task,
    tasks,
    rows: Rows,  #        IN   of all problems
    n,  #                      of one
    k,
    runs: Runs,
    filters: Filters,  #  IN
    bits,  #                   log2 of the number of buckets
    words,  #             IN   (runs, k, trials) uint64
    room: Room,
    memory,  #                 `tile.workspaces`
    seeds,  #             OUT  (runs, k) int64
):
    """The seeds of all runs. O(n d k log k) each."""
    d, most, before = rows.d, words.shape[2], np.int64(-1)
    nearest, buckets, marks, tile_marks = (
        room.nearest[task][:n],
        room.buckets[task][:n],
        room.marks[task],
        room.tile_marks[task],
    )
    masses = room.of_buckets[task][: 1 << bits].reshape((1, 1 << bits))
    change = room.change[task][: 1 << bits].reshape((1, 1 << bits))
    gains, own_memory = room.gains[task][:MOST_TRIALS].reshape((1, MOST_TRIALS)), memory[task : task + 1]
    targets, chosen, n_found = room.targets[task], room.chosen[task], stack_array(1, np.int64)
    exact, moved, half_norms = room.exact[task], room.moved[task], room.half_norms[task]
    run = next_run(runs)
    while run < runs.of.size:
        problem = runs.of[run]
        X, weights, _ = rows_of(rows, n, problem)
        if problem != before:
            _fill_buckets((0, 1, X, d, bits, room.splitters, buckets))
            before = problem
        own_filter = Filter(
            part(filters.shift, problem * d, d),
            element(filters.scale, problem),
            filters.slope,
            filters.rise,
            filters.blur,
            filters.least[problem],
        )
        floats = moved, half_norms, own_filter
        for i in range(n):
            nearest[i] = 1.0
        factors, total = _rescaled(weights, nearest, buckets, masses)
        for step in range(k):
            # STEP 1: draw candidates.
            count = most if step > 0 else 1
            if total < _TOO_SMALL:
                factors, total = _rescaled(weights, nearest, buckets, masses)
            for q in range(count):
                targets[q] = np.int64(_upper_half(words[run, step, q], np.uint64(max(total, 0))))
            _draw((
                0, 1, X, d, targets[:count], weights, nearest, factors, buckets, masses[0],
                room.found[task], room.drawn[task], room.hashes[task], chosen[:count], n_found,
            ))  # fmt: skip
            for q in range(count):
                _moved(X, chosen[q], d, q, own_filter, exact, moved, half_norms)
            candidates = exact[: count * d]
            # STEP 2: the best becomes a seed. Before there is one, no row has mass, and none is near.
            if step == 0:
                for i in range(n):
                    nearest[i] = UNREACHED
                factors = (0.0, 0.0)
            _trials((
                0, 1, X, weights, d, candidates, floats, None,
                nearest, marks, tile_marks, own_memory, factors, gains,
            ))  # fmt: skip
            best = 0
            for q in range(count):
                if gains[0, q] > gains[0, best]:
                    best = q
            for bucket in range(change.size):
                change[0, bucket] = 0
            _accept((
                0, 1, X, weights, d, candidates, best, nearest, marks, tile_marks, factors, buckets, change,
            ))  # fmt: skip
            for bucket in range(change.size):
                masses[0, bucket] += change[0, bucket]
            total -= gains[0, best]
            seeds[run, step] = chosen[best]
            if step == 0:
                factors, total = _rescaled(weights, nearest, buckets, masses)
        run = next_run(runs)
