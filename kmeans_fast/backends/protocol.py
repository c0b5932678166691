"""What a backend is: a named object that opens a session on a data set; the engine drives the session.

Every session gives the bits of `kmeans_fast.reference`. Arrays that cross this boundary are NumPy's; the data itself stays where the backend keeps it.
"""

from typing import NamedTuple, Protocol

import numpy as np


class Problem(NamedTuple):
    """The facts that decide which backend serves and what it needs."""

    n_samples: int
    n_features: int
    n_clusters: int
    dtype: np.dtype
    weighted: bool = False

    @property
    def data_bytes(self):
        return self.n_samples * self.n_features * self.dtype.itemsize


class Plan(NamedTuple):
    """How a backend would run a problem."""

    path: str  # the kernels, in words
    n_threads: int
    workspace_bytes: int  # beyond the data
    notes: tuple[str, ...] = ()


class Iteration(NamedTuple):
    """One step of Lloyd's algorithm."""

    centroids: np.ndarray  # (n_clusters, n_features), after the update
    changed: int  # rows whose label changed
    squared_shift: float
    inertia: float  # of the labels with the centroids before the update, to about ten digits: it comes from the sums
    empty: int  # clusters that had no weight
    rechecked: int  # rows that the fast pass left open
    scored: int  # rows measured against every centroid
    path: str  # the kernels that ran, in words


class Seeder(Protocol):
    """The state of seeding: a distance for every row, which with its weight is its mass (`kmeans_fast.reference.Masses`)."""

    def draw(self, words: np.ndarray) -> np.ndarray:
        """The rows that uint64 `words` fall on."""

    def begin(self, row: int) -> None:
        """Make `row` the first seed."""

    def choose(self, rows: np.ndarray) -> int:
        """Make the best of the candidate `rows` a seed; its position among them."""

    def exclude(self, row: int) -> bool:
        """Give `row` no mass; False when no row has any left."""


class Session(Protocol):
    """A data set opened on a backend."""

    labels: np.ndarray  # (n_samples,) int32, of the last assignment

    def mean_variance(self) -> float: ...
    def reset(self) -> None:
        """Start with new labels: the next iteration counts every row as changed. Labels handed out before stay as they are."""

    def iterate(self, centroids: np.ndarray) -> Iteration:
        """Assign, relocate empty clusters, update."""

    def assign(self, centroids: np.ndarray) -> None:
        """Assign only."""

    def inertia(self, centroids: np.ndarray) -> float:
        """Exact, of the current labels."""

    def own_distances(self, centroids: np.ndarray) -> np.ndarray:
        """Squared distance of every row to the centroid of its label, float64."""

    def distances(self, centroids: np.ndarray, squared: bool = False) -> np.ndarray:
        """(n_samples, n_clusters) in the data's dtype."""

    def seeder(self) -> Seeder: ...
    def rows(self, numbers: np.ndarray) -> np.ndarray:
        """Rows of the data, copied."""


class Backend(Protocol):
    """A way to run k-means on this machine."""

    name: str
    devices: tuple[str, ...]  # values of `device` that it serves

    def is_available(self) -> tuple[bool, str]:
        """Whether it can run here, and if not, why."""

    def supports(self, problem: Problem) -> list[str]:
        """Reasons why it cannot run this problem; empty when it can."""

    def plan(self, problem: Problem, n_threads: int | None) -> Plan: ...
    def open(self, X: np.ndarray, weights: np.ndarray | None, n_clusters: int, n_threads: int | None) -> Session: ...
