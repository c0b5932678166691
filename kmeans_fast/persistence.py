"""Models in files: an .npz archive of arrays and a JSON header. No pickle is written or read, and no name in a file is ever imported."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np

FORMAT = "kmeans_fast.KMeans"
FORMAT_VERSION = 1
_MOST_HEADER_BYTES = 1 << 20
_PARAMETERS = (
    "n_clusters", "init", "n_init", "max_iter", "tol", "verbose", "random_state", "copy_x", "algorithm", "device",
    "n_threads",
)  # fmt: skip


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value


def save(model, path):
    """See `KMeans.save`. The file appears whole or not at all."""
    parameters = {name: _plain(getattr(model, name)) for name in _PARAMETERS}
    arrays = {"cluster_centers": np.asarray(model.cluster_centers_), "labels": np.asarray(model.labels_, np.int32)}
    if callable(parameters["init"]):
        raise ValueError(f"init={parameters['init']!r} is a callable, which a file cannot hold; set init to a name.")
    if not isinstance(parameters["init"], str):
        arrays["init"] = np.asarray(parameters["init"], np.float64)
        parameters["init"] = None
    if not isinstance(parameters["random_state"], int):
        parameters["random_state"] = None
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "parameters": parameters,
        "inertia": float(model.inertia_),
        "n_iter": int(model.n_iter_),
        "backend": str(model.backend_),
        "feature_names": [str(name) for name in getattr(model, "feature_names_in_", ())],
    }
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            np.savez(file, **arrays)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load(path, cls=None):
    """Read a model that `KMeans.save` wrote.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    KMeans

    Raises
    ------
    ValueError
        If the file is not such a model, is damaged, or holds anything but plain numbers.
    FileNotFoundError
        If there is none.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            header = _header(archive)
            centroids, labels = archive["cluster_centers"], archive["labels"]
            init = archive["init"] if "init" in archive.files else None
    except (zipfile.BadZipFile, KeyError, EOFError, UnicodeDecodeError, AttributeError, TypeError) as error:
        raise ValueError(f"{path} is not a kmeans_fast model: {error}.") from error
    _check(path, header, centroids, labels)
    return _model(header, centroids, labels, init, cls)


def _header(archive):
    raw = archive["header"]
    if raw.dtype != np.uint8 or raw.ndim != 1 or raw.size > _MOST_HEADER_BYTES:
        raise ValueError(f"the header is not JSON text of at most {_MOST_HEADER_BYTES} bytes")
    header = json.loads(raw.tobytes().decode())
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError(f"the file is not a {FORMAT} model")
    if header.get("format_version") != FORMAT_VERSION:
        raise ValueError(f"format version {header.get('format_version')!r} is not {FORMAT_VERSION}, the one known here")
    return header


def _check(path, header, centroids, labels):
    parameters = header.get("parameters")
    sound = (
        isinstance(parameters, dict)
        and centroids.ndim == 2
        and centroids.dtype in (np.float32, np.float64)
        and np.isfinite(centroids).all()
        and len(centroids) == parameters.get("n_clusters")
        and labels.ndim == 1
        and labels.dtype == np.int32
        and (labels.size == 0 or (labels.min() >= 0 and labels.max() < len(centroids)))
        and len(header.get("feature_names", ())) in (0, centroids.shape[1])
    )
    if not sound:
        raise ValueError(
            f"{path} is damaged: its arrays (centroids {centroids.dtype} {centroids.shape}, labels {labels.dtype} "
            f"{labels.shape}) do not fit its header."
        )


def _model(header, centroids, labels, init, cls):
    from .estimators import KMeans

    parameters = {name: header["parameters"][name] for name in _PARAMETERS if name in header["parameters"]}
    if init is not None:
        parameters["init"] = init
    model = (cls or KMeans)(**parameters)
    model.cluster_centers_, model.labels_ = centroids, labels
    model.inertia_, model.n_iter_ = float(header["inertia"]), int(header["n_iter"])
    model.backend_, model.history_ = str(header["backend"]), ()
    model.n_features_in_, model._n_features_out = centroids.shape[1], len(centroids)
    if header["feature_names"]:
        model.feature_names_in_ = np.array(header["feature_names"], dtype=object)
    return model
