"""The picture of a fit on its way: where centroids start, how they move, which rows are theirs; still or moving."""

from __future__ import annotations  # signatures in `help` read as they are written here

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import to_host
from ..functional import assign, kmeans, kmeans_plusplus
from ..messages import counted
from ..metrics.inputs import column_names
from ..parameters import checked
from ..whole_files import WholeFiles
from .plane import draw_centroids, draw_regions, draw_rows, limits_of, nearest, plane_of, rows_of
from .style import BESIDE, CHOSEN, axes_or_new, bare, colours, counts, pyplot

_MOST_STEPS = 25  # that an animation shows; of more, those early on, where most happens, are denser
_MOVES = 3  # frames while centroids move
_FRAME, _END = 200, 2000  # milliseconds of a frame, and of the last one


class IterationsDisplay:
    """How Lloyd's algorithm gets there: rows go to their nearest centroid, centroids to the mean of their rows.

    Rows are shown as `ClustersDisplay` shows them.

    Parameters
    ----------
    X : array (n_samples, n_features)
    steps : sequence of arrays (n_clusters, n_features)
        The centroids at the start and after each iteration, at least one. A fit of your own tells them to a callback,
        as ``progress.centroids``.
    feature_names : sequence of str, optional
        Of two features.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
    figure_ : matplotlib.figure.Figure
    paths_ : list of matplotlib.lines.Line2D
        One for each centroid.

    Examples
    --------
    >>> from kmeans_fast.datasets import make_blobs
    >>> from kmeans_fast.plot import IterationsDisplay
    >>> display = IterationsDisplay.from_data(make_blobs(900, random_state=0)[0], 3)  # doctest: +SKIP
    >>> display.animate("fit.gif")  # doctest: +SKIP
    """

    def __init__(self, X: Any, steps: Any, feature_names: Any = None):
        if not len(steps):
            raise ValueError("steps must hold the centroids of at least one step, got none.")
        self.X, self.feature_names = rows_of(X, feature_names)
        self.steps = [np.ascontiguousarray(step) for step in steps]

    @classmethod
    def from_data(
        cls, X: Any, n_clusters: int, *, init: Any = "random", seed: int = 0, feature_names: Any = None, ax: Any = None,
        **options: Any,
    ) -> IterationsDisplay:  # fmt: skip
        """Cluster, and plot.

        Parameters
        ----------
        X : array-like (n_samples, n_features)
        n_clusters : int
        init : {"random", "k-means++"} or array (n_clusters, n_features)
            Where centroids start. Rows at random (by NumPy's generator of this seed) have a longer way to go than seeds
            by k-means++, so there is more to see.
        seed : int
            Of the start, where it is drawn.
        feature_names, ax
            As for the class and for `plot`.
        **options
            As for `kmeans_fast.kmeans`.
        """
        feature_names = column_names(X) if feature_names is None else feature_names
        X, n_clusters = to_host(X), checked({"n_clusters": n_clusters})["n_clusters"]
        if isinstance(init, str):
            if init not in ("random", "k-means++"):
                raise ValueError(f"init must be 'random', 'k-means++' or an array of centroids, got {init!r}.")
            if init == "k-means++":
                init = kmeans_plusplus(X, n_clusters, seed=seed)[0]
            else:
                init = X[np.random.default_rng(seed).permutation(len(X))[:n_clusters]]
        kept = [np.asarray(init)]
        kmeans(X, n_clusters, init=init, callback=lambda progress: kept.append(progress.centroids), **options)
        return cls(X, kept, feature_names).plot(ax)

    def plot(self, ax: Any = None) -> IterationsDisplay:
        """Draw the end of it, with the ways that the centroids have come. Returns this display."""
        from matplotlib.patheffects import withStroke

        self.ax_ = axes_or_new(ax, figsize=(7.5, 5.5))
        self.figure_ = self.ax_.figure
        scene, last = _Scene(self), len(self.steps) - 1
        scene.draw(self.ax_, last)
        draw_centroids(self.ax_, scene.plane.projected(scene.steps[last]), range(len(scene.palette)))
        ways = np.stack([scene.plane.projected(step) for step in self.steps])
        self.paths_, outline = [], [withStroke(linewidth=3, foreground="white")]
        for way in ways.swapaxes(0, 1):
            self.paths_ += self.ax_.plot(*way.T, color="black", linewidth=1.2, zorder=3, path_effects=outline)
        starts = {"s": 45, "facecolors": "white", "edgecolors": "black", "linewidths": 1.2, "marker": "s", "zorder": 3}
        self.ax_.scatter(*ways[0].T, **starts)
        self.ax_.set_title(f"From the squares to the circles in {counted(last, 'iteration')}")
        return self

    def animation(self) -> Any:
        """A `matplotlib.animation.FuncAnimation`, on a figure of its own; a notebook shows it by ``to_jshtml()``.

        Beside the rows it has the inertia. Of more than 25 steps some are left out, later ones rather than early ones.
        """
        from matplotlib.animation import FuncAnimation

        figure, draw, frames = self._film()
        frames += frames[-1:] * (_END // _FRAME)
        return FuncAnimation(figure, draw, frames, interval=_FRAME, cache_frame_data=False)

    def animate(self, path: str | os.PathLike[str], *, dpi: float = 80) -> IterationsDisplay:
        """Write the animation as a GIF: the whole file or none. Returns this display.

        Parameters
        ----------
        path : path-like
            Ending in .gif.
        dpi : float
            Pixels an inch, of 9.6 by 5.

        Raises
        ------
        ValueError
            If the path does not end in .gif.
        ImportError
            If matplotlib or Pillow is missing.
        """
        if Path(path).suffix.lower() != ".gif":
            raise ValueError(f"path must end in .gif, got {os.fspath(path)!r}.")
        try:
            from PIL import Image
        except ImportError as error:
            raise ImportError("Animations need Pillow: install it (the extra 'plot').") from error
        with WholeFiles() as files:
            file = files.open(path)
            figure, draw, frames = self._film()
            figure.set_dpi(dpi)
            pictures = []
            for frame in frames:
                draw(frame)
                figure.canvas.draw()
                pictures.append(Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3]))
            last = pictures[-1].quantize()  # its colours are those of all
            pictures = [picture.quantize(palette=last, dither=Image.Dither.NONE) for picture in pictures]
            times = [_FRAME] * (len(frames) - 1) + [_END]
            pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=times, loop=0)
        return self

    def _film(self):
        """A figure, a function that draws a frame on it, and the frames."""
        pyplot()  # or it says what to install
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        scene, last = _Scene(self), len(self.steps) - 1
        shown = range(last + 1)
        if last >= _MOST_STEPS:
            shown = sorted({round(step) - 1 for step in np.geomspace(1, last + 1, _MOST_STEPS)})
        found = [assign(self.X, scene.steps[step], device="cpu") for step in shown]
        inertia = [float(squared.sum(dtype=np.float64)) for _, squared in found]
        # A frame: the place of its step among those shown, and how far centroids are on their way to the next.
        frames = [(at, part / _MOVES) for at in range(len(shown) - 1) for part in range(_MOVES + 1)]
        frames.append((len(shown) - 1, 0.0))
        figure = Figure(figsize=(9.6, 5))
        FigureCanvasAgg(figure)
        room = {"wspace": 0.25, "left": 0.07, "right": 0.98, "top": 0.92, "bottom": 0.11}
        left, right = figure.subplots(1, 2, width_ratios=(2.4, 1), gridspec_kw=room)

        drawn: list[Any] = []  # the step whose rows are drawn, and the marks of centroids on them

        def draw(frame):
            at, moved = frame
            if drawn[:1] == [at]:
                for artist in [drawn[1], *left.texts]:
                    artist.remove()
            else:
                left.clear()
                scene.draw(left, shown[at], found[at][0])
            following = shown[min(at + 1, len(shown) - 1)]
            centroids = (1 - moved) * scene.steps[shown[at]] + moved * scene.steps[following]
            drawn[:] = at, draw_centroids(left, scene.plane.projected(centroids), range(len(centroids)))
            right.clear()
            if at == len(shown) - 1:
                left.set_title(f"{counted(last, 'iteration')}: done")
            else:
                what = "centroids go to the mean of their rows" if moved else "rows go to their nearest centroid"
                left.set_title(f"iteration {shown[at] + 1}: {what}")
            right.plot(shown, inertia, color=BESIDE, linewidth=1)
            right.plot(shown[: at + 1], inertia[: at + 1], "-o", color=CHOSEN, linewidth=2, markersize=4)
            value = inertia[at]
            title = f"inertia {value:,.0f}" if value >= 1000 else f"inertia {value:.4g}"
            right.set(xlabel="iterations done", title=title)
            counts(right.xaxis)
            bare(right)
            return []

        return figure, draw, frames


class _Scene:
    """Rows in their plane, and the colours of clusters, which are the same for all steps."""

    def __init__(self, display):
        self.X, self.steps = display.X, display.steps
        self.plane = plane_of(self.X, display.feature_names)
        self.points = self.plane.projected(self.X)
        self.limits = limits_of(np.vstack([self.points, *(self.plane.projected(step) for step in self.steps)]))
        self.palette = colours(len(self.steps[0]))

    def draw(self, ax, step, labels=None):
        """Draw rows, with the labels and the regions of a step."""
        own = self.steps[step]
        if self.X.shape[1] == 2:
            draw_regions(ax, own, self.palette, self.limits)
        labels = nearest(self.X, own) if labels is None else labels
        draw_rows(ax, self.points, labels, self.palette, self.limits)
        self.plane.name_axes(ax)
        bare(ax)
