"""Preparations into files: a fitted Pipeline as JSON and arrays.

A step is a node, ``{"kind": ..., "parameters": {...}, "fitted": {...}}``; its arrays are ``step<number>_<attribute>``,
the nodes being numbered as they come.
"""

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted

from ..json_values import require
from .kinds import KINDS, MOST_CATEGORIES, RULE, Attribute


class Writer:
    """Makes nodes of fitted steps; their arrays are collected in `arrays`."""

    def __init__(self, arrays: dict[str, np.ndarray]):
        self.arrays, self._n_nodes = arrays, 0

    def node(self, step: Any) -> dict[str, Any]:
        """The node of a fitted step; ValueError if no file can hold it."""
        self._n_nodes += 1
        if type(step) is Pipeline:
            steps = [[name, self.node(inner)] for name, inner in doing(step.steps)]
            return {"kind": "Pipeline", "parameters": {}, "fitted": {"steps": steps}}
        if type(step) is ColumnTransformer:
            return self._columns(step)
        for name, kind in KINDS.items():
            if type(step) is kind.cls or type(step) in kind.same_as:
                return self._leaf(name, kind, step)
        raise ValueError(f"a preparation in a file is {RULE}, got {type(step).__name__}")

    def _columns(self, step):
        check_is_fitted(step)
        for name, value in (("remainder", "drop"), ("transformer_weights", None)):
            require(getattr(step, name) == value, f"{name} of a ColumnTransformer in a file must be {value!r}")
        chosen = []
        for name, inner, columns in step.transformers_:
            if name == "remainder" and inner == "drop":
                continue
            identity = isinstance(inner, FunctionTransformer) and inner.func is None
            inner = "passthrough" if identity else inner
            positions = _positions(step, columns)
            if len(positions):
                inner = "passthrough" if _does_nothing(inner) else inner
                chosen.append([name, inner if isinstance(inner, str) else self.node(inner), positions])
        fitted = {"transformers": chosen, "n_features_in": int(step.n_features_in_)}
        return {"kind": "ColumnTransformer", "parameters": {}, "fitted": fitted}

    def _leaf(self, name, kind, step):
        number = self._n_nodes
        check_is_fitted(step)
        for parameter, value in kind.fixed.items():
            given = getattr(step, parameter)
            same = given is value or given == value or (given != given and value != value)
            require(same, f"{parameter} of a {name} in a file must be {value!r}, got {given!r}")
        parameters = {parameter: _plain(getattr(step, parameter)) for parameter in kind.parameters}
        if name == "SimpleImputer":
            return self._imputer(step, parameters)
        if name == "OneHotEncoder":
            refuse_many(step)
            categories = list(map(_listed, step.categories_))
            rare = getattr(step, "infrequent_categories_", None) or [None] * len(categories)
            rare = [
                None if few is None else np.flatnonzero(np.isin(levels, few)).tolist()
                for levels, few in zip(step.categories_, rare, strict=True)
            ]
            return {"kind": name, "parameters": parameters, "fitted": {"categories": categories, "infrequent": rare}}
        if name == "texts":
            refuse = bool((step.kw_args or {}).get("refuse_missing"))
            return {"kind": name, "parameters": {}, "fitted": {"refuse_missing": refuse}}
        for array in (*kind.arrays, *_also(name)):
            self._add(number, array.name, getattr(step, f"{array.name}_", None))
        return {"kind": name, "parameters": parameters, "fitted": _counts(name, step)}

    def _imputer(self, step, parameters):
        fitted = {}
        if step.statistics_.dtype == object:
            fitted["statistics"] = _listed(step.statistics_)
        else:
            self._add(self._n_nodes, "statistics", step.statistics_)
        return {"kind": "SimpleImputer", "parameters": parameters, "fitted": fitted}

    def _add(self, number, name, value):
        if value is not None:
            value = np.asarray(value)
            kind = np.float32 if value.dtype == np.float32 else np.float64
            self.arrays[f"step{number}_{name}"] = np.ascontiguousarray(value, kind)


def doing(steps: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The named steps that do something."""
    return [(name, step) for name, step in steps if not _does_nothing(step)]


def _does_nothing(step):
    if type(step) is Pipeline:
        return not doing(step.steps)
    return step is None or (isinstance(step, str) and step == "passthrough")


def _positions(step, columns):
    """Columns of a ColumnTransformer as positions."""
    found = np.arange(step.n_features_in_)
    if hasattr(step, "feature_names_in_") and not isinstance(columns, slice):
        names = list(step.feature_names_in_)
        columns = [columns] if isinstance(columns, str) else columns
        columns = [names.index(one) if isinstance(one, str) else one for one in columns]
    return found[columns].reshape(-1).tolist()


def _also(name):
    return (Attribute("components"), Attribute("mean")) if name.endswith("PCA") else ()


def _counts(name, step):
    if name.endswith("PCA"):
        # A BLAS that multiplies by components in another order in memory gives other last bits.
        by_columns = step.components_.flags.f_contiguous and not step.components_.flags.c_contiguous
        counts = {"n_samples": int(step.n_samples_), "noise_variance": float(step.noise_variance_)}
        return {**counts, "by_columns": bool(by_columns)}
    if name == "RobustScaler":
        return {}
    seen = np.asarray(getattr(step, "n_samples_seen_", None))
    if seen.ndim:
        raise ValueError("The scaler must have seen as many values in every column; there were missing ones (NaN).")
    return {"n_samples_seen": seen.item()}


def _plain(value):
    if isinstance(value, (type, np.dtype)):
        return np.dtype(value).name
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value


def _listed(levels):
    """Texts as a list; ValueError for others."""
    found = np.asarray(levels, object).tolist()
    bad = next((level for level in found if not isinstance(level, str)), None)
    require(bad is None, f"categories in a file must be texts, got {bad!r}: kmeans_fast.preparation makes texts of all")
    return found


def refuse_many(encoder: Any, names: list[str] | None = None) -> None:
    """Raise ValueError if a column of a fitted OneHotEncoder has more levels than a file holds."""
    names = names or [f"x{at}" for at in range(len(encoder.categories_))]
    for name, levels in zip(names, encoder.categories_, strict=True):
        if len(levels) > MOST_CATEGORIES:
            raise ValueError(
                f"a column of categories may have {MOST_CATEGORIES:,} levels, and {name!r} has {len(levels):,}: leave "
                "it out"
            )
