"""The health of data, before it is clustered: what its columns are like, and what one should know of them."""

from typing import NamedTuple

import numpy as np

from ..messages import counted

_UNLIKE = 100.0  # times by which the spread of one column is beyond another's from which distances are that column's
_FAR = 8.0  # interquartile ranges beyond the quartiles from which a value is extreme
_FEW_VALUES = 2  # distinct values of a column that is a flag
_SAMPLE = 200_000  # rows that quartiles are taken of
_NAMED = 6  # columns that a sentence names


class Column(NamedTuple):
    """What a column is like."""

    name: str
    least: float
    largest: float
    mean: float
    deviation: float
    extreme: int  # values far beyond the quartiles
    remark: str


class Health(NamedTuple):
    """What data is like."""

    columns: list[Column]
    remarks: list[str]  # sentences; empty: nothing to say


def health(X, names, is_scaled):
    """The `Health` of rows (n_samples, n_features), whose columns have these names. O(n_samples * n_features).

    `is_scaled`: whether they will be scaled before they are clustered.
    """
    sample = X[:: max(1, len(X) // _SAMPLE)]
    quartiles = np.percentile(sample, [25, 75], axis=0)
    columns = []
    for j, name in enumerate(names):
        values = np.asarray(X[:, j], np.float64)
        least, largest, mean, deviation = values.min(), values.max(), values.mean(), values.std()
        low, high = quartiles[:, j]
        reach = _FAR * (high - low)
        extreme = int(((values < low - reach) | (values > high + reach)).sum()) if high > low else 0
        remark = "constant" if least == largest else ""
        if not remark and len(np.unique(sample[:, j][:1000])) <= _FEW_VALUES and len(np.unique(sample[:, j])) <= 2:
            remark = "two values"
        columns.append(Column(name, float(least), float(largest), float(mean), float(deviation), extreme, remark))
    return Health(columns, _remarks(columns, len(X), is_scaled))


def _remarks(columns, n, is_scaled):
    said = []
    constant = [column.name for column in columns if column.remark == "constant"]
    if constant:
        said.append(f"{_listed(constant)} {_are(constant)} constant and {_tell(constant)} clusters nothing.")
    varied = [column for column in columns if column.remark != "constant" and column.deviation > 0]
    if len(varied) > 1:
        widest, narrowest = (choose(varied, key=lambda column: column.deviation) for choose in (max, min))
        if widest.deviation > _UNLIKE * narrowest.deviation:
            times = widest.deviation / narrowest.deviation
            so = (
                "so the columns were scaled."
                if is_scaled
                else "so distances are mostly its. Scaling (--scale standard) gives all columns a say."
            )
            said.append(f"Scales differ: {widest.name} varies {times:,.0f} times as much as {narrowest.name}, {so}")
    extreme = [column for column in columns if column.extreme]
    if extreme:
        total = sum(column.extreme for column in extreme)
        said.append(
            f"{counted(total, 'extreme value')} in {_listed([column.name for column in extreme])}, more than {_FAR:g} "
            "interquartile ranges beyond the quartiles: a centroid may be drawn to them."
        )
    if n < 10 * len(columns):
        said.append(f"There are few rows, {n:,}, for {len(columns):,} columns: clusters may be chance.")
    return said


def _listed(names):
    rest = len(names) - _NAMED
    shown = [*names[:_NAMED], *([f"{rest} more"] if rest > 0 else [])]
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]


def _are(names):
    return "is" if len(names) == 1 else "are"


def _tell(names):
    return "tells" if len(names) == 1 else "tell"
