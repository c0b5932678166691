"""``kmeans-fast info MODEL``: what a model is, what it does with rows first, and its centroids in the data's units."""

from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from .. import load
from ..estimators.pipelines import split
from ..messages import counted
from ..preparation.applying import leaves
from .centroids import flat, in_data_units, shown
from .readers import check_file
from .readers.columns import listed
from .tables import pairs

_WORDS = {
    "StandardScaler": "mean 0 and standard deviation 1",
    "RobustScaler": "median 0 and interquartile range 1",
    "MinMaxScaler": "scaled to a range",
}


def facts(path):
    """The facts as a dict that JSON can hold."""
    pipeline, model, names = _loaded(path)
    called, values = flat(in_data_units(pipeline, model.cluster_centers_, names))
    return {
        "file": str(path),
        "n_clusters": len(values),
        "columns": names,
        "dtype": str(model.cluster_centers_.dtype),
        "seed": model.random_state,
        "inertia": model.inertia_,
        "n_iter": model.n_iter_,
        "backend": model.backend_,
        "preparation": list(_preparation(pipeline, names)),
        "centroids": dict(zip(called, values.T.tolist(), strict=True)),
    }


def text(path):
    """The facts for people."""
    pipeline, model, names = _loaded(path)
    centroids = model.cluster_centers_
    told = [
        ("model", f"{type(model).__name__}, {counted(len(centroids), 'cluster')}, {centroids.dtype}"),
        ("columns", f"{len(names):,}: {listed(names)}"),
        *(("prepared", words) for words in _preparation(pipeline, names)),
        ("inertia", f"{model.inertia_:.10g}"),
        ("iterations", str(model.n_iter_)),
        ("backend", model.backend_),
    ]
    table = shown(pipeline, in_data_units(pipeline, centroids, names), list(range(len(centroids))))
    return f"{pairs(told)}\n\n{table}"


def _loaded(path):
    check_file(path)
    model = load(path)
    names = list(getattr(model, "feature_names_in_", [f"x{at + 1}" for at in range(model.n_features_in_)]))
    return *split(model), names


def _preparation(pipeline, names):
    """What is done with some columns, in words: with every kind of columns, and with all together."""
    if pipeline is None:
        return
    branches = leaves(pipeline, list(range(len(names))))
    of_all = [step for step in branches[0][0] if isinstance(step, PCA) and all(step in steps for steps, _ in branches)]
    for steps, columns in branches:
        told = [_told(step) for step in steps if not isinstance(step, FunctionTransformer) and step not in of_all]
        if told:
            yield f"{listed([names[at] for at in columns])}: {', '.join(told)}"
    for step in of_all:
        yield f"all: {_told(step)}"


def _told(step):
    if isinstance(step, SimpleImputer):
        level = " level" if step.statistics_.dtype == object else ""
        return f"missing cells become the {step.strategy.replace('_', ' ')}{level}"
    if isinstance(step, OneHotEncoder):
        return "a column of 0 and 1 for each level"
    if isinstance(step, PCA):
        return counted(step.n_components_, "principal component")
    return _WORDS.get(type(step).__name__, type(step).__name__)
