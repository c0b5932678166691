"""Seeding on a GPU: every step is enqueued without waiting for the one before."""

import numpy as np

from ...kernels.cuda import sources
from .device import allocate, upload
from .masses import CudaMasses

_TOGETHER = 16  # steps that are enqueued as one


class CudaSeeds:
    """Seeds of some runs side by side: see `seeding.cu`.

    Parameters
    ----------
    launcher, X, weights, n, of
        As for `CudaMasses`.
    words : ndarray (runs, seeds, most candidates) uint64
        What each run draws from.
    """

    def __init__(self, launcher, X, weights, n, of, words):
        first, rows = of.min(), slice(of.min() * n, (of.max() + 1) * n)  # of the problems that are asked for
        X, weights = X[rows], None if weights is None else weights[rows]
        self.device, self.masses = launcher.device, CudaMasses(launcher, X, weights, n, of - first)
        runs, self.k, self.trials = words.shape
        self.draws = {}  # launches, by how many candidates
        what = f"seeding on {n:,} rows"
        self.arrays = {
            "words": upload(self.device, words, "random words"),
            "marks": allocate(self.device, runs * n, np.uint16, what),
            "seeds": allocate(self.device, runs * self.k, np.int64, what),
            "candidates": allocate(self.device, runs * sources.TRIALS, np.int64, what),
        }

    def prepared(self, kernel, blocks_a_run):
        own = {"k": self.k, "width": self.trials, "n_trials": self.trials, "given": None, "chosen": 0}
        return self.masses.prepared_for_runs(kernel, blocks_a_run, **self.arrays, **own)

    def draw(self, count):
        """Draw candidates for the next seed of each run."""
        if count not in self.draws:
            self.draws[count] = self.prepared("draw", count)
        self.masses.weigh()
        self.draws[count]()

    def greedy(self):
        """All seeds by greedy k-means++."""
        everywhere = self.masses.everywhere
        self.draw(1)
        self.prepared("begin", everywhere)()
        self.masses.weigh()
        step = [self.prepared("draw", self.trials), *(self.prepared(name, everywhere) for name in ("trials", "accept"))]
        several, rest = divmod(self.k - 1, _TOGETHER)
        if several > 1:
            together = self.device.together(step * _TOGETHER)
            for _ in range(several):
                together()
        for launch in step * (rest if several > 1 else self.k - 1):
            launch()

    def chosen(self):
        """(runs, seeds) int64."""
        return self.device.download(self.arrays["seeds"]).reshape(-1, self.k)


class CudaSeeder:
    """See `kmeans_fast.backends.protocol.Seeder`. What `draw` returns stays on the device."""

    def __init__(self, session, words):
        none = np.zeros(1, np.int64)
        self.own = CudaSeeds(session.launcher, session.X, session.weights, session.n, none, words[None])
        self.masses = self.own.masses
        self._exclude = self.masses.prepared("exclude", 1, **self.own.arrays)

    def seeds(self):
        self.own.greedy()
        return self.own.chosen()[0]

    def draw(self, count):
        self.own.draw(count)
        return self.own.arrays["candidates"]

    def exclude(self, candidates):
        self._exclude()
        return self.masses.downloaded("total") > 0 or self.masses.any_left()

    def chosen(self):
        return self.own.chosen()[0][: self.masses.downloaded("n_seeds")]
