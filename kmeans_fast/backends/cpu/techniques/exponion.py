"""Rows are measured only against the centroids near their own (`kernels.cpu.assignment.exponion`), while that pays."""

from typing import NamedTuple

import numpy as np

from ....kernels.cpu.assignment import dense, exponion, exponion_rows
from ....kernels.cpu.assignment.arguments import NO_BOUNDS
from ....kernels.cpu.exact import distances
from ....kernels.cpu.exact.lane_sums import NO_LANES
from ....kernels.cpu.machine.scratch import private
from ....kernels.cpu.scoring import packing, panels
from ....kernels.cpu.scoring.panels import GROUP, Panels
from ....kernels.cpu.scoring.tile import SEGMENT
from .. import costs
from ..buffers import NO_WEIGHTS, flat
from ..tasks import table_tasks, tasks_for
from .bounds import HamerlyBounds, bounds_decline, bounds_memory, is_usual
from .codes import Codes
from .protocol import Technique

_LEVELS = 8  # parts that the rows of a cluster are sorted into
_TURNS = 8  # steps of the power iteration: any direction serves, that of largest spread serves best


def gap_bytes(n_clusters):
    """Memory of the distances between centroids and panels."""
    return 4 * n_clusters * panels.padded_groups(-(-n_clusters // GROUP))


def exponion_bytes(sizes):
    """Memory of `Exponion`."""
    n, d, k = sizes.n, sizes.d, sizes.k
    of_centroids = 4 * (k + GROUP) * (d + 2) + gap_bytes(k)
    of_sample = 16 * costs.SAMPLED * k
    return 12 * n + of_centroids + of_sample + 16 * sizes.threads * k * _LEVELS


def pass_decline(sizes, once=False):
    """Why no pass, or not the only one, is worth asking a sample whether few centroids are near; empty if one is."""
    scoring = costs.float_scoring(sizes.d, sizes.k)
    if sizes.n < costs.LEAST_ROWS_A_CLUSTER * sizes.k:
        return "the distances between so many centroids cost as much as those of the rows"
    if scoring < costs.LEAST_NEAR_SCORING:
        return "a row is scored against all centroids as soon"
    if sizes.n * scoring < (costs.LEAST_NEAR_ONCE if once else costs.LEAST_NEAR_PASS):
        return "a pass is over as soon as it is known how many centroids are near"
    most = max(costs.MOST_GAPS, sizes.data_bytes // 8)
    return "" if gap_bytes(sizes.k) <= most else "the distances between centroids take too much memory"


def _ordered(points, part):
    """The centroids of a part, neighbours together: halved by the direction of largest spread, to panels."""
    if len(part) <= GROUP:
        return [part]
    moved = points[part] - points[part].mean(axis=0)
    direction = np.cos(np.arange(points.shape[1]) + 1.0)
    for _ in range(_TURNS):
        direction = np.einsum("i,ij", np.einsum("ij,j", moved, direction), moved)  # not by BLAS: see `_squared`
        direction /= max(np.abs(direction).max(), np.finfo(float).tiny)
    middle = -(-len(part) // (2 * GROUP)) * GROUP
    ranked = part[np.argsort(np.einsum("ij,j", moved, direction), kind="stable")]
    return _ordered(points, ranked[:middle]) + _ordered(points, ranked[middle:])


def spatial_order(centroids):
    """The numbers of the centroids, neighbours together, each GROUP of them a panel."""
    points = centroids.astype(np.float64)
    points /= max(np.abs(points).max(), np.finfo(float).tiny)
    return np.concatenate(_ordered(points, np.arange(len(points))))


class Sampled(NamedTuple):
    """What a sample of rows says of the centroids that a pass would measure for a row."""

    share: float  # of all centroids: those that the distances between centroids do not rule out for a row
    open: float  # of the rows: those that float32 scores do not settle
    candidates: float  # for a row, that bytes would leave


def sampled(threads, X, centroids, count):
    """Measure at most `count` rows against every centroid."""
    rows = np.ascontiguousarray(X[:: -(-len(X) // count)])
    columns = distances.columns_padded(centroids)
    to_points = _squared(threads, rows, columns, len(centroids))
    label = to_points.argmin(axis=1)
    least = to_points[np.arange(len(rows)), label]
    clusters, of_rows = np.unique(label, return_inverse=True)
    between = _squared(threads, centroids[clusters], columns, len(centroids))
    near = np.count_nonzero(between[of_rows] <= 4 * least[:, None])

    center = rows.mean(axis=0, dtype=np.float64)
    moved = rows - center, centroids - center
    norms = [np.sqrt((a**2).sum(axis=1)) for a in moved]
    roundings = (min(len(center), SEGMENT) + 32) * 2.0**-24
    in_doubt = 2 * roundings * (norms[0] ** 2 + 2 * norms[1][label] ** 2)
    unsettled = np.partition(to_points, 1, axis=1)[:, 1] - least <= in_doubt
    # A number that becomes a byte is off by 1 / sqrt(12) of a step; a score by that of the row and of the centroid.
    steps = [np.abs(a).max(axis=1) / 127 * np.sqrt(len(center) / 12) for a in moved]
    lost = steps[0][:, None] * norms[1] + norms[0][:, None] * steps[1]
    candidates = np.count_nonzero(to_points - least[:, None] <= 4 * lost)
    return Sampled(near / to_points.size, unsettled.mean(), candidates / len(rows))


def _squared(threads, rows, columns, k):
    """Squared distances (len(rows), k) float64 to k points (`distances.columns_padded`).

    Not by BLAS, whose threads go on spinning on the cores that the next pass needs.
    """
    out = np.empty((len(rows), k))
    tasks = table_tasks(threads, out.shape, rows.shape[1])
    distances.distance_table(tasks, flat(rows), columns.ravel(), rows.shape[1], columns.shape[1], out, True)
    return out


class Exponion(Technique):
    """Rows that fail their bounds, or all where those are not known, against the centroids near their own.

    A pass costs what its share of pairs of a row and a panel says. Before there was one, a sample tells how many
    centroids are near; where they are too many, it is asked again after up to three times as many passes as there were
    so far.
    """

    name = "exponion"
    paths = ("exponion", "hamerly, exponion")
    note = "rows are measured only against the centroids near their own while that pays"
    shares = (HamerlyBounds, Codes)
    passing = ("exponion",)

    def __init__(self, session, bounds, codes):
        super().__init__(session)
        self.bounds, self.codes = bounds, codes
        self.make_room()

    @staticmethod
    def declines(sizes):
        return bounds_decline(sizes) or pass_decline(sizes)

    @staticmethod
    def memory(sizes):
        return bounds_memory(sizes) | {"exponion": exponion_bytes(sizes)}

    def make_room(self):
        self.detach()
        self.order = None  # of the centroids, in panels
        self.share = self.without = None  # of the panels, that a row needed; what it costs without this technique
        self.scored, self.asked = self.session.n, False  # rows that the last pass scored; whether it was thought of
        self.wait = self.waited = 0  # passes until the sample is asked again

    def detach(self):
        self.panels = self.failed = self.numbers = self.scratch = None

    # ---- whether it pays -------------------------------------------------------------------------------------------

    def takes(self, coming):
        session = self.session
        if not is_usual(float(coming.packed.scale)):
            return False
        if session.forced:
            return True
        if coming.shared or (coming.once and not self.asked and pass_decline(session.sizes, once=True)):
            return False
        self.asked = True
        return self._pays(coming.centroids)

    def _pays(self, centroids):
        if self.share is None and self.waited < self.wait:
            self.waited += 1
            return False
        share, without = self.share, self.without
        if share is None:
            for rows in (costs.FEW_SAMPLED, costs.SAMPLED):
                share, without = self._sampled(centroids, rows)
                if costs.CLEARLY * without < self._cost(share):
                    break
        if costs.NEAR_GAIN * self._cost(share) < without:
            self.without = without
            return True
        self.share, self.wait, self.waited = None, 4 * self.wait + 1, 0
        return False

    def _sampled(self, centroids, rows):
        """The share of the centroids that a row would be measured against, and what a row costs otherwise."""
        d, k = self.session.d, self.session.k
        found = sampled(self.session.threads, self.session.X, centroids, rows)
        if self.codes.serves and found.candidates <= costs.MOST_CANDIDATES:
            without = costs.byte_scoring(d, k)
        else:
            without = costs.float_scoring(d, k) * (1 + costs.RECHECKED_ROW * found.open)
        return costs.TOGETHER * found.share, without

    def _cost(self, share):
        """What a row costs in a pass that measures it against this share of the centroids."""
        return costs.near_row(self.session.d, self.session.k, share, self.scored)

    # ---- passes ----------------------------------------------------------------------------------------------------

    def _make_panels(self, centroids):
        session, k = self.session, self.session.k
        if self.order is None:
            self.order = spatial_order(centroids)
        groups = -(-k // GROUP)
        padded = np.full(groups * GROUP, -1, np.int32)
        padded[:k] = self.order
        places = np.empty(k, np.int32)
        places[self.order] = np.arange(k)
        values = np.zeros(groups * session.d * GROUP, np.float32)
        gaps = np.empty(k * panels.padded_groups(groups), np.float32)
        self.panels = Panels(padded, places, values, np.full(groups * GROUP, -np.inf, np.float32), gaps)
        failed, keys, self.numbers = np.empty((3, session.n), np.int32)
        found, of_keys = np.empty(session.threads, np.int64), private(session.threads, k * _LEVELS, np.int64)
        self.failed = exponion_rows.FailedRows(failed, keys, found, of_keys, _LEVELS)
        self.scratch = panels.tiles(session.threads, session.d)

    def run(self, coming):
        session, packed, sums = self.session, coming.packed, coming.sums(True)
        self.bounds.open()
        known = coming.knows(True) and self.bounds.holds(coming)
        if known:
            self.bounds.follow(coming)
        if self.panels is None:
            self._make_panels(coming.centroids)
        bounds = self.bounds.used(coming) if known else self.bounds.written(coming)
        threads, d, rows = session.threads, session.d, session.rows
        panels.fill_panels(tasks_for(threads, costs.ENCODING * session.k * d), packed, d, self.panels)
        panels.find_gaps(
            tasks_for(threads, costs.gap_time(d, session.k)), packed, d, self.panels, bounds.factor,
            self.scratch, bounds.half_gap,
        )  # fmt: skip
        if known:
            values = flat(coming.centroids)
            exponion_rows.find_failing(threads, rows, values, session.labels, bounds, self.panels, self.failed)
        else:
            self._find_panels(coming)
            exponion_rows.guess_labels(
                threads, rows, packed, self.numbers, bounds, self.panels, self.scratch, self.failed
            )
        starts, self.scored = self._sort()
        exponion.assign_exponion(
            threads, rows, packed, self.panels, self.numbers[: self.scored], starts, session.labels, session.counts,
            sums, bounds, self.scratch,
        )  # fmt: skip
        pairs = sum(session.counts.pairs.tolist())
        self.share = pairs / (len(self.panels.order) // GROUP * max(self.scored, 1))
        self.bounds.share = self.scored / session.n if known else None
        return session.found(self.scored, "hamerly, exponion" if known else "exponion")

    def _find_panels(self, coming):
        """The panel whose middle is nearest to each row, into `numbers`."""
        session, means = self.session, self._panel_means(coming.centroids)
        packed = packing.Packing(*means.shape, means.dtype).fill(flat(means), coming.center)
        dense.assign(
            session.threads, session.rows._replace(weights=NO_WEIGHTS), packed, self.numbers, session.counts,
            session.no_sums, session.memory, NO_LANES, NO_BOUNDS, None,
        )  # fmt: skip

    def _panel_means(self, centroids):
        """A point in the middle of every panel."""
        ordered = centroids[self.panels.order[self.panels.order >= 0]].astype(np.float64)
        starts = np.arange(0, len(centroids), GROUP)
        means = np.add.reduceat(ordered, starts, axis=0) / np.diff(np.append(starts, len(centroids)))[:, None]
        return means.astype(centroids.dtype)

    def _sort(self):
        """Sort the rows that fail by cluster and level; where each cluster begins, and how many they are."""
        counts = self.failed.counts[:, : self.session.k * _LEVELS]
        ends = np.cumsum(counts.sum(axis=0))
        places = np.cumsum(counts, axis=0) - counts + (ends - counts.sum(axis=0))
        counts[:] = places
        exponion_rows.sort_rows(self.session.threads, self.failed, self.numbers)
        return np.append(0, ends[_LEVELS - 1 :: _LEVELS]), int(ends[-1])
