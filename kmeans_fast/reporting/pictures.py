"""Displays as pictures of a page, for light and for dark screens."""

import base64
import io
from typing import Any, NamedTuple

from ..plot import KChoiceDisplay
from ..plot.style import pyplot

PAPER = {"light": "#ffffff", "dark": "#15181b"}  # the page's background
_INK = {"light": "#1d2126", "dark": "#e8ebee"}
_INKED = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
_DPI = 110


class Picture(NamedTuple):
    """A picture inside the page."""

    title: str
    alternative: str  # what it shows, in words
    light: str  # data URIs
    dark: str


def picture(display: Any, title: str, alternative: str) -> Picture:
    """A display as a `Picture`; its figures are closed."""
    return Picture(title, alternative, *(_drawn(display, look) for look in PAPER))


def _drawn(display, look):
    plt = pyplot()
    style = dict.fromkeys(_INKED, _INK[look])
    style |= dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), PAPER[look])
    with plt.style.context(["default", style]):
        axes = None
        if isinstance(display, KChoiceDisplay):  # two beside each other, for narrow screens
            axes = plt.subplots(2, 2, figsize=(8.5, 6), layout="constrained")[1]
        figure = display.plot(axes).figure_
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=_DPI)
        plt.close(figure)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
