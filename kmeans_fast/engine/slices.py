"""Rows in memory that are opened some at a time: there is no room for them all, as a backend takes them."""

import numpy as np

from ..arrays import values_of

_SLICE_BYTES = 64 << 20


class Slices:
    """`kmeans_fast.door.DataInChunks` for rows X in memory, as far as parts are opened on them.

    Parameters
    ----------
    X : ndarray (n_samples, n_features)
        As `array_checks.as_data` gives it.
    weights : ndarray (n_samples,) or None
    dtype : dtype
        What is computed in.
    sizes : list of int, optional
        The number of rows of each slice.
    """

    in_memory = False  # what a part is opened on is gone after a pass

    def __init__(self, X, weights, dtype, sizes=None):
        self.X, self.weights, self.dtype, self.source = X, weights, dtype, self
        self.n_features = X.shape[1]
        if sizes is None:
            step = max(1, _SLICE_BYTES // (self.n_features * dtype.itemsize))
            sizes = [min(step, len(X) - start) for start in range(0, len(X), step)]
        self.starts = np.cumsum([0, *sizes]).tolist()
        self.needed = [True] * len(sizes)  # nothing is read ahead

    def sizes(self):
        """The number of rows of each slice."""
        return np.diff(self.starts).tolist()

    def read(self, number):
        """The rows of a slice, as they are held, and their weights or None."""
        return self.X[self.starts[number] : self.starts[number + 1]], self.weights_of(number)

    def weights_of(self, number):
        """The weights of a slice, or None."""
        return None if self.weights is None else self.weights[self.starts[number] : self.starts[number + 1]]

    def few_rows(self, number, rows):
        """The values of some rows (m,) of a slice."""
        return values_of(self.X[self.starts[number] + rows])
