"""Labels by products of matrices in float32, certified (docs/numerics.md, 4 and 5), for any BLAS.

Mapping: a block of rows, moved into the frame of the centroids, is multiplied by all centroids; a column of ones takes
their half norms along. Its table of scores stays in a cache for the few passes of NumPy that find the best score of
each row, and all that come as near to it as both may be wrong. A row with one such centroid is settled. Of the others D
is measured, to those centroids only.

Precision: of a score a term passes through d + 2 roundings at most, in whatever order BLAS adds and whether or not it
fuses. That is the bound of `kernels.scaling.error_bound`. A BLAS that adds otherwise (by Strassen's method, or in less
than float32) must not be used.
Ties: scores that are equal are both near, so D decides, and the lowest index wins.
Cost: O(n k d), about 1/4 of it beside the product where d is 16.
"""

import numpy as np

from ...kernels import scaling
from . import exact

product = np.matmul  # of matrices, by BLAS

_TABLE = 1 << 17  # scores of a block
_FEW = 128  # clusters up to which a table with a row for each is quicker; their numbers are bytes
_SHORT = 8  # features up to which rows are too short for NumPy's loops along them
_PAIRS = 1 << 21  # features of rows whose D is measured at a time
_TAME = np.float32(1e37)  # a squared norm from which products may overflow
_REACH = {4: 100, 8: 900}  # by the size of an item: scales of rows are within 2**-reach and 2**reach


class Scorer:
    """Centroids as rows are scored against them.

    Parameters
    ----------
    centroids : ndarray (k, d)
    shift : ndarray (d,) of the same dtype
        A point in the middle of the rows.
    """

    def __init__(self, centroids, shift):
        self.k, self.d = centroids.shape
        self.exact, self.shift = centroids.astype(np.float64), shift
        moved = self.exact - shift
        extent = np.abs(moved).max()
        reach = _REACH[centroids.dtype.itemsize]
        power = int(np.clip(-np.frexp(extent)[1], -reach, reach)) if extent > 0 else 0
        self.scale = 2.0**power
        moved *= self.scale
        self.gamma, self.zeta, self.margin = scaling.error_bound(self.d, self.scale)
        self.halves = ((self.gamma - 0.5) * np.einsum("ij,ij->i", moved, moved) + self.zeta).astype(np.float32)
        self.table = np.column_stack([moved, self.halves]).astype(np.float32)
        self.rows = max(16, min(8192, _TABLE // self.k, 2 * _TABLE // self.d))

    def blocks(self, X, blocks):
        """For each block of rows of X: the slice, x' followed by ones (m, d + 1), and ``|x'|**2``, both float32."""
        rows = min(self.rows, len(X))
        packed = np.ones((rows, self.d + 1), np.float32)
        moved, scale = np.empty((rows, self.d), X.dtype), X.dtype.type(self.scale)
        for block in blocks:
            m = block.stop - block.start
            np.subtract(X[block], self.shift, out=moved[:m])
            np.multiply(moved[:m], scale, out=packed[:m, : self.d], casting="same_kind")
            yield block, packed[:m], _squared_norms(packed[:m, : self.d])

    # ---- labels ------------------------------------------------------------------------------------------------------

    def assign(self, X, blocks, labels):
        """Write the labels of these blocks of rows; how many rows were measured by D."""
        settle = _Settling(X, self.exact, labels)
        best_of = self._best_of_few if self.k <= _FEW else self._best_of_many
        room = np.empty(self.rows * self.k, np.float32), np.empty(self.rows * self.k, bool)
        for block, packed, norms in self.blocks(X, blocks):
            best, near, pairs = best_of(packed, norms, *(part[: len(packed) * self.k] for part in room))
            labels[block] = best
            if np.count_nonzero(near) != len(packed):
                settle.add(block.start, *pairs(near))
        return settle.end()

    def _threshold(self, top, best, norms):
        """What the score of a centroid that may be nearest is not below, and the rows of which scores say nothing."""
        of_norm, of_half, added = map(np.float32, self.margin)
        threshold = top - (of_norm * norms - of_half * self.halves[best] + added)
        return threshold, ~((norms < _TAME) & (threshold > -np.inf))

    def _best_of_few(self, packed, norms, scores, near):
        """A row of the table is a centroid's: NumPy is quick along many rows of X."""
        shape = self.k, len(packed)
        scores, near = scores.reshape(shape), near.reshape(shape)
        product(self.table, packed.T, out=scores)
        top = scores.max(axis=0)
        np.greater_equal(scores, top, out=near)
        best = (near.view(np.uint8) * np.arange(self.k, dtype=np.uint8)[:, None]).max(axis=0)
        threshold, wild = self._threshold(top, best, norms)
        np.greater_equal(scores, threshold, out=near)
        near[:, wild] = True
        return best, near, _pairs_of_few

    def _best_of_many(self, packed, norms, scores, near):
        shape = len(packed), self.k
        scores, near = scores.reshape(shape), near.reshape(shape)
        product(packed, self.table.T, out=scores)
        best = scores.argmax(axis=1)
        threshold, wild = self._threshold(scores.reshape(-1)[np.arange(0, scores.size, self.k) + best], best, norms)
        np.greater_equal(scores, threshold[:, None], out=near)
        near[wild] = True
        return best, near, _pairs_of_many

    # ---- trials ------------------------------------------------------------------------------------------------------

    def nearer(self, X, blocks, nearest):
        """For each block of rows and each centroid: the numbers of the rows for which D may be below `nearest` (n,).

        ``D scale**2 >= |x'|**2 - 2 S - error``, and a score is not below S by more than its part of the error.
        """
        alpha = self.margin[0] / 2 + 3 * (self.d + 4) * 2.0**-24  # and what the float32 norm may be too large by
        scores = np.empty(self.k * self.rows, np.float32)
        for block, packed, norms in self.blocks(X, blocks):
            found = scores[: self.k * len(packed)].reshape(self.k, -1)
            product(self.table, packed.T, out=found)
            threshold = 0.5 * (norms.astype(np.float64) * (1 - 2 * alpha) - (nearest[block] * self.scale) * self.scale)
            threshold -= np.abs(threshold) * 2.0**-22 + 4 * self.zeta
            threshold[~(norms < _TAME)] = np.nan
            far = found < threshold.astype(np.float32)
            for number, of_one in enumerate(far):
                rows = block.start + np.flatnonzero(~of_one)
                if len(rows):
                    yield number, rows


def _squared_norms(rows):
    if rows.shape[1] > _SHORT:
        return np.einsum("ij,ij->i", rows, rows)
    total = rows[:, 0] * rows[:, 0]
    for column in rows.T[1:]:
        total += column * column
    return total


def _pairs_of_few(near):
    """Rows with several near centroids, and these: pairs of numbers, by row. `near` is (k, rows), k at most `_FEW`."""
    counts = np.add.reduce(near.view(np.uint8), axis=0, dtype=np.uint8)  # modulo 256: never 257
    rows = np.flatnonzero(counts != 1)
    at, centroids = np.nonzero(near[:, rows].T)
    return rows[at], centroids


def _pairs_of_many(near):
    """As `_pairs_of_few`, `near` being (rows, k)."""
    rows, centroids = np.divmod(np.flatnonzero(near), near.shape[1])
    several = (np.bincount(rows) != 1)[rows]
    return rows[several], centroids[several]


class _Settling:
    """Rows that scores left open, collected: D of many is measured in as many steps as of few."""

    def __init__(self, X, centroids, labels):
        self.X, self.centroids, self.labels = X, centroids, labels
        self.waiting, self.pairs, self.rows = [], 0, 0
        self.meter, self.most = exact.Meter(X.shape[1]), max(1, _PAIRS // X.shape[1])

    def add(self, start, rows, centroids):
        self.waiting.append((start + rows, centroids))
        self.pairs += len(rows)
        if self.pairs > self.most:
            self.settle()

    def end(self):
        """How many rows there were."""
        if self.waiting:
            self.settle()
        return self.rows

    def settle(self):
        rows, centroids = map(np.concatenate, zip(*self.waiting))
        self.waiting, self.pairs = [], 0
        found = np.empty(len(rows))
        for first in range(0, len(rows), self.most):
            part = slice(first, first + self.most)
            found[part] = self.meter(self.X.take(rows[part], axis=0), self.centroids.take(centroids[part], axis=0))
        begin = np.flatnonzero(np.append(True, rows[1:] != rows[:-1]))
        least = np.minimum.reduceat(found, begin)
        at = np.flatnonzero(found == np.repeat(least, np.diff(np.append(begin, len(rows)))))
        first = np.append(True, rows[at][1:] != rows[at][:-1])[: len(at)]
        self.labels[rows[at][first]] = centroids[at][first]
        self.rows += len(begin)
