"""Fits of the same rows for several numbers of clusters: one opening of the rows, one drawing of seeds for all.

The work is done on a sample: fits from several starts, of which the best goes on for a few iterations on all rows. By
then inertia hardly falls. Only the number that is chosen in the end is fitted to the end.
"""

from typing import NamedTuple

import numpy as np

from ..arrays import to_host
from ..reference import draws
from .lloyd import lloyd
from .opening import open_data
from .refinement import cluster_totals, inhaled
from .seeding import kmeans_plusplus

_FEW = 5  # iterations on all rows


class SampleFits:
    """Fits of a sample of the rows for several numbers of clusters.

    Greedy k-means++ seeds for the largest number begin with seeds for all smaller ones.

    Parameters
    ----------
    opened : kmeans_fast.engine.opening.Opened
        For the largest number of clusters.
    rows : array (m, n_features)
        On the host; at least as many as the largest number.
    n_init : int
        Starts, at least 1; another is made of the fit for one cluster less, if there is one.
    seed : int
    how : dict
        `max_iter` and `threshold`, as for `lloyd`.
    """

    def __init__(self, opened, rows, n_init, seed, how):
        self.rows, self.seed, self.how, self.runs = rows, seed, how, {}
        self.session = opened.rows(rows, None)
        chosen = [kmeans_plusplus(self.session, opened.problem.n_clusters, seed, run) for run in range(n_init)]
        self.seeds = [rows[numbers] for numbers in chosen]

    def fit(self, n_clusters):
        """The `lloyd.Run` of least inertia; its labels are the host's, and its own."""
        if n_clusters not in self.runs:
            starts = [np.ascontiguousarray(seeds[:n_clusters]) for seeds in self.seeds]
            split = self._split(n_clusters - 1) if n_clusters - 1 in self.runs else ()
            if len(split) == n_clusters:
                starts.append(split)
            self.session = self.session.for_clusters(n_clusters)
            runs = [lloyd(self.session, start, **self.how) for start in starts]
            best = min(runs, key=lambda run: run.inertia)
            self.runs[n_clusters] = best._replace(labels=np.array(to_host(best.labels)))
        return self.runs[n_clusters]

    def labels(self, centroids):
        """The labels of the sample by given centroids, int32, on the host."""
        self.session = self.session.for_clusters(len(centroids))
        self.session.assign(centroids)
        return np.array(to_host(self.session.labels))

    def _split(self, n_clusters):
        """The centroids of a fit and one more, beside that of the largest error; no more where there is no error."""
        centroids = self.runs[n_clusters].centroids
        session = self.session = self.session.for_clusters(n_clusters)
        session.assign(centroids)
        errors = cluster_totals(session, n_clusters, centroids)
        words = draws(self.seed, n_clusters + 2**62, (1, -(-centroids.shape[1] // 64)))
        return inhaled(centroids, errors, cluster_totals(session, n_clusters), 1, words)


class FitOfK(NamedTuple):
    """What one number of clusters came to."""

    centroids: np.ndarray  # (n_clusters, n_features)
    inertia: float  # of all rows, exact
    n_iter: int  # on all rows
    sampled: np.ndarray  # (rows of the sample,) int32: their labels


class SeveralK:
    """Rows that are to be fitted for several numbers of clusters.

    Parameters
    ----------
    data : kmeans_fast.arrays.Data or kmeans_fast.door.DataInChunks
    largest : int
        The most clusters that will be asked for.
    sample_size : int
        Rows drawn, with replacement, to begin on; all rows where there are no more.
    n_init : int
        Starts on the sample, at least 1.
    max_iter, tol, seed, device, n_threads
        As for `fit.fit`.

    Attributes
    ----------
    rows : array (m, n_features)
        The sample, on the host.
    """

    def __init__(self, data, largest, *, sample_size, n_init, max_iter, tol, seed, device, n_threads):
        self.opened = open_data(data, largest, device=device, n_threads=n_threads)
        session, n = self.opened.session, data.n_samples
        self.how = {"max_iter": max_iter, "threshold": tol * session.mean_variance() if tol > 0 else 0.0}
        drawn = np.arange(n)
        if n > sample_size:
            drawn = session.oversampler().draw(draws(seed, 2**63, (sample_size,)))
        self.rows = np.ascontiguousarray(session.rows(drawn))
        self.session, self.fits = session, {}
        self.sample = self.of_rows(self.rows, n_init, seed)

    def of_rows(self, rows, n_init, seed):
        """`SampleFits` of other rows (m, n_features), on the host."""
        return SampleFits(self.opened, rows, n_init, seed, self.how)

    def fit(self, n_clusters):
        """The `FitOfK` for so many clusters."""
        if n_clusters not in self.fits:
            few = {**self.how, "max_iter": min(_FEW, self.how["max_iter"])}
            self.session = self.session.for_clusters(n_clusters)
            found = lloyd(self.session, self.sample.fit(n_clusters).centroids, **few)
            labels = self.sample.labels(found.centroids)
            self.fits[n_clusters] = FitOfK(found.centroids, found.inertia, found.n_iter, labels)
        return self.fits[n_clusters]

    def finished(self, n_clusters):
        """The `lloyd.Run` of a number of clusters that has been fitted, gone on with to its end."""
        self.session = self.session.for_clusters(n_clusters)
        return lloyd(self.session, self.fits[n_clusters].centroids, **self.how)
