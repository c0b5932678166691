"""The reference as a backend: slow, for checking the others and for machines where nothing else runs."""

import numpy as np

from .. import reference
from .protocol import Iteration, Plan


class ReferenceSeeder:
    def __init__(self, X, weights):
        self.X, self.masses = X, reference.Masses(X, weights)

    def draw(self, words):
        return np.array([self.masses.draw(word) for word in words])

    def begin(self, row):
        self.masses.d = reference.squared_distances(self.X, self.X[[row]])[:, 0]
        self.masses.rescale()

    def choose(self, rows):
        self.masses.total()
        nearest = np.minimum(self.masses.d[:, None], reference.squared_distances(self.X, self.X[rows]))
        best = min(range(len(rows)), key=lambda trial: int(self.masses.of(nearest[:, trial]).sum()))
        self.masses.d = nearest[:, best]
        return best

    def exclude(self, row):
        self.masses.d[row] = 0.0
        return bool((self.masses.weights * self.masses.d).any())


class ReferenceSession:
    def __init__(self, X, weights):
        self.X, self.weights = X, weights
        self.reset()

    def reset(self):
        self.labels = np.full(len(self.X), -1, reference.LABEL)

    def mean_variance(self):
        return reference.mean_variance(self.X)

    def assign(self, centroids):
        self.labels, _ = reference.assign(self.X, centroids)

    def iterate(self, centroids):
        previous = self.labels
        self.assign(centroids)
        _, totals = reference.cluster_sums(self.X, self.weights, self.labels, len(centroids))
        new = reference.update(self.X, self.weights, centroids, self.labels)
        return Iteration(
            centroids=new,
            changed=int(np.count_nonzero(self.labels != previous)),
            squared_shift=reference.squared_shift(new, centroids),
            inertia=self.inertia(centroids),
            empty=int(np.count_nonzero(totals == 0)),
            rechecked=0,
            scored=len(self.X),
            path="float64",
        )

    def inertia(self, centroids):
        return reference.inertia(self.X, self.weights, centroids, self.labels)

    def own_distances(self, centroids):
        return reference.own_distances(self.X, centroids, self.labels)

    def distances(self, centroids, squared=False):
        table = reference.squared_distances(self.X, centroids)
        return (table if squared else np.sqrt(table)).astype(self.X.dtype)

    def seeder(self):
        return ReferenceSeeder(self.X, self.weights)

    def rows(self, numbers):
        return self.X[numbers]


class ReferenceBackend:
    name = "reference"
    devices: tuple[str, ...] = ("cpu",)

    def is_available(self):
        return True, ""

    def supports(self, problem):
        return []

    def plan(self, problem, n_threads):
        table = min(problem.n_samples, 4096) * problem.n_clusters * 8 * 4
        return Plan("NumPy, float64", 1, table + problem.n_samples * (problem.n_features + 8) * 8)

    def open(self, X, weights, n_clusters, n_threads):
        return ReferenceSession(X, weights)
