"""Rows of numbers and texts, from arrays, DataFrames and files: NaN is a missing cell, of texts too."""

from collections.abc import Container
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from ..arrays import on_gpu, to_host
from .defaults import MOST_LEVELS

MISSING = float("nan")


class Rows(NamedTuple):
    """A table. It has a column of `numbers` or of `texts` for each of the `names`."""

    numbers: np.ndarray  # (n_samples, n_numbers), float32 or float64, in the order of the columns
    texts: dict[int, np.ndarray]  # by position among all columns: (n_samples,), object, of str and MISSING
    names: list[str]

    @property
    def places(self) -> list[int]:
        """The positions, among all columns, of those of `numbers`."""
        return [index for index in range(len(self.names)) if index not in self.texts]

    def take(self, rows: np.ndarray) -> "Rows":
        """Those of the rows that a mask or positions choose."""
        return self._replace(
            numbers=self.numbers[rows], texts={index: texts[rows] for index, texts in self.texts.items()}
        )

    def missing(self, columns: Container[int] | None = None) -> np.ndarray:
        """Whether a cell of a row is missing, (n_samples,), of some columns or of all."""
        places = [at for at, place in enumerate(self.places) if columns is None or place in columns]
        whole = len(places) == self.numbers.shape[1]
        found = np.isnan(self.numbers if whole else self.numbers[:, places]).any(axis=1)
        for index, texts in self.texts.items():
            if columns is None or index in columns:
                found |= is_missing(texts)
        return found


def is_missing(texts: np.ndarray) -> np.ndarray:
    """Which of texts, as `Rows` has them, are missing."""
    return texts != texts


def is_free(texts: np.ndarray) -> bool:
    """Whether more than half of texts, and more than 20, are unlike all others: identifiers or free text, no levels."""
    return len(set(texts[~is_missing(texts)].tolist())) > max(MOST_LEVELS, len(texts) // 2)


class Shares(NamedTuple):
    """A column of categories, of centroids: the share of each level."""

    levels: list[str]
    shares: np.ndarray  # (n_clusters, n_levels)


def is_frame(X: Any) -> bool:
    """Whether X is a DataFrame of pandas."""
    return hasattr(X, "iloc") and hasattr(X, "columns")


def as_table(X: Any) -> Any:
    """A DataFrame of pandas, of what is one or can become one (polars, pyarrow); of anything else an array."""
    X = X.to_pandas() if hasattr(X, "to_pandas") else X
    if is_frame(X):
        return X
    if on_gpu(X):
        return np.asarray(X)  # which its library refuses: nothing is copied from there unasked
    return to_host(X)


def names_of(X: Any) -> list[str]:
    """The names of the columns of a DataFrame; x0, x1, ... of an array."""
    return list(map(str, X.columns)) if is_frame(X) else [f"x{index}" for index in range(X.shape[1])]


def column_of(X: Any, index: int) -> Any:
    """A column of a DataFrame or an array."""
    return X.iloc[:, index] if is_frame(X) else X[:, index]


def as_rows(X: Any, names: Any = None) -> Rows:
    """`X` (n_samples, n_features), a DataFrame or an array-like, as `Rows`; columns without names are x0, x1, ...

    Raises
    ------
    ValueError
        If it has not two dimensions, or has a column of anything else than numbers and texts.
    """
    if isinstance(X, Rows):
        return X
    X = as_table(X)
    if X.ndim != 2:
        raise ValueError(f"X must have 2 dimensions (rows, columns), got shape {X.shape}.")
    called = names_of(X) if names is None else list(map(str, names))
    if len(called) != X.shape[1]:
        raise ValueError(f"names must name all {X.shape[1]} columns, got {len(called)} names.")
    chosen = set(text_columns(X))
    texts = {index: texts_of(column_of(X, index), called[index]) for index in sorted(chosen)}
    return Rows(_numbers(X, [index for index in range(X.shape[1]) if index not in chosen]), texts, called)


def text_columns(X: Any) -> list[int]:
    """The positions of the columns of a DataFrame or an array that hold no numbers."""
    if is_frame(X):
        return [index for index in range(X.shape[1]) if not _is_number(X.dtypes.iloc[index])]
    if X.dtype.kind in "fiub":
        return []
    if X.dtype.kind in "US":
        return list(range(X.shape[1]))
    return [index for index in range(X.shape[1]) if any(isinstance(cell, str) for cell in X[:, index].tolist())]


def _is_number(dtype):
    """Whether a dtype of NumPy or of pandas (Int64, Float32, boolean, pyarrow's) is of real numbers."""
    return getattr(dtype, "kind", "O") in "fiub" and not hasattr(dtype, "categories")


def _numbers(X, places):
    if is_frame(X):
        kinds = {str(X.dtypes.iloc[index]).lower() for index in places}
        dtype = np.float32 if kinds == {"float32"} else np.float64
        found = np.empty((len(X), len(places)), dtype)
        for at, index in enumerate(places):
            found[:, at] = X.iloc[:, index].to_numpy(dtype=dtype, na_value=MISSING)
        return found
    kept = X if len(places) == X.shape[1] else X[:, places]
    try:
        if kept.dtype.kind not in "fiubO":
            raise TypeError(f"the dtype is {kept.dtype}")
        return np.asarray(kept, kept.dtype if kept.dtype in (np.float32, np.float64) else np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"X must hold numbers and texts: {error}.") from error


def texts_of(column: Any, name: str = "") -> np.ndarray:
    """A column as texts, (n_samples,) of str and MISSING: a whole number as ``1``, whatever its type."""
    if hasattr(column, "factorize"):  # pandas
        codes, levels = column.factorize()
        return _texts(levels, name)[codes]  # -1, of what is missing, is the last
    if column.dtype.kind in "fiub":
        levels, codes = np.unique(column, return_inverse=True)
        return _texts(levels, name)[codes]
    if all(isinstance(cell, str) or cell is MISSING for cell in set(column.tolist())):
        return column
    levels = {}
    codes = [levels.setdefault(cell, len(levels)) if cell == cell else -1 for cell in column.tolist()]
    return _texts(list(levels), name)[codes]


def _texts(levels, name):
    """The texts of levels, and after them MISSING."""
    found = np.empty(len(levels) + 1, object)
    found[:-1] = [_text(level, name) for level in levels]
    found[-1] = MISSING
    return found


def _text(level, name):
    if isinstance(level, str):
        return level
    if level is None or level != level:
        return MISSING
    if isinstance(level, (bool, np.bool_)):
        return str(bool(level))
    if isinstance(level, Integral) or (isinstance(level, Real) and float(level).is_integer()):
        return str(int(level))
    if isinstance(level, Real):
        return repr(float(level))
    where = f"column {name!r}: " if name else ""
    kind = type(level).__name__
    way_out = "leave the column out, or make it one of them"
    raise ValueError(f"{where}categories must be texts or numbers, got {level!r} of type {kind}: {way_out}.")
