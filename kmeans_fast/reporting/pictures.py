"""Displays as pictures of a page, for light and for dark screens."""

import base64
import io
import warnings
from typing import Any, NamedTuple

from ..plot import KChoiceDisplay
from ..plot.style import pyplot

PAPER = {"light": "#ffffff", "dark": "#15181b"}  # the page's background
_INK = {"light": "#1d2126", "dark": "#e8ebee"}
_INKED = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
_DPI = 110
# Families that have letters of many scripts, where they are installed: what the default family lacks is theirs.
_MORE_LETTERS = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Microsoft YaHei", "Hiragino Sans", "WenQuanYi Micro Hei",
    "Arial Unicode MS",
)  # fmt: skip


class Picture(NamedTuple):
    """A picture inside the page."""

    title: str
    alternative: str  # what it shows, in words
    light: str  # data URIs
    dark: str


def picture(display: Any, title: str, alternative: str) -> Picture:
    """A display as a `Picture`; its figures are closed."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        looks = [_drawn(display, look) for look in PAPER]
    other = [one for one in said if not str(one.message).startswith("Glyph ")]
    for one in other:
        warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    if len(other) < len(said):
        warnings.warn(
            "Some letters of names are in no font that matplotlib has found, and are boxes in pictures: install a font "
            "that has them, such as Noto Sans CJK.",
            stacklevel=2,
        )
    return Picture(title, alternative, *looks)


def _drawn(display, look):
    plt = pyplot()
    style = dict.fromkeys(_INKED, _INK[look])
    style |= dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), PAPER[look])
    style["font.family"] = ["sans-serif", *_installed()]
    with plt.style.context(["default", style]):
        axes = None
        if isinstance(display, KChoiceDisplay):  # two beside each other, for narrow screens
            axes = plt.subplots(2, 2, figsize=(8.5, 6), layout="constrained")[1]
        figure = display.plot(axes).figure_
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=_DPI)
        plt.close(figure)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"


def _installed():
    from matplotlib.font_manager import fontManager

    return [name for name in _MORE_LETTERS if name in fontManager.get_font_names()]
