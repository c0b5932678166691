"""Models in files as users meet them: a KMeans, or a scikit-learn Pipeline of a scaler and a KMeans."""

import os

import numpy as np
from sklearn import preprocessing
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from .. import estimators, persistence
from ..whole_files import WholeFiles
from . import ESTIMATORS
from .base import _BaseKMeans
from .kmeans import KMeans

_RULE = (
    "save takes a fitted kmeans_fast.KMeans, or a fitted sklearn Pipeline of two steps, a StandardScaler or "
    "MinMaxScaler and a kmeans_fast.KMeans"
)


def save(model: KMeans | Pipeline, path: str | os.PathLike[str], *, labels: bool = True) -> None:
    """Write a fitted model to a file, whole or not at all; `kmeans_fast.load` reads it.

    Parameters
    ----------
    model : KMeans or sklearn.pipeline.Pipeline
        A Pipeline has two steps: a StandardScaler or MinMaxScaler, and a KMeans.
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
    kinds = [type(step) for _, step in model.steps]
    scalers = [getattr(preprocessing, name) for name in persistence.SCALERS]
    if len(kinds) != 2 or kinds[0] not in scalers or not issubclass(kinds[1], _BaseKMeans):
        raise ValueError(f"{_RULE}; got a Pipeline of {', '.join(kind.__name__ for kind in kinds)}.")
    (_, scaler), (_, kmeans) = model.steps
    check_is_fitted(scaler)
    header, arrays = kmeans._packed(labels)
    header["preparation"] = _packed_scaler(scaler, arrays) | {"steps": [name for name, _ in model.steps]}
    header["feature_names"] = persistence.feature_names(scaler)
    header["arrays"] = sorted(arrays)
    return header, arrays


def _is_sklearns(model):
    return type(model).__name__ == "KMeans" and type(model).__module__.startswith("sklearn.")


def _packed_scaler(scaler, arrays):
    """What a header says of a scaler; its arrays join `arrays`."""
    parameters, names = persistence.SCALERS[type(scaler).__name__]
    for name in names:
        value = getattr(scaler, f"{name}_", None)
        if value is not None:
            value = np.asarray(value)
            arrays[f"scaler_{name}"] = np.ascontiguousarray(
                value, np.float32 if value.dtype == np.float32 else np.float64
            )
    seen = np.asarray(getattr(scaler, "n_samples_seen_", None))
    if seen.ndim:
        raise ValueError("The scaler must have seen as many values in every column; there were missing ones (NaN).")
    given = {name: getattr(scaler, name) for name in parameters}
    if "feature_range" in given:
        given["feature_range"] = np.asarray(given["feature_range"]).tolist()
    return {"scaler": type(scaler).__name__, "parameters": given, "n_samples_seen": seen.item()}


def load(path: str | os.PathLike[str]) -> KMeans | Pipeline:
    """Read a model that `kmeans_fast.save`, `KMeans.save` or ``kmeans-fast fit`` wrote.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    KMeans or sklearn.pipeline.Pipeline
        A Pipeline of a scaler and a KMeans where the rows were scaled before the fit (``kmeans-fast fit --scale``):
        it takes raw rows.

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
    given = dict(preparation["parameters"])
    if "feature_range" in given:
        given["feature_range"] = tuple(given["feature_range"])
    scaler = getattr(preprocessing, preparation["scaler"])(**given)
    for name in persistence.SCALERS[preparation["scaler"]][1]:
        setattr(scaler, f"{name}_", arrays.get(f"scaler_{name}"))
    scaler.n_samples_seen_ = preparation["n_samples_seen"]
    scaler.n_features_in_ = model.n_features_in_
    persistence.name_features(scaler, header)
    return Pipeline(list(zip(preparation["steps"], (scaler, model), strict=True)))
