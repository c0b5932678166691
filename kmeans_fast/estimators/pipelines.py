"""Models in files as users meet them: a KMeans, or a scikit-learn Pipeline of a preparation and a KMeans."""

import os

from sklearn.pipeline import Pipeline

from .. import estimators, persistence
from ..whole_files import WholeFiles
from . import ESTIMATORS
from .base import _BaseKMeans
from .kmeans import KMeans

_RULE = (
    "save takes a fitted kmeans_fast.KMeans, or a fitted sklearn Pipeline whose last step is one, after steps among "
    "StandardScaler, MinMaxScaler, RobustScaler, SimpleImputer, OneHotEncoder, PCA, ColumnTransformer and Pipeline"
)


def save(model: KMeans | Pipeline, path: str | os.PathLike[str], *, labels: bool = True) -> None:
    """Write a fitted model to a file, whole or not at all; `kmeans_fast.load` reads it.

    Parameters
    ----------
    model : KMeans or sklearn.pipeline.Pipeline
        A Pipeline ends with a KMeans. Before it may be scikit-learn's StandardScaler, MinMaxScaler, RobustScaler,
        SimpleImputer, OneHotEncoder, PCA, ColumnTransformer and Pipelines of them, such as
        `kmeans_fast.preparation.make_preparation` makes.
    path : path-like
        The file is an .npz archive, arrays and a JSON header, whatever its name; no pickle.
    labels : bool, default=True
        Whether to write `labels_`, 4 bytes a row. A model loaded without them predicts as ever.

    Raises
    ------
    ValueError
        If the model is another, or holds what a file cannot (the message says what).
    OSError
        If the file cannot be written; a file that was there before is then as it was.

    Notes
    -----
    A `callback` is not written, nor is a `random_state` that is no number.

    Examples
    --------
    >>> import os, tempfile
    >>> import kmeans_fast
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> X = [[1.0, 200.0], [1.0, 400.0], [10.0, 200.0], [10.0, 410.0]]
    >>> model = make_pipeline(StandardScaler(), kmeans_fast.KMeans(2, random_state=0)).fit(X)
    >>> path = os.path.join(tempfile.mkdtemp(), "model.npz")
    >>> kmeans_fast.save(model, path)
    >>> bool((kmeans_fast.load(path).predict(X) == model.predict(X)).all())
    True
    """
    header, arrays = packed(model, labels)
    with WholeFiles() as files:
        persistence.write(files, path, header, arrays)


def packed(model, labels=True):
    """Header and arrays of what `save` takes, for `persistence.write`."""
    if isinstance(model, _BaseKMeans):
        return model._packed(labels)
    if not isinstance(model, Pipeline):
        way = "; KMeans.from_sklearn makes one of scikit-learn's" if _is_sklearns(model) else ""
        raise ValueError(f"{_RULE}; got {type(model).__name__}{way}.")
    from ..preparation.saving import Writer, doing  # which takes time, as it takes much of scikit-learn

    steps = doing(model.steps)
    if len(steps) < 2 or not isinstance(steps[-1][1], _BaseKMeans):
        raise ValueError(f"{_RULE}; got a Pipeline of {', '.join(type(step).__name__ for _, step in model.steps)}.")
    *before, (name, kmeans) = steps
    header, arrays = kmeans._packed(labels)
    node, first = Writer(arrays).node(Pipeline(before)), before[0][1]
    while type(first) is Pipeline:
        first = doing(first.steps)[0][1]
    header["preparation"] = {"steps": node, "model": name, "n_features_in": int(first.n_features_in_)}
    header["feature_names"] = persistence.feature_names(first)
    header["arrays"] = sorted(arrays)
    return header, arrays


def split(model):
    """The preparation of what `load` gives, a Pipeline or None, and its KMeans."""
    return (model[:-1], model[-1]) if isinstance(model, Pipeline) else (None, model)


def _is_sklearns(model):
    return type(model).__name__ == "KMeans" and type(model).__module__.startswith("sklearn.")


def load(path: str | os.PathLike[str]) -> KMeans | Pipeline:
    """Read a model that `kmeans_fast.save`, `KMeans.save` or ``kmeans-fast fit`` wrote.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    KMeans or sklearn.pipeline.Pipeline
        A Pipeline where the rows were prepared before the fit (``kmeans-fast fit --scale``, for one): it takes raw
        rows.

    Raises
    ------
    ValueError
        If the file is not such a model, is damaged, or holds anything but plain numbers.
    FileNotFoundError
        If there is none.
    """
    header, arrays = persistence.read(path, ESTIMATORS)
    model = persistence.unpacked(header, arrays, getattr(estimators, persistence.kind_in(header)))
    preparation = header["preparation"]
    if preparation is None:
        return model
    from ..preparation.loading import Reader, name_columns

    steps, _ = Reader(arrays).steps(preparation, preparation["n_features_in"])
    if header["feature_names"]:
        name_columns(steps[0][1], header["feature_names"])
    return Pipeline([*steps, (preparation["model"], model)])
