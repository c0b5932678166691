"""Data on which libraries are run to convergence.

Real data that scikit-learn ships, embeddings where there are any, and synthetic extremes.
"""

import functools
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

EMBEDDINGS = "KMEANS_FAST_EMBEDDINGS"  # names an .npy file of embeddings, one a row
_SEED = 20261123
_LUMINANCE = np.float32([[0.299], [0.587], [0.114]])
_PHOTOGRAPHS = ("china.jpg", "flower.jpg")
_SYNTHETIC = {
    "clusters apart": 100, "clusters that overlap": 100, "uniform": 100, "heavy tails": 64, "Gaussian": 500,
    "low rank": 256, "in the plane": 500,
}  # fmt: skip


class Dataset(NamedTuple):
    """Rows that are made when they are asked for, and the numbers of clusters to look for."""

    name: str
    make: Callable
    n_clusters: tuple[int, ...]

    @property
    def X(self):
        """The rows (float32)."""
        return _made(self.make)

    def shape(self, n_clusters):
        """Rows, features and clusters, as tables show them."""
        n_samples, n_features = self.X.shape
        return f"({n_samples:,}, {n_features}, {n_clusters})"


@functools.lru_cache(1)
def _made(make):
    return np.ascontiguousarray(make(), np.float32)


def _pixels(name):
    from sklearn.datasets import load_sample_image

    return load_sample_image(name).reshape(-1, 3).astype(np.float32)


def _patches(n, side, is_colour):
    """What dictionaries for images are learnt from: patches of the photographs, half from each, places at random."""
    from sklearn.datasets import load_sample_image

    rng, parts = np.random.default_rng(_SEED), []
    for name in _PHOTOGRAPHS:
        image = load_sample_image(name).astype(np.float32)
        if not is_colour:
            image = image @ _LUMINANCE
        windows = np.lib.stride_tricks.sliding_window_view(image, (side, side), axis=(0, 1))
        rows, columns = windows.shape[:2]
        places = rng.choice(rows * columns, n // 2, replace=False)
        parts.append(windows[places // columns, places % columns].reshape(n // 2, -1))
    return np.concatenate(parts)


def _digits():
    from sklearn.datasets import load_digits

    return load_digits().data


def _embeddings():
    return np.load(os.environ[EMBEDDINGS], mmap_mode="r", allow_pickle=False)


def _clusters(rng, n, d, k, spread):
    centers = rng.standard_normal((k, d)) * spread
    return centers[rng.integers(0, k, n)] + rng.standard_normal((n, d))


@functools.cache
def _synthetic():
    """All by name: one stream of random numbers makes them."""
    rng = np.random.default_rng(_SEED)
    low_rank = rng.standard_normal((50_000, 12)) @ rng.standard_normal((12, 256))
    low_rank += 0.1 * rng.standard_normal(low_rank.shape)
    return {
        "clusters apart": _clusters(rng, 300_000, 16, 100, 4.0),
        "clusters that overlap": _clusters(rng, 300_000, 16, 100, 1.0),
        "uniform": rng.random((200_000, 8)),
        "heavy tails": rng.standard_t(3, (100_000, 10)),
        "Gaussian": rng.standard_normal((100_000, 32)),
        "low rank": low_rank,
        "in the plane": _clusters(rng, 200_000, 2, 300, 10.0),
    }


def _all():
    for name in _PHOTOGRAPHS:
        yield f"pixels of {name[:-4]}", functools.partial(_pixels, name), 16, 64, 256
        yield f"luminance of {name[:-4]}", lambda name=name: _pixels(name) @ _LUMINANCE, 256
    yield "grey patches", lambda: _patches(40_000, 8, False), 256, 1024
    yield "small grey patches", lambda: _patches(60_000, 4, False), 2048
    yield "colour patches", lambda: _patches(50_000, 8, True), 64, 256
    yield "digits", _digits, 10, 100
    if os.environ.get(EMBEDDINGS):
        yield "embeddings", _embeddings, 100, 500
    for name, k in _SYNTHETIC.items():
        yield name, lambda name=name: _synthetic()[name], k


DATASETS = tuple(Dataset(name, make, tuple(n_clusters)) for name, make, *n_clusters in _all())


def named(sets, words):
    """Those data sets whose name holds one of the words; all where there are no words."""
    return (data for data in sets if not words or any(word in data.name for word in words))
