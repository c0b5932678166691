"""What the assignment kernels take besides `Rows` and `Packed`: bounds, sums, counts."""

from typing import NamedTuple

import numpy as np

from ..exact.fixed_point import Plan, Totals

SUMS_LEFT = 0  # as they are
SUMS_ANEW = 1  # add every row
SUMS_MOVED = 2  # move the rows whose label changes
MOVES = 256  # rows to be moved are collected: a call for each would cost more than the additions


class Sums(NamedTuple):
    """The exact sums of the rows of each cluster, and what is to be done to them."""

    totals: Totals
    plan: Plan
    mode: int  # SUMS_LEFT, SUMS_ANEW or SUMS_MOVED


class Counts(NamedTuple):
    """What a pass counts; each (tasks,) int64. A kernel writes those that it knows of."""

    changed: np.ndarray  # rows whose label is not what it was
    rechecked: np.ndarray  # rows whose label the fast pass could not prove
    scored: np.ndarray  # rows measured against every centroid, or in a k-d tree against several
    overfull: np.ndarray  # tiles that had too many candidates for the filter
    pairs: np.ndarray  # of a row and a centroid (k-d tree) or of a row and a panel (exponion) that were measured

    @classmethod
    def zeros(cls, tasks):
        return cls(*np.zeros((len(cls._fields), tasks), np.int64))


class Bounds(NamedTuple):
    """Hamerly's bounds on the distances of every row, in a unit of their own (see `hamerly`)."""

    upper: np.ndarray  # (n,) float32: not below the distance to the own centroid; or (0,): none are kept
    lower: np.ndarray  # (n,) float32: not above the distance to any other
    drift: np.ndarray  # (k,) float32: how far each centroid has moved at most
    half_gap: np.ndarray  # (k,) float32: half the distance to the nearest other centroid at least, or 0
    unit: float  # 1 / the unit, a power of two
    factor: np.float32  # from distances of the points that `Packed` scales to the unit


_NONE = np.empty(0, np.float32)
NO_BOUNDS = Bounds(_NONE, _NONE, _NONE, _NONE, 1.0, np.float32(1))
