"""How many clusters: fits for several numbers, criteria for each, and what they recommend together."""

from __future__ import annotations  # signatures in `help` read as they are written here

import math
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..door import opened
from ..engine.checks import check_clusters
from ..engine.several_k import SeveralK
from ..functional import seed_of
from ..messages import counted
from ..metrics import davies_bouldin_score, silhouette_score
from ..parameters import PARAMETERS, checked
from . import criteria
from .searches import SEARCHES, drawn

_MOST_WHOLE = 1 << 16  # rows that are looked at without drawing a sample, which may miss what is rare
_LEAST_SAMPLE, _ROWS_A_CLUSTER = 1 << 14, 64  # rows of the sample by default
_COUNT = PARAMETERS["max_iter"].rule  # an integer of at least 1
SILHOUETTE_ROWS = 5000  # of the sample, in which silhouettes are taken: they take the square of it
_TITLES = {  # what is printed, in lines that suit a terminal of 80 columns
    "k": "k", "inertia": "inertia", "elbow": "elbow", "silhouette": "silhouette",
    "calinski_harabasz": "Calinski-\nHarabasz", "davies_bouldin": "Davies-\nBouldin", "stability": "stability",
}  # fmt: skip


class Tried(NamedTuple):
    """What a number of clusters came to, as the callback of `choose_k` is told it."""

    k: int
    inertia: float
    silhouette: float
    davies_bouldin: float
    stability: float
    n_iter: int
    seconds: float


class KChoice(NamedTuple):
    """What `choose_k` found. Printed, it is a table with the recommendation and its reasons.

    `kmeans_fast.plot.KChoiceDisplay` draws it.

    Attributes
    ----------
    n_clusters : int
        What is recommended.
    confidence : {"clear", "likely", "uncertain"}
    reasons : list of str
    votes : dict of str to int or None
        The number that each criterion is for.
    table : dict of str to array
        A column each, with an entry for every number that was tried, ascending: "k", "inertia", "elbow", "silhouette",
        "calinski_harabasz", "davies_bouldin" (it has no vote: it finds the true number least often), "stability",
        "n_iter" and "seconds". NaN where a criterion is not defined.
    centroids : dict of int to array (k, n_features)
        Of every number that was tried; those of `n_clusters` have converged.
    labels : array (n_samples,), int32
        For `n_clusters`. These and centroids are of the library and on the device that X came from.
    inertia : float
        For `n_clusters`.
    """

    n_clusters: int
    confidence: str
    reasons: list[str]
    votes: dict[str, int | None]
    table: dict[str, np.ndarray]
    centroids: dict[int, np.ndarray]
    labels: Any
    inertia: float

    def __str__(self) -> str:
        titles = {name: ["", *title.split("\n")][-2:] for name, title in _TITLES.items()}
        columns = [[*lines, *map(_shown, self.table[name].tolist())] for name, lines in titles.items()]
        wide = [max(map(len, column)) for column in columns]
        lines = ["  ".join(f"{cell:>{w}}" for cell, w in zip(row, wide)).rstrip() for row in zip(*columns)]
        marks = ["", "", *("  <" if k == self.n_clusters else "" for k in self.table["k"].tolist())]
        said = f"{counted(self.n_clusters, 'cluster')} ({self.confidence})"
        return "\n".join([*(line + mark for line, mark in zip(lines, marks)), "", said, *self.reasons])


def _shown(value):
    """A cell of the table."""
    if isinstance(value, int):
        return str(value)
    if math.isnan(value):
        return "-"
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def choose_k(
    X: ArrayLike,
    k: Iterable[int] = range(2, 21),
    *,
    search: str = "grid",
    n_trials: int = 10,
    n_init: int = 3,
    max_iter: int = 300,
    tol: float = 1e-4,
    sample_size: int | None = None,
    n_resamples: int = 3,
    seed: int | None = None,
    device: str = "auto",
    n_threads: int | None = None,
    callback: Callable[[Tried], Any] | None = None,
) -> KChoice:
    """Find out how many clusters rows have.

    For every number the rows are clustered, and criteria are worked out: the elbow of the inertia (Kneedle), the
    silhouette, Calinski-Harabasz, and stability: whether clusters of one half of the rows are found again by those of
    the other. Each is for one number; the number that most are for is recommended, with how sure that is. On data with
    other shapes than blobs all of them can be wrong: look at the clusters.

    Parameters
    ----------
    X : array-like (n_samples, n_features)
        As for `kmeans`. Features should be on comparable scales.
    k : iterable of int
        Numbers of clusters in question.
    search : {"grid", "random", "bisect"}
        Which of them are tried: all; `n_trials` drawn at random; or some far apart, then those between the
        neighbours of the best, which takes about ``2 * log2(len(k))`` fits.
    n_trials : int
    n_init : int
        Starts of each fit, on the sample. Another is made from the clusters found for one number less.
    max_iter, tol
        As for `kmeans`.
    sample_size : int, optional
        Rows that fits begin on and criteria are worked out on, but for inertia, Calinski-Harabasz and the elbow, which
        are of all rows. Default: of up to 65,536 rows all, of more 16,384, or 64 for each cluster. Silhouettes and
        Davies-Bouldin are of 5,000 of them at most.
    n_resamples : int
        Halvings of the sample, for stability.
    seed : int, optional
        Of all random draws; fresh entropy by default.
    device, n_threads
        As for `kmeans`.
    callback : callable, optional
        Called with a `Tried` after each number; a true return value ends the search.

    Returns
    -------
    KChoice

    Raises
    ------
    ValueError
        For an argument outside these rules, or as for `kmeans`.

    Notes
    -----
    Each number takes at most five iterations on all rows, O(n_samples * k * n_features) each, and fits on samples; the
    one that is recommended is fitted to the end. The rows are opened once, and k-means++ seeds for the largest number
    serve all. Methods: Satopää et al. (2011); Rousseeuw (1987); Calinski and Harabasz (1974); Tibshirani and Walther
    (2005).

    Examples
    --------
    >>> from kmeans_fast import choose_k
    >>> from kmeans_fast.datasets import make_blobs
    >>> X, _ = make_blobs(2000, 3, centers=5, center_box=(-20, 20), random_state=2)
    >>> choice = choose_k(X, range(2, 11), seed=0)
    >>> choice.n_clusters, choice.confidence
    (5, 'clear')
    """
    how = checked({"max_iter": max_iter, "tol": tol, "seed": seed, "device": device, "n_threads": n_threads})
    how["seed"] = seed_of(how["seed"])
    for name, value in {"n_trials": n_trials, "n_init": n_init, "n_resamples": n_resamples}.items():
        _COUNT.checked(name, value)
    PARAMETERS["n_threads"].rule.checked("sample_size", sample_size)  # the same rule
    if search not in SEARCHES:
        raise ValueError(f"search must be one of {', '.join(map(repr, SEARCHES))}, got {search!r}.")
    numbers = _numbers(k)
    if search == "random":
        numbers = drawn(numbers, n_trials, how["seed"])
    with opened(X) as data:
        check_clusters(data.n_samples, numbers[-1])
        if sample_size is not None and sample_size < numbers[-1]:
            raise ValueError(f"sample_size must be at least the largest k, {numbers[-1]}, got {sample_size}.")
        size = sample_size or max(_LEAST_SAMPLE, _ROWS_A_CLUSTER * numbers[-1])
        if sample_size is None and data.n_samples <= _MOST_WHOLE:
            size = data.n_samples
        trials = _Trials(data, numbers, size, n_init, n_resamples, how)
        following, best = SEARCHES[search], None
        while (number := following(numbers, trials.tried, best)) is not None:
            tried = trials.run(number)
            if callback is not None and callback(tried):
                break
            best = trials.recommended()[0].n_clusters
        return trials.choice(data)


class _Trials:
    """The numbers that have been tried, and what they came to."""

    def __init__(self, data, numbers, sample_size, n_init, n_resamples, how):
        self.several = SeveralK(data, numbers[-1], sample_size=sample_size, n_init=n_init, **how)
        self.n, self.how, rows = data.n_samples, how, self.several.rows
        self.total = self.several.fit(1).inertia
        generator = np.random.Generator(np.random.Philox(key=how["seed"]))
        orders, half = [generator.permutation(len(rows)) for _ in range(n_resamples)], len(rows) // 2
        self.some = np.sort(orders[0][:SILHOUETTE_ROWS])
        self.halves = []  # pairs of fits of one half of the sample and of the other
        if half >= numbers[-1]:
            parts = [(rows[order[:half]], rows[order[half:]]) for order in orders]
            self.halves = [tuple(self.several.of_rows(part, 1, how["seed"]) for part in pair) for pair in parts]
        self.from_one = numbers[0] <= 2  # whether the curve of inertia begins at one cluster
        self.tried = {}

    def run(self, k):
        """Try a number of clusters."""
        started = time.perf_counter()
        found = self.several.fit(k)
        rows, labels, on = self.several.rows[self.some], found.sampled[self.some], self._where()
        n_labels = len(np.unique(labels))
        silhouette = davies_bouldin = math.nan
        if 1 < n_labels < len(rows):
            silhouette, davies_bouldin = (of(rows, labels, **on) for of in (silhouette_score, davies_bouldin_score))
        stability = self._stability(k)
        seconds = time.perf_counter() - started
        self.tried[k] = Tried(k, found.inertia, silhouette, davies_bouldin, stability, found.n_iter, seconds)
        return self.tried[k]

    def _where(self):
        return {"device": self.how["device"], "n_threads": self.how["n_threads"]}

    def _stability(self, k):
        """The mean prediction strength over halvings of the sample; NaN where too few rows are there, or differ."""
        if k < 2 or not self.halves or len(np.unique(self.several.fit(k).sampled)) < k:
            return math.nan
        strengths = []
        for first, second in self.halves:
            predicted = second.labels(first.fit(k).centroids)
            strengths.append(criteria.prediction_strength(predicted, second.fit(k).labels))
        return float(np.mean(strengths))

    def recommended(self):
        """The `criteria.Recommendation` by now, and the columns of the table."""
        tried = [self.tried[k] for k in sorted(self.tried)]
        columns = {name: np.array([getattr(one, name) for one in tried]) for name in Tried._fields}
        k, inertia = columns["k"], columns["inertia"]
        before = [(1, self.total)] if self.from_one and k[0] > 1 else []
        curve = [*before, *zip(k.tolist(), inertia.tolist())]
        elbow = criteria.elbow_distances(*zip(*curve))[len(before) :]
        columns["elbow"] = elbow
        columns["calinski_harabasz"] = criteria.calinski_harabasz(k, inertia, self.total, self.n)
        return criteria.recommended(k, columns), {name: columns[name] for name in (*_TITLES, "n_iter", "seconds")}

    def choice(self, data):
        """The `KChoice`."""
        best, table = self.recommended()
        run = self.several.finished(best.n_clusters)
        centroids = {k: self.several.fits[k].centroids for k in sorted(self.tried)} | {best.n_clusters: run.centroids}
        centroids = {k: data.back(of_k) for k, of_k in centroids.items()}
        said = (best.n_clusters, best.confidence, best.reasons, best.votes)
        return KChoice(*said, table, centroids, data.back(run.labels), run.inertia)


def _numbers(k):
    """The numbers of clusters, ascending, each once."""
    if not isinstance(k, Iterable) or isinstance(k, str):
        raise ValueError(f"k must be numbers of clusters, such as range(2, 21) or [{k}], got {k!r}.")
    numbers = sorted({_COUNT.checked("k", one) for one in k})
    if not numbers:
        raise ValueError("k must hold at least one number of clusters, and it is empty.")
    return numbers
