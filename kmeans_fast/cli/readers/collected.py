"""The chosen columns as one array, filled block by block: memory must suffice and every number must be finite."""

from typing import NamedTuple

import numpy as np

from ...engine.memory import shortage
from ...preparation.rows import MISSING, Rows, texts_of
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


def has_infinity(block):
    """Whether some number is infinite of an array, or of a list of columns."""
    return bool(np.isinf(block).any()) if isinstance(block, np.ndarray) else any(map(has_infinity, block))


class Table(NamedTuple):
    """What was read."""

    data: np.ndarray  # (n_samples, n_numbers), float32 or float64; a read-only memory map where the file allows it
    names: list[str] | None  # of the features
    weights: np.ndarray | None  # (n_samples,), float64
    notes: list[str]  # what was read, what was left out and why, and what was judged, with the option that overrides it
    texts: dict[int, np.ndarray] = {}  # the features that are categories, as `Rows` has them; the others are in `data`
    missing: dict[int, tuple[int, str]] = {}  # of features with missing cells, the row of the first one, and in words

    def first_missing(self, features):
        """Where the first missing cell of some features is, in words."""
        _, at = min((self.missing[at][0], at) for at in features if at in self.missing)
        return self.missing[at][1]

    def rows(self):
        """The features as `Rows`."""
        n_features = self.data.shape[1] + len(self.texts)
        return Rows(self.data, self.texts, self.names or [f"x{index + 1}" for index in range(n_features)])


def arrow_texts(column):
    """An array of numbers or texts as an Arrow array of texts; whole numbers are ``1``."""
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError("categories need pyarrow: install it (the extra 'cli')") from error
    return pyarrow.array(texts_of(np.asarray(column)), pyarrow.string(), from_pandas=True)


class Levels:
    """A column of categories: texts, by number."""

    def __init__(self):
        self._numbers, self._codes = {}, []

    def add(self, array):
        """Add texts, an Arrow array of strings; where the first null of them is, or None."""
        array = array.dictionary_encode() if not hasattr(array, "dictionary") else array
        stripped = [None if text is None else text.strip(" \t") for text in array.dictionary.to_pylist()]
        numbers = [-1 if text is None else self._numbers.setdefault(text, len(self._numbers)) for text in stripped]
        codes = array.indices.cast("int64").fill_null(len(numbers)).to_numpy()
        self._codes.append(np.array([*numbers, -1], np.int32)[codes])
        absent = self._codes[-1] < 0
        return int(absent.argmax()) if absent.any() else None

    def result(self):
        """The texts, (n_samples,), as `kmeans_fast.preparation.rows.Rows` has them."""
        texts = np.empty(len(self._numbers) + 1, object)
        texts[:-1], texts[-1] = list(self._numbers), MISSING
        return texts[np.concatenate(self._codes)]


class Collected:
    """The features and weights that have been read.

    Parameters
    ----------
    names : list of str or None
        Of all columns of the file, in which `chosen`, a `Chosen`, has positions.
    data : dtype or ndarray
        What the features become; an array that holds them already is checked and stays.
    n_samples : int
        How many rows there will be; 0: not known.
    missing : bool
        Whether cells may be missing: NaN, or null where texts are.

    Attributes
    ----------
    missing : dict of int to (int, int)
        The row of the first missing cell of each column that has one, from 0, and as messages name it.
    """

    def __init__(self, path, names, chosen, data, n_samples=0, progress=None, missing=False):
        self.path, self.names, self.features, self.progress = path, names, chosen.numbers, progress
        self.chosen = chosen.numbers if chosen.weights is None else [*chosen.numbers, chosen.weights]
        self.n_rows, self._known, self._weights, self._order = 0, n_samples, [], chosen.order
        self.first = 0  # the number of the row that `data` begins with
        self.levels, self._may_miss, self.missing = {index: Levels() for index in chosen.texts}, missing, {}
        if not isinstance(data, np.ndarray):
            check_memory(path, n_samples, len(self.features), data)
            data = np.empty((n_samples, len(self.features)), data)
        self.data = data

    def add(self, block, share=None, line_of=None, texts=()):
        """Add rows: an array (n_rows, n_chosen) or a list of its columns, of the features and after them the weights.

        `share` tells how much of a file of unknown length has been read with them; ``line_of(i)`` is the number by
        which a message names the i-th of them, by default counted from the first row; `texts` are Arrow arrays of the
        columns of categories. A feature that is not finite, or not when it is rounded to the dtype of the data, is a
        ValueError that names its row and column, unless it is missing and may be. Returns the tables that are to be
        handed on before the last one, `result`: none.
        """
        whole, n_features = isinstance(block, np.ndarray), len(self.features)
        more = len(block) if whole else len(block[0]) if block else len(texts[0])
        end = self.n_rows + more
        if len(self.chosen) > n_features:
            self._weights.append(np.array(block[:, -1] if whole else block[-1], np.float64))
        if end - self.first > len(self.data):
            self._grow(end, share)
        target = self.data[self.n_rows - self.first : end - self.first]
        with np.errstate(over="ignore"):
            if whole and not np.may_share_memory(block, target):
                target[...] = block[:, :n_features]
            elif not whole:
                for position, column in enumerate(block[:n_features]):
                    target[:, position] = column
        line = line_of or (lambda row, first=self.n_rows: first + row + 1)
        if not (finite := np.isfinite(target)).all():
            missing = np.isnan(target) if self._may_miss else np.zeros_like(finite)
            bad = ~(finite | missing)
            if bad.any():
                row, column = np.argwhere(bad)[0].tolist()
                value = block[row, column] if whole else block[column][row]
                what = f"too large for {target.dtype}: use --dtype float64"
                raise ValueError(
                    f"{self.path}: row {line(row)}, {describe(self.features[column], self.names)} is "
                    f"{value}{f', {what}' if np.isfinite(value) else '; every cell must be a finite number'}"
                )
            for column in np.flatnonzero(missing.any(axis=0)).tolist():
                self._note_missing(self.features[column], int(missing[:, column].argmax()), line)
        for (column, levels), array in zip(self.levels.items(), texts, strict=True):
            row = levels.add(array)
            if row is not None:
                self._note_missing(column, row, line)
        self.n_rows = end
        if self.progress is not None:
            self.progress(end / self._known if self._known else share, f"{end:,} rows")
        return ()

    def _note_missing(self, column, row, line):
        if column not in self.missing:
            self.missing[column] = self.n_rows + row, line(row)

    def _grow(self, least, share):
        rows = int(least / share * 1.01) + 1 if share and share < 1 else least if share else least + least // 2
        check_memory(self.path, rows - len(self.data), self.data.shape[1], self.data.dtype)
        self.data.resize((max(rows, least), self.data.shape[1]), refcheck=False)

    def result(self, notes):
        """What the readers return."""
        if self.n_rows - self.first < len(self.data):
            self.data.resize((self.n_rows, self.data.shape[1]), refcheck=False)
        texts = {self._order.index(index): levels.result() for index, levels in self.levels.items()}
        names = [self.names[index] for index in self._order] if self.names else None
        missing = {
            self._order.index(column): (row, f"{self.path}: row {line}, {describe(column, self.names)} is empty or NaN")
            for column, (row, line) in sorted(self.missing.items())
        }
        return Table(self.data, names, np.concatenate(self._weights) if self._weights else None, notes, texts, missing)
