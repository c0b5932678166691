"""Data sets that are opened together: what a backend gives, and what runs on them come to."""

from typing import Any, NamedTuple, Protocol

import numpy as np


class Outcome(NamedTuple):
    """What several runs came to; on the host, but for the labels.

    Where a run halted, nothing else that is said of it holds: the engine makes it again in a session.
    """

    centroids: np.ndarray  # (runs, n_clusters, n_features), X's dtype
    labels: Any  # (runs, n_samples) int32, of these centroids; of the kind that the data is
    inertia: np.ndarray  # (runs,) float64: exact, of these labels, rounded once
    n_used: np.ndarray  # (runs,) int64: clusters that have rows
    n_iter: np.ndarray  # (runs,) int64
    halted: np.ndarray  # (runs,) bool: a cluster came to have no weight, for which rows must be found
    path: str  # the kernels that ran, in words
    # (runs, iterations or more, 5) float64: changed, squared_shift, inertia, rechecked and scored, as of `Iteration`;
    # None unless they were to be recorded
    iterations: np.ndarray | None = None


class Problems(Protocol):
    """Data sets of the same sizes and dtype opened together, for runs that have nothing to do with each other.

    `of` (runs,) int64 says which data set each run is on. Runs of a data set are neighbours.
    """

    def mean_variances(self) -> np.ndarray:
        """(problems,) float64: what `Session.mean_variance` gives for each."""

    def seeds(self, words: np.ndarray, of: np.ndarray) -> np.ndarray:
        """(runs, n_clusters) int64: seeds by greedy k-means++, from uint64 `words` (runs, n_clusters, trials)."""

    def rows(self, numbers: np.ndarray, of: np.ndarray) -> np.ndarray:
        """Rows of these numbers (runs, m), copied to the host: (runs, m, n_features)."""

    def lloyd(
        self, centroids: np.ndarray, thresholds: np.ndarray, of: np.ndarray, max_iter: int, record: bool
    ) -> Outcome:
        """Whole runs, each from its `centroids` (runs, n_clusters, n_features), on the host.

        A run ends as a single fit does (`engine.lloyd`): no label changes, or the squared shift is at most its
        threshold, or after `max_iter` iterations; then labels are found for the last centroids. It halts where a
        cluster has no weight. `record`: whether its iterations are told.
        """
