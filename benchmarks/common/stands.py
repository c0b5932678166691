"""What is measured on: the host, a GPU through CuPy, or the simulator of one, where times mean nothing.

All have arrays of a module `xp` and marks in time; the last two kernels from source, and a backend of kmeans_fast.
"""

import contextlib
import ctypes
import os
import sys
import time

import numpy as np


def memory_bytes():
    """The memory of this machine; 0: nobody knows."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0


class Host:
    """The host's own arrays and clock; what a `Gpu` does otherwise."""

    xp = np
    backend = ""  # of kmeans_fast; none: what it chooses
    torch_device = "cpu"  # where peers written in PyTorch work

    def forced(self):
        """A context in which kmeans_fast uses this backend or says why it cannot."""
        import kmeans_fast

        return kmeans_fast.use_backend(self.backend) if self.backend else contextlib.nullcontext()

    def timed(self, function):
        """Seconds from before the first to after the last thing that `function` does there, and what it returns."""
        self.wait()
        first = self.mark()
        result = function()
        last = self.mark()
        return self.between(first, last), result

    def mark(self):
        """A moment, for `between`."""
        return time.perf_counter()

    def between(self, first, last):
        """Seconds from one mark to another."""
        return last - first

    def wait(self):
        """Until all that was asked of it is done."""

    def host(self, array):
        """The array on the host."""
        return np.asarray(array)

    def free_bytes(self):
        """Memory that a contender may have beyond the data: a quarter of all."""
        return memory_bytes() // 4 or 1 << 40

    def release(self):
        """Give back what the allocators keep: what one of them keeps, the other cannot have."""

    def healthy(self):
        """Whether the device still does as it is told."""
        return True


HOST = Host()


_PROPERTIES = (
    "name", "major", "minor", "multiProcessorCount", "totalGlobalMem", "l2CacheSize", "sharedMemPerBlockOptin",
    "clockRate", "memoryClockRate", "memoryBusWidth",
)  # fmt: skip


def _torch():
    """PyTorch where it is at work on a GPU, or None."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and torch.cuda.is_initialized() else None


class Gpu(Host):
    """The first GPU. Everything runs on the default stream, which is PyTorch's too."""

    backend, torch_device = "cuda", "cuda"

    def __init__(self):
        import cupy

        self.xp = cupy
        self.wait()  # opens the device: RuntimeError where there is none

    def facts(self):
        runtime = self.xp.cuda.runtime
        properties = runtime.getDeviceProperties(0)
        found = {name: properties[name] for name in _PROPERTIES if name in properties}
        found = {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}
        found |= {"driver_for_cuda": runtime.driverGetVersion(), "cuda_runtime": runtime.runtimeGetVersion()}
        return {**found, "simulated": False, "free_bytes": self.free_bytes()}

    def mark(self):
        event = self.xp.cuda.Event()
        event.record()
        return event

    def between(self, first, last):
        last.synchronize()
        return self.xp.cuda.get_elapsed_time(first, last) / 1e3

    def wait(self):
        self.xp.cuda.runtime.deviceSynchronize()

    def host(self, array):
        return self.xp.asnumpy(array)

    def tensor(self, array):
        """The same memory as a tensor of PyTorch."""
        import torch

        return torch.from_dlpack(array)

    def copy(self, target, source):
        target.data.copy_from_device_async(source.data, source.nbytes)

    def kernel(self, source, name):
        """A kernel of CUDA source as ``function(blocks, threads, arguments)``."""
        compiled = self.xp.RawKernel(source, name)
        return lambda blocks, threads, arguments: compiled((blocks,), (threads,), arguments)

    def free_bytes(self):
        """Memory that can still be had, what CuPy and PyTorch keep for later included."""
        free = self.xp.cuda.runtime.memGetInfo()[0] + self.xp.get_default_memory_pool().free_bytes()
        if _torch():
            free += _torch().cuda.memory_reserved() - _torch().cuda.memory_allocated()
        return free

    def release(self):
        self.xp.get_default_memory_pool().free_all_blocks()
        if _torch():
            _torch().cuda.empty_cache()

    def healthy(self):
        # After an illegal access nothing works in this process.
        try:
            self.wait()
            return float(self.xp.ones(3, np.float32).sum()) == 3.0
        except Exception:
            return False


class Simulated(Host):
    """The CUDA sources compiled for the host, and NumPy's arrays."""

    backend = "cuda-sim"

    def __init__(self):
        from kmeans_fast import backends as registry
        from simulator.build import COMPILER
        from simulator.device import SimBackend

        if COMPILER is None:
            raise RuntimeError("the simulator needs a C++ compiler")
        if self.backend not in [backend.name for backend in registry.BACKENDS]:
            registry.BACKENDS = (*registry.BACKENDS, SimBackend())

    def facts(self):
        return {"name": "simulator", "simulated": True, "totalGlobalMem": self.free_bytes()}

    def tensor(self, array):
        import torch

        return torch.from_numpy(array)

    def copy(self, target, source):
        target[...] = source

    def kernel(self, source, name):
        from simulator import build

        library = build.simulation(source, [name])
        types = {np.int32: ctypes.c_int32, np.int64: ctypes.c_int64}

        def launch(blocks, threads, arguments):
            values = [
                ctypes.c_void_p(value.ctypes.data) if isinstance(value, np.ndarray) else types[type(value)](value)
                for value in arguments
            ]
            build.run(library, name, blocks, threads, values)

        return launch

    def free_bytes(self):
        return 1 << 40


def device(dry_run):
    """The first GPU, or the simulator."""
    return Simulated() if dry_run else Gpu()
