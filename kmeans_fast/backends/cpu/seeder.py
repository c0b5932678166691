"""Seeding on the CPU."""

import numpy as np

from ...kernels.cpu.scoring import byte_codes
from ...kernels.cpu.seeding import trials
from .codes import Encoder
from .masses import CpuMasses
from .planning import scoring_time, worth_encoding
from .tasks import tasks_for

# Nanoseconds of one core (measured).
_ROW, _MARK = 1.0, 0.1  # for each row, of `trials` and `accept`
_CHANGED = 20.0, 2.0  # for a row that changes, and each of its features


class CpuSeeder:
    """See `kmeans_fast.backends.protocol.Seeder`."""

    def __init__(self, session, words):
        self.session, self.words, self.seeds = session, words, []
        self.filter = self.encoder = None
        if not session.frugal and worth_encoding(*session.X.shape, session.k, session.X.itemsize):
            self.encoder = Encoder(session)
            self.tiles, self.room = self.encoder.tiles(), {}
        else:
            self.filter = trials.Filter.of(session.X)
        self.masses, self.marks = CpuMasses(session), None

    def _scoring(self, candidates):
        """The arguments `floats` and `codes` of `trials`."""
        if self.encoder is not None:
            if len(candidates) not in self.room:
                self.room[len(candidates)] = self.encoder.room(len(candidates))
            room = self.room[len(candidates)]
            if self.encoder.encode(candidates.reshape(-1), room, 1):
                return None, byte_codes.Trial(self.tiles, room, self.encoder.scale, self.encoder.vanishing)
            if self.filter is None:
                self.filter = trials.Filter.of(self.session.X)
        return (*self.filter.candidates(candidates), self.filter), None

    def draw(self, count):
        return self.masses.draw(self.words[len(self.seeds), :count])

    def begin(self, candidates):
        self.masses.nearest.fill(trials.UNREACHED)
        self.masses.factors = (0.0, 0.0)  # no row has mass yet
        self.choose(candidates)
        self.masses.rescale()

    def choose(self, rows):
        s, masses = self.session, self.masses
        if self.marks is None:
            self.marks = np.empty(s.n, np.uint16)
            self.tile_marks = np.empty(-(-s.n // trials.ROWS), np.uint16)
        candidates = s.X[rows]
        floats, codes = self._scoring(candidates)
        exact = candidates.astype(np.float64).ravel()
        tasks = tasks_for(s.threads, s.n * (_ROW + scoring_time(s.d, len(rows))))
        reduction = np.zeros((tasks, trials.MOST_TRIALS), np.int64)
        trials.trials(
            tasks, s.flat, s.weights, s.d, exact, floats, codes,
            masses.nearest, self.marks, self.tile_marks, s.assignment.memory, masses.factors, reduction,
        )  # fmt: skip
        gains = (reduction.sum(axis=0) if tasks > 1 else reduction[0])[: len(rows)]
        best = int(gains.argmax())
        changed = s.n / (len(self.seeds) + 1)  # rows, about
        work = s.n * _MARK + changed * (_CHANGED[0] + _CHANGED[1] * s.d)
        tasks = tasks_for(s.threads, work, each=masses.n_buckets)  # which are cleared and added
        change = np.zeros((tasks, masses.n_buckets), np.int64)
        trials.accept(
            tasks, s.flat, s.weights, s.d, exact, best,
            masses.nearest, self.marks, self.tile_marks, masses.factors, masses.buckets, change,
        )  # fmt: skip
        for of_a_task in change:
            masses.of_buckets += of_a_task
        masses.total -= int(gains[best])
        self.seeds.append(int(rows[best]))

    def exclude(self, candidates):
        row = int(candidates[0])
        self.seeds.append(row)
        self.masses.take(row)
        return self.masses.total > 0 or self.masses.largest() > 0

    def chosen(self):
        return np.array(self.seeds, np.int64)
