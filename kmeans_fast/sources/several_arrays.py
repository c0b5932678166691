"""Several arrays, one after the other."""

import numpy as np

from .protocol import Source


class SeveralArrays(Source):
    """A list or tuple of NumPy arrays of two dimensions."""

    in_memory = True

    def __init__(self, arrays):
        self.arrays, self.n_chunks = arrays, len(arrays)

    @classmethod
    def of(cls, X):
        several = isinstance(X, (list, tuple)) and len(X) > 0
        if several and all(isinstance(array, np.ndarray) and array.ndim == 2 for array in X):
            return cls(X)
        return None

    def chunk(self, number):
        return self.arrays[number]
