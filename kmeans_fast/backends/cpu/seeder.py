"""Seeding on the CPU."""

import math

import numpy as np

from ...kernels.cpu import byte_codes, drawing, seeding
from .codes import Encoder
from .planning import worth_encoding


class CpuSeeder:
    """See `kmeans_fast.backends.protocol.Seeder`; rows are kept in buckets by hash (`kernels.cpu.seeding`)."""

    def __init__(self, session, words):
        self.session, self.words, self.n, self.seeds = session, words, len(session.X), []
        self.filter = self.encoder = None
        if not session.frugal and worth_encoding(*session.X.shape, session.k, session.X.itemsize):
            self.encoder = Encoder(session)
            self.tiles, self.room = self.encoder.tiles(), {}
        else:
            self.filter = seeding.Filter.of(session.X)
        self.nearest, self.marks = np.ones(self.n), None
        bits = max(0, min(drawing.MOST_BUCKETS, self.n // drawing.ROWS_A_BUCKET).bit_length() - 1)
        self.n_buckets, self.buckets = 1 << bits, np.empty(self.n, np.uint16)
        self._make_room(4 * drawing.MOST_TRIALS * drawing.ROWS_A_BUCKET)
        drawing.fill_buckets(session.threads, session.flat, session.d, bits, self.buckets)
        self.rescale()

    def _scoring(self, candidates):
        """The arguments `floats` and `codes` of `trials`."""
        if self.encoder is not None:
            if len(candidates) not in self.room:
                self.room[len(candidates)] = self.encoder.room(len(candidates))
            room = self.room[len(candidates)]
            if self.encoder.encode(candidates.reshape(-1), room, 1):
                return None, byte_codes.Trial(self.tiles, room, self.encoder.scale, self.encoder.vanishing)
            if self.filter is None:
                self.filter = seeding.Filter.of(self.session.X)
        return (*self.filter.candidates(candidates), self.filter), None

    def _weigh(self):
        s = self.session
        masses = np.zeros((s.threads, self.n_buckets), np.int64)
        drawing.weigh(s.threads, s.weights, self.nearest, self.factors, self.buckets, masses)
        self.masses = masses.sum(axis=0)

    def rescale(self):
        largest = self._largest()
        if largest == 0.0:
            self.nearest.fill(1.0)
            largest = self._largest()
        self.shift = 61 - self.n.bit_length() - math.frexp(largest)[1]
        first = min(self.shift, 1000)
        self.factors = (math.ldexp(1.0, first), math.ldexp(1.0, self.shift - first))
        self._weigh()
        self.total = int(self.masses.sum())

    def _largest(self):
        weights = self.session.weights
        return float((weights * self.nearest).max() if weights.size else self.nearest.max())

    def draw(self, count):
        if self.total < 1 << 44:
            self.rescale()
        s, words = self.session, self.words[len(self.seeds), :count]
        targets = np.array([(int(word) * self.total) >> 64 for word in words], np.int64)
        rows = np.empty(len(words), np.int64)
        while True:
            found = drawing.draw(
                s.flat, s.d, targets, s.weights, self.nearest, self.factors, self.buckets, self.masses, *self.drawn, rows
            )  # fmt: skip
            if found <= self.drawn[0].size:
                return rows
            self._make_room(2 * found)

    def _make_room(self, rows):
        """Memory for the rows that a draw looks at."""
        self.drawn = np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.uint64)

    def begin(self, candidates):
        self.nearest.fill(seeding.UNREACHED)
        self.factors = (0.0, 0.0)  # no row has mass yet
        self.choose(candidates)
        self.rescale()

    def choose(self, rows):
        s = self.session
        if self.marks is None:
            self.marks = np.empty(self.n, np.uint16)
            self.tile_marks = np.empty(-(-self.n // seeding.ROWS), np.uint16)
        candidates = s.X[rows]
        floats, codes = self._scoring(candidates)
        exact = candidates.astype(np.float64).ravel()
        reduction = np.zeros((s.threads, seeding.MOST_TRIALS), np.int64)
        seeding.trials(
            s.threads, s.flat, s.weights, s.d, exact, floats, codes,
            self.nearest, self.marks, self.tile_marks, s.assignment.memory, self.factors, reduction,
        )  # fmt: skip
        gains = (reduction.sum(axis=0) if s.threads > 1 else reduction[0])[: len(rows)]
        best = int(gains.argmax())
        change = np.zeros((s.threads, self.n_buckets), np.int64)
        seeding.accept(
            s.threads, s.flat, s.weights, s.d, exact, best,
            self.nearest, self.marks, self.tile_marks, self.factors, self.buckets, change,
        )  # fmt: skip
        for of_a_task in change:
            self.masses += of_a_task
        self.total -= int(gains[best])
        self.seeds.append(int(rows[best]))

    def exclude(self, candidates):
        s, row = self.session, int(candidates[0])
        self.seeds.append(row)
        weight = float(s.weights[row]) if s.weights.size else 1.0
        mass = int(weight * self.nearest[row] * self.factors[0] * self.factors[1])
        self.nearest[row] = 0.0
        self.masses[int(self.buckets[row])] -= mass
        self.total -= mass
        return self.total > 0 or self._largest() > 0

    def chosen(self):
        return np.array(self.seeds, np.int64)
