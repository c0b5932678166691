"""The launches of an iteration, prepared once and run many times: to prepare one takes the host microseconds."""

import collections
import weakref

from .buffers import Centroids
from .scorers.sums_in_shared_memory import update_choices, update_plan

_OFTEN = 8  # runs of the same launches from which they are made one


class Launches:
    """Prepared launches of a session, by what distinguishes them; prepared anew for new labels."""

    def __init__(self, session):
        # A session that nobody uses gives its memory back at once, which it would not in a cycle.
        self.session, self.launcher = weakref.proxy(session), session.launcher
        self.prepared, self.first = {}, {}
        self.runs = collections.Counter()

    def forget(self):
        """The arrays that the launches are for are no longer in use."""
        self.prepared.clear()
        self.first.clear()
        self.runs.clear()

    def run(self, make, *what):
        """Run the launches that the method `make` makes of `what`."""
        key = (make.__name__, *(id(part) if isinstance(part, Centroids) else part for part in what))
        if key not in self.prepared:
            self.prepared[key] = self._made(make, what)
        for launch in self.prepared[key]:
            launch()
        self.runs[key] += 1
        if self.runs[key] == _OFTEN and len(self.prepared[key]) > 1:
            self.prepared[key] = [self.launcher.device.together(self.prepared[key])]

    def _made(self, make, what):
        """Launches, made anew unless there are some for other centroids: to exchange those takes less time."""
        centroids = [part for part in what if isinstance(part, Centroids)]
        kind = (make.__name__, *(part for part in what if not isinstance(part, Centroids)))
        if kind not in self.first:
            self.first[kind] = centroids, make(*what)
            return self.first[kind][1]
        before, launches = self.first[kind]
        pairs = [pair for one, other in zip(before, centroids) for pair in zip(one.arrays, other.arrays)]
        others = {id(old): new for old, new in pairs}
        return [launch.replaced(others) for launch in launches]

    def assignment(self, source, summing, anew, bounded, way):
        """Label every row by the centroids `source`, and bring the sums up to date if wanted."""
        s, sums = self.session, self.session.sums if summing else None
        common = {
            "X": s.X, "k": s.k, "labels": s.device_labels, "counters": s.iteration.counters,
            "halted": s.iteration.halted,
        }  # fmt: skip
        clearing = [self._clearing(sums)] if anew else []
        updating = [self.updating(sums, anew)] if summing and not s.scorer.adds_rows else []
        return clearing + s.scoring.launches(s, source, common, bounded, way, sums, anew) + updating

    def _clearing(self, sums):
        size, s = sums.cells.size, self.session
        return self.launcher.prepare(
            "centroids", "clear", self.launcher.blocks(size),
            cells=sums.cells, size=size, counts=sums.counts, k=s.k, halted=s.iteration.halted,
        )  # fmt: skip

    def updating(self, sums, anew):
        """Bring the sums up to date with the labels."""
        s, columns = self.session, len(sums.limbs.exponent)
        # Nearly every float32 ends in the topmost limb.
        limbs = 1 if self.launcher.real == "float" and s.weights is None else sums.limbs.n_limbs
        held, dynamic, blocks = update_plan(s.n, s.k, columns, limbs, s.device.properties)
        return self.launcher.prepare(
            "update_sums", "update_sums", blocks, shared_bytes=dynamic, choices=update_choices(columns),
            X=s.X, weights=s.weights, n=s.n, d=s.d, k=s.k, labels=s.device_labels, summed=sums.summed, **sums.arguments,
            anew=anew, held=held, halted=s.iteration.halted,
        )  # fmt: skip

    def update(self, source, target, relocated):
        """Make the centroids `target` of the sums, and the status of the iteration."""
        s, iteration = self.session, self.session.iteration
        update = self.launcher.prepare(
            "centroids", "update", self.launcher.blocks(32 * s.k), **s.sums.arguments, k=s.k, d=s.d,
            weighted=s.weights is not None, old=source.exact, center=s.center, scatter=s.scattered,
            relocated=relocated, centroids=target.exact, **target.packed._asdict(), **s.scoring.frame,
            cluster_weights=iteration.weights, shifts=iteration.shifts, differences=iteration.differences,
            drifts=iteration.drifts, counters=iteration.counters, status=target.status.array, halted=iteration.halted,
            tally=iteration.tally,
        )  # fmt: skip
        return [update]
