"""The section "fits": from data to centroids, each library with its own seeding, the result measured by one yardstick."""

import statistics

from common.cells import exact_inertia, parse
from common.timing import say

from . import cells, data
from .ours import Ours
from .peers import opened, peers
from .rounds import guarded, interleaved, prepared

ROUNDS = 3
MAX_ITER, TOL, SEED = 25, 1e-4, 0
METHODS = ("k-means++", "k-means||", "random")  # of our seeding


def units(options):
    """Names of the cells."""
    return [cells.name(cell) for cell in options.get("cells") or cells.FITS]


def run(unit, stand, context):
    """Measure a cell.

    Returns
    -------
    dict
        "shape", and per contender under "results": median "seconds", "raw" ones, "n_iter", exact "inertia", and of ours
        how long the iterations alone took; or why there is nothing.
    """
    cell = parse(unit)
    n, d, k = (cells.tiny(cell) if context.dry_run else cell)[:3]
    context.tell("data", 75)
    X = data.blobs(stand.xp, n, d, k)
    contenders = [*map(Ours, METHODS), *peers(context.dry_run)]
    limit = context.seconds / len(contenders)
    results, measures = prepared(
        contenders, stand, context, lambda contender, result: _prepare(contender, stand, X, k, limit, result)
    )
    rounds = interleaved(measures, stand, rounds=ROUNDS, seconds=context.seconds * 0.6, tell=context.tell)
    for name, values in rounds.values.items():
        results[name]["skipped"] = rounds.reasons[name]
        if values:
            context.tell(name, 75)
            centroids, n_iter, facts = values[-1][1]
            inertia, reason = guarded(stand, exact_inertia, X, centroids)
            results[name] |= {
                "seconds": statistics.median(seconds for seconds, _ in values),
                "raw": [seconds for seconds, _ in values],
                "n_iter": n_iter,
                "inertia": inertia if not reason else None,
                "facts": facts,
            }
            say(f"  {name}: {results[name]['seconds']:.3f} s, {len(values)} rounds")
    for contender in contenders:
        contender.close()
    stand.release()
    return {"cell": str(cell), "shape": [n, d, k], "results": results}


def _prepare(contender, stand, X, k, limit, result):
    """A function that times a fit; None if a fit would take too long."""
    result["note"] = contender.note
    reason = opened(contender, stand, X, k)
    if reason:
        result["skipped"] = reason
        return None
    contender.fit(1, TOL, SEED)  # compiles
    one = stand.timed(lambda: contender.fit(1, TOL, SEED))[0]
    expected = one
    ours = isinstance(contender, Ours)
    if not ours and one <= limit:
        three = stand.timed(lambda: contender.fit(3, TOL, SEED))[0]
        expected = one + (MAX_ITER - 1) * max(0.0, three - one) / 2
    if expected > limit and not ours:
        what = "of one iteration takes" if one > limit else "would take about"
        result["skipped"] = f"a fit {what} {expected:.1f} s, too long here"
        return None
    return lambda: stand.timed(lambda: contender.fit(MAX_ITER, TOL, SEED))
