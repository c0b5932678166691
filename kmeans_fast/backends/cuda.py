"""The CUDA backend's place in the registry. Its kernels are not written yet: it says so, and why a GPU could not be used anyway."""

import ctypes
import functools
import importlib.util
import sys


@functools.cache
def missing():
    """What stands between this process and a GPU, outermost first; empty when nothing does."""
    names = ("nvcuda.dll",) if sys.platform == "win32" else ("libcuda.so.1", "libcuda.so")
    for name in names:
        try:
            driver = ctypes.CDLL(name)
            break
        except OSError:
            continue
    else:
        return "no NVIDIA driver is installed (libcuda was not found)"
    count = ctypes.c_int(0)
    status = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if status != 0 or count.value == 0:
        return f"the NVIDIA driver finds no usable GPU (driver status {status})"
    if importlib.util.find_spec("cupy") is None:
        return "CuPy is not installed (pip install 'kmeans-fast[cuda12]' or 'kmeans-fast[cuda13]')"
    return ""


class CudaBackend:
    name = "cuda"
    devices: tuple[str, ...] = ("cuda",)

    def is_available(self):
        reason = missing()
        return False, reason or "this version of kmeans_fast has no CUDA kernels yet"

    def supports(self, problem):
        return []

    def plan(self, problem, n_threads):
        raise NotImplementedError(self.is_available()[1])

    def open(self, X, weights, n_clusters, n_threads):
        raise NotImplementedError(self.is_available()[1])
