"""Exact sums of the clusters: values cut into integers, which are added where they belong (docs/numerics.md, 3.1)."""

import threading
from typing import NamedTuple

import numpy as np

from ...kernels import scaling
from .tasks import in_tasks, tasks_for

_WIDEST = 50  # bits of a limb
_VALUES = 1 << 16  # of rows at a time
_MAGIC = np.float64(1.5 * 2.0**52)
_ADDED = 4.0  # nanoseconds for a value
_HALF = 32  # bits of the lower half of a sum
_ROOM = 61  # bits that a sum may have before it is cut in halves


class Cut(NamedTuple):
    """How the values of each column are cut into limbs, integers times a power of two."""

    exponent: np.ndarray  # (columns,) int64, of the lowest limb
    limbs: int
    bits: int  # of a limb

    @classmethod
    def of(cls, ranges):
        """For values in these ranges: few limbs, and those as narrow as they may be."""
        occupied = ranges.largest > 0
        lowest = np.where(occupied, ranges.lowest, 1.0)
        span = np.frexp(ranges.largest)[1] - np.frexp(lowest)[1] + 1
        needed = int(np.where(occupied, span, 1).max())
        bits = -(-needed // -(-needed // _WIDEST))
        exponent, limbs = scaling.limbs(ranges.largest, lowest, bits)
        return cls(exponent, limbs, bits)

    def integers(self, values):
        """The limbs of float64 values (m, columns), from the highest; they are overwritten by what is left."""
        for limb in reversed(range(self.limbs)):
            unit = self.exponent + self.bits * limb
            near = np.clip(-unit, -1000, 1000)  # so that both factors are finite
            scaled = values * np.ldexp(1.0, near)
            if (near != -unit).any():
                scaled *= np.ldexp(1.0, -unit - near)
            scaled += _MAGIC  # rounds to the nearest integer, which its bits are less those of MAGIC
            if limb:
                values -= (scaled - _MAGIC) * np.ldexp(1.0, unit)
            integers = scaled.view(np.int64)
            integers -= _MAGIC.view(np.int64)
            yield limb, integers


class Totals:
    """The sums of the clusters over the columns of ``w * x``, and, where rows have weights, of the weights.

    Parameters
    ----------
    cut : Cut
    n_clusters : int

    Attributes
    ----------
    high, low : ndarray (limbs, n_clusters, columns) int64
        A sum is ``high * 2**32 + low``.
    rows : ndarray (n_clusters,) int64
        How many there are in each.
    """

    def __init__(self, cut, n_clusters):
        self.cut, self.shape = cut, (cut.limbs, n_clusters, len(cut.exponent))
        self.high, self.low = np.zeros((2, *self.shape), np.int64)
        self.rows = np.zeros(n_clusters, np.int64)
        self._lock = threading.Lock()

    def copy(self):
        other = Totals(self.cut, self.shape[1])
        other.high, other.low, other.rows = self.high.copy(), self.low.copy(), self.rows.copy()
        return other

    def move(self, threads, products, rows, old, new):
        """Take rows from clusters and give them to others.

        Parameters
        ----------
        threads : int
        products : callable
            ``products(rows)``: their columns (m, columns), new float64.
        rows : ndarray (m,) int64
        old, new : ndarray (m,) integers, old or None
            The clusters; None: rows come from nowhere.
        """
        k, columns = self.shape[1:]
        self.rows += np.bincount(new, minlength=k)
        if old is not None:
            self.rows -= np.bincount(old, minlength=k)
        step = min(max(64, _VALUES // columns), 1 << (_ROOM - self.cut.bits))
        threads = tasks_for(threads, _ADDED * len(rows) * columns * self.cut.limbs)
        in_tasks(threads, len(rows), step, lambda blocks: self._add(blocks, products, rows, old, new))

    def _add(self, blocks, products, rows, old, new):
        limbs, k, columns = self.shape
        sums, added, room = np.zeros((limbs, k * columns), np.int64), 0, 1 << (_ROOM - self.cut.bits)
        for block in blocks:
            if added + block.stop - block.start > room:
                self._spill(sums)
                added = 0
            targets = [_flat(clusters[block], columns) for clusters in (new, old) if clusters is not None]
            for limb, integers in self.cut.integers(products(rows[block])):
                np.add.at(sums[limb], targets[0], integers.reshape(-1))
                if len(targets) > 1:
                    np.subtract.at(sums[limb], targets[1], integers.reshape(-1))
            added += block.stop - block.start
        if added:
            self._spill(sums)

    def _spill(self, sums):
        sums = sums.reshape(self.shape)
        with self._lock:
            self.high += sums >> _HALF
            self.low += sums & ((1 << _HALF) - 1)
        sums.fill(0)

    def limbs(self, form):
        """The sums in limbs of the `partials.Form` (limbs, n_clusters, columns)."""
        total = 0
        for limb, (high, low) in enumerate(zip(self.high, self.low)):
            exponent = self.cut.exponent + self.cut.bits * limb
            total = total + form.of_integers(low, exponent) + form.of_integers(high, exponent + _HALF)
        return total

    def rounded(self, form):
        """The sums (n_clusters, columns), each rounded once to float64."""
        if self.cut.limbs == 1 and np.abs(self.high).max() < 1 << 29 and self.low.max() < 1 << 61:  # they fit in a word
            return np.ldexp(((self.high[0] << _HALF) + self.low[0]).astype(np.float64), self.cut.exponent)
        return form.rounded(self.limbs(form))


def _flat(clusters, columns):
    """Where the values of rows with these labels are added, in row-major order."""
    places = clusters.astype(np.int64)[:, None] * columns + np.arange(columns)
    return places.reshape(-1)
