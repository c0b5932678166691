"""Passes that measure rows only against the centroids near their own (`kmeans_fast.kernels.cpu.assignment.exponion`), and when that pays."""

from typing import NamedTuple

import numpy as np

from ...kernels.cpu.assignment import exponion, exponion_rows
from ...kernels.cpu.exact import distances
from ...kernels.cpu.machine.scratch import private
from ...kernels.cpu.scoring import panels
from ...kernels.cpu.scoring.panels import GROUP, Panels
from ...kernels.cpu.scoring.tile import SEGMENT
from .buffers import flat
from .tasks import ENCODING, table_tasks, tasks_for

_LEVELS = 8  # parts that the rows of a cluster are sorted into
_TURNS = 8  # steps of the power iteration: any direction serves, that of largest spread serves best
_FEW_ROWS, _ROWS = 32, 256  # of a sample: so many, and unless they say clearly that it does not pay, so many
_CLEAR = 2.0  # by which it is dearer then

# Nanoseconds a row of one core (measured); only their ratios matter.
_ROW, _FEATURE = 40.0, 1.1
_SCORE = 1.28  # of one in tiles of rows that share all centroids
_GAP = 0.07  # for each feature of two centroids
_TOGETHER = 1.6  # centroids measured for each that has to be: the others of a panel, and those of other rows
_GAIN = 1.1
_RECHECK = 12.0  # a row that is rechecked, against one that is scored
_MOST_CANDIDATES = 6  # for a row, from which bytes do not serve


def gap_bytes(n_clusters):
    """Memory of the distances between centroids and panels."""
    return 4 * n_clusters * panels.padded_groups(-(-n_clusters // GROUP))


def exponion_bytes(threads, n_samples, n_features, n_clusters):
    """Memory of `Exponion`."""
    of_centroids = 4 * (n_clusters + GROUP) * (n_features + 2) + gap_bytes(n_clusters)
    of_sample = 16 * _ROWS * n_clusters
    return 12 * n_samples + of_centroids + of_sample + 16 * threads * n_clusters * _LEVELS


def _ordered(points, part):
    """The centroids of a part, neighbours together: halved by the direction of largest spread until a panel holds them."""
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

    share: float  # of all centroids: those that may be nearer than the nearest one, for all that the distances between centroids tell
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
    # A number is off by 1 / sqrt(12) of a step when it becomes a byte, a score by that much of the row and of the centroid.
    steps = [np.abs(a).max(axis=1) / 127 * np.sqrt(len(center) / 12) for a in moved]
    lost = steps[0][:, None] * norms[1] + norms[0][:, None] * steps[1]
    candidates = np.count_nonzero(to_points - least[:, None] <= 4 * lost)
    return Sampled(near / to_points.size, unsettled.mean(), candidates / len(rows))


def _squared(threads, rows, columns, k):
    """Squared distances (len(rows), k) float64 to k points (`distances.columns_padded`). Not by BLAS, whose threads go on spinning on the cores that the
    next pass needs.
    """
    out = np.empty((len(rows), k))
    tasks = table_tasks(threads, out.shape, rows.shape[1])
    distances.distance_table(tasks, flat(rows), columns.ravel(), rows.shape[1], columns.shape[1], out, True)
    return out


class Exponion:
    """What such passes need from pass to pass, and what is known of their cost.

    A pass costs what its share of pairs of a row and a panel says. Before there was one, a sample tells how many centroids are near; where they are too many,
    it is asked again after up to three times as many passes as there were so far.
    """

    def __init__(self, session):
        self.threads, self.n, self.d, self.k = session.threads, session.n, session.d, session.k
        self.share = self.without = self.panels = None
        self.rows = self.n  # that the last pass scored
        self.wait = self.waited = 0

    def pays(self, X, centroids, by_floats, by_bytes):
        """Whether the next pass is one of these; `by_floats` and `by_bytes` (None: they do not serve) are what a row costs otherwise."""
        if self.share is None and self.waited < self.wait:
            self.waited += 1
            return False
        share, without = self.share, self.without
        if share is None:
            for rows in (_FEW_ROWS, _ROWS):
                share, without = self._sampled(X, centroids, by_floats, by_bytes, rows)
                if _CLEAR * without < self._cost(share, by_floats):
                    break
        if _GAIN * self._cost(share, by_floats) < without:
            self.without = without
            return True
        self.share, self.wait, self.waited = None, 4 * self.wait + 1, 0
        return False

    def _sampled(self, X, centroids, by_floats, by_bytes, rows):
        """The share of the centroids that a row would be measured against, and what a row costs otherwise."""
        found = sampled(self.threads, X, centroids, rows)
        bytes_serve = by_bytes is not None and found.candidates <= _MOST_CANDIDATES
        return _TOGETHER * found.share, by_bytes if bytes_serve else by_floats * (1 + _RECHECK * found.open)

    def _cost(self, share, by_floats):
        """What a row costs in a pass that measures it against this share of the centroids."""
        gaps = _GAP * self.k * self.k * self.d / max(self.rows, 1)
        return _ROW + _FEATURE * self.d + _SCORE * share * by_floats + gaps

    def _make_panels(self, centroids):
        order = spatial_order(centroids)
        groups = -(-self.k // GROUP)
        padded = np.full(groups * GROUP, -1, np.int32)
        padded[: self.k] = order
        places = np.empty(self.k, np.int32)
        places[order] = np.arange(self.k)
        values = np.zeros(groups * self.d * GROUP, np.float32)
        gaps = np.empty(self.k * panels.padded_groups(groups), np.float32)
        self.panels = Panels(padded, places, values, np.full(groups * GROUP, -np.inf, np.float32), gaps)
        failed, keys, self.numbers = np.empty((3, self.n), np.int32)
        found, of_keys = np.empty(self.threads, np.int64), private(self.threads, self.k * _LEVELS, np.int64)
        self.failed = exponion_rows.FailedRows(failed, keys, found, of_keys, _LEVELS)
        self.memory = panels.tiles(self.threads, self.d)

    def assign(self, session, centroids, center, packed, kept, known, sums):
        """Bring the labels and sums of a session (`assignment.Assignment`) up to date; how many rows were scored.

        `kept` are its `HamerlyBounds`, which are `known` or to be found. What was counted is in the session's `counts`.
        """
        if self.panels is None:
            self._make_panels(centroids)
        threads, d, rows = self.threads, self.d, session.rows
        scale = float(packed.scale)
        if not known:
            kept.begin(scale)
        bounds = kept.arguments(scale)
        panels.fill_panels(tasks_for(threads, ENCODING * self.k * d), packed, d, self.panels)
        panels.find_gaps(
            tasks_for(threads, _GAP * self.k * self.k * d), packed, d, self.panels, bounds.factor, self.memory,
            bounds.half_gap,
        )  # fmt: skip
        if known:
            exponion_rows.find_failing(threads, rows, flat(centroids), session.labels, bounds, self.panels, self.failed)
        else:
            session.nearest(self._panel_means(centroids), center, self.numbers)
            exponion_rows.guess_labels(
                threads, rows, packed, self.numbers, bounds, self.panels, self.memory, self.failed
            )
        starts, scored = self._sort()
        exponion.assign_exponion(
            threads, rows, packed, self.panels, self.numbers[:scored], starts, session.labels, session.counts, sums,
            bounds, self.memory,
        )  # fmt: skip
        pairs = sum(session.counts.pairs.tolist())
        self.share, self.rows = pairs / (len(self.panels.order) // GROUP * max(scored, 1)), scored
        return scored

    def _panel_means(self, centroids):
        """A point in the middle of every panel."""
        ordered = centroids[self.panels.order[self.panels.order >= 0]].astype(np.float64)
        starts = np.arange(0, self.k, GROUP)
        means = np.add.reduceat(ordered, starts, axis=0) / np.diff(np.append(starts, self.k))[:, None]
        return means.astype(centroids.dtype)

    def _sort(self):
        """Sort the rows that fail by cluster and level; where each cluster begins, and how many they are."""
        counts = self.failed.counts[:, : self.k * _LEVELS]
        ends = np.cumsum(counts.sum(axis=0))
        places = np.cumsum(counts, axis=0) - counts + (ends - counts.sum(axis=0))
        counts[:] = places
        exponion_rows.sort_rows(self.threads, self.failed, self.numbers)
        return np.append(0, ends[_LEVELS - 1 :: _LEVELS]), int(ends[-1])
