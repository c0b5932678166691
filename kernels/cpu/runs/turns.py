"""Who makes which run, and where the rows of a problem are among those of all."""

from typing import NamedTuple

import numpy as np

from ..exact.fixed_point import Plan, Totals
from ..exact.rows import Rows
from ..machine.float_arrays import part
from ..runtime.atomics import load, replace
from ..runtime.jit import inner


class Runs(NamedTuple):
    """Runs that threads take one after the other: some are over long before others."""

    of: np.ndarray  # (runs,) int64: the problem that each is on
    turn: int  # the address of a word: the next run that nobody has taken


@inner
def next_run(runs):
    """The number of a run that is the caller's; that of no run if all are taken."""
    while True:
        run = load(runs.turn)
        if run >= runs.of.size or replace(runs.turn, run, run + 1):
            return run


@inner
def rows_of(rows, n, problem):
    """The `Rows` of a problem, among those of all, which have n rows each."""
    X, weights, d = rows
    return Rows(part(X, problem * n * d, n * d), weights[problem * n : (problem + 1) * n], d)


@inner
def plan_of(plan, columns, problem):
    """The `Plan` of a problem, among those of all."""
    first, stop = problem * columns, (problem + 1) * columns
    first_limb, stop_limb = first * plan.limbs, stop * plan.limbs
    return Plan(
        plan.exponent[first:stop],
        plan.limbs,
        plan.up[first_limb:stop_limb],
        plan.up_rest[first_limb:stop_limb],
        plan.down[first_limb:stop_limb],
    )


@inner
def totals_of(totals, task):
    """The `Totals` of a thread, as those of the only one."""
    return Totals(
        totals.pending[task : task + 1],
        totals.high[task : task + 1],
        totals.low[task : task + 1],
        totals.unspilled[task : task + 1],
        totals.count[task : task + 1],
    )
