"""The health of data, before it is clustered: what its columns are like, and what one should know of them."""

from __future__ import annotations  # signatures in `help` read as they are written here

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..messages import counted
from .defaults import FAR, FEWEST_UNIQUE
from .number_texts import PLAINLY, number_text
from .rows import Rows, as_rows, is_missing

_UNLIKE = 100.0  # times by which the spread of one column is beyond another's from which distances are that column's
_FEW_VALUES = 2  # distinct values of a column that is a flag
_SAMPLED = 4_000_000  # numbers that quartiles are taken of, in a sample of rows
_LEAST_ROWS, _MOST_ROWS = 5_000, 200_000  # of that sample
_BLOCK = 1 << 18  # numbers looked at together
_NAMED = 6  # columns that a sentence names


class Column(NamedTuple):
    """What a column is like; of texts the numbers are NaN.

    Attributes
    ----------
    name : str
    kind : {"number", "text"}
    missing : int
        Cells without a value.
    least, largest, mean, deviation : float
    extreme : int
        Values more than 8 interquartile ranges beyond the quartiles.
    levels : int
        Distinct texts; 0 for numbers.
    remark : str
        "constant", "two values", "identifier", "text", "numbers as text", "empty" or "".
    """

    name: str
    kind: str
    missing: int
    least: float
    largest: float
    mean: float
    deviation: float
    extreme: int
    levels: int
    remark: str


class Finding(NamedTuple):
    """Something that one should know of data before it is clustered.

    Attributes
    ----------
    kind : {"empty", "missing", "text", "numbers as text", "identifier", "constant", "scales", "extreme", "few rows"}
    columns : list of str
    words : str
        What it is.
    advice : str
        What would mend it, in options of ``kmeans-fast fit``, whose names are those of `make_preparation`; or "".
    """

    kind: str
    columns: list[str]
    words: str
    advice: str

    def __str__(self) -> str:
        return f"{self.words}: {self.advice}." if self.advice else f"{self.words}."


class Health(NamedTuple):
    """What data is like. Printed, it is its findings, a line each.

    Attributes
    ----------
    n_samples : int
    columns : list of Column
    findings : list of Finding
        Empty: nothing to say.
    """

    n_samples: int
    columns: list[Column]
    findings: list[Finding]

    @property
    def remarks(self) -> list[str]:
        """The findings as sentences."""
        return list(map(str, self.findings))

    def __str__(self) -> str:
        return "\n".join(self.remarks) or "nothing to note"


def health(X: Any, feature_names: Sequence[str] | None = None, scaled: bool = False) -> Health:
    """Look at data before it is clustered: missing cells, texts, identifiers, scales, extreme values.

    Parameters
    ----------
    X : DataFrame or array-like (n_samples, n_features)
        NaN and None are missing cells. Columns may hold numbers or texts.
    feature_names : sequence of str, optional
        Default: the names of the DataFrame's columns, or x0, x1, ...
    scaled : bool
        Whether the columns will be scaled before they are clustered.

    Returns
    -------
    Health

    Raises
    ------
    ValueError
        If X has not two dimensions, or has a column of anything else than numbers and texts.

    Notes
    -----
    O(n_samples * n_features), in blocks of rows; quartiles are those of a sample of every so many rows.

    Examples
    --------
    >>> import numpy as np
    >>> from kmeans_fast.preparation import health
    >>> X = np.random.default_rng(0).normal(size=(500, 3)) * [1, 2, 5000]
    >>> X[7, 0] = np.nan
    >>> print(health(X, ["age", "visits", "spend"]))
    1 missing cell in age, in 1 row: --missing drop leaves such rows out, --missing median fills them in.
    Scales differ: spend varies 5,211 times as much as age: --scale standard gives all columns a say.
    """
    rows = as_rows(X, feature_names)
    columns = {index: _of_texts(rows.names[index], texts) for index, texts in rows.texts.items()}
    with np.errstate(over="ignore", invalid="ignore"):  # of values near the largest float the spread is infinite
        columns |= _of_numbers(rows)
    found = [columns[index] for index in range(len(rows.names))]
    holding = [index for index, column in enumerate(found) if column.remark != "empty"]
    incomplete = int(rows.missing(holding).sum()) if any(column.missing for column in found) else 0
    return Health(len(rows.numbers), found, _findings(found, rows, incomplete, scaled))


def fences(rows: Rows, reach: float = FAR, sampled: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest value, (n_numbers,), that are not extreme: `reach` interquartile ranges from the
    quartiles. Infinite where a column's range is 0.

    Method: Tukey (1977), "Exploratory data analysis". Quartiles of all rows do not depend on their order; those of a
    sample are quick.
    """
    n, d = rows.numbers.shape
    step = 1
    if sampled:
        step = max(1, n // min(_MOST_ROWS, max(_LEAST_ROWS, _SAMPLED // max(1, d))))
    low, high = np.full(d, -np.inf), np.full(d, np.inf)
    for j in range(d):
        values = rows.numbers[::step, j].astype(np.float64)
        values = values[~np.isnan(values)]
        q1, q3 = np.percentile(values, [25, 75]) if len(values) else (0.0, 0.0)
        if q3 > q1:
            low[j], high[j] = q1 - reach * (q3 - q1), q3 + reach * (q3 - q1)
    return low, high


def beyond(rows: Rows, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Which rows, (n_samples,), have a value outside of fences."""
    found = np.zeros(len(rows.numbers), bool)
    for part in _parts(rows.numbers):
        block = rows.numbers[part]
        found[part] = ((block < low) | (block > high)).any(axis=1)
    return found


def _parts(X):
    n, d = X.shape
    step = max(1, _BLOCK // max(1, d))
    return [slice(start, start + step) for start in range(0, n, step)]


def _of_texts(name, texts):
    absent = is_missing(texts)
    missing = int(absent.sum())
    levels, n = len(set(texts[~absent].tolist())), len(texts)
    if not levels:
        remark = "empty"
    elif levels == 1 and not missing:
        remark = "constant"
    elif number_text(texts) is not None:
        remark = "numbers as text"
    else:
        remark = "identifier" if levels == n >= FEWEST_UNIQUE else "text"
    return Column(name, "text", missing, *[math.nan] * 4, 0, levels, remark)


def _of_numbers(rows):
    """The `Column` of each column of numbers, by position among all columns: two passes, in blocks of rows."""
    X, places = rows.numbers, rows.places
    n, d = X.shape
    low, high = fences(rows, sampled=True)
    missing, extreme = np.zeros(d, int), np.zeros(d, int)
    least, largest, total = np.full(d, np.inf), np.full(d, -np.inf), np.zeros(d)
    for part in _parts(X):
        block = X[part]
        least, largest = np.fmin(least, np.fmin.reduce(block)), np.fmax(largest, np.fmax.reduce(block))
        extreme += ((block < low) | (block > high)).sum(axis=0)
        absent = np.isnan(block)
        if absent.any():
            missing += absent.sum(axis=0)
            block = np.where(absent, 0, block)
        total += block.sum(axis=0, dtype=np.float64)
    count = np.maximum(n - missing, 1)
    mean, squares = np.clip(total / count, least, largest), np.zeros(d)
    for part in _parts(X):
        squares += np.nan_to_num(np.square(X[part] - mean)).sum(axis=0)
    found = {}
    for j, index in enumerate(places):
        numbers = [float(of[j]) for of in (least, largest, mean, np.sqrt(squares / count))]
        empty = missing[j] == n
        remark = "empty" if empty else "constant" if numbers[0] == numbers[1] else _remark(X[:, j], missing[j])
        numbers = [math.nan] * 4 if empty else numbers
        found[index] = Column(rows.names[index], "number", int(missing[j]), *numbers, int(extreme[j]), 0, remark)
    return found


def _remark(values, missing):
    """What to remark of a column of numbers that is not constant."""
    first = values[:1000]
    if len(np.unique(first[~np.isnan(first)])) <= _FEW_VALUES:
        return "two values" if len(np.unique(values[~np.isnan(values)])) <= _FEW_VALUES else ""
    whole = not missing and len(values) >= FEWEST_UNIQUE and bool((first == np.rint(first)).all())
    if whole and len(np.unique(first)) == len(first) and bool((values == np.rint(values)).all()):
        return "identifier" if len(np.unique(values)) == len(values) else ""
    return ""


def _findings(columns, rows, incomplete, scaled):
    said, n = [], len(rows.numbers)

    def add(kind, chosen, words, advice=""):
        said.append(Finding(kind, [column.name for column in chosen], words, advice))

    empty = [column for column in columns if column.remark == "empty"]
    if empty:
        have = "has" if len(empty) == 1 else "have"
        add("empty", empty, f"{_listed(empty)} {have} no value at all", "choose columns with --columns")
    missing = [column for column in columns if column.missing and column.remark != "empty"]
    if missing:
        total = sum(column.missing for column in missing)
        add(
            "missing", missing,
            f"{counted(total, 'missing cell')} in {_listed(missing)}, in {counted(incomplete, 'row')}",
            "--missing drop leaves such rows out, --missing median fills them in",
        )  # fmt: skip
    texts = [column for column in columns if column.remark == "text"]
    if texts:
        levels = ", ".join(f"{column.name} {column.levels:,}" for column in texts[:_NAMED])
        advice = "--categories auto gives each level a column of 0 and 1, --categories drop leaves them out"
        add("text", texts, f"{_listed(texts)} {_are(texts)} text (levels: {levels})", advice)
    written = [(column, index) for index, column in enumerate(columns) if column.remark == "numbers as text"]
    if written:
        chosen, example = [column for column, _ in written], number_text(rows.texts[written[0][1]])
        words = f"{_listed(chosen)} {_are(chosen)} text, though all of it is numbers ({example!r})"
        add("numbers as text", chosen, words, PLAINLY)
    unique = [column for column in columns if column.remark == "identifier"]
    if unique:
        words = f"{_listed(unique)} {'differs' if len(unique) == 1 else 'differ'} in every row, as identifiers do"
        add("identifier", unique, words, "choose columns with --columns")
    constant = [column for column in columns if column.remark == "constant"]
    if constant:
        tell = "tells" if len(constant) == 1 else "tell"
        add("constant", constant, f"{_listed(constant)} {_are(constant)} constant and {tell} clusters nothing")
    varied = [column for column in columns if column.remark != "constant" and column.deviation > 0]
    if len(varied) > 1:
        widest, narrowest = (choose(varied, key=lambda column: column.deviation) for choose in (max, min))
        if widest.deviation > _UNLIKE * narrowest.deviation:
            times = widest.deviation / narrowest.deviation
            words = f"Scales differ: {widest.name} varies {_times(times)} times as much as {narrowest.name}"
            if scaled:
                add("scales", [widest, narrowest], f"{words}, so the columns were scaled")
            else:
                add("scales", [widest, narrowest], words, "--scale standard gives all columns a say")
    extreme = [column for column in columns if column.extreme]
    if extreme:
        total = sum(column.extreme for column in extreme)
        words = (
            f"{counted(total, 'extreme value')} in {_listed(extreme)}, more than {FAR:g} interquartile ranges beyond "
        )
        add("extreme", extreme, words + "the quartiles", "--outliers exclude leaves such rows out of the fit")
    if n < 10 * len(columns):
        add("few rows", [], f"There are few rows, {n:,}, for {len(columns):,} columns: clusters may be chance")
    return said


def _listed(columns):
    rest = len(columns) - _NAMED
    shown = [*(column.name for column in columns[:_NAMED]), *([f"{rest} more"] if rest > 0 else [])]
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]


def _times(ratio):
    return f"{ratio:,.0f}" if ratio < 1e6 else f"{ratio:.1e}"


def _are(columns):
    return "is" if len(columns) == 1 else "are"
