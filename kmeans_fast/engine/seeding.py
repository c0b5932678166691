"""Initial centroids. Which rows they are depends on data, weights and seed alone (`kmeans_fast.reference`)."""

import collections
import itertools

import numpy as np

from ..reference import OVERSAMPLING, ROUNDS, draws, n_trials


def kmeans_plusplus(session, n_clusters, seed, run):
    """Row numbers of the seeds by greedy k-means++. O(n d k log k)."""
    words = draws(seed, run, (n_clusters, n_trials(n_clusters)))
    seeder = session.seeder(words)
    seeder.begin(seeder.draw(1))
    for _ in range(1, n_clusters):
        seeder.choose(seeder.draw(words.shape[1]))
    return seeder.chosen()


# Of a sample (benchmarks/starts.py): with 256 rows a cluster inertia is what it is from all rows, with 64 up to 2 %
# higher.
_LEAST_ROWS, _ROWS_A_CLUSTER = 1 << 14, 256
# Drawing a sample costs as much as a few seeds on all rows do: it pays for many rows, and for many steps of seeding.
_TIMES_THE_SAMPLE, _LEAST_WORK = 4, 10_000_000


def auto_init_size(n_samples, n_clusters):
    """The rows that k-means++ draws seeds from by default; None: all."""
    size = max(_LEAST_ROWS, _ROWS_A_CLUSTER * n_clusters)
    pays = n_samples >= _TIMES_THE_SAMPLE * size and n_samples * n_clusters >= _LEAST_WORK
    return size if pays else None


def sample(session, size, seed, run):
    """Rows to draw seeds from (`kmeans_fast.reference.sample`), of equal rows one, and how often each was drawn."""
    numbers = session.oversampler().draw(draws(seed, run + 2**63, (size,)))
    drawn = session.rows(numbers) + 0  # the two zeros are one value
    times = collections.Counter(row.tobytes() for row in drawn)
    rows = np.frombuffer(b"".join(times), drawn.dtype).reshape(-1, drawn.shape[1])
    return rows, np.fromiter(times.values(), np.float64)


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
    sampler, rows, candidates = session.oversampler(), [], []
    for drawn in np.split(words, range(1, len(words), size)):
        named = sampler.draw(drawn)[::-1]
        values = session.rows(named)
        # Of rows of equal values one: others would be nearest to nothing, and a tie wherever that one is near.
        one = list({value.tobytes(): at for at, value in enumerate(values + 0)}.values())
        rows.append(named[one])
        candidates.append(values[one])
        if not sampler.add(candidates[-1]):
            break
    shares, rows, candidates = np.maximum(sampler.shares(), 1), np.concatenate(rows), np.concatenate(candidates)
    del sampler
    if len(rows) < n_clusters:  # few distinct rows, or few that have nearly all the mass in every round
        return kmeans_plusplus(session, n_clusters, seed, run)
    shares = np.ldexp(shares, -int(shares.max()).bit_length())  # at most 1: times distances they stay finite
    return rows[kmeans_plusplus(open_rows(candidates, shares), n_clusters, seed, run)]


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
