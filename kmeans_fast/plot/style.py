"""Colours and axes that the displays share. Colours are told apart by all eyes, on light and on dark."""

import numpy as np

OKABE_ITO = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")
CHOSEN = "#d55e00"  # what a picture is about
RIGHT, WRONG = (0.0, 0.447, 0.698), (0.835, 0.369, 0.0)


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
    """A user's name as text: matplotlib takes what is between dollar signs for mathematics."""
    return str(name).replace("$", r"\$")


def bare(ax):
    """Leave out the lines above and to the right of the data."""
    ax.spines[["top", "right"]].set_visible(False)


def colours(count):
    """Colours (count, 3) from 0 to 1: Okabe and Ito's where there are enough, else from around a circle of hues.

    Neighbours on the circle have another lightness, and are not neighbours in number.
    """
    from matplotlib.colors import hsv_to_rgb, to_rgb

    if count <= len(OKABE_ITO):
        return np.array([to_rgb(colour) for colour in OKABE_ITO[:count]])
    number = np.arange(count)
    hue = number * 0.61803398875 % 1.0  # the golden section: each falls into the widest gap so far
    return hsv_to_rgb(np.stack([hue, np.where(number % 2, 0.55, 0.9), np.where(number % 3 == 2, 0.65, 0.9)], axis=1))
