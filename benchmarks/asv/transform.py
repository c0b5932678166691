"""Distances: to all centroids, and to the own one."""

import kmeans_fast

from .common import Benchmark, gaussian


class Distances(Benchmark):
    """The distance kernels, through the estimator."""

    params = (["1000000x2 k=10", "200000x32 k=100", "50000x768 k=100"], Benchmark.params[1])

    def setup(self, shape, dtype):
        self.X, centroids = gaussian(shape, dtype)
        self.model = kmeans_fast.KMeans(len(centroids), init=centroids, n_init=1, max_iter=1).fit(self.X)
        self.time_transform(shape, dtype)
        self.time_score(shape, dtype)

    def time_transform(self, shape, dtype):
        self.model.transform(self.X)

    def time_score(self, shape, dtype):
        self.model.score(self.X)
