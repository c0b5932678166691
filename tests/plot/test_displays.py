"""Displays of clusters: what they draw is what they were given."""

import numpy as np
import pytest

import kmeans_fast
from kmeans_fast import KMeans, plot
from kmeans_fast.datasets import make_blobs
from kmeans_fast.metrics import compare_labels
from kmeans_fast.plot import plane, style


@pytest.fixture(scope="module")
def blobs():
    return make_blobs(400, 2, centers=4, cluster_std=1.5, random_state=7)


@pytest.fixture(scope="module")
def model(blobs):
    return KMeans(4, n_init=3, init="random", random_state=0).fit(blobs[0])


def test_points_regions_and_centroids(blobs, model, tmp_path):
    X = blobs[0]
    display = plot.ClustersDisplay.from_estimator(model, X)
    np.testing.assert_array_equal(display.rows_.get_offsets(), X)
    np.testing.assert_array_equal(display.centroids_.get_offsets(), model.cluster_centers_)
    np.testing.assert_allclose(display.rows_.get_facecolors()[:, :3], style.colours(4)[model.labels_])
    assert display.ax_.get_title() == "400 rows in 4 clusters"
    picture = display.regions_.get_array()
    (left, right), (low, high) = display.ax_.get_xlim(), display.ax_.get_ylim()
    for point, label in zip(X[:50], model.labels_):
        at = (
            int((point[1] - low) / (high - low) * len(picture)),
            int((point[0] - left) / (right - left) * picture.shape[1]),
        )
        colour = picture[at][:3]
        assert np.allclose(colour, style.colours(4)[label]) or np.allclose(colour, 0.5)  # gray: a border
    display.figure_.savefig(tmp_path / "clusters.png")
    assert plot.ClustersDisplay.from_predictions(X, model.labels_).regions_ is None
    plain = plot.ClustersDisplay.from_predictions(X, model.labels_, model.cluster_centers_, regions=False)
    assert plain.regions_ is None


def test_centroids_may_be_whole_numbers(blobs):
    X, y = blobs
    whole = np.rint([X[y == c].mean(axis=0) for c in range(4)]).astype(int)
    both = (whole, whole.astype(float))
    regions = [plot.ClustersDisplay(X, y, centroids).plot().regions_.get_array() for centroids in both]
    np.testing.assert_array_equal(*regions)
    rows = [plot.IterationsDisplay(X, [centroids]).plot().ax_.collections[0] for centroids in both]
    np.testing.assert_array_equal(*(drawn.get_facecolors() for drawn in rows))


def test_more_features_are_projected():
    X, y = make_blobs(300, 6, centers=3, random_state=0)
    display = plot.ClustersDisplay.from_predictions(X, y, np.array([X[y == c].mean(axis=0) for c in range(3)]))
    points = np.asarray(display.rows_.get_offsets())
    expected = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(points), np.abs(expected.U[:, :2] * expected.S[:2]), atol=1e-8)
    assert display.regions_ is None
    assert display.ax_.get_xlabel().startswith("principal component 1 (")
    one = plot.ClustersDisplay.from_predictions(X[:, :1], y)
    assert one.ax_.get_xlabel() == "x0"


def test_names_of_features_are_the_axes(model, blobs):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(blobs[0], columns=["height", "weight"])
    display = plot.ClustersDisplay.from_estimator(KMeans(2, random_state=0).fit(frame), frame)
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("height", "weight")


@pytest.mark.parametrize("k", [1, 3, 60])
def test_a_density_counts_every_row(k, monkeypatch):
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(20_000, 2)), rng.integers(0, k, 20_000).astype(np.int32)
    low, high = plane.limits_of(points)
    palette = style.colours(k)
    picture = plane.density(points, labels, palette, low, high)
    monkeypatch.setattr(plane, "_CHUNK", 777)
    monkeypatch.setattr(plane, "_CELLS", 1 << 18)
    np.testing.assert_array_equal(plane.density(points, labels, palette, low, high), picture)
    width, height = plane.pixels_of(len(points))
    x = ((points[:, 0] - low[0]) / (high[0] - low[0]) * width).astype(int)
    y = ((points[:, 1] - low[1]) / (high[1] - low[1]) * height).astype(int)
    counts = np.zeros((height, width, k), int)
    np.add.at(counts, (y, x, labels), 1)
    np.testing.assert_array_equal(picture[..., 3] > 0, counts.sum(axis=2) > 0)
    np.testing.assert_allclose(picture[y, x, :3], palette[counts.argmax(axis=2)[y, x]])
    half = plane.density(points, labels, palette, low, (low + high) / 2)  # rows beyond are left out
    assert half.shape == picture.shape
    mixture = plane.density(points, labels, palette, low, high, mixed=True)
    np.testing.assert_array_equal(mixture[..., 3], picture[..., 3])
    shares = counts / np.maximum(counts.sum(axis=2, keepdims=True), 1)
    np.testing.assert_allclose(mixture[..., :3], shares @ palette, atol=1e-12)


def test_millions_are_drawn_as_density():
    X, y = make_blobs(plane.MOST_POINTS + 1, 2, centers=3, random_state=0)
    display = plot.ClustersDisplay.from_predictions(X, y)
    assert display.rows_.get_array().shape == (100, 140, 4)
    assert plane.pixels_of(10**7) == plane._PIXELS


def test_clusters_beside_classes(blobs, model):
    X, y = blobs
    found = compare_labels(y, model.labels_)
    display = plot.LabelComparisonDisplay(X, found).plot()
    assert [panel.get_title() for panel in display.axes_][:2] == [
        "known classes",
        "clusters, in the colour of their class",
    ]
    assert f"{int(found.right.sum())} of 400 right" in display.axes_[2].get_title()
    drawn, order = display.axes_[2].collections[0], np.argsort(~found.right, kind="stable")  # what is wrong is on top
    np.testing.assert_array_equal(drawn.get_offsets(), X[order])
    np.testing.assert_allclose(
        drawn.get_facecolors()[:, :3], np.where(found.right[order, None], style.RIGHT, style.WRONG)
    )
    legends = [[text.get_text() for text in panel.get_legend().get_texts()] for panel in display.axes_[::2]]
    assert legends == [["0", "1", "2", "3"], ["right", "wrong"]]
    assert display.axes_[1].get_legend() is None
    with pytest.raises(ValueError, match="ax must be a sequence of 3 axes, got 1"):
        display.plot(display.axes_[0])
    confusion = plot.ConfusionDisplay.from_predictions(y, model.labels_)
    np.testing.assert_allclose(confusion.ax_.images[0].get_array(), found.confusion / found.support[:, None])
    shown = [text.get_text().split("\n") for text in confusion.ax_.texts]
    assert sum(int(number.replace(",", "")) for number, _ in shown) == 400
    assert len(confusion.ax_.patches) == 4  # borders of what is right


def test_displays_of_an_estimator_are_those_of_its_predictions(blobs, model):
    X, y = blobs
    beside = plot.LabelComparisonDisplay.from_estimator(model, X, y)
    np.testing.assert_array_equal(beside.comparison.right, compare_labels(y, model.labels_).right)
    numbers = [text.get_text() for text in beside.axes_[1].texts]
    assert numbers == ["0", "1", "2", "3"]
    confusion = plot.ConfusionDisplay.from_estimator(model, X, y)
    np.testing.assert_array_equal(confusion.comparison.confusion, beside.comparison.confusion)
    silhouettes = plot.SilhouetteDisplay.from_estimator(model, X)
    np.testing.assert_array_equal(silhouettes.labels, model.labels_)
    for sizes in (plot.SizesDisplay.from_estimator(model), plot.SizesDisplay.from_estimator(model, X)):
        np.testing.assert_array_equal(sizes.labels, model.labels_)


def test_clusters_of_no_class_are_gray_and_said_to_be():
    X, y = make_blobs(300, 2, centers=3, random_state=0)
    display = plot.LabelComparisonDisplay.from_predictions(X, np.minimum(y, 1), y)
    gray = np.all(display.axes_[1].collections[0].get_facecolors()[:, :3] == plot.comparisons._NO_CLASS, axis=1)
    np.testing.assert_array_equal(gray, display.comparison.predicted == -1)
    assert [text.get_text() for text in display.axes_[1].get_legend().get_texts()] == ["clusters of no class"]


def test_silhouettes_sizes_and_convergence(blobs, model):
    X = blobs[0]
    values = kmeans_fast.metrics.silhouette_samples(X, model.labels_)
    display = plot.SilhouetteDisplay.from_predictions(X, model.labels_)
    np.testing.assert_array_equal(display.silhouettes, values)
    assert display.ax_.texts[0].get_text() == f"mean {values.mean():.2f}"
    sizes = plot.SizesDisplay.from_predictions(model.labels_)
    assert sorted(bar.get_height() for bar in sizes.ax_.patches) == sorted(np.bincount(model.labels_))
    converged = plot.ConvergenceDisplay.from_estimator(model)
    assert len(converged.lines_) == 3
    for run, line in enumerate(converged.lines_):
        assert line.get_ydata().tolist() == [one.inertia for one in model.history_ if one.run == run]


def test_colours_are_told_apart():
    for count in (1, 8, 9, 40):
        found = style.colours(count)
        assert found.shape == (count, 3)
        distances = np.abs(found[:, None] - found[None]).max(axis=2) + np.eye(count)
        assert distances.min() > 0.01
    for background in (0.0, 1.0):  # on black and on white
        light = np.array([background, *(style.colours(20) @ [0.2126, 0.7152, 0.0722])])
        assert np.abs(light[1:] - light[0]).min() > 0.1


def test_without_matplotlib_it_says_what_to_install(monkeypatch, blobs, model):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="the extra 'plot'"):
        plot.SizesDisplay.from_predictions(model.labels_)


def test_what_is_far_outside_leaves_room_for_the_rest():
    points = np.random.default_rng(0).normal(size=(1000, 2))
    low, high = plane.limits_of(points)
    assert (low < points.min(axis=0)).all()
    assert (high > points.max(axis=0)).all()
    points[3] = 1e6, 0.0
    low, high = plane.limits_of(points)
    assert high[0] < 10
    assert plane.beyond(points, (low, high)) == 1
    same = plane.limits_of(np.ones((5, 2)))
    assert (same[0] < 1).all()
    assert (same[1] > 1).all()


def test_silhouettes_of_many_rows_have_a_row_of_every_cluster(monkeypatch):
    monkeypatch.setattr(plot.numbers, "_SILHOUETTE_ROWS", 50)
    X, labels = np.random.default_rng(0).normal(size=(2000, 2)), np.zeros(2000, np.int32)
    X[7], labels[7] = 1e6, 1
    display = plot.SilhouetteDisplay.from_predictions(X, labels)
    assert sorted(set(display.labels.tolist())) == [0, 1]


def test_names_with_dollar_signs_are_names(tmp_path):
    X, y = make_blobs(60, 2, centers=2, random_state=0)
    display = plot.ClustersDisplay.from_predictions(X, y, feature_names=["$a^$", "price in $"])
    display.figure_.savefig(tmp_path / "names.png")
    names = np.array(["$x_$", "b"])[y]
    plot.ConfusionDisplay.from_predictions(names, y).figure_.savefig(tmp_path / "names.png")
    plot.LabelComparisonDisplay.from_predictions(X, names, y).figure_.savefig(tmp_path / "names.png")


def test_long_names_leave_room_for_the_picture():
    y = np.arange(60) % 2
    names = np.array(["people who have bought for ten years, seldom", "people who have bought for ten years, often"])[y]
    display = plot.ConfusionDisplay.from_predictions(names, y)
    told = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert [len(name) for name in told] == [28, 28]
    assert told[0].startswith("people who")
    assert told[0].endswith("often")
    display.figure_.draw_without_rendering()
    inner, outer = display.ax_.get_window_extent(), display.figure_.bbox
    assert inner.width > 0.4 * outer.width


def test_names_at_many_places_are_those_of_the_places():
    y = np.arange(200) % 50
    names = np.array([f"class {number:02}" for number in range(50)])[y]
    display = plot.ConfusionDisplay.from_predictions(names, y)
    for label in display.ax_.get_yticklabels():
        assert label.get_text() == f"class {int(label.get_position()[1]):02}"
    assert 10 < len(display.ax_.get_yticks()) <= 20
    assert plot.SizesDisplay.from_predictions(y).ax_.get_xticklabels() == []  # in the order of their sizes


def test_axes_that_count_have_whole_numbers():
    sizes = plot.SizesDisplay.from_predictions(np.array([0, 1]))
    assert all(tick == int(tick) for tick in sizes.ax_.get_yticks())
    assert sizes.ax_.get_title() == "2 rows in 2 clusters"
    assert plot.SizesDisplay.from_predictions(np.zeros(5, int)).ax_.get_title() == "5 rows in 1 cluster"


def test_shares_are_all_or_none_only_where_they_are():
    shares = [0, 0.001, 0.01, 0.5, 0.994, 0.999, 1]
    assert list(map(style.percent, shares)) == ["0%", "<1%", "1%", "50%", "99%", ">99%", "100%"]


def test_one_iteration_is_seen(blobs):
    model = KMeans(4, init=blobs[0][:4], n_init=1, max_iter=1, tol=1e9).fit(blobs[0])
    display = plot.ConvergenceDisplay.from_estimator(model)
    assert display.lines_[0].get_marker() == "o"
    assert display.ax_.get_title() == "1 iteration"
    assert [tick for tick in display.ax_.get_xticks() if 0.5 < tick < 1.5] == [1]


def test_one_row_and_no_history():
    assert (
        plot.ClustersDisplay.from_predictions(np.ones((1, 3)), np.zeros(1, int)).ax_.get_title() == "1 row in 1 cluster"
    )
    with pytest.raises(ValueError, match="history is empty"):
        plot.ConvergenceDisplay([]).plot()


def test_labels_may_be_texts_and_any_numbers(blobs):
    X, y = blobs
    species = np.array(["Adelie", "Chinstrap", "Gentoo", "King"])[y]
    display = plot.ClustersDisplay.from_predictions(X, species)
    np.testing.assert_allclose(display.rows_.get_facecolors()[:, :3], style.colours(4)[y])
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == sorted(set(species))
    blades = plot.SilhouetteDisplay.from_predictions(X, species)
    assert [text.get_text() for text in blades.ax_.get_yticklabels()] == sorted(set(species))
    sizes = plot.SizesDisplay.from_predictions(species[y < 3])
    assert {text.get_text() for text in sizes.ax_.get_xticklabels()} == set(species[y < 3])
    outside = plot.ClustersDisplay.from_predictions(X, y - 1)  # -1 has a colour of its own
    np.testing.assert_allclose(outside.rows_.get_facecolors()[:, :3], style.colours(4)[y])
    for labels, text in ((y[:-1], "same number of rows, got 400 and 399"), ([None] * 400, "of one kind")):
        with pytest.raises(ValueError, match=text):
            plot.ClustersDisplay.from_predictions(X, labels)
    with pytest.raises(ValueError, match="integers, the numbers of centroids"):
        plot.ClustersDisplay.from_predictions(X, species, X[:4])


def test_pipelines_are_drawn_as_their_last_step_sees_them(blobs):
    preprocessing, pipeline = pytest.importorskip("sklearn.preprocessing"), pytest.importorskip("sklearn.pipeline")
    X, y = blobs
    scaler = preprocessing.StandardScaler()
    model = pipeline.make_pipeline(scaler, KMeans(4, random_state=0)).fit(X)
    display = plot.ClustersDisplay.from_estimator(model, X)
    np.testing.assert_array_equal(display.rows_.get_offsets(), scaler.transform(X))
    np.testing.assert_array_equal(display.centroids_.get_offsets(), model[-1].cluster_centers_)
    beside = plot.LabelComparisonDisplay.from_estimator(model, X, y)
    assert beside.axes_[0].get_title() == "known classes"


def test_rows_may_be_lists_and_tables(blobs, model):
    pandas = pytest.importorskip("pandas")
    X, y = blobs
    found = compare_labels(y, model.labels_)
    frame = pandas.DataFrame(X, columns=["bill", "mass"])
    for rows, name in ((X.tolist(), "x0"), (frame, "bill")):
        clusters = plot.ClustersDisplay(rows, y.tolist(), model.cluster_centers_.tolist()).plot()
        assert clusters.ax_.get_xlabel() == name
        np.testing.assert_array_equal(clusters.rows_.get_offsets(), X)
        assert plot.LabelComparisonDisplay(rows, found).plot().axes_[0].get_xlabel() == name
        assert plot.IterationsDisplay(rows, [X[:2], X[2:4]]).plot().ax_.get_xlabel() == name


@pytest.mark.parametrize(
    ("rows", "names", "text"),
    [
        (np.zeros(400), None, r"shape \(n_samples, n_features\), at least one of each, got \(400,\)"),
        (np.full((400, 2), np.nan), None, r"X contains NaN at \(0, 0\)"),
        (np.full((400, 3), np.inf), None, r"X contains infinity at \(0, 0\)"),
        (np.full((400, 2), "a"), None, "X must be numbers"),
        (np.zeros((400, 2)), ["a"], "feature_names must be 2, one for each feature, got 1"),
    ],
)
def test_rows_that_cannot_be_drawn_are_refused(blobs, rows, names, text):
    found = compare_labels(blobs[1], blobs[1])
    for display in (
        plot.ClustersDisplay(rows, blobs[1], feature_names=names),
        plot.LabelComparisonDisplay(rows, found, feature_names=names),
    ):
        with pytest.raises(ValueError, match=text):
            display.plot()
    with pytest.raises(ValueError, match=text):
        plot.IterationsDisplay(rows, [np.zeros((2, 2))], feature_names=names)
    with pytest.raises(ValueError, match="X must have the rows that were compared, 400, got 3"):
        plot.LabelComparisonDisplay(np.zeros((3, 2)), found).plot()


def test_pipelines_are_shown_as_their_last_step_sees_rows(blobs):
    """Silhouettes of rows as they are given to a pipeline would be those of other distances than it clusters by."""
    from sklearn.exceptions import NotFittedError
    from sklearn.metrics import silhouette_samples
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X = blobs[0] * [1, 1000]
    model = make_pipeline(StandardScaler(), KMeans(4, random_state=0)).fit(X)
    display = plot.SilhouetteDisplay.from_estimator(model, X)
    expected = silhouette_samples(model[0].transform(X), model[-1].labels_)
    np.testing.assert_allclose(display.silhouettes, expected, atol=1e-9)
    plot.ConvergenceDisplay.from_estimator(model)
    assert plot.SizesDisplay.from_estimator(model).ax_.get_title() == "400 rows in 4 clusters"
    for display in (plot.SizesDisplay, plot.ConvergenceDisplay):
        with pytest.raises(NotFittedError):
            display.from_estimator(make_pipeline(StandardScaler(), KMeans(4)))


def test_a_model_without_labels_asks_for_rows(blobs, model, tmp_path):
    model.save(tmp_path / "model.npz", labels=False)
    again = kmeans_fast.load(tmp_path / "model.npz")
    with pytest.raises(ValueError, match="has no labels_: it may have been saved without them; give X"):
        plot.SizesDisplay.from_estimator(again)
    plot.SizesDisplay.from_estimator(again, blobs[0])


def test_an_axis_that_shows_nothing_has_no_numbers():
    X, y = make_blobs(60, 1, centers=2, random_state=0)
    comparison = plot.LabelComparisonDisplay.from_predictions(X, y, y)
    for ax in (plot.ClustersDisplay.from_predictions(X, y).ax_, *comparison.axes_):
        assert len(ax.get_xticks()) > 1
        assert ax.get_xlabel() == "x0"
        assert len(ax.get_yticks()) == 0
