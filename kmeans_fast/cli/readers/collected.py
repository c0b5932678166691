"""The chosen columns as one array, filled block by block: memory must suffice and every number must be finite."""

import numpy as np

from ...engine.memory import shortage
from .columns import describe


def narrowest(dtype, is_float32):
    """The dtype to compute in: what `dtype` names, or for "auto" float32 where the data is float32."""
    return np.dtype(("float32" if is_float32 else "float64") if dtype == "auto" else dtype)


def check_memory(path, n_samples, n_features, dtype):
    """Raise MemoryError if an array of this shape does not fit, before it is made."""
    needed = n_samples * n_features * np.dtype(dtype).itemsize
    available = shortage(needed)
    if available is not None:
        raise MemoryError(
            f"{path}: {n_samples:,} rows of {n_features:,} columns as {np.dtype(dtype)} need {needed / 2**30:,.2f} GiB "
            f"and {available / 2**30:,.2f} GiB are available: choose fewer columns with --columns, or --dtype float32"
        )


def is_finite(block):
    """Whether all numbers are finite of an array, or of a list of columns."""
    return np.isfinite(block).all() if isinstance(block, np.ndarray) else all(map(is_finite, block))


class Collected:
    """The features and weights that have been read.

    Parameters
    ----------
    names : list of str or None
        Of all columns of the file, in which `features` and `weights` (or None) are positions.
    data : dtype or ndarray
        What the features become; an array that holds them already is checked and stays.
    n_samples : int
        How many rows there will be; 0: not known.
    """

    def __init__(self, path, names, features, weights, data, n_samples=0, progress=None):
        self.path, self.names, self.features, self.progress = path, names, features, progress
        self.chosen = features if weights is None else [*features, weights]
        self.n_rows, self._known, self._weights = 0, n_samples, []
        if not isinstance(data, np.ndarray):
            check_memory(path, n_samples, len(features), data)
            data = np.empty((n_samples, len(features)), data)
        self.data = data

    def add(self, block, share=None, line_of=None):
        """Add rows: an array (n_rows, n_chosen) or a list of its columns, of the features and after them the weights.

        `share` tells how much of a file of unknown length has been read with them; ``line_of(i)`` is the number by
        which a message names the i-th of them, by default counted from the first row. A feature that is not finite, or
        not when it is rounded to the dtype of the data, is a ValueError that names its row and column.
        """
        whole, n_features = isinstance(block, np.ndarray), len(self.features)
        end = self.n_rows + (len(block) if whole else len(block[0]))
        if len(self.chosen) > n_features:
            self._weights.append(np.array(block[:, -1] if whole else block[-1], np.float64))
        if end > len(self.data):
            self._grow(end, share)
        target = self.data[self.n_rows : end]
        with np.errstate(over="ignore"):
            if whole and not np.may_share_memory(block, target):
                target[...] = block[:, :n_features]
            elif not whole:
                for position, column in enumerate(block[:n_features]):
                    target[:, position] = column
        if not (finite := np.isfinite(target)).all():
            row, column = np.argwhere(~finite)[0].tolist()
            value, line = (block[row, column] if whole else block[column][row]), self.n_rows + row + 1
            what = f"too large for {target.dtype}: use --dtype float64"
            raise ValueError(
                f"{self.path}: row {line_of(row) if line_of else line}, {describe(self.features[column], self.names)} "
                f"is {value}{f', {what}' if np.isfinite(value) else '; every cell must be a finite number'}"
            )
        self.n_rows = end
        if self.progress is not None:
            self.progress(end / self._known if self._known else share, f"{end:,} rows")

    def _grow(self, least, share):
        rows = int(least / share * 1.01) + 1 if share and share < 1 else least if share else least + least // 2
        check_memory(self.path, rows - len(self.data), self.data.shape[1], self.data.dtype)
        self.data.resize((max(rows, least), self.data.shape[1]), refcheck=False)

    def result(self):
        """Data, names and weights, as the readers return them."""
        if self.n_rows < len(self.data):
            self.data.resize((self.n_rows, self.data.shape[1]), refcheck=False)
        names = [self.names[index] for index in self.features] if self.names else None
        return self.data, names, np.concatenate(self._weights) if self._weights else None
