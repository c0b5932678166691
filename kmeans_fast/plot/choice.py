"""The picture of a choice of the number of clusters."""

from __future__ import annotations  # signatures in `help` read as they are written here

from typing import Any

import numpy as np

from ..choosing_k import KChoice, choose_k
from ..choosing_k.criteria import STABLE
from ..messages import counted
from .style import BESIDE, CHOSEN, CURVE, bare, counts, pyplot

# Column of the table, title, scale of the axis, criterion whose vote is marked.
_PANELS = (
    ("inertia", "Inertia: the elbow", "log", "elbow"),
    ("silhouette", "Silhouette: largest", "linear", "silhouette"),
    ("calinski_harabasz", "Calinski-Harabasz: largest", "linear", "calinski_harabasz"),
    ("stability", f"Stability: last from {STABLE:g}", "linear", "stability"),
)


class KChoiceDisplay:
    """Criteria by number of clusters, what each is for, and what is recommended.

    Parameters
    ----------
    choice : KChoice
        What `kmeans_fast.choose_k` returned.

    Attributes
    ----------
    axes_ : array of matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
    lines_ : list of matplotlib.lines.Line2D
        A curve for each of the axes.

    Examples
    --------
    >>> from kmeans_fast import choose_k
    >>> from kmeans_fast.datasets import make_blobs
    >>> from kmeans_fast.plot import KChoiceDisplay
    >>> choice = choose_k(make_blobs(900, centers=4, random_state=0)[0], range(2, 9), seed=0)
    >>> display = KChoiceDisplay(choice).plot()  # doctest: +SKIP
    """

    def __init__(self, choice: KChoice):
        self.choice = choice

    @classmethod
    def from_data(cls, X: Any, k: Any = range(2, 21), *, ax: Any = None, **options: Any) -> KChoiceDisplay:
        """Choose, and plot.

        Parameters
        ----------
        X, k, **options
            As for `kmeans_fast.choose_k`.
        ax : sequence of four matplotlib.axes.Axes, optional
        """
        return cls(choose_k(X, k, **options)).plot(ax)

    def plot(self, ax: Any = None) -> KChoiceDisplay:
        """Draw it.

        Parameters
        ----------
        ax : sequence of four matplotlib.axes.Axes, optional
            By default a figure is made.

        Returns
        -------
        KChoiceDisplay
            This one.
        """
        from matplotlib.ticker import LogFormatter

        choice, table = self.choice, self.choice.table
        if ax is None:
            said = f"{counted(choice.n_clusters, 'cluster')} ({choice.confidence})"
            figure, ax = pyplot().subplots(
                1, len(_PANELS), figsize=(14, 3.6), layout="constrained", gridspec_kw={"wspace": 0.08}
            )
            figure.suptitle(said, x=0.01, ha="left", fontweight="bold")
        self.axes_ = np.asarray(ax, dtype=object).ravel()
        if len(self.axes_) != len(_PANELS):
            raise ValueError(f"ax must be a sequence of {len(_PANELS)} axes, got {len(self.axes_)}.")
        self.figure_, self.lines_ = self.axes_[0].figure, []
        for panel, (column, title, scale, criterion) in zip(self.axes_, _PANELS):
            values, vote = table[column], choice.votes[criterion]
            positive = scale == "log" and bool(np.all(values > 0))
            panel.set(title=title, xlabel="number of clusters k", yscale="log" if positive else "linear")
            panel.title.set(fontsize="medium", ha="left", x=0)
            if positive:
                for formatted in (panel.yaxis.set_major_formatter, panel.yaxis.set_minor_formatter):
                    formatted(LogFormatter(minor_thresholds=(1.5, 0.5)))  # numbers, not powers
            panel.axvline(choice.n_clusters, color=CHOSEN, alpha=0.25, linewidth=7, zorder=0)
            self.lines_ += panel.plot(table["k"], values, marker="o", markersize=4, color=CURVE, zorder=2)
            if column == "stability":
                panel.axhline(STABLE, color=BESIDE, linewidth=0.8, linestyle="--", zorder=1)
            if vote is not None:
                at = values[table["k"] == vote]
                panel.plot([vote], at, marker="o", markersize=10, markerfacecolor="none", markeredgewidth=2,
                           markeredgecolor=CHOSEN, zorder=3)  # fmt: skip
                panel.annotate(f"k = {vote}", (vote, at[0]), xytext=(7, 6), textcoords="offset points", color=CHOSEN)
            panel.margins(y=0.14)
            counts(panel.xaxis)
            bare(panel)
        return self
