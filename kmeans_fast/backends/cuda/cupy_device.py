"""A GPU through CuPy: memory from its pool, kernels loaded by it, everything on the caller's current stream.

Written against CuPy 14's documentation and sources; no GPU was at hand to run it.
"""

import collections
import functools
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import cupy
import cupyx
import numpy as np

from ...kernels.cuda import compiler, sources
from ...kernels.processors import usable_cpus
from .device import Properties

_NULL = np.uint64(0)


def current_device():
    """The number of CuPy's current device."""
    return cupy.cuda.Device().id


def device_count():
    """How many GPUs there are."""
    return cupy.cuda.runtime.getDeviceCount()


def _version(number):
    return f"{number // 1000}.{number % 1000 // 10}"


class CupyRead:
    """See `device.PendingRead`: a copy to pinned memory, and the event that it has arrived."""

    def __init__(self, array):
        self.values = cupyx.empty_pinned(array.shape, array.dtype)
        array.get(out=self.values, blocking=False)
        self.arrived = cupy.cuda.Event(disable_timing=True)
        self.arrived.record()

    def read(self):
        self.arrived.synchronize()
        return self.values


class CupyDevice:
    """See `device.Device`.

    Parameters
    ----------
    number : int

    Raises
    ------
    ValueError
        If there is no such GPU.
    """

    # CuPy's OutOfMemoryError is one. Where Thrust finds no memory to sort in, it is the plain one.
    OutOfMemory = MemoryError

    def __init__(self, number):
        count = device_count()
        if not 0 <= number < count:
            raise ValueError(f"device='cuda:{number}': there are {count} GPUs, numbered from 0")
        self.number = number
        found = cupy.cuda.runtime.getDeviceProperties(number)
        name = found["name"]
        self.properties = Properties(
            name=name.decode() if isinstance(name, bytes) else str(name),
            multiprocessors=found["multiProcessorCount"],
            shared_bytes=found["sharedMemPerBlockOptin"],
            memory_bytes=found["totalGlobalMem"],
            compute_capability=f"{found['major']}.{found['minor']}",
            driver=f"for CUDA {_version(cupy.cuda.runtime.driverGetVersion())}",
            runtime=f"CuPy {cupy.__version__}, CUDA {_version(cupy.cuda.runtime.runtimeGetVersion())}"
            f", NVRTC {compiler.version()}",
        )
        self._kernel, self._modules = functools.cache(self._load), functools.cache(self._load_module)
        self._under_way = collections.deque(maxlen=8)

    @contextmanager
    def _current(self):
        with cupy.cuda.Device(self.number):
            yield

    def empty(self, shape, dtype):
        with self._current():
            return cupy.empty(shape, dtype)

    def write(self, target, array):
        with self._current():
            target.set(array)

    def download(self, array):
        with self._current():
            return cupy.asnumpy(array)

    def read_later(self, array):
        with self._current():
            read = CupyRead(array)
        # Pinned memory must not be given to others while a copy to it is under way, even if nobody reads it.
        self._under_way.append(read)
        return read

    def fill(self, array, value):
        with self._current():
            array.fill(value)

    def argsort(self, keys):
        with self._current():
            return cupy.argsort(keys)  # stable, by its documentation

    def bincount(self, labels, size):
        with self._current():
            return cupy.bincount(labels, minlength=size)

    def _architecture(self):
        return int(self.properties.compute_capability.replace(".", ""))

    def compile(self, modules):
        with ThreadPoolExecutor(min(len(modules), usable_cpus())) as pool:
            list(pool.map(lambda module: compiler.binary_file(module, self._architecture()), modules))

    def _load(self, module, name):
        """A kernel, compiled for this device on its first use ever."""
        with self._current():
            return self._modules(module).get_function(name)

    def _load_module(self, module):
        return cupy.RawModule(path=str(compiler.binary_file(module, self._architecture())))

    def prepare(self, module, kernel, blocks, shared_bytes, values):
        function = self._kernel(module, kernel)
        with self._current():  # CuPy asks the current device's driver even for an attribute
            if shared_bytes and function.max_dynamic_shared_size_bytes < shared_bytes:
                function.max_dynamic_shared_size_bytes = shared_bytes
        arguments = tuple(_NULL if value is None else value for value in values)

        def launch():
            with self._current():
                function((blocks,), (sources.THREADS,), arguments, shared_mem=shared_bytes)

        return launch

    def free_bytes(self):
        with self._current():
            return cupy.cuda.runtime.memGetInfo()[0] + cupy.get_default_memory_pool().free_bytes()

    def release(self):
        with self._current():
            cupy.get_default_memory_pool().free_all_blocks()
            cupy.get_default_pinned_memory_pool().free_all_blocks()
