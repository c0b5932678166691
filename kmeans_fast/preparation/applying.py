"""A preparation fitted to `Rows` and applied to them, without pandas and copies that are not needed; and undone."""

import copy
import warnings
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from .loading import columns_of
from .recipes import Recipe, as_texts
from .rows import Rows, Shares, is_missing
from .saving import refuse_many

RARE = "(rare)"  # what the levels that share a column are called


def fitted(recipe: Recipe, rows: Rows) -> tuple[Pipeline, np.ndarray]:
    """The Pipeline of a recipe, fitted to rows, and the rows as it makes them: in place, where they may be written to.
    It has no steps where there is nothing to do.

    Raises
    ------
    ValueError
        If a column has no value at all, or more levels than a file holds; if values are too large to be scaled.
    """
    _refuse_empty(rows)
    texts, parts, branches = sorted(rows.texts), [], []
    if rows.places:
        steps, numbers = _fitted(recipe.number_steps(), rows.numbers)
        parts.append(numbers)
        branches.append(("numbers", Pipeline(steps) if steps else "passthrough", rows.places))
    if texts:
        levels, cells = _fitted(recipe.text_steps(), _cells(rows, texts), [rows.names[at] for at in texts])
        parts.append(cells)
        branches.append(("categories", Pipeline(levels), texts))
        steps = [("columns", columns_of(branches, len(rows.names)))]
    last, X = _fitted(recipe.last_steps(), parts[0] if len(parts) == 1 else np.hstack(parts))
    return Pipeline([*steps, *last]), X


def _refuse_empty(rows):
    first = np.isnan(rows.numbers[0])  # most columns have a value there
    empty = [at for at, column, absent in zip(rows.places, rows.numbers.T, first) if absent and np.isnan(column).all()]
    empty += [at for at, texts in rows.texts.items() if is_missing(texts).all()]
    if empty:
        raise ValueError(f"column {rows.names[empty[0]]!r} has no value at all: leave it out with --columns")


def _fitted(steps, X, names=None):
    for name, step in steps:
        with np.errstate(over="ignore", invalid="ignore"):
            step.fit(X)
        _check_scale(step, X)
        if isinstance(step, OneHotEncoder):
            refuse_many(step, names)
        X = transformed(step, X)
    return steps, X


def _check_scale(step, X):
    parts = [getattr(step, name) for name in ("center_", "scale_", "min_", "data_range_") if hasattr(step, name)]
    if not all(part is None or np.isfinite(part).all() for part in parts):
        raise ValueError(f"the values are too large to scale (up to {np.abs(X).max():.3g})")


def _cells(rows, columns):
    """Some columns as one array: of numbers where they are, else of objects."""
    if not set(columns) & set(rows.texts):
        places = [rows.places.index(at) for at in columns]
        return rows.numbers if places == list(range(rows.numbers.shape[1])) else rows.numbers[:, places]
    found = np.empty((len(rows.numbers), len(columns)), object)
    for at, column in enumerate(columns):
        found[:, at] = rows.texts[column] if column in rows.texts else rows.numbers[:, rows.places.index(column)]
    return found


def transformed(step: Any, X: Any) -> np.ndarray:
    """`X`, `Rows` or an array, as a fitted step makes it: what its ``transform`` gives, in place where it may be."""
    if step == "passthrough":
        return X
    if type(step) is Pipeline:
        for _, inner in step.steps:
            X = transformed(inner, X)
        return X
    if type(step) is ColumnTransformer:
        rows = X if isinstance(X, Rows) else Rows(X, {}, [""] * X.shape[1])
        parts = [transformed(inner, _cells(rows, columns)) for inner, columns in _branches(step)]
        return parts[0] if len(parts) == 1 else np.hstack(parts)
    X = _cells(X, range(len(X.names))) if isinstance(X, Rows) else np.asarray(X)  # a memory map's array
    own = copy.copy(step)
    own.__dict__.pop("feature_names_in_", None)  # arrays have none, of which scikit-learn would warn
    if hasattr(own, "copy"):
        own.copy = not X.flags.writeable
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Found unknown categories")  # `unknown` tells which
        return own.transform(X)


def _branches(step):
    """What a fitted ColumnTransformer does: (step, the positions of its columns), without what it drops."""
    return [(inner, list(columns)) for _, inner, columns in step.transformers_ if inner != "drop"]


def leaves(step: Any, columns: list[int]) -> list[tuple[list[Any], list[int]]]:
    """What the columns go through, as far as they are told apart: (steps without steps inside, columns)."""
    if type(step) is ColumnTransformer:
        branches = [(inner, [columns[at] for at in chosen]) for inner, chosen in _branches(step)]
        return [leaf for inner, chosen in branches for leaf in leaves(inner, chosen)]
    if type(step) is Pipeline:
        first, *rest = [inner for _, inner in step.steps]
        more = [leaf for inner in rest for leaves_of, _ in leaves(inner, columns) for leaf in leaves_of]
        return [([*steps, *more], chosen) for steps, chosen in leaves(first, columns)]
    return [([] if isinstance(step, str) else [step], columns)]


def fills(steps: list[Any]) -> bool:
    """Whether steps see to missing cells."""
    return any(isinstance(step, SimpleImputer) for step in steps)


def takes_texts(steps: list[Any]) -> bool:
    """Whether steps are for columns of categories."""
    return any(isinstance(step, OneHotEncoder) or getattr(step, "func", None) is as_texts for step in steps)


def unknown(step: Pipeline, rows: Rows) -> dict[tuple[str, bool], set[str]]:
    """The levels of columns of categories that the fit has not met, by the names of the columns and whether rare levels
    share a column of 0 and 1, which is theirs, too; else they have 0 in all.
    """
    found = {}
    for steps, columns in leaves(step, list(range(len(rows.names)))):
        for encoder in (one for one in steps if isinstance(one, OneHotEncoder)):
            for column, levels, known in zip(columns, encoder.categories_, _levels(encoder), strict=True):
                new = {text for text in rows.texts[column].tolist() if text == text} - set(levels)
                if new:
                    as_rare = known[-1] is RARE and encoder.handle_unknown == "infrequent_if_exist"
                    found[rows.names[column], as_rare] = new
    return found


def in_units(step: Any, rows: Rows) -> tuple[list[str], np.ndarray]:
    """Names and numbers (n_samples, n) of rows in their own units: missing cells filled in, a column of 0 and 1 for a
    level, neither scaled nor reduced.
    """
    names, parts = [], []
    everything = list(range(len(rows.names)))
    branches = [([], everything)] if step is None else leaves(step, everything)
    for steps, columns in branches:
        X, called = _cells(rows, list(columns)), [[rows.names[at]] for at in columns]
        for one in steps:
            if isinstance(one, (SimpleImputer, FunctionTransformer, OneHotEncoder)):
                X = transformed(one, X)
            if isinstance(one, OneHotEncoder):
                called = [[f"{name}={level}" for level in levels] for (name,), levels in zip(called, _levels(one))]
        names += [name for some in called for name in some]
        parts.append(X)
    return names, parts[0] if len(parts) == 1 else np.hstack(parts)


# ---- undone ---------------------------------------------------------------------------------------------------------


def original(step: Any, centroids: np.ndarray) -> list[Any]:
    """Centroids (n_clusters, n_features_out) of prepared rows in the units of the rows: a column of numbers
    (n_clusters,) or `Shares` for each column that a fitted step takes; None for one that it leaves out.

    Scaling is affine, so these are the means of the rows as they were; where a PCA has left components out they are the
    nearest to them among the rows that it can tell.
    """
    if isinstance(step, str):
        return list(centroids.T)
    if type(step) is Pipeline:
        columns: list[Any] = list(centroids.T)
        for _, inner in reversed(step.steps):
            columns = original(inner, np.column_stack(columns)) if not _has_shares(columns) else columns
        return columns
    if type(step) is ColumnTransformer:
        found: list[Any] = [None] * step.n_features_in_
        start = 0
        for inner, columns in _branches(step):
            end = start + _width(inner, len(columns))
            for column, values in zip(columns, original(inner, centroids[:, start:end]), strict=True):
                found[column] = values
            start = end
        return found
    if isinstance(step, OneHotEncoder):
        return _shares(step, centroids)
    if isinstance(step, (SimpleImputer, FunctionTransformer)):
        return list(centroids.T)
    own = copy.copy(step)
    own.__dict__.pop("feature_names_in_", None)
    return list(own.inverse_transform(centroids.astype(np.float64)).T)


def _has_shares(columns):
    return any(column is None or isinstance(column, Shares) for column in columns)


def _width(step, n_in):
    """How many columns a fitted step gives of so many."""
    if type(step) is Pipeline:
        for _, inner in step.steps:
            n_in = _width(inner, n_in)
        return n_in
    if isinstance(step, OneHotEncoder):
        return sum(len(levels) for levels in _levels(step))
    if type(step) is ColumnTransformer:
        return sum(_width(inner, len(columns)) for inner, columns in _branches(step))
    return getattr(step, "n_components_", n_in)


def _levels(encoder):
    """The levels of each column that have a column of 0 and 1; those that share one are the last."""
    rare = getattr(encoder, "infrequent_categories_", None) or [None] * len(encoder.categories_)
    found = []
    for levels, few in zip(encoder.categories_, rare, strict=True):
        shared = set() if few is None else set(few)
        found.append([level for level in levels.tolist() if level not in shared])
        found[-1] += [] if few is None else [RARE]
    return found


def _shares(encoder, centroids):
    found, start = [], 0
    for levels in _levels(encoder):
        found.append(Shares(levels, centroids[:, start : start + len(levels)].astype(np.float64)))
        start += len(levels)
    return found
