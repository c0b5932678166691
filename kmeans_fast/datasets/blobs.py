"""Gaussian blobs, on all cores, to memory or to a file: data in less time than it takes to cluster them."""

from __future__ import annotations  # signatures in `help` read as they are written here

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..archives import write_header
from ..kernels.processors import usable_cpus
from ..parameters import PARAMETERS
from ..whole_files import WholeFiles

_COUNT = PARAMETERS["max_iter"].rule  # an integer of at least 1
_CHUNK_BYTES = 1 << 22  # of values that are made by one generator
_CENTERS, _ORDER, _ROWS = range(3)  # what a generator is for
_ROUNDS = 6  # of the permutation


class Blobs:
    """Isotropic Gaussian blobs, made chunk by chunk. The same rows in any order of chunks and on any thread.

    Parameters
    ----------
    n_samples, n_features, centers, cluster_std, center_box, shuffle, random_state, dtype
        As for `make_blobs`.

    Attributes
    ----------
    shape : tuple (n_samples, n_features)
    dtype : dtype
    centers : array (n_centers, n_features), float64
    n_chunks : int

    Notes
    -----
    A chunk has a generator of its own, PCG64DXSM seeded by `random_state` and the chunk's number. The rows of the blobs
    are mixed by a permutation that is worked out row by row: a Feistel network, walked until it falls on a row (Black
    and Rogaway 2002), so that no list of rows is held.
    """

    def __init__(
        self, n_samples=100, n_features=2, *, centers=None, cluster_std=1.0, center_box=(-10.0, 10.0), shuffle=True,
        random_state=None, dtype=np.float64,
    ):  # fmt: skip
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32 or float64, got {self.dtype}.")
        self._entropy = _entropy(random_state)
        each = None if np.ndim(n_samples) == 0 else np.asarray(n_samples)
        if centers is None:
            centers = 3 if each is None else len(each)
        if isinstance(centers, (int, np.integer)):
            _COUNT.checked("centers", centers)
            _COUNT.checked("n_features", n_features)
            box = np.sort(np.asarray(center_box, np.float64))
            if box.shape != (2,) or not np.isfinite(box).all():
                raise ValueError(f"center_box must be two finite numbers, got {center_box!r}.")
            self.centers = self._generator(_CENTERS).uniform(*box, (int(centers), int(n_features)))
        else:
            self.centers = np.array(centers, np.float64)
            if self.centers.ndim != 2 or 0 in self.centers.shape or not np.isfinite(self.centers).all():
                raise ValueError(
                    "centers must be a number, or finite positions (n_centers, n_features), got an array of shape "
                    f"{self.centers.shape}."
                )
        k, d = self.centers.shape
        if each is None:
            _COUNT.checked("n_samples", n_samples)
            each = np.full(k, int(n_samples) // k)
            each[: int(n_samples) % k] += 1
        if each.shape != (k,) or each.dtype.kind not in "iu" or (each < 0).any() or not each.any():
            raise ValueError(
                f"n_samples must be a number, or one for each of the {k:,} centers, not all 0: got {n_samples!r}."
            )
        self.deviations = np.asarray(cluster_std, np.float64)
        known = np.isfinite(self.deviations) & (self.deviations >= 0)
        if self.deviations.shape not in ((), (k,)) or not known.all():
            raise ValueError(
                f"cluster_std must be a number, or one for each of the {k:,} centers, finite and not negative: got "
                f"{cluster_std!r}."
            )
        most = np.finfo(self.dtype).max / 64  # deviations beyond a center that are drawn
        if max(np.abs(self.centers).max(), self.deviations.max()) > most:
            raise ValueError(f"centers and cluster_std must be at most {most:.3g}, for rows of {self.dtype}.")
        self._ends = np.cumsum(each)
        self.shape = int(self._ends[-1]), d
        self._rows = max(1, _CHUNK_BYTES // (d * self.dtype.itemsize))
        self.n_chunks = -(-self.shape[0] // self._rows)
        self._keys = self._generator(_ORDER).integers(0, 2**64, _ROUNDS, np.uint64) if shuffle else None

    def _generator(self, *what):
        return np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(self._entropy, spawn_key=what)))

    def rows(self, number):
        """The rows that chunk `number` has, as a slice."""
        return slice(number * self._rows, min((number + 1) * self._rows, self.shape[0]))

    def labels(self, number, out=None):
        """The blob of each row of chunk `number`, int32, written to `out` if given."""
        rows = self.rows(number)
        numbers = np.arange(rows.start, rows.stop, dtype=np.uint64)
        if self._keys is not None:
            numbers = _permuted(numbers, self.shape[0], self._keys)
        found = np.searchsorted(self._ends, numbers.astype(np.int64), side="right")
        out = np.empty(len(numbers), np.int32) if out is None else out
        out[...] = found
        return out

    def fill(self, number, out, labels):
        """Write the rows of chunk `number`, whose blobs are `labels`, to `out` (rows, n_features), C-contiguous."""
        self._generator(_ROWS, number).standard_normal(out.shape, self.dtype, out)
        deviations = self.deviations.astype(self.dtype)
        out *= deviations if deviations.ndim == 0 else deviations[labels, None]
        out += self.centers.astype(self.dtype)[labels]

    def chunks(self, n_threads=None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows and labels, chunk by chunk in order, made ahead on `n_threads` threads (default: the usable CPUs)."""

        def made(number):
            labels = self.labels(number)
            out = np.empty((len(labels), self.shape[1]), self.dtype)
            self.fill(number, out, labels)
            return out, labels

        threads = _threads(n_threads)
        with ThreadPoolExecutor(threads) as pool:
            ahead = []
            try:
                for number in range(self.n_chunks):
                    ahead.append(pool.submit(made, number))
                    if len(ahead) > 2 * threads:
                        yield ahead.pop(0).result()
                for future in ahead:
                    yield future.result()
            finally:  # whoever stops early does not wait for all that is under way
                pool.shutdown(wait=False, cancel_futures=True)


def make_blobs(
    n_samples: int | ArrayLike = 100,
    n_features: int = 2,
    *,
    centers: int | ArrayLike | None = None,
    cluster_std: float | ArrayLike = 1.0,
    center_box: tuple[float, float] = (-10.0, 10.0),
    shuffle: bool = True,
    random_state: int | np.random.RandomState | None = None,
    return_centers: bool = False,
    dtype: DTypeLike = np.float64,
    n_threads: int | None = None,
) -> tuple[Any, ...]:
    """Isotropic Gaussian blobs, as scikit-learn's function of this name, on all cores.

    Parameters
    ----------
    n_samples : int or array-like (n_centers,)
        Rows in all, shared out evenly, or rows of each blob.
    n_features : int
        Where `centers` are not given as positions.
    centers : int or array-like (n_centers, n_features), optional
        How many, 3 by default, or where they are.
    cluster_std : float or array-like (n_centers,)
        Standard deviation of the blobs in each direction.
    center_box : tuple of float
        The range of the coordinates of centers that are drawn.
    shuffle : bool
        Whether the rows of the blobs are mixed.
    random_state : int, RandomState or None
        The rows depend on it and the other arguments alone, not on `n_threads`. They are not those of scikit-learn, and
        another version of NumPy may draw others.
    return_centers : bool
    dtype : {float64, float32}
        Of X.
    n_threads : int, optional
        Default: the usable CPUs.

    Returns
    -------
    X : array (n_samples, n_features)
    y : array (n_samples,), int32
        The blob of each row.
    centers : array (n_centers, n_features), float64
        If `return_centers`.

    Raises
    ------
    ValueError
        For an argument outside these rules.

    Notes
    -----
    O(n_samples * n_features). See `Blobs`, which makes them chunk by chunk, and `write_blobs`.

    Examples
    --------
    >>> from kmeans_fast.datasets import make_blobs
    >>> X, y = make_blobs(1000, centers=4, random_state=0)
    >>> X.shape, y.shape, sorted(set(y.tolist()))
    ((1000, 2), (1000,), [0, 1, 2, 3])
    """
    blobs = Blobs(
        n_samples, n_features, centers=centers, cluster_std=cluster_std, center_box=center_box, shuffle=shuffle,
        random_state=random_state, dtype=dtype,
    )  # fmt: skip
    X, y = np.empty(blobs.shape, blobs.dtype), np.empty(blobs.shape[0], np.int32)

    def fill(number):
        rows = blobs.rows(number)
        blobs.fill(number, X[rows], blobs.labels(number, y[rows]))

    with ThreadPoolExecutor(_threads(n_threads)) as pool:
        for _ in pool.map(fill, range(blobs.n_chunks)):  # so that what is raised there is raised here
            pass
    return (X, y, blobs.centers) if return_centers else (X, y)


def write_blobs(
    path: str | os.PathLike[str],
    n_samples: int | ArrayLike,
    n_features: int = 2,
    *,
    labels: str | os.PathLike[str] | None = None,
    dtype: Literal["float32", "float64"] | DTypeLike = np.float32,
    n_threads: int | None = None,
    **options: Any,
) -> Blobs:
    """Write blobs to a .npy file, chunk by chunk: more than memory holds. The rows are those of `make_blobs`.

    Parameters
    ----------
    path : path-like
        Written whole or not at all.
    n_samples, n_features, dtype, n_threads, **options
        As for `make_blobs`: centers, cluster_std, center_box, shuffle, random_state.
    labels : path-like, optional
        Where to write the blob of each row, int32, as .npy.

    Returns
    -------
    Blobs
        With the shape and the centers.
    """
    blobs = Blobs(n_samples, n_features, dtype=dtype, **options)
    with WholeFiles() as files:
        file, of_labels = files.open(path), files.open(labels) if labels is not None else None
        write_header(file, blobs.shape, blobs.dtype)
        if of_labels is not None:
            write_header(of_labels, blobs.shape[:1], np.dtype(np.int32))
        for rows, numbers in blobs.chunks(n_threads):
            file.write(rows.data.cast("B"))
            if of_labels is not None:
                of_labels.write(numbers.data.cast("B"))
    return blobs


def _threads(n_threads):
    return PARAMETERS["n_threads"].rule.checked("n_threads", n_threads) or usable_cpus()


def _entropy(random_state):
    """Integers to seed generators with."""
    if isinstance(random_state, np.random.RandomState):
        return random_state.randint(0, 2**32, 4, np.uint64).tolist()
    return np.random.SeedSequence(PARAMETERS["seed"].rule.checked("random_state", random_state)).entropy


def _permuted(numbers, n, keys):
    """Where a permutation of 0 ... n - 1 sends `numbers` (uint64): a Feistel network on the least even number of bits.

    What falls beyond n - 1 is sent on until it does not: a walk on a cycle, which comes back.
    """
    half = np.uint64(max(1, -(-(n - 1).bit_length() // 2)))
    mask = (np.uint64(1) << half) - np.uint64(1)

    def sent(values):
        left, right = values >> half, values & mask
        for key in keys:
            mixed = (right + key) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
            mixed *= np.uint64(0xBF58476D1CE4E5B9)
            left, right = right, left ^ ((mixed >> np.uint64(32)) & mask)
        return (left << half) | right

    found = sent(numbers)
    beyond = np.flatnonzero(found >= n)
    while len(beyond):
        found[beyond] = sent(found[beyond])
        beyond = beyond[found[beyond] >= n]
    return found
