"""What is read off the data before a fit: the magnitudes that the fixed-point plan and the limits need.

Cost: reads n*d once.
"""

import numpy as np
from numba import prange

from .fixed_point import lowest_set_bit
from .jit import kernel
from .simd import bits_of, float_of

_NONE = 0x7FFFFFFFFFFFFFFF


@kernel
def column_range(
    X,  #        IN   (n * d,)
    weights,  #  IN   (n,) float64, or (0,): all ones
    d,
    largest,  #  OUT  (threads, columns) float64: max abs(w * x); column d, if there, is w
    lowest,  #   OUT  (threads, columns) float64: the least set bit of any w * x, 0.0 where all are zero
):
    """Largest magnitude and lowest set bit of every column, per thread.

    Non-negative floats order as their bit patterns do, so both are integer maxima and minima that LLVM vectorises.
    """
    threads, columns = largest.shape
    n = X.size // d
    weighted = weights.size > 0
    for t in prange(threads):
        high = np.zeros(columns, np.int64)
        low = np.full(columns, _NONE, np.int64)
        for i in range(t * n // threads, (t + 1) * n // threads):
            w = weights[i] if weighted else 1.0
            for j in range(d):
                value = w * np.float64(X[i * d + j])
                high[j] = max(high[j], bits_of(value) & _NONE)
                lowest_bit = bits_of(lowest_set_bit(value))
                low[j] = min(low[j], _NONE if lowest_bit == 0 else lowest_bit)
            if weighted:
                high[d] = max(high[d], bits_of(w) & _NONE)
                lowest_bit = bits_of(lowest_set_bit(w))
                low[d] = min(low[d], _NONE if lowest_bit == 0 else lowest_bit)
        for j in range(columns):
            largest[t, j] = float_of(high[j])
            lowest[t, j] = 0.0 if low[j] == _NONE else float_of(low[j])
