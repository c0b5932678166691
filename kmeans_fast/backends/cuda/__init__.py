"""The CUDA backend: kernels written in CUDA C++ (`kmeans_fast.kernels.cuda`), loaded by CuPy. Nothing is imported before it is needed."""

from .backend import CudaBackend

__all__ = ["CudaBackend"]
