"""The data and the centroids as bytes, for the filters of `kmeans_fast.kernels.cpu.scoring.byte_filter` and `seeding`."""

import numpy as np

from ...kernels.cpu.exact import column_statistics
from ...kernels.cpu.machine.host import CENTROIDS
from ...kernels.cpu.scoring import byte_codes, byte_filter
from .buffers import flat
from .tasks import ENCODING, tasks_for


class Encoder:
    """How rows and centroids of a session become bytes: any shift, scale and ratio are right, those of a sample serve well."""

    def __init__(self, session):
        # Not the session: it holds what holds this, and memory in a cycle waits for the garbage collector.
        self.flat, self.n, self.threads, self.d = flat(session.X), session.n, session.threads, session.d
        self.dtype, self.words = session.X.dtype.type, byte_codes.words_a_row(session.d)
        self.shift, self.scale = column_statistics.sampled_frame(session.X, 100 if self.dtype is np.float32 else 400)
        self.vanishing = session.d * 2.0**-1073 * self.scale * self.scale + 2.0**-100
        self.ratio = byte_codes.usual_ratio(session.X, self.shift)
        self.how = self.d, self.shift, self.dtype(self.scale), self.ratio

    def rows(self):
        """The rows one after the other, for kernels that pick some of them."""
        n = self.n
        words = np.empty(n * self.words + byte_filter.LANES, np.int32)
        of_rows = np.empty((3, n), np.float32)
        byte_codes.encode_rows(self.threads, self.flat, *self.how, words.view(np.uint8), *of_rows)
        return byte_codes.ByteRows(words, *of_rows)

    def tiles(self):
        """The rows in tiles, for kernels that read all of them."""
        tiles = -(-self.n // byte_filter.ROWS)
        words = np.empty(tiles * self.words * byte_filter.ROWS, np.int32)
        of_rows = np.empty((3, tiles * byte_filter.ROWS), np.float32)
        scratch = np.empty((self.threads, self.words * byte_filter.ROWS), np.int32)
        byte_codes.encode_tiles(self.threads, self.flat, *self.how, scratch.view(np.uint8), scratch, words, *of_rows)
        return byte_codes.TiledByteRows(words, *of_rows)

    def room(self, k):
        """Memory for k centroids; its padding is never a candidate."""
        padded = -(-k // CENTROIDS) * CENTROIDS
        words, offsets = np.zeros(padded * self.words, np.int32), np.zeros(padded, np.int32)
        steps, slopes = np.zeros((2, padded), np.float32)
        return byte_codes.Centroids(words, offsets, steps, slopes, np.full(padded, 2.0**100, np.float32))

    def encode(self, centroids, room, threads):
        """Fill `room` with `centroids` (k * d,), in X's dtype; False where one is too far away to be of use."""
        words, *others = room
        reach = np.empty(threads)
        byte_codes.encode_centroids(threads, centroids, *self.how, words.view(np.int8), *others, reach)
        return bool(reach.max() < byte_codes.MOST_REACH)


class Codes:
    """The rows of a session as bytes, and room for its centroids; made once a fit."""

    def __init__(self, session, same_rows=None):
        """`same_rows`: the codes of another session on the same rows, to be shared."""
        if same_rows is None:
            self.encoder = Encoder(session)
            self.rows = self.encoder.rows()
        else:
            self.encoder, self.rows = same_rows.encoder, same_rows.rows
        self.centroids = self.encoder.room(session.k)
        self.memory = byte_filter.tiles(session.threads, session.d), byte_filter.score_blocks(session.threads)

    def encoded(self, centroids):
        """What kernels take, for `centroids` (k * d,) in X's dtype; None where one is too far away."""
        encoder = self.encoder
        if not encoder.encode(centroids, self.centroids, tasks_for(encoder.threads, ENCODING * centroids.size)):
            return None
        return byte_codes.Encoded(self.rows, self.centroids, centroids, encoder.scale, encoder.vanishing, *self.memory)
