"""What scikit-learn checks of rows, weights and columns, with its messages where it has them."""

import numpy as np
from sklearn import get_config
from sklearn.utils import check_array
from sklearn.utils.validation import _check_n_features, _check_sample_weight, validate_data

from ..array_checks import as_data, check_finite, is_ready, numbers, plain_numbers, refuse_masked
from ..arrays import is_bfloat16_array, is_of, on_gpu, to_host, values_of
from ..weights import as_weights, check_weights


def validated(estimator, dtype, reset, X, sample_weight, origin, read, head):
    """Rows and weights: what `door.opened` calls as its `check`, which says what the last five are.

    `dtype` is the estimator's parameter; `reset`: whether the columns are to be noted, as a fit does, or checked.
    """
    if read:
        X = as_data(X, dtype=dtype, checked=True)
        check_columns(estimator, X, reset, head)
    else:
        X = _rows(estimator, X, origin, dtype, reset)
    if sample_weight is None:
        return X, None
    if origin.resident is not None or on_gpu(sample_weight):
        return X, as_weights(sample_weight, len(X), origin)
    weights = plain_numbers(sample_weight, "sample_weight")
    weights = _check_sample_weight(weights if weights.ndim else float(weights), X, dtype=np.float64)
    check_weights(weights)
    return X, np.ascontiguousarray(weights)


def _rows(estimator, X, origin, dtype, reset):
    if dtype is not None and origin.resident is None:
        array = as_data(X, dtype=dtype)  # scikit-learn knows none that is narrower
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        return array
    if is_ready(X) and (reset or not hasattr(estimator, "feature_names_in_")):
        array = X  # to ask scikit-learn, which would find nothing, takes a tenth of a small fit
    elif origin.resident is not None:
        array = as_data(X, dtype=dtype)
    else:
        return _checked_by_sklearn(estimator, X, reset)
    check_columns(estimator, array, reset)
    return array


def _checked_by_sklearn(estimator, X, reset):
    """Rows as an array of float32 or float64, with scikit-learn's checks and messages."""
    refuse_masked(X, "X")
    how = {"dtype": [np.float64, np.float32], "order": "C"}
    if _sklearn_knows(X):
        array = validate_data(estimator, X, reset=reset, **how)
    else:
        given, is_bfloat16 = numbers(X, "X")
        given = values_of(given).astype(np.float64) if is_bfloat16 else given
        array = check_array(given, estimator=estimator, input_name="X", **how)
        check_columns(estimator, array, reset, X if hasattr(X, "columns") else None)
    if get_config()["assume_finite"]:  # scikit-learn has left that out
        check_finite(array, "X")
    return array


def check_columns(estimator, rows, reset, head=None):
    """The number of columns of an array or of chunks, and their names, which are those of `head`, if there are."""
    if head is not None or (not reset and hasattr(estimator, "feature_names_in_")):
        validate_data(estimator, rows if head is None else head, reset=reset, skip_check_array=True)
        return
    _check_n_features(estimator, rows, reset=reset)
    if reset:
        estimator.__dict__.pop("feature_names_in_", None)


def _sklearn_knows(X):
    """Whether scikit-learn sees what dtype X has: not of tensors, tables of Polars, lists of float32 and others."""
    if isinstance(X, (list, tuple)):
        return np.asarray(X[:1]).dtype != np.float32
    if isinstance(X, np.ndarray):
        return not is_bfloat16_array(X)
    if is_of("pandas", X):
        if getattr(X, "ndim", 2) != 2:
            return X.dtype != np.dtype(object)
        return not any(type(one).__name__ == "SparseDtype" for one in X.dtypes)  # of these it sees a sparse matrix
    return hasattr(X, "tocsr")


def as_start(init, data):
    """Given centroids as scikit-learn checks them, in X's dtype."""
    init = to_host(plain_numbers(init, "init"))
    return init if is_ready(init) and init.dtype == data.dtype else check_array(init, dtype=data.dtype, order="C")
