"""A GPU through CuPy: memory from its pool, kernels loaded by it, everything on the caller's current stream."""

import array
import collections
import contextlib
import copy
import functools
import threading
from concurrent.futures import ThreadPoolExecutor

import cupy
import cupyx
import numpy as np

from ...kernels.cuda import compiler
from ...kernels.processors import usable_cpus
from .accumulators import exact_halves
from .device import Properties

_AS_IT_IS = contextlib.nullcontext()
_NO_MEMORY = 2  # cudaErrorMemoryAllocation


def current_device():
    """The number of CuPy's current device."""
    return cupy.cuda.runtime.getDevice()


def device_count():
    """How many GPUs there are."""
    return cupy.cuda.runtime.getDeviceCount()


def _version(number):
    return f"{number // 1000}.{number % 1000 // 10}"


@contextlib.contextmanager
def _pinning():
    """CuPy tells of memory of the host that cannot be pinned in the words of CUDA, for which it is any error."""
    try:
        yield
    except cupy.cuda.runtime.CUDARuntimeError as error:
        if error.status != _NO_MEMORY:
            raise
        raise MemoryError(
            "the system pins no more memory of the host, which a GPU copies from and reports to (a few MB, 32 MB where "
            "rows are brought in each pass): free memory, or use device='cpu'."
        ) from error


class Pinned(np.ndarray):
    """Pinned memory of the host, which kernels reach at the address that it has there."""


def _word(value):
    """An argument of a kernel, in eight bytes: a scalar, or the address of an array."""
    if isinstance(value, np.generic):
        return value.tobytes().ljust(8, b"\0")
    if isinstance(value, Pinned):
        return value.ctypes.data.to_bytes(8, "little")
    return (0 if value is None else value.data.ptr).to_bytes(8, "little")


class CupyLaunch:
    """See `device.Launch`.

    What CuPy does with the arguments at each call of a kernel takes longer than the launch.
    """

    def __init__(self, number, call, values, cooperative):
        self.number, self.call, self.cooperative = number, call, cooperative
        self.values = values  # arrays live as long as the launch
        self._point_to(array.array("Q", b"".join(map(_word, values))))

    def _point_to(self, words):
        self.words = words
        first, size = words.buffer_info()
        self.places = array.array("Q", range(first, first + 8 * size, 8))
        self.arguments = self.places.buffer_info()[0]

    def __call__(self):
        if current_device() == self.number:
            stream = cupy.cuda.get_current_stream().ptr
            if self.cooperative:
                cupy.cuda.driver.launchCooperativeKernel(*self.call, stream, self.arguments)
            else:
                cupy.cuda.driver.launchKernel(*self.call, stream, self.arguments, 0)
        else:
            with cupy.cuda.Device(self.number):
                self()

    def replaced(self, others):
        launch, words = copy.copy(self), self.words[:]
        launch.values = [others.get(id(value), value) for value in self.values]
        for place, (value, before) in enumerate(zip(launch.values, self.values)):
            if value is not before:
                words[place] = int.from_bytes(_word(value), "little")
        launch._point_to(words)
        return launch


class CupyReport:
    """See `device.Report`: pinned memory and an event."""

    def __init__(self, shape, dtype):
        with _pinning():
            self.array = cupyx.zeros_pinned(shape, dtype).view(Pinned)
        self.event = cupy.cuda.Event(disable_timing=True)

    def record(self):
        self.event.record()

    def read(self):
        self.event.synchronize()
        return self.array


class CupyMark:
    """See `device.Mark`: an event."""

    def __init__(self, copies):
        self.copies, self.event = copies, cupy.cuda.Event(disable_timing=True)
        self.event.record(copies.stream)

    def wait(self):
        self.event.synchronize()

    def precede(self):
        with self.copies.current():
            cupy.cuda.get_current_stream().wait_event(self.event)


class CupyCopies:
    """See `device.Copies`: a stream that waits for no other by itself."""

    def __init__(self, current):
        self.current = current  # a context in which the device is the current one
        with current():
            self.stream = cupy.cuda.Stream(non_blocking=True)

    def pinned(self, n_bytes):
        with self.current(), _pinning():
            return np.frombuffer(cupy.cuda.alloc_pinned_memory(n_bytes), np.uint8, n_bytes)

    def follow(self):
        with self.current():
            event = cupy.cuda.Event(disable_timing=True)
            event.record()
            self.stream.wait_event(event)

    def copy(self, target, source):
        with self.current():
            target.set(source, stream=self.stream)

    def record(self):
        with self.current():
            return CupyMark(self)


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
            exact_halves=functools.cache(lambda: exact_halves(self)),
        )
        self._kernel, self._modules = functools.cache(self._load), functools.cache(self._load_module)
        self._compiled, self._raising = set(), threading.Lock()
        self._reports = collections.deque(maxlen=64)

    def _current(self):
        """A context in which this device is the current one; to change it takes the host longer than to ask."""
        return _AS_IT_IS if current_device() == self.number else cupy.cuda.Device(self.number)

    def as_here(self):
        with self._current():
            stream = cupy.cuda.get_current_stream()

        @contextlib.contextmanager
        def entered():
            with cupy.cuda.Device(self.number), stream:
                yield

        return entered()

    def empty(self, shape, dtype):
        with self._current():
            return cupy.empty(shape, dtype)

    def write(self, target, array):
        with self._current():
            target.set(array)

    def download(self, array):
        with self._current():
            return cupy.asnumpy(array)

    def report(self, shape, dtype):
        with self._current():
            report = CupyReport(shape, dtype)
        # Pinned memory must not be given to others while a kernel may still write to it, even if nobody reads it.
        self._reports.append(report)
        return report

    def copies(self):
        return CupyCopies(self._current)

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
        wanted = [module for module in modules if module not in self._compiled]  # to look for a file takes a while
        if wanted:
            with ThreadPoolExecutor(min(len(wanted), usable_cpus())) as pool:
                list(pool.map(lambda module: compiler.binary_file(module, self._architecture()), wanted))
            self._compiled.update(wanted)

    def _load(self, module, name):
        """A kernel, compiled for this device on its first use ever."""
        with self._current():
            return self._modules(module).get_function(name)

    def _load_module(self, module):
        return cupy.RawModule(path=str(compiler.binary_file(module, self._architecture())))

    def prepare(self, module, kernel, blocks, shared_bytes, values, cooperative=False):
        function = self._kernel(module, kernel)
        with self._current():  # CuPy asks the current device's driver even for an attribute
            with self._raising if shared_bytes else _AS_IT_IS:  # another thread's launch may be of more
                if shared_bytes and function.max_dynamic_shared_size_bytes < shared_bytes:
                    function.max_dynamic_shared_size_bytes = shared_bytes
            address = function.kernel.ptr
            if cooperative:
                room = self.properties.multiprocessors * cupy.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor(
                    address, module.threads, shared_bytes
                )
                if blocks > room:
                    raise RuntimeError(f"{kernel}: {blocks:,} blocks wait for each other, and {room:,} fit on the GPU")
        call = (address, blocks, 1, 1, module.threads, 1, 1, shared_bytes)
        return CupyLaunch(self.number, call, values, cooperative)

    def together(self, launches):
        """A CUDA graph, captured on a stream of its own."""
        with self._current(), cupy.cuda.Stream(non_blocking=True) as stream:
            stream.begin_capture()
            for launch in launches:
                launch()
            graph = stream.end_capture()

        def launch_graph(kept=launches):  # their arrays live as long as the graph
            with self._current():
                graph.launch()

        return launch_graph

    def free_bytes(self):
        with self._current():
            return cupy.cuda.runtime.memGetInfo()[0] + cupy.get_default_memory_pool().free_bytes()

    def release(self):
        with self._current():
            cupy.get_default_memory_pool().free_all_blocks()
            cupy.get_default_pinned_memory_pool().free_all_blocks()
