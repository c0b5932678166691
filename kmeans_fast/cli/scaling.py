"""Scaling of columns by scikit-learn's scalers, with exact means and variances: the order of rows is of no account."""

import copy

import numpy as np
from sklearn.preprocessing import MinMaxScaler, StandardScaler

_NUMBERS = 1 << 18  # taken at a time
_PIECES = 3


def fitted(X, kind):
    """A scaler fitted on `X` (n_samples, n_features), "standard" or "minmax". Sample weights play no part."""
    X = np.asarray(X)  # a memory map's array
    with np.errstate(over="ignore", invalid="ignore"):
        scaler = MinMaxScaler().fit(X) if kind == "minmax" else _standard(X)
    parts = (scaler.data_range_, scaler.min_) if kind == "minmax" else (scaler.mean_, scaler.var_)
    if not all(np.isfinite(part).all() for part in parts):
        raise ValueError(f"--scale {kind}: the values are too large to scale (up to {np.abs(X).max():.3g})")
    return scaler


def scaled(scaler, X):
    """`X` scaled: in place where it may be written to, else (a memory map) as a new array."""
    own = copy.copy(scaler)
    own.copy = not X.flags.writeable
    own.__dict__.pop("feature_names_in_", None)  # arrays have none, of which scikit-learn would warn
    return own.transform(np.asarray(X))


def unscaled(scaler, centroids):
    """`centroids` in the data's units, float64: scaling is affine, so these are the means of the rows as they were."""
    return scaler.inverse_transform(centroids.astype(np.float64))


def _standard(X):
    """A StandardScaler as `fit` makes it, but for the last bits: scikit-learn's sums depend on the order of rows."""
    n = len(X)
    low, high = X.min(axis=0).astype(np.float64), X.max(axis=0).astype(np.float64)
    mean = _column_sums(X, np.maximum(-low, high), lambda rows: rows) / n
    mean = np.where(low == high, low, mean)
    farthest = np.maximum(high - mean, mean - low)
    scaler = StandardScaler()
    scaler.mean_ = mean
    scaler.var_ = _column_sums(X, np.square(farthest), lambda rows: np.square(rows - mean)) / n
    # scikit-learn's rule: a spread that the rounding of n numbers can explain is none.
    eps = np.finfo(np.float64).eps
    constant = scaler.var_ <= n * eps * scaler.var_ + np.square(n * mean * eps)
    scaler.scale_ = np.where(constant, 1.0, np.sqrt(scaler.var_))
    scaler.n_samples_seen_, scaler.n_features_in_ = n, X.shape[1]
    return scaler


def _column_sums(X, largest, function):
    """Sums over all rows of ``function(rows)``, (n_features,), of numbers up to `largest` (n_features,) in size.

    They are the same for every order of the rows. Each number is cut into pieces, multiples of a power of 2 that
    depends on n and `largest` alone and is so large that sums of n pieces stay exact in float64. What is left after the
    last piece is below 2**-64 of `largest` for up to 2**30 rows.
    """
    n, d = X.shape
    digits = 52 - n.bit_length()  # of a piece
    unit = np.ldexp(1.0, np.frexp(largest)[1] - digits)
    grids = [1.5 * 2.0**52 * np.ldexp(unit, -piece * (digits + 1)) for piece in range(_PIECES)]
    totals = np.zeros((_PIECES, d))
    step = max(1, _NUMBERS // d)
    for start in range(0, n, step):
        rest = function(X[start : start + step].astype(np.float64))
        for grid, total in zip(grids, totals, strict=True):
            piece = rest + grid  # rounds to a multiple of the unit of `grid`
            piece -= grid
            rest -= piece
            total += piece.sum(axis=0)
    return totals[2] + totals[1] + totals[0]
