"""Whether the bounds of all rows hold, so that no label can change: asked without the rows.

Mapping    A task takes a range of rows, one after the other. It stops at the first that fails.
Maths      That of `hamerly`: the test, and what becomes of the bounds.
Precision  That of `hamerly`. A row whose bounds are NaN fails.
Ties       A tie is never below: its row fails.
Order      None.
Cost       12 bytes read a row up to the first that fails; 8 written, if they are to be.
Limits     As `hamerly`.
"""

import numpy as np

from ..runtime.jit import kernel, share
from ..scoring.tile import DOWN, UP
from .arguments import Bounds
from .hamerly import MARGIN, farthest_moves


@kernel
def settled(
    task,
    tasks,
    labels,  #          IN    (n,) int32
    bounds: Bounds,  #  INOUT those of the pass before, and how centroids have moved since
    writes,  #          IN    whether to bring the bounds up to date: all rows are known to hold
    failing,  #         OUT   (tasks,) int64: whether a row fails
):
    """Ask, or write."""
    upper, lower, drift, half_gap, _, _ = bounds
    most, next_most, farthest = farthest_moves(drift)
    failing[task] = 0
    for row in range(*share(task, tasks, labels.size)):
        label = labels[row]
        above = np.float32(upper[row] + drift[label]) * UP
        below = np.float32(lower[row] - (next_most if label == farthest else most)) * DOWN
        limit = max(half_gap[label], below)
        if not limit > above * MARGIN:
            failing[task] = 1
            break
        if writes:
            upper[row], lower[row] = above, below
