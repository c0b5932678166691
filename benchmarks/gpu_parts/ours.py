"""kmeans_fast as a contender: iterations timed one by one on the device, phases, labels, fits."""

import itertools
import statistics

import numpy as np
from common.contenders import Contender

NAME = "kmeans_fast"
TOLD = ("changed", "scored", "rechecked", "empty", "path")  # of an iteration


class Ours(Contender):
    """A session that iterates as the engine does: the next iteration is enqueued before the one under way is read."""

    distribution = NAME

    def __init__(self, init="k-means++"):
        self.init, self.name = init, NAME if init == "k-means++" else f"{NAME} {init}"

    def load(self, stand):
        import kmeans_fast  # noqa: F401
        from kmeans_fast.engine import fit  # noqa: F401

        self.stand = stand

    def needs(self, n_samples, n_features, n_clusters):
        from kmeans_fast import backends
        from kmeans_fast.backends.protocol import Problem

        problem = Problem(n_samples, n_features, n_clusters, np.dtype(np.float32), resident=0)
        with self.stand.forced():
            return backends.select(problem).plan(problem, None).workspace_bytes

    def open(self, stand, X, n_clusters):
        from kmeans_fast.arrays import Data, Origin
        from kmeans_fast.engine.opening import open_data

        super().open(stand, X, n_clusters)
        self.session = open_data(Data(X, None, Origin("cupy", 0)), n_clusters).session

    def close(self):
        self.session = self.X = None

    def iterate(self, start, iterations):
        """Seconds of each iteration, and what the session tells of it.

        From one mark to the next nothing but an iteration is enqueued.
        """
        stand, session = self.stand, self.session
        session.reset()
        stand.wait()
        marks, done = [stand.mark()], []
        step = session.iterate(start)
        marks.append(stand.mark())
        for _ in range(iterations - 1):
            following = session.iterate(step.centroids)
            marks.append(stand.mark())
            done.append(step.read())
            step = following
        done.append(step.read())
        stand.wait()
        self.last = step
        told = {name: [getattr(one, name) for one in done] for name in TOLD}
        return {"seconds": [stand.between(*pair) for pair in itertools.pairwise(marks)], **told}

    def centroids(self):
        """Those that `iterate` came to, on the host."""
        return self.session.fetch(self.last.centroids)

    def phases(self, start, iterations):
        """Mean milliseconds of every kernel in an iteration after the first, and how often it was launched.

        By marks before and after each launch.
        """
        stand, launcher, marks = self.stand, self.session.launcher, {}
        prepare = launcher.prepare

        def watched(kernel, launch):
            def marked():
                first = stand.mark()
                launch()
                marks.setdefault(kernel, []).append((first, stand.mark()))

            marked.replaced = lambda others: watched(kernel, launch.replaced(others))
            return marked

        launcher.prepare = lambda module, kernel, *sizes, **options: watched(
            kernel, prepare(module, kernel, *sizes, **options)
        )
        try:
            self.session.reset()  # launches are prepared anew, by `watched`
            step = self.session.iterate(start)
            step.read()
            marks.clear()
            for _ in range(iterations):
                step = self.session.iterate(step.centroids)
                step.read()
            stand.wait()
            seconds = {kernel: sum(stand.between(*pair) for pair in pairs) for kernel, pairs in marks.items()}
            return {
                kernel: {"ms": 1e3 * seconds[kernel] / iterations, "launches": len(pairs) / iterations}
                for kernel, pairs in marks.items()
            }
        finally:
            del launcher.prepare  # the method of its class serves again
            self.session.reset()

    def labels(self, centroids):
        self.session.reset()
        for _ in range(2):  # as a later iteration finds them: the first of a run scores otherwise
            self.session.iterate(centroids).read()
        return self.stand.host(self.session.labels)

    def fit(self, max_iter, tol, seed):
        """Centroids on the host, iterations, and facts: seconds by phase, and the inertia."""
        import kmeans_fast

        found = kmeans_fast.kmeans(self.X, self.n_clusters, init=self.init, seed=seed, max_iter=max_iter, tol=tol)
        facts = {**found.timings, "inertia": found.inertia}
        return self.stand.host(found.centroids), found.n_iter, facts


class Whole(Ours):
    """kmeans_fast as a user calls it: a fit from given centroids, which may do several iterations in a launch."""

    note = "whole fits from the same rows, by the difference of a long and a short one, as of the peers"

    def __init__(self):
        super().__init__()
        self.name = f"{NAME} fit"

    def run(self, start, iterations):
        import kmeans_fast

        return kmeans_fast.kmeans(self.X, self.n_clusters, init=start, max_iter=iterations, tol=0.0)


def steady(measured):
    """What the later iterations of several runs say: all but the first, in which every row is new."""
    later = [seconds for run in measured for seconds in run["seconds"][1:]]
    return {
        "median": 1e3 * statistics.median(later),
        "min": 1e3 * min(later),
        "mean": 1e3 * statistics.median(statistics.mean(run["seconds"][1:]) for run in measured),
        "first": 1e3 * statistics.median(run["seconds"][0] for run in measured),
    }
