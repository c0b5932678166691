"""Blobs: what they are, and that neither threads nor chunks nor a file change a row."""

import numpy as np
import pytest

from kmeans_fast.datasets import Blobs, blobs, make_blobs, write_blobs


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(blobs, "_CHUNK_BYTES", 1 << 12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_and_chunks_change_nothing(small_chunks, dtype):
    what = {"centers": 7, "random_state": 3, "dtype": dtype, "cluster_std": np.arange(1, 8) / 7}
    X, y, centers = make_blobs(3001, 5, return_centers=True, n_threads=1, **what)
    assert X.dtype == dtype
    assert y.dtype == np.int32
    again = make_blobs(3001, 5, n_threads=4, **what)
    np.testing.assert_array_equal(X, again[0])
    np.testing.assert_array_equal(y, again[1])
    whole = Blobs(3001, 5, **what)
    assert whole.n_chunks > 5
    np.testing.assert_array_equal(centers, whole.centers)
    for number in reversed(range(whole.n_chunks)):
        rows = whole.rows(number)
        np.testing.assert_array_equal(whole.labels(number), y[rows])
        out = np.empty_like(X[rows])
        whole.fill(number, out, y[rows])
        np.testing.assert_array_equal(out, X[rows])
    np.testing.assert_array_equal(np.concatenate([part for part, _ in whole.chunks(2)]), X)


def test_a_file_has_the_same_rows(small_chunks, tmp_path):
    found = write_blobs(tmp_path / "X.npy", 2000, 3, labels=tmp_path / "y.npy", centers=4, random_state=1)
    X, y = make_blobs(2000, 3, centers=4, random_state=1, dtype=np.float32)
    assert found.shape == (2000, 3)
    np.testing.assert_array_equal(np.load(tmp_path / "X.npy", mmap_mode="r"), X)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), y)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["X.npy", "y.npy"]


def test_a_file_that_cannot_be_finished_is_not_there(small_chunks, tmp_path, monkeypatch):
    monkeypatch.setattr(Blobs, "labels", lambda self, number, out=None: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        write_blobs(tmp_path / "X.npy", 2000, 3, random_state=1)
    assert list(tmp_path.iterdir()) == []


def test_blobs_are_where_they_should_be():
    centers = np.array([[0.0, 50.0], [50.0, 0.0], [-50.0, -50.0]])
    X, y = make_blobs(30_000, centers=centers, cluster_std=[1.0, 2.0, 0.5], random_state=0)
    assert np.bincount(y).tolist() == [10_000] * 3
    for blob, deviation in enumerate((1.0, 2.0, 0.5)):
        own = X[y == blob] - centers[blob]
        np.testing.assert_allclose(own.mean(axis=0), 0, atol=5 * deviation / 100)
        np.testing.assert_allclose(own.std(axis=0), deviation, rtol=0.04)
    ordered, numbers = make_blobs([5, 0, 7], centers=centers, shuffle=False, random_state=0)
    assert numbers.tolist() == [0] * 5 + [2] * 7
    assert ordered.shape == (12, 2)
    assert make_blobs(random_state=0)[0].shape == (100, 2)
    drawn = make_blobs(50, 4, centers=20, center_box=(3, 2), random_state=0, return_centers=True)[2]
    assert drawn.min() >= 2
    assert drawn.max() <= 3


def test_rows_are_mixed_and_each_is_there_once():
    for n in [*range(1, 40), 255, 256, 257, 1000]:
        keys = np.random.default_rng(n).integers(0, 2**64, 6, np.uint64)
        found = blobs._permuted(np.arange(n, dtype=np.uint64), n, keys)
        np.testing.assert_array_equal(np.sort(found), np.arange(n))
    _, y = make_blobs(10_000, centers=2, random_state=0)
    runs = np.count_nonzero(np.diff(y))  # of 9,999 places half, give or take five deviations of 50
    assert 4750 < runs < 5250


def test_seeds_tell_rows_apart():
    X = make_blobs(50, random_state=0)[0]
    assert not np.array_equal(X, make_blobs(50, random_state=1)[0])
    assert not np.array_equal(make_blobs(50)[0], make_blobs(50)[0])
    pair = [make_blobs(50, random_state=np.random.RandomState(5))[0] for _ in range(2)]
    np.testing.assert_array_equal(*pair)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_samples": 0}, "n_samples must be an integer of at least 1, got 0"),
        ({"n_samples": [3, -1], "centers": 2}, "n_samples must be a number, or one for each of the 2 centers"),
        ({"n_samples": 2.5}, "n_samples must be an integer of at least 1, got 2.5"),
        ({"n_features": 0}, "n_features must be an integer of at least 1, got 0"),
        ({"centers": 0}, "centers must be an integer of at least 1, got 0"),
        ({"centers": [[np.nan, 1.0]]}, "centers must be a number, or finite positions"),
        (
            {"cluster_std": -1},
            "cluster_std must be a number, or one for each of the 3 centers, finite and not negative",
        ),
        ({"cluster_std": [1, 2]}, "cluster_std must be a number, or one for each of the 3 centers"),
        ({"center_box": (0, np.inf)}, "center_box must be two finite numbers"),
        ({"centers": [[1e300]], "dtype": np.float32}, "centers and cluster_std must be at most"),
        ({"n_threads": 0}, "n_threads must be an integer of at least 1 or None, got 0"),
        ({"dtype": np.int32}, "dtype must be float32 or float64, got int32"),
        ({"random_state": -1}, "random_state must be an integer of at least 0 or None, got -1"),
    ],
)
def test_bad_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_blobs(**arguments)
