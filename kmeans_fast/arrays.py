"""Arrays of every library as the engine takes them, and results as users hold them.

The only module that knows about containers. `door.opened` is the way in, `Data.back` the way out.
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
    """`X`, but for a tensor that does not export itself: one that takes part in differentiation without its history, as
    k-means has no gradient; one whose signs are yet to be changed with that done.
    """
    if not hasattr(type(X), "detach"):
        return X
    X = X.detach()
    return X.resolve_neg() if hasattr(X, "resolve_neg") else X


def on_gpu(X):
    """Whether `X` is an array in the memory of an NVIDIA GPU, of whatever library."""
    if isinstance(X, (np.ndarray, type)):
        return False
    device = _dlpack_device(_plain(X))  # asked first: the other is not for every dtype
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
    return Origin(library, _array_of(X)[0].device.id)


def _as_cupy(X):
    """An array on a GPU as CuPy's, of the same memory."""
    cupy, X = _cupy(), _plain(X)
    if isinstance(X, cupy.ndarray):
        return X
    return cupy.from_dlpack(X) if hasattr(X, "__dlpack__") else cupy.asarray(X)


def _as_numpy(X):
    """What is on the host as NumPy's array, of the same memory where it is one."""
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


def _array_of(X):
    """`X` as NumPy's array or, of the same memory, CuPy's; and whether it was bfloat16, which becomes `BFLOAT16`."""
    is_bfloat16, X = is_bfloat16_array(X), _plain(X)
    if is_bfloat16 and is_of("torch", X):
        X = X.view(sys.modules["torch"].int16)  # which NumPy and CuPy know without a library more
    array = _as_cupy(X) if on_gpu(X) else _as_numpy(X)
    return (array.view(BFLOAT16) if is_bfloat16 else array), is_bfloat16


def _decoded(X):
    """`X` as NumPy's array or CuPy's; what is bfloat16 in float32."""
    array, is_bfloat16 = _array_of(X)
    return values_of(array) if is_bfloat16 else array


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


def _held_in(of_array, is_bfloat16, dtype):
    """The dtype that `as_data` gives."""
    if dtype is None:
        return np.dtype(np.float32 if of_array == np.float32 else np.float64)
    if dtype == "float32" and of_array.kind == "b":
        return np.dtype(np.uint8)
    keeps = dtype == "float32" and (is_bfloat16 or (of_array in NARROW and of_array != BFLOAT16))
    return of_array if keeps else np.dtype(dtype)


def described(X: Any, dtype: str | None = None) -> tuple[tuple[int, int], np.dtype, int | None]:
    """Shape and dtype that data has as `as_data` gives it, and where it is, without a copy.

    `X` may be just the shape, of data on the host that is float32 unless `dtype` says otherwise.
    """
    if isinstance(X, tuple) and len(X) == 2 and all(isinstance(size, (int, np.integer)) for size in X):
        return X, np.dtype(dtype or np.float32), None
    array, is_bfloat16 = numbers(X, "X")
    _check_shape(array, "X", ROWS)
    return array.shape, _held_in(array.dtype, is_bfloat16, dtype), origin_of(X).resident


def to_host(array):
    """An array of any library as NumPy's, one of bfloat16 in float32; a copy where it is on a GPU."""
    found = _decoded(array)
    return found if isinstance(found, np.ndarray) else _cupy().asnumpy(found)


ROWS = ("n_samples", "n_features")


def as_data(X, *, name="X", axes=ROWS, dtype=None, checked=False, first_row=0):
    """`X` as a finite, C-contiguous array of two dimensions, or of as many as `axes` has names.

    float32 and float64 stay as they are, without a copy where they are C-contiguous. Integers, booleans, float16 and
    bfloat16 become float64, scikit-learn's rule. For an array on a GPU this is called while its `Origin.current` lasts.

    Parameters
    ----------
    X : array-like (n_samples, n_features)
        NumPy arrays and memory maps, nested lists, DataFrames, anything with ``__array__``; arrays of CuPy, PyTorch
        and others on a GPU, by ``__cuda_array_interface__`` or DLPack.
    dtype : {"float32", "float64"} or None
        What is computed in, where it is not to be by that rule. For "float32" the types of `NARROW` stay as they are
        too, and booleans become uint8: `values_of` gives their values. All else is rounded to it.
    checked : bool
        Whether the values are known to be finite.
    first_row : int
        What messages call the first row.

    Returns
    -------
    array (n_samples, n_features)
        float32 or float64, or one of `NARROW` where "float32" was asked for. NumPy's; CuPy's, of the same memory, where
        X is on a GPU.

    Raises
    ------
    TypeError
        For sparse matrices and complex numbers.
    ValueError
        For another number of dimensions, no rows, no columns, masked values, values that are not numbers, NaN,
        infinity or values beyond `dtype`.
    """
    if is_ready(X, checked) and len(axes) == X.ndim and dtype in (None, X.dtype.name):
        return X
    array, is_bfloat16 = numbers(X, name, axes)
    _check_shape(array, name, axes)
    held = _held_in(array.dtype, is_bfloat16, dtype)
    given = values_of(array) if is_bfloat16 and held != BFLOAT16 else array
    if isinstance(given, np.ndarray):
        array = np.require(given, held, ["C_CONTIGUOUS", "ALIGNED"])
    else:
        array = _cupy().ascontiguousarray(given, held)
    if not checked:
        check_finite(array, name, given, first_row)
    return array


def numbers(X, name, axes=None):
    """`X` as NumPy's array or CuPy's, of real numbers in any dtype; and whether it was bfloat16, as by `_array_of`.

    TypeError and ValueError, in which `name` is what it is called, for all that is something else.
    """
    if type(X) is np.ndarray and X.dtype.kind in "fiu":
        return X, False
    refuse_masked(X, name)
    sparse_tensor = is_of("torch", X) and "sparse" in str(getattr(X, "layout", ""))
    if sparse_tensor or hasattr(X, "tocsr") or hasattr(X, "todense"):
        way = ("to_dense" if sparse_tensor else "toarray") + "()"
        way = f"{name}.{way}" if name.isidentifier() else f"its {way}"
        raise TypeError(f"{name} is sparse ({type(X).__name__}); a dense array is required: use {way}.")
    try:
        array, is_bfloat16 = _array_of(X)
        if array.dtype.kind == "O" and array.ndim > 0:
            _refuse_sequences(array)
            array = array.astype(dtype_of_columns(X) if array.ndim == 2 else np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        several = axes is ROWS and isinstance(X, (list, tuple)) and any(getattr(one, "ndim", 0) > 1 for one in X)
        how = " Join arrays of several rows first: a list of them is taken where they are NumPy's." if several else ""
        why = str(error).rstrip(".")
        raise ValueError(f"{name} must be an array of numbers; it could not be converted: {why}.{how}") from error
    if array.dtype.kind == "O":
        raise ValueError(f"{name} must be an array of numbers, got {type(X).__name__}.")
    if array.dtype.kind == "c":
        raise ValueError(f"{name} must be real, got complex data ({array.dtype}).")
    if array.dtype.kind not in "fiub" and not np.can_cast(array.dtype, np.float32):  # as those of ml_dtypes can be
        raise ValueError(f"{name} must be an array of numbers, got dtype {array.dtype}.")
    return array, is_bfloat16


def _check_shape(array, name, axes):
    """Raise ValueError for another number of dimensions, and where there is no row, column or problem."""
    if array.ndim != len(axes):
        wanted = f"{len(axes)} dimensions ({', '.join(axes)})"
        raise ValueError(f"{name} must have {wanted}, got {array.ndim}: {array.shape}.")
    if 0 in array.shape:
        least = "one row and one column" if axes is ROWS else "one problem, one row and one column"
        raise ValueError(f"{name} must have at least {least}, got shape {array.shape}.")


def plain_numbers(X, name):
    """As `numbers`, in a dtype that all of NumPy knows: bfloat16 is in float32."""
    array, is_bfloat16 = numbers(X, name)
    return values_of(array) if is_bfloat16 else array


def dtype_of_columns(table):
    """The dtype that a table of numbers comes to, of which NumPy makes objects if some columns are of truth values."""
    columns = list(getattr(table, "dtypes", []))
    known = columns and all(isinstance(one, np.dtype) and one.kind in "fiub" for one in columns)
    return np.result_type(*columns) if known else np.float64


def _refuse_sequences(array):
    """Raise ValueError, with the remedy, for cells that are arrays or lists; `array` is one of objects."""
    first = array.flat[0] if array.size else None
    if isinstance(first, (list, tuple)) or (hasattr(first, "__array__") and np.ndim(first)):
        raise ValueError("its cells hold several numbers each, as a column of embeddings does: numpy.stack them first")


def refuse_masked(X, name):
    """Raise ValueError for a masked array with masked values: NumPy would quietly use what is under the mask."""
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(
            f"{name} is a masked array with {np.ma.count_masked(X):,} masked values, which have no place in k-means: "
            f"fill them ({name}.filled(value)) or leave out their rows (numpy.ma.compress_rows({name}))."
        )


def in_the_wider_dtype(data, centroids):
    """`data` (`Data`, or rows in chunks) and `centroids` (n_clusters, n_features), both in the wider of their dtypes.

    That is float32 or float64. Rounding either would change distances. What is narrower is copied; the centroids are
    NumPy's, new and C-contiguous.
    """
    dtype = np.float64 if np.result_type(data.dtype, centroids.dtype) != np.float32 else np.float32
    return data.astype(dtype), np.array(centroids, dtype=dtype, order="C")


def check_finite(array, name, given=None, first_row=0):
    """Raise ValueError if there is a NaN or an infinity; its row and column are named.

    `given` is what the array was converted from: a value that its dtype has no room for is said to be such. `first_row`
    is the number of the first row.
    """
    if _is_finite(array):
        return
    for start in range(0, len(array), 1 << 16):
        values = values_of(array[start : start + (1 << 16)])
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            at = tuple(int(i) for i in bad[0])
            of_given, place = (at[0] + start, *at[1:]), (at[0] + start + first_row, *at[1:])
            if given is not None and given.dtype != array.dtype and np.isfinite(given[of_given]):
                raise ValueError(
                    f"{name} has {given[of_given]} at {place}, which is beyond {array.dtype}: scale the data."
                )
            what = "NaN" if np.isnan(values[at]) else "infinity"
            raise ValueError(f"{name} contains {what} at {place}; only finite values are allowed.")


def _is_finite(array):
    """Whether all values are finite, as far as a sum tells: False is to be looked into."""
    if array.dtype == BFLOAT16:  # the exponents of what is not are all ones, whatever the sign
        return int(array.max()) < 0xFF80 and int(array.view(np.int16).max()) < 0x7F80
    with np.errstate(over="ignore", invalid="ignore"):
        # NumPy's functions dispatch to CuPy's for arrays of CuPy
        return array.dtype.kind in "iu" or bool(np.isfinite(array.sum(dtype=np.float64)))


def is_ready(X, checked=False):
    """Whether `X` is, as it stands, what `as_data` and scikit-learn's `check_array` return.

    The checks of either would find nothing. `checked`: whether it is known to be finite.
    """
    if type(X) is not np.ndarray or X.ndim != 2 or X.dtype not in (np.float32, np.float64):
        return False
    if X.size == 0 or not (X.flags.c_contiguous and X.flags.aligned):
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return checked or bool(np.isfinite(X.sum()))
