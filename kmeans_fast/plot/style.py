"""Colours and axes that the displays share. Colours are told apart by all eyes, on light and on dark."""

import numpy as np

# Six of Okabe and Ito's; then each the farthest from those before it, of those that stand out from white and from
# black. Far: by the least of four OKLab distances, as seen by most and with three deficiencies of colour vision.
PALETTE = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#784b4b", "#6900ff", "#8778ff", "#a5c396",
    "#b42d87", "#b40f00", "#d20fc3", "#0fd2d2", "#ff4b78", "#006978", "#a55a4b", "#00a5c3", "#f00ff0", "#69c35a",
)  # fmt: skip
CURVE, CHOSEN = "#0072b2", "#d55e00"  # a curve, and what a picture is about
BESIDE = "#8c8c8c"  # what stands beside it: on white as on black
RIGHT, WRONG = (0.66, 0.71, 0.76), (0.835, 0.369, 0.0)
_LONGEST = 28  # letters of a name


def pyplot():
    """matplotlib.pyplot; ImportError that says how to get it where it is missing."""
    try:
        import matplotlib.pyplot
    except ImportError as error:
        raise ImportError("Pictures need matplotlib: install it (the extra 'plot').") from error
    return matplotlib.pyplot


def axes_or_new(ax, **how):
    """The caller's axes, or those of a new figure that is made ``how``."""
    return pyplot().subplots(layout="constrained", **how)[1] if ax is None else ax


def plain(name):
    """A user's name as text: the middle of a long one is left out; what is between dollar signs is no mathematics."""
    name = " ".join(str(name).split())
    if len(name) > _LONGEST:
        name = f"{name[: _LONGEST // 2]}\u2026{name[1 - _LONGEST // 2 :]}"
    return name.replace("$", r"\$")


def percent(share):
    """A share as text, which is 0% only where there is none, and 100% only where it is all."""
    return "<1%" if 0 < share < 0.005 else ">99%" if 0.995 <= share < 1 else f"{share:.0%}"


def bare(ax):
    """Leave out the lines above and to the right of the data."""
    ax.spines[["top", "right"]].set_visible(False)


def named(axis, names, most):
    """Write names at 0, 1 and so on, some left out if there are more than `most`; across, long ones slope."""
    step = -(-len(names) // most)
    sloping = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
    across = axis.axis_name == "x"
    axis.set_ticks(range(0, len(names), step), names[::step], **sloping if across and max(map(len, names)) > 6 else {})


def counts(axis):
    """Let an axis count: whole numbers, their thousands apart."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def legend(ax, palette, names):
    """Name colours beneath axes, where they cover nothing."""
    from matplotlib.patches import Patch

    handles = [Patch(color=colour, label=name) for colour, name in zip(palette, names)]
    wide = max(map(len, names))
    ax.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0, 0), borderaxespad=4.2, fontsize="small", frameon=False,
        ncols=max(1, min(len(names), 42 // (wide + 5))), handlelength=1.0,
    )  # fmt: skip


def colours(count):
    """Colours (count, 3) from 0 to 1: the palette's where there are enough, else from around a circle of hues.

    Neighbours on the circle have another lightness, and are not neighbours in number.
    """
    from matplotlib.colors import hsv_to_rgb, to_rgb

    if count <= len(PALETTE):
        return np.array([to_rgb(colour) for colour in PALETTE[:count]])
    number = np.arange(count)
    hue = number * 0.61803398875 % 1.0  # the golden section: each falls into the widest gap so far
    return hsv_to_rgb(np.stack([hue, np.where(number % 2, 0.55, 0.9), np.where(number % 3 == 2, 0.65, 0.9)], axis=1))
