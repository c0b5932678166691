"""CuPy as far as the library sees it, without a GPU; behind it, the CUDA backend in the simulator.

`make_cupy` makes the module. Its arrays say that they are on a GPU, and are in the host's memory. What CuPy refuses is
refused here too, in its words: to be taken for NumPy's arrays, to meet them in an operation, to be worked on while
another GPU than theirs is the current one (CuPy refuses that where GPUs cannot reach each other's memory), and to make
the stream of one GPU current on another.
"""

import types
import warnings
from typing import NamedTuple

import numpy as np

from kmeans_fast.backends.cuda.backend import CudaBackend
from simulator.device import Pinned, SimBackend, SimCopies, SimDevice, replaced

CUDA, HOST = 2, 1  # DLPack's device types


class _Now:
    """What is current: a GPU, and on each a stream; and the streams on which what came from the host was enqueued."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.device, self.streams, self.uploads = 0, {0: 0, 1: 0}, set()

    @property
    def stream(self):
        return self.streams[self.device]


now = _Now()


class Capsule(NamedTuple):
    """What `__dlpack__` gives."""

    memory: np.ndarray
    number: int


# ---- CuPy ----------------------------------------------------------------------------------------------------------


class Device:
    def __init__(self, number=None):
        self.id = now.device if number is None else int(number)
        self.before = []

    def __enter__(self):
        self.before.append(now.device)
        now.device = self.id

    def __exit__(self, *_):
        now.device = self.before.pop()


class _Stream:
    def __init__(self, ptr, device_id):
        self.ptr, self.device_id = ptr, device_id

    def __enter__(self):
        if self.device_id not in (-1, now.device):
            raise RuntimeError(
                f"The device that the stream is created on ({self.device_id}) does not match with the current device "
                f"({now.device})"
            )
        self.entered = now.device, now.stream
        now.streams[now.device] = self.ptr
        return self

    def __exit__(self, *_):
        device, stream = self.entered
        now.streams[device] = stream


class ExternalStream(_Stream):
    def __init__(self, ptr, device_id=-1):
        warnings.warn("ExternalStream is deprecated. Use Stream.from_external().", DeprecationWarning, stacklevel=2)
        super().__init__(ptr, device_id)


class Stream(_Stream):
    @classmethod
    def from_external(cls, stream):
        return cls(stream.__cuda_stream__()[1], now.device)


def _launched(function, *arguments, **options):
    """What NumPy's `function` gives for the memory of arrays, as an array of the current GPU."""
    for argument in arguments:
        if isinstance(argument, ndarray) and argument.number != now.device:
            raise ValueError(
                f"The device where the array resides ({argument.number}) is different from the current device "
                f"({now.device}). Peer access is unavailable between these devices."
            )
    result = function(*[a.memory if isinstance(a, ndarray) else a for a in arguments], **options)
    return ndarray(np.asarray(result), now.device) if isinstance(result, (np.ndarray, np.generic)) else result


class ndarray(np.lib.mixins.NDArrayOperatorsMixin):
    __module__ = "cupy"

    def __init__(self, memory, number):
        self.memory, self.number = memory, number

    device = property(lambda self: Device(self.number))
    __cuda_array_interface__ = property(lambda self: self.memory.__array_interface__)

    def __dlpack_device__(self):
        return CUDA, self.number

    def __dlpack__(self, *, stream=None, max_version=None, copy=None):
        return Capsule(self.memory, self.number)

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`.")

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        if out:  # in place
            options["out"] = tuple(array.memory for array in out)
        if method != "__call__" or not all(isinstance(x, ndarray) or np.isscalar(x) for x in inputs):
            return NotImplemented
        return _launched(ufunc, *inputs, **options)

    def __array_function__(self, function, of_types, arguments, options):
        if function is np.ndim:
            return self.ndim
        if function is np.stack and all(of is ndarray for of in of_types):
            return ndarray(np.stack([array.memory for array in arguments[0]]), self.number)
        if function not in (np.argwhere, np.count_nonzero) or any(of is not ndarray for of in of_types):
            return NotImplemented
        return _launched(function, *arguments, **options)

    def __reduce__(self):
        return _unpickled, (self.get(),)

    def get(self):
        return self.memory.copy()

    def view(self, dtype):
        return ndarray(self.memory.view(dtype), self.number)

    def reshape(self, *shape):
        assert self.memory.flags.c_contiguous, "a copy on the GPU that nobody counts"
        return ndarray(self.memory.reshape(*shape), self.number)

    def __getitem__(self, key):
        key = key.memory if isinstance(key, ndarray) else key  # a mask, or row numbers, on the GPU
        return ndarray(np.asarray(self.memory[key]), self.number)

    def __setitem__(self, key, value):
        assert isinstance(value, ndarray), f"{type(value)} is copied to the GPU"
        assert value.number == self.number, "another GPU's memory"
        self.memory[key] = value.memory

    def __len__(self):
        return len(self.memory)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __bool__(self):
        return bool(self.memory)

    def __int__(self):
        return int(self.memory)

    def __float__(self):
        return float(self.memory)

    def __format__(self, how):
        return format(self.memory, how)


for _name in ("shape", "dtype", "ndim", "size", "itemsize"):
    setattr(ndarray, _name, property(lambda self, _name=_name: getattr(self.memory, _name)))
for _name in ("sum", "min", "max", "argmin", "all"):
    setattr(ndarray, _name, lambda self, *a, _name=_name, **b: _launched(getattr(np.ndarray, _name), self, *a, **b))


def _astype(self, dtype, copy=True):
    return self if self.dtype == dtype and not copy else _launched(np.ndarray.astype, self, dtype)


ndarray.astype = _astype


def _unpickled(memory):
    import cupy

    return cupy.asarray(memory)


def _asarray(a, dtype=None):
    if isinstance(a, ndarray):
        there = a if a.number == now.device else ndarray(a.get(), now.device)
        return there if dtype is None else there.astype(dtype, copy=False)
    if hasattr(a, "__cuda_array_interface__"):
        holder = types.SimpleNamespace(__array_interface__=a.__cuda_array_interface__, owner=a)
        return ndarray(np.asarray(holder, dtype), now.device)
    now.uploads.add(now.stream)
    return ndarray(np.array(a, dtype), now.device)


def _ascontiguousarray(a, dtype=None):
    if a.memory.flags.c_contiguous and (dtype is None or dtype == a.dtype):
        return a
    return _launched(np.ascontiguousarray, a, dtype=dtype)


def _from_dlpack(array):
    kind, number = array.__dlpack_device__()
    if kind != CUDA:
        raise TypeError("CPU arrays cannot be directly imported to CuPy.")
    with Device(number):
        return ndarray(array.__dlpack__(stream=now.stream or 1).memory, number)


def make_cupy():
    """The module, with two GPUs of which the first is the current one."""
    now.reset()
    cupy = types.ModuleType("cupy")
    cupy.ndarray = ndarray
    cupy.asarray, cupy.ascontiguousarray, cupy.from_dlpack = _asarray, _ascontiguousarray, _from_dlpack
    cupy.stack = np.stack
    cupy.asnumpy = lambda a: a.get() if isinstance(a, ndarray) else np.asarray(a)
    cupy.cuda = types.SimpleNamespace(Device=Device, ExternalStream=ExternalStream, Stream=Stream)
    return cupy


# ---- the backend ---------------------------------------------------------------------------------------------------


class Gpu(SimDevice):
    """A simulated device whose arrays are the fake CuPy's, on the GPU of a number."""

    def __init__(self, number):
        super().__init__(number=number)
        self.uploaded = self.downloaded = 0  # bytes
        self.streams = set()  # those that kernels were launched on

    def empty(self, shape, dtype):
        return ndarray(super().empty(shape, dtype), self.number)

    def write(self, target, array):
        assert isinstance(array, np.ndarray)
        self.uploaded += array.nbytes
        super().write(self._memory(target), array)

    def download(self, array):
        self.downloaded += self._memory(array).nbytes
        return super().download(array.memory)

    def fill(self, array, value):
        self._memory(array).fill(value)

    def copies(self):
        return SimCopies(self._memory)

    def argsort(self, keys):
        return ndarray(super().argsort(self._memory(keys)), self.number)

    def bincount(self, labels, size):
        return ndarray(super().bincount(self._memory(labels), size), self.number)

    def prepare(self, module, kernel, blocks, shared_bytes, values, cooperative=False):
        as_they_are = (type(None), np.generic, Pinned)
        plain = [value if isinstance(value, as_they_are) else self._memory(value) for value in values]
        launch = super().prepare(module, kernel, blocks, shared_bytes, plain, cooperative)

        def on_stream():
            self.streams.add(now.streams[self.number])
            launch()

        on_stream.replaced = lambda others: self.prepare(
            module, kernel, blocks, shared_bytes, replaced(values, others), cooperative
        )
        return on_stream

    def _memory(self, array):
        assert isinstance(array, ndarray), f"a kernel was given {type(array)}"
        assert array.number == self.number, f"a kernel on GPU {self.number} was given memory of GPU {array.number}"
        return array.memory


class GpuBackend(SimBackend):
    """The CUDA backend on two simulated devices; it takes data that is on them and serves ``device="cuda"``."""

    devices = ("cuda",)

    def __init__(self):
        self.gpus = [Gpu(0), Gpu(1)]

    def current_number(self):
        return now.device

    def numbered(self, number):
        if number >= len(self.gpus):
            raise ValueError(f"there is no GPU {number}")
        return self.gpus[number]

    declines = CudaBackend.declines
