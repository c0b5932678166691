"""The picture of what clusters are."""

import numpy as np
import pytest

from kmeans_fast import KMeans
from kmeans_fast.datasets import make_blobs
from kmeans_fast.metrics import cluster_profiles
from kmeans_fast.plot import ProfilesDisplay, profiles


def written(display):
    """The means in the cells, row by row."""
    shown, k = display.image_.get_array().shape
    cells = [text.get_text() for text in display.ax_.texts][: shown * k]
    return np.array(cells, object).reshape(shown, k)


def test_colours_are_effects_and_numbers_are_means():
    X, y = make_blobs(300, 5, centers=3, random_state=0)
    found = cluster_profiles(X, y, list("abcde"))
    display = ProfilesDisplay.from_predictions(X, y, feature_names=list("abcde"))
    np.testing.assert_array_equal(display.image_.get_array(), found.effects[:, display.features_].T)
    strongest = np.abs(found.effects).max(axis=0)[display.features_]
    assert (np.diff(strongest) <= 0).all()
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["abcde"[j] for j in display.features_]
    for (i, c), text in np.ndenumerate(written(display)):
        assert abs(float(text.replace("\u2212", "-")) - found.means[c, display.features_[i]]) < 0.06
    shares = [text.get_text() for text in display.ax_.texts][-3:]
    assert shares == [f"{share:.0%}" for share in found.shares]
    assert len(display.ax_.patches) == 3  # a bar for each cluster


def test_of_an_estimator_with_names():
    pandas = pytest.importorskip("pandas")
    X, _ = make_blobs(200, 3, centers=2, random_state=1)
    frame = pandas.DataFrame(X, columns=["age", "spend", "$"])
    display = ProfilesDisplay.from_estimator(KMeans(2, random_state=0).fit(frame), frame)
    assert display.profiles.feature_names == ("age", "spend", "$")
    display.figure_.draw_without_rendering()


@pytest.mark.parametrize(("k", "d"), [(20, 12), (3, 200), (60, 2)])
def test_many_clusters_or_features(k, d):
    rng = np.random.default_rng(0)
    display = ProfilesDisplay.from_predictions(rng.normal(size=(10 * k, d)), np.arange(10 * k) % k)
    assert display.image_.get_array().shape == (min(d, 30), k)
    assert (f"the 30 of {d} features" in display.ax_.get_title()) == (d > 30)
    width, height = display.figure_.get_size_inches()
    assert width <= 15
    assert height <= 12.1
    display.figure_.draw_without_rendering()


def test_names_of_clusters_may_be_words_and_columns_constant(tmp_path):
    X = np.array([[1.0, 7.0, 0.0], [2.0, 7.0, 0.0], [8.0, 7.0, 1.0], [9.0, 7.0, 1.0]])
    display = ProfilesDisplay.from_predictions(X, ["young", "young", "old", "old"])
    assert [label.get_text() for label in display.ax_.get_xticklabels()] == ["old", "young"]
    assert np.isinf(display.profiles.effects[:, 2]).all()
    np.testing.assert_array_equal(display.image_.get_array()[display.features_.index(1)], [0, 0])
    display.figure_.savefig(tmp_path / "profiles.png")


def test_differences_of_large_numbers_are_seen():
    X, y = make_blobs(200, 1, centers=2, random_state=0)
    display = ProfilesDisplay.from_predictions(X + 1e9, y)
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["x0, from 1e+09 on"]
    assert len(set(written(display)[0])) == 2
    assert all(text[0] in "+\u2212" for text in written(display)[0])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (-5.2, "\u22125.2"), (999.6, "1000"), (9994, "9994"), (12345, "12.3k"), (999_600, "1M"),
     (-45_678, "\u221245.7k"), (1.2345e6, "1.23M"), (1.5e9, "1.5e+09"), (0.00012345, "0.000123")],
)  # fmt: skip
def test_numbers_are_short(value, text):
    assert profiles._short(value) == text
