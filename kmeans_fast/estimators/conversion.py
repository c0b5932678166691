"""To and from scikit-learn's own KMeans: no lock-in, and with it ONNX and skops."""

import numpy as np
from sklearn import cluster
from sklearn.utils.validation import check_is_fitted

from ..arrays import on_gpu, to_host
from ..kernels.processors import usable_cpus

_SHARED = ("n_clusters", "init", "n_init", "max_iter", "tol", "verbose", "random_state", "copy_x")
_FITTED = ("inertia_", "n_iter_", "n_features_in_", "feature_names_in_", "_n_features_out", "_n_init")


def _copy_attributes(source, target):
    for name in _FITTED:
        if hasattr(source, name):
            setattr(target, name, getattr(source, name))
    target.cluster_centers_ = np.array(to_host(source.cluster_centers_))
    if hasattr(source, "labels_"):  # a model may be loaded without
        target.labels_ = np.array(to_host(source.labels_))
    return target


def to_sklearn(model):
    """See `KMeans.to_sklearn`."""
    parameters = {name: getattr(model, name) for name in _SHARED}
    if isinstance(model.init, str) and model.init == "k-means||":
        parameters["init"] = "k-means++"
    if on_gpu(model.init):
        parameters["init"] = to_host(model.init)
    algorithm = "elkan" if model.algorithm == "elkan" else "lloyd"
    target = _copy_attributes(model, cluster.KMeans(**parameters, algorithm=algorithm))
    target._n_threads = usable_cpus()  # its predict reads it
    return target


def from_sklearn(model, cls):
    """See `KMeans.from_sklearn`."""
    if not isinstance(model, (cluster.KMeans, cls)):
        raise TypeError(
            f"from_sklearn takes a fitted sklearn.cluster.KMeans, got {type(model).__name__}; of a model that has "
            "centroids, kmeans_fast.assign(X, model.cluster_centers_) labels rows."
        )
    check_is_fitted(model)
    parameters = {name: getattr(model, name) for name in _SHARED}
    target = _copy_attributes(model, cls(**parameters, algorithm=model.algorithm))
    target.inertia_, target.n_iter_ = float(model.inertia_), int(model.n_iter_)
    target.backend_, target.history_, target.timings_ = "sklearn", (), {}
    return target
