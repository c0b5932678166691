"""The masses of the rows on the CPU, and draws from them (`kmeans_fast.reference.Masses`)."""

import math

import numpy as np

from ...kernels.cpu.seeding import drawing
from .tasks import HASHING, tasks_for

_WEIGHING = 0.6  # nanoseconds of one core a row (measured)
_NO_SPLITTERS = np.empty(0, np.uint64)
_SAMPLED, _CROWDED = 4096, 4  # rows; different hashes for each one that also differs in the half that buckets go by
_TOGETHER = 8  # this part of the buckets, and so of the rows unless many are equal, is looked through at once
_MOST_FINE_BUCKETS, _ROWS_A_FINE_BUCKET = 1 << 22, 4


class CpuMasses:
    """A distance for every row, which with its weight is its mass.

    Rows are kept in buckets by hash (`kernels.cpu.seeding.drawing`): few buckets, whose masses change with every seed; or, for
    many words at a time, `fine` ones, so that few rows are sorted.
    """

    def __init__(self, session, fine=False):
        self.session, self.nearest = session, np.ones(session.n)
        most, rows_a_bucket = drawing.MOST_BUCKETS, drawing.ROWS_A_BUCKET
        if fine:
            most, rows_a_bucket = _MOST_FINE_BUCKETS, _ROWS_A_FINE_BUCKET
        bits = max(0, min(most, session.n // rows_a_bucket).bit_length() - 1)
        self.n_buckets, self.buckets = 1 << bits, np.empty(session.n, np.int32 if fine else np.uint16)
        self._make_room(4 * drawing.MOST_TRIALS * drawing.ROWS_A_BUCKET)
        tasks = tasks_for(session.threads, HASHING * session.X.size)
        drawing.fill_buckets(tasks, session.flat, session.d, bits, self._splitters(), self.buckets)
        self.rescale()

    def _splitters(self):
        """Where buckets end, if by the top bits of the hash few buckets would hold nearly all rows, and these differ.

        So it is with float64 data that is one value as float32: times of one day, say, in seconds since 1970.
        """
        n = self.session.n
        if n < _SAMPLED:  # few enough to be sorted
            return _NO_SPLITTERS
        few = np.unique(self._hashes(np.arange(0, n, n // 256)))
        if len(np.unique(few >> np.uint64(32))) * _CROWDED > len(few):
            return _NO_SPLITTERS
        sample = np.unique(self._hashes(np.arange(0, n, n // _SAMPLED)))
        step = -(-len(sample) // self.n_buckets)
        return np.ascontiguousarray(sample[step::step])

    def _hashes(self, rows):
        s, hashes = self.session, np.empty(len(rows), np.uint64)
        drawing.hash_rows(tasks_for(s.threads, HASHING * len(rows) * s.d), s.flat, s.d, rows, hashes)
        return hashes

    def rescale(self):
        """Choose the power of two anew. Where no row has mass, one takes the place of all distances."""
        largest = self.largest()
        if largest == 0.0:
            self.nearest.fill(1.0)
            largest = self.largest()
        shift = 61 - self.session.n.bit_length() - math.frexp(largest)[1]
        first = min(shift, 1000)
        self.factors = (math.ldexp(1.0, first), math.ldexp(1.0, shift - first))
        self.of_buckets = self.sums(self.buckets, self.n_buckets)
        self.total = int(self.of_buckets.sum())

    def sums(self, groups, n_groups):
        """The mass of every group, `groups` (n,) being the number of each row's."""
        s = self.session
        # Each has sums of its own, which must be few beside the rows.
        tasks = tasks_for(min(s.threads, max(1, s.n // (4 * n_groups))), _WEIGHING * s.n)
        masses = np.zeros((tasks, n_groups), np.int64)
        drawing.weigh(tasks, s.weights, self.nearest, self.factors, groups, masses)
        return masses.sum(axis=0) if tasks > 1 else masses[0]

    def largest(self):
        """The largest ``w_i * d_i``."""
        weights = self.session.weights
        return float((weights * self.nearest).max() if weights.size else self.nearest.max())

    def take(self, row):
        """Leave a row without mass."""
        weights = self.session.weights
        weight = float(weights[row]) if weights.size else 1.0
        mass = int(weight * self.nearest[row] * self.factors[0] * self.factors[1])
        self.nearest[row] = 0.0
        self.of_buckets[int(self.buckets[row])] -= mass
        self.total -= mass

    def targets(self, words):
        """Where the words fall in the total."""
        if self.total < 1 << 44:
            self.rescale()
        total = min(max(self.total, 0), 2**63 - 1)  # as it is, unless another thread writes to X
        return np.array([(int(word) * total) >> 64 for word in words], np.int64)

    def draw(self, words):
        """The rows that a few words, at most `drawing.MOST_TRIALS`, fall on."""
        s, targets = self.session, self.targets(words)
        rows = np.empty(len(words), np.int64)
        while True:
            found = drawing.draw(
                s.flat, s.d, targets, s.weights, self.nearest, self.factors, self.buckets, self.of_buckets, *self.drawn, rows
            )  # fmt: skip
            if found <= self.drawn[0].size:
                return rows
            self._make_room(2 * found)

    def _make_room(self, rows):
        """Memory for the rows that a draw looks at."""
        self.drawn = np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.uint64)

    def draw_many(self, words):
        """The rows that any number of words fall on."""
        targets, rows = self.targets(words), np.empty(len(words), np.int64)
        order = np.argsort(targets)  # so that no bucket is looked through more often than it must
        together = max(1, self.n_buckets // _TOGETHER)
        for first in range(0, len(words), together):
            part = order[first : first + together]
            rows[part] = self._named(targets[part])
        return rows

    def _named(self, targets):
        """The rows at so much mass from the first: the rows of their buckets are sorted, those of all at once."""
        s, ends = self.session, np.cumsum(self.of_buckets)
        falls_in = np.minimum(np.searchsorted(ends, targets, side="right"), self.n_buckets - 1)
        wanted = np.zeros(self.n_buckets, bool)
        wanted[falls_in] = True
        rows = self._by_content(np.flatnonzero(wanted[self.buckets]))
        weighted = s.weights[rows] * self.nearest[rows] if s.weights.size else self.nearest[rows]
        cumulative = np.cumsum((weighted * self.factors[0] * self.factors[1]).astype(np.int64))
        # What precedes a target: of all buckets before its own those that are wanted, and the part of its own.
        before = np.cumsum(np.where(wanted, self.of_buckets, 0)) - self.of_buckets
        within = targets - (ends - self.of_buckets)[falls_in] + before[falls_in]
        found = np.searchsorted(cumulative, within, side="right")
        # Masses that do not agree, because another thread writes to X meanwhile, name some row too.
        return rows[np.minimum(found, len(rows) - 1)] if len(rows) else np.zeros(len(targets), np.int64)

    def _by_content(self, rows):
        """`rows`, ascending, in the order of their content (`kmeans_fast.reference.content_order`)."""
        s, hashes = self.session, self._hashes(rows)
        order = np.argsort(hashes, kind="stable")
        rows, hashes = rows[order], hashes[order]
        same = hashes[1:] == hashes[:-1]
        tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
        if len(tied):
            keys, values = [hashes[tied]], s.X[rows[tied]]
            if (
                (values[1:] != values[:-1]).any(axis=1) & same[tied[:-1]]
            ).any():  # most often, rows of equal hash are equal
                keys = [*values.T[::-1], *keys]
            if s.weights.size:
                keys = [s.weights[rows[tied]], *keys]
            if len(keys) > 1:
                rows[tied] = rows[tied][np.lexsort(keys)]
        return rows
