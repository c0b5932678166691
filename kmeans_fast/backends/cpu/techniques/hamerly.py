"""Rows whose label cannot have changed are skipped, and the others scored (`kernels.cpu.assignment.hamerly`)."""

import numpy as np

from ....kernels.cpu.assignment import dense, hamerly
from ....kernels.cpu.exact.lane_sums import NO_LANES
from ....kernels.cpu.exact.rows import Rows
from .. import costs
from ..buffers import NO_WEIGHTS, flat
from ..tasks import tasks_for
from .bounds import HamerlyBounds, bounds_decline, bounds_memory
from .codes import Codes, codes_decline, codes_memory, codes_objection
from .protocol import Kept, Technique
from .scoring import score_all


class HamerlyFloat32(Technique):
    """Hamerly's bounds; rows that fail them are scored in float32."""

    name = "hamerly, float32"
    paths = ("hamerly, float32",)
    note = "rows whose label cannot have changed are skipped (Hamerly's bounds) while that pays"
    shares: tuple[type[Kept], ...] = (HamerlyBounds,)
    declines = staticmethod(bounds_decline)
    memory = staticmethod(bounds_memory)

    def __init__(self, session, bounds):
        super().__init__(session)
        self.bounds, self.codes = bounds, None

    def takes(self, coming):
        if self.session.forced or not (coming.once or coming.shared):
            self.bounds.open()
        return self.session.forced or (self._holds(coming, None) and self.bounds.pays())

    def _holds(self, coming, codes):
        if not coming.knows(codes is not None) or not self.bounds.holds(coming):
            return False
        self.bounds.follow(coming)
        return True

    def run(self, coming):
        codes = None if self.codes is None else self.codes.of(coming)
        if self.session.forced and not self._holds(coming, codes):
            return score_all(self.session, coming, self.bounds, codes)
        session, bounds = self.session, self.bounds.used(coming)
        if codes is None:
            self._find_gaps(coming, bounds)
        else:
            self.bounds.half_gap.fill(0.0)  # bytes do without; what is there may be of other centroids
        hamerly.assign_hamerly(
            session.threads, session.rows, coming.packed, session.labels, session.counts,
            coming.sums(codes is not None), session.memory, bounds, codes,
        )  # fmt: skip
        scored = sum(session.counts.scored.tolist())
        self.bounds.share = scored / session.n
        if codes is not None:
            self.codes.settle(scored)
        return session.found(scored, "hamerly, float32" if codes is None else "hamerly, bytes")

    def _find_gaps(self, coming, bounds):
        """Half the distance of each centroid to its nearest neighbour: the centroids are rows here."""
        session, k = self.session, self.session.k
        rows, work = Rows(flat(coming.centroids), NO_WEIGHTS, session.d), k * costs.float_scoring(session.d, k)
        nearest, above = np.empty(k, np.int32), np.empty(k, np.float32)
        dense.assign(
            tasks_for(session.threads, work), rows, coming.packed, nearest, session.counts, session.no_sums,
            session.memory, NO_LANES, bounds._replace(upper=above, lower=bounds.half_gap), None,
        )  # fmt: skip
        np.multiply(bounds.half_gap, np.float32(0.5), out=bounds.half_gap)


class HamerlyBytes(HamerlyFloat32):
    """Hamerly's bounds; rows that fail them are scored in bytes."""

    name = "hamerly, bytes"
    paths = ("hamerly, bytes",)
    note = "rows whose label cannot have changed are skipped, and the others scored in bytes"
    shares = (HamerlyBounds, Codes)
    objection = staticmethod(codes_objection)

    def __init__(self, session, bounds, codes):
        super().__init__(session, bounds)
        self.codes = codes
        codes.serve()

    @staticmethod
    def declines(sizes):
        return bounds_decline(sizes) or codes_decline(sizes)

    @staticmethod
    def memory(sizes):
        return bounds_memory(sizes) | codes_memory(sizes)

    def takes(self, coming):
        if self.session.forced or not (coming.once or coming.shared):
            self.bounds.open()
        codes = self.codes.of(coming)
        return self.session.forced or (codes is not None and self._holds(coming, codes))
