"""k-means with NumPy and its BLAS alone: no compiler, and the same bits."""

from .backend import NumpyBackend

__all__ = ["NumpyBackend"]
