"""Model files that remember a scaling: those of `KMeans.save` with two more arrays.

These are ``scaler_shift`` and ``scaler_scale``. `kmeans_fast.load` opens such a file too, and gives the model of the
scaled data. No pickle is written or read.
"""

import os
import zipfile
from pathlib import Path

import numpy as np

from .. import persistence
from .readers import check_file
from .scaling import Scaler

_MEMBERS = ("scaler_shift", "scaler_scale")


def write_model(model, path, scaler=None):
    """Write a fitted KMeans and the scaling of its data. The file appears whole or not at all.

    Parameters
    ----------
    model : KMeans
    path : path-like
    scaler : Scaler, optional
    """
    path = Path(path)
    if scaler is None:
        persistence.save(model, path)
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}.scaled")
    try:
        persistence.save(model, partial)
        with zipfile.ZipFile(partial, "a") as archive:
            for name, array in zip(_MEMBERS, scaler, strict=True):
                with archive.open(f"{name}.npy", "w") as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_model(path):
    """Read what `write_model` or `KMeans.save` wrote.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    model : KMeans
    scaler : Scaler or None

    Raises
    ------
    ValueError
        If there is no such file, or it is not such a model.
    """
    path = Path(path)
    check_file(path)
    try:
        model = persistence.load(path)
        arrays = persistence.read_arrays(path, _MEMBERS)
        scaler = Scaler(*(arrays[name] for name in _MEMBERS)) if arrays else None
    except (ValueError, KeyError) as error:
        raise ValueError(f"{path}: not a model of kmeans-fast: {error}") from error
    if scaler is not None:
        for name, array in zip(_MEMBERS, scaler, strict=True):
            if array.dtype != np.float64 or array.shape != (model.n_features_in_,) or not np.isfinite(array).all():
                raise ValueError(f"{path}: the model is damaged: {name} is {array.dtype} {array.shape}")
        if (scaler.scale <= 0).any():
            raise ValueError(f"{path}: the model is damaged: scaler_scale has {scaler.scale.min()}, not above 0")
    return model, scaler
