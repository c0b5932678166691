"""Pictures of a fit on its way: each step is that of the fit, and a file is whole or not there."""

import io

import numpy as np
import pytest

import kmeans_fast
from kmeans_fast.datasets import make_blobs
from kmeans_fast.plot import IterationsDisplay, iterations

Image = pytest.importorskip("PIL.Image", reason="animations need Pillow")


@pytest.fixture(scope="module")
def X():
    return make_blobs(200, 2, centers=3, random_state=4)[0]


def test_steps_are_those_of_the_fit(X):
    display = IterationsDisplay.from_data(X, 3, seed=1)
    found = kmeans_fast.kmeans(X, 3, init=display.steps[0])
    assert len(display.steps) == found.n_iter + 1
    assert {tuple(row) for row in display.steps[0]} <= {tuple(row) for row in X}
    np.testing.assert_array_equal(display.steps[-1], found.centroids)
    for c, line in enumerate(display.paths_):
        np.testing.assert_array_equal(line.get_xydata(), np.stack(display.steps)[:, c])
    seeded = IterationsDisplay.from_data(X, 3, init="k-means++", seed=2)
    np.testing.assert_array_equal(seeded.steps[0], kmeans_fast.kmeans_plusplus(X, 3, seed=2)[0])
    with pytest.raises(
        ValueError, match="init must be 'random', 'k-means\\+\\+' or an array of centroids, got 'first'"
    ):
        IterationsDisplay.from_data(X, 3, init="first")
    with pytest.raises(ValueError, match="n_clusters must be an integer"):
        IterationsDisplay.from_data(X, 2.5)
    with pytest.raises(ValueError, match="steps must hold the centroids of at least one step"):
        IterationsDisplay(X, [])


def test_axes_have_the_names_of_a_table(X):
    pandas = pytest.importorskip("pandas")
    display = IterationsDisplay.from_data(pandas.DataFrame(X, columns=["age", "spend"]), 3, seed=1)
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("age", "spend")


def test_an_animation_is_written(X, tmp_path):
    path = tmp_path / "fit.gif"
    display = IterationsDisplay.from_data(X, 3, seed=1)
    assert display.animate(path, dpi=30) is display
    picture = Image.open(io.BytesIO(path.read_bytes()))
    assert picture.format == "GIF"
    assert picture.size == (288, 150)
    assert picture.n_frames >= 2 * (len(display.steps) - 1)
    assert picture.info["loop"] == 0  # for ever
    assert [file.name for file in tmp_path.iterdir()] == ["fit.gif"]
    from matplotlib import pyplot

    assert pyplot.get_fignums() == [display.figure_.number]


def test_it_is_whole_or_not_there(X, tmp_path, monkeypatch):
    display = IterationsDisplay.from_data(X, 3)
    with pytest.raises(ValueError, match=r"path must end in \.gif, got"):
        display.animate(tmp_path / "fit.mp4")
    with pytest.raises(FileNotFoundError):
        display.animate(tmp_path / "nowhere" / "fit.gif")

    def fails(*_):
        raise MemoryError

    monkeypatch.setattr(iterations, "draw_centroids", fails)
    with pytest.raises(MemoryError):
        display.animate(tmp_path / "fit.gif")
    assert list(tmp_path.iterdir()) == []


def test_of_many_steps_early_ones_are_shown():
    X = np.random.default_rng(0).normal(size=(40, 4))
    display = IterationsDisplay(X, [X[:3] + step for step in range(80)])
    figure, draw, frames = display._film()
    assert 15 <= frames[-1][0] + 1 <= 25
    draw(frames[0])
    assert figure.axes[0].get_title() == "iteration 1: rows go to their nearest centroid"
    np.testing.assert_allclose(figure.axes[1].lines[0].get_xdata()[[0, 1, 2, -1]], [0, 1, 2, 79])
    draw(frames[-1])
    assert figure.axes[0].get_title() == "79 iterations: done"


def test_it_is_shown_in_notebooks(X, monkeypatch):
    monkeypatch.setattr(iterations, "_END", iterations._FRAME)
    display = IterationsDisplay(X, [X[:3]])
    assert "<img" in display.animation().to_jshtml(embed_frames=True)
