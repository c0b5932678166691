"""The CUDA backend on the host: its sources under the simulator, its Python as on a GPU."""

import contextlib
import ctypes
import functools
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from kmeans_fast.backends.cuda.accumulators import exact_halves
from kmeans_fast.backends.cuda.backend import CudaBackend
from kmeans_fast.backends.cuda.device import Properties
from kmeans_fast.backends.cuda.scorers.sums_in_shared_memory import SYSTEM_SHARED

from . import build

RESIDENT_THREADS = 1536  # of a multiprocessor: some have 2048, Turing's 1024

_GARBAGE = 0xA5  # what fresh memory holds
_ONE_AT_A_TIME = threading.Lock()  # kernels of a library share its variables
_CTYPES = {
    np.dtype(np.int32): ctypes.c_int32, np.dtype(np.int64): ctypes.c_int64,
    np.dtype(np.float32): ctypes.c_float, np.dtype(np.float64): ctypes.c_double,
}  # fmt: skip


class SimulatedOutOfMemory(Exception):
    """What the simulated allocator raises."""


class Pinned(np.ndarray):
    """Memory of the host that kernels may be given."""


class SimReport:
    def __init__(self, shape, dtype):
        self.array, self.recorded = np.zeros(shape, dtype).view(Pinned), False

    def record(self):
        self.recorded = True

    def read(self):
        assert self.recorded
        return self.array


class SimMark:
    """Copies happen when somebody waits for them, not before."""

    def __init__(self, copies):
        self.copies, self.count = copies, copies.enqueued

    def wait(self):
        self.copies.make(self.count)

    def precede(self):
        self.copies.make(self.count)
        self.copies.followed = False


class SimCopies:
    """See `kmeans_fast.backends.cuda.device.Copies`. Until a copy has been waited for its target holds garbage."""

    def __init__(self, memory):
        self.memory, self.lock, self.pending = memory, threading.Lock(), []
        self.enqueued = self.made = 0
        self.followed = False

    def pinned(self, n_bytes):
        return np.full(n_bytes, _GARBAGE, np.uint8)

    def follow(self):
        self.followed = True

    def copy(self, target, source):
        assert self.followed, "the copy may overtake a kernel that reads what it overwrites"
        target = self.memory(target)
        assert (target.shape, target.dtype) == (source.shape, source.dtype)
        target.reshape(-1).view(np.uint8).fill(_GARBAGE)
        with self.lock:
            self.pending.append((target, source))
            self.enqueued += 1

    def record(self):
        return SimMark(self)

    def make(self, count):
        with self.lock:
            while self.made < count:
                target, source = self.pending.pop(0)
                target[...] = source
                self.made += 1


class SimDevice:
    """A device of two multiprocessors (see `kmeans_fast.backends.cuda.device.Device`).

    Parameters
    ----------
    order : int
        Of threads and blocks: 0 forward, 1 backward, above 1 shuffled.
    sanitizer : str
        "address" or "thread": the interpreter must have been started with the sanitizer's library.
    accumulator_bits : int
        That tensor cores keep of sums of halves.
    number : int
        Of the device, where there are several.
    """

    OutOfMemory = SimulatedOutOfMemory

    def __init__(self, order=0, sanitizer="", memory_bytes=8 << 30, accumulator_bits=build.ACCUMULATOR_BITS, number=0):
        self.number, self.used_bytes = number, 0
        self.order, self.sanitizer, self.accumulator_bits = order, sanitizer, accumulator_bits
        exact = functools.partial(_exact_halves, sanitizer, accumulator_bits)
        self.properties = Properties("a simulated GPU", 2, 160 << 10, memory_bytes, "8.0", "none", "g++", exact)
        self.launches = []  # names of the kernels run
        self.allocations = self.graphs = 0
        self.failing = set()  # numbers of allocations that find no memory
        self.released = 0

    def as_here(self):
        return contextlib.nullcontext()

    def empty(self, shape, dtype):
        return self._allocated(shape, dtype)

    def _allocated(self, shape, dtype):
        self.allocations += 1
        if self.allocations in self.failing:
            raise SimulatedOutOfMemory
        array = np.empty(shape, dtype)
        if array.nbytes > self.free_bytes():
            raise SimulatedOutOfMemory
        self.used_bytes += array.nbytes
        weakref.finalize(array, self._freed, array.nbytes)
        array.reshape(-1).view(np.uint8).fill(_GARBAGE)
        return array

    def _freed(self, n_bytes):
        self.used_bytes -= n_bytes

    def write(self, target, array):
        assert (target.shape, target.dtype) == (array.shape, array.dtype)
        target[...] = array

    def download(self, array):
        return array.copy()

    def report(self, shape, dtype):
        return SimReport(shape, dtype)

    def copies(self):
        return SimCopies(lambda array: array)

    def fill(self, array, value):
        array.fill(value)

    def argsort(self, keys):
        scratch = [self._allocated(keys.shape, np.uint64) for _ in range(3)]  # what CuPy takes besides
        order = self._allocated(keys.shape, np.int64)
        order[:] = np.argsort(keys, kind="stable")
        del scratch
        return order

    def bincount(self, labels, size):
        counts = self._allocated(size, np.int64)
        counts[:] = np.bincount(labels, minlength=size)
        return counts

    def compile(self, modules):
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._simulated, modules))

    def _simulated(self, module):
        return build.simulated(module, self.sanitizer)

    def prepare(self, module, kernel, blocks, shared_bytes, values, cooperative=False):
        library = self._simulated(module)
        build.check_shared(library, kernel, shared_bytes, self.properties.shared_bytes)
        if cooperative:
            self._check_resident(library, module, kernel, blocks, shared_bytes)
        arguments = [_argument(value) for value in values]

        def launch():
            self.launches.append(kernel)
            with _ONE_AT_A_TIME:
                build.run(
                    library, kernel, blocks, module.threads, arguments, shared_bytes, cooperative, self.order,
                    self.accumulator_bits,
                )  # fmt: skip

        launch.arrays = values  # they live as long as the launch
        launch.replaced = lambda others: self.prepare(
            module, kernel, blocks, shared_bytes, replaced(values, others), cooperative
        )
        return launch

    def _check_resident(self, library, module, kernel, blocks, shared_bytes):
        """RuntimeError where not all blocks of a launch are on the device at once, by their threads and shared memory.

        What registers allow is for the compiler to say (`tests/cuda/test_compile.py`).
        """
        of_block = build.static_shared(library._name).get(kernel, 0) + shared_bytes + SYSTEM_SHARED
        of_multiprocessor = (self.properties.shared_bytes + SYSTEM_SHARED) // of_block
        room = self.properties.multiprocessors * min(of_multiprocessor, RESIDENT_THREADS // module.threads)
        if blocks > room:
            raise RuntimeError(f"{kernel}: {blocks:,} blocks wait for each other, and {room:,} fit on the GPU")

    def together(self, launches):
        self.graphs += 1

        def launch_all():
            for launch in launches:
                launch()

        return launch_all

    def free_bytes(self):
        return self.properties.memory_bytes - self.used_bytes

    def release(self):
        self.released += 1


@functools.cache
def _exact_halves(sanitizer, accumulator_bits):
    return exact_halves(SimDevice(sanitizer=sanitizer, accumulator_bits=accumulator_bits))


def replaced(values, others):
    """Values of a launch with other arrays: by the `id` of an array, which takes its place."""
    return [others.get(id(value), value) for value in values]


def _argument(value):
    if value is None:
        return ctypes.c_void_p(None)
    if isinstance(value, np.ndarray):
        assert value.flags.c_contiguous
        return ctypes.c_void_p(value.ctypes.data)
    return _CTYPES[value.dtype](value)


class SimBackend(CudaBackend):
    """The CUDA backend on simulated devices, of which the first is the current one; it serves only where it is named.

    `devices`: values of ``device`` that it serves besides.
    """

    name = "cuda-sim"
    devices: tuple[str, ...] = ()

    def __init__(self, *simulated, devices=()):
        self.simulated, self.devices = simulated or (SimDevice(),), devices or self.devices

    def is_available(self):
        return (True, "") if build.COMPILER else (False, "there is no C++ compiler")

    def current_number(self):
        return 0

    def numbered(self, number):
        if number >= len(self.simulated):
            raise ValueError(f"there is no simulated GPU {number}")
        return self.simulated[number]

    def declines(self, problem):
        return "it is for tests"
