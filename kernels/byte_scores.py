"""Scores in bytes, for every backend: what rows are encoded with, and what floors are lowered by (docs/numerics.md, 6).

Plain NumPy.
"""

import numpy as np

LEVELS = 127  # of a code, on either side of zero
_U = 2.0**-24


def usual_ratio(X, shift, levels=LEVELS):
    """|a| / |q| of the rows ``x - shift = s (q + a)``, q integers, as a sample of X (rows, d) has it.

    Any positive number is right for the bounds, the usual one serves best.
    """
    moved = X[:: -(-len(X) // 256)].astype(np.float64) - shift
    step = np.abs(moved).max(axis=1, keepdims=True) / levels
    moved = moved[step[:, 0] > 0] / step[step[:, 0] > 0]
    if not len(moved):
        return 1.0
    rounded = np.rint(moved)
    ratios = np.linalg.norm(moved - rounded, axis=1) / np.linalg.norm(rounded, axis=1)
    return max(float(np.median(ratios)), 2.0**-20)


def usual_reach(X, shift):
    """The distance from `shift` that nine tenths of a sample of X (rows, d) exceed.

    Any number that is not negative is right for the bounds, the usual one serves best.
    """
    moved = X[:: -(-len(X) // 256)].astype(np.float64) - shift
    return float(np.quantile(np.linalg.norm(moved, axis=1), 0.1))


def vanishing(d, scale):
    """What the contract's D of d features loses to underflow, in the frame scaled by `scale`, and more."""
    return d * 2.0**-1073 * scale * scale + 2.0**-100


def lost_share(d):
    """The part of ``1.05 |x'|^2 + |score|`` by which a score is lowered before it serves as a floor."""
    return 2 * ((d + 64) * 4 * _U + 2.0**-18)


def fine_share(d, levels=LEVELS):
    """The norm of what fine codes, of 255 levels, leave of d features, in units of the codes, and of roundings."""
    of_values = 4 * _U * levels * 4 * LEVELS  # what x' / s and c' / t are off by, as a part of what is left
    return (1.03 + of_values) * d**0.5 / (4 * LEVELS)
