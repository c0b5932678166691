"""The data and the centroids as bytes, for the filters of `kernels.cpu.scoring.byte_filter` and of seeding."""

import numpy as np

from ....kernels import byte_scores
from ....kernels.cpu.exact import column_statistics
from ....kernels.cpu.machine.host import CENTROIDS
from ....kernels.cpu.scoring import byte_codes, byte_filter, tile
from .. import costs
from ..buffers import flat
from ..tasks import tasks_for
from .protocol import Kept


def code_bytes(n, d):
    """Memory of rows as bytes (`byte_codes.ByteRows`)."""
    return n * (4 * byte_codes.words_a_row(d) + 12)


def codes_memory(sizes):
    return {"bytes": code_bytes(sizes.n, sizes.d)}


def codes_objection(sizes):
    """Why rows cannot be scored in bytes; empty if they can."""
    if not byte_codes.AVAILABLE:
        return "this processor has no instructions for bytes (AVX-512 VNNI or AVX-VNNI)"
    if sizes.d > byte_codes.MOST_FEATURES:
        return f"it takes up to {byte_codes.MOST_FEATURES:,} features, and there are {sizes.d:,}"
    return ""


def codes_decline(sizes, passes=None):
    """Why rows are not scored in bytes in `passes` passes (None: enough for the encoding not to count)."""
    if sizes.frugal or not sizes.copies:
        return "memory is short"
    encoding = costs.byte_row(sizes.d) / passes if passes else 0.0
    if costs.float_scoring(sizes.d, sizes.k) <= costs.BYTE_GAIN * (costs.byte_scoring(sizes.d, sizes.k) + encoding):
        return "scores in float32 take no longer"
    return "" if _fits(sizes) else "the bytes take too much memory beside the data"


def _fits(sizes):
    return code_bytes(sizes.n, sizes.d) <= max(costs.CODE_BYTES, costs.CODE_SHARE * sizes.data_bytes)


def encodes_seeding(sizes):
    """Whether seeding reads the data as bytes."""
    many = sizes.k >= costs.MANY_SEEDS and sizes.d >= costs.MANY_FEATURES
    return many and not sizes.frugal and sizes.copies and not codes_objection(sizes) and _fits(sizes)


class Encoder:
    """How rows and centroids become bytes: any shift, scale and ratio are right, those of a sample serve well."""

    def __init__(self, X, threads):
        self.flat, self.threads, (self.n, self.d) = flat(X), threads, X.shape
        self.dtype, self.words = X.dtype.type, byte_codes.words_a_row(self.d)
        self.shift, self.scale = column_statistics.sampled_frame(X, 100 if self.dtype is np.float32 else 400)
        self.vanishing = byte_scores.vanishing(self.d, self.scale)
        self.ratio = byte_scores.usual_ratio(X, self.shift)
        self.how = self.d, self.shift, self.dtype(self.scale), self.ratio

    def rows(self):
        """The rows one after the other, for kernels that pick some of them."""
        words = np.empty(self.n * self.words + byte_filter.LANES, np.int32)
        of_rows = np.empty((3, self.n), np.float32)
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


class Codes(Kept):
    """The rows of a session as bytes, made once a fit, and those of its centroids, once a pass."""

    def __init__(self, session):
        super().__init__(session)
        self.serves = False  # whether a technique takes them, and they have not been given up
        self.make_room()

    def detach(self):
        self.centroids = self.memory = self.encoded = self.number = None
        if self.rows is not None:
            self.encoder.flat = None

    def serve(self):
        self.serves = True

    def make_room(self):
        self.encoder = self.rows = self.centroids = self.memory = self.encoded = self.number = None

    def take_over(self, other):
        self.serves = self.serves and other.serves
        if other.rows is not None and self.serves:
            self._open(other.encoder, other.rows)

    def _open(self, encoder, rows):
        self.encoder, self.rows, self.centroids = encoder, rows, encoder.room(self.session.k)
        threads = self.session.threads
        self.memory = byte_filter.tiles(threads, encoder.d), byte_filter.score_blocks(threads)

    def of(self, coming):
        """What kernels take for a pass; None where bytes do not serve in it."""
        if self.number != coming.number:
            self.encoded, self.number = self._encoded(coming), coming.number
        return self.encoded

    def _encoded(self, coming):
        session = self.session
        if not self.serves:
            return None
        if self.rows is None:
            if coming.once and not session.forced and codes_decline(session.sizes, passes=1):
                return None
            encoder = Encoder(session.X, session.threads)
            self._open(encoder, encoder.rows())
        elif self.memory is None:  # the rows were away
            self._open(self.encoder, self.rows)
        encoder, values = self.encoder, flat(coming.centroids)
        if not encoder.encode(values, self.centroids, tasks_for(session.threads, costs.ENCODING * values.size)):
            return None
        return byte_codes.Encoded(self.rows, self.centroids, values, encoder.scale, encoder.vanishing, *self.memory)

    def settle(self, scored):
        """Give bytes up after a pass of which too many tiles had too many candidates; `scored` are its rows."""
        overfull = sum(self.session.counts.overfull.tolist())
        if overfull * tile.ROWS > costs.TOO_MANY_OVERFULL * scored and not self.session.forced:
            self.serves = False
