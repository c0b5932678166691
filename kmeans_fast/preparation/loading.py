"""Preparations out of files: nodes and arrays, as `saving` makes them, become a fitted Pipeline.

Every value is checked. No pickle is read, and no name is imported.
"""

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from ..json_values import are_texts, fields, is_flag, is_number, is_whole, require
from .kinds import KINDS, MOST_CATEGORIES, WHOLE, check_names
from .recipes import as_texts

_MOST_COLUMNS = 1 << 20  # of a ColumnTransformer, which is set up with rows of zeros
_DEEPEST = 4  # Pipelines and ColumnTransformers inside one another


class Reader:
    """Builds fitted steps of nodes, as `Writer` makes them, and checks all of it; `used` are the arrays it took."""

    def __init__(self, arrays: dict[str, np.ndarray]):
        self.arrays, self.used, self._n_nodes = arrays, set[str](), 0

    def steps(self, preparation: dict[str, Any], n_in: int) -> tuple[list[tuple[str, Any]], int]:
        """The named steps of a preparation in a header, and how many columns they give of `n_in`."""
        whole, n_out = self.step(preparation["steps"], n_in)
        require(isinstance(whole, Pipeline), "a preparation must be a Pipeline")
        check_names([*(name for name, _ in whole.steps), preparation["model"]])
        return whole.steps, n_out

    def step(self, node: Any, n_in: int, depth: int = 0) -> tuple[Any, int]:
        """The fitted step, for rows of `n_in` columns, and how many columns it gives; ValueError if it is unsound."""
        self._n_nodes += 1
        kind, parameters, fitted = fields(node, ("kind", "parameters", "fitted"), "a step")
        require(isinstance(kind, str) and kind in (*WHOLE, *KINDS), f"a step must be of a known kind, got {kind!r}")
        require(isinstance(parameters, dict) and isinstance(fitted, dict), f"a {kind} must have parameters")
        if kind in WHOLE:
            require(depth < _DEEPEST, f"steps must not be more than {_DEEPEST} deep")
            require(parameters == {}, f"a {kind} has no parameters in a file")
            build = self._pipeline if kind == "Pipeline" else self._columns
            return build(fitted, n_in, depth)
        rules = KINDS[kind].parameters
        require(set(parameters) == set(rules), f"a {kind} must have the parameters {', '.join(rules)}")
        for name, rule in rules.items():
            require(rule(parameters[name]), f"{name} of the {kind} must not be {parameters[name]!r}")
        ranges = {name: tuple(value) for name, value in parameters.items() if isinstance(value, list)}
        given = {**KINDS[kind].fixed, **parameters, **ranges}
        if kind == "OneHotEncoder":
            return self._encoder(given, fitted, n_in)
        if kind == "SimpleImputer":
            return self._imputer(given, fitted, n_in)
        if kind == "texts":
            (refuse,) = fields(fitted, ("refuse_missing",), "texts")
            require(is_flag(refuse), f"refuse_missing must be True or False, got {refuse!r}")
            step = FunctionTransformer(as_texts, kw_args={"refuse_missing": refuse}, feature_names_out="one-to-one")
            step.n_features_in_ = n_in
            return step, n_in
        step = KINDS[kind].cls(**given)
        step.n_features_in_ = n_in
        return step, self._attributes(kind, step, fitted, n_in)

    def _pipeline(self, fitted, n_in, depth):
        (steps,) = fields(fitted, ("steps",), "a Pipeline")
        require(
            isinstance(steps, list) and steps and all(isinstance(one, list) and len(one) == 2 for one in steps),
            "a Pipeline must have named steps",
        )
        check_names([name for name, _ in steps])
        built = []
        for name, node in steps:
            step, n_in = self.step(node, n_in, depth + 1)
            built.append((name, step))
        return Pipeline(built), n_in

    def _columns(self, fitted, n_in, depth):
        chosen, width = fields(fitted, ("transformers", "n_features_in"), "a ColumnTransformer")
        require(width == n_in and is_whole(width, 1), f"a ColumnTransformer must take {n_in} columns, got {width!r}")
        require(n_in <= _MOST_COLUMNS, f"a ColumnTransformer may take {_MOST_COLUMNS:,} columns, got {n_in:,}")
        require(
            isinstance(chosen, list) and chosen and all(isinstance(one, list) and len(one) == 3 for one in chosen),
            "a ColumnTransformer must have named transformers of columns",
        )
        check_names([name for name, _, _ in chosen])
        built, n_out = [], 0
        for name, node, columns in chosen:
            require(
                isinstance(columns, list) and columns and all(is_whole(at) and at < n_in for at in columns),
                f"columns must be positions below {n_in}",
            )
            inner, width = (
                (node, len(columns) * (node != "drop"))
                if node in ("passthrough", "drop")
                else self.step(node, len(columns), depth + 1)
            )
            built.append((name, inner, columns))
            n_out += width
        require(n_out > 0, "a ColumnTransformer must give columns")
        return columns_of(built, n_in), n_out

    def _attributes(self, kind, step, fitted, n_in):
        """Give a scaler or a PCA what its fit has made; how many columns it gives."""
        n_out = n_in
        if kind.endswith("PCA"):
            names = ("n_samples", "noise_variance", "by_columns")
            step.n_samples_, step.noise_variance_, by_columns = fields(fitted, names, kind)
            require(is_flag(by_columns), f"by_columns must be True or False, got {by_columns!r}")
            require(is_whole(step.n_samples_, 1) and is_number(step.noise_variance_), f"a {kind} must have numbers")
            found = self._array("components", kind)
            require(found.ndim == 2 and 1 <= len(found), f"components_ of the {kind} must have 2 dimensions")
            n_out = step.n_components_ = len(found)
            found = self._checked(found, "components", kind, (n_out, n_in))
            step.components_ = np.asfortranarray(found) if by_columns else found
            step.mean_ = self._checked(self._array("mean", kind), "mean", kind, (n_in,))
        elif kind != "RobustScaler":
            (step.n_samples_seen_,) = fields(fitted, ("n_samples_seen",), f"a {kind}")
            require(is_number(step.n_samples_seen_), f"n_samples_seen_ of the {kind} must be one number")
        else:
            fields(fitted, (), f"a {kind}")
        for array in KINDS[kind].arrays:
            found = self._array(array.name, kind, needed=array.needed_by is None or getattr(step, array.needed_by))
            if found is not None:
                shape = (n_out if array.of_components else n_in,)
                found = self._checked(found, array.name, kind, shape, array.positive)
            setattr(step, f"{array.name}_", found)
        return n_out

    def _array(self, name, kind, needed=True):
        key = f"step{self._n_nodes}_{name}"
        require(key in self.arrays or not needed, f"the {kind} has no {name}_")
        self.used.add(key)
        return self.arrays.get(key)

    @staticmethod
    def _checked(array, name, kind, shape, positive=False):
        sound = array.shape == shape and array.dtype.kind == "f" and bool(np.isfinite(array).all())
        require(
            sound, f"{name}_ of the {kind} must be {' x '.join(map(str, shape))} finite floats, got shape {array.shape}"
        )
        require(not positive or bool((array > 0).all()), f"{name}_ of the {kind} must be above 0")
        return array

    def _imputer(self, given, fitted, n_in):
        step = SimpleImputer(**given)
        if fitted:
            (levels,) = fields(fitted, ("statistics",), "a SimpleImputer")
            require(given["strategy"] == "most_frequent", "a SimpleImputer of texts must take the most frequent")
            require(are_texts(levels) and len(levels) == n_in, f"a SimpleImputer must have {n_in} texts")
            statistics = np.array(levels, object)
        else:
            statistics = self._checked(
                self._array("statistics", "SimpleImputer"), "statistics", "SimpleImputer", (n_in,)
            )
        step.fit(statistics[None])  # scikit-learn sets up the rest
        step.statistics_ = statistics
        return step, n_in

    @staticmethod
    def _encoder(given, fitted, n_in):
        categories, rare = fields(fitted, ("categories", "infrequent"), "a OneHotEncoder")
        require(
            isinstance(categories, list) and isinstance(rare, list) and len(categories) == len(rare) == n_in,
            f"a OneHotEncoder must have the levels of {n_in} columns",
        )
        columns = []
        for levels, at in zip(categories, rare, strict=True):
            require(
                are_texts(levels) and 0 < len(levels) <= MOST_CATEGORIES and levels == sorted(set(levels)),
                "levels must be different texts in order",
            )
            if at is not None:
                require(
                    isinstance(at, list) and 0 < len(at) < len(levels) and all(is_whole(one) for one in at)
                    and at == sorted(set(at)) and at[-1] < len(levels),
                    "levels that are infrequent must be some, not all",
                )  # fmt: skip
            few = set(at or ())
            frequent = [level for index, level in enumerate(levels) if index not in few]
            columns.append([*levels, *frequent])  # once: infrequent, twice: frequent
        longest = max(map(len, columns))
        cells = np.empty((longest, n_in), object)
        for at, column in enumerate(columns):
            cells[:, at] = column + column[-1:] * (longest - len(column))
        some = any(at is not None for at in rare)
        step = OneHotEncoder(**{**given, "min_frequency": 2 if some else None, "max_categories": None})
        step.fit(cells)  # scikit-learn sets up the rest
        step.set_params(
            min_frequency=given["min_frequency"],
            max_categories=given["max_categories"],
            dtype=np.dtype(given["dtype"]).type,
        )
        return step, step.transform(cells[:1]).shape[1]


def columns_of(transformers: list[tuple[str, Any, list[int]]], n_in: int) -> ColumnTransformer:
    """A fitted ColumnTransformer of fitted transformers."""
    stand_ins = [(name, "passthrough", columns) for name, _, columns in transformers]
    step = ColumnTransformer(stand_ins).fit(np.zeros((2, n_in)))  # scikit-learn sets up the rest
    given = {name: inner for name, inner, _ in transformers if inner != "passthrough"}
    step.transformers = transformers
    step.transformers_ = [(name, given.get(name, inner), columns) for name, inner, columns in step.transformers_]
    return step


def name_columns(step: Any, names: Any) -> None:
    """Give a fitted step, and those inside it that meet the same columns, the names of the columns."""
    if type(step) is Pipeline:
        name_columns(step.steps[0][1], names)
    elif not isinstance(step, str):
        step.feature_names_in_ = np.array(names, dtype=object)
        if type(step) is ColumnTransformer:
            for _, inner, columns in step.transformers_:
                name_columns(inner, [names[at] for at in columns])
