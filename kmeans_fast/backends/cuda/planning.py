"""How a problem would be run on a GPU: which kernels, on how many blocks, in how much memory."""

from typing import NamedTuple

import numpy as np

from ...kernels.cuda import sources
from ..protocol import Plan
from .device import OUT_OF_MEMORY

MOST_ROWS = 2**31 - 1
MOST_CLUSTERS = 3_000_000  # below e**15: 16 candidates a step of seeding
MOST_FEATURES = 2**21  # below, the error bound of a score is small against the score
# What `assign` reaches with panels of so many centroids, relative to the widest. Estimates from the register tiles, to be measured: with few features two
# blocks of the narrower panel on a multiprocessor hide each other's way from scores to sums.
_EFFICIENCY = {32: 0.7, 64: 0.85, 128: 1.0}
_EFFICIENCY_OF_FEW = {32: 0.7, 64: 1.0, 128: 0.9}
_FEW_FEATURES = 32
_BLOCKS = {4: {32: 2, 64: 2, 128: 2}, 8: {32: 1, 64: 2, 128: 1}}  # of `assign` that fit a multiprocessor, by registers
_ROWS = {32: 32, 64: 16, 128: 16}  # threads of a block of `assign` that have other rows
_STATIC_SHARED = 48 << 10  # shared memory that kernels declare themselves, at most
_POINTS_SHARED = 20 << 10  # of `assign_points`
_ASSIGN_SHARED = {
    4: {32: 29_000, 64: 29_000, 128: 29_000},
    8: {32: 42_000, 64: 29_000, 128: 36_000},
}  # of `assign`, as `_BLOCKS`
_SYSTEM_SHARED = 1 << 10  # what the system takes for each block
_POINTS_BLOCKS = 2  # of `assign_points` that a multiprocessor is to hold, whatever their sums take
_PRIVATE_SUMS = 64 << 10  # bytes of sums for each thread alone from which those of the block serve
_LEAST_GATED = 2048  # k * (d + 12) from which bounds are kept: below, scoring costs no more than reading them
RECHECKED_A_BLOCK = 8  # rows: a warp each
SORT_BYTES = 32  # a row, of CuPy's argsort beyond the 64-bit keys: a copy of them, the order, and as much again
CHUNK_BYTES = 256 << 20  # of a table that goes to the host


class Kernels(NamedTuple):
    """The kernels of an iteration."""

    points: bool  # `assign_points`, for few features; else `assign` and `recheck`
    panel: int  # centroids that a block of `assign` scores together
    height: int  # rows that a thread of it does
    blocks: int
    gated: bool


def limb_bits(n_samples):
    """Bits of a limb so that the sum of n of them fits 62 bits."""
    return 62 - int(n_samples).bit_length()


def kernels(n, d, k, multiprocessors):
    """The `Kernels` for a problem's sizes."""
    if d <= sources.MOST_DIMENSIONS:
        blocks = max(1, min(-(-n // sources.THREADS), 8 * multiprocessors))
        return Kernels(True, sources.PANELS[-1], sources.HEIGHTS[-1], blocks, False)
    efficiency = _EFFICIENCY_OF_FEW if d <= _FEW_FEATURES else _EFFICIENCY
    panel = min(sources.PANELS, key=lambda size: (-(-k // size) * size / efficiency[size], -size))
    height = sources.HEIGHTS[-1]
    if n < _ROWS[panel] * height * multiprocessors:  # fewer tiles than multiprocessors: lower ones, and more
        height = sources.HEIGHTS[0]
    tiles, most = -(-n // (_ROWS[panel] * height)), _BLOCKS[height][panel] * multiprocessors
    return Kernels(False, panel, height, max(1, min(tiles, most)), k > 1 and k * (d + 12) >= _LEAST_GATED)


def modules(chosen, real, d):
    """The modules that a fit needs."""
    if chosen.points:
        scoring = [sources.module("points", real, DIM=d)]
    else:
        scoring = [
            sources.module("assign", real, PANEL=chosen.panel, HEIGHT=chosen.height),
            *[sources.module("gate", real)] * chosen.gated,
        ]
    return scoring + [sources.module(name, real) for name in ("facts", "distances", "centroids", "seeding")]


def room_for_sums(chosen, facts):
    """Bytes of shared memory that a block of `Kernels` may have for sums while as many run at once as are meant to."""
    if chosen.points:
        static, resident = _POINTS_SHARED, _POINTS_BLOCKS
    else:
        static, resident = _ASSIGN_SHARED[chosen.height][chosen.panel], -(-chosen.blocks // facts.multiprocessors)
    of_multiprocessor = facts.shared_bytes + _SYSTEM_SHARED
    return of_multiprocessor // resident - _SYSTEM_SHARED - static


def block_sums(cells, k, room):
    """Cells of a block's own sums in shared memory, two words each, their bytes with the counts; (0, 0): none fit."""
    needed = 8 * cells + 4 * k
    return (cells, needed) if needed <= room else (0, 0)


def resident_blocks(blocks, multiprocessors, dynamic_bytes, shared_bytes):
    """No more blocks than run at once with so much shared memory each: later ones would start when the first have done their share."""
    return min(blocks, multiprocessors * max(1, shared_bytes // (dynamic_bytes + _POINTS_SHARED)))


def private_sums(cells, k, shared_bytes):
    """The same for sums of every thread alone, of words of 64 bits; the cells include the counts."""
    needed = 8 * (cells + k) * sources.THREADS
    return (cells + k, needed) if needed <= min(_PRIVATE_SUMS, shared_bytes - _STATIC_SHARED) else (0, 0)


def workspace_bytes(problem):
    """Device memory beyond the data: what the arrays of a session, and of seeding or of a second session, take."""
    n = problem.n_samples
    seeding = n * (
        8 + 8 * problem.weighted + SORT_BYTES
    )  # sorting by hash, and by weight before; what comes after it takes less
    if problem.second:  # it may be open while candidates are drawn: order, distances (two), bucket and owner
        seeding = max(seeding, n * (8 + 8 + 8 + 4 + 4) + _session_bytes(problem._replace(n_clusters=problem.second)))
    return _session_bytes(problem) + seeding


def _session_bytes(problem):
    n, d, k = problem.n_samples, problem.n_features, problem.n_clusters
    chosen = kernels(n, d, k, 1)
    rows = 4 if chosen.points else 4 + 4 + 12 + 12 * chosen.gated
    limbs = 1 if problem.dtype.itemsize == 4 and not problem.weighted else 4
    clusters = k * ((d + problem.weighted) * limbs * 8 + 3 * d * 12 + 64)
    return n * (rows + 8 * problem.weighted) + clusters


def check_fits(device, needed, problem):
    """Raise MemoryError with the numbers if `needed` bytes cannot be had on the device."""
    free = device.free_bytes()
    if needed > free:
        device.release()
        free = device.free_bytes()
    if needed > free:
        what = f"k-means of {problem.n_samples:,} x {problem.n_features:,} rows into {problem.n_clusters:,} clusters"
        raise MemoryError(
            OUT_OF_MEMORY.format(what=what, needed=needed / 2**30, name=device.facts.name, free=free / 2**30)
        )


def plan(problem, facts):
    """The `Plan` of a problem on a device."""
    chosen = kernels(problem.n_samples, problem.n_features, problem.n_clusters, facts.multiprocessors)
    if chosen.points:
        path = f"distances by differences, {problem.n_features} features"
        notes = ["assignment and sums in one pass over the data"]
    else:
        path = f"certified float32 scores in panels of {chosen.panel} centroids"
        notes = ["rows that float32 cannot settle are measured in float64"]
    if chosen.gated:
        notes.append("rows whose label cannot have changed are skipped (Hamerly's bounds) while that pays")
    notes.insert(
        0, f"{facts.name}, compute capability {facts.compute_capability}, driver {facts.driver}, {facts.runtime}"
    )
    return Plan(path, 1, workspace_bytes(problem), tuple(notes), on_device=True)


def chunk_rows(n_rows, row_bytes):
    """Rows of a table whose chunks go to the host one after the other."""
    return int(np.clip(CHUNK_BYTES // row_bytes, 1, n_rows))
