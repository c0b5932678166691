"""The CUDA backend: kernels in CUDA C++ (`kmeans_fast.kernels.cuda`), loaded by CuPy.

Nothing is imported before it is needed.
"""

from .backend import CudaBackend

__all__ = ["CudaBackend"]
