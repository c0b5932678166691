"""What the backend needs of a GPU, and how kernels are called on it.

`CupyDevice` (`cupy_device.py`) is a GPU. The tests have another device, which runs the same sources on the host.
Nothing else in this folder knows more of a device than what is written here.
"""

import contextlib
import functools
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from ...arrays import BFLOAT16, computed_in
from ...kernels.cuda import sources

Array = Any  # an array on the device: CuPy's, or NumPy's in the tests
OUT_OF_MEMORY = (
    "{what} needs {needed:,.2f} GiB on {name} and {free:,.2f} GiB are available: "
    "use fewer rows or clusters, or device='cpu'."
)


class Properties(NamedTuple):
    """What plans depend on, and what `info` prints."""

    name: str
    multiprocessors: int
    shared_bytes: int  # of shared memory that a block may have
    memory_bytes: int
    compute_capability: str
    driver: str
    runtime: str
    exact_halves: Callable[[], bool] = lambda: False  # whether sums of halves are exact (`accumulators.py`)

    @property
    def capability(self):
        """The compute capability as two numbers."""
        return tuple(int(number) for number in self.compute_capability.split("."))


class Launch(Protocol):
    """A kernel with its arguments: called, it is enqueued."""

    def __call__(self) -> None: ...

    def replaced(self, others: dict[int, Array]) -> "Launch":
        """The same with other arrays: by the `id` of an array of this one, which takes its place."""


class Report(Protocol):
    """A small array in the host's memory that kernels write to."""

    array: np.ndarray  # what a kernel is given

    def record(self) -> None:
        """What is enqueued by now writes what is read next."""

    def read(self) -> np.ndarray:
        """Its values; waits for what was enqueued before `record`, not for what came after."""


class Mark(Protocol):
    """A place in the order of copies."""

    def wait(self) -> None:
        """Wait for the copies before it."""

    def precede(self) -> None:
        """Have what the device is given from now on wait for them; the host does not."""


class Copies(Protocol):
    """Copies to the device, in an order of their own."""

    def pinned(self, n_bytes: int) -> np.ndarray:
        """Memory of the host (n_bytes,) uint8 that they are made from."""

    def follow(self) -> None:
        """Have the copies from now on wait for what has been enqueued on the device."""

    def copy(self, target: Array, source: np.ndarray) -> None:
        """Copy pinned memory, which stays as it is until then, to an array of the same shape and dtype."""

    def record(self) -> Mark: ...


class Device(Protocol):
    """A GPU. What is enqueued runs in order; nothing waits unless it says so."""

    properties: Properties
    OutOfMemory: type[BaseException]

    def empty(self, shape: Any, dtype: Any) -> Array: ...
    def write(self, target: Array, array: np.ndarray) -> None:
        """Copy a host array of the same shape and dtype into `target`."""

    def download(self, array: Array) -> np.ndarray:
        """A copy on the host; waits for it."""

    def report(self, shape: Any, dtype: Any) -> Report: ...

    def copies(self) -> Copies: ...
    def fill(self, array: Array, value: Any) -> None: ...
    def argsort(self, keys: Array) -> Array:
        """int64 positions that sort `keys`, equal ones in their order."""

    def bincount(self, labels: Array, size: int) -> Array: ...
    def compile(self, modules: list[sources.Module]) -> None:
        """Make sure that modules are compiled: all at once is sooner than one by one as they are needed."""

    def prepare(
        self, module: sources.Module, kernel: str, blocks: int, shared_bytes: int, values: list, cooperative: bool
    ) -> Launch:
        """A launch of a kernel on `blocks` blocks of `module.threads` threads.

        `values` are arrays, those of a `Report` too, None for null, and NumPy scalars. `cooperative`: the blocks wait
        for each other, so all are on the device at once.

        Raises
        ------
        RuntimeError
            If the device has not room for so many at once.
        """

    def together(self, launches: list[Launch]) -> Callable[[], None]:
        """Launches that are enqueued as one. To make it takes as long as some tens of launches."""

    def as_here(self) -> contextlib.AbstractContextManager:
        """A context in which another thread enqueues where this one does."""

    def free_bytes(self) -> int:
        """Memory that can still be had."""

    def release(self) -> None:
        """Give back what the allocator keeps for later."""


_DTYPES: dict[str, Any] = {
    "float": np.float32, "double": np.float64, "int": np.int32, "i64": np.int64, "u64": np.uint64,
    "unsigned short": np.uint16, "u32": np.uint32, "float2": np.float32, "float4": np.float32,
    "float16": np.float16, "bfloat16": BFLOAT16, "int8": np.int8, "uint8": np.uint8,
}  # fmt: skip
_STORED = {np.dtype(_DTYPES[name]): name for name in sources.STORED}
_PER_MULTIPROCESSOR = 8  # blocks of a kernel whose blocks take several items each


@functools.cache
def _parameters(module, kernel, stored):
    """By name the dtype of each parameter of a kernel, and whether it is a pointer; in their order."""
    of_x = {"stored": stored, "real": sources.STORED[stored]}
    return {
        parameter.name: (np.dtype(_DTYPES[of_x.get(parameter.type, parameter.type)]), parameter.pointer)
        for parameter in sources.kernels(module)[kernel]
    }


class Launcher:
    """Calls kernels by name, with named arguments whose types are checked against the source.

    Parameters
    ----------
    device : Device
    held : dtype of X

    Attributes
    ----------
    dtype : dtype
        What is computed in.
    stored, real : str
        Both, as C++ names them.
    """

    def __init__(self, device, held):
        self.device, self.dtype = device, computed_in(held)
        self.stored = _STORED[np.dtype(held)]
        self.real = sources.STORED[self.stored]

    def prepare(self, module, kernel, blocks, *, shared_bytes=0, cooperative=False, choices=None, **arguments):
        """A `Launch`, which can be repeated."""
        parameters = _parameters(module, kernel, self.stored)
        if parameters.keys() != arguments.keys():
            different = sorted(parameters.keys() ^ arguments.keys())
            raise TypeError(f"{kernel} takes {list(parameters)}; {different} differ.")
        values = []
        for name, (dtype, pointer) in parameters.items():
            value = arguments[name]
            if not pointer:
                value = dtype.type(value)
            elif value is not None and value.dtype != dtype:
                raise TypeError(f"{kernel}: {name} must be {dtype}, got {value.dtype}.")
            values.append(value)
        compiled = sources.module(module, self.stored, **(choices or {}))
        return self.device.prepare(compiled, kernel, blocks, shared_bytes, values, cooperative)

    def parameter_names(self, module, kernel):
        return [parameter.name for parameter in sources.kernels(module)[kernel]]

    def run(self, module, kernel, items, *, rows_a_block=sources.THREADS, **arguments):
        """Launch a kernel on so many items once, on as many blocks as keep the device busy."""
        self.prepare(module, kernel, self.blocks(items, rows_a_block), **arguments)()

    def blocks(self, items, rows_a_block=sources.THREADS):
        return max(1, min(-(-items // rows_a_block), _PER_MULTIPROCESSOR * self.device.properties.multiprocessors))


def attempt(device, make, needed, what):
    """What ``make()`` makes on the device.

    When there is no memory, what the allocator keeps is given back and it is tried once more.

    Raises
    ------
    MemoryError
        With the numbers; `needed` is in bytes.
    """
    try:
        return make()
    except device.OutOfMemory:
        device.release()
    try:
        return make()
    except device.OutOfMemory as error:
        free, name = device.free_bytes() / 2**30, device.properties.name
        raise MemoryError(OUT_OF_MEMORY.format(what=what, needed=needed / 2**30, name=name, free=free)) from error


def allocate(device, shape, dtype, what, fill=None):
    """Memory on the device, filled if wanted."""
    needed = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    array = attempt(device, lambda: device.empty(shape, dtype), needed, what)
    if fill is not None:
        device.fill(array, fill)
    return array


def upload(device, array, what):
    """A host array on the device."""
    target = allocate(device, array.shape, array.dtype, what)
    device.write(target, np.ascontiguousarray(array))
    return target
