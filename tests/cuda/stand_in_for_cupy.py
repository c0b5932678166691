"""A stand-in for CuPy, for `backends.cuda.cupy_device`, whose kernels run in the simulator.

It has what CuPy's documentation promises and refuses the rest: it shows that our side is right as we have read it, not
that CuPy is so.
"""

import ctypes
import functools
import threading
import types

import numpy as np
from kmeans_fast.kernels.cuda import sources

from simulator import build

STREAM = 70  # the address of the current stream of GPU 0, of GPU 1 the next


class Array(np.ndarray):
    """Memory of the stand-in's GPU."""

    @property
    def data(self):
        return types.SimpleNamespace(ptr=self.ctypes.data)

    def set(self, array, stream=None):
        assert type(array) is np.ndarray
        assert (array.shape, array.dtype) == (self.shape, self.dtype)
        if stream is None:
            self[...] = array
        else:
            stream.pending.append((self, array))


def on_gpu(array):
    return np.asarray(array).view(Array)


class Function:
    """A kernel as RawModule gives it; the driver launches what its address leads to."""

    at = {}

    def __init__(self, module, name, current):
        self.module, self.name, self.current, self.number, self.bytes = module, name, current, current[-1], 7000
        self.at[id(self)] = self

    @property
    def kernel(self):
        assert self.current[-1] == self.number, "a kernel is asked for on another device"
        return types.SimpleNamespace(ptr=id(self))

    @property
    def max_dynamic_shared_size_bytes(self):
        assert self.current[-1] == self.number, "an attribute is asked of the current device's kernel"
        return self.bytes

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, size):
        assert self.current[-1] == self.number
        self.bytes = size


def launch_cooperative_kernel(*arguments):
    assert len(arguments) == 10
    launch_kernel(*arguments, 0, cooperative=True)


def launch_kernel(
    address, x, y, z, threads_x, threads_y, threads_z, shared_mem, stream, places, extra, cooperative=False
):  # fmt: skip
    function = Function.at[address]
    assert (y, z, threads_y, threads_z, extra) == (1, 1, 1, 1, 0)
    assert stream == streams[-1].ptr if streams else STREAM + function.current[-1]
    assert function.current[-1] == function.number
    assert shared_mem <= function.max_dynamic_shared_size_bytes
    count = len(sources.kernels(function.module.name)[function.name])
    values = [ctypes.c_uint64.from_address(place) for place in (ctypes.c_uint64 * count).from_address(places)]
    run = functools.partial(
        build.run, build.simulated(function.module), function.name, x, threads_x, values, shared_mem, cooperative
    )
    if streams:
        streams[-1].captured.append(run)
    else:
        run()


class Numbers(threading.local):
    """Of the devices that are current in a thread, the innermost last."""

    def __init__(self):
        numbers = [0]
        self.append, self.pop, self.at = numbers.append, numbers.pop, numbers.__getitem__

    def __getitem__(self, place):
        return self.at(place)


streams = []  # those that are current instead, the innermost last


class Stream:
    """A stream that launches are captured on."""

    def __init__(self, non_blocking):
        assert non_blocking
        self.ptr, self.captured = 90, None
        self.pending, self.waited = [], 0  # copies, made when somebody waits for them

    def wait_event(self, event):
        assert event.recorded
        self.waited += 1

    def make(self, count):
        for target, source in self.pending[:count]:
            target[...] = source
        self.pending[:count] = []

    def __enter__(self):
        streams.append(self)
        return self

    def __exit__(self, *_):
        streams.pop()

    def begin_capture(self):
        self.captured = []

    def end_capture(self):
        captured, self.captured = self.captured, None
        return types.SimpleNamespace(launch=lambda: [run() for run in captured], captured=captured)


class OutOfMemoryError(MemoryError):
    pass


class CUDARuntimeError(RuntimeError):
    def __init__(self, status):
        super().__init__("cudaErrorMemoryAllocation: out of memory" if status == 2 else "another")
        self.status = status


def make_modules(compiled):
    cupy, cupyx = types.ModuleType("cupy"), types.ModuleType("cupyx")
    pool = types.SimpleNamespace(free_bytes=lambda: 5, free_all_blocks=lambda: None)
    properties = {
        "name": b"stand-in", "multiProcessorCount": 2, "sharedMemPerBlockOptin": 160 << 10, "totalGlobalMem": 1 << 33,
        "major": 9, "minor": 0,
    }  # fmt: skip

    current = Numbers()

    class Device:
        def __init__(self, number=None):
            self.id = current[-1] if number is None else number

        def __enter__(self):
            current.append(self.id)
            return self

        def __exit__(self, *_):
            current.pop()

    class Event:
        def __init__(self, block=False, disable_timing=False, interprocess=False):
            self.recorded = False

        def record(self, stream=None):
            self.recorded, self.stream = True, stream

        def synchronize(self):
            assert self.recorded
            if self.stream is not None:
                self.stream.make(len(self.stream.pending))

    class Current:
        """The current stream of a device."""

        def __init__(self):
            self.ptr = STREAM + current[-1]

        def wait_event(self, event):
            event.synchronize()

        def __enter__(self):
            assert self.ptr == STREAM + current[-1], "the stream of another device"

        def __exit__(self, *_):
            pass

    runtime = types.SimpleNamespace(
        getDevice=lambda: current[-1],
        getDeviceCount=lambda: 2, getDeviceProperties=lambda number: properties, driverGetVersion=lambda: 13000,
        CUDARuntimeError=CUDARuntimeError, runtimeGetVersion=lambda: 13020, memGetInfo=lambda: (1 << 33, 1 << 34),
    )  # fmt: skip
    memory = types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError)
    cupy.cuda = types.SimpleNamespace(
        Device=Device, Event=Event, runtime=runtime, memory=memory,
        driver=types.SimpleNamespace(
            launchKernel=launch_kernel, launchCooperativeKernel=launch_cooperative_kernel,
            occupancyMaxActiveBlocksPerMultiprocessor=lambda address, threads, shared_bytes: 2,
        ),
        get_current_stream=lambda: streams[-1] if streams else Current(),
        Stream=Stream, alloc_pinned_memory=bytearray,
    )  # fmt: skip
    cupy.__version__ = "14.2.0"
    cupy.empty = lambda shape, dtype: on_gpu(np.full(shape, 0x5A, dtype))
    cupy.asnumpy = lambda array: np.array(array, subok=False)
    cupy.argsort = lambda keys: on_gpu(np.argsort(keys, kind="stable"))
    cupy.bincount = lambda labels, minlength: on_gpu(np.bincount(labels, minlength=minlength))
    cupy.get_default_memory_pool = cupy.get_default_pinned_memory_pool = lambda: pool
    cupy.RawModule = lambda path: types.SimpleNamespace(
        get_function=lambda name: Function(compiled[path], name, current)
    )
    cupyx.zeros_pinned = np.zeros
    return cupy, cupyx
