"""Rows beside centroids that are given: what `predict`, `transform`, `score` and `assign` begin with."""

from ..arrays import in_the_wider_dtype
from .checks import check_centroids, given_centroids
from .opening import open_data


def open_beside(data, centroids, name, *, dtype=None, device="auto", n_threads=None):
    """A session on the rows of `data`, and the centroids, both in the wider of their dtypes.

    Parameters
    ----------
    data : kmeans_fast.arrays.Data
    centroids : array-like (n_clusters, n_features)
    name : str
        What messages call them.
    dtype : str or None
        What the centroids are to become first.
    device : str
    n_threads : int or None

    Returns
    -------
    session : kmeans_fast.backends.protocol.Session
    centroids : ndarray (n_clusters, n_features)

    Raises
    ------
    ValueError
        If the centroids do not fit the rows, or are so large that distances may overflow.
    """
    data, centroids = in_the_wider_dtype(data, given_centroids(centroids, name, dtype))
    check_centroids(centroids, data.X, weights=data.weights, name=name, finite=True)
    return open_data(data, len(centroids), device=device, n_threads=n_threads).session, centroids
