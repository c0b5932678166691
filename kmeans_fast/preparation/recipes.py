"""Recipes: what is done with rows before they are clustered, as a scikit-learn Pipeline."""

from __future__ import annotations  # signatures in `help` read as they are written here

from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, RobustScaler

from .defaults import MOST_LEVELS
from .exact import ExactPCA, ExactStandardScaler
from .rows import as_table, column_of, is_frame, is_free, is_missing, names_of, text_columns, texts_of

SCALERS = {"standard": ExactStandardScaler, "robust": RobustScaler, "minmax": MinMaxScaler}


class Recipe(NamedTuple):
    """What `make_preparation` is asked for, checked."""

    missing: str | None = None
    scale: str | None = None
    max_categories: int = MOST_LEVELS
    pca: float | None = None
    dtype: DTypeLike = np.float64  # of the columns that levels become

    def number_steps(self) -> list[tuple[str, Any]]:
        """For columns of numbers."""
        steps: list[tuple[str, Any]] = []
        if self.missing is not None:
            steps.append(("missing", SimpleImputer(strategy=self.missing)))
        if self.scale is not None:
            steps.append(("scale", SCALERS[self.scale]()))
        return steps

    def text_steps(self) -> list[tuple[str, Any]]:
        """For columns of texts."""
        refuse = {"refuse_missing": self.missing is None}
        steps = [("texts", FunctionTransformer(as_texts, kw_args=refuse, feature_names_out="one-to-one"))]
        if self.missing is not None:
            steps.append(("missing", SimpleImputer(strategy="most_frequent")))
        encoder = OneHotEncoder(
            handle_unknown="infrequent_if_exist", sparse_output=False, max_categories=self.max_categories,
            dtype=self.dtype,
        )  # fmt: skip
        return [*steps, ("levels", encoder)]

    def last_steps(self) -> list[tuple[str, Any]]:
        """For all columns together."""
        return [] if self.pca is None else [("pca", ExactPCA(self.pca))]


def make_preparation(
    *,
    missing: str | None = None,
    scale: str | None = None,
    categories: str | Sequence[str | int] | None = None,
    max_categories: int = MOST_LEVELS,
    pca: float | None = None,
) -> Pipeline:
    """A Pipeline of scikit-learn's that makes numbers of a table, for a KMeans after it.

    Parameters
    ----------
    missing : {"mean", "median"} or None, default=None
        What a missing number becomes: that of its column. A missing text becomes the most frequent. None: there must be
        none. To leave rows out, which a Pipeline cannot, see ``DataFrame.dropna``.
    scale : {"standard", "robust", "minmax"} or None, default=None
        Columns of numbers get mean 0 and standard deviation 1; median 0 and interquartile range 1, which a few extreme
        values do not move; or the range 0 to 1.
    categories : {"auto", "drop"}, sequence of names or positions, or None, default=None
        Columns of texts. "auto": each level becomes a column of 0 and 1, and columns that differ in more than half of
        their rows, as identifiers and free text do, are left out; "drop": columns of texts are left out; a sequence:
        these columns become columns of 0 and 1, whatever they hold. None: there must be no texts.
    max_categories : int, default=20
        Columns that the levels of one column become, at most: the rarest share the last one. So do levels that were not
        there in the fit; if no level was rare, they have 0 in every column.
    pca : int, float or None, default=None
        Keep so many principal components, or as many as have this share of the variance, below 1.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Not fitted. It takes DataFrames and arrays, and gives arrays (n_samples, n_features_out). Columns of DataFrames
        are found by their names. A Pipeline of it and a KMeans goes into a file by `kmeans_fast.save`.

    Raises
    ------
    ValueError
        For a parameter outside the rules.

    Notes
    -----
    The scaler and the PCA have the interface of scikit-learn's and sums that do not depend on the order of the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from kmeans_fast import KMeans
    >>> from kmeans_fast.preparation import make_preparation
    >>> X = np.array([[1, "red"], [2, "red"], [3, None], [90, "blue"], [None, "red"], [95, "blue"]], dtype=object)
    >>> preparation = make_preparation(missing="median", scale="standard", categories="auto")
    >>> model = make_pipeline(preparation, KMeans(2, random_state=0)).fit(X)
    >>> model[-1].labels_.tolist()
    [0, 0, 0, 1, 0, 1]
    """
    if isinstance(categories, Iterable) and not isinstance(categories, str):
        categories = tuple(categories)
    given = checked(missing=missing, scale=scale, max_categories=max_categories, pca=pca)
    if categories is None:
        steps = given.number_steps()
    elif not _is_choice(categories):
        raise ValueError(
            f"categories must be 'auto', 'drop', a sequence of names or positions, or None, got {categories!r}."
        )
    else:
        kinds = [("numbers", _pipeline(given.number_steps()), Columns("numbers", categories))]
        if categories != "drop":
            kinds.append(("categories", _pipeline(given.text_steps()), Columns("texts", categories)))
        steps = [("columns", ColumnTransformer(kinds))]
    steps += given.last_steps()
    return Pipeline(steps or [("as it is", "passthrough")])


def _is_choice(categories):
    if isinstance(categories, str):
        return categories in ("auto", "drop")
    if not isinstance(categories, tuple):
        return False
    return all(isinstance(one, (str, Integral)) and not isinstance(one, bool) for one in categories)


def _pipeline(steps):
    return Pipeline(steps) if steps else "passthrough"


def checked(missing=None, scale=None, max_categories=MOST_LEVELS, pca=None, dtype=np.float64) -> Recipe:
    """A `Recipe`; ValueError for a parameter outside the rules."""
    for name, value, known in (("missing", missing, ("mean", "median")), ("scale", scale, tuple(SCALERS))):
        if value is not None and value not in known:
            raise ValueError(f"{name} must be {', '.join(map(repr, known))} or None, got {value!r}.")
    if isinstance(max_categories, bool) or not isinstance(max_categories, (int, np.integer)) or max_categories < 2:
        raise ValueError(f"max_categories must be an integer of at least 2, got {max_categories!r}.")
    is_number = isinstance(pca, Real) and not isinstance(pca, bool)
    if pca is not None and not (is_number and (0 < pca < 1 or (pca >= 1 and float(pca).is_integer()))):
        raise ValueError(f"pca must be a number of components, a share below 1, or None, got {pca!r}.")
    if pca is not None:
        pca = int(pca) if pca >= 1 else float(pca)
    return Recipe(missing, scale, int(max_categories), pca, dtype)


class Columns:
    """The positions of a table's columns of a kind, for a ColumnTransformer: "numbers", or "texts" that are categories.

    `categories` is "auto", "drop" or the columns themselves, by name or position.
    """

    def __init__(self, kind: str, categories: str | tuple[str | int, ...]):
        self.kind, self.categories = kind, categories

    def __repr__(self) -> str:
        return f"Columns({self.kind!r}, {self.categories!r})"

    def __call__(self, X: Any) -> list[int]:
        """The positions in a DataFrame or an array."""
        X = as_table(X)
        if isinstance(self.categories, str):
            texts = chosen = text_columns(X)
            if self.kind == "texts":
                called = names_of(X)
                chosen = [index for index in texts if not is_free(texts_of(column_of(X, index), called[index]))]
        else:
            texts = chosen = [_position(X, column) for column in self.categories]
            if len(set(chosen)) < len(chosen):
                raise ValueError(f"categories: every column may be chosen once, got {list(self.categories)}.")
        return chosen if self.kind == "texts" else [index for index in range(X.shape[1]) if index not in texts]


def _position(X, column):
    if isinstance(column, str):
        names = list(map(str, X.columns)) if is_frame(X) else []
        if names.count(column) != 1:
            raise ValueError(f"categories: there must be one column {column!r}, got {names.count(column)}.")
        return names.index(column)
    if not 0 <= column < X.shape[1]:
        raise ValueError(f"categories: positions must be from 0 to {X.shape[1] - 1}, got {column!r}.")
    return int(column)


def as_texts(X: Any, refuse_missing: bool = False) -> np.ndarray:
    """The cells of a DataFrame or an array as texts, (n_samples, n_columns) of str and NaN; whole numbers are ``1``.

    Raises
    ------
    ValueError
        For a cell of another type, and for a missing one if it is refused.
    """
    X = as_table(X)
    found = np.empty(X.shape, object)
    for index, name in enumerate(names_of(X)):
        found[:, index] = texts_of(column_of(X, index), name)
        if refuse_missing and (absent := is_missing(found[:, index])).any():
            row = int(absent.argmax())
            raise ValueError(
                f"column {name!r} of categories has no value in row {row}: leave the row out, or make the preparation "
                "with missing='median', which gives it the most frequent one."
            )
    return found
