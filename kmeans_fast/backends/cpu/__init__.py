"""The CPU backend: NumPy arrays in, the Numba kernels of `kmeans_fast.kernels.cpu` underneath."""

from .backend import CpuBackend

__all__ = ["CpuBackend"]
