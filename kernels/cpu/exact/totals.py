"""Exact sums of squared distances, rounded in compiled code: what `distances.bins_total` tells as Python's integers."""

import math

import numpy as np

from ..machine.bits import bits_of
from ..machine.scratch import stack_array
from ..runtime.jit import inner
from .distances import EXPONENTS
from .fixed_point import LIMB, LOW
from .rounding import round_digits

_DIGITS = 46  # of LIMB bits: more than the bits of any sum in `bins`
_MASK = (1 << LIMB) - 1
_SIGNIFICAND = (1 << 52) - 1


@inner
def _add_word(digits, word, position):
    """Add 32 bits at a position."""
    at, within = position // LIMB, position % LIMB
    digits[at] += (word << within) & _MASK
    digits[at + 1] += word >> (LIMB - within)


@inner
def total_of_bins(low, high, first, last):
    """The exact sum in the bins of exponents from `first` to `last`, rounded once; they are zeros afterwards.

    `low` and `high` (EXPONENTS,) int64 are those of `distances.inertia_bins`. NaN where there was an infinity or a NaN.
    """
    if low[EXPONENTS - 1] | high[EXPONENTS - 1]:
        for exponent in range(EXPONENTS):
            low[exponent] = high[exponent] = 0
        return np.nan
    digits = stack_array(_DIGITS, np.int64)
    for at in range(_DIGITS):
        digits[at] = 0
    for exponent in range(first, last + 1):
        lower, upper, position = low[exponent], high[exponent], max(exponent - 1, 0)
        if lower | upper:
            _add_word(digits, lower & LOW, position)
            _add_word(digits, lower >> 32, position + 32)
            _add_word(digits, upper & LOW, position + 32)
            _add_word(digits, upper >> 32, position + 64)
            low[exponent] = high[exponent] = 0
    for at in range(_DIGITS - 1):
        digits[at + 1] += digits[at] >> LIMB
        digits[at] &= _MASK
    value, shift = round_digits(0, digits, _DIGITS)
    return value if value == 0.0 else math.ldexp(value, np.int32(shift - 1074))


@inner
def total_of_values(values, count, low, high):
    """The exact sum of `count` float64 values that are not negative, rounded once; the bins are zeros in and out."""
    first, last = EXPONENTS - 2, 0
    for at in range(count):
        word = bits_of(values[at])
        exponent = word >> 52
        significand = (word & _SIGNIFICAND) | (1 << 52 if exponent > 0 else 0)
        low[exponent] += significand & LOW
        high[exponent] += significand >> 32
        first, last = min(first, exponent), max(last, exponent)
    return total_of_bins(low, high, first, min(last, EXPONENTS - 2))
