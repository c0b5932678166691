"""Pictures are drawn in memory, and figures are closed."""

import pytest


@pytest.fixture(autouse=True)
def drawn_in_memory():
    matplotlib = pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    matplotlib.use("Agg")
    yield
    from matplotlib import pyplot

    pyplot.close("all")
