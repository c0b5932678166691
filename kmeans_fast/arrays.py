"""Where arrays live and whose they are: of NumPy, CuPy, PyTorch or another library, on the host or on a GPU.

The only file that knows these libraries; what their arrays must be like is checked in `array_checks`. Users' arrays
come in by `door.opened`, and results go back to them by `Data.back`.
"""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

_CPU = 1  # DLPack's device type of the host's memory,
_CUDA = (2, 13)  # and those of CUDA's, plain and managed
BFLOAT16 = np.dtype(np.uint16)  # NumPy has no dtype for it: such numbers are held as their bits
NARROW = (np.dtype(np.float16), BFLOAT16, np.dtype(np.int8), np.dtype(np.uint8))  # float32 has all their values


class Origin(NamedTuple):
    """Where data came from: results go back there."""

    library: str = "numpy"  # or "cupy", "torch"
    resident: int | None = None  # the GPU that the data is on; None: the host

    def back(self, array: Any) -> Any:
        """A result, NumPy's or CuPy's, as an array of the library, on the device, that the data came from."""
        if self.library == "torch":
            torch = sys.modules["torch"]
            if self.resident is None:
                return torch.from_numpy(array)
            if isinstance(array, np.ndarray):
                return torch.from_numpy(array).to(f"cuda:{self.resident}")
            return torch.from_dlpack(array)
        if self.library == "cupy" and isinstance(array, np.ndarray):
            return _cupy().asarray(array)
        return array

    def beside(self, array: Any) -> Any:
        """An array C-contiguous where the data is: copied to the GPU, if need be."""
        if self.resident is None:
            return np.ascontiguousarray(array)
        return _cupy().ascontiguousarray(_cupy().asarray(array))

    def current(self) -> contextlib.AbstractContextManager:
        """While it lasts, CuPy works where the data is, on its GPU, and after what the caller has enqueued there.

        That is on the current stream of the data's library. The caller's `numpy.seterr` does not matter either: what
        overflows or underflows on the way is dealt with, or refused by name.
        """
        quiet = np.errstate(all="ignore")
        if self.resident is None:
            return quiet
        context, cuda = contextlib.ExitStack(), _cupy().cuda
        context.enter_context(quiet)
        context.enter_context(cuda.Device(self.resident))
        if self.library == "torch":
            stream = sys.modules["torch"].cuda.current_stream(self.resident)
            context.enter_context(cuda.Stream.from_external(_Stream(stream.cuda_stream)))
        return context


ON_HOST = Origin()


class Data(NamedTuple):
    """Rows and their weights as the engine takes them, and where they came from."""

    X: Any  # (n_samples, n_features), finite, C-contiguous, as `as_data` gives it; NumPy's, or CuPy's on a GPU
    weights: Any = None  # (n_samples,) float64, finite and not negative, where X is; None: all are 1
    origin: Origin = ON_HOST

    @property
    def n_samples(self) -> int:
        return self.X.shape[0]

    @property
    def n_features(self) -> int:
        return self.X.shape[1]

    @property
    def dtype(self) -> np.dtype:
        """What they are computed in."""
        return computed_in(self.X.dtype)

    def chunks(self) -> Iterator[tuple[Any, Any]]:
        """The rows and their weights, in as many pieces as there are: in one."""
        yield self.X, self.weights

    def astype(self, dtype: Any) -> "Data":
        """The rows computed in this dtype, without a copy where they are by now."""
        return self if dtype == self.dtype else self._replace(X=values_of(self.X).astype(dtype, copy=False))

    def back(self, array: Any) -> Any:
        """A result as an array of the library, on the device, that the rows came from."""
        return self.origin.back(array)


class Batch(NamedTuple):
    """Data sets of the same sizes as the engine takes them, each like `Data`, and where they came from."""

    X: Any  # (problems, n_samples, n_features)
    weights: Any = None  # (problems, n_samples)
    origin: Origin = ON_HOST

    def problem(self, number: int) -> Data:
        """One of them."""
        return Data(self.X[number], None if self.weights is None else self.weights[number], self.origin)

    def back(self, array: Any) -> Any:
        """A result as an array of the library, on the device, that the rows came from."""
        return self.origin.back(array)


class _Stream:
    """A stream of another library, by the CUDA stream protocol (PyTorch's own streams speak it only since 2.6)."""

    def __init__(self, pointer):
        self.pointer = pointer

    def __cuda_stream__(self):
        return 0, self.pointer


def _cupy():
    try:
        import cupy
    except ImportError as error:
        raise RuntimeError(
            "data on a GPU needs CuPy: install it (the extra 'cuda12' or 'cuda13'), or copy the data to the host."
        ) from error
    return cupy


def is_of(library, X):
    """Whether `X` is of a library's type or one derived from it, without importing the library."""
    return any(kind.__module__.partition(".")[0] == library for kind in type(X).__mro__)


def _plain(X):
    """`X`; of PyTorch, a tensor that can be read by others: without its history for gradients, which k-means has not,
    and with its signs changed where that was put off.
    """
    if not hasattr(type(X), "detach"):
        return X
    X = X.detach()
    return X.resolve_neg() if hasattr(X, "resolve_neg") else X


def on_gpu(X):
    """Whether `X` is an array in the memory of an NVIDIA GPU, of whatever library."""
    if isinstance(X, (np.ndarray, type)):
        return False
    device = _dlpack_device(_plain(X))  # asked first, as the other does not know every dtype
    return device in _CUDA or (device is None and hasattr(X, "__cuda_array_interface__"))


def _dlpack_device(X):
    """DLPack's device type of `X`; None where it has none, or is on a device that DLPack does not know."""
    try:
        return X.__dlpack_device__()[0]
    except (AttributeError, ValueError):  # the latter is PyTorch's
        return None


def origin_of(X):
    """The `Origin` of data or weights."""
    library = "torch" if is_of("torch", X) else "cupy"
    if not on_gpu(X):
        return Origin("torch" if library == "torch" else "numpy")
    return Origin(library, array_of(X)[0].device.id)


def _as_cupy(X):
    """An array on a GPU as CuPy's, of the same memory."""
    cupy, X = _cupy(), _plain(X)
    if isinstance(X, cupy.ndarray):
        return X
    return cupy.from_dlpack(X) if hasattr(X, "__dlpack__") else cupy.asarray(X)


def _as_numpy(X):
    """What is on the host as NumPy's array; an array of another library shares its memory."""
    by_dlpack = not hasattr(X, "__array__") and _dlpack_device(X) == _CPU
    return np.from_dlpack(X) if by_dlpack else np.asarray(X)


def stacked(arrays):
    """A list of arrays of one shape, of PyTorch or CuPy, as one array of theirs; all else as it is."""
    if isinstance(arrays, (list, tuple)) and len({getattr(one, "shape", None) for one in arrays}) == 1:
        for library in ("torch", "cupy"):
            if all(is_of(library, one) for one in arrays):
                with origin_of(arrays[0]).current():
                    return sys.modules[library].stack(list(arrays))
    return arrays


def is_bfloat16_array(X):
    """Whether `X` is an array of bfloat16, of whatever library."""
    return str(getattr(X, "dtype", "")).rpartition(".")[2] == "bfloat16"  # of PyTorch, or of ml_dtypes


def array_of(X):
    """`X` as NumPy's array or, of the same memory, CuPy's; and whether it was bfloat16, which becomes `BFLOAT16`."""
    is_bfloat16, X = is_bfloat16_array(X), _plain(X)
    if is_bfloat16 and is_of("torch", X):
        X = X.view(sys.modules["torch"].int16)  # which NumPy and CuPy know without a library more
    array = _as_cupy(X) if on_gpu(X) else _as_numpy(X)
    return (array.view(BFLOAT16) if is_bfloat16 else array), is_bfloat16


def name_of(held):
    """What users call a dtype that `as_data` gives."""
    return "bfloat16" if held == BFLOAT16 else held.name


def computed_in(held):
    """The dtype that rows are computed in which `as_data` gives in the dtype `held`."""
    return np.dtype(np.float64 if held == np.float64 else np.float32)


def values_of(X):
    """Rows that `as_data` gave, in the dtype that they are computed in; a copy where they are held in another."""
    if X.dtype != BFLOAT16:
        return X.astype(computed_in(X.dtype), copy=False)
    bits = X.astype(np.uint32)
    bits <<= 16
    return bits.view(np.float32)


def dtype_of_columns(table):
    """The dtype that the columns of a table of numbers have in common.

    NumPy itself makes a table of objects where some columns are booleans.
    """
    columns = [getattr(one, "subtype", one) for one in getattr(table, "dtypes", [])]  # subtype: of a sparse column
    known = columns and all(isinstance(one, np.dtype) and one.kind in "fiub" for one in columns)
    return np.result_type(*columns) if known else np.float64


def contiguous(array, dtype):
    """An array of NumPy's or CuPy's in this dtype, C-contiguous and aligned; a copy only where it is not by now."""
    if isinstance(array, np.ndarray):
        return np.require(array, dtype, ["C_CONTIGUOUS", "ALIGNED"])
    return _cupy().ascontiguousarray(array, dtype)


def to_host(array):
    """An array of any library as NumPy's, one of bfloat16 in float32; a copy where it is on a GPU."""
    found, is_bfloat16 = array_of(array)
    found = values_of(found) if is_bfloat16 else found
    return found if isinstance(found, np.ndarray) else _cupy().asnumpy(found)


def in_the_wider_dtype(data, centroids):
    """`data` (`Data`, or rows in chunks) and `centroids` (n_clusters, n_features), both in the wider of their dtypes.

    That is float32 or float64. Rounding either would change distances. What is narrower is copied; the centroids are
    NumPy's, new and C-contiguous.
    """
    dtype = np.float64 if np.result_type(data.dtype, centroids.dtype) != np.float32 else np.float32
    return data.astype(dtype), np.array(centroids, dtype=dtype, order="C")
