"""Weights of rows as the engine takes them."""

import numpy as np

from .array_checks import check_finite, plain_numbers
from .arrays import ON_HOST, on_gpu, to_host


def as_weights(sample_weight, sizes, origin=ON_HOST):
    """`sample_weight` as float64 (n_samples,), finite, not negative, not all zero, where X is; None stays None.

    `sizes` is n_samples, or for several data sets (problems, n_samples). A scalar is repeated. Weights on the host are
    copied to the GPU that X is on; the other way is refused.
    """
    if sample_weight is None:
        return None
    if on_gpu(sample_weight) and origin.resident is None:
        raise ValueError("sample_weight is on a GPU and X is not: copy one of them to where the other is.")
    weights = plain_numbers(sample_weight, "sample_weight").astype(np.float64, copy=False)
    if not isinstance(weights, np.ndarray) and weights.device.id != origin.resident:
        raise ValueError(f"sample_weight is on cuda:{weights.device.id} and X on cuda:{origin.resident}.")
    shape = sizes if isinstance(sizes, tuple) else (sizes,)
    if weights.ndim == 0:
        weights = np.full(shape, float(weights))
    if weights.shape != shape:
        raise ValueError(f"sample_weight must have shape {shape}, got {weights.shape}.")
    check_weights(weights)
    return origin.beside(weights)


def check_weights(weights):
    """Raise ValueError for weights (n_samples,), or (problems, n_samples), that are NaN, infinite, negative or all zero
    (in any problem).
    """
    check_finite(weights, "sample_weight")
    least = float(weights.min())
    if least < 0:
        *problem, row = (int(at) for at in np.unravel_index(int(weights.argmin()), weights.shape))
        where = "".join(f" of problem {at}" for at in problem)
        raise ValueError(f"sample_weight must not be negative, got {least} at row {row}{where}.")
    heaviest = to_host(weights.max(axis=-1))
    if (heaviest == 0).any():
        where = f" of problem {int(np.flatnonzero(heaviest == 0)[0])}" if heaviest.ndim else ""
        raise ValueError(f"sample_weight must not be zero for every row{where}: at least one must be positive.")
