"""kmeans_fast: exact, fast k-means with one answer.

The same data, weights, seed and parameters give the same labels and the same centroid bits on any number of threads and
any instruction set. Public names are imported on first use: ``import kmeans_fast`` loads neither scikit-learn nor a
compiler.
"""

import os
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# In a checkout the kernels live beside this package, in wheels inside it. Either way they are kmeans_fast.kernels.
if not os.path.isdir(os.path.join(__path__[0], "kernels")):
    __path__.append(os.path.dirname(__path__[0]))

from .estimators import ESTIMATORS as _ESTIMATORS  # light: it imports none of them
from .lazy_names import lazy_names

if TYPE_CHECKING:  # for type checkers and editors
    from . import metrics as metrics
    from . import preparation as preparation
    from . import sources as sources
    from .backends import available_backends as available_backends
    from .backends import use_backend as use_backend
    from .choosing_k import KChoice as KChoice
    from .choosing_k import choose_k as choose_k
    from .engine.history import Progress as Progress
    from .estimators.kmeans import KMeans as KMeans
    from .estimators.pipelines import load as load
    from .estimators.pipelines import save as save
    from .explaining import explain as explain
    from .functional import assign as assign
    from .functional import kmeans as kmeans
    from .functional import kmeans_batch as kmeans_batch
    from .functional import kmeans_plusplus as kmeans_plusplus
    from .results import FewClustersWarning as FewClustersWarning
    from .results import KMeansBatchResult as KMeansBatchResult
    from .results import KMeansResult as KMeansResult

_HOME = {
    "FewClustersWarning": "results",
    "KMeansBatchResult": "results",
    "KChoice": "choosing_k",
    "KMeansResult": "results",
    "Progress": "engine.history",
    "assign": "functional",
    "available_backends": "backends",
    "choose_k": "choosing_k",
    "explain": "explaining",
    "kmeans": "functional",
    "kmeans_batch": "functional",
    "kmeans_plusplus": "functional",
    "load": "estimators.pipelines",
    "save": "estimators.pipelines",
    "use_backend": "backends",
    **dict.fromkeys(_ESTIMATORS, "estimators"),
}

__all__ = ["__version__", *_HOME]
_ROOMS = ("dask", "datasets", "metrics", "plot", "preparation", "sources")
__getattr__, __dir__ = lazy_names(__name__, _HOME, _ROOMS)
