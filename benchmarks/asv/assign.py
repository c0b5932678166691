"""Labels of rows for given centroids."""

import kmeans_fast

from .common import Benchmark, gaussian


class Assign(Benchmark):
    """The assignment kernel alone, and with the checks of the estimator around it."""

    def setup(self, shape, dtype):
        self.X, self.centroids = gaussian(shape, dtype)
        self.model = kmeans_fast.KMeans(len(self.centroids), init=self.centroids, n_init=1, max_iter=1).fit(self.X)
        self.time_assign(shape, dtype)
        self.time_predict(shape, dtype)

    def time_assign(self, shape, dtype):
        kmeans_fast.assign(self.X, self.centroids)

    def time_predict(self, shape, dtype):
        self.model.predict(self.X)
