"""Data rows, as kernels take them."""

from typing import NamedTuple

import numpy as np


class Rows(NamedTuple):
    """The rows of a data set and their weights."""

    X: np.ndarray  # (n * d,) float32 or float64
    weights: np.ndarray  # (n,) float64, or (0,): all ones
    d: int
