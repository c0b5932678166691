"""What has a shape, a dtype and slices, but is no array in memory: of h5py, Zarr, xarray and others."""

import numpy as np

from .protocol import CHUNK_BYTES, ByRows

_IN_MEMORY = ("__array_interface__", "__cuda_array_interface__", "__dlpack__", "tocsr", "todense", "iloc")


class Sliced(ByRows):
    """The rows of such an object, as many at a time as its own chunks have, or several of those."""

    def __init__(self, X):
        self.X = X
        self.n_samples, self.n_features = map(int, X.shape)
        self.dtype = np.dtype(X.dtype)
        self._cut(CHUNK_BYTES)

    def _cut(self, n_bytes):
        super()._cut(n_bytes)
        own = getattr(self.X, "chunks", None)  # of the file: to cut them is to unpack them twice
        if own and isinstance(own[0], int) and own[0] > 0:
            self.step = max(own[0], self.step // own[0] * own[0])
        self.n_chunks = -(-self.n_samples // self.step)

    @classmethod
    def of(cls, X):
        if isinstance(X, (np.ndarray, type)) or any(hasattr(type(X), name) for name in _IN_MEMORY):
            return None
        shape, kind = getattr(X, "shape", None), getattr(getattr(X, "dtype", None), "kind", "")
        sliced = hasattr(type(X), "__getitem__") and isinstance(shape, tuple) and len(shape) == 2
        return cls(X) if sliced and kind in tuple("fiub") and all(shape) else None

    def chunk(self, number):
        return np.asarray(self.X[number * self.step : (number + 1) * self.step])
