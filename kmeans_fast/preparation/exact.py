"""scikit-learn's scaler and PCA with sums that are the same for every order of the rows and number of threads."""

from numbers import Real

import numpy as np
from sklearn import decomposition, preprocessing
from sklearn.utils.extmath import svd_flip
from sklearn.utils.validation import FLOAT_DTYPES, check_is_fitted, validate_data

_NUMBERS = 1 << 18  # taken at a time
_PIECES = 3
_LARGEST, _FARTHEST = 1e290, 1e140  # values, and how far they may be from the mean: their squares are added
_ROWS, _BITS = 4096, 20  # sums of so many products of so many bits each are below 2**53, so exact in float64


class ExactStandardScaler(preprocessing.StandardScaler):
    """A StandardScaler with exact means and variances: its bits do not depend on the order of the rows."""

    def fit(self, X, y=None, sample_weight=None):
        """As scikit-learn's, but for the last bits; weights are refused."""
        if sample_weight is not None:
            raise ValueError("sample_weight must be None: exact means and variances are those of rows without weights.")
        X = validate_data(self, X, dtype=FLOAT_DTYPES)
        n = len(X)
        mean, low, high = _means(X)
        farthest = np.maximum(high - mean, mean - low)
        _refuse_too_large(farthest, _FARTHEST)
        var = _column_sums(X, np.square(farthest), lambda rows: np.square(rows - mean)) / n
        # scikit-learn's rule: a spread that the rounding of n numbers can explain is none.
        eps = np.finfo(np.float64).eps
        with np.errstate(over="ignore"):
            constant = var <= n * eps * var + np.square(n * mean * eps)
        self.mean_ = mean if self.with_mean or self.with_std else None
        self.var_ = var if self.with_std else None
        self.scale_ = np.where(constant, 1.0, np.sqrt(var)) if self.with_std else None
        self.n_samples_seen_ = n
        return self


class ExactPCA(decomposition.PCA):
    """PCA with exact covariances, and scores of a row that do not depend on the other rows.

    `n_components` is a number of components, a share of the variance below 1, or None: all. Fitting takes O(n_samples *
    n_features**2 + n_features**3) time and no copy of the rows. Scores are sums in the order of the features, so that
    they are the same for any number of rows and threads; the components are LAPACK's, whose last bits may differ
    between machines.
    """

    def fit(self, X, y=None):
        """Fit the components."""
        X = validate_data(self, X, dtype=FLOAT_DTYPES, ensure_min_samples=2)
        n, d = X.shape
        wanted = self.n_components
        if self.whiten:
            raise ValueError(
                "whiten must be False: scores are in the units of the data; sklearn.decomposition.PCA whitens."
            )
        if wanted is not None and not isinstance(wanted, Real):
            raise ValueError(f"n_components must be a number or None, got {wanted!r}.")
        if wanted is not None and not 0 < wanted <= (min(n, d) if wanted >= 1 else 1):
            raise ValueError(
                f"n_components must be from 1 to {min(n, d)}, the lesser of rows and columns, or a share of the "
                f"variance below 1, got {wanted!r}."
            )
        self.mean_, low, high = _means(X)
        farthest = np.maximum(high - self.mean_, self.mean_ - low)
        _refuse_too_large(farthest, _FARTHEST)
        variances, vectors = np.linalg.eigh(_covariance(X, self.mean_, farthest))
        variances, vectors = np.maximum(variances[::-1], 0.0), vectors[:, ::-1].T
        _, vectors = svd_flip(u=None, v=vectors, u_based_decision=False)
        total = variances.sum()
        shares = variances / total if total > 0 else np.zeros(d)
        if wanted is None:
            wanted = min(n, d)
        elif wanted < 1:
            wanted = min(int(np.searchsorted(np.cumsum(shares), wanted, side="right")) + 1, n, d)
        self.n_components_, self.n_samples_ = int(wanted), n
        self.components_ = np.ascontiguousarray(vectors[:wanted])
        self.explained_variance_, self.explained_variance_ratio_ = variances[:wanted], shares[:wanted]
        self.singular_values_ = np.sqrt(variances[:wanted] * (n - 1))
        self.noise_variance_ = float(variances[wanted : min(n, d)].mean()) if wanted < min(n, d) else 0.0
        return self

    def fit_transform(self, X, y=None):
        """``fit(X).transform(X)``."""
        return self.fit(X).transform(X)

    def transform(self, X):
        """Scores of rows, (n_samples, n_components_), in the dtype of X."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOAT_DTYPES, reset=False)
        scores = np.empty((len(X), len(self.components_)), X.dtype)
        step = max(1, _NUMBERS // X.shape[1])
        for start in range(0, len(X), step):
            rows = np.ascontiguousarray((X[start : start + step] - self.mean_).T)
            for at, component in enumerate(self.components_):
                total = rows[0] * component[0]
                for feature, weight in zip(rows[1:], component[1:], strict=True):
                    total += feature * weight
                scores[start : start + step, at] = total
        return scores


def _means(X):
    """Means, least and largest values of the columns, float64."""
    low, high = X.min(axis=0).astype(np.float64), X.max(axis=0).astype(np.float64)
    _refuse_too_large(np.maximum(high, -low), _LARGEST)
    mean = _column_sums(X, np.maximum(-low, high), lambda rows: rows) / len(X)
    return np.where(low == high, low, mean), low, high


def _refuse_too_large(sizes, most):
    if sizes.max() > most:
        raise ValueError(f"the values are too large to scale (up to {sizes.max():.3g}; they may be up to {most:.0e})")


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


def _covariance(X, mean, farthest):
    """The covariances of the columns, (n_features, n_features), the same for every order of the rows.

    Each deviation is cut into three integers of 20 bits, in units that `farthest` (n_features,) alone decides. Products
    of them and the sums of 4096 are whole numbers below 2**53, which a BLAS adds without rounding, in whatever order.
    """
    n, d = X.shape
    exponents = np.frexp(farthest)[1]
    unit = np.ldexp(1.0, exponents)
    totals = np.zeros((3, 2, d, d), np.int64)  # by weight, 2**-20 apart: multiples of 2**32, and the rest
    for start in range(0, n, _ROWS):
        rest = (X[start : start + _ROWS].astype(np.float64) - mean) / unit
        pieces = []
        for _ in range(3):
            rest = rest * 2.0**_BITS
            pieces.append(np.rint(rest))
            rest -= pieces[-1]
        first, second, third = pieces
        mixed, last = first.T @ second, first.T @ third
        for total, products in zip(totals, (first.T @ first, mixed + mixed.T, last + last.T + second.T @ second)):
            whole = products.astype(np.int64)
            total[0] += whole >> 32
            total[1] += whole & 0xFFFFFFFF
    found = np.zeros((d, d))
    for weight in (2, 1, 0):
        high, low = totals[weight]
        found += np.ldexp(np.ldexp(high.astype(np.float64), 32) + low, -_BITS * (weight + 2))
    return found * unit * unit[:, None] / (n - 1)
