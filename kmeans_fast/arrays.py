"""Arrays in: what users hold, as the arrays that the engine takes. The only module that knows about containers."""

import numpy as np


def as_data(X, *, name="X"):
    """`X` as a finite, C-contiguous float32 or float64 array of two dimensions.

    float32 and float64 stay as they are (without a copy where they are C-contiguous); integers, booleans and float16 become float64, scikit-learn's rule.

    Parameters
    ----------
    X : array-like (n_samples, n_features)
        NumPy arrays and memory maps, nested lists, DataFrames, anything with ``__array__``.

    Returns
    -------
    ndarray (n_samples, n_features)

    Raises
    ------
    TypeError
        For sparse matrices and complex numbers.
    ValueError
        For another number of dimensions, no rows, no columns, values that are not numbers, NaN or infinity.
    """
    if hasattr(X, "tocsr") or hasattr(X, "todense"):
        raise TypeError(f"{name} is sparse ({type(X).__name__}); a dense array is required: use {name}.toarray().")
    try:
        array = np.asarray(X)
        if array.dtype.kind == "O":
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array of numbers; it could not be converted: {error}.") from error
    if array.dtype.kind == "c":
        raise ValueError(f"{name} must be real, got complex data ({array.dtype}).")
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be an array of numbers, got dtype {array.dtype}.")
    if array.ndim != 2:
        raise ValueError(f"{name} must have 2 dimensions (n_samples, n_features), got {array.ndim}: {array.shape}.")
    if 0 in array.shape:
        raise ValueError(f"{name} must have at least one row and one column, got shape {array.shape}.")
    dtype = np.float32 if array.dtype == np.float32 else np.float64
    array = np.require(array, dtype, ["C_CONTIGUOUS", "ALIGNED"])
    check_finite(array, name)
    return array


def check_finite(array, name):
    """Raise ValueError if there is a NaN or an infinity; its row and column are named."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum(dtype=np.float64)):
            return
    for start in range(0, len(array), 1 << 16):
        bad = np.argwhere(~np.isfinite(array[start : start + (1 << 16)]))
        if len(bad):
            at = tuple(int(i) for i in bad[0])
            place = (at[0] + start, *at[1:])
            what = "NaN" if np.isnan(array[place]) else "infinity"
            raise ValueError(f"{name} contains {what} at {place}; only finite values are allowed.")


def as_weights(sample_weight, n_samples):
    """`sample_weight` as float64 (n_samples,), finite, not negative, not all zero; None stays None.

    A scalar is repeated.
    """
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.ndim == 0:
        weights = np.full(n_samples, float(weights))
    if weights.shape != (n_samples,):
        raise ValueError(f"sample_weight must have shape ({n_samples},), got {weights.shape}.")
    check_finite(weights, "sample_weight")
    check_weights(weights)
    return np.ascontiguousarray(weights)


def check_weights(weights):
    """Raise ValueError for weights that are negative or all zero."""
    if weights.min() < 0:
        raise ValueError(f"sample_weight must not be negative, got {weights.min()} at row {int(weights.argmin())}.")
    if weights.max() == 0:
        raise ValueError("sample_weight must not be zero for every row: at least one must be positive.")
