"""KMeans for Dask collections, with scikit-learn's interface."""

from __future__ import annotations  # signatures in `help` read as they are written here

import contextlib
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..estimators.kmeans import KMeans as _KMeans
from ..estimators.sklearn_checks import check_columns
from . import tasks
from .functional import how_of
from .partitions import as_array, dtype_of, is_collection, opened


class KMeans(_KMeans):
    """`kmeans_fast.KMeans` for Dask arrays and DataFrames, on whatever client is current: the same bits.

    Where X is no Dask collection, it is `kmeans_fast.KMeans`. The parameters and attributes are those, with these
    differences. A callable `init` is refused. `labels_` and what `predict` and `transform` return are
    Dask arrays with the chunks of X, computed when they are asked for. `n_threads` are those of a task, 1 by default:
    a worker with several threads runs several tasks at once. `max_memory` does not count: workers have limits of their
    own. `save` and pickles compute `labels_`.

    Parameters
    ----------
    n_clusters, init, n_init, max_iter, tol, verbose, random_state, copy_x, algorithm, device, n_threads, callback, \
init_size, refine, dtype, checkpoint, resume, max_memory
        As for `kmeans_fast.KMeans`.

    See Also
    --------
    kmeans_fast.dask.kmeans : The same as a function; its notes say what is sent and what a lost worker costs.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> from kmeans_fast.dask import KMeans
    >>> rows = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> X = da.from_array(rows, chunks=(4, 2))
    >>> model = KMeans(n_clusters=2, random_state=0).fit(X)
    >>> sorted(model.cluster_centers_.tolist())
    [[1.0, 2.0], [10.0, 2.0]]
    >>> model.labels_.chunks
    ((4, 2),)
    """

    @contextlib.contextmanager
    def _opened(self, X, sample_weight=None, reset=False):
        if not is_collection(X):
            with super()._opened(X, sample_weight, reset) as data:
                yield data
            return
        self._look_at_columns(X, reset)
        with opened(X, sample_weight, self._how()) as data:
            yield data

    def _how(self):
        return how_of(self._checked("dtype", "device", "n_threads"))

    def _look_at_columns(self, X, reset=False):
        """Note or check how many columns there are, and their names."""
        if not reset:
            check_is_fitted(self)
        head = None
        if hasattr(X, "columns"):
            import pandas as pd

            head = pd.DataFrame(columns=X.columns)
        check_columns(self, as_array(X), reset, head)

    def predict(self, X: Any, *, out: Any = None) -> Any:
        """Index of the nearest centroid of every row.

        Parameters
        ----------
        X : Dask array or DataFrame (n_samples, n_features)
        out : None
            Where X is no Dask collection, as for `kmeans_fast.KMeans`.

        Returns
        -------
        labels : Dask array (n_samples,), int32
        """
        if not is_collection(X):
            return super().predict(X, out=out)
        if out is not None:
            raise ValueError(
                "out is not for Dask collections, whose labels are lazy: write them with to_zarr or to_npy_stack of "
                "dask.array, or beside the rows with to_parquet of dask.dataframe."
            )
        self._look_at_columns(X)
        return as_array(X).map_blocks(
            tasks.labels, self.cluster_centers_, self._how(), dtype=np.int32, drop_axis=1, meta=np.empty(0, np.int32)
        )

    def transform(self, X: Any) -> Any:
        """Distances to the centroids.

        Parameters
        ----------
        X : Dask array or DataFrame (n_samples, n_features)

        Returns
        -------
        distances : Dask array (n_samples, n_clusters), the wider dtype of X and the centroids
        """
        if not is_collection(X):
            return super().transform(X)
        self._look_at_columns(X)
        array, how = as_array(X), self._how()
        dtype = np.result_type(dtype_of(array, how), self.cluster_centers_.dtype)
        k = len(self.cluster_centers_)
        return array.map_blocks(
            tasks.distances, self.cluster_centers_, how, dtype, dtype=dtype, chunks=(array.chunks[0], (k,)),
            meta=np.empty((0, k), dtype),
        )  # fmt: skip
