"""Rows of one to four features: distances by differences, and the sums in the same pass (`points.cu`)."""

from ....kernels.cuda import sources
from ..buffers import NO_SUMS
from .protocol import Packed
from .sums_in_shared_memory import block_sums, room_for_sums

SHARED = 19 << 10  # bytes that `assign_points` declares
RESIDENT = 2  # blocks that a multiprocessor is to hold, whatever their sums take
BLOCKS = {1: 4, 2: 4, 3: 4, 4: 3}  # and what its registers allow, by features
_FEW_CLUSTERS = 32  # with so many even a few rows are soon scored
_ROUNDS = 3  # of tiles of several rows, from which the last, that is not full, is a small part of the time


class PointScorer:
    """See `protocol.Scorer`."""

    name = "points"
    adds_rows = True
    keeps_bounds = False  # to score a row costs no more than to read its bounds
    row_bytes = centroid_bytes = 0
    notes = ("assignment and sums in one pass over the data",)

    def __init__(self, sizes, properties):
        several = 4 if sizes.d * sizes.dtype.itemsize <= 16 else 2
        at_once = properties.multiprocessors * BLOCKS[sizes.d]
        together = sizes.k <= _FEW_CLUSTERS or sizes.n >= _ROUNDS * at_once * several * sources.THREADS
        self.choices = {"DIM": sizes.d, "SEVERAL": int(together)}
        tiles = -(-sizes.n // (sources.THREADS * (several if together else 1)))
        self.blocks = max(1, min(tiles, at_once))
        self.path = f"distances by differences, {sizes.d} features"

    @staticmethod
    def objection(sizes, properties):
        if sizes.d > sources.MOST_DIMENSIONS:
            return f"it takes up to {sources.MOST_DIMENSIONS} features, and there are {sizes.d}"
        return ""

    @staticmethod
    def decline(sizes):
        return ""

    def modules(self, stored):
        return [sources.module("points", stored, **self.choices)]

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

    def begin(self):
        pass

    def way(self, number, labelled):
        return self.dtype.name

    def learn(self, number, way, overflowed, upcoming):
        pass

    def launches(self, session, centroids, common, bounded, way, sums, anew):
        properties = session.device.properties
        shared_cells = dynamic = 0
        if sums:
            shared_cells, dynamic = block_sums(sums.cells.size, session.k, self.plan.room_for_sums(properties))
        # No more than run at once: later ones would start when the first have done their share.
        at_once = properties.multiprocessors * max(1, properties.shared_bytes // (SHARED + dynamic))
        assign = session.launcher.prepare(
            "points", "assign_points", min(self.plan.blocks, at_once), shared_bytes=dynamic, choices=self.plan.choices,
            n=session.n, centroids=centroids.exact, shared_cells=shared_cells, weights=session.weights, anew=anew,
            **(sums.arguments if sums else NO_SUMS), **common,
        )  # fmt: skip
        return [assign]
