"""Seeding on a GPU: every step is enqueued without waiting for the one before."""

import numpy as np

from ...kernels.cuda import sources
from .device import allocate, upload
from .masses import CudaMasses


class CudaSeeder:
    """See `kmeans_fast.backends.protocol.Seeder` and `seeding.cu`. What `draw` returns stays on the device."""

    def __init__(self, session, words):
        self.device, self.masses = session.device, CudaMasses(session)
        what, trials = f"seeding on {session.n:,} rows", words.shape[1]
        self.words = upload(self.device, words, "random words")
        self.marks = allocate(self.device, session.n, np.uint16, what)
        self.seeds = allocate(self.device, len(words), np.int64, what)
        self.candidates = allocate(self.device, sources.TRIALS, np.int64, what)
        self._draws = {count: self._prepared("draw", count) for count in {1, trials}}
        self._first = self._prepared("begin")
        self._choose = [self._prepared(kernel) for kernel in ("trials", "accept")]
        self._exclude = self._prepared("exclude", 1)

    def _prepared(self, kernel, blocks=None):
        own = {"words": self.words, "marks": self.marks, "seeds": self.seeds, "candidates": self.candidates}
        own |= {"given": None, "chosen": 0}
        width = self.words.shape[1]
        return self.masses.prepared(kernel, blocks or self.masses.everywhere, width=width, n_trials=width, **own)

    def draw(self, count):
        self.masses.weigh()
        self._draws[count]()
        return self.candidates

    def begin(self, candidates):
        self._first()

    def choose(self, candidates):
        for launch in self._choose:
            launch()

    def exclude(self, candidates):
        self._exclude()
        return self.masses.downloaded("total") > 0 or self.masses.any_left()

    def chosen(self):
        return self.device.download(self.seeds)[: self.masses.downloaded("n_seeds")]
