"""Rows in a plane: projected if they have more than two features, drawn as points where they are few, else as density.

Every pixel of a density has the colour of the label that most of its rows have, or a mixture of the colours by shares,
the stronger the more rows there are, on a logarithmic scale: no row hides another, and millions take as long as it
takes to count them.
"""

from __future__ import annotations  # signatures in `help` read as they are written here

from typing import Any, NamedTuple

import numpy as np

from ..array_checks import check_finite
from ..arrays import to_host
from ..functional import assign
from ..metrics.inputs import column_names, values_on_host
from .style import plain

MOST_POINTS = 5000  # that are drawn one by one
_PIXELS = (420, 300)  # of a density, at most
_ROWS_FOR_ALL = 50_000  # rows from which it has so many; of fewer rows pixels are larger, so that they are not alone
_CELLS = 1 << 22  # numbers that are counted in at once
_CHUNK = 1 << 18  # rows at a time
_SAMPLE = 100_000  # rows that a projection is found with
_FAINTEST = 0.35  # opacity of a pixel with a single row
_REGION = 0.13  # opacity of a region
_TAIL, _BEYOND = 0.005, 1.0  # a share of the points on each side, and how far beyond the others, in ranges, is shown
_MOST_NUMBERED = 40  # centroids
_EDGE = 0.05  # of the range, that is left free around the rows
_MOST_NUMBERS = 10_000  # from 0, that are taken for the numbers of clusters, of however few rows


def coded(labels: Any) -> tuple[np.ndarray, list]:
    """Labels (n,) as numbers from 0, and what each number is called.

    Numbers of clusters, from 0, stay what they are. Others, -1 among them, and texts are numbered in their order.
    """
    found = values_on_host(labels, "labels")
    if found.ndim != 1 or not len(found):
        raise ValueError(f"labels must be one for each row, (n_samples,), got shape {found.shape}.")
    if found.dtype.kind in "iu" and found.min() >= 0 and found.max() < max(_MOST_NUMBERS, len(found)):
        return found, list(range(int(found.max()) + 1))
    if found.dtype.kind == "f":
        check_finite(found, "labels")
    try:
        names, codes = np.unique(found, return_inverse=True)
    except TypeError as error:
        raise ValueError(f"labels must be of one kind that can be ordered, integers or strings: {error}.") from error
    return codes.reshape(-1), names.tolist()


def rows_of(X: Any, names: Any = None) -> tuple[np.ndarray, Any]:
    """Rows as an array (n_samples, n_features) of finite numbers, and names of features: those given, or a table's own.

    Raises
    ------
    ValueError
        If the rows are no such numbers, or there is not a name for each feature.
    """
    names = column_names(X) if names is None else names
    rows = to_host(X)
    if rows.ndim != 2 or 0 in rows.shape:
        raise ValueError(f"X must have the shape (n_samples, n_features), at least one of each, got {rows.shape}.")
    if rows.dtype.kind not in "biuf":
        raise ValueError(f"X must be numbers, got dtype {rows.dtype}: leave out other columns, or encode them.")
    rows = rows.astype(np.float64) if rows.dtype.kind == "b" else rows
    check_finite(rows, "X")
    if names is not None and len(names) != rows.shape[1]:
        raise ValueError(f"feature_names must be {rows.shape[1]}, one for each feature, got {len(names)}.")
    return rows, names


def predicted(estimator: Any, X: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, Any]:
    """Rows as the last step of an estimator sees them, their labels, its centroids, and the names of its features."""
    X, last = as_last_step(estimator, X)
    return X, to_host(last.predict(X)), to_host(last.cluster_centers_), getattr(last, "feature_names_in_", None)


def as_last_step(estimator: Any, X: Any) -> tuple[Any, Any]:
    """Rows as the last step of a pipeline sees them, and that step; of any other estimator X and itself."""
    if not hasattr(estimator, "steps"):
        return X, estimator
    before, last = estimator[:-1], estimator[-1]
    return before.transform(X) if len(before) else X, last


def of_fit(estimator: Any, name: str, otherwise: str) -> Any:
    """An attribute that an estimator, or the last step of a pipeline, has from its fit.

    Raises
    ------
    ValueError
        If it has none; NotFittedError, which is one, if it is not fitted.
    """
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    if not hasattr(last, name):
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(last)
        raise ValueError(f"this {type(last).__name__} has no {name}: {otherwise}.")
    return getattr(last, name)


class Plane(NamedTuple):
    """A plane that rows are projected to."""

    mean: np.ndarray  # (n_features,)
    axes: np.ndarray  # (n_features, 2)
    names: tuple[str, str]

    def projected(self, X: np.ndarray) -> np.ndarray:
        """Rows (n, n_features) in the plane, (n, 2), column by column."""
        out = np.empty((len(X), 2), np.result_type(X.dtype, np.float32), order="F")
        if X.shape[1] == 2:
            out[:] = X
            return out
        axes, middle = self.axes.astype(out.dtype), (self.mean @ self.axes).astype(out.dtype)
        for start in range(0, len(X), _CHUNK):
            rows = slice(start, start + _CHUNK)
            out[rows] = X[rows] @ axes - middle
        return out

    def name_axes(self, ax: Any) -> None:
        """Name axes; one that shows nothing, because there is one feature or one row, has no numbers."""
        ax.set(xlabel=self.names[0], ylabel=self.names[1])
        for axis, name in zip((ax.xaxis, ax.yaxis), self.names):
            if not name:
                axis.set_ticks([])


def plane_of(X: np.ndarray, names: Any = None) -> Plane:
    """The plane of rows (n, n_features): their two features, or their first two principal components.

    Of many rows a sample serves, spread evenly.
    """
    d = X.shape[1]
    if d <= 2:
        titles = list(names) if names is not None else [f"x{j}" for j in range(d)]
        axes = np.eye(2)[:d] if d == 2 else np.array([[1.0, 0.0]])
        return Plane(np.zeros(d), axes, (plain(titles[0]), plain(titles[1]) if d == 2 else ""))
    if len(X) < 2:
        return Plane(X[0].astype(np.float64), np.eye(d)[:, :2], ("", ""))
    from sklearn.decomposition import PCA

    sample = np.asarray(X[:: max(1, len(X) // _SAMPLE)], np.float64)
    found = PCA(2, random_state=0, svd_solver="covariance_eigh" if d <= 1000 else "randomized").fit(sample)
    shares = [f"principal component {i + 1} ({share:.0%})" for i, share in enumerate(found.explained_variance_ratio_)]
    return Plane(found.mean_, found.components_.T, (shares[0], shares[1]))


def limits_of(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest coordinates of points (n, 2) that are shown, and some space around them.

    Points that are far beyond nearly all others are left out: they would make a dot of the rest.
    """
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    sample = points[:: max(1, len(points) // _SAMPLE)]
    inner = np.percentile(sample, [100 * _TAIL, 100 * (1 - _TAIL)], axis=0)
    reach = _BEYOND * (inner[1] - inner[0])
    if (low < inner[0] - reach).any() or (high > inner[1] + reach).any():
        shown = points[((points >= inner[0] - reach) & (points <= inner[1] + reach)).all(axis=1)]
        low, high = shown.min(axis=0).astype(np.float64), shown.max(axis=0).astype(np.float64)
    edge = np.maximum(_EDGE * (high - low), np.where(high > low, 0.0, 0.5))
    return low - edge, high + edge


def beyond(points: np.ndarray, limits: tuple[np.ndarray, np.ndarray]) -> int:
    """How many points are not within limits."""
    return int(((points < limits[0]) | (points > limits[1])).any(axis=1).sum())


def draw_rows(
    ax: Any, points: np.ndarray, labels: np.ndarray, palette: np.ndarray, limits: Any = None, mixed: bool = False
) -> Any:
    """Draw points (n, 2), coloured by their labels (n,), on axes; returns the artist.

    `palette` (n_labels, 3) has the colours; `limits` are those of `limits_of`, if others are wanted. `mixed`: colours
    of a density are mixtures, and single points are drawn in the order of their labels, those of 0 smaller.
    """
    low, high = limits_of(points) if limits is None else limits
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    if len(points) <= MOST_POINTS:
        size: Any = float(np.clip(9000 / len(points), 5, 28))
        if mixed:
            order = np.argsort(labels, kind="stable")
            points, labels = points[order], labels[order]
            size = np.where(labels > 0, 2 * size, size)
        return ax.scatter(points[:, 0], points[:, 1], s=size, c=palette[labels], linewidths=0, alpha=0.8)
    picture = density(points, labels, palette, low, high, mixed)
    extent = (low[0], high[0], low[1], high[1])
    return ax.imshow(picture, extent=extent, origin="lower", aspect="auto", interpolation="nearest")


def density(
    points: np.ndarray, labels: np.ndarray, palette: np.ndarray, low: Any, high: Any, mixed: bool = False
) -> np.ndarray:
    """A picture (height, width, 4) of how many points are where, and which label most of them have.

    `mixed`: the mean colour of the points, in place of the colour of most.
    """
    width, height = pixels = pixels_of(len(points))
    size, scale = width * height, np.array(pixels) / (high - low)
    counts, most, first = (np.zeros(size, np.int64) for _ in range(3))
    total = np.zeros((size, 3))
    labels_at_once = max(1, _CELLS // size)
    for least in range(0, len(palette), labels_at_once):
        some = range(least, min(least + labels_at_once, len(palette)))
        of_labels = _counted(points, labels, some, low, scale, pixels)
        for label, own in enumerate(of_labels, least):
            first[own > most] = label
            most, counts = np.maximum(most, own), counts + own
            if mixed:
                total += own[:, None] * palette[label]
    strength = np.log1p(counts) / np.log1p(max(1, counts.max()))
    opacity = np.where(counts > 0, _FAINTEST + (1 - _FAINTEST) * strength, 0.0)
    colour = total / np.maximum(counts, 1)[:, None] if mixed else palette[first]
    return np.column_stack([colour, opacity]).reshape(height, width, 4)


def pixels_of(n: int) -> tuple[int, int]:
    """Width and height of a density of so many points."""
    share = float(np.clip(np.sqrt(n / _ROWS_FOR_ALL), 1 / 3, 1.0))
    return round(_PIXELS[0] * share), round(_PIXELS[1] * share)


def _counted(points, labels, which, low, scale, pixels):
    """How many points of each of some labels (a range) are in each pixel: (labels, pixels)."""
    width, height = pixels
    total = np.zeros(len(which) * width * height, np.int64)
    for start in range(0, len(points), _CHUNK):
        rows = slice(start, start + _CHUNK)
        x, y = (((points[rows, i] - low[i]) * scale[i]).astype(np.int32) for i in range(2))
        own = labels[rows].astype(np.int32) - which.start
        at = (own * height + y) * width + x
        # Of unsigned numbers, what is below the range is above it.
        within = (x.view(np.uint32) < width) & (y.view(np.uint32) < height) & (own.view(np.uint32) < len(which))
        total += np.bincount(at if within.all() else at[within], minlength=len(total))
    return total.reshape(len(which), -1)


def nearest(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The label (n,) of each of some points (n, n_features), compared in the dtype of the centroids, which may be whole
    numbers.
    """
    dtype = np.result_type(centroids, np.float32)
    return assign(points.astype(dtype, copy=False), np.ascontiguousarray(centroids, dtype), device="cpu")[0]


def draw_regions(ax: Any, centroids: np.ndarray, palette: np.ndarray, limits: Any) -> Any:
    """Colour a plane of two features by which of the centroids (k, 2) is the nearest."""
    low, high = limits
    width, height = _PIXELS
    x, y = (low[i] + (np.arange(size) + 0.5) / size * (high[i] - low[i]) for i, size in enumerate(_PIXELS))
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    labels = nearest(points, centroids).reshape(height, width)
    picture = np.dstack([palette[labels], np.full(labels.shape, _REGION)])
    border = np.zeros(labels.shape, bool)
    border[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    border[1:] |= labels[1:] != labels[:-1]
    picture[border] = (0.5, 0.5, 0.5, 0.6)
    extent = (low[0], high[0], low[1], high[1])
    return ax.imshow(picture, extent=extent, origin="lower", aspect="auto", interpolation="bilinear", zorder=0)


def draw_centroids(ax: Any, points: np.ndarray, names: Any) -> Any:
    """Mark centroids (k, 2) and number them, as long as there is room for numbers."""
    numbered = len(points) <= _MOST_NUMBERED
    look = {"s": 130, "linewidths": 1.4} if numbered else {"s": 22, "linewidths": 0.8}
    marks = ax.scatter(points[:, 0], points[:, 1], c="white", edgecolors="black", zorder=4, marker="o", **look)
    if numbered:
        for point, name in zip(points, names):
            ax.annotate(str(name), point, ha="center", va="center", fontsize=7.5, color="black", zorder=5)
    return marks
