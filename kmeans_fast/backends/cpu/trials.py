"""Candidates for a seed tried on the rows of a session (`kmeans_fast.kernels.cpu.seeding.trials`)."""

import numpy as np

from ...kernels.cpu.scoring import byte_codes
from ...kernels.cpu.seeding import trials
from . import costs, techniques
from .tasks import tasks_for
from .techniques.codes import Encoder


class Trials:
    """What seeding keeps of the rows of a session besides their masses.

    It does not hold the masses, a `CpuMasses` that holds it: memory in a cycle waits for the garbage collector.
    """

    def __init__(self, session):
        self.session, self.accepted = session, 0
        self.filter = self.encoder = None
        if techniques.encodes_seeding(session.assignment.rows.sizes):
            self.encoder = Encoder(session.X, session.threads)
            self.tiles, self.room = self.encoder.tiles(), {}
        else:
            self.filter = trials.Filter.of(session.X)
        self.marks = np.empty(session.n, np.uint16)
        self.tile_marks = np.empty(-(-session.n // trials.ROWS), np.uint16)

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

    def begin(self, masses, candidate):
        """Make a candidate (1, n_features) the first seed."""
        masses.fill(trials.UNREACHED)
        masses.factors = (0.0, 0.0)  # no row has mass yet
        self.run(masses, candidate)
        self.accept(masses, 0, np.empty(masses.n_buckets, np.int64))

    def run(self, masses, candidates):
        """The mass that each of the candidates (m, n_features) would take away."""
        s = self.session
        floats, codes = self._scoring(candidates)
        self.exact = candidates.astype(np.float64).ravel()
        tasks = tasks_for(s.threads, s.n * (costs.TRIAL_ROW + costs.float_scoring(s.d, len(candidates))))
        reduction = np.zeros((tasks, trials.MOST_TRIALS), np.int64)
        trials.trials(
            tasks, s.flat, s.weights, s.d, self.exact, floats, codes,
            masses.nearest, self.marks, self.tile_marks, s.assignment.memory, masses.factors, reduction,
        )  # fmt: skip
        return (reduction.sum(axis=0) if tasks > 1 else reduction[0])[: len(candidates)]

    def accept(self, masses, trial, of_buckets):
        """Make one of the last candidates a seed; the masses of the buckets follow."""
        s = self.session
        changed = s.n / (self.accepted + 1)  # rows, about
        work = s.n * costs.ACCEPTED_ROW + changed * (costs.CHANGED_ROW + costs.CHANGED_FEATURE * s.d)
        tasks = tasks_for(s.threads, work, each=masses.n_buckets)  # which are cleared and added
        change = np.zeros((tasks, masses.n_buckets), np.int64)
        trials.accept(
            tasks, s.flat, s.weights, s.d, self.exact, trial,
            masses.nearest, self.marks, self.tile_marks, masses.factors, masses.buckets, change,
        )  # fmt: skip
        for of_a_task in change:
            of_buckets += of_a_task
        self.accepted += 1
