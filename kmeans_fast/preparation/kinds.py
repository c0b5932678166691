"""The steps that a preparation in a file may have: their parameters, what those may be, and what their fits make."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from sklearn import decomposition, preprocessing
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from ..json_values import is_flag, is_number, is_whole, require
from .exact import ExactPCA, ExactStandardScaler
from .recipes import as_texts

MOST_CATEGORIES = 10_000  # of a column, the rare ones included
WHOLE = ("Pipeline", "ColumnTransformer")


def _is_range(least, most):
    def holds(value):
        two = isinstance(value, list) and len(value) == 2 and all(map(is_number, value))
        return two and least <= value[0] < value[1] <= most

    return holds


def _is_one_of(*values):
    return lambda value: any(value is one or (isinstance(value, str) and value == one) for one in values)


def _is_share_or_count(value):
    return value is None or is_whole(value, 1) or (isinstance(value, float) and 0 < value < 1)


class Attribute(NamedTuple):
    """An attribute that is an array; it may be None where the parameter `needed_by` is false."""

    name: str  # without the underscore at its end
    needed_by: str | None = None
    positive: bool = False
    of_components: bool = False  # as long as there are components, not columns


class Kind(NamedTuple):
    """A step that has no steps inside."""

    cls: type
    parameters: dict[str, Callable[[Any], bool]]
    arrays: tuple[Attribute, ...] = ()
    fixed: dict[str, Any] = {}  # parameters that have no other value in a file
    same_as: tuple[type, ...] = ()  # classes that give the same values once they are fitted


def _pca(cls):
    parameters = {
        "copy": is_flag,
        "whiten": _is_one_of(False) if cls is ExactPCA else is_flag,
        "n_components": lambda value: value == "mle" or _is_share_or_count(value),
        "svd_solver": _is_one_of("auto", "full", "covariance_eigh", "arpack", "randomized"),
    }
    names = ("explained_variance", "explained_variance_ratio", "singular_values")
    return Kind(cls, parameters, tuple(Attribute(name, of_components=True) for name in names))


KINDS = {
    "StandardScaler": Kind(
        preprocessing.StandardScaler,
        {"copy": is_flag, "with_mean": is_flag, "with_std": is_flag},
        (Attribute("mean", "with_mean"), Attribute("var", "with_std"), Attribute("scale", "with_std", positive=True)),
        same_as=(ExactStandardScaler,),
    ),
    "MinMaxScaler": Kind(
        preprocessing.MinMaxScaler,
        {"copy": is_flag, "clip": is_flag, "feature_range": _is_range(-math.inf, math.inf)},
        (*map(Attribute, ("min", "data_min", "data_max", "data_range")), Attribute("scale", positive=True)),
    ),
    "RobustScaler": Kind(
        preprocessing.RobustScaler,
        {
            **dict.fromkeys(("copy", "with_centering", "with_scaling", "unit_variance"), is_flag),
            "quantile_range": _is_range(0, 100),
        },
        (Attribute("center", "with_centering"), Attribute("scale", "with_scaling", positive=True)),
    ),
    "SimpleImputer": Kind(
        SimpleImputer,
        {"copy": is_flag, "strategy": _is_one_of("mean", "median", "most_frequent")},
        fixed={"missing_values": math.nan, "fill_value": None, "add_indicator": False, "keep_empty_features": False},
    ),
    "OneHotEncoder": Kind(
        OneHotEncoder,
        {
            "handle_unknown": _is_one_of("error", "ignore", "infrequent_if_exist"),
            "min_frequency": _is_share_or_count,
            "max_categories": lambda value: value is None or is_whole(value, 1),
            "dtype": _is_one_of("float32", "float64"),
        },
        fixed={"categories": "auto", "drop": None, "sparse_output": False},
    ),
    "PCA": _pca(decomposition.PCA),
    "ExactPCA": _pca(ExactPCA),
    "texts": Kind(FunctionTransformer, {}, fixed={"func": as_texts, "inverse_func": None, "validate": False}),
}
RULE = (
    "a Pipeline of steps among StandardScaler, MinMaxScaler, RobustScaler, SimpleImputer, OneHotEncoder, PCA, "
    "ColumnTransformer and Pipeline (kmeans_fast.preparation.make_preparation makes such)"
)


def check_names(names):
    """Raise ValueError unless names are such as steps may have."""
    fine = all(isinstance(name, str) and name and "__" not in name for name in names) and len(set(names)) == len(names)
    require(fine, f"the steps must have different names without '__', got {names!r}")
