"""Ours and its peers on a CPU: ``run(start, iterations) -> Fitted``, and ``converge`` to fit until it stops.

Each is set up to do the same work: the same rows, the same initial centroids, the same number of iterations, tolerance
off, float32, all cores.
"""

import importlib
from typing import NamedTuple

import numpy as np
from common.contenders import Contender
from common.machine import version
from common.stands import HOST

OURS = "kmeans_fast"
MOST_ITERATIONS = 300


class Fitted(NamedTuple):
    """What a fit gave."""

    centroids: np.ndarray
    labels: np.ndarray | None  # None where the library's fit returns none
    n_iter: int


class OnCpu(Contender):
    """A library without our stopping rule, unless it says otherwise: it converges by a number of iterations."""

    imports = ""  # "module:name" of what it calls
    converges = True  # whether it can be run to convergence at all

    def load(self, stand):
        module, _, name = self.imports.partition(":")
        self.library = getattr(importlib.import_module(module), name)

    def converge(self, start, n_iter):
        """A fit from `start` until it stops; `n_iter` is for who counts iterations."""
        return self.run(start, n_iter)


class Estimator(OnCpu):
    """A library whose KMeans is scikit-learn's."""

    algorithm = "lloyd"

    def run(self, start, iterations):
        return self._fit(len(start), init=start, algorithm=self.algorithm, max_iter=iterations, tol=0.0)

    def converge(self, start, n_iter):
        return self._fit(len(start), init=start, algorithm=self.algorithm, max_iter=MOST_ITERATIONS)

    def seeded(self, n_clusters, seed):
        """A fit to convergence from seeds of its own."""
        return self._fit(n_clusters, random_state=seed)

    def _fit(self, n_clusters, **options):
        model = self.library(n_clusters, n_init=1, **options).fit(self.X)
        self.check(model)
        return Fitted(model.cluster_centers_, model.labels_, int(model.n_iter_))

    def check(self, model):
        """RuntimeError where it is not the library itself that has fitted."""


class Ours(Estimator):
    name = distribution = OURS
    imports = "kmeans_fast:KMeans"


class ScikitLearn(Estimator):
    distribution, imports = "scikit-learn", "sklearn.cluster:KMeans"

    def __init__(self, algorithm):
        self.algorithm, self.name = algorithm, f"sklearn {algorithm}"

    def needs(self, n_samples, n_features, n_clusters):
        return n_samples * n_clusters * 4 if self.algorithm == "elkan" else 0  # a table of lower bounds


class ScikitLearnIntelex(Estimator):
    name, distribution, imports = "sklearnex", "scikit-learn-intelex", "sklearnex.cluster:KMeans"
    note = "imported from sklearnex.cluster, nothing patched"

    def converge(self, start, n_iter):
        return self.run(start, n_iter)  # its tolerance is not ours

    def check(self, model):
        # Where oneDAL cannot serve, sklearnex quietly runs scikit-learn, which is in the table already.
        if getattr(model, "_onedal_estimator", None) is None:
            raise RuntimeError("fell back to scikit-learn")


class Faiss(OnCpu):
    name, distribution, imports = "faiss", "faiss-cpu", "faiss:Kmeans"
    note = "gives centroids only: its time has no last assignment"

    def run(self, start, iterations):
        n_samples, n_features = self.X.shape
        # By default FAISS trains on 256 rows a cluster and complains below 39; both limits are lifted.
        limits = {"max_points_per_centroid": n_samples, "min_points_per_centroid": 1}
        model = self.library(n_features, len(start), niter=iterations, **limits)
        model.train(self.X, init_centroids=start)
        return Fitted(model.centroids, None, len(model.obj))


class SuperKMeans(OnCpu):
    name, distribution, imports = "superkmeans", "superkmeans", "superkmeans:SuperKMeans"
    note = "takes no initial centroids: starts from rows of its own choice; approximate; gives centroids only"

    def run(self, start, iterations):
        n_samples, n_features = self.X.shape
        whole = {"hierarchical": False, "sampling_fraction": 1.0, "max_points_per_cluster": n_samples}
        stopping = {"iters": iterations, "tol": 0.0, "early_termination": False}
        model = self.library(len(start), n_features, **whole, **stopping)
        return Fitted(model.train(self.X), None, len(model.iteration_stats))


class Scipy(OnCpu):
    name, distribution, imports = "scipy", "scipy", "scipy.cluster.vq:kmeans2"
    note = "kmeans2; labels are of the centroids before the last update"
    converges = False

    def needs(self, n_samples, n_features, n_clusters):
        return n_samples * n_clusters * 4  # a table of distances

    def run(self, start, iterations):
        centroids, labels = self.library(self.X, start, iter=iterations, minit="matrix", missing="raise")
        return Fitted(centroids, labels, iterations)


PEERS = (ScikitLearn("lloyd"), ScikitLearn("elkan"), ScikitLearnIntelex(), Faiss(), SuperKMeans(), Scipy())
CONTENDERS = {contender.name: contender for contender in (Ours(), *PEERS)}


def absent():
    """Why peers cannot be imported, by name; the others are loaded."""
    found = {}
    for peer in PEERS:
        try:
            peer.load(HOST)
        except ImportError as error:
            what = f"{peer.distribution} {version(peer.distribution) or 'is not installed'}"
            found[peer.name] = f"{what}: {error}"
    return found
