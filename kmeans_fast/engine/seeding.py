"""Initial centroids. Which rows they are depends on the data, the weights and the seed alone (`kmeans_fast.reference`)."""

import itertools

import numpy as np

from ..reference import draws, n_trials


def kmeans_plusplus(session, n_clusters, seed, run):
    """Row numbers of the seeds by greedy k-means++. O(n d k log k)."""
    words = draws(seed, run, (n_clusters, n_trials(n_clusters)))
    seeder = session.seeder()
    rows = np.empty(n_clusters, np.int64)
    rows[0] = seeder.draw(words[0, :1])[0]
    if n_clusters > 1:
        seeder.begin(int(rows[0]))
    for step in range(1, n_clusters):
        candidates = seeder.draw(words[step])
        rows[step] = candidates[seeder.choose(candidates)]
    return rows


def random_rows(session, n_clusters, seed, run):
    """Row numbers drawn with probability proportional to weight, without replacement. O(n + k n / 4096)."""
    seeder = session.seeder()
    rows, any_left = [], True
    for word in draws(seed, run, (n_clusters,)):
        if any_left:
            rows.append(int(seeder.draw(np.array([word]))[0]))
            any_left = seeder.exclude(rows[-1])
        else:  # fewer rows of positive weight than clusters: the lowest rows not yet taken
            taken = set(rows)
            rows.append(next(i for i in itertools.count() if i not in taken))
    return np.array(rows)
