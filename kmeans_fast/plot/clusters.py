"""The picture of clusters: rows by label, centroids, and which of them is nearest where."""

from __future__ import annotations  # signatures in `help` read as they are written here

from typing import Any

import numpy as np

from ..arrays import to_host
from ..functional import assign
from ..messages import counted
from .plane import beyond, draw_centroids, draw_regions, draw_rows, limits_of, plane_of
from .style import axes_or_new, bare, colours


class ClustersDisplay:
    """Rows in a plane, coloured by cluster, with the centroids.

    Rows of two features are shown as they are, with the regions in which each centroid is the nearest; rows of more
    features by their first two principal components, which can hide that clusters are apart. More than 5,000 rows are
    drawn as density.

    Parameters
    ----------
    X : array (n_samples, n_features)
    labels : array (n_samples,), int
        From 0.
    centroids : array (n_clusters, n_features), optional
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
            Fitted.
        X : array-like (n_samples, n_features)
        ax : matplotlib.axes.Axes, optional
        regions : bool
            Whether to colour where each centroid is nearest, of two features.
        """
        labels, centroids = to_host(estimator.predict(X)), to_host(estimator.cluster_centers_)
        names = getattr(estimator, "feature_names_in_", None)
        return cls(to_host(X), labels, centroids, names).plot(ax, regions=regions)

    @classmethod
    def from_predictions(
        cls, X: Any, labels: Any, centroids: Any = None, *, feature_names: Any = None, ax: Any = None,
        regions: bool = True,
    ) -> ClustersDisplay:  # fmt: skip
        """Plot what is known already; the parameters are those of the class and of `plot`."""
        centroids = None if centroids is None else to_host(centroids)
        return cls(to_host(X), to_host(labels), centroids, feature_names).plot(ax, regions=regions)

    def plot(self, ax: Any = None, *, regions: bool = True) -> ClustersDisplay:
        """Draw it on the axes, or on those of a new figure. Returns this display."""
        self.ax_ = axes_or_new(ax, figsize=(7.5, 5.5))
        self.figure_, self.regions_, self.centroids_ = self.ax_.figure, None, None
        plane = plane_of(self.X, self.feature_names)
        points = plane.projected(self.X)
        k = int(self.labels.max()) + 1 if self.centroids is None else len(self.centroids)
        palette, limits = colours(k), limits_of(points)
        if regions and self.X.shape[1] == 2 and self.centroids is not None:
            self.regions_ = draw_regions(self.ax_, self._nearest, palette, limits)
        self.rows_ = draw_rows(self.ax_, points, self.labels, palette, limits)
        if self.centroids is not None:
            self.centroids_ = draw_centroids(self.ax_, plane.projected(self.centroids), range(k))
        left_out = beyond(points, limits)
        title = f"{counted(len(self.X), 'row')} in {counted(k, 'cluster')}"
        title += f", {left_out:,} of them far outside" if left_out else ""
        self.ax_.set(title=title, xlabel=plane.names[0], ylabel=plane.names[1])
        bare(self.ax_)
        return self

    def _nearest(self, points):
        return assign(points.astype(self.centroids.dtype), np.ascontiguousarray(self.centroids), device="cpu")[0]
