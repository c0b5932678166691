"""What a technique is: a way to find the labels of all rows in one pass, and what it needs from pass to pass."""

import functools
from typing import NamedTuple

import numpy as np

from ....kernels.cpu.assignment import dense
from ....kernels.cpu.assignment.arguments import SUMS_ANEW, SUMS_LEFT, Counts, Sums
from ....kernels.cpu.exact import fixed_point, lane_sums
from ....kernels.cpu.exact.rows import Rows
from ....kernels.cpu.scoring import tile
from ....kernels.cpu.scoring.packing import Packed
from ..buffers import flat


class Sizes(NamedTuple):
    """What is known of a problem before its rows are seen."""

    n: int
    d: int
    k: int
    itemsize: int
    weighted: bool
    threads: int
    frugal: bool = False  # whether to go without memory that only saves time
    shared: bool = False  # whether the sums are too many for every thread to have its own
    copies: bool = True  # whether memory that only saves time may hold the rows in another form
    without: frozenset[str] = frozenset()  # techniques not to be used: their kernels would have to be compiled

    @property
    def data_bytes(self):
        return self.n * self.d * self.itemsize


@functools.cache
def _no_sums(threads):
    """What a pass that makes no sums is given for them; sessions share it, as nothing is written there."""
    return Sums(fixed_point.Totals.zeros(threads, 0, 0, 0), fixed_point.NO_SUMS, SUMS_LEFT)


class SessionRows:
    """What all techniques of a session take: its rows, their labels, and memory that any of them may use in a pass."""

    def __init__(self, X, weights, sizes, forced):
        self.sizes, self.forced = sizes, forced
        self.n, self.d, self.k, self.threads = sizes.n, sizes.d, sizes.k, sizes.threads
        self.labels = None  # (n,) int32, of the last pass; None: there is no room for them now
        self.counts = Counts.zeros(self.threads)
        self.no_sums = _no_sums(self.threads)
        self.attach(X, weights)

    def attach(self, X, weights):
        """Hold the rows, and memory for a pass."""
        self.X, self.rows = X, Rows(flat(X), weights, self.d)
        self.memory = tile.workspaces(self.threads, self.d)
        self.lane_sums = lane_sums.NO_LANES

    def detach(self):
        """Let go of both."""
        self.X = self.rows = self.memory = self.lane_sums = None

    def prepare_sums(self, limbs):
        """Have the memory that a pass is to add sums in: those of every lane apart, where that is quicker."""
        if limbs > 1:
            self.lane_sums = lane_sums.NO_LANES
        elif self.lane_sums is lane_sums.NO_LANES and not self.sizes.weighted:
            self.lane_sums = lane_sums.scratch(self.threads, self.k, self.d)

    def add_all(self, totals, plan):
        """Add every row to the sum of its label anew: each thread some clusters, all in one accumulator."""
        dense.sum_owned(self.threads, *self.rows, self.labels, self.k, totals, *plan.arguments)
        for cells in totals:
            cells[1:] = 0

    def found(self, scored, path):
        """The `Found` of a pass whose kernel wrote `counts`."""
        return Found(sum(self.counts.changed.tolist()), sum(self.counts.rechecked.tolist()), scored, path)


class Pass(NamedTuple):
    """A pass that is to be made."""

    number: int  # of the session
    centroids: np.ndarray  # (k, d)
    center: np.ndarray | None  # (d,), a point in the middle of the rows, if one is known
    packed: Packed
    shifts: np.ndarray | None  # (k,): squared distances that centroids moved since the last pass; None: not known
    once: bool  # whether no other is expected to follow
    shared: bool  # whether the sums are made from the labels afterwards, by all threads in one accumulator
    few: bool  # whether it is likely that few rows change cluster
    anew: Sums  # what to do with the sums if all rows are added anew
    moved: Sums  # and if rows that change cluster are moved; as `anew` where that is not possible

    def sums(self, moving):
        """What to do with the sums; `moving`: whether rows are moved even if they are many."""
        return self.moved if moving or self.few else self.anew

    def knows(self, moving):
        """Whether what is known of the labels may be used: not where all rows are added anew."""
        return self.sums(moving).mode != SUMS_ANEW


class Found(NamedTuple):
    """What a pass came to."""

    changed: int  # rows whose label changed
    rechecked: int  # rows whose label the fast pass could not prove
    scored: int  # rows measured against every centroid, or in a k-d tree against several
    path: str


class Kept:
    """Something that is kept of the rows from pass to pass, and shared by techniques."""

    def __init__(self, session):
        self.session = session

    def make_room(self):
        """Give memory back that grows with the rows, between two runs."""

    def take_over(self, other):
        """Use what this holds in another session on the same rows, with another number of clusters."""

    def detach(self):
        """Let go of the rows' memory and of what is made anew as soon as it is read. The same rows come back."""


class Technique(Kept):
    """A way to find the labels. What is said here is right for one that keeps nothing, and takes every pass."""

    name: str
    paths: tuple[str, ...]  # what the history says of its passes: its name, and variants
    note: str  # what it does, for `explain`
    shares: tuple[type[Kept], ...] = ()  # what it takes that others take too, by name in lower case
    stays = False  # whether its memory is kept while seeds are chosen
    passing: tuple[str, ...] = ()  # what of its memory is not kept while the rows are away
    makes_sums = True  # whether it brings the sums up to date; if not, that is done from the labels, after its passes
    takes_all = False  # whether it takes every pass, so that those after it in the list are never asked

    @staticmethod
    def objection(sizes):
        """Why it cannot be used, in words; empty if it can."""
        return ""

    @staticmethod
    def declines(sizes):
        """Why it is not used although it could be; empty if it is."""
        return ""

    @staticmethod
    def memory(sizes) -> dict[str, int]:
        """Bytes by what they are for; what techniques share has one name."""
        return {}

    def takes(self, coming: Pass) -> bool:
        """Whether it makes the pass. One that is forced does not ask whether it pays, but only whether it is able."""
        return True

    def run(self, coming: Pass) -> Found:
        """Bring the labels up to date, and the sums as the pass says."""
        raise NotImplementedError

    def reset(self):
        """Hear that the labels are new: none of them is known."""

    def read_labels(self):
        """Hear, before a pass, that another technique made the last one."""

    def write_labels(self):
        """Write the labels into the session's, if they are elsewhere after a pass of this."""
