"""The demo's pictures, 16:9 or wider, for a screen or a slide. Drawn without pyplot, so that nothing global changes."""

import numpy as np
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from .. import assign
from ..whole_files import WholeFiles
from .tables import duration

_DPI = 160
_INK, _SOFT, _OURS, _THEIRS = "#22262b", "#8a929c", "#0b6fb8", "#c9ced4"
_BLOBS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")  # Okabe and Ito: told apart by all eyes
_MARK = _BLOBS[5]


def _figure(width, height, title, subtitle):
    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    figure.text(0.5 / width, 1 - 0.5 / height, title, fontsize=19, fontweight="bold", color=_INK, va="center")
    figure.text(0.5 / width, 1 - 0.88 / height, subtitle, fontsize=11.5, color=_SOFT, va="center")
    return figure


def _save(figure, path):
    with WholeFiles() as files:
        figure.savefig(files.open(path), format="png")
    return path


def photograph(path, name, original, results):
    """The original and its quantised versions side by side, their palettes beneath.

    Parameters
    ----------
    path : pathlib.Path
    name : str
    original : ndarray (height, width, 3), uint8
    results : list of kmeans_fast.cli.photographs.Quantised

    Returns
    -------
    pathlib.Path
        `path`.
    """
    panels = 1 + len(results)
    rows, columns = original.shape[:2]
    side, gap, top, strip, foot = 0.5, 0.25, 1.6, 0.34, 0.75
    width = 16.0
    each = (width - 2 * side - (panels - 1) * gap) / panels
    tall = each * rows / columns
    height = top + tall + strip + foot
    colours = len(np.unique(original.reshape(-1, 3), axis=0))
    figure = _figure(
        width, height, name, f"{rows * columns:,} pixels clustered by colour; the palette is the centroids"
    )
    captions = [
        f"original, {colours:,} colours",
        *(f"{len(r.palette)} colours, {duration(r.seconds)}" for r in results),
    ]
    for panel, (picture, caption) in enumerate(zip([original, *(r.picture for r in results)], captions, strict=True)):
        left = (side + panel * (each + gap)) / width
        axes = figure.add_axes((left, (strip + foot) / height, each / width, tall / height))
        axes.imshow(picture, interpolation="nearest" if columns < 400 else "antialiased")
        axes.set_axis_off()
        axes.set_title(caption, fontsize=14, color=_INK, loc="left", pad=8)
        if panel:
            below = figure.add_axes((left, (foot - 0.1) / height, each / width, strip / height))
            _palette(below, results[panel - 1])
            note = f"palette by share of pixels; rms error {results[panel - 1].error:.1f} of 255"
            figure.text(left, 0.38 / height, note, fontsize=10.5, color=_SOFT, va="center")
    return _save(figure, path)


def _palette(axes, result):
    """A strip in which every colour has the width of its share, but enough to be seen."""
    widths = np.maximum(result.shares, 0.35 / len(result.shares))
    edges = np.concatenate([[0.0], np.cumsum(widths / widths.sum())])
    for start, end, colour in zip(edges[:-1], edges[1:], result.palette / 255, strict=True):
        axes.axvspan(start, end, color=colour, lw=0)
    axes.set_xlim(0, 1)
    axes.set_axis_off()


def tutorial(path, result):
    """True blobs, clusters found, elbow, convergence: draws a `kmeans_fast.cli.blobs.Tutorial`, returns `path`."""
    figure = _figure(
        16,
        9,
        "Blobs found again",
        f"fitted on {len(result.train):,} rows, shown on {len(result.test):,} others: adjusted Rand index "
        f"{result.rand:.3f}, {result.accuracy:.1%} labelled like the truth",
    )
    low, high = _limits(result.test, aspect=(0.74 * 9) / (0.315 * 16))
    for left, labels, title in ((0.035, result.true, "true blobs"), (0.37, result.found, "clusters found")):
        axes = figure.add_axes((left, 0.06, 0.315, 0.74))
        axes.set_title(title, fontsize=14, color=_INK, loc="left")
        if labels is result.found:
            _regions(axes, result.centroids, low, high)
        axes.scatter(*result.test.T, s=9, c=np.array(_BLOBS)[labels], alpha=0.75, lw=0)
        if labels is result.found:
            missed = result.test[result.found != result.true]
            axes.scatter(*missed.T, s=42, facecolors="none", edgecolors=_INK, lw=0.9, label="not as in the truth")
            axes.scatter(*result.centroids.T, s=260, marker="X", c="white", edgecolors=_INK, lw=1.6, label="centroids")
            axes.legend(loc="lower left", bbox_to_anchor=(0, -0.075), ncols=2, frameon=False, fontsize=10.5)
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xticks=[], yticks=[])
        axes.spines[:].set_color("#d9dde1")
    axes = _chart(figure, 0.51, "the elbow", "clusters")
    chosen = len(result.centroids)
    axes.plot(range(1, len(result.elbow) + 1), result.elbow, "o-", color=_OURS, ms=4.5, lw=2)
    axes.plot([chosen], [result.elbow[chosen - 1]], "o", ms=13, mfc="none", mec=_MARK, mew=2)
    axes.annotate(
        f"k = {chosen}",
        (chosen, result.elbow[chosen - 1]),
        (10, 12),
        textcoords="offset points",
        color=_MARK,
        fontsize=12,
    )
    axes.set_ylim(0, None)
    axes = _chart(figure, 0.09, f"{len(result.runs)} random starts, the best in blue", "iteration")
    best = min(result.runs, key=lambda inertias: inertias[-1])
    for inertias in sorted(result.runs, key=lambda inertias: inertias is best):  # the best is drawn last
        colour, width = (_OURS, 2.6) if inertias is best else (_THEIRS, 1.4)
        axes.plot(range(1, len(inertias) + 1), inertias, "o-", color=colour, ms=width * 1.5, lw=width)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_minor_locator(NullLocator())
    return _save(figure, path)


def _limits(points, aspect):
    """Corners of a box of height / width `aspect` around `points`: one unit for both axes, so right angles show."""
    low, high = points.min(axis=0) - 0.2, points.max(axis=0) + 0.2
    size = high - low
    wanted = np.array([max(size[0], size[1] / aspect), max(size[1], size[0] * aspect)])
    return low - (wanted - size) / 2, high + (wanted - size) / 2


def _regions(axes, centroids, low, high):
    """The plane in the pale colours of its nearest centroids."""
    steps = [np.linspace(a, b, 500) for a, b in zip(low, high, strict=True)]
    grid = np.stack(np.meshgrid(*steps), axis=-1)
    labels = assign(grid.reshape(-1, 2), centroids)[0].reshape(grid.shape[:2])
    pale = ListedColormap([0.16 * np.array(to_rgb(colour)) + 0.84 for colour in _BLOBS])
    extent = (low[0], high[0], low[1], high[1])
    axes.imshow(labels, cmap=pale, vmin=0, vmax=len(_BLOBS) - 1, origin="lower", extent=extent, aspect="auto")


def _chart(figure, bottom, title, xlabel):
    axes = figure.add_axes((0.745, bottom, 0.23, 0.29))
    axes.set_title(title, fontsize=14, color=_INK, loc="left")
    axes.set_xlabel(xlabel, fontsize=11, color=_INK)
    axes.set_ylabel("inertia", fontsize=11, color=_INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_SOFT)
    axes.tick_params(colors=_INK, labelsize=10)
    return axes


def race(path, heats):
    """Times beside scikit-learn's, two bars a heat: draws `kmeans_fast.cli.race.Heat`s to `path`, which it returns."""
    figure = _figure(
        16, 9, "Beside scikit-learn", "bars show time on this machine, scikit-learn's always "
        "as the same length; shorter is better"
    )  # fmt: skip
    iterations = heats[0].same.our_iterations
    panels = (
        (0.19, f"{iterations} iterations", "of Lloyd's algorithm from the same rows", [h.same for h in heats]),
        (0.61, "a whole fit", "own k-means++ seeds, then iterations until convergence", [h.whole for h in heats]),
    )  # fmt: skip
    longest = max(1 / times.ratio for _, _, _, of_panel in panels for times in of_panel)
    limit = max(1 / 0.86, longest / 0.6)  # the rest is for the words behind the bars
    for left, title, what, of_panel in panels:
        axes = figure.add_axes((left, 0.06, 0.37, 0.68))
        figure.text(left, 0.795, title, fontsize=16, fontweight="bold", color=_INK)
        figure.text(left, 0.762, what, fontsize=11.5, color=_SOFT)
        for position, times in enumerate(of_panel):
            _bar(axes, position - 0.19, 1.0, _THEIRS, duration(times.theirs), "normal")
            text = f"{duration(times.ours)}:  {times.ratio:.1f}x as fast"
            _bar(axes, position + 0.19, 1 / times.ratio, _OURS, text, "bold")
        axes.set(xlim=(0, limit), ylim=(len(heats) - 0.5, -0.5), yticks=[], xticks=[])
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.spines["left"].set_color(_SOFT)
    for position, heat in enumerate(heats):
        n, d, k = heat.shape
        middle = 0.06 + 0.68 * (1 - (position + 0.5) / len(heats))
        name = f"{heat.name}\n{n:,} x {d}, k = {k}"
        figure.text(0.18, middle, name, ha="right", va="center", fontsize=12.5, color=_INK)
    for left, colour, name in ((0.70, _THEIRS, "scikit-learn"), (0.83, _OURS, "kmeans_fast")):
        figure.patches.append(Rectangle((left, 0.934), 0.018, 0.022, color=colour, transform=figure.transFigure))
        figure.text(left + 0.025, 0.945, name, fontsize=14, color=_INK, va="center")
    return _save(figure, path)


def _bar(axes, position, length, colour, text, weight):
    axes.barh(position, length, 0.36, color=colour)
    axes.annotate(text, (length, position), (7, 0), textcoords="offset points", va="center", fontsize=13, color=_INK,
                  fontweight=weight)  # fmt: skip
