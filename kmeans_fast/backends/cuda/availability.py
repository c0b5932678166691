"""Whether there is a GPU to use, and what it takes to use it."""

import ctypes
import functools
import importlib.util
import os
import sys

from ...kernels.cuda import compiler

_EXTRA = "the extra 'cuda12' or 'cuda13'"
_NOT_INITIALIZED = 3  # the driver's status in a process forked from one that has initialised it


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
        if status == _NOT_INITIALIZED:
            return "the NVIDIA driver does not work in a process forked from one that used it: start it with 'spawn'"
        return f"the NVIDIA driver finds no usable GPU (driver status {status})"
    if importlib.util.find_spec("cupy") is None:
        return f"CuPy is not installed ({_EXTRA})"
    return compiler_missing()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=missing.cache_clear)  # the driver does not survive a fork


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
