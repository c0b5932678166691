"""The section "iterations": an iteration, ours and the peers', from the same rows on the same data."""

import statistics

import numpy as np
from common import data
from common.cells import parse, sized
from common.contenders import race
from common.data import exact_inertia
from common.timing import Refused, guarded, say

from . import cells
from .ours import NAME, TOLD, Ours, Whole, steady
from .peers import peers

ITERATIONS = 10  # after the first
ROUNDS = 5
CHECKED = 2000  # rows whose labels are checked
SETTINGS = (
    f"float32 data made on the device: as many overlapping Gaussian blobs as clusters (seed {data.SEED}), centroids'"
    " coordinates normal with deviation 4 / sqrt(2 d), sigma 1. All start from the same random rows, but for those that"
    " take none. Data of a few MB stay in the device's cache for all."
)


def run(unit, stand, context):
    """Measure a cell.

    Returns
    -------
    dict
        "shape"; "wanted", ms or None; per contender under "results" ms of an iteration and raw seconds, or why there
        are none; of ours phases and what the session told, of the peers `inertia_difference` from ours;
        "labels_checked", "labels_wrong".
    """
    cell = parse(unit)
    n, d, k = sized(cell, context.dry_run)[:3]
    context.tell("data")
    X = data.blobs(stand.xp, n, d, k)
    start = stand.host(X[stand.xp.asarray(data.start_rows(n, k))])
    contenders = [Ours(), Whole(), *peers(context)]
    limit = context.seconds / (2 * len(contenders))
    results = {contender.name: {"note": contender.note} for contender in contenders}

    def prepare(contender):
        if contender.name == NAME:
            contender.iterate(start, 3)  # compiles, and plans the sums
            return lambda: contender.iterate(start, 1 + ITERATIONS)
        if isinstance(contender, Whole):
            return _prepare_whole(contender, stand, start)
        return _prepare_peer(contender, stand, start, limit, results[contender.name])

    rounds = race(contenders, prepare, X, k, ROUNDS, stand, context, seconds=context.seconds * 0.6)
    result = {"cell": str(cell), "shape": [n, d, k], "wanted": cells.TARGETS.get(cell[:3]), "results": results}
    for contender in contenders:
        name, values = contender.name, rounds[contender.name].values
        results[name]["skipped"] = rounds[name].skipped
        if values:
            context.tell(name)
            results[name] |= _of_ours(values) if name == NAME else _of_peer(values)
            say(f"  {name}: {results[name]['median']:.3f} ms, {len(values)} rounds")
    _check(contenders, stand, X, start, result, context)
    for contender in contenders:
        contender.close()
    stand.release()
    return result


def _prepare_whole(whole, stand, start):
    """What times our own fit of one iteration and of more. It ends where no label changes, unlike some peers'."""
    whole.run(start, 1 + ITERATIONS)  # compiles

    def measure():
        few = stand.timed(lambda: whole.run(start, 1))[0]
        more, fit = stand.timed(lambda: whole.run(start, 1 + ITERATIONS))
        return {"few": few, "more": more, "iterations": fit.n_iter - 1}

    return measure


def _prepare_peer(peer, stand, start, limit, result):
    """What times a run of one iteration and one of more: their difference has no costs that come once a fit."""
    stand.timed(lambda: peer.run(start, 1))  # compiles
    one = stand.timed(lambda: peer.run(start, 1))[0]
    if one > limit:
        result["about"] = 1e3 * one
        raise Refused(f"a run of one iteration takes {one:.2f} s, too long here")
    three = stand.timed(lambda: peer.run(start, 3))[0]
    each = max((three - one) / 2, 1e-6)
    many = int(np.clip((limit - 2 * one) / each, 2, ITERATIONS))

    def measure():
        few = stand.timed(lambda: peer.run(start, 1))[0]
        more, centroids = stand.timed(lambda: peer.run(start, 1 + many))
        peer.latest = centroids
        return {"few": few, "more": more, "iterations": many}

    return measure


def _of_ours(values):
    told = {name: values[-1][name] for name in TOLD}
    return {**steady(values), "raw": [run["seconds"] for run in values], "told": told}


def _of_peer(values):
    seconds = [max(0.0, (run["more"] - run["few"]) / run["iterations"]) for run in values]
    found = {"median": statistics.median(seconds), "min": min(seconds), "mean": statistics.mean(seconds)}
    return {**{name: 1e3 * value for name, value in found.items()}, "raw": values}


def _check(contenders, stand, X, start, result, context):
    """Our phases, our labels against float64, and everybody's exact inertia against ours after as many iterations."""
    results = result["results"]
    for contender in contenders:
        name = contender.name
        if "raw" not in results[name]:
            continue
        context.tell(name)
        if name == NAME:
            phases, reason = guarded(stand, contender.phases, start, ITERATIONS // 2)
            results[name]["phases"] = phases if not reason else {"skipped": reason}
            checked, reason = guarded(stand, _of_our_labels, contender, stand, X, start)
            result |= checked if not reason else {"labels_unchecked": reason}
        elif not isinstance(contender, Whole) and results[name]["raw"][-1]["iterations"] == ITERATIONS:
            inertia, reason = guarded(stand, lambda c=contender: exact_inertia(X, c.host(c.latest)))
            if not reason:
                results[name]["inertia"] = inertia
    ours = result.get("inertia")
    for found in results.values():
        if ours and "inertia" in found:
            found["inertia_difference"] = found["inertia"] / ours - 1


def _of_our_labels(ours, stand, X, start):
    """The inertia that our iterations come to, and how many of some rows have not the nearest centroid's label."""
    ours.iterate(start, 1 + ITERATIONS)
    centroids = ours.centroids()
    rows = data.some_rows(len(X), CHECKED)
    true = data.true_labels(stand.xp, X[stand.xp.asarray(rows)], centroids)
    wrong = int((ours.labels(centroids)[rows] != stand.host(true)).sum())
    return {"labels_checked": len(rows), "labels_wrong": wrong, "inertia": exact_inertia(X, centroids)}
