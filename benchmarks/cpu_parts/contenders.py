"""Ours and its peers on a CPU: ``run(start, iterations) -> Fitted``, and ``converge`` to fit until it stops.

Each is set up to do the same work: the same rows, the same initial centroids, the same number of iterations, tolerance
off, float32, all cores.
"""

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

    converges = True  # whether it can be run to convergence at all

    def converge(self, start, n_iter):
        """A fit from `start` until it stops; `n_iter` is for who counts iterations."""
        return self.run(start, n_iter)


class Estimator(OnCpu):
    """A library whose KMeans is scikit-learn's."""

    algorithm = "lloyd"

    def run(self, start, iterations):
        return self._fit(start, max_iter=iterations, tol=0.0)

    def converge(self, start, n_iter):
        return self._fit(start, max_iter=MOST_ITERATIONS)

    def seeded(self, n_clusters, seed):
        """A fit to convergence from seeds of its own."""
        model = self.estimator(n_clusters, n_init=1, random_state=seed).fit(self.X)
        return Fitted(model.cluster_centers_, model.labels_, int(model.n_iter_))

    def _fit(self, start, **options):
        model = self.estimator(len(start), init=start, n_init=1, algorithm=self.algorithm, **options).fit(self.X)
        return Fitted(model.cluster_centers_, model.labels_, int(model.n_iter_))


class Ours(Estimator):
    name = distribution = OURS

    def load(self, stand):
        from kmeans_fast import KMeans

        self.estimator = KMeans


class ScikitLearn(Estimator):
    distribution = "scikit-learn"

    def __init__(self, algorithm):
        self.algorithm, self.name = algorithm, f"sklearn {algorithm}"

    def load(self, stand):
        from sklearn.cluster import KMeans

        self.estimator = KMeans

    def needs(self, n_samples, n_features, n_clusters):
        return n_samples * n_clusters * 4 if self.algorithm == "elkan" else 0  # a table of lower bounds


class ScikitLearnIntelex(OnCpu):
    name, distribution = "sklearnex", "scikit-learn-intelex"
    note = "imported from sklearnex.cluster, nothing patched"

    def load(self, stand):
        from sklearnex.cluster import KMeans

        self.estimator = KMeans

    def run(self, start, iterations):
        model = self.estimator(len(start), init=start, n_init=1, max_iter=iterations, tol=0.0, algorithm="lloyd")
        model.fit(self.X)
        # Where oneDAL cannot serve, sklearnex quietly runs scikit-learn, which is in the table already.
        if getattr(model, "_onedal_estimator", None) is None:
            raise RuntimeError("fell back to scikit-learn")
        return Fitted(model.cluster_centers_, model.labels_, int(model.n_iter_))


class Faiss(OnCpu):
    name, distribution = "faiss", "faiss-cpu"
    note = "gives centroids only: its time has no last assignment"

    def load(self, stand):
        import faiss

        self.faiss = faiss

    def run(self, start, iterations):
        n_samples, n_features = self.X.shape
        # By default FAISS trains on 256 rows a cluster and complains below 39; both limits are lifted.
        model = self.faiss.Kmeans(
            n_features,
            len(start),
            niter=iterations,
            max_points_per_centroid=n_samples,
            min_points_per_centroid=1,
        )
        model.train(self.X, init_centroids=start)
        return Fitted(model.centroids, None, len(model.obj))


class SuperKMeans(OnCpu):
    name, distribution = "superkmeans", "superkmeans"
    note = "takes no initial centroids: starts from rows of its own choice; approximate; gives centroids only"

    def load(self, stand):
        from superkmeans import SuperKMeans as Model

        self.model = Model

    def run(self, start, iterations):
        n_samples, n_features = self.X.shape
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
        return Fitted(model.train(self.X), None, len(model.iteration_stats))


class Scipy(OnCpu):
    name, distribution = "scipy", "scipy"
    note = "kmeans2; labels are of the centroids before the last update"
    converges = False

    def load(self, stand):
        from scipy.cluster.vq import kmeans2

        self.kmeans2 = kmeans2

    def needs(self, n_samples, n_features, n_clusters):
        return n_samples * n_clusters * 4  # a table of distances

    def run(self, start, iterations):
        centroids, labels = self.kmeans2(self.X, start, iter=iterations, minit="matrix", missing="raise")
        return Fitted(centroids, labels, iterations)


PEERS = (
    ScikitLearn("lloyd"),
    ScikitLearn("elkan"),
    ScikitLearnIntelex(),
    Faiss(),
    SuperKMeans(),
    Scipy(),
)
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
