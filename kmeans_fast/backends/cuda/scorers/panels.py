"""Any number of features and centroids: certified float32 scores, panel by panel (`assign.cu`, `hamerly.cu`)."""

import numpy as np

from ....kernels.cuda import sources
from ..device import allocate, upload
from ..gathering import sample
from .frame import frame
from .protocol import Packed

# What `assign` reaches with panels of so many centroids, relative to the widest. Estimates from the register tiles, to
# be measured: with few features two blocks of the narrower panel on a multiprocessor hide each other's way from scores
# to sums.
_EFFICIENCY = {32: 0.7, 64: 0.85, 128: 1.0}
_EFFICIENCY_OF_FEW = {32: 0.7, 64: 1.0, 128: 0.9}
_FEW_FEATURES = 32
RESIDENT = {4: {32: 2, 64: 2, 128: 2}, 8: {32: 1, 64: 2, 128: 1}}  # blocks a multiprocessor, by registers
_ROWS = {32: 32, 64: 16, 128: 16}  # threads of a block that have other rows
_BOUNDS_PAY = (0.3, 0.8)  # see `hamerly.BoundsPolicy`
_LEAST_BOUNDED = 2048  # k * (d + 12) from which bounds are kept: below, scoring costs no more than reading them
_RECHECKED_A_BLOCK = 8  # rows at least
_RECHECKING = 2  # blocks of `recheck` that run at once on a multiprocessor
_FILTERED_A_BLOCK = 32  # rows at least


class PanelScorer:
    """See `protocol.Scorer`.

    Attributes
    ----------
    panel : int
        Centroids that a block scores together.
    height : int
        Rows that a thread scores together.
    """

    name = "panels"
    centroid_bytes = 4
    adds_rows = False

    def __init__(self, sizes, properties):
        n, d, k = sizes[:3]
        multiprocessors = properties.multiprocessors
        efficiency = _EFFICIENCY_OF_FEW if d <= _FEW_FEATURES else _EFFICIENCY
        self.panel = min(sources.PANELS, key=lambda size: (-(-k // size) * size / efficiency[size], -size))
        self.height = sources.HEIGHTS[-1]
        if n < _ROWS[self.panel] * self.height * multiprocessors:  # fewer tiles than multiprocessors: lower, and more
            self.height = sources.HEIGHTS[0]
        tiles, most = -(-n // (_ROWS[self.panel] * self.height)), RESIDENT[self.height][self.panel] * multiprocessors
        self.blocks = max(1, min(tiles, most))
        self.keeps_bounds = k > 1 and k * (d + 12) >= _LEAST_BOUNDED
        self.row_bytes = 4 + 4 + 12 + 12 * self.keeps_bounds
        self.path = f"certified float32 scores in panels of {self.panel} centroids"
        self.notes = ("rows that float32 cannot settle are measured in float64",)
        if self.keeps_bounds:
            self.notes += ("rows whose label cannot have changed are skipped (Hamerly's bounds) while that pays",)

    @staticmethod
    def objection(sizes, properties):
        return ""

    @staticmethod
    def decline(sizes):
        return ""

    @property
    def choices(self):
        """What the module `assign` is compiled with."""
        return {"PANEL": self.panel, "HEIGHT": self.height}

    def modules(self, stored):
        return [
            sources.module("assign", stored, **self.choices),
            *[sources.module("hamerly", stored)] * self.keeps_bounds,
        ]

    def open(self, session):
        return PanelScoring(self, session)


class PanelScoring:
    """See `protocol.Scoring`."""

    def __init__(self, plan, session):
        self.plan, self.launcher, self.k, self.d = plan, session.launcher, session.k, session.d
        device, n, what = session.device, session.n, f"the workspace of {session.n:,} rows"
        found = frame(sample(self.launcher, session.X))
        self.norms = allocate(device, n, np.float32, what)
        self.open = allocate(device, 3 * n, np.int32, what)  # rows that scores do not settle
        self.upper = self.lower = self.left = None
        if plan.keeps_bounds:
            self.upper = allocate(device, n, np.float32, what)
            self.lower = allocate(device, n, np.float32, what)
            self.left = allocate(device, n, np.int32, what)  # rows that bounds leave to be scored
        self.scale, self.margin = found.scale, found.margin
        self.rechecking = _RECHECKING * device.properties.multiprocessors  # blocks at once
        shift = upload(device, found.shift, "the frame")
        self.frame = {"shift": shift, "scale": found.scale, "gamma": found.gamma, "zeta": found.zeta}
        self.launcher.run(
            "rows", "squared_norms", n,
            X=session.X, n=n, d=self.d, shift=shift, scale=self.scale, norms=self.norms,
        )  # fmt: skip

    def packed(self):
        device, what = self.launcher.device, f"{self.k:,} centroids of {self.d:,} features"
        padded = -(-self.k // self.plan.panel) * self.plan.panel
        panels = allocate(device, padded * self.d, np.float32, what, fill=0)
        return Packed(self.plan.panel, panels, allocate(device, padded, np.float32, what, fill=-np.inf))

    def pack(self, centroids):
        self.launcher.run(
            "centroids", "pack", 32 * self.k,
            centroids=centroids.exact, k=self.k, d=self.d, **centroids.packed._asdict(), **self.frame,
        )  # fmt: skip

    def begin(self):
        pass

    def way(self, number, labelled):
        return "float32"

    def bounds_pay(self, way):
        return _BOUNDS_PAY

    def learn(self, number, way, overflowed, upcoming):
        pass

    def launches(self, session, centroids, common, bounded, way, sums, anew):
        n_left = session.iteration.counters[3:4] if bounded else None
        scored = self._scored(session, centroids, common, self.left if bounded else None, n_left)
        return [*([self._filter(session, centroids, n_left)] if bounded else []), *scored]

    def _scored(self, session, centroids, common, rows_left, n_left, few=0):
        """The launches that label rows: those in the list `rows_left`, of `n_left` rows, or all.

        Of a list of `few` at most, the rows are scans in `open` already.
        """
        of_norm, of_half_norm, added = self.margin
        arguments = common | {
            "n": session.n, "d": self.d, "shift": self.frame["shift"], "scale": self.scale,
            "panels": centroids.packed.panels, "half_norms": centroids.packed.half_norms, "open": self.open,
        }  # fmt: skip
        assign = self.launcher.prepare(
            "assign", "assign", self.plan.blocks, choices=self.plan.choices, norms=self.norms,
            of_norm=of_norm, of_half_norm=of_half_norm, added=added, rows_left=rows_left, n_left=n_left, few=few,
            upper=self.upper, lower=self.lower, **arguments,
        )  # fmt: skip
        blocks = min(self.rechecking, self.launcher.blocks(session.n, _RECHECKED_A_BLOCK))
        recheck = self.launcher.prepare(
            "assign", "recheck", blocks, choices=self.plan.choices,
            centroids=centroids.exact, **arguments,
        )  # fmt: skip
        return [assign, recheck]

    def _filter(self, session, centroids, n_left):
        """The rows that their bounds leave to be scored, into `left`."""
        return self.launcher.prepare(
            "hamerly", "filter_rows", self.launcher.blocks(session.n, _FILTERED_A_BLOCK),
            X=session.X, n=session.n, d=self.d, centroids=centroids.exact, k=self.k, scale=self.scale,
            drifts=session.iteration.drifts, labels=session.device_labels, upper=self.upper, lower=self.lower,
            rows_left=self.left, n_left=n_left, halted=session.iteration.halted,
        )  # fmt: skip
