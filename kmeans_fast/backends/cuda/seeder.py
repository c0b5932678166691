"""Seeding on a GPU: every step is enqueued without waiting for the one before."""

import numpy as np

from ...kernels.cuda import sources
from .device import allocate, attempt, upload

_MOST_BUCKETS = 1 << 14


class CudaSeeder:
    """See `kmeans_fast.backends.protocol.Seeder` and `seeding.cu`. What `draw` returns stays on the device."""

    def __init__(self, session, words):
        self.launcher, self.device = session.launcher, session.device
        self.words = upload(self.device, words, "random words")
        self._allocate(session)
        self.state["order"] = self._order(session)
        self._prepared("fill_buckets", self._everywhere)()
        self._prepare_steps()

    def _order(self, session):
        """The rows by hash, equal ones by number."""
        n, device, what = session.n, self.device, "the order of the rows"
        hashes = allocate(device, n, np.uint64, what)
        self.launcher.run("facts", "row_hashes", n, X=session.X, n=n, d=session.d, hashes=hashes)
        return attempt(device, lambda: device.argsort(hashes), 16 * n, what)

    def _allocate(self, session):
        device, n, d = self.device, session.n, session.d
        what = f"seeding on {n:,} rows"
        bucket_bits = max(6, (-(-n // _MOST_BUCKETS)).bit_length())
        n_buckets = -(-n // (1 << bucket_bits))
        arrays = {
            "buckets": (n, np.int32, None), "nearest": (n, np.float64, 1.0), "marks": (n, np.uint16, None),
            "masses": (n_buckets, np.int64, None), "factors": (2, np.float64, None),
            "total": (1, np.int64, 0),  # too small: the first draw scales the masses
            "peaks": (2, np.uint64, 0), "gains": (sources.TRIALS, np.int64, None), "candidates": (sources.TRIALS, np.int64, None),
            "seeds": (len(self.words), np.int64, None), "n_seeds": (1, np.int64, 0),
        }  # fmt: skip
        self.state = {name: allocate(device, size, dtype, what, fill) for name, (size, dtype, fill) in arrays.items()}
        self.state |= {
            "X": session.X, "weights": session.weights, "n": n, "d": d, "words": self.words, "width": self.words.shape[1],
            "bucket_bits": bucket_bits, "n_buckets": n_buckets, "n_trials": self.words.shape[1],
        }  # fmt: skip
        self._everywhere = self.launcher.blocks(n)

    def _prepared(self, kernel, blocks):
        """A launch with the arguments that the state has for the kernel."""
        names = self.launcher.parameter_names("seeding", kernel)
        return self.launcher.prepare("seeding", kernel, blocks, **{name: self.state[name] for name in names})

    def _prepare_steps(self):
        self._scale = [self._prepared(kernel, self._everywhere) for kernel in ("peak", "weigh")]
        self._draws = {count: self._prepared("draw", count) for count in {1, self.words.shape[1]}}
        self._first = self._prepared("begin", self._everywhere)
        self._choose = [self._prepared(kernel, self._everywhere) for kernel in ("trials", "accept")]
        self._exclude = self._prepared("exclude", 1)

    def draw(self, count):
        for launch in self._scale:  # done where the total has become too small
            launch()
        self._draws[count]()
        return self.state["candidates"]

    def begin(self, candidates):
        self._first()

    def choose(self, candidates):
        for launch in self._choose:
            launch()

    def exclude(self, candidates):
        self._exclude()
        if self._downloaded("total") > 0:
            return True
        self.device.fill(self.state["peaks"], 0)
        self._scale[0]()
        any_left = self._downloaded("peaks") > 0
        self.device.fill(self.state["peaks"], 0)
        return any_left

    def _downloaded(self, name):
        return int(self.device.download(self.state[name])[0])

    def chosen(self):
        return self.device.download(self.state["seeds"])[: self._downloaded("n_seeds")]
