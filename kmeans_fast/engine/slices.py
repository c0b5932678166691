"""Rows of a narrow type that there is no room to copy: each pass copies some of them at a time."""

from ..arrays import values_of

_SLICE_BYTES = 64 << 20


class Slices:
    """`kmeans_fast.door.DataInChunks` for rows X in memory, as far as parts are opened on them.

    Parameters
    ----------
    X : ndarray (n_samples, n_features)
        As `arrays.as_data` gives it, of a narrow type.
    weights : ndarray (n_samples,) or None
    dtype : dtype
        What is computed in.
    """

    in_memory = False  # what a part is opened on is gone after a pass

    def __init__(self, X, weights, dtype):
        self.X, self.weights, self.dtype, self.source = X, weights, dtype, self
        self.n_features = X.shape[1]
        self.step = max(1, _SLICE_BYTES // (self.n_features * dtype.itemsize))
        self.needed = [True] * len(self.sizes())  # nothing is read ahead

    def sizes(self):
        """The number of rows of each slice."""
        return [min(self.step, len(self.X) - start) for start in range(0, len(self.X), self.step)]

    def read(self, number):
        """The values of the rows of a slice, and their weights or None."""
        return values_of(self.X[number * self.step : (number + 1) * self.step]), self.weights_of(number)

    def weights_of(self, number):
        """The weights of a slice, or None."""
        return None if self.weights is None else self.weights[number * self.step : (number + 1) * self.step]

    def few_rows(self, number, rows):
        """Some rows (m,) of a slice."""
        return values_of(self.X[number * self.step + rows])
