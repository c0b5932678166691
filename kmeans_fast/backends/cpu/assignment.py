"""The labels of a session's rows, and the kernels that bring them up to date: which of them runs, and what it needs from pass to pass."""

from typing import NamedTuple

import numpy as np

from ...kernels.cpu import assign, fixed_point, gate, lane_sums, line, tile, update
from .boxes import Boxed, Wager
from .buffers import NO_WEIGHTS, flat
from .codes import Codes
from .gate import Gate, is_usual, worth_it
from .near import Near
from .planning import (
    filters_by_bytes,
    looks_nearby,
    scoring_time,
    searches_a_line,
    sorts_into_boxes,
    time_without_boxes,
)
from .tasks import tasks_for

_FEW_MOVED = 0.3  # the share of rows below which moving them beats adding all rows anew (each costs two additions)
_TOO_MANY = 0.3  # the share of tiles with too many candidates from which bytes serve no more as a filter

_NO_SUMS = fixed_point.NO_SUMS.arguments


def _precision(codes):
    return "float32" if codes is None else "bytes"


class Pass(NamedTuple):
    """What an assignment came to."""

    changed: int  # rows whose label changed
    opened: int  # rows that were rechecked
    scored: int  # rows measured against every centroid, or in boxes against several
    path: str


class Assignment:
    """The labels, and everything that is kept for the sake of finding them."""

    def __init__(self, X, weights, n_clusters, threads, frugal):
        self.X, self.flat, self.weights, self.k, self.threads = X, flat(X), weights, n_clusters, threads
        self.n, self.d = X.shape
        self.memory = tile.workspaces(threads, self.d)
        self.counters = np.empty((4, threads), np.int64)
        self.lane_sums = None if weights.size else lane_sums.scratch(threads, self.k, self.d)
        self.no_totals = fixed_point.Totals.zeros(threads, 0, 0, 0)
        self.packed = self._labels = None
        sizes = self.n, self.d, self.k
        self.may_bound = worth_it(*sizes) and not searches_a_line(self.d, self.k) and not frugal
        self.may_filter = filters_by_bytes(*sizes, X.itemsize) and not frugal
        self.wager = None
        if sorts_into_boxes(*sizes) and not frugal:
            self.wager = Wager(self.n, self.d, time_without_boxes(self.d, self.k))
        self.may_look_nearby = self.may_bound and looks_nearby(*sizes, X.itemsize)
        self.gate = self.codes = self.boxed = self.near = None
        self.newer_in_boxes = False

    @property
    def labels(self):
        """(n,) int32, of the last pass."""
        if self.newer_in_boxes:
            self.boxed.write(self._labels)
            self.newer_in_boxes = False
        return self._labels

    def reset(self):
        """Start with new labels, none known."""
        self._labels, self.newer_in_boxes = np.full(self.n, -1, np.int32), False
        if self.gate is not None:
            self.gate.centroids = None
        if self.boxed is not None:
            self.boxed.forget_labels()

    def make_room(self):
        """Give memory back between two runs: all that grows with the rows but the boxes, which the next run wants at once."""
        self._labels = self.gate = self.codes = self.near = None
        self.newer_in_boxes = False

    def take_over(self, other):
        """Use what another assignment of these rows has of them, which makes room; the rows in boxes are both's."""
        self.may_filter = self.may_filter and other.may_filter
        if other.codes is not None and self.may_filter:
            self.codes = Codes(self, other.codes)
        if self.wager is not None and other.wager is not None:
            self.wager.won, self.wager.lost = other.wager.won, other.wager.lost
            if other.boxed is not None:
                self.boxed = Boxed(self, other.boxed.boxes)
        other.make_room()

    def follow(self, centroids, shifts):
        """The pass was over the centroids before; these are the ones after, and the squared distances between."""
        if self.gate is not None:
            self.gate.follow(centroids, shifts)

    # ---- passes ----------------------------------------------------------------------------------------------------

    def once(self, centroids, center):
        """Find the labels, no other pass being expected to follow."""
        if self._labels is None:
            self.reset()
        nearby = self.boxed is None and self._looks_nearby(centroids, passes=None if self.near else 1)
        codes = None if nearby or self.boxed is not None else self._codes(centroids, passes=1)
        return self._pass(centroids, center, assign.SUMS_LEFT, (self.no_totals, *_NO_SUMS), codes, nearby)

    def again(self, centroids, center, totals, plan, moved, private):
        """Find the labels in an iteration, and bring the sums up to date where threads have them `private`; `moved`: how many rows the iteration before
        moved, None unless `totals` are the sums of the labels.
        """
        if self._labels is None:
            self.reset()
        if plan.limbs > 1:
            self.lane_sums = None
        if not private and self.boxed is not None:
            self._leave_boxes()
        if private and self.wager is not None and self.boxed is None and self.wager.is_due():
            self._sort()  # shared sums are made in the order of the rows, from labels that would be put there first
        nearby = private and self.boxed is None and self._looks_nearby(centroids)
        codes = None if nearby or self.boxed is not None else self._codes(centroids)
        if self.gate is None and self.boxed is None and self.may_bound and private:
            self.gate = Gate(self.n, self.d, self.k)
        sums, where = assign.SUMS_LEFT, (self.no_totals, *_NO_SUMS)
        if private:
            where = totals, *plan.arguments
            all_moves = nearby or codes is not None or self.boxed is not None
            # All rows moved means that they came from nowhere: the next pass moves few (measured: 0.1 to 0.4 of them), and bounds may hold already.
            few = moved is not None and (moved < _FEW_MOVED * self.n or moved == self.n or all_moves)
            sums = assign.SUMS_MOVED if few else assign.SUMS_ANEW
        return self._pass(centroids, center, sums, where, codes, nearby)

    def _pass(self, centroids, center, sums, where, codes, nearby):
        """Label every row and update the sums at `where` (totals, limbs, up, up_rest, down) as `sums` says."""
        if self.packed is None or len(self.packed.exact) != centroids.size:
            self.packed = update.Packed(*centroids.shape, self.X.dtype)
        packed = self.packed.fill(flat(centroids), center)
        scale = float(packed[4])
        if self.boxed is not None:
            return self._pass_in_boxes(centroids, sums, where)
        if searches_a_line(self.d, len(centroids)):
            return self._pass_on_a_line(centroids, sums, where)
        holds = self.gate is not None and sums != assign.SUMS_ANEW and self.gate.holds(centroids, scale)
        if nearby and is_usual(scale):
            found = self._pass_nearby(centroids, center, packed, holds, sums, where)
        elif holds and (codes is not None or self.gate.pays(self.labels)):
            found = self._pass_in_bounds(centroids, packed, scale, sums, where, codes)
        else:
            found = self._pass_over_all(centroids, packed, scale, sums, where, codes)
        if self.gate is not None:
            self.gate.centroids = None  # until `follow` says what moves next
        return found

    def _pass_over_all(self, centroids, packed, scale, sums, where, codes):
        changed, opened, _, too_many = self.counters
        bounds = assign.NO_BOUNDS
        if self.gate is not None:
            self.gate.begin(scale)
            bounds = np.float32(1), self.gate.upper, self.gate.lower
        assign.assign(
            self.threads, self.flat, self.weights, self.d, *packed, self.labels, changed, opened, *where, sums,
            self.memory, self.lane_sums, bounds, codes, too_many,
        )  # fmt: skip
        return self._counted(self.n, _precision(codes))

    def _pass_in_bounds(self, centroids, packed, scale, sums, where, codes):
        bounds = self.gate
        changed, opened, scored, too_many = self.counters
        factor = bounds.factor(scale)
        if codes is None:
            self._find_gaps(centroids, packed, factor)
        else:
            bounds.half_gap.fill(0.0)  # bytes do without; what is there may be of other centroids
        gate.assign_gated(
            self.threads, self.flat, self.weights, self.d, *packed, self.labels, changed, opened, scored, too_many,
            *where, sums, self.memory, bounds.unit, factor, bounds.upper, bounds.lower, bounds.drift, bounds.half_gap,
            codes,
        )  # fmt: skip
        measured = sum(scored.tolist())
        bounds.share = measured / self.n
        if codes is not None and sum(too_many.tolist()) * tile.ROWS > _TOO_MANY * measured:
            self.may_filter = False
        return self._counted(measured, f"bounds, {_precision(codes)}")

    def _counted(self, scored, path):
        """The `Pass` whose counts of rows that changed and were opened are in `counters`."""
        changed, opened, *_ = map(sum, self.counters.tolist())
        return Pass(changed, opened, scored, path)

    def _pass_nearby(self, centroids, center, packed, known, sums, where):
        """Rows that fail their bounds, or all if those are not known, against the centroids near their own."""
        changed, opened, scored = self.near.assign(self, centroids, center, packed, self.gate, known, sums, where)
        self.gate.share = scored / self.n if known else None
        return Pass(changed, opened, scored, "bounds, nearby" if known else "nearby")

    def nearest(self, points, center, out):
        """The nearest of a few points to every row, into `out` (n,) int32."""
        packed = update.Packed(*points.shape, self.X.dtype)
        assign.assign(
            self.threads, self.flat, NO_WEIGHTS, self.d, *packed.fill(flat(points), center), out, *self.counters[:2],
            self.no_totals, *_NO_SUMS, assign.SUMS_LEFT, self.memory, None, assign.NO_BOUNDS, None, self.counters[3],
        )  # fmt: skip

    def _find_gaps(self, centroids, packed, factor):
        """Half the distance of each centroid to its nearest neighbour: the centroids are rows here."""
        bounds, work = self.gate, len(centroids) * scoring_time(self.d, len(centroids))
        assign.assign(
            tasks_for(self.threads, work), flat(centroids), NO_WEIGHTS, self.d, *packed, bounds.nearest,
            *self.counters[:2], self.no_totals, *_NO_SUMS, assign.SUMS_LEFT, self.memory, None,
            (factor, bounds.above, bounds.half_gap), None, self.counters[3],
        )  # fmt: skip
        bounds.half_gap *= np.float32(0.5)

    def _pass_on_a_line(self, centroids, sums, where):
        """One feature: by search among the sorted centroids."""
        changed = self.counters[0]
        line.assign_line(
            self.threads, self.flat, self.weights, len(centroids), *line.Line(centroids).arguments, self.labels,
            changed, *where, sums,
        )  # fmt: skip
        return Pass(sum(changed.tolist()), 0, 0, "sorted")

    def _pass_in_boxes(self, centroids, sums, where):
        totals, *limbs = where
        changed, scored, pairs = self.boxed.assign(centroids, sums, totals, limbs)
        self.newer_in_boxes = True
        self.wager.settle(pairs)
        if self.wager.lost:
            self._leave_boxes()
        return Pass(changed, 0, scored, "boxes")

    def _looks_nearby(self, centroids, passes=None):
        """Whether the next pass, of so many (None: several), measures rows only against centroids near their own."""
        if not self.may_look_nearby or len(centroids) != self.k:
            return False
        if passes and not looks_nearby(self.n, self.d, self.k, self.X.itemsize, passes):
            return False
        if self.near is None:
            self.near = Near(self)
        by_floats, by_bytes = scoring_time(self.d, self.k), None
        if self.may_filter and filters_by_bytes(self.n, self.d, self.k, self.X.itemsize):
            by_bytes = scoring_time(self.d, self.k, by_bytes=True)
        if not self.near.pays(self.X, centroids, by_floats, by_bytes):
            return False
        if self.gate is None:
            self.gate = Gate(self.n, self.d, self.k)
        return True

    # ---- what passes need ------------------------------------------------------------------------------------------

    def _sort(self):
        """Sort the rows into boxes."""
        self.gate = None
        self.boxed = Boxed(self)
        self.boxed.read(self._labels)

    def _leave_boxes(self):
        self._labels, self.boxed = self.labels, None

    def _codes(self, centroids, passes=None):
        """The rows and these centroids as bytes, where they serve as a filter in so many passes (None: in more than one); else None."""
        if self.codes is None:
            if not (self.may_filter and filters_by_bytes(self.n, self.d, self.k, self.X.itemsize, passes)):
                return None
            self.codes = Codes(self)
        return self.codes.encoded(flat(centroids)) if self.may_filter and len(centroids) == self.k else None
