"""Seeding on a GPU: every step is enqueued without waiting for the one before."""

import numpy as np

from .device import allocate

_MOST_BUCKETS = 1 << 14
_MOST_TRIALS = 16


class CudaSeeder:
    """See `kmeans_fast.backends.protocol.Seeder` and `seeding.cu`. What `draw` returns stays on the device."""

    def __init__(self, session):
        self.session, self.launcher, self.device = session, session.launcher, session.device
        self.X, self.weights, self.n, self.d = session.X, session.weights, session.n, session.d
        device, n = self.device, self.n
        self.bucket_bits = max(6, (-(-n // _MOST_BUCKETS)).bit_length())
        self.n_buckets = -(-n // (1 << self.bucket_bits))
        what = f"seeding on {n:,} rows"
        hashes = allocate(device, n, np.uint64, what)
        self.launcher.run("facts", "row_hashes", n, X=self.X, n=n, d=self.d, hashes=hashes)
        self.order = device.argsort(hashes)
        del hashes
        self.buckets = allocate(device, n, np.int32, what)
        self._run("fill_buckets", n, order=self.order, n=n, bucket_bits=self.bucket_bits, buckets=self.buckets)
        self.nearest = allocate(device, n, np.float64, what, fill=1.0)
        self.marks = allocate(device, n, np.uint16, what)
        self.masses = allocate(device, self.n_buckets, np.int64, what)
        self.factors = allocate(device, 2, np.float64, what)
        self.total = allocate(device, 1, np.int64, what, fill=0)  # too small: the first draw scales the masses
        self.peaks = allocate(device, 2, np.uint64, what, fill=0)
        self.gains = allocate(device, _MOST_TRIALS, np.int64, what)
        self.candidates = allocate(device, _MOST_TRIALS, np.int64, what)
        self.seeds = allocate(device, session.k, np.int64, what)
        self.step = 0

    def _run(self, kernel, items, **arguments):
        self.launcher.run("seeding", kernel, items, **arguments)

    def _state(self, *names):
        known = {
            "weights": self.weights, "nearest": self.nearest, "factors": self.factors, "buckets": self.buckets, "masses": self.masses,
            "total": self.total, "peaks": self.peaks, "gains": self.gains, "candidates": self.candidates, "seeds": self.seeds,
        }  # fmt: skip
        return {name: known[name] for name in names}

    def _scale(self):
        """Scale the masses anew where their total has become too small."""
        self._run("peak", self.n, n=self.n, n_buckets=self.n_buckets, **self._state("weights", "nearest", "total", "peaks", "masses"))
        self._run("weigh", self.n, n=self.n, **self._state("weights", "nearest", "total", "peaks", "buckets", "factors", "masses"))

    def draw(self, words):
        self._scale()
        self.n_trials = len(words)
        self.launcher.prepare(
            "seeding", "draw", len(words), words=self.device.upload(words), order=self.order, n=self.n, bucket_bits=self.bucket_bits,
            n_buckets=self.n_buckets, **self._state("weights", "nearest", "factors", "masses", "candidates", "total", "peaks", "gains"),
        )()  # fmt: skip
        return self.candidates

    def begin(self, candidates):
        self._run("begin", self.n, X=self.X, n=self.n, d=self.d, candidates=candidates, **self._state("nearest", "total", "seeds"))
        self.step = 1

    def choose(self, candidates):
        shared = {"X": self.X, "n": self.n, "d": self.d, "candidates": candidates, "n_trials": self.n_trials, "marks": self.marks}
        self._run("trials", self.n, **shared, **self._state("weights", "nearest", "factors", "gains"))
        self._run(
            "accept", self.n, **shared, step=self.step,
            **self._state("gains", "weights", "nearest", "factors", "buckets", "masses", "total", "seeds"),
        )  # fmt: skip
        self.step += 1

    def exclude(self, candidates):
        self.launcher.prepare(
            "seeding", "exclude", 1, candidates=candidates, step=self.step,
            **self._state("weights", "nearest", "factors", "buckets", "masses", "total", "seeds"),
        )()  # fmt: skip
        self.step += 1
        if int(self.device.download(self.total)[0]) > 0:
            return True
        self.device.fill(self.peaks, 0)
        self._run("peak", self.n, n=self.n, n_buckets=self.n_buckets, **self._state("weights", "nearest", "total", "peaks", "masses"))
        any_left = int(self.device.download(self.peaks)[0]) > 0
        self.device.fill(self.peaks, 0)
        return any_left

    def chosen(self):
        return self.device.download(self.seeds[: self.step])
