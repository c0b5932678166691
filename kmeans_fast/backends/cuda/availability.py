"""Whether there is a GPU to use."""

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
        return "CuPy is not installed (the extra 'cuda12' or 'cuda13')"
    return ""
