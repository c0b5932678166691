"""Models in files: an .npz archive of arrays and a JSON header. No pickle is written or read, and no name in a file is ever imported."""

import io
import json
import math
import os
import zipfile
from pathlib import Path

import numpy as np

from .arrays import on_gpu, to_host

FORMAT = "kmeans_fast.KMeans"
FORMAT_VERSION = 1
_MOST_HEADER_BYTES = 1 << 20
_PARAMETERS = (
    "n_clusters", "init", "n_init", "max_iter", "tol", "verbose", "random_state", "copy_x", "algorithm", "device",
    "n_threads", "init_size", "refine",
)  # fmt: skip


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value


def save(model, path):
    """See `KMeans.save`. The file appears whole or not at all."""
    parameters = {name: _plain(getattr(model, name)) for name in _PARAMETERS}
    if on_gpu(parameters["init"]):
        parameters["init"] = to_host(parameters["init"])
    arrays = {
        "cluster_centers": to_host(model.cluster_centers_),
        "labels": np.asarray(to_host(model.labels_), np.int32),
    }
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
        arrays = read_arrays(path, ("header", "cluster_centers", "labels", "init"))
        header = _header(arrays)
        _check(header, arrays)
    except (KeyError, TypeError, RecursionError, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"{path} is not a sound kmeans_fast model: {error}.") from error
    return _model(header, arrays, cls)


def read_arrays(path, names):
    """Those of the arrays `names` that the .npz file `path` holds.

    A member must be stored as it is (not compressed) and hold just what its own header says, which is checked before memory is taken; only little-endian
    numbers of 8 bytes or fewer are read, so nothing is ever unpickled.

    Raises
    ------
    ValueError
        For anything else.
    FileNotFoundError
        If there is no such file.
    """
    with open(path, "rb") as file:  # its errors are the caller's to see; from here on an OSError means a damaged offset
        size = os.fstat(file.fileno()).st_size
        try:
            with zipfile.ZipFile(file) as archive:
                members = {info.filename: info for info in archive.infolist()}
                return {
                    name: _read(archive, members[f"{name}.npy"], size) for name in names if f"{name}.npy" in members
                }
        except (
            zipfile.BadZipFile,
            zipfile.LargeZipFile,
            EOFError,
            NotImplementedError,
            OSError,
            RuntimeError,
            SyntaxError,
        ) as error:
            raise ValueError(f"{path} is not an .npz file, or is damaged: {error}") from error


def _read(archive, info, file_size):
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > file_size:
        raise ValueError(f"its member {info.filename} is compressed, or larger than the file")
    content = io.BytesIO(archive.read(info))
    version = np.lib.format.read_magic(content)
    if version != (1, 0):
        raise ValueError(f"its member {info.filename} has the unknown array format {version}")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(content)
    if dtype.str not in ("<f4", "<f8", "<i4", "|u1") or fortran:
        raise ValueError(f"its member {info.filename} holds {dtype.str}, which no model does")
    data = content.read()
    if math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"its member {info.filename} says {shape} {dtype.str} and holds {len(data)} bytes")
    return np.frombuffer(data, dtype).reshape(shape).copy()


def _header(arrays):
    raw = arrays["header"]
    if raw.dtype != np.uint8 or raw.ndim != 1 or raw.size > _MOST_HEADER_BYTES:
        raise ValueError(f"the header is not JSON text of at most {_MOST_HEADER_BYTES} bytes")
    header = json.loads(raw.tobytes().decode())
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError(f"the file is not a {FORMAT} model")
    if header.get("format_version") != FORMAT_VERSION:
        raise ValueError(f"format version {header.get('format_version')!r} is not {FORMAT_VERSION}, the one known here")
    return header


def _check(header, arrays):
    """Raise ValueError unless header and arrays fit each other."""
    centroids, labels, init = arrays["cluster_centers"], arrays["labels"], arrays.get("init")
    parameters, names = header["parameters"], header["feature_names"]
    rules = {
        "parameters are plain values": isinstance(parameters, dict)
        and all(value is None or isinstance(value, (int, float, str)) for value in parameters.values()),
        "inertia is a number": isinstance(header["inertia"], (int, float)),
        "n_iter is an integer": isinstance(header["n_iter"], int),
        "backend is a name": isinstance(header["backend"], str),
        "feature_names are names": isinstance(names, list) and all(isinstance(name, str) for name in names),
        "cluster_centers are finite floats in two dimensions": centroids.ndim == 2
        and centroids.dtype.kind == "f"
        and bool(np.isfinite(centroids).all()),
        "labels are int32 in one dimension": labels.ndim == 1 and labels.dtype == np.int32,
    }
    broken = [rule for rule, kept in rules.items() if not kept]
    if not broken:
        k, d = centroids.shape
        sizes = {
            "init is as the parameters say": (init is None) == (parameters.get("init") is not None),
            "there is a centroid for each cluster": k == parameters.get("n_clusters") and d > 0,
            "labels name centroids": labels.size == 0 or (labels.min() >= 0 and labels.max() < k),
            "feature_names name every column": len(names) in (0, d),
            "init has a row for each cluster": init is None or (init.shape == (k, d) and bool(np.isfinite(init).all())),
        }
        broken = [rule for rule, kept in sizes.items() if not kept]
    if broken:
        raise ValueError(f"it is damaged: not so that {broken[0]}")


def _model(header, arrays, cls):
    from .estimators import KMeans

    parameters = {name: header["parameters"][name] for name in _PARAMETERS if name in header["parameters"]}
    if "init" in arrays:
        parameters["init"] = arrays["init"]
    model = (cls or KMeans)(**parameters)
    centroids = model.cluster_centers_ = arrays["cluster_centers"]
    model.labels_ = arrays["labels"]
    model.inertia_, model.n_iter_ = float(header["inertia"]), int(header["n_iter"])
    model.backend_, model.history_ = str(header["backend"]), ()
    model.n_features_in_, model._n_features_out = centroids.shape[1], len(centroids)
    if header["feature_names"]:
        model.feature_names_in_ = np.array(header["feature_names"], dtype=object)
    return model
