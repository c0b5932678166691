"""The shapes that are measured, what was asked for there, and what a GPU can do at best."""

from typing import NamedTuple

from common.cells import Cell

GRID = (
    Cell(1_000_000, 128, 1024),
    Cell(10_000_000, 16, 256),
    Cell(10_000_000, 128, 64),
    Cell(1_000_000, 768, 4096),
    Cell(100_000_000, 2, 10),
    Cell(1_000_000, 32, 65_536),
    Cell(8192, 128, 1024),
)
SMALL = (Cell(2000, 16, 8), Cell(5000, 2, 10))  # where launches take longer than the work
# What the project's plan asks of an iteration on an H100, in ms at most.
TARGETS = {
    (1_000_000, 128, 1024): 1.2,
    (10_000_000, 16, 256): 0.8,
    (10_000_000, 128, 64): 2.2,
    (1_000_000, 768, 4096): 20.0,
    (100_000_000, 2, 10): 0.8,
    (1_000_000, 32, 65_536): 20.0,
    (8192, 128, 1024): 0.04,
}


class Ceiling(NamedTuple):
    """What bounds an iteration in float32: operations and bytes a second."""

    operations: float
    bandwidth: float  # bytes read plus bytes written
    source: str


class Limit(NamedTuple):
    """The least time of an iteration, in ms: of the products in float32 without tensor cores, and of reading X once."""

    operations: float
    memory: float

    @property
    def bound(self):
        return max(self)


DATASHEET = Ceiling(67e12, 3.35e12, "NVIDIA's data sheet of the H100 SXM")
PUBLISHED = Ceiling(47.3e12, 3.0e12, "cuBLAS float32 and a copy, as others measured them on an H100 80GB HBM3")

# Milliseconds: float32 SIMT and memory, by DATASHEET and by PUBLISHED, worked out by hand. `limit` is the same model; a
# test compares the two.
TABLE = {
    (1_000_000, 128, 1024): (Limit(3.91, 0.154), Limit(5.54, 0.172)),
    (10_000_000, 16, 256): (Limit(1.22, 0.203), Limit(1.73, 0.227)),
    (10_000_000, 128, 64): (Limit(2.45, 1.54), Limit(3.46, 1.72)),
    (1_000_000, 768, 4096): (Limit(93.9, 0.92), Limit(133.0, 1.03)),
    (100_000_000, 2, 10): (Limit(0.060, 0.358), Limit(0.085, 0.400)),
    (1_000_000, 32, 65_536): (Limit(62.6, 0.042), Limit(88.7, 0.047)),
    (8192, 128, 1024): (Limit(0.032, 0.0014), Limit(0.045, 0.0016)),
}


def limit(shape, ceiling):
    """The `Limit` of a shape: 2 n d k operations; 4 n d bytes of X, 4 n of labels and 4 k d of centroids, each once."""
    n, d, k = shape[:3]
    return Limit(1e3 * 2 * n * d * k / ceiling.operations, 1e3 * 4 * (n * d + n + k * d) / ceiling.bandwidth)
