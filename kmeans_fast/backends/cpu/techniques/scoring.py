"""Every row scored against every centroid, in float32 or filtered by bytes."""

from ....kernels.cpu.assignment import dense
from ....kernels.cpu.machine import host
from ....kernels.cpu.scoring import tile
from .bounds import HamerlyBounds
from .codes import Codes, codes_decline, codes_memory, codes_objection
from .protocol import Technique


def score_all(session, coming, bounds, codes=None):
    """A pass that scores every row, in float32 or by these `Encoded` bytes, and writes what bounds are kept."""
    dense.assign(
        session.threads, session.rows, coming.packed, session.labels, session.counts, coming.sums(codes is not None),
        session.memory, session.lane_sums, bounds.written(coming), codes,
    )  # fmt: skip
    return session.found(session.n, "float32" if codes is None else "bytes")


class Float32(Technique):
    """Scores in float32, certified by their error bound; what they leave open is settled in float64."""

    name = "float32"
    paths = ("float32",)
    note = f"certified tiles of {tile.ROWS} rows x {host.CENTROIDS} centroids, {host.VECTOR_BYTES // 4} lanes"
    shares = (HamerlyBounds,)
    takes_all = True

    def __init__(self, session, bounds):
        super().__init__(session)
        self.bounds = bounds

    def run(self, coming):
        return score_all(self.session, coming, self.bounds)


class Bytes(Technique):
    """Scores in 8-bit integers, whose error bound leaves few centroids to be measured."""

    name = "bytes"
    paths = ("bytes",)
    note = "scores in 8-bit integers, with their error bound, leave a row one or two centroids to be measured"
    shares = (HamerlyBounds, Codes)
    objection = staticmethod(codes_objection)
    declines = staticmethod(codes_decline)
    memory = staticmethod(codes_memory)

    def __init__(self, session, bounds, codes):
        super().__init__(session)
        self.bounds, self.codes = bounds, codes
        codes.serve()

    def takes(self, coming):
        return self.codes.of(coming) is not None

    def run(self, coming):
        return score_all(self.session, coming, self.bounds, self.codes.of(coming))
