"""Greedy k-means++, and k-means||."""

import kmeans_fast

from .common import Benchmark, gaussian


class KMeansPlusPlus(Benchmark):
    """Time, and how good the seeds are: a faster draw must not be a worse one."""

    SEEDS = 3

    def setup(self, shape, dtype):
        self.X, centroids = gaussian(shape, dtype)
        self.n_clusters = len(centroids)
        self.time_kmeans_plusplus(shape, dtype)

    def time_kmeans_plusplus(self, shape, dtype):
        kmeans_fast.kmeans_plusplus(self.X, self.n_clusters, seed=0)

    def time_kmeans_parallel(self, shape, dtype):
        """With an iteration: the seeds alone are nobody's wish."""
        kmeans_fast.kmeans(self.X, self.n_clusters, init="k-means||", seed=0, max_iter=1)

    def track_potential(self, shape, dtype):
        """Mean squared distance of the rows to their nearest seed."""
        total = 0.0
        for seed in range(self.SEEDS):
            centroids, _ = kmeans_fast.kmeans_plusplus(self.X, self.n_clusters, seed=seed)
            total += kmeans_fast.assign(self.X, centroids)[1].mean()
        return total / self.SEEDS
