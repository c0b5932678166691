"""Rows that other processes hold, as the engine takes them. Nothing here knows Dask."""

import uuid
from typing import Any, NamedTuple

import numpy as np

from ..arrays import ON_HOST
from ..engine.checks import check_extremes
from ..engine.opening import opened_elsewhere
from .session import RemoteParts
from .tasks import Asked


class RowsElsewhere:
    """Rows in partitions: `kmeans_fast.arrays.Data` that is elsewhere. A subclass knows how partitions are asked.

    Parameters
    ----------
    facts : sequence of kmeans_fast.dask.tasks.Facts
        Of all partitions.
    n_features : int
    dtype : dtype
        What the rows are computed in.
    how : dict
        `dtype`, `device` and `n_threads`, as for `kmeans_fast.kmeans`.

    Attributes
    ----------
    sizes : tuple of int
        The number of rows of each partition.
    filled : list of int
        The partitions that have rows.
    """

    origin = ON_HOST

    def __init__(self, facts: Any, n_features: int, dtype: Any, how: dict) -> None:
        self.facts, self.how, self.fit = facts, how, uuid.uuid4().hex
        self.sizes = tuple(fact.n_samples for fact in facts)
        self.filled = [number for number, size in enumerate(self.sizes) if size]
        if not self.filled:
            raise ValueError("X has no partition with rows; at least one is needed.")
        self.starts = np.cumsum([0, *(self.sizes[number] for number in self.filled)])
        self.n_samples, self.n_features, self.dtype = int(self.starts[-1]), n_features, np.dtype(dtype)
        self.shape, self.size = (self.n_samples, n_features), self.n_samples * n_features
        heaviest = max(fact.heaviest for fact in facts)
        if heaviest == 0:
            raise ValueError("sample_weight must not be zero for every row: at least one must be positive.")
        self.weighted = any(fact.weighted for fact in facts)
        self.weights = np.array([heaviest]) if self.weighted else None  # as much as checks look at

    def ask(self, asked: Asked, own: dict | None = None, merge: bool = False) -> Any:
        """What the partitions that have rows answer to `tasks.perform`, in their order: a list, or the sum of it.

        Parameters
        ----------
        asked : kmeans_fast.dask.tasks.Asked
        own : dict of int to tuple, optional
            Arguments for some partitions, by their place in `filled`: only these are asked.
        merge : bool
            Whether the sum is wanted, of which `backends.partials.merged` makes any part.
        """
        raise NotImplementedError

    @property
    def X(self) -> Any:
        return self

    def choice(self, n_clusters: int, device: str, n_threads: int | None) -> "Elsewhere":
        """How the engine is to open these rows."""
        facts = [self.facts[number] for number in self.filled]
        if self.dtype == np.float64 or self.weighted:
            check_extremes(
                self.size,
                max(fact.largest for fact in facts),
                min(fact.smallest for fact in facts),
                max(fact.heaviest for fact in facts),
                min(fact.lightest for fact in facts),
            )
        return Elsewhere(n_clusters)

    def back(self, result: Any) -> Any:
        """A result as users get it."""
        return result


class Elsewhere(NamedTuple):
    """As `kmeans_fast.engine.opening.Choice`, for rows on workers, each of which chooses its backend."""

    n_clusters: int

    def opened(self, data: RowsElsewhere, rule: Any, whole: bool = False) -> Any:
        """The rows `Opened`; they are no array that could be `whole`."""
        return opened_elsewhere(RemoteParts(data, self.n_clusters, rule), self.n_clusters)
