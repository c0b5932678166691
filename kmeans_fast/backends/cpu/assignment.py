"""The labels of a session's rows, and who brings them up to date: for every pass, the first technique that takes it."""

import numpy as np

from ...kernels.cpu.assignment.arguments import SUMS_ANEW, SUMS_MOVED, Sums
from ...kernels.cpu.scoring import packing
from . import costs, techniques
from .buffers import flat
from .techniques.bounds import HamerlyBounds
from .techniques.protocol import Pass, Sizes


class Assignment:
    """The labels, and everything that is kept for the sake of finding them."""

    def __init__(self, X, weights, n_clusters, threads, frugal, copies, without):
        sizes = Sizes(
            *X.shape, n_clusters, X.itemsize, weights.size > 0, threads, frugal, copies=copies, without=without
        )
        self.rows, self.techniques, self.kept = techniques.opened(X, weights, sizes)
        self.last = self.techniques[-1]  # that made the last pass
        self._make_packing(X)
        self.passes, self.expected, self.shifts = 0, None, None

    def _make_packing(self, X):
        self.packing = packing.Packing(self.rows.k, self.rows.d, X.dtype)
        self.packed = None  # the centroids of the last pass

    def detach(self):
        """Let go of the rows, and of what is wanted during a pass only."""
        self.packing = self.packed = None
        for kept in self.kept.values():
            kept.detach()
        self.rows.detach()

    def attach(self, X, weights):
        """Go on with the same rows in other memory."""
        self._make_packing(X)
        self.rows.attach(X, weights)

    @property
    def memory(self):
        """Scratch memory of the threads (`tile.workspaces`)."""
        return self.rows.memory

    @property
    def labels(self):
        """(n,) int32, of the last pass."""
        self.last.write_labels()
        return self.rows.labels

    def reset(self):
        """Start with new labels, none known."""
        self._start(np.full(self.rows.n, -1, np.int32))

    def resume(self, labels):
        """Go on from labels (n,) found elsewhere, which are this object's from now on."""
        self._start(labels)
        self.last = self.techniques[-1]  # a technique that keeps labels of its own will read these

    def _start(self, labels):
        self.rows.labels, self.expected = labels, None
        for technique in self.techniques:
            technique.reset()

    def make_room(self):
        """Give memory back between two runs: all that grows with the rows and is not wanted again at once."""
        self.rows.labels = self.expected = None
        for kept in self.kept.values():
            kept.make_room()

    def take_over(self, other):
        """Use what another assignment of these rows has of them, which makes room."""
        for kind, kept in self.kept.items():
            if kind in other.kept:  # another number of clusters has other techniques
                kept.take_over(other.kept[kind])
        self.last = self.kept.get(type(other.last), self.last)
        other.make_room()

    def follow(self, centroids, shifts):
        """The pass was over the centroids before; these are the ones after, and the squared distances between."""
        self.expected, self.shifts = centroids, shifts

    def settles(self):
        """Whether the bounds say that no label changes with the centroids that `follow` told of: that is a pass."""
        bounds = self.kept.get(HamerlyBounds)
        if bounds is None or self.expected is None:
            return False
        if not bounds.settle(self.rows.labels, self.passes, self.expected, self.shifts):
            return False
        self.passes, self.expected = self.passes + 1, None
        return True

    def assign(self, centroids, center):
        """Find the labels, no other pass being expected to follow."""
        sums = self.rows.no_sums
        return self._pass(centroids, center, sums, sums, few=True, once=True)

    def iterate(self, centroids, center, totals, plan, moved, private):
        """Find the labels in an iteration, and bring the sums up to date, which threads have `private` or share.

        `moved` is how many rows the iteration before moved; None unless `totals` are the sums of the labels.
        """
        rows = self.rows
        rows.prepare_sums(plan.limbs)
        if private:
            # All rows moved means that they came from nowhere: the next pass moves few (measured: 0.1 to 0.4 of them),
            # and bounds may hold already.
            few = moved is not None and (moved < costs.FEW_MOVED * rows.n or moved == rows.n)
            sums = Sums(totals, plan, SUMS_ANEW if moved is None else SUMS_MOVED)
            anew = sums if few or moved is None else Sums(totals, plan, SUMS_ANEW)
            found = self._pass(centroids, center, anew, sums, few)
        else:
            found = self._pass(centroids, center, rows.no_sums, rows.no_sums, few=True, shared=True)
        if not (private and self.last.makes_sums):
            self.last.write_labels()
            rows.add_all(totals, plan)
        return found

    def _pass(self, centroids, center, anew, moved, few, once=False, shared=False):
        if self.rows.labels is None:
            self.reset()
        self.passes += 1
        self.packed = self.packing.fill(flat(centroids), center)
        shifts = self.shifts if self.expected is centroids else None
        self.expected = None  # until `follow` says what moves next
        coming = Pass(self.passes, centroids, center, self.packed, shifts, once, shared, few, anew, moved)
        for technique in self.techniques:  # the last takes every pass
            if technique.takes(coming):
                break
        if technique is not self.last:
            self.last.write_labels()
            technique.read_labels()
            self.last = technique
        return technique.run(coming)
