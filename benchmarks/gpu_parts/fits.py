"""The section "fits": from data to centroids, each library with its own seeding, judged by one yardstick."""

import functools

from common.cells import parse, sized
from common.contenders import race
from common.data import blobs, exact_inertia
from common.timing import Refused, guarded, say

from .ours import Ours
from .peers import peers

ROUNDS = 3
MAX_ITER, TOL, SEED = 25, 1e-4, 0
METHODS = ("k-means++", "k-means||", "random")  # of our seeding


def run(unit, stand, context):
    """Measure a cell.

    Returns
    -------
    dict
        "shape", and per contender under "results": median "seconds", "raw" ones, "n_iter", exact "inertia", and of ours
        the seconds of each phase; or why there is nothing.
    """
    cell = parse(unit)
    n, d, k = sized(cell, context.dry_run)[:3]
    context.tell("data")
    X = blobs(stand.xp, n, d, k)
    contenders = [*map(Ours, METHODS), *peers(context)]
    limit = context.seconds / len(contenders)
    prepare = functools.partial(_prepare, stand, limit)
    rounds = race(contenders, prepare, X, k, ROUNDS, stand, context, seconds=context.seconds * 0.6)
    results = {}
    for contender in contenders:
        name, done = contender.name, rounds[contender.name]
        results[name] = {"note": contender.note, "skipped": done.skipped}
        if done.values:
            context.tell(name)
            centroids, n_iter, facts = done.result
            inertia, reason = guarded(stand, exact_inertia, X, centroids)
            results[name] |= {"seconds": done.median, "raw": done.seconds, "n_iter": n_iter, "facts": facts}
            results[name]["inertia"] = inertia if not reason else None
            say(f"  {name}: {done.median:.3f} s, {len(done.values)} rounds")
    for contender in contenders:
        contender.close()
    stand.release()
    return {"cell": str(cell), "shape": [n, d, k], "results": results}


def _prepare(stand, limit, contender):
    """What times a fit; `Refused` where a peer's would take too long."""
    contender.fit(1, TOL, SEED)  # compiles
    one = stand.timed(lambda: contender.fit(1, TOL, SEED))[0]
    if not isinstance(contender, Ours):
        if one > limit:
            raise Refused(f"a fit of one iteration takes {one:.1f} s, too long here")
        three = stand.timed(lambda: contender.fit(3, TOL, SEED))[0]
        expected = one + (MAX_ITER - 1) * max(0.0, three - one) / 2
        if expected > limit:
            raise Refused(f"a fit would take about {expected:.1f} s, too long here")
    return lambda: stand.timed(lambda: contender.fit(MAX_ITER, TOL, SEED))
