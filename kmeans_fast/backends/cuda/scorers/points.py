"""Rows of one to four features: distances by differences, and the sums in the same pass (`points.cu`)."""

from ....kernels.cuda import sources
from ..buffers import NO_SUMS
from .protocol import Packed
from .sums_in_shared_memory import block_sums, private_sums, room_for_sums

SHARED = 20 << 10  # bytes that `assign_points` declares
RESIDENT = 2  # blocks that a multiprocessor is to hold, whatever their sums take
_BLOCKS_A_MULTIPROCESSOR = 8


class PointScorer:
    """See `protocol.Scorer`."""

    name = "points"
    adds_rows = True
    keeps_bounds = False  # to score a row costs no more than to read its bounds
    row_bytes = centroid_bytes = 0
    notes = ("assignment and sums in one pass over the data",)

    def __init__(self, sizes, properties):
        self.d = sizes.d
        most = _BLOCKS_A_MULTIPROCESSOR * properties.multiprocessors
        self.blocks = max(1, min(-(-sizes.n // sources.THREADS), most))
        self.path = f"distances by differences, {sizes.d} features"

    @staticmethod
    def objection(sizes, properties):
        if sizes.d > sources.MOST_DIMENSIONS:
            return f"it takes up to {sources.MOST_DIMENSIONS} features, and there are {sizes.d}"
        return ""

    @staticmethod
    def decline(sizes):
        return ""

    def modules(self, real):
        return [sources.module("points", real, DIM=self.d)]

    def room_for_sums(self, properties):
        """Bytes of shared memory that a block has for sums."""
        return room_for_sums(SHARED, RESIDENT, properties.shared_bytes)

    def open(self, session):
        return PointScoring(self, session.dtype)


class PointScoring:
    """See `protocol.Scoring`. It scores the exact centroids, and has no memory of its own."""

    scale = 1.0
    frame = {"shift": None, "scale": 1.0, "gamma": 0.0, "zeta": 0.0}

    def __init__(self, plan, dtype):
        self.plan, self.dtype = plan, dtype

    def packed(self):
        return Packed()

    def pack(self, centroids):
        pass

    def way(self, number):
        return self.dtype.name

    def learn(self, number, way, overflowed, upcoming):
        pass

    def launches(self, session, centroids, common, bounded, way, sums, anew):
        properties, k = session.device.properties, session.k
        shared_cells = private_cells = dynamic = 0
        if sums and anew:
            private_cells, dynamic = private_sums(sums.cells.size, k, properties.shared_bytes)
        if sums and not private_cells:
            shared_cells, dynamic = block_sums(sums.cells.size, k, self.plan.room_for_sums(properties))
        assign = session.launcher.prepare(
            "points", "assign_points", self._blocks(dynamic, properties), shared_bytes=dynamic,
            choices={"DIM": session.d}, n=session.n, centroids=centroids.exact, shared_cells=shared_cells,
            private_cells=private_cells, weights=session.weights, anew=anew,
            **(sums.arguments if sums else NO_SUMS), **common,
        )  # fmt: skip
        return [assign]

    def _blocks(self, dynamic_bytes, properties):
        """No more than run at once: later ones would start when the first have done their share."""
        at_once = max(1, properties.shared_bytes // (dynamic_bytes + SHARED))
        return min(self.plan.blocks, properties.multiprocessors * at_once)
