"""Many rows drawn by mass at a time on a GPU: samples, and the candidates of k-means||."""

import math

import numpy as np

from ...kernels.cuda import sources
from ..drawing import buckets_for
from .content_order import content_order, sorted_places, words_at
from .device import Launcher, allocate, upload
from .gathering import gathered
from .part_masses import CudaPartMasses

_WHAT = "rows to draw from"
_CHUNK = 8 * sources.THREADS  # values that a block sums at least
_MOST_BLOCKS = 1024  # of which each reads the sums of those before it
_SPARE = 8  # rows beyond twice the mean that room is made for
_FEW = 1 / 8  # of all rows, up to which those that come into question are sorted apart


class CudaOversampler:
    """See `kmeans_fast.backends.protocol.Oversampler` and `sampling.cu`. Only row numbers go to the host."""

    def __init__(self, session):
        self.session, self.device, self.launcher = session, session.device, session.launcher
        modules = ("rows", "distances", "part_masses", "sampling")
        self.device.compile([sources.module(name, self.launcher.stored) for name in modules])  # all at once
        self.buckets = buckets_for(session, fine=True)
        self.masses, self.count, self.order = CudaPartMasses(session, self.buckets), 0, None

    def _weigh(self):
        """Choose the power of two anew. Where no row has mass, one takes the place of all distances."""
        largest = self.masses.largest()
        if largest == 0.0:
            self.masses.fill(1.0)
            largest = self.masses.largest()
        self.masses.measure_by(61 - self.session.n.bit_length() - math.frexp(largest)[1])

    def _run(self, kernel, items, **arguments):
        self.launcher.run("sampling", kernel, items, **arguments)

    def draw(self, words):
        device, m, count = self.device, len(words), self.buckets.count
        self._weigh()
        of_rows = {name: self.masses.arrays[name] for name in ("weights", "nearest", "factors")}
        buckets = self.masses.arrays["buckets"]
        ends = self._added_up(self.masses.masses_of_buckets())
        wanted = allocate(device, count, np.int32, _WHAT, fill=0)
        of_words, within, found = (allocate(device, m, dtype, _WHAT) for dtype in (np.int32, np.int64, np.int64))
        self._run(
            "find_buckets", m, words=upload(device, words, _WHAT), m=m, ends=ends, n_buckets=count, wanted=wanted,
            of_words=of_words, within=within,
        )  # fmt: skip
        rows = self._rows_in(buckets, wanted, m)
        masses = allocate(device, len(rows), np.int64, _WHAT)
        self._run("masses_in_order", len(rows), rows=rows, m=len(rows), **of_rows, masses=masses)
        self._run(
            "find_rows", m, rows=rows, n=len(rows), buckets=buckets, ends=self._added_up(masses), of_words=of_words,
            within=within, m=m, found=found,
        )  # fmt: skip
        return device.download(found)

    def _added_up(self, values):
        """The sums of integers up to each, in their place."""
        n = len(values)
        chunk = max(_CHUNK, -(-n // _MOST_BLOCKS // sources.THREADS) * sources.THREADS)
        blocks = -(-n // chunk)
        totals = allocate(self.device, blocks, np.int64, _WHAT)
        for kernel in ("block_sums", "prefix_sums"):
            arguments = {"values": values, "n": n, "chunk": chunk, "totals": totals}
            self.launcher.prepare("sampling", kernel, blocks, **arguments)()
        return values

    def _rows_in(self, buckets, wanted, draws):
        """The rows of the wanted buckets, of all if those are many, in the order of their content."""
        session, n = self.session, self.session.n
        room = min(n, _SPARE + 2 * draws * -(-n // self.buckets.count))
        while self.order is None and room < _FEW * n:
            rows, picked = (
                allocate(self.device, room, np.int64, _WHAT),
                allocate(self.device, 1, np.int64, _WHAT, fill=0),
            )
            self._run("pick_rows", n, buckets=buckets, n=n, wanted=wanted, room=room, count=picked, rows=rows)
            count = int(self.device.download(picked)[0])
            if count <= room:
                return self._sorted(rows[:count])
            room = count  # many rows are equal
        if self.order is None:
            self.order = content_order(self.launcher, session.X, session.weights)
        return self.order

    def _sorted(self, rows):
        """Some rows in the order of their content."""
        session, launcher = self.session, self.launcher
        rows = _at(launcher, rows, sorted_places(self.device, rows))  # equal ones by their numbers
        X, weights = gathered(launcher, session.X, rows), None
        if session.weighted:
            weights = gathered(Launcher(self.device, np.float64), session.weights[:, None], rows)[:, 0]
        return _at(launcher, rows, content_order(Launcher(self.device, X.dtype), X, weights))

    def add(self, candidates):
        if self.count == 0:
            self.masses.fill(np.inf)
        self.masses.join(candidates)
        self.count += len(candidates)
        return self.masses.largest() > 0

    def shares(self):
        self.masses.fill(1.0)
        self._weigh()
        return self.masses.shares(self.count)


def _at(launcher, numbers, places):
    """The int64 numbers at these places, one after the other."""
    return words_at(launcher, numbers.view(np.uint64), places).view(np.int64)
