"""Lloyd's iterations: assignment and update in one pass; and whole fits."""

import numpy as np

import kmeans_fast

from .common import DTYPES, SHAPES, TINY, Benchmark, blobs, gaussian, parse, surface

ITERATIONS = 10


class _Iterations(Benchmark):
    """Ten iterations from given centroids."""

    data = staticmethod(gaussian)

    def setup(self, shape, dtype):
        self.X, self.centroids = self.data(shape, dtype)
        self.weights = np.random.default_rng(1).uniform(0.5, 2.0, len(self.X))
        for weights in (None, self.weights):
            self._fit(max_iter=2, sample_weight=weights)

    def _fit(self, max_iter=ITERATIONS, sample_weight=None):
        options = {"init": self.centroids, "max_iter": max_iter, "tol": 0.0, "sample_weight": sample_weight}
        return kmeans_fast.kmeans(self.X, len(self.centroids), **options)

    def time_iterations(self, shape, dtype):
        self._fit()


class Lloyd(_Iterations):
    """Data that does not converge."""

    params = ([*SHAPES, "300000x3 k=256"], DTYPES)  # the last in boxes

    def time_weighted_iterations(self, shape, dtype):
        self._fit(sample_weight=self.weights)

    def track_rechecked(self, shape, dtype):
        """Share of the rows that the fast pass could not prove."""
        history = self._fit().history
        return 100 * sum(step.rechecked for step in history) / (len(history) * len(self.X))

    track_rechecked.unit = "%"


class Nearby(_Iterations):
    """Rows that have few centroids near them: panels of the others are left out."""

    params = (["50000x64 k=1024"], DTYPES)
    data = staticmethod(surface)

    def track_passes_nearby(self, shape, dtype):
        """Share of the passes that left panels out."""
        history = self._fit().history
        return 100 * sum("exponion" in step.path for step in history) / len(history)

    track_passes_nearby.unit = "%"


class Batch(Benchmark):
    """Many small problems, and ten starts of one."""

    params = (["1000x1000x16 k=10"], DTYPES)

    def setup(self, shape, dtype):
        problems, of_one = shape.split("x", 1)
        self.X = np.array([blobs(of_one, dtype)] * (20 if TINY else int(problems)))
        self.n_clusters = parse(of_one)[2]
        self.time_batch(shape, dtype)
        self.time_ten_starts(shape, dtype)

    def time_batch(self, shape, dtype):
        kmeans_fast.kmeans_batch(self.X, self.n_clusters, seed=0)

    def time_ten_starts(self, shape, dtype):
        kmeans_fast.kmeans(self.X[0], self.n_clusters, seed=0, n_init=10)


class Fit(Benchmark):
    """All that a user waits for: seeds, iterations to convergence, labels."""

    params = (SHAPES[:2], ["float32"])

    def setup(self, shape, dtype):
        self.X, self.n_clusters = blobs(shape, dtype), parse(shape)[2]
        self._fit(max_iter=2)

    def _fit(self, **options):
        return kmeans_fast.kmeans(self.X, self.n_clusters, seed=0, **options)

    def time_fit(self, shape, dtype):
        self._fit()

    def time_refined_fit(self, shape, dtype):
        self._fit(refine="breathing")

    def track_inertia_of_refined_fit(self, shape, dtype):
        return self._fit(refine="breathing").inertia

    def track_iterations(self, shape, dtype):
        return self._fit().n_iter

    def track_inertia(self, shape, dtype):
        return self._fit().inertia
