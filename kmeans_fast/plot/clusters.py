"""The picture of clusters: rows by label, centroids, and which of them is nearest where."""

from __future__ import annotations  # signatures in `help` read as they are written here

from typing import Any

from ..arrays import to_host
from ..messages import counted
from ..metrics.inputs import numbers_of
from .plane import beyond, coded, draw_centroids, draw_regions, draw_rows, limits_of, plane_of, predicted, rows_of
from .style import PALETTE, axes_or_new, bare, colours, legend, plain


class ClustersDisplay:
    """Rows in a plane, coloured by cluster, with the centroids.

    Rows of two features are shown as they are, with the regions in which each centroid is the nearest; rows of more
    features by their first two principal components, which can hide that clusters are apart. More than 5,000 rows are
    drawn as density.

    Parameters
    ----------
    X : array (n_samples, n_features)
    labels : array (n_samples,)
        Numbers from 0; or anything else that can be ordered, such as texts: then a legend names the colours.
    centroids : array (n_clusters, n_features), optional
        Those of the labels 0, 1 and so on.
    feature_names : sequence of str, optional
        Of two features.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
    rows_ : matplotlib artist
    centroids_ : matplotlib artist or None
    regions_ : matplotlib artist or None
    """

    def __init__(self, X: Any, labels: Any, centroids: Any = None, feature_names: Any = None):
        self.X, self.labels, self.centroids, self.feature_names = X, labels, centroids, feature_names

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, *, ax: Any = None, regions: bool = True) -> ClustersDisplay:
        """Predict, and plot.

        Parameters
        ----------
        estimator : KMeans
            Fitted; or a pipeline that ends in one: then rows are drawn as its steps before make them.
        X : array-like (n_samples, n_features)
        ax : matplotlib.axes.Axes, optional
        regions : bool
            Whether to colour where each centroid is nearest, of two features.
        """
        return cls(*predicted(estimator, X)).plot(ax, regions=regions)

    @classmethod
    def from_predictions(
        cls, X: Any, labels: Any, centroids: Any = None, *, feature_names: Any = None, ax: Any = None,
        regions: bool = True,
    ) -> ClustersDisplay:  # fmt: skip
        """Plot what is known already; the parameters are those of the class and of `plot`."""
        return cls(X, labels, centroids, feature_names).plot(ax, regions=regions)

    def plot(self, ax: Any = None, *, regions: bool = True) -> ClustersDisplay:
        """Draw it on the axes, or on those of a new figure. Returns this display."""
        self.ax_ = axes_or_new(ax, figsize=(7.5, 5.5))
        self.figure_, self.regions_, self.centroids_ = self.ax_.figure, None, None
        X, names = rows_of(self.X, self.feature_names)
        centroids = None if self.centroids is None else to_host(self.centroids)
        plane = plane_of(X, names)
        points = plane.projected(X)
        if centroids is None:
            labels, called = coded(self.labels)
        else:
            labels, called = numbers_of(self.labels, len(X), len(centroids)), list(range(len(centroids)))
        k = len(called)
        if len(labels) != len(points):
            raise ValueError(f"X and labels must have the same number of rows, got {len(points)} and {len(labels)}.")
        palette, limits = colours(k), limits_of(points)
        if regions and X.shape[1] == 2 and centroids is not None:
            self.regions_ = draw_regions(self.ax_, centroids, palette, limits)
        self.rows_ = draw_rows(self.ax_, points, labels, palette, limits)
        if centroids is not None:
            self.centroids_ = draw_centroids(self.ax_, plane.projected(centroids), range(k))
        elif called != list(range(k)) and k <= len(PALETTE):
            legend(self.ax_, palette, [plain(name) for name in called])
        left_out = beyond(points, limits)
        title = f"{counted(len(X), 'row')} in {counted(k, 'cluster')}"
        title += f", {left_out:,} of them far outside" if left_out else ""
        self.ax_.set_title(title)
        plane.name_axes(self.ax_)
        bare(self.ax_)
        return self
