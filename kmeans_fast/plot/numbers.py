"""Pictures of numbers that a clustering comes with: silhouettes, sizes, convergence."""

from __future__ import annotations  # signatures in `help` read as they are written here

from typing import Any

import numpy as np

from ..arrays import to_host
from ..messages import counted
from ..metrics import silhouette_samples
from ..metrics.inputs import values_on_host
from .plane import as_last_step, coded, of_fit
from .style import BESIDE, CHOSEN, axes_or_new, bare, colours, counts, named, percent, plain

_SILHOUETTE_ROWS = 10_000  # that silhouettes are taken of, among themselves


class SilhouetteDisplay:
    """The silhouette of every row, cluster by cluster, largest first: a blade for each, and the mean of all.

    Parameters
    ----------
    silhouettes : array (n_samples,)
    labels : array (n_samples,)
        Numbers from 0, or anything else that can be ordered, such as texts.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
    """

    def __init__(self, silhouettes: Any, labels: Any):
        self.silhouettes, self.labels = silhouettes, labels

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, *, seed: int = 0, ax: Any = None) -> SilhouetteDisplay:
        """Predict, then as `from_predictions`, with rows as the last step of a pipeline sees them."""
        rows, last = as_last_step(estimator, X)
        return cls.from_predictions(rows, last.predict(rows), seed=seed, ax=ax)

    @classmethod
    def from_predictions(cls, X: Any, labels: Any, *, seed: int = 0, ax: Any = None) -> SilhouetteDisplay:
        """As `of_sample`, and plot."""
        return cls.of_sample(X, labels, seed=seed).plot(ax)

    @classmethod
    def of_sample(cls, X: Any, labels: Any, *, seed: int = 0) -> SilhouetteDisplay:
        """Work silhouettes out, of 10,000 rows at most and at least one of each cluster, drawn by `seed`."""
        X, labels = to_host(X), values_on_host(labels, "labels")
        if len(X) > _SILHOUETTE_ROWS:
            drawn = np.random.default_rng(seed).choice(len(X), _SILHOUETTE_ROWS, replace=False)
            rows = np.union1d(drawn, np.unique(labels, return_index=True)[1])
            X, labels = X[rows], labels[rows]
        return cls(silhouette_samples(X, labels), labels)

    def plot(self, ax: Any = None) -> SilhouetteDisplay:
        """Draw it on the axes, or on those of a new figure. Returns this display."""
        self.ax_ = axes_or_new(ax, figsize=(7, 5.5))
        self.figure_ = self.ax_.figure
        silhouettes = to_host(self.silhouettes)
        labels, called = coded(self.labels)
        k = len(called)
        palette, gap, start = colours(k), max(1, len(labels) // (15 * k)), 0
        middles = []
        for cluster in range(k):
            own = np.sort(silhouettes[labels == cluster])
            self.ax_.fill_betweenx(np.arange(start, start + len(own)), 0, own, color=palette[cluster], linewidth=0)
            middles.append(start + len(own) / 2)
            start += len(own) + gap
        mean = float(np.mean(silhouettes))
        self.ax_.axvline(mean, color=CHOSEN, linestyle="--", linewidth=1.2)
        self.ax_.annotate(
            f"mean {mean:.2f}", (mean, 1), xycoords=("data", "axes fraction"), xytext=(5, -12),
            textcoords="offset points", color=CHOSEN,
        )  # fmt: skip
        self.ax_.set(xlabel="silhouette", ylabel="cluster, its rows by silhouette", title=counted(k, "cluster"))
        self.ax_.set_yticks(middles if k <= 30 else [], map(plain, called) if k <= 30 else [])
        bare(self.ax_)
        return self


class ConvergenceDisplay:
    """Inertia by iteration, a line for each run.

    Parameters
    ----------
    history : sequence of Progress
        `history_` of an estimator, or `history` of a result.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
    lines_ : list of matplotlib.lines.Line2D
    """

    def __init__(self, history: Any):
        self.history = history

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> ConvergenceDisplay:
        """Plot how a fitted estimator converged, or the last step of a pipeline."""
        return cls(of_fit(estimator, "history_", "give a fitted kmeans_fast.KMeans")).plot(ax)

    def plot(self, ax: Any = None) -> ConvergenceDisplay:
        """Draw it on the axes, or on those of a new figure. Returns this display."""
        if not len(self.history):
            raise ValueError("history is empty: give history_ of a fitted estimator, or history of a result.")
        self.ax_ = axes_or_new(ax, figsize=(7, 4.2))
        self.figure_, self.lines_ = self.ax_.figure, []
        runs: dict[int, list[float]] = {}
        for one in self.history:
            runs.setdefault(one.run, []).append(one.inertia)
        best = min(runs, key=lambda run: runs[run][-1])
        for run, inertia in runs.items():
            style = {"color": CHOSEN, "linewidth": 2, "zorder": 3} if run == best else {"color": BESIDE, "linewidth": 1}
            steps = range(1, len(inertia) + 1)
            self.lines_ += self.ax_.plot(steps, inertia, marker="o", markersize=3.5, **style)
        several = f"{counted(len(runs), 'run')}, the best one in front, {{}}" if len(runs) > 1 else "{}"
        title = several.format(counted(len(runs[best]), "iteration"))
        self.ax_.set(xlabel="iteration", ylabel="inertia", title=title)
        counts(self.ax_.xaxis)
        bare(self.ax_)
        return self


class SizesDisplay:
    """How many rows each cluster has, the largest first.

    Parameters
    ----------
    labels : array (n_samples,)
        Numbers from 0, or anything else that can be ordered, such as texts.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
    """

    def __init__(self, labels: Any):
        self.labels = labels

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any = None, *, ax: Any = None) -> SizesDisplay:
        """Count the rows of X by their nearest centroid, or those that the estimator was fitted on, and plot."""
        if X is None:
            labels = of_fit(estimator, "labels_", "it may have been saved without them; give X")
        else:
            labels = estimator.predict(X)
        return cls.from_predictions(labels, ax=ax)

    @classmethod
    def from_predictions(cls, labels: Any, *, ax: Any = None) -> SizesDisplay:
        """Count, and plot."""
        return cls(labels).plot(ax)

    def plot(self, ax: Any = None) -> SizesDisplay:
        """Draw it on the axes, or on those of a new figure. Returns this display."""
        labels, called = coded(self.labels)
        sizes = np.bincount(labels)
        order, k = np.argsort(-sizes, kind="stable"), len(sizes)
        self.ax_ = axes_or_new(ax, figsize=(7, 4.2))
        self.figure_ = self.ax_.figure
        self.ax_.bar(range(k), sizes[order], color=colours(k)[order])
        if k <= 40:
            named(self.ax_.xaxis, [plain(called[cluster]) for cluster in order], 40)
        else:
            self.ax_.set_xticks([])
        if k <= 20:
            for place, cluster in enumerate(order):
                share = percent(sizes[cluster] / len(labels))
                self.ax_.annotate(
                    share, (place, sizes[cluster]), xytext=(0, 2), textcoords="offset points", ha="center", fontsize=9
                )
        title = f"{counted(len(labels), 'row')} in {counted(k, 'cluster')}"
        self.ax_.set(xlabel="cluster", ylabel="rows", title=title)
        counts(self.ax_.yaxis)
        bare(self.ax_)
        return self
