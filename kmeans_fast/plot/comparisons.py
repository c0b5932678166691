"""Pictures of clusters beside known classes."""

from __future__ import annotations  # signatures in `help` read as they are written here

from typing import Any

import numpy as np

from ..arrays import to_host
from ..metrics.comparison import UNMATCHED, LabelComparison, compare_labels
from .plane import draw_centroids, draw_rows, limits_of, plane_of, predicted, rows_of
from .style import CHOSEN, PALETTE, RIGHT, WRONG, axes_or_new, bare, colours, legend, named, percent, plain, pyplot

_NO_CLASS = (0.6, 0.6, 0.6)  # of rows whose cluster stands for no class
_WRITTEN = 20  # classes or clusters up to which numbers are written
_SHARED = 8  # and shares beneath them


class LabelComparisonDisplay:
    """Rows by their known class, by the class that their cluster stands for, and which are right.

    Classes and the clusters that stand for them have one colour. Where rows are drawn as density, the third picture
    mixes the colours of right and wrong by their shares.

    Parameters
    ----------
    X : array (n_samples, n_features)
    comparison : LabelComparison
        What `kmeans_fast.metrics.compare_labels` returned for these rows.
    centroids : array (n_clusters, n_features), optional
        Those of the labels 0, 1 and so on, which they are numbered by.
    feature_names : sequence of str, optional
        Of two features.

    Attributes
    ----------
    axes_ : array of matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
    """

    def __init__(self, X: Any, comparison: LabelComparison, centroids: Any = None, feature_names: Any = None):
        self.X, self.comparison, self.centroids, self.feature_names = X, comparison, centroids, feature_names

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, y_true: Any, *, ax: Any = None) -> LabelComparisonDisplay:
        """Predict, compare, and plot; `ax` is a sequence of three axes."""
        rows, labels, centroids, names = predicted(estimator, X)
        return cls(rows, compare_labels(y_true, labels), centroids, names).plot(ax)

    @classmethod
    def from_predictions(
        cls, X: Any, y_true: Any, labels: Any, centroids: Any = None, *, feature_names: Any = None, ax: Any = None
    ) -> LabelComparisonDisplay:
        """Compare, and plot; `ax` is a sequence of three axes."""
        return cls(X, compare_labels(y_true, labels), centroids, feature_names).plot(ax)

    def plot(self, ax: Any = None) -> LabelComparisonDisplay:
        """Draw it on three axes, or on those of a new figure. Returns this display."""
        found = self.comparison
        if ax is None:
            ax = pyplot().subplots(1, 3, figsize=(15, 5.2), layout="constrained", sharex=True, sharey=True)[1]
        self.axes_ = np.asarray(ax, dtype=object).ravel()
        if len(self.axes_) != 3:
            raise ValueError(f"ax must be a sequence of 3 axes, got {len(self.axes_)}.")
        self.figure_ = self.axes_[0].figure
        X, names = rows_of(self.X, self.feature_names)
        if len(X) != len(found.right):
            raise ValueError(f"X must have the rows that were compared, {len(found.right)}, got {len(X)}.")
        plane = plane_of(X, names)
        points = plane.projected(X)
        limits, count = limits_of(points), len(found.classes)
        palette, verdict = np.vstack([colours(count), _NO_CLASS]), np.array([RIGHT, WRONG])
        right, unmatched = int(found.right.sum()), bool((found.predicted == UNMATCHED).any())
        by_class = np.where(found.predicted == UNMATCHED, count, found.predicted)
        panels = (
            (found.true, palette, "known classes", False),
            (by_class, palette, "clusters, in the colour of their class", False),
            (
                (~found.right).astype(np.int32),
                verdict,
                f"{right:,} of {len(X):,} right ({found.accuracy:.1%})",
                True,
            ),
        )
        for panel, (labels, of_labels, title, mixed) in zip(self.axes_, panels):
            draw_rows(panel, points, labels, of_labels, limits, mixed=mixed)
            panel.set_title(title)
            plane.name_axes(panel)
            bare(panel)
        for panel in self.axes_[1:]:
            panel.set_ylabel("")
        if self.centroids is not None:
            centroids = to_host(self.centroids)
            draw_centroids(self.axes_[1], plane.projected(centroids), range(len(centroids)))
        if count <= len(PALETTE):
            legend(self.axes_[0], palette[:count], [plain(name) for name in found.classes])
        if unmatched:
            legend(self.axes_[1], [_NO_CLASS], ["clusters of no class"])
        legend(self.axes_[2], verdict, ["right", "wrong"])
        return self


class ConfusionDisplay:
    """The confusion matrix in matched order: classes down, clusters across. Shares are of the rows of a class.

    What counts as right, the cluster that stands for the class, has a border.

    Parameters
    ----------
    comparison : LabelComparison

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
    """

    def __init__(self, comparison: LabelComparison):
        self.comparison = comparison

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, y_true: Any, *, ax: Any = None) -> ConfusionDisplay:
        """Predict, compare, and plot."""
        return cls.from_predictions(y_true, to_host(estimator.predict(X)), ax=ax)

    @classmethod
    def from_predictions(cls, y_true: Any, labels: Any, *, ax: Any = None) -> ConfusionDisplay:
        """Compare, and plot."""
        return cls(compare_labels(y_true, labels)).plot(ax)

    def plot(self, ax: Any = None) -> ConfusionDisplay:
        """Draw it on the axes, or on those of a new figure. Returns this display."""
        from matplotlib.patches import Rectangle

        found = self.comparison
        down, across = found.confusion.shape
        classes, clusters = ([plain(name) for name in names] for names in (found.classes, found.clusters))
        most = max(down, across)
        cell = 0.2 + 0.085 * len(f"{found.confusion.max():,}"), 0.5 if most <= _SHARED else 0.36
        size = (max(4.2, 1.8 + 0.08 * max(map(len, classes)) + cell[0] * across), max(2.6, 1.5 + cell[1] * down))
        self.ax_ = axes_or_new(ax, figsize=size if most <= _WRITTEN else (7.5, 6.5))
        self.figure_ = self.ax_.figure
        shares = found.confusion / found.support[:, None]
        self.ax_.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for j, i in enumerate(found.matching):
            if i != UNMATCHED and most <= _WRITTEN:
                corner = (j - 0.47, i - 0.46)
                self.ax_.add_patch(Rectangle(corner, 0.94, 0.92, fill=False, edgecolor=CHOSEN, linewidth=2.5))
        if most <= _WRITTEN:
            for i, j in zip(*np.nonzero(found.confusion)):
                text = f"{found.confusion[i, j]:,}" + (f"\n{percent(shares[i, j])}" if most <= _SHARED else "")
                colour = "white" if shares[i, j] > 0.55 else "black"
                self.ax_.text(j, i, text, ha="center", va="center", fontsize=9 if most <= _SHARED else 8, color=colour)
        named(self.ax_.xaxis, clusters, _WRITTEN)
        named(self.ax_.yaxis, classes, _WRITTEN)
        self.ax_.set(xlabel="cluster", ylabel="class", title=f"accuracy {found.accuracy:.1%}")
        return self
