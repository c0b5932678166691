"""The reference as a backend: slow, for checking the others and for machines where nothing else runs."""

import numpy as np

from .. import reference
from .protocol import Finished, Iteration, Plan


class ReferenceSeeder:
    def __init__(self, X, weights, words):
        self.X, self.words, self.masses, self.seeds = X, words, reference.Masses(X, weights), []

    def draw(self, count):
        return np.array([self.masses.draw(word) for word in self.words[len(self.seeds), :count]])

    def begin(self, candidates):
        self.masses.d = reference.squared_distances(self.X, self.X[candidates])[:, 0]
        self.masses.rescale()
        self.seeds.append(candidates[0])

    def choose(self, candidates):
        nearest = np.minimum(self.masses.d[:, None], reference.squared_distances(self.X, self.X[candidates]))
        best = min(range(len(candidates)), key=lambda trial: int(self.masses.of(nearest[:, trial]).sum()))
        self.masses.d = nearest[:, best]
        self.seeds.append(candidates[best])

    def exclude(self, candidates):
        self.masses.d[candidates] = 0.0
        self.seeds.append(candidates[0])
        return bool((self.masses.weights * self.masses.d).any())

    def chosen(self):
        return np.array(self.seeds, np.int64)


class ReferenceOversampler:
    def __init__(self, X, weights):
        self.X, self.masses, self.candidates = X, reference.Masses(X, weights), X[:0]

    def draw(self, words):
        return np.array([self.masses.draw(word) for word in words])

    def add(self, candidates):
        self.candidates = np.concatenate([self.candidates, candidates])
        self.owner, self.masses.d = reference.assign(self.X, self.candidates)
        any_left = bool((self.masses.weights * self.masses.d).any())
        self.masses.rescale()
        return any_left

    def shares(self):
        self.masses.d = np.ones(len(self.X))
        self.masses.rescale()
        masses = self.masses.of(self.masses.d)
        return np.array([masses[self.owner == c].sum() for c in range(len(self.candidates))])


class ReferenceSession:
    runs_ahead = False

    def __init__(self, X, weights):
        self.X, self.weights = X, weights
        self.reset()

    def reset(self):
        self.labels = np.full(len(self.X), -1, reference.LABEL)

    def for_clusters(self, n_clusters):
        return ReferenceSession(self.X, self.weights)

    def mean_variance(self):
        return reference.mean_variance(self.X)

    def assign(self, centroids):
        self.labels, _ = reference.assign(self.X, centroids)

    def iterate(self, centroids):
        previous = self.labels
        self.assign(centroids)
        _, totals = reference.cluster_sums(self.X, self.weights, self.labels, len(centroids))
        new = reference.update(self.X, self.weights, centroids, self.labels)
        done = Iteration(
            centroids=new,
            changed=int(np.count_nonzero(self.labels != previous)),
            squared_shift=reference.squared_shift(new, centroids),
            inertia=self.inertia(centroids),
            empty=int(np.count_nonzero(totals == 0)),
            rechecked=0,
            scored=len(self.X),
            path="float64",
        )
        return Finished(done)

    def fetch(self, centroids):
        return centroids

    def used_clusters(self):
        return len(np.unique(self.labels))

    def inertia(self, centroids):
        return reference.inertia(self.X, self.weights, centroids, self.labels)

    def own_distances(self, centroids):
        return reference.own_distances(self.X, centroids, self.labels)

    def distances(self, centroids, squared=False):
        table = reference.squared_distances(self.X, centroids)
        return (table if squared else np.sqrt(table)).astype(self.X.dtype)

    def seeder(self, words):
        return ReferenceSeeder(self.X, self.weights, words)

    def oversampler(self):
        return ReferenceOversampler(self.X, self.weights)

    def rows(self, numbers):
        return self.X[numbers]

    def weights_of(self, numbers):
        return None if self.weights is None else self.weights[numbers]


class ReferenceBackend:
    name = "reference"
    devices: tuple[str, ...] = ("cpu",)

    def is_available(self):
        return True, ""

    def supports(self, problem):
        return [] if problem.resident is None else ["the data is on a GPU"]

    def declines(self, problem):
        return ""

    def plan(self, problem, n_threads):
        table = min(problem.n_samples, 4096) * problem.n_clusters * 8 * 4
        return Plan("NumPy, float64", 1, table + problem.n_samples * (problem.n_features + 8) * 8)

    def open(self, X, weights, problem, n_threads):
        return ReferenceSession(X, weights)
