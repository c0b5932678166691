"""The data and the centroids as bytes, for the filter of `kmeans_fast.kernels.cpu.byte_filter`."""

import numpy as np

from ...kernels.cpu import byte_filter
from ...kernels.cpu.host import CENTROIDS


class Codes:
    """The rows of a session as bytes, and room for the centroids; made once a fit."""

    def __init__(self, session):
        self.threads, self.d = session.threads, session.d
        sample = session.X[:: -(-session.n // 1024)]
        self.shift = sample.mean(axis=0, dtype=np.float64)
        extent = float(np.abs(sample - self.shift).max())
        power = int(np.clip(-np.frexp(extent)[1], -400, 400)) if extent > 0 else 0
        self.scale = 2.0**power
        self.vanishing = session.d * 2.0**-1073 * self.scale * self.scale + 2.0**-100
        self.ratio = byte_filter.usual_ratio(session.X, self.shift)
        self.rows = self._encoded_rows(session)
        self.centroids = self._empty_centroids(session.k)
        self.memory = byte_filter.tiles(session.threads, session.d)

    def _encoded_rows(self, session):
        words = np.empty(session.n * byte_filter.words_a_row(self.d) + byte_filter.LANES, np.int32)
        facts = np.empty((3, session.n), np.float32)
        byte_filter.encode_rows(
            self.threads, session.flat, self.d, self.shift, self.scale, self.ratio, words.view(np.uint8), *facts
        )
        return byte_filter.Rows(words, *facts)

    def _empty_centroids(self, k):
        padded = -(-k // CENTROIDS) * CENTROIDS
        steps, slopes = np.zeros((2, padded), np.float32)
        return byte_filter.Centroids(
            np.zeros(padded * byte_filter.words_a_row(self.d), np.int32),
            np.zeros(padded, np.int32),
            steps,
            slopes,
            np.full(padded, 2.0**100, np.float32),
        )

    def encoded(self, exact):
        """What kernels take, for the centroids `exact` (k * d,) float64; None where one is too far away."""
        words, *others = self.centroids
        reach = np.empty(self.threads)
        byte_filter.encode_centroids(
            self.threads, exact, self.d, self.shift, self.scale, self.ratio, words.view(np.int8), *others, reach
        )
        if not reach.max() < byte_filter.MOST_REACH:
            return None
        return byte_filter.Encoded(self.rows, self.centroids, self.scale, self.vanishing, self.memory)
