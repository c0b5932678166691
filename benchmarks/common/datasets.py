"""Data on which libraries are run to convergence: real data that scikit-learn ships, embeddings where there are any, and synthetic extremes."""

import os
from typing import NamedTuple

import numpy as np

EMBEDDINGS = "KMEANS_FAST_EMBEDDINGS"  # names an .npy file of embeddings, one a row
_SEED = 20261123


class Dataset(NamedTuple):
    """Rows and the numbers of clusters to look for."""

    name: str
    X: np.ndarray  # float32
    n_clusters: tuple[int, ...]

    def shape(self, n_clusters):
        """Rows, features and clusters, as tables show them."""
        return f"({len(self.X):,}, {self.X.shape[1]}, {n_clusters})"


def _photographs():
    from sklearn.datasets import load_sample_image

    for name in ("china.jpg", "flower.jpg"):
        pixels = load_sample_image(name).reshape(-1, 3).astype(np.float32)
        yield Dataset(f"pixels of {name[:-4]}", pixels, (16, 64, 256))
        yield Dataset(f"luminance of {name[:-4]}", pixels @ np.float32([[0.299], [0.587], [0.114]]), (256,))


def _patches():
    """What dictionaries for images are learnt from: patches of the photographs at places drawn at random, half of them from each."""
    from sklearn.datasets import load_sample_image

    def drawn(n, side, is_colour):
        rng, parts = np.random.default_rng(_SEED), []
        for name in ("china.jpg", "flower.jpg"):
            image = load_sample_image(name).astype(np.float32)
            if not is_colour:
                image = image @ np.float32([[0.299], [0.587], [0.114]])
            windows = np.lib.stride_tricks.sliding_window_view(image, (side, side), axis=(0, 1))
            rows, columns = windows.shape[:2]
            places = rng.choice(rows * columns, n // 2, replace=False)
            parts.append(windows[places // columns, places % columns].reshape(n // 2, -1))
        return np.concatenate(parts)

    yield Dataset("grey patches", drawn(40_000, 8, False), (256, 1024))
    yield Dataset("small grey patches", drawn(60_000, 4, False), (2048,))
    yield Dataset("colour patches", drawn(50_000, 8, True), (64, 256))


def _digits():
    from sklearn.datasets import load_digits

    yield Dataset("digits", load_digits().data.astype(np.float32), (10, 100))


def _embeddings():
    path = os.environ.get(EMBEDDINGS)
    if path:
        X = np.load(path, mmap_mode="r", allow_pickle=False)
        yield Dataset("embeddings", np.ascontiguousarray(X, np.float32), (100, 500))


def _synthetic():
    rng = np.random.default_rng(_SEED)

    def blobs(n, d, k, spread):
        centers = rng.standard_normal((k, d)) * spread
        return centers[rng.integers(0, k, n)] + rng.standard_normal((n, d))

    low_rank = rng.standard_normal((50_000, 12)) @ rng.standard_normal((12, 256)) + 0.1 * rng.standard_normal(
        (50_000, 256)
    )
    for name, X, k in (
        ("clusters apart", blobs(300_000, 16, 100, 4.0), 100),
        ("clusters that overlap", blobs(300_000, 16, 100, 1.0), 100),
        ("uniform", rng.random((200_000, 8)), 100),
        ("heavy tails", rng.standard_t(3, (100_000, 10)), 64),
        ("Gaussian", rng.standard_normal((100_000, 32)), 500),
        ("low rank", low_rank, 256),
        ("in the plane", blobs(200_000, 2, 300, 10.0), 500),
    ):
        yield Dataset(name, np.ascontiguousarray(X, np.float32), (k,))


def datasets():
    """All of them, one after the other."""
    for family in (_photographs, _patches, _digits, _embeddings, _synthetic):
        yield from family()


def named(sets, words):
    """Those data sets whose name holds one of the words; all where there are no words."""
    return (data for data in sets if not words or any(word in data.name for word in words))
