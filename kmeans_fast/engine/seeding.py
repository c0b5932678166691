"""Initial centroids. Which rows they are depends on the data, the weights and the seed alone (`kmeans_fast.reference`)."""

import itertools

import numpy as np

from ..reference import draws, n_trials


def kmeans_plusplus(session, n_clusters, seed, run):
    """Row numbers of the seeds by greedy k-means++. O(n d k log k)."""
    words = draws(seed, run, (n_clusters, n_trials(n_clusters)))
    seeder = session.seeder(words)
    seeder.begin(seeder.draw(1))
    for _ in range(1, n_clusters):
        seeder.choose(seeder.draw(words.shape[1]))
    return seeder.chosen()


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
