"""Ours and its peers behind one call: ``fit(X, start, iterations) -> Fitted``.

Each is set up to do the same work: the same rows, the same initial centroids, the same number of iterations, tolerance
off, float32, all cores.
"""

import os
from typing import NamedTuple

import numpy as np

from .machine import version


class Fitted(NamedTuple):
    """What a fit gave."""

    centroids: np.ndarray
    labels: np.ndarray | None  # None where the library's fit returns none
    n_iter: int


class Contender:
    """One library. `load` may raise ImportError; `refuses` says why a problem is not for it."""

    name = ""  # as in the table
    distribution = ""
    note = ""  # how its work differs from the others'

    def load(self):
        """Import what `fit` needs, so that no import is timed."""

    def refuses(self, n_samples, n_features, n_clusters):
        """The reason not to run a problem, or an empty string."""
        return ""

    def fit(self, X, start, iterations):
        raise NotImplementedError


class Ours(Contender):
    name, distribution = "kmeans_fast", "kmeans_fast"

    def load(self):
        from kmeans_fast import KMeans

        self.estimator = KMeans

    def fit(self, X, start, iterations):
        return _fit_estimator(self.estimator, X, start, iterations, "lloyd")


class ScikitLearn(Contender):
    distribution = "scikit-learn"

    def __init__(self, algorithm):
        self.algorithm, self.name = algorithm, f"sklearn {algorithm}"

    def load(self):
        from sklearn.cluster import KMeans

        self.estimator = KMeans

    def refuses(self, n_samples, n_features, n_clusters):
        if self.algorithm == "elkan":
            return _too_large(n_samples * n_clusters * 4, "table of lower bounds")
        return ""

    def fit(self, X, start, iterations):
        return _fit_estimator(self.estimator, X, start, iterations, self.algorithm)


class ScikitLearnIntelex(Contender):
    name, distribution = "sklearnex", "scikit-learn-intelex"
    note = "imported from sklearnex.cluster, nothing patched"

    def load(self):
        from sklearnex.cluster import KMeans

        self.estimator = KMeans

    def fit(self, X, start, iterations):
        model = self.estimator(len(start), init=start, n_init=1, max_iter=iterations, tol=0.0, algorithm="lloyd").fit(X)
        # Where oneDAL cannot serve, sklearnex quietly runs scikit-learn, which is in the table already.
        if getattr(model, "_onedal_estimator", None) is None:
            raise RuntimeError("fell back to scikit-learn")
        return Fitted(model.cluster_centers_, model.labels_, int(model.n_iter_))


class Faiss(Contender):
    name, distribution = "faiss", "faiss-cpu"
    note = "gives centroids only: its time has no last assignment"

    def load(self):
        import faiss

        self.faiss = faiss

    def fit(self, X, start, iterations):
        n_samples, n_features = X.shape
        # By default FAISS trains on 256 rows a cluster and complains below 39; both limits are lifted.
        model = self.faiss.Kmeans(
            n_features,
            len(start),
            niter=iterations,
            max_points_per_centroid=n_samples,
            min_points_per_centroid=1,
        )
        model.train(X, init_centroids=start)
        return Fitted(model.centroids, None, len(model.obj))


class SuperKMeans(Contender):
    name, distribution = "superkmeans", "superkmeans"
    note = "takes no initial centroids: starts from rows of its own choice; approximate; gives centroids only"

    def load(self):
        from superkmeans import SuperKMeans as Model

        self.model = Model

    def fit(self, X, start, iterations):
        n_samples, n_features = X.shape
        model = self.model(
            len(start),
            n_features,
            hierarchical=False,
            iters=iterations,
            sampling_fraction=1.0,
            max_points_per_cluster=n_samples,
            tol=0.0,
            early_termination=False,
        )
        return Fitted(model.train(X), None, len(model.iteration_stats))


class Scipy(Contender):
    name, distribution = "scipy", "scipy"
    note = "kmeans2; labels are of the centroids before the last update"

    def load(self):
        from scipy.cluster.vq import kmeans2

        self.kmeans2 = kmeans2

    def refuses(self, n_samples, n_features, n_clusters):
        return _too_large(n_samples * n_clusters * 4, "distance table")

    def fit(self, X, start, iterations):
        centroids, labels = self.kmeans2(X, start, iter=iterations, minit="matrix", missing="raise")
        return Fitted(centroids, labels, iterations)


PEERS = (
    ScikitLearn("lloyd"),
    ScikitLearn("elkan"),
    ScikitLearnIntelex(),
    Faiss(),
    SuperKMeans(),
    Scipy(),
)


def installed(contenders=PEERS):
    """The contenders that can be imported, loaded; and why the others cannot, by name."""
    found, absent = [], {}
    for contender in contenders:
        try:
            contender.load()
        except ImportError as error:
            what = f"{contender.distribution} {version(contender.distribution) or 'is not installed'}"
            absent[contender.name] = f"{what}: {error}"
        else:
            found.append(contender)
    return found, absent


def _fit_estimator(estimator, X, start, iterations, algorithm):
    model = estimator(len(start), init=start, n_init=1, max_iter=iterations, tol=0.0, algorithm=algorithm).fit(X)
    return Fitted(model.cluster_centers_, model.labels_, int(model.n_iter_))


def _too_large(needed, what):
    """A reason if `needed` bytes are more than a quarter of the memory."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return ""
    return f"its {what} needs {needed / 2**30:.1f} GiB" if needed > memory / 4 else ""
