"""Seconds from the start to the end of a fresh process."""

import os
import tempfile

from .common import TINY, child


class Start:
    """Import alone, a first answer, and a first fit of compiled kernels with and without them in the cache."""

    unit = "s"
    timeout = 500
    sizes = (1000, 2) if TINY else (100_000, 16)
    repeats = 1 if TINY else 3

    def setup_cache(self):
        """A cache directory, filled. asv calls this once, in a directory that it removes at the end."""
        cache = tempfile.mkdtemp(dir=os.getcwd())
        child("import", "kmeans_fast")  # .pyc files and the operating system's cache
        seconds, _ = child("first-fit", "kmeans_fast", *self.sizes, KMEANS_FAST_CACHE_DIR=cache)
        return cache, seconds

    def track_import(self, state):
        return min(child("import", "kmeans_fast")[0] for _ in range(self.repeats))

    def track_first_answer(self, state):
        """Kernels are in the cache, and nobody waits for them: what a user meets."""
        variables = {"KMEANS_FAST_CACHE_DIR": state[0], "KMEANS_FAST_WAIT": ""}
        return min(child("first-fit", "kmeans_fast", *self.sizes, **variables)[0] for _ in range(self.repeats))

    def track_first_fit_cold(self, state):
        """Compilation included; once, while the cache was filled."""
        return state[1]

    def track_first_fit_cached(self, state):
        cache, _ = state
        return min(
            child("first-fit", "kmeans_fast", *self.sizes, KMEANS_FAST_CACHE_DIR=cache)[0] for _ in range(self.repeats)
        )
