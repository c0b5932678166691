"""The section "ways": what each way to score, and Hamerly's bounds, are worth, from early to late iterations."""

import contextlib
from collections.abc import Callable
from typing import NamedTuple
from unittest import mock

from common import data
from common.cells import parse, sized
from common.contenders import race
from common.timing import say

from .ours import Ours, steady

ITERATIONS = 15  # after the first
LATE = 5  # of them are late ones
ROUNDS = 3


class Way(NamedTuple):
    """A way that kmeans_fast may go, in a context that holds it to that."""

    name: str
    scorer: str = ""  # that is forced
    bounds: Callable | None = None  # in the place of `BoundsPolicy.decide`

    @contextlib.contextmanager
    def held(self):
        from kmeans_fast.backends.cuda import hamerly, scorers

        decide = self.bounds or hamerly.BoundsPolicy.decide
        forced = scorers.use_scorer(self.scorer) if self.scorer else contextlib.nullcontext()
        with forced, mock.patch.object(hamerly.BoundsPolicy, "decide", decide):
            yield


def _always(policy, *known):
    return True


def _never(policy, *known):
    return False


WAYS = (
    Way("as it comes"),
    Way("bytes, no bounds", "bytes", _never),
    Way("bytes, bounds", "bytes", _always),
    Way("float32, no bounds", "panels", _never),
    Way("float32, bounds", "panels", _always),
)
OF_POINTS = WAYS[:1]  # few features have one way
_POINTS = 4  # features of a point at most


class Held(Ours):
    """kmeans_fast, held to a way."""

    def __init__(self, way):
        super().__init__()
        self.way, self.name = way, way.name

    def open(self, stand, X, n_clusters):
        with self.way.held():
            super().open(stand, X, n_clusters)

    def iterate(self, start, iterations):
        with self.way.held():
            return super().iterate(start, iterations)


def run(unit, stand, context):
    """Measure a cell.

    Returns
    -------
    dict
        "shape", and per way under "results": ms of the "first", of an early and of a late iteration, "total" of all;
        "path" and the shares of rows "scored" and "rechecked", of each iteration; or why there are none.
    """
    cell = parse(unit)
    n, d, k = sized(cell, context.dry_run)[:3]
    context.tell("data")
    X = data.blobs(stand.xp, n, d, k)
    start = stand.host(X[stand.xp.asarray(data.start_rows(n, k))])
    held = [Held(way) for way in (OF_POINTS if d <= _POINTS else WAYS)]

    def prepare(contender):
        contender.iterate(start, 3)  # compiles, and plans the sums
        return lambda: contender.iterate(start, 1 + ITERATIONS)

    rounds = race(held, prepare, X, k, ROUNDS, stand, context, seconds=context.seconds * 0.7)
    results = {}
    for contender in held:
        name, values = contender.name, rounds[contender.name].values
        results[name] = {"skipped": rounds[name].skipped}
        if values:
            results[name] |= _shown(values, n)
            say("  {}: {late:.3f} ms late, {total:.2f} ms in all".format(name, **results[name]))
        contender.close()
    stand.release()
    return {"cell": str(cell), "shape": [n, d, k], "results": results}


def _shown(values, n):
    """What is told of a way, of several runs."""
    late = [{"seconds": run["seconds"][-1 - LATE :]} for run in values]
    early = [{"seconds": run["seconds"][: 1 + LATE]} for run in values]
    found = {"first": steady(values)["first"], "early": steady(early)["median"], "late": steady(late)["median"]}
    found["total"] = 1e3 * min(sum(run["seconds"]) for run in values)
    shares = {name: [rows / n for rows in values[-1][name]] for name in ("changed", "scored", "rechecked")}
    return {**found, **shares, "path": values[-1]["path"], "raw": [run["seconds"] for run in values]}
