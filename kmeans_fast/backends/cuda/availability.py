"""Whether there is a GPU to use, and what it takes to use it."""

import ctypes
import functools
import importlib.util
import sys

from ...kernels.cuda import compiler

_EXTRA = "the extra 'cuda12' or 'cuda13'"


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
        return f"CuPy is not installed ({_EXTRA})"
    return compiler_missing()


def compiler_missing():
    """Why kernels cannot be compiled for a GPU, which takes NVRTC and cuda-bindings that call it; empty if they can."""
    try:
        compiler.version()
    except ImportError as error:
        return f"cuda-bindings, which compiles the kernels, cannot be imported ({error}; {_EXTRA})"
    except (RuntimeError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        return f"NVRTC, which compiles the kernels, cannot be loaded ({reason}; {_EXTRA})"
    return ""
