"""Rows with labels."""

import numpy as np


def labelled(n, k, seed=0):
    """Labels, of which each is there; sizes differ."""
    rng = np.random.default_rng([seed, n, k])
    return np.concatenate([np.arange(k), (k * rng.random(n - k) ** 2).astype(int)])[rng.permutation(n)]
