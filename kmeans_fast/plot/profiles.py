"""The picture of what clusters are: which features set each apart, and how large it is."""

from __future__ import annotations  # signatures in `help` read as they are written here

from typing import Any

import numpy as np

from ..arrays import to_host
from ..messages import counted
from ..metrics.profiles import ClusterProfiles, cluster_profiles
from .style import CHOSEN, CURVE, axes_or_new, colours, named, percent, plain

_MOST_FEATURES = 30  # that are shown
_MOST_WRITTEN = 12  # clusters up to which means are written
_MOST_NAMED = 40  # clusters up to which their names are
_FULL = 2.0  # the effect from which a colour is full
_MARKS = {-2.0: "\u22122 or less", -0.8: "\u22120.8", 0.0: "0: like the others", 0.8: "0.8", 2.0: "2 or more"}


class ProfilesDisplay:
    """Clusters in columns, features in rows: what is higher or lower in a cluster than in all other rows.

    Colours are effect sizes, which are alike for features of any unit: 0.8 is called large, and from 2 on a colour is
    full. Numbers are the means of the features in the units of the rows. Features come in the order of their largest
    effect, 30 at most. Above each cluster stands its share of the rows.

    Parameters
    ----------
    profiles : ClusterProfiles
        What `kmeans_fast.metrics.cluster_profiles` returned.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
    image_ : matplotlib.image.AxesImage
    features_ : list of int
        The features that are shown, from above.

    Examples
    --------
    >>> from kmeans_fast import KMeans
    >>> from kmeans_fast.datasets import make_blobs
    >>> from kmeans_fast.plot import ProfilesDisplay
    >>> X, _ = make_blobs(900, 5, centers=4, random_state=0)
    >>> display = ProfilesDisplay.from_estimator(KMeans(4, random_state=0).fit(X), X)  # doctest: +SKIP
    """

    def __init__(self, profiles: ClusterProfiles):
        self.profiles = profiles

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, *, feature_names: Any = None, ax: Any = None) -> ProfilesDisplay:
        """Predict, describe the clusters, and plot.

        Parameters
        ----------
        estimator : KMeans
            Fitted; or a pipeline that ends in one: then means are in the units of X, as it is given to the pipeline.
        X : array-like (n_samples, n_features)
        feature_names : sequence of str, optional
            By default those that the estimator was fitted with.
        ax : matplotlib.axes.Axes, optional
        """
        names = getattr(estimator, "feature_names_in_", None) if feature_names is None else feature_names
        return cls.from_predictions(X, estimator.predict(X), feature_names=names, ax=ax)

    @classmethod
    def from_predictions(cls, X: Any, labels: Any, *, feature_names: Any = None, ax: Any = None) -> ProfilesDisplay:
        """Describe the clusters that labels make, and plot; X and labels are as for `cluster_profiles`."""
        return cls(cluster_profiles(X, to_host(labels), feature_names)).plot(ax)

    def plot(self, ax: Any = None) -> ProfilesDisplay:
        """Draw it on the axes, or on those of a new figure. Returns this display."""
        from matplotlib.colors import LinearSegmentedColormap

        found = self.profiles
        k, d = found.effects.shape
        strongest = np.abs(found.effects).max(axis=0)
        self.features_ = np.argsort(-strongest, kind="stable")[:_MOST_FEATURES].tolist()
        shown, written = len(self.features_), k <= _MOST_WRITTEN
        labels, texts = zip(*(_row(found, j) for j in self.features_))
        names = [plain(name) for name in found.clusters]
        across = 0.8 if written else 0.5
        width = min(15.0, 2.6 + 0.08 * max(map(len, labels)) + across * max(k, 3))
        self.ax_ = axes_or_new(ax, figsize=(width, max(3.4, 2.4 + 0.32 * shown)))
        self.figure_ = self.ax_.figure
        of_effects = LinearSegmentedColormap.from_list("effects", [CURVE, self.ax_.get_facecolor(), CHOSEN])
        effects = found.effects[:, self.features_].T
        self.image_ = self.ax_.imshow(effects, of_effects, vmin=-_FULL, vmax=_FULL, aspect="auto")
        if written:
            for (i, c), effect in np.ndenumerate(effects):
                red, green, blue, _ = of_effects(self.image_.norm(effect))
                colour = "white" if 0.3 * red + 0.6 * green + 0.1 * blue < 0.5 else "black"
                self.ax_.text(c, i, texts[i][c], ha="center", va="center", fontsize=8.5, color=colour)
        bar = self.figure_.colorbar(self.image_, ax=self.ax_, ticks=list(_MARKS), pad=0.02, aspect=30)
        bar.ax.set_yticklabels(_MARKS.values())
        bar.set_label("lower \u2190 effect size \u2192 higher", fontsize="small")
        bar.ax.tick_params(labelsize="small")
        bar.outline.set_visible(False)
        room = 0.16 * shown + 0.9  # above the table, in rows
        heights = found.shares / found.shares.max() * room * 0.62
        self.ax_.bar(range(k), -heights, 0.7, -0.62, color=colours(k))
        if k <= _MOST_NAMED:
            for c in range(k):
                self.ax_.annotate(
                    percent(found.shares[c]), (c, -0.62 - heights[c]), xytext=(0, 2), textcoords="offset points",
                    ha="center", fontsize=9 if written else 7,
                )  # fmt: skip
        named(self.ax_.xaxis, names, _MOST_NAMED)
        self.ax_.set_yticks(range(shown), labels)
        self.ax_.set(xlim=(-0.5, k - 0.5), ylim=(shown - 0.5, -0.62 - room), xlabel="cluster")
        self.ax_.tick_params(length=0)
        self.ax_.spines[:].set_visible(False)
        of = f"the {shown} of {d} features that set apart most" if shown < d else counted(d, "feature")
        self.ax_.set_title(f"What sets {counted(k, 'cluster')} apart: {of}")
        return self


def _row(profiles, j):
    """The name of a feature, and its means as text. Where these differ little, they are written from their mean on."""
    means = profiles.means[:, j]
    name = plain(profiles.feature_names[j])
    middle = float(np.dot(profiles.shares, means))
    reach = float(np.abs(means - middle).max())
    if reach > 0 and abs(middle) > 1e4 * reach:
        return f"{name}, from {middle:.6g} on", [_minus(f"{mean - middle:+.3g}") for mean in means]
    return name, [_short(mean) for mean in means]


def _short(value):
    """Three digits, thousands and millions by their letter."""
    for unit, letter, least in ((1e6, "M", 999_500), (1e3, "k", 9995)):
        if least <= abs(value) < 999.5 * unit:
            return _minus(f"{value / unit:.3g}{letter}")
    return _minus(f"{value:.0f}" if 999.5 <= abs(value) < 9995 else f"{value:.3g}")


def _minus(text):
    return text.replace("-", "\u2212") if text.startswith("-") else text
