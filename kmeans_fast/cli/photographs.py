"""The demo's first part: the colours of two photographs, reduced to a palette by clustering their pixels."""

import time
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_sample_image

from .. import KMeans

NAMES = ("china.jpg", "flower.jpg")
COLOURS = (16, 64)
_REPEATS = 3


class Quantised(NamedTuple):
    """A photograph in few colours."""

    picture: np.ndarray  # (height, width, 3), uint8
    palette: np.ndarray  # (n_colours, 3), uint8, from dark to light
    shares: np.ndarray  # of the pixels
    error: float  # root mean square difference from the original, in levels of 0 to 255
    seconds: float  # of the fastest of a few fits, seeding included; kernels were compiled before


def _seconds(model, X):
    started = time.perf_counter()
    model.fit(X)
    return time.perf_counter() - started


def load(name, step=1):
    """Every `step`-th pixel, both ways, of a photograph that scikit-learn ships: ndarray (height, width, 3), uint8."""
    return np.ascontiguousarray(load_sample_image(name)[::step, ::step])


def pixels(picture):
    """The pixels of `picture` as rows: ndarray (n_pixels, 3), float32."""
    return picture.reshape(-1, 3).astype(np.float32)


def quantise(picture, n_colours):
    """Reduce `picture` (height, width, 3; uint8) to `n_colours`: a `Quantised`."""
    X = pixels(picture)
    model = KMeans(n_colours, random_state=0).fit(X)  # compiles what this fit runs
    seconds = min(_seconds(model, X) for _ in range(_REPEATS))
    order = np.argsort(model.cluster_centers_ @ np.float32([0.299, 0.587, 0.114]))  # brightness as eyes weigh it
    palette = np.rint(model.cluster_centers_).astype(np.uint8)
    shares = np.bincount(model.labels_, minlength=n_colours) / len(X)
    error = float(np.sqrt(model.inertia_ / X.size))
    return Quantised(palette[model.labels_].reshape(picture.shape), palette[order], shares[order], error, seconds)
