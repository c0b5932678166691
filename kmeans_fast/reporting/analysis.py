"""What a report is made of: health, the choice of k, clusters in numbers and words, pictures, timings."""

import math
import time
from typing import Any, NamedTuple

import numpy as np

from ..arrays import to_host
from ..choosing_k import choose_k
from ..choosing_k.criteria import VOTING
from ..functional import kmeans
from ..messages import counted
from ..metrics import cluster_profiles, outlier_scores
from ..plot import ClustersDisplay, KChoiceDisplay, ProfilesDisplay, SilhouetteDisplay, SizesDisplay
from ..preparation.findings import Health, health
from .pictures import Picture, picture

_LARGE, _NOTABLE = 0.8, 0.2  # effects, by Cohen
_FEATURES = 4  # that a sentence about a cluster names


class Cluster(NamedTuple):
    """A cluster, for a row of a table."""

    number: int
    rows: int
    share: float
    spread: float
    nearest_row: int
    words: str
    means: list[float]  # of the features, in the data's units


class Analysis(NamedTuple):
    """All that the page shows."""

    title: str
    shape: tuple[int, int]
    names: list[str]
    health: Health
    done: list[str]  # with the data before it was clustered, in words
    choice: Any  # KChoice, or None where the number was given
    n_clusters: int
    inertia: float
    backend: str
    silhouette: float
    clusters: list[Cluster]
    outliers: int
    farthest: list[tuple[int, int, float]]  # row, cluster and score
    pictures: dict[str, Picture]
    seconds: dict[str, float]
    command: str
    version: str


def analyse(
    X, numbers, *, names=None, title="", prepared=None, of_columns=None, done=(), made=None, seed=0, command="",
    version="", device="auto", n_threads=None,
):  # fmt: skip
    """Analyse rows.

    Parameters
    ----------
    X : array (n_samples, n_features)
        In units that people know.
    numbers : sequence of int
        Numbers of clusters in question; one is taken as it is.
    names : sequence of str, optional
        Of the columns.
    prepared : array (n_samples, n), optional
        What is clustered, made of X: scaled, or components; default: X itself.
    of_columns : Health, optional
        Of the data as it was found, where X has been made of it; default: that of X.
    done : sequence of str
        What has been done with it to make X.
    made : str, optional
        What the columns of `prepared` are, where they are not those of X: "component", say.
    title, command, version : str
        For the page: of what, how to make it again, and with which version.
    seed, device, n_threads
        As for `kmeans_fast.kmeans`.

    Returns
    -------
    Analysis
    """
    names = [f"x{j}" for j in range(X.shape[1])] if names is None else list(map(str, names))
    seconds, where = {}, {"device": device, "n_threads": n_threads}

    def timed(what, function, *arguments, **options):
        started = time.perf_counter()
        found = function(*arguments, **options)
        seconds[what] = seconds.get(what, 0.0) + time.perf_counter() - started
        return found

    if of_columns is None:
        of_columns = timed("looking at the columns", health, X, names, prepared is not None)
    rows = X if prepared is None else prepared
    called = names if made is None else [f"{made} {j + 1}" for j in range(rows.shape[1])]
    choice, k = None, numbers[0]
    if len(numbers) > 1:
        choice = timed("choosing k", choose_k, rows, numbers, seed=seed, **where)
        k = choice.n_clusters
    found = timed("clustering", kmeans, rows, k, seed=seed, n_init=1 if choice else 5, **_start(choice), **where)
    labels, displays = to_host(found.labels), {}
    clusters, silhouette, outliers, farthest = [], math.nan, 0, []
    if 1 < len(np.unique(labels)) < len(rows):
        profiles = timed("describing clusters", cluster_profiles, rows, labels, called, **where)
        plain = profiles
        if prepared is not None:
            plain = timed("describing clusters", cluster_profiles, X, labels, names, **where)
        clusters = [_cluster(profiles, plain, c) for c in range(len(profiles.clusters))]
        scores = timed("describing clusters", outlier_scores, rows, found.centroids, **where)
        outliers = int(scores.outliers.sum())
        first = np.argsort(-scores.scores, kind="stable")[: min(10, outliers)]
        farthest = [(int(row), int(scores.labels[row]), float(scores.scores[row])) for row in first]
        shown = timed("silhouettes", SilhouetteDisplay.of_sample, rows, labels, seed=seed)
        silhouette = float(np.mean(shown.silhouettes))
        displays["silhouettes"] = shown, "Silhouettes", f"Silhouettes by cluster; their mean is {silhouette:.2f}."
        sizes = ", ".join(f"{one.number}: {one.share:.0%}" for one in sorted(clusters, key=lambda one: -one.rows)[:12])
        words = f"Rows in each cluster, the largest first. {sizes}."
        displays["sizes"] = SizesDisplay(labels), "Sizes", words
        told = "; ".join(f"cluster {one.number}: {one.words}" for one in clusters[:12])
        words = f"A table of features by clusters, coloured by how much higher or lower a cluster is. {told}."
        displays["profiles"] = ProfilesDisplay(plain), "What sets the clusters apart, with their means", words
    if choice is not None:
        votes = ", ".join(f"{one.title}: {choice.votes[one.name] or 'none'}" for one in VOTING)
        words = f"Four criteria; each is for: {votes}."
        displays["choice"] = KChoiceDisplay(choice), "Criteria by number of clusters", words
    what = "their two features" if rows.shape[1] == 2 else "the first two principal components"
    words = f"{counted(len(rows), 'row')} by {what}, coloured by cluster, with centroids."
    displays["clusters"] = ClustersDisplay(rows, labels, to_host(found.centroids), called), "Clusters", words
    pictures = timed("drawing", lambda: {name: picture(*one) for name, one in displays.items()})
    return Analysis(
        title, X.shape, names, of_columns, list(done), choice, k, found.inertia, found.backend,
        silhouette, clusters, outliers, farthest, pictures, seconds, command, version,
    )  # fmt: skip


def _start(choice):
    """Where the fit starts: from the centroids that the choice has come to, if there was one."""
    return {} if choice is None else {"init": choice.centroids[choice.n_clusters]}


def _cluster(profiles, plain, c):
    """A cluster in numbers, and in words: where it differs most from the others in the data's units, `plain`."""
    words = []
    for name, effect in plain.features(c)[:_FEATURES]:
        if abs(effect) < _NOTABLE:
            break
        much = "much " if abs(effect) >= _LARGE else ""
        words.append(f"{much}{'higher' if effect > 0 else 'lower'} {name}")
    said = ", ".join(words) if words else "like the others in every feature"
    numbers = (int(profiles.sizes[c]), float(profiles.shares[c]), float(profiles.spreads[c]))
    return Cluster(int(profiles.clusters[c]), *numbers, int(profiles.nearest_rows[c]), said, plain.means[c].tolist())
