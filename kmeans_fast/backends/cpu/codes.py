"""The data and the centroids as bytes, for the filter of `kmeans_fast.kernels.cpu.byte_filter`."""

import numpy as np

from ...kernels.cpu import byte_codes, byte_filter
from ...kernels.cpu.host import CENTROIDS


class Codes:
    """The rows of a session as bytes, and room for the centroids; made once a fit."""

    def __init__(self, session):
        self.threads, self.d = session.threads, session.d
        sample = session.X[:: -(-session.n // 1024)]
        self.shift = sample.mean(axis=0, dtype=np.float64).astype(session.X.dtype)
        extent = float(np.abs(sample - self.shift).max())
        reach = 100 if session.X.dtype == np.float32 else 400
        power = int(np.clip(-np.frexp(extent)[1], -reach, reach)) if extent > 0 else 0
        self.scale = 2.0**power
        self.vanishing = session.d * 2.0**-1073 * self.scale * self.scale + 2.0**-100
        self.ratio = byte_codes.usual_ratio(session.X, self.shift)
        self.rows = self._encoded_rows(session)
        self.centroids = self._empty_centroids(session.k)
        self.memory = byte_filter.tiles(session.threads, session.d), byte_filter.score_blocks(session.threads)

    def _encoded_rows(self, session):
        words = np.empty(session.n * byte_codes.words_a_row(self.d) + 16, np.int32)
        facts = np.empty((3, session.n), np.float32)
        byte_codes.encode_rows(
            self.threads, session.flat, self.d, self.shift, session.X.dtype.type(self.scale), self.ratio,
            words.view(np.uint8), *facts,
        )  # fmt: skip
        return byte_codes.Rows(words, *facts)

    def _empty_centroids(self, k):
        padded = -(-k // CENTROIDS) * CENTROIDS
        steps, slopes = np.zeros((2, padded), np.float32)
        return byte_codes.Centroids(
            np.zeros(padded * byte_codes.words_a_row(self.d), np.int32),
            np.zeros(padded, np.int32),
            steps,
            slopes,
            np.full(padded, 2.0**100, np.float32),
        )

    def encoded(self, centroids):
        """What kernels take, for `centroids` (k * d,) in X's dtype; None where one is too far away."""
        words, *others = self.centroids
        reach = np.empty(self.threads)
        byte_codes.encode_centroids(
            self.threads,
            centroids,
            self.d,
            self.shift,
            self.shift.dtype.type(self.scale),
            self.ratio,
            words.view(np.int8),
            *others,
            reach,
        )
        if not reach.max() < byte_codes.MOST_REACH:
            return None
        return byte_codes.Encoded(self.rows, self.centroids, centroids, self.scale, self.vanishing, *self.memory)
