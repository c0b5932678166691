"""Silhouettes of the rows of a session on a GPU."""

import numpy as np

from ..silhouettes import Clusters
from .device import allocate, upload


def silhouettes(session, labels, n_labels):
    """See `kmeans_fast.backends.protocol.Session.silhouette`."""
    clusters, what = Clusters.of(labels, n_labels), "silhouettes"
    device, launcher, (n, d) = session.device, session.launcher, session.shape
    labels, order, starts, bits = (upload(device, array, what) for array in (*clusters, clusters.sum_bits))
    low, high = (allocate(device, (n_labels, d), np.float64, what) for _ in range(2))
    launcher.run(
        "silhouettes", "boxes", n_labels * d,
        X=session.X, d=d, order=order, starts=starts, k=n_labels, low=low, high=high,
    )  # fmt: skip
    out = allocate(device, n, np.float64, what)
    launcher.run(
        "silhouettes", "silhouettes", n,
        X=session.X, n=n, d=d, labels=labels, order=order, starts=starts, bits=bits, k=n_labels, low=low, high=high,
        out=out,
    )  # fmt: skip
    return device.download(out) if session.on_host else out
