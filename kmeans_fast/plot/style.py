"""Colours and axes that the displays share. Colours are told apart by all eyes, on light and on dark."""

OKABE_ITO = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")
CHOSEN = "#d55e00"  # what a picture is about


def pyplot():
    """matplotlib.pyplot; ImportError that says how to get it where it is missing."""
    try:
        import matplotlib.pyplot
    except ImportError as error:
        raise ImportError("Pictures need matplotlib: pip install 'kmeans-fast[plot]'.") from error
    return matplotlib.pyplot


def bare(ax):
    """Leave out the lines above and to the right of the data."""
    ax.spines[["top", "right"]].set_visible(False)
