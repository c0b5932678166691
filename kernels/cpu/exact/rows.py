"""Data rows, as kernels take them."""

from typing import NamedTuple

import numpy as np

from ..machine.float_arrays import Floats


class Rows(NamedTuple):
    """The rows of a data set and their weights."""

    X: Floats  # (n * d,) float32 or float64
    weights: np.ndarray  # (n,) float64, or (0,): all ones
    d: int
