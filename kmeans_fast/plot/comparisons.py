"""Pictures of clusters beside known classes."""

from __future__ import annotations  # signatures in `help` read as they are written here

from typing import Any

import numpy as np

from ..arrays import to_host
from ..metrics.comparison import UNMATCHED, LabelComparison, compare_labels
from .plane import draw_rows, limits_of, plane_of
from .style import OKABE_ITO, RIGHT, WRONG, axes_or_new, bare, colours, plain, pyplot

_NO_CLASS = (0.6, 0.6, 0.6)  # of rows whose cluster stands for no class


class LabelComparisonDisplay:
    """Rows by their known class, by the class that their cluster stands for, and which are right.

    Classes and the clusters that stand for them have one colour.

    Parameters
    ----------
    X : array (n_samples, n_features)
    comparison : LabelComparison
        What `kmeans_fast.metrics.compare_labels` returned for these rows.

    Attributes
    ----------
    axes_ : array of matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
    """

    def __init__(self, X: Any, comparison: LabelComparison):
        self.X, self.comparison = X, comparison

    @classmethod
    def from_predictions(cls, X: Any, y_true: Any, labels: Any, *, ax: Any = None) -> LabelComparisonDisplay:
        """Compare, and plot; `ax` is a sequence of three axes."""
        return cls(to_host(X), compare_labels(y_true, labels)).plot(ax)

    def plot(self, ax: Any = None) -> LabelComparisonDisplay:
        """Draw it on three axes, or on those of a new figure. Returns this display."""
        found = self.comparison
        if ax is None:
            ax = pyplot().subplots(1, 3, figsize=(15, 4.6), layout="constrained", sharex=True, sharey=True)[1]
        self.axes_ = np.asarray(ax, dtype=object).ravel()
        if len(self.axes_) != 3:
            raise ValueError(f"ax must be a sequence of 3 axes, got {len(self.axes_)}.")
        self.figure_ = self.axes_[0].figure
        plane = plane_of(self.X)
        points = plane.projected(self.X)
        limits, count = limits_of(points), len(found.classes)
        palette, verdict = np.vstack([colours(count), _NO_CLASS]), np.array([WRONG, RIGHT])
        right = int(found.right.sum())
        panels = (
            (found.true, palette, "known classes"),
            (np.where(found.predicted == UNMATCHED, count, found.predicted), palette, "clusters, by their class"),
            (found.right.astype(np.int32), verdict, f"{right:,} of {len(self.X):,} right ({found.accuracy:.1%})"),
        )
        for panel, (labels, of_labels, title) in zip(self.axes_, panels):
            draw_rows(panel, points, labels, of_labels, limits)
            panel.set(title=title, xlabel=plane.names[0])
            bare(panel)
        self.axes_[0].set_ylabel(plane.names[1])
        names = [plain(name) for name in found.classes]
        if count <= len(OKABE_ITO):
            _legend(self.axes_[0], palette[:count], names)
        _legend(self.axes_[2], verdict[::-1], ["right", "wrong"])
        return self


class ConfusionDisplay:
    """The confusion matrix in matched order: classes down, clusters across. Shares are of the rows of a class.

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
    def from_predictions(cls, y_true: Any, labels: Any, *, ax: Any = None) -> ConfusionDisplay:
        """Compare, and plot."""
        return cls(compare_labels(y_true, labels)).plot(ax)

    def plot(self, ax: Any = None) -> ConfusionDisplay:
        """Draw it on the axes, or on those of a new figure. Returns this display."""
        found = self.comparison
        down, across = found.confusion.shape
        size = (1.6 + 0.75 * across, 1.4 + 0.55 * down) if max(down, across) <= 20 else (7.5, 6.5)
        self.ax_ = axes_or_new(ax, figsize=size)
        self.figure_ = self.ax_.figure
        shares = found.confusion / found.support[:, None]
        self.ax_.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        if max(down, across) <= 20:
            for i, j in np.ndindex(down, across):
                if found.confusion[i, j]:
                    colour = "white" if shares[i, j] > 0.55 else "black"
                    text = f"{found.confusion[i, j]:,}"
                    self.ax_.text(j, i, text, ha="center", va="center", fontsize=9, color=colour)
            self.ax_.set_xticks(range(across), [plain(name) for name in found.clusters])
            self.ax_.set_yticks(range(down), [plain(name) for name in found.classes])
        self.ax_.set(xlabel="cluster", ylabel="class", title=f"accuracy {found.accuracy:.1%}")
        return self


def _legend(ax, palette, names):
    from matplotlib.patches import Patch

    handles = [Patch(color=colour, label=name) for colour, name in zip(palette, names)]
    ax.legend(handles=handles, loc="best", fontsize="small", framealpha=0.7)
