"""K-means of Dask arrays and DataFrames, on whatever client is current: the bits of one array in memory.

Without a client the work is done by Dask's threads. docs/dask.md says how it works and what it costs.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .estimator import KMeans as KMeans
    from .functional import assign as assign
    from .functional import kmeans as kmeans
    from .functional import kmeans_plusplus as kmeans_plusplus

_HOME = {"KMeans": "estimator", "assign": "functional", "kmeans": "functional", "kmeans_plusplus": "functional"}

__all__ = list(_HOME)
__getattr__, __dir__ = lazy_names(__name__, _HOME)
