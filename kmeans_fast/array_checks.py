"""What is checked of arrays that users give, and the dtype that they get.

`as_data` takes rows of whatever library; `arrays` knows how they are read.
"""

from typing import Any

import numpy as np

from .arrays import BFLOAT16, NARROW, array_of, contiguous, dtype_of_columns, is_of, origin_of, values_of

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
    array = contiguous(given, held)
    if not checked:
        check_finite(array, name, given, first_row)
    return array


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


def _held_in(of_array, is_bfloat16, dtype):
    """The dtype that `as_data` gives."""
    if dtype is None:
        return np.dtype(np.float32 if of_array == np.float32 else np.float64)
    if dtype == "float32" and of_array.kind == "b":
        return np.dtype(np.uint8)
    keeps = dtype == "float32" and (is_bfloat16 or (of_array in NARROW and of_array != BFLOAT16))
    return of_array if keeps else np.dtype(dtype)


def _check_shape(array, name, axes):
    """Raise ValueError for another number of dimensions, and where there is no row, column or problem."""
    if array.ndim != len(axes):
        wanted = f"{len(axes)} dimensions ({', '.join(axes)})"
        raise ValueError(f"{name} must have {wanted}, got {array.ndim}: {array.shape}.")
    if 0 in array.shape:
        least = "one row and one column" if axes is ROWS else "one problem, one row and one column"
        raise ValueError(f"{name} must have at least {least}, got shape {array.shape}.")


def described(X: Any, dtype: str | None = None) -> tuple[tuple[int, int], np.dtype, int | None]:
    """Shape and dtype that `as_data` would give, and the GPU that the data is on (None: the host); nothing is copied.

    `X` may be just the shape, of data on the host that is float32 unless `dtype` says otherwise.
    """
    if isinstance(X, tuple) and len(X) == 2 and all(isinstance(size, (int, np.integer)) for size in X):
        return X, np.dtype(dtype or np.float32), None
    array, is_bfloat16 = numbers(X, "X")
    _check_shape(array, "X", ROWS)
    return array.shape, _held_in(array.dtype, is_bfloat16, dtype), origin_of(X).resident


def numbers(X, name, axes=None):
    """`X` as NumPy's array or CuPy's, of real numbers in any dtype; and whether it was bfloat16, as by `array_of`.

    Anything else is refused by a TypeError or ValueError; messages call it `name`.
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
        array, is_bfloat16 = array_of(X)
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


def plain_numbers(X, name):
    """The array of `numbers`; bfloat16 becomes float32."""
    array, is_bfloat16 = numbers(X, name)
    return values_of(array) if is_bfloat16 else array


def _refuse_sequences(array):
    """Raise ValueError, with the remedy, for cells that are arrays or lists; `array` is one of objects."""
    first = array.flat[0] if array.size else None
    if isinstance(first, (list, tuple)) or (hasattr(first, "__array__") and np.ndim(first)):
        raise ValueError("its cells hold several numbers each, as a column of embeddings does: numpy.stack them first")


def dtype_of_each(arrays):
    """What every array of a list is computed in, where NumPy would make them float32 together: "float64", else None.

    ValueError for arrays of several dtypes.
    """
    each = arrays if isinstance(arrays, (list, tuple)) else ()
    names = sorted({str(one.dtype).removeprefix("torch.") for one in each if hasattr(one, "dtype")})
    if len(names) > 1:
        raise ValueError(f"X is a list of arrays of {', '.join(names)}: they must be of one dtype.")
    return "float64" if names and names != ["float32"] else None


def refuse_masked(X, name, depth=3):
    """Raise ValueError for a masked array with masked values: NumPy would quietly use what is under the mask. So for a
    list that holds one, or lists of them to some `depth`.
    """
    if depth and isinstance(X, (list, tuple)) and X and (isinstance(X[0], (list, tuple)) or getattr(X[0], "shape", ())):
        for at, one in enumerate(X):
            if type(one) is not list or not one or type(one[0]) is not float:  # most are: a row of numbers
                refuse_masked(one, f"{name}[{at}]", depth - 1)
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(
            f"{name} is a masked array with {np.ma.count_masked(X):,} masked values, which have no place in k-means: "
            "fill them by its method filled(value), or leave out their rows by numpy.ma.compress_rows."
        )


def check_finite(array, name, given=None, first_row=0):
    """Raise ValueError if there is a NaN or an infinity; its row and column are named.

    `given` is the array before it was converted: a value of it that is beyond the new dtype is reported as such.
    `first_row` is the number of the first row.
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
    """Whether all values are finite. False may also mean that their sum overflowed: then they are to be looked at."""
    if array.dtype == BFLOAT16:  # the exponents of what is not are all ones, whatever the sign
        return int(array.max()) < 0xFF80 and int(array.view(np.int16).max()) < 0x7F80
    with np.errstate(over="ignore", invalid="ignore"):
        # NumPy's functions dispatch to CuPy's for arrays of CuPy
        return array.dtype.kind in "iu" or bool(np.isfinite(array.sum(dtype=np.float64)))
