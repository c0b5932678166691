"""Models in files: an .npz archive of arrays and a JSON header. No pickle is written or read, and no name is imported.

A file holds a fitted estimator of this package and, where its rows were prepared first, the steps of that
(`kmeans_fast.preparation.saving`). What `write` would write and what `read` has read pass the same checks, so that a
file that was written can be read. Which parameters there are and what they may be says the table of parameters; one
that a file lacks, because it is younger, has its default.
"""

import inspect
import json
import os

import numpy as np

from .archives import read_arrays, write_arrays
from .arrays import to_host
from .engine.checks import check_centroids, given_centroids
from .json_values import are_texts, fields, is_number, is_whole, require
from .parameters import PARAMETERS, checked, name_in_torch

_FORMAT = "kmeans_fast."  # and the name of the estimator
_FORMAT_VERSION = 3
_MOST_HEADER_BYTES = 1 << 24  # names of 100,000 columns
_FIELDS = {
    "format", "format_version", "arrays", "parameters", "inertia", "n_iter", "backend", "feature_names", "preparation",
}  # fmt: skip
_FITTED = ("cluster_centers_", "inertia_", "n_iter_", "backend_")


def _plain(value):
    value = name_in_torch(value)
    if isinstance(value, (type, np.dtype)):  # a dtype
        return np.dtype(value).name
    return value.item() if isinstance(value, np.generic) else value


def packed(model, kind, parameters, labels=True):
    """Header and arrays of a fitted estimator; ValueError for what cannot be written.

    `kind` is its name, `parameters` are its parameters by name, `labels` says whether the file has those.
    """
    missing = [name for name in _FITTED if not hasattr(model, name)]
    if missing:
        raise ValueError(f"The model must have been fitted to be saved; it has no {missing[0]}. Call fit.")
    parameters = {name: _plain(value) for name, value in parameters.items() if PARAMETERS[name].saved}
    init = parameters.get("init", "")
    if callable(init):
        raise ValueError(f"init={init!r} is a callable, which a file cannot hold; set init to a name.")
    arrays = {"cluster_centers": given_centroids(model.cluster_centers_, "cluster_centers_")}
    if labels and hasattr(model, "labels_"):
        arrays["labels"] = _labels(model.labels_)
    if not isinstance(init, str):
        arrays["init"] = given_centroids(init, "init").astype(np.float64)
        parameters["init"] = None
    if isinstance(parameters.get("random_state"), np.random.RandomState):
        parameters["random_state"] = None
    header = {
        "format": _FORMAT + kind,
        "format_version": _FORMAT_VERSION,
        "arrays": sorted(arrays),
        "parameters": parameters,
        "inertia": _plain(model.inertia_),
        "n_iter": _plain(model.n_iter_),
        "backend": model.backend_,
        "feature_names": feature_names(model),
        "preparation": None,
    }
    width = getattr(model, "n_features_in_", None)
    if width is not None and width != arrays["cluster_centers"].shape[1]:
        raise ValueError(
            f"cluster_centers_ must have a column for each of the {width} features that the model was fitted on, got "
            f"shape {arrays['cluster_centers'].shape}"
        )
    return header, arrays


def _labels(labels):
    found = to_host(labels)
    if found.dtype.kind not in "iu":
        raise ValueError(f"labels_ must be integers, got dtype {found.dtype}; save with labels=False goes without them")
    if found.size and (int(found.min()) < 0 or int(found.max()) >= 2**31):  # the rest of the range is for `check`
        raise ValueError(f"labels_ must be numbers of clusters, got {found.min()} to {found.max()}")
    return found.astype(np.int32)


def feature_names(estimator):
    """The names of the columns that an estimator was fitted on, as a list; empty without."""
    return [str(name) for name in getattr(estimator, "feature_names_in_", ())]


def write(files, path, header, arrays):
    """Write header and arrays to `path` among `files`, a WholeFiles; ValueError for what `read` would refuse."""
    check(header, arrays)
    text = np.frombuffer(json.dumps(header, allow_nan=False).encode(), np.uint8)
    _check_header_size(text)
    write_arrays(files.open(path), {"header": text, **arrays})


def read(path, kinds):
    """Header and arrays of a file that `write` wrote, checked: of an estimator whose name is among `kinds`.

    Raises
    ------
    ValueError
        If the file is not such, or is damaged.
    OSError
        If it cannot be opened.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            arrays = read_arrays(file, size)
            header = _header(arrays.pop("header", None), kinds)
            check(header, arrays)
        except MemoryError:
            raise
        except Exception as error:  # damaged bytes make zipfile, NumPy and json raise whatever they like
            reason = str(error).rstrip(".") or type(error).__name__
            raise ValueError(f"{path} is not a sound kmeans_fast model: {reason}.") from error
    return header, arrays


def _check_header_size(text):
    if text.nbytes > _MOST_HEADER_BYTES:
        raise ValueError(f"the header must have at most {_MOST_HEADER_BYTES:,} bytes, got {text.nbytes:,}")


def kind_in(header):
    """The name of the estimator that a file holds."""
    return header["format"].removeprefix(_FORMAT)


def _header(text, kinds):
    if text is None or text.dtype != np.uint8 or text.ndim != 1:
        raise ValueError("it has no header of JSON text")
    _check_header_size(text)
    header = json.loads(text.tobytes().decode())
    if not isinstance(header, dict) or header.get("format") not in [_FORMAT + kind for kind in kinds]:
        raise ValueError(f"it is not a file of {' or '.join(_FORMAT + kind for kind in kinds)}")
    version = header.get("format_version")
    if version != _FORMAT_VERSION or isinstance(version, bool):
        raise ValueError(
            f"its format version is {version!r}, and only {_FORMAT_VERSION} is known here: fit and save the model again"
        )
    if set(header) != _FIELDS:
        raise ValueError(f"its header must have the fields {', '.join(sorted(_FIELDS))}, got {', '.join(header)}")
    return header


def check(header, arrays):
    """Raise ValueError unless header and arrays are sound and fit each other."""
    parameters, names, centroids = header["parameters"], header["feature_names"], arrays.get("cluster_centers")
    require(header["arrays"] == sorted(arrays), f"its arrays must be {header['arrays']}, got {sorted(arrays)}")
    require(isinstance(parameters, dict), f"its parameters must be named, got {parameters!r}")
    require(is_number(header["inertia"]), f"inertia_ must be a finite number, got {header['inertia']!r}")
    require(is_whole(header["n_iter"]), f"n_iter_ must be an integer of at least 0, got {header['n_iter']!r}")
    require(isinstance(header["backend"], str), f"backend_ must be a name, got {header['backend']!r}")
    require(are_texts(names), "feature_names_in_ must be names")
    require(
        centroids is not None and centroids.ndim == 2 and centroids.dtype.kind == "f" and centroids.size > 0,
        "cluster_centers_ must be floats in two dimensions",
    )
    _check_parameters(parameters, "init" in arrays)
    check_centroids(centroids, name="cluster_centers_")
    k, d = centroids.shape
    n_clusters, allowed = parameters.get("n_clusters"), {"cluster_centers", "labels", "init"}
    require(
        n_clusters == k,
        f"n_clusters must be the number of rows of cluster_centers_, {k}, got {n_clusters!r}: set it, or fit again",
    )
    if "labels" in arrays:
        _check_labels(arrays["labels"], k)
    if "init" in arrays:
        init = arrays["init"]
        fits = init.shape == (k, d) and init.dtype == np.float64
        require(fits, f"init must have the shape of cluster_centers_, {(k, d)}, got {init.shape}")
        check_centroids(init, name="init")
    width = d
    if header["preparation"] is not None:
        width, used = _check_preparation(header["preparation"], arrays, d)
        allowed |= used
    rule = f"feature_names_in_ must name all {width} columns or none, got {len(names)} names"
    require(len(names) in (0, width), rule)
    require(set(arrays) <= allowed, f"it has arrays that no model has: {', '.join(sorted(set(arrays) - allowed))}")


def _check_parameters(parameters, init_is_array):
    """Check parameters by the table; `init` is None where it is an array."""
    unknown = [name for name in parameters if name not in PARAMETERS or not PARAMETERS[name].saved]
    require(not unknown, f"its parameters must be those of an estimator, got {', '.join(unknown)}")
    for name, value in parameters.items():
        plain = value is None or isinstance(value, (bool, str)) or is_number(value)
        require(plain, f"{name} must be a finite number, a name or None, got {value!r}")
    if init_is_array:
        require(parameters.get("init", "") is None, "init must be an array or a name, and is both")
    checked({name: value for name, value in parameters.items() if name != "init" or not init_is_array})


def _check_labels(labels, k):
    require(labels.ndim == 1 and labels.dtype == np.int32, f"labels_ must have one dimension, got shape {labels.shape}")
    require(
        labels.size == 0 or (labels.min() >= 0 and labels.max() < k),
        f"labels_ must be numbers of clusters, 0 to {k - 1}; save with labels=False goes without them",
    )


def _check_preparation(preparation, arrays, d):
    """Check the steps before a model with `d` columns: how many columns they take, and the names of their arrays."""
    *_, width = fields(preparation, ("steps", "model", "n_features_in"), "its preparation")
    require(is_whole(width, 1), f"n_features_in must be a number of columns, got {width!r}")
    from .preparation.loading import Reader

    reader = Reader(arrays)
    _, n_out = reader.steps(preparation, width)
    require(n_out == d, f"the preparation must give {d} columns, as many as cluster_centers_ has, got {n_out}")
    return width, reader.used


def unpacked(header, arrays, cls):
    """The fitted estimator, an instance of `cls`, that header and arrays hold."""
    parameters = dict(header["parameters"])
    others = set(parameters) - set(inspect.signature(cls).parameters)
    if others:
        raise ValueError(f"The file has parameters that {cls.__name__} has not: {', '.join(sorted(others))}.")
    if "init" in arrays:
        parameters["init"] = arrays["init"]
    model = cls(**parameters)
    centroids = model.cluster_centers_ = arrays["cluster_centers"]
    if "labels" in arrays:
        model.labels_ = arrays["labels"]
    model.inertia_, model.n_iter_ = float(header["inertia"]), header["n_iter"]
    model.backend_, model.history_, model.timings_ = header["backend"], (), {}
    model.n_features_in_, model._n_features_out = centroids.shape[1], len(centroids)
    if header["preparation"] is None:  # otherwise the names are those of the scaler's columns
        name_features(model, header)
    return model


def name_features(estimator, header):
    """Give an estimator the names of its columns, where the file has them."""
    if header["feature_names"]:
        estimator.feature_names_in_ = np.array(header["feature_names"], dtype=object)
