"""Scaling of columns: ``(x - shift) / scale`` in float64, a pure function of the data, in chunks of rows."""

from typing import NamedTuple

import numpy as np

_ROWS = 1 << 14


def _chunks(data):
    for start in range(0, len(data), _ROWS):
        yield slice(start, start + _ROWS), np.asarray(data[start : start + _ROWS], np.float64)


class Scaler(NamedTuple):
    """What a column is moved and divided by.

    Attributes
    ----------
    shift, scale : ndarray (n_features,), float64
    """

    shift: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, data, kind):
        """The scaler that `data` (n_samples, n_features) calls for: `kind` is "standard" or "minmax".

        A constant column is only moved. Sample weights play no part.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            if kind == "minmax":
                shift = data.min(axis=0).astype(np.float64)
                scale = data.max(axis=0).astype(np.float64) - shift
            else:
                shift = sum(rows.sum(axis=0) for _, rows in _chunks(data)) / len(data)
                squares = sum(np.square(rows - shift).sum(axis=0) for _, rows in _chunks(data))
                scale = np.sqrt(squares / len(data))
        if not np.isfinite(shift).all() or not np.isfinite(scale).all():
            raise ValueError(f"--scale {kind}: the values are too large to scale (up to {np.abs(data).max():.3g})")
        # A spread that rounding alone can explain is no spread (the rule of scikit-learn's StandardScaler).
        noise = 10 * np.finfo(np.float64).eps * np.maximum(np.abs(shift), np.finfo(np.float64).tiny)
        return cls(shift, np.where(scale <= noise, 1.0, scale))

    def apply(self, data):
        """`data` scaled: a new array (n_samples, n_features) of its dtype."""
        scaled = np.empty_like(data, order="C", subok=False)
        for where, rows in _chunks(data):
            scaled[where] = (rows - self.shift) / self.scale
        return scaled

    def undo(self, centroids):
        """`centroids` in the units of the data: scaling is affine, so these are the means of the unscaled rows."""
        return centroids.astype(np.float64) * self.scale + self.shift
