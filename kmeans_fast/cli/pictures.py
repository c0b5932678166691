"""The demo's pictures, 16:9 or wider, for a screen or a slide. Drawn without pyplot, so that nothing global changes."""

from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .. import assign
from ..whole_files import WholeFiles
from .tables import duration

_INK, _SOFT, _OURS, _THEIRS = "#22262b", "#8a929c", "#0b6fb8", "#c9ced4"
_BLOBS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")  # Okabe and Ito: told apart by all eyes
_STYLE: Any = {  # of rcParams
    "text.color": _INK,
    "axes.edgecolor": _SOFT,
    "axes.labelcolor": _INK,
    "axes.labelsize": 12,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 14,
    "legend.frameon": False,
    "legend.fontsize": 12,
    "ytick.labelsize": 12,
}


def _figure(height, title, subtitle):
    figure = Figure(figsize=(16, height), dpi=160, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.2, h_pad=0.2, rect=(0.01, 0, 0.98, 1 - 1.1 / height))
    figure.text(0.03, 1 - 0.45 / height, title, fontsize=19, fontweight="bold", va="center")
    figure.text(0.03, 1 - 0.85 / height, subtitle, fontsize=12, color=_SOFT, va="center")
    return figure


def _save(figure, path):
    with WholeFiles() as files:
        figure.savefig(files.open(path), format="png")
    return path


@rc_context(_STYLE)
def photograph(path, name, original, results):
    """The `original` and its `results`, each a `Quantised`, side by side, their palettes beneath; returns `path`."""
    rows, columns = original.shape[:2]
    panels = 1 + len(results)
    colours = len(np.unique(original.reshape(-1, 3), axis=0))
    subtitle = f"{rows * columns:,} pixels clustered by colour; the palette is the centroids"
    figure = _figure(2.7 + 15 / panels * rows / columns, name, subtitle)
    above, below = figure.subplots(2, panels, height_ratios=(rows, 0.08 * rows))
    captions = (f"{len(result.palette)} colours, {duration(result.seconds)}" for result in results)
    pictures = (original, *(result.picture for result in results))
    for axes, picture, caption in zip(above, pictures, (f"original, {colours:,} colours", *captions), strict=True):
        axes.imshow(picture)
        axes.set_title(caption)
        axes.set_axis_off()
    for axes, result in zip(below, (None, *results), strict=True):
        axes.set(xlim=(0, 1), xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        if result is not None:
            # Every colour has the width of its share, but enough to be seen.
            widths = np.maximum(result.shares, 0.35 / len(result.shares))
            edges = np.concatenate([[0.0], np.cumsum(widths / widths.sum())])
            axes.barh(0, np.diff(edges), 1, edges[:-1], color=result.palette / 255)
            axes.set(ylim=(-0.5, 0.5))
            axes.set_xlabel(f"palette by share of pixels; rms error {result.error:.1f} of 255", loc="left")
    return _save(figure, path)


@rc_context(_STYLE)
def tutorial(path, result):
    """True blobs, clusters found, elbow, convergence: draws a `kmeans_fast.cli.blobs.Tutorial`, returns `path`."""
    rows = f"fitted on {len(result.train):,} rows, shown on {len(result.test):,} others"
    likeness = f"adjusted Rand index {result.rand:.3f}, {result.accuracy:.1%} labelled like the truth"
    figure = _figure(9, "Blobs found again", f"{rows}: {likeness}")
    panels = figure.subplot_mosaic([["true", "found", "elbow"], ["true", "found", "runs"]], width_ratios=(4, 4, 3))
    low, high = result.test.min(axis=0) - 0.2, result.test.max(axis=0) + 0.2
    for name, labels, title in (("true", result.true, "true blobs"), ("found", result.found, "clusters found")):
        axes = panels[name]
        axes.scatter(*result.test.T, s=9, c=np.array(_BLOBS)[labels], alpha=0.75, lw=0)
        axes.set(title=title, xlim=(low[0], high[0]), ylim=(low[1], high[1]), xticks=[], yticks=[], aspect="equal")
    _regions(axes, result.centroids, low, high)
    missed = result.test[result.found != result.true]
    axes.scatter(*missed.T, s=42, facecolors="none", edgecolors=_INK, lw=0.9, label="not as in the truth")
    axes.scatter(*result.centroids.T, s=260, marker="X", c="white", edgecolors=_INK, lw=1.6, label="centroids")
    axes.legend(loc="upper left", bbox_to_anchor=(0, 0), ncols=2)

    elbow, runs, chosen = panels["elbow"], panels["runs"], len(result.centroids)
    elbow.set(title="the elbow", xlabel="clusters", ylabel="inertia")
    elbow.plot(range(1, len(result.elbow) + 1), result.elbow, "o-", color=_OURS, lw=2)
    elbow.plot([chosen], [result.elbow[chosen - 1]], "o", ms=13, mfc="none", mec=_BLOBS[5], mew=2)
    elbow.annotate(f"k = {chosen}", (chosen, result.elbow[chosen - 1]), (10, 12), textcoords="offset points")
    elbow.set_ylim(0)
    runs.set(title=f"{len(result.runs)} random starts, the best in blue", xlabel="iteration", ylabel="inertia")
    best = min(result.runs, key=lambda inertias: inertias[-1])
    for inertias in sorted(result.runs, key=lambda inertias: inertias is best):  # the best is drawn last
        colour, width = (_OURS, 2.6) if inertias is best else (_THEIRS, 1.4)
        runs.semilogy(range(1, len(inertias) + 1), inertias, "o-", color=colour, lw=width, ms=width * 1.5)
    for axes in (elbow, runs):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return _save(figure, path)


def _regions(axes, centroids, low, high):
    """The plane in the pale colours of its nearest centroids."""
    grid = np.stack(np.meshgrid(*(np.linspace(a, b, 500) for a, b in zip(low, high, strict=True))), axis=-1)
    labels = assign(grid.reshape(-1, 2), centroids)[0].reshape(grid.shape[:2])
    extent = (low[0], high[0], low[1], high[1])
    axes.imshow(labels, ListedColormap(_BLOBS), alpha=0.16, vmin=0, vmax=len(_BLOBS) - 1, origin="lower", extent=extent)


@rc_context(_STYLE)
def race(path, heats):
    """Times beside scikit-learn's, two bars a heat: draws `kmeans_fast.cli.race.Heat`s to `path`, which it returns."""
    what = "bars show time on this machine, scikit-learn's always as the same length; shorter is better"
    figure = _figure(9, "Beside scikit-learn", what)
    panels = (
        (f"{heats[0].same.our_iterations} iterations of Lloyd's algorithm from the same rows", [h.same for h in heats]),
        ("a whole fit: own k-means++ seeds, then iterations until convergence", [h.whole for h in heats]),
    )
    places = np.arange(len(heats))
    names = ["{}\n{:,} x {}, k = {}".format(heat.name, *heat.shape) for heat in heats]
    for axes, (title, times) in zip(figure.subplots(1, 2, sharex=True, sharey=True), panels, strict=True):
        theirs = axes.barh(places - 0.19, 1, 0.36, color=_THEIRS, label="scikit-learn")
        ours = axes.barh(places + 0.19, [1 / each.ratio for each in times], 0.36, color=_OURS, label="kmeans_fast")
        axes.bar_label(theirs, [duration(each.theirs) for each in times], padding=7, fontsize=13)
        told = [f"{duration(each.ours)}:  {each.ratio:.1f}x as fast" for each in times]
        axes.bar_label(ours, told, padding=7, fontsize=13, fontweight="bold")
        axes.set_title(title)
        axes.set(ylim=(len(heats) - 0.5, -0.5), xticks=[])
        axes.set_yticks(places, names)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(length=0)
    longest = max(1 / each.ratio for _, times in panels for each in times)
    axes.set_xlim(0, max(1.16, longest / 0.6))  # the rest is for the words behind the bars
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return _save(figure, path)
