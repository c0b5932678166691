"""The picture of a choice of k."""

import numpy as np
import pytest

from kmeans_fast import choose_k
from kmeans_fast.datasets import make_blobs
from kmeans_fast.plot import KChoiceDisplay, style


@pytest.fixture(scope="module")
def choice():
    return choose_k(make_blobs(600, 3, centers=4, random_state=0)[0], range(2, 8), seed=0)


def test_curves_and_votes_are_drawn(choice, tmp_path):
    display = KChoiceDisplay(choice).plot()
    for line, name in zip(display.lines_, ("inertia", "silhouette", "calinski_harabasz", "stability"), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), choice.table["k"])
        np.testing.assert_array_equal(line.get_ydata(), choice.table[name])
    texts = [text.get_text() for panel in display.axes_ for text in panel.texts]
    assert texts == [
        f"k = {vote}"
        for vote in (choice.votes[name] for name in ("elbow", "silhouette", "calinski_harabasz", "stability"))
    ]
    assert f"{choice.n_clusters} clusters" in display.figure_.get_suptitle()
    display.figure_.savefig(tmp_path / "choice.png")


def test_axes_of_the_caller_are_used(choice):
    figure, axes = style.pyplot().subplots(2, 2)
    assert KChoiceDisplay(choice).plot(axes).figure_ is figure
    with pytest.raises(ValueError, match="ax must be a sequence of 4 axes, got 1"):
        KChoiceDisplay(choice).plot(axes[0, 0])
