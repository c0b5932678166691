"""Whole runs of Lloyd's algorithm, a run at a time on each thread.

Mapping    A thread takes one run after the other. What an iteration consists of is called, by symbol, in the order in
           which a session calls it: pack, assign with sums, round the sums, divide.
Order      None: a run is the business of one thread, and its sums are exact.
Cost       As single fits of one thread, less 60 to 100 microseconds of Python for an iteration, and no waiting of
           threads for each other.
Limits     A run in which a cluster has no weight halts: rows to relocate are looked for elsewhere.
"""

from typing import NamedTuple

import numpy as np

from ..assignment import dense
from ..assignment.arguments import SUMS_ANEW, SUMS_LEFT, SUMS_MOVED, Bounds, Counts, Sums
from ..exact import distances, means, rounding
from ..exact.distances import EXPONENTS
from ..exact.fixed_point import Plan, Totals
from ..exact.rows import Rows
from ..exact.totals import total_of_bins, total_of_values
from ..machine.float_arrays import Floats, part
from ..machine.host import CENTROIDS
from ..machine.scratch import stack_array
from ..runtime.jit import inner, kernel
from ..scoring import packing
from ..scoring.packing import Packed
from .turns import Runs, next_run, plan_of, rows_of, totals_of

_assign = dense.assign.by_symbol()
_pack = packing.pack.by_symbol()
_round_words = rounding.round_words.by_symbol()
_round_limbs = rounding.round_limbs.by_symbol()
_means = means.means.by_symbol()
_inertia_bins = distances.inertia_bins.by_symbol()


class Frames(NamedTuple):
    """A point in the middle of the rows of each problem, and their scatter about it."""

    middles: np.ndarray  # (problems * d,) float64
    scatters: np.ndarray  # (problems,) float64, with weights


class Told(NamedTuple):
    """What is told of each run; all OUT."""

    inertia: np.ndarray  # (runs,) float64
    n_used: np.ndarray  # (runs,) int64
    n_iter: np.ndarray  # (runs,) int64
    halted: np.ndarray  # (runs,) bool
    iterations: np.ndarray  # (runs, iterations, 5) float64, see `protocol.Outcome`; no iterations: they are not told


class Room(NamedTuple):
    """Memory of the threads, a row for each, at least as long as is said (`scratch.private`)."""

    exact: np.ndarray  # k * d float64: these five as of `Packed`
    values: np.ndarray  # padded k * d float32: zeros
    half_norms: np.ndarray  # padded k float32: minus infinity
    shift: Floats  # of all threads, one after the other, X's dtype: at least d of each
    sums: np.ndarray  # k * columns float64
    weights: np.ndarray  # k float64: of clusters
    shifts: np.ndarray  # k float64
    differences: np.ndarray  # k float64
    beyond: np.ndarray  # 1 int64
    bins: np.ndarray  # 2 * EXPONENTS int64: zeros


@inner
def _packed(room, task, tasks, centroids, middle, d, reach):
    """The centroids `Packed` into a thread's room."""
    k = centroids.size // d
    padded = (k + CENTROIDS - 1) // CENTROIDS * CENTROIDS
    exact, values, half_norms = (
        room.exact[task][: k * d],
        room.values[task][: padded * d],
        room.half_norms[task][:padded],
    )
    shift = part(room.shift, room.shift.size // tasks * task, d)
    margin = stack_array(4, np.float64)
    _pack((0, 1, centroids, d, reach, exact, values, half_norms, shift, middle, True, margin))
    bound = np.float32(margin[1]), np.float32(margin[2]), np.float32(margin[3])
    return Packed(exact, values, half_norms, shift, margin[0], bound)


@inner
def _rounded(totals, plan, weighted, sums, weights, beyond):
    """The sums and the weights of the clusters, each rounded once."""
    if plan.limbs == 1:
        _round_words((0, 1, totals, plan.down, weighted, sums, weights, beyond))
        if beyond[0] == 0:
            return
    _round_limbs((0, 1, totals, plan.exponent, plan.limbs, weighted, sums, weights))


@inner
def _used(labels, seen):
    """How many clusters have rows; `seen` (k,) is scratch."""
    for c in range(seen.size):
        seen[c] = 0.0
    for label in labels:
        seen[label] = 1.0
    used = 0
    for c in range(seen.size):
        used += seen[c] > 0
    return used


@kernel
def lloyd(
    task,
    tasks,
    rows: Rows,  #        IN    of all problems
    n,  #                     of one
    k,
    runs: Runs,
    plan: Plan,  #        IN    of all problems
    frames: Frames,  #  IN
    thresholds,  #        IN    (runs,) float64
    max_iter,
    few,  #                   the share of rows below which they are moved, not added anew
    reach,  #                 of `packing.pack`
    centroids: Floats,  # INOUT (runs * k * d,) X's dtype
    labels,  #            OUT   (runs * n,) int32
    told: Told,  #      OUT
    room: Room,
    totals: Totals,
    counts: Counts,
    bounds: Bounds,  #        none are kept
    memory,  #                `tile.workspaces`
    lane_sums,  #             `lane_sums.scratch`
):
    """Make all runs: see `protocol.Problems.lloyd`."""
    d, weighted = rows.d, rows.weights.size > 0
    columns = d + 1 if weighted else d
    own_totals = totals_of(totals, task)
    own_memory, own_lanes, beyond = memory[task : task + 1], lane_sums[task : task + 1], room.beyond[task]
    bins = room.bins[task][: 2 * EXPONENTS].reshape((1, 2, EXPONENTS))
    sums, weights = room.sums[task][: k * columns].reshape((k, columns)), room.weights[task][:k]
    shifts, differences = room.shifts[task][:k], room.differences[task][:k]
    own_counts = Counts(
        counts.changed[task : task + 1],
        counts.rechecked[task : task + 1],
        counts.scored[task : task + 1],
        counts.overfull[task : task + 1],
        counts.pairs[task : task + 1],
    )
    run = next_run(runs)
    while run < runs.of.size:
        problem = runs.of[run]
        own_rows, own_plan = rows_of(rows, n, problem), plan_of(plan, columns, problem)
        own_centroids, own_labels = part(centroids, run * k * d, k * d), labels[run * n : (run + 1) * n]
        middle, threshold = frames.middles[problem * d : (problem + 1) * d], thresholds[run]
        for i in range(n):
            own_labels[i] = -1
        n_iter, changed, shift, mode, halted = 0, n, 0.0, SUMS_ANEW, False
        while n_iter < max_iter:
            packed = _packed(room, task, tasks, own_centroids, middle, d, reach)
            if n_iter > 0:  # as in `Assignment.iterate`
                mode = SUMS_MOVED if changed < few * n or changed == n else SUMS_ANEW
            to_sums = Sums(own_totals, own_plan, mode)
            _assign((0, 1, own_rows, packed, own_labels, own_counts, to_sums, own_memory, own_lanes, bounds, None))
            _rounded(own_totals, own_plan, weighted, sums, weights, beyond)
            for c in range(k):
                halted = halted or weights[c] == 0.0
            if halted:
                break
            n_iter += 1
            _means((0, 1, sums, weights, packed.exact, middle, own_centroids, shifts, differences))
            changed, shift = own_counts.changed[0], total_of_values(shifts, k, bins[0, 0], bins[0, 1])
            if told.iterations.shape[1] > 0:
                step, inertia = told.iterations[run, n_iter - 1], frames.scatters[problem]
                for c in range(k):
                    inertia += differences[c]
                step[0], step[1], step[2] = changed, shift, max(inertia, 0.0)
                step[3], step[4] = own_counts.rechecked[0], n
            if changed == 0 or shift <= threshold:
                break
        told.halted[run], told.n_iter[run] = halted, n_iter
        if not halted:
            packed = _packed(room, task, tasks, own_centroids, middle, d, reach)
            if changed != 0 or shift != 0.0:
                to_sums = Sums(own_totals, own_plan, SUMS_LEFT + 0 * mode)
                _assign((0, 1, own_rows, packed, own_labels, own_counts, to_sums, own_memory, own_lanes, bounds, None))
            _inertia_bins((0, 1, own_rows.X, own_rows.weights, packed.exact, own_labels, d, bins))
            told.inertia[run] = total_of_bins(bins[0, 0], bins[0, 1], 0, EXPONENTS - 2)
            told.n_used[run] = _used(own_labels, shifts)
        run = next_run(runs)
