"""Rows sorted by a k-d tree: neighbours in space become neighbours in memory, for `kd_tree_filter`.

Mapping    A k-d tree of a sample of the rows gives every row a leaf (a task takes a range of rows); a counting sort
           puts the rows of a leaf together. A leaf is cut into blocks of MOST rows at most, and each block gets its
           box: the least and the largest value of every feature.
Layout     Rows are stored in tiles of TILE, feature by feature, in X's dtype. A leaf is filled up to whole tiles by
           copies of its first row, whose number is -1.
Order      Rows of a leaf keep their order, so the layout does not depend on the tasks. It would not matter: labels are
           per row, sums are exact integers.
Cost       A step down the tree per row and level, a scattered write per row, and O(sample d log) for the tree.

Method: the tree is Bentley's (1975), its splits are medians of the feature of widest spread.
"""

from typing import NamedTuple

import numpy as np

from ..machine.float_arrays import Floats
from ..machine.host import VECTOR_BYTES
from ..machine.scratch import stack_array
from ..machine.simd import element
from ..runtime.jit import inner, kernel, share

TILE = 2 * VECTOR_BYTES // 8  # two vectors of float64
MOST = 128  # rows of a block
_TOGETHER = 256  # rows that go down the tree side by side


@inner
def _select(sample, m, d, first, stop, middle, feature):
    """Permute the points [first, stop): none before `middle` has a larger key than it, none after a smaller one.

    Hoare's quickselect.
    """
    keys = feature * m
    low, high = first, stop - 1
    word = middle
    while low < high:
        # From anywhere: the middle of rows that rise and then fall is the largest of them, and would be again.
        word = (word * 1103515245 + 12345) & 0x7FFFFFFF
        pivot = sample[keys + low + (word >> 8) % (high - low + 1)]
        i, j = low, high
        while i <= j:
            while element(sample, keys + i) < pivot:
                i += 1
            while pivot < element(sample, keys + j):
                j -= 1
            if i <= j:
                for f in range(d):
                    sample[f * m + i], sample[f * m + j] = sample[f * m + j], sample[f * m + i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            break


@kernel
def grow_tree(
    task,
    tasks,
    sample,  #    INOUT (d * m,) float64: points, feature by feature, at least one for each leaf; they are permuted
    m,
    d,
    begin,  #           the levels [begin, end): a task grows the subtrees of a range of the nodes at `begin`
    end,
    features,  #  OUT   (2**levels,) int32: what node i splits by; its children are 2 i and 2 i + 1, the root is 1
    splits,  #    OUT   (2**levels,) float64: rows below go left
):
    """A tree of medians. O(m d levels)."""
    first_place, last_place = share(task, tasks, 1 << begin)
    for level in range(begin, end):
        for place in range(first_place << (level - begin), last_place << (level - begin)):
            first, stop = m * place >> level, m * (place + 1) >> level
            widest, spread = 0, -1.0
            for j in range(d):
                low = high = sample[j * m + first]
                for i in range(first + 1, stop):
                    value = element(sample, j * m + i)
                    low, high = min(low, value), max(high, value)
                if high - low > spread:
                    widest, spread = j, high - low
            middle = m * (2 * place + 1) >> (level + 1)
            _select(sample, m, d, first, stop, middle, widest)
            node = (1 << level) + place
            features[node], splits[node] = widest, sample[widest * m + middle]


@kernel
def find_leaves(
    task,
    tasks,
    X: Floats,  # IN    (n * d,)
    d,
    levels,
    features,  #  IN    (2**levels,) int32
    splits,  #    IN    (2**levels,) float64
    leaves,  #    OUT   (n,) int32: the leaf of every row
    counts,  #    OUT   (tasks, 2**levels or more) int64: rows of each leaf among the task's
):
    """Send every row down the tree. O(n levels)."""
    first, stop = share(task, tasks, leaves.size)
    for leaf in range(1 << levels):
        counts[task, leaf] = 0
    nodes = stack_array(_TOGETHER, np.int32)
    for start in range(first, stop, _TOGETHER):
        rows = min(_TOGETHER, stop - start)
        for r in range(rows):
            nodes[r] = 1
        for _ in range(levels):
            for r in range(rows):
                node = np.int64(nodes[r])
                value = np.float64(element(X, (start + r) * d + element(features, node)))
                nodes[r] = 2 * node + (value >= element(splits, node))
        for r in range(rows):
            leaf = np.int64(nodes[r]) - (1 << levels)
            leaves[start + r] = leaf
            counts[task, leaf] += 1


@kernel
def fill_tiles(
    task,
    tasks,
    X,  #         IN    (n * d,)
    weights,  #   IN    (n,) float64, or (0,): all ones
    d,
    leaves,  #    IN    (n,) int32
    offsets,  #   INOUT (tasks, leaves or more) int64: where the task's first row of each leaf goes
    rows,  #      OUT   (padded n,) int32: the number of each row
    tiles,  #     OUT   (padded n * d,) X's dtype
    of_rows,  #   OUT   (padded n,) float64, or (0,): the weights in that order
):
    """Put every row where its leaf is. `tasks` must be those of `find_leaves`."""
    for i in range(*share(task, tasks, leaves.size)):
        leaf = leaves[i]
        at = offsets[task, leaf]
        offsets[task, leaf] = at + 1
        rows[at] = i
        base = at // TILE * TILE * d + at % TILE
        for j in range(d):
            tiles[base + j * TILE] = X[i * d + j]
        if weights.size > 0:
            of_rows[at] = weights[i]


@kernel
def outline(
    task,
    tasks,
    d,
    starts,  #  IN    (blocks + 1,) int64: the first row of every block
    sizes,  #   IN    (blocks,) int64: its rows without the fillers
    rows,  #    INOUT (padded n,) int32: fillers get -1
    tiles,  #   INOUT (padded n * d,): fillers get the values of the first row
    low,  #     OUT   (blocks * d,) float64: the box
    high,  #    OUT   (blocks * d,) float64
):
    """Fill the blocks up and find their boxes."""
    for block in range(*share(task, tasks, sizes.size)):
        start, stop = starts[block], starts[block + 1]
        for j in range(d):
            first = tiles[start * d + j * TILE]
            for i in range(start + sizes[block], stop):
                tiles[i // TILE * TILE * d + j * TILE + i % TILE] = first
            least = most = first
            for tile in range(start, stop, TILE):
                for i in range(TILE):
                    value = element(tiles, tile * d + j * TILE + i)
                    least, most = min(least, value), max(most, value)
            low[block * d + j], high[block * d + j] = least, most
        for i in range(start + sizes[block], stop):
            rows[i] = -1


@kernel
def to_tree_order(
    task,
    tasks,
    rows,  #      IN  (padded n,) int32
    values,  #    IN  (n,) int32
    in_tree,  #  OUT (padded n,) int32
):
    """Numbers of rows in the order of the tree; fillers get 0."""
    for i in range(*share(task, tasks, rows.size)):
        in_tree[i] = values[rows[i]] if rows[i] >= 0 else 0


@kernel
def from_tree_order(
    task,
    tasks,
    rows,  #      IN  (padded n,) int32
    in_tree,  #  IN  (padded n,) int32
    values,  #    OUT (n,) int32
):
    """Numbers of rows in the order of X."""
    for i in range(*share(task, tasks, rows.size)):
        if rows[i] >= 0:
            values[rows[i]] = in_tree[i]


class KdTree(NamedTuple):
    """The rows in the order of the leaves, in blocks with a box each; a family is the blocks of neighbouring leaves."""

    rows: np.ndarray  # (padded n,) int32: the number of each row, -1 for fillers
    tiles: Floats  # (padded n * d,) X's dtype
    weights: np.ndarray  # (padded n,) float64, or (0,): all ones
    starts: np.ndarray  # (blocks + 1,) int64: the first row of every block
    sizes: np.ndarray  # (blocks,) int64: its rows without the fillers
    low: np.ndarray  # (blocks * d,) float64: the box of every block
    high: np.ndarray  # (blocks * d,) float64
    families: np.ndarray  # (families + 1,) int64: the first block of every family
    family_low: np.ndarray  # (families * d,) float64: the box of every family
    family_high: np.ndarray  # (families * d,) float64
