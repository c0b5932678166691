"""Initial centroids. Which rows they are depends on data, weights and seed alone (`kmeans_fast.reference`)."""

import itertools

import numpy as np

from ..reference import OVERSAMPLING, ROUNDS, draws, n_trials


def kmeans_plusplus(session, n_clusters, seed, run):
    """Row numbers of the seeds by greedy k-means++. O(n d k log k)."""
    words = draws(seed, run, (n_clusters, n_trials(n_clusters)))
    return session.seeder(words).seeds()


# Of a sample (benchmarks/starts.py): with 256 rows a cluster inertia is what it is from all rows, with 64 up to 2 %
# higher.
_LEAST_ROWS, _ROWS_A_CLUSTER = 1 << 14, 256
# Drawing a sample costs as much as a few seeds on all rows do: it pays for many rows, and for many steps of seeding.
_TIMES_THE_SAMPLE, _LEAST_WORK = 4, 10_000_000
# k-means++ reads its rows once for each cluster. From so many rows read on k-means||, whose inertia is no higher, takes
# half as long or less, unless its candidates, ten a cluster, are many of the rows; and it reads them ten times as
# centroids do, so that half of them is worth a sample (docs/seeding.md).
_MANY_READ, _ROWS_A_CANDIDATE, _TIMES_FOR_CANDIDATES = 50_000_000, 64, 2


def auto_start(n_samples, n_clusters):
    """How seeds are drawn by default: the method, and the rows of the sample that it draws from; None: all."""
    size = max(_LEAST_ROWS, _ROWS_A_CLUSTER * n_clusters)
    much = n_samples * n_clusters >= _LEAST_WORK
    rows = size if much and n_samples >= _TIMES_THE_SAMPLE * size else n_samples
    init = "k-means++"
    if rows * n_clusters >= _MANY_READ and rows >= _ROWS_A_CANDIDATE * n_clusters:
        init = "k-means||"
        rows = size if n_samples >= _TIMES_FOR_CANDIDATES * size else n_samples
    return init, rows if rows < n_samples else None


def sample(session, size, seed, run):
    """Rows to draw seeds from (`kmeans_fast.reference.sample`), of equal rows one, and how often each was drawn.

    The rows are as `Session.taken` gives them.
    """
    found = session.distinct(session.oversampler().draw(draws(seed, run + 2**63, (size,))))
    return found.rows, found.times.astype(np.float64)


def most_candidates(n_clusters, n_samples):
    """Of a round of k-means||: a session must have room for them."""
    return min(OVERSAMPLING * n_clusters, n_samples)


def kmeans_parallel(session, n_clusters, seed, run, open_rows):
    """Row numbers of the seeds by k-means||. O(n d k).

    It takes `ROUNDS` assignments to ``OVERSAMPLING * n_clusters`` candidates.
    ``open_rows(rows, weights)`` opens a session on few rows for as many clusters.
    """
    size = OVERSAMPLING * n_clusters
    words = draws(seed, run + 2**61, (1 + ROUNDS * size,))
    sampler, rows = session.oversampler(), []
    for drawn in np.split(words, range(1, len(words), size)):
        named = sampler.draw(drawn)[::-1]
        # Of rows of equal values one: others would be nearest to nothing, and a tie wherever that one is near.
        found = session.distinct(named)
        rows.append(named[found.last])
        if not sampler.add(found.rows):
            break
    shares, rows = np.maximum(sampler.shares(), 1), np.concatenate(rows)
    del sampler
    if len(rows) < n_clusters:  # few distinct rows, or few that have nearly all the mass in every round
        return kmeans_plusplus(session, n_clusters, seed, run)
    shares = np.ldexp(shares, -int(shares.max()).bit_length())  # at most 1: times distances they stay finite
    return rows[kmeans_plusplus(open_rows(session.taken(rows), shares), n_clusters, seed, run)]


def random_rows(session, n_clusters, seed, run):
    """Row numbers drawn with probability proportional to weight, without replacement. O(n + k n / 4096)."""
    seeder = session.seeder(draws(seed, run, (n_clusters, 1)))
    any_left = True
    for step in range(n_clusters):
        if not any_left:  # fewer rows of positive weight than clusters: the lowest rows not yet taken
            rows = seeder.chosen().tolist()
            others = (row for row in itertools.count() if row not in set(rows))
            return np.array(rows + list(itertools.islice(others, n_clusters - step)))
        any_left = seeder.exclude(seeder.draw(1))
    return seeder.chosen()
