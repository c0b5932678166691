"""Peak memory of a fit."""

import numpy as np

import kmeans_fast

from .common import child, parse

SHAPES = ["5000000x16 k=16", "1000000x16 k=256"]


class Memory:
    """Of the whole process, and beyond the data."""

    params = SHAPES
    param_names = ("shape",)
    timeout = 500

    def setup(self, shape):
        n_samples, n_features, self.n_clusters = parse(shape)
        self.X = np.empty((n_samples, n_features), np.float32)
        np.random.default_rng(0).standard_normal(dtype=np.float32, out=self.X)

    def peakmem_fit(self, shape):
        """With the interpreter, the libraries, X and, where they are not cached, the compiler."""
        kmeans_fast.kmeans(self.X, self.n_clusters, max_iter=3, seed=0)

    def track_beyond_data(self, shape):
        """Share of X that a fit needs beyond X."""
        _, answer = child("memory", "kmeans_fast", *parse(shape))
        return 100 * answer["beyond_bytes"] / answer["data_bytes"]

    track_beyond_data.unit = "%"
