"""What is read off the rows of problems before their runs: the ranges of their columns, their middles and scatters.

Mapping    A thread takes one problem after the other.
Cost       Reads X three times, five times with weights.
"""

from ..exact import column_statistics, distances, rounding
from ..exact.distances import EXPONENTS
from ..exact.fixed_point import Plan, Totals
from ..exact.rows import Rows
from ..exact.totals import total_of_bins
from ..runtime.jit import inner, kernel
from .turns import Runs, next_run, plan_of, rows_of, totals_of

_column_range = column_statistics.column_range.by_symbol()
_column_sums = column_statistics.column_sums.by_symbol()
_round_limbs = rounding.round_limbs.by_symbol()
_inertia_bins = distances.inertia_bins.by_symbol()


@kernel
def ranges(
    task,
    tasks,
    rows: Rows,  #  IN   of all problems
    n,  #                of one
    runs: Runs,  #       one for each problem
    together,  #         as of `column_range`
    largest,  #     OUT  (problems, columns or more) float64
    lowest,  #      OUT  (problems, columns or more) float64
):
    """`column_range` of every problem."""
    problem = next_run(runs)
    while problem < runs.of.size:
        X, weights, d = rows_of(rows, n, problem)
        own_largest, own_lowest = largest[problem : problem + 1], lowest[problem : problem + 1]
        _column_range((0, 1, X, weights, d, together, own_largest, own_lowest))
        problem = next_run(runs)


@inner
def _scatter(X, weights, middle, d, labels, bins):
    """The sum of squared distances to a point, exact, rounded once; `labels` (n,) are zeros."""
    _inertia_bins((0, 1, X, weights, middle, labels, d, bins))
    return total_of_bins(bins[0, 0], bins[0, 1], 0, EXPONENTS - 2)


@kernel
def measure(
    task,
    tasks,
    rows: Rows,  #      IN   of all problems
    n,  #                    of one
    runs: Runs,  #           one for each problem
    plan: Plan,  #      IN   of all problems, without weights; `up`, `up_rest` and `down` of each `together` times
    together,  #             as of `column_sums`
    totals: Totals,
    sums,  #                 (tasks, d or more) float64
    weight,  #               (tasks, 1 or more) float64
    bins,  #                 (tasks, 2 * EXPONENTS or more) int64, zeros
    labels,  #          IN   (n,) int32, zeros
    middles,  #         OUT  (problems * d,) float64
    scatters,  #        OUT  (problems,) float64: with weights
    variances,  #       OUT  (problems,) float64: the mean variance of the features, without weights
):
    """The mean of the rows of every problem, their scatter about it, and their mean variance."""
    d, own_bins = rows.d, bins[task][: 2 * EXPONENTS].reshape((1, 2, EXPONENTS))
    own_sums = sums[task][:d].reshape((1, d))
    own_totals = totals_of(totals, task)
    problem = next_run(runs)
    while problem < runs.of.size:
        X, weights, _ = rows_of(rows, n, problem)
        _, limbs, up, up_rest, down = plan_of(plan, d * together, problem)
        exponent = plan.exponent[problem * d * together : (problem + 1) * d * together]
        _column_sums((0, 1, X, d, together, own_totals, limbs, up, up_rest, down))
        _round_limbs((0, 1, own_totals, exponent, limbs, False, own_sums, weight[task]))
        middle = middles[problem * d : (problem + 1) * d]
        for j in range(d):
            middle[j] = own_sums[0, j] / n
        scatter = _scatter(X, weights[:0], middle, d, labels, own_bins)
        variances[problem] = scatter / (n * d)
        scatters[problem] = _scatter(X, weights, middle, d, labels, own_bins) if weights.size > 0 else scatter
        problem = next_run(runs)
