"""Chunks of rows brought to a GPU one after the other, the next one while that before is worked on.

A chunk is copied to pinned memory, some rows at a time, and from there to the device on a stream of its own: two pieces
of pinned memory, of which one is filled while the other is sent, and two buffers on the device, of which one is worked
on while the other is filled. Events order the two streams.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .device import allocate
from .gathering import OnDevice

_PIECE_BYTES = 16 << 20


class _Buffer:
    """Rows on the device, and their weights."""

    def __init__(self, device, n, d, held, weighted):
        what = f"{n:,} rows at a time"
        self.X = allocate(device, (n, d), held, what)
        self.weights = allocate(device, n, np.float64, what) if weighted else None


class Uploads:
    """Chunks that a pass reads in this order.

    Parameters
    ----------
    device : Device
    chunks : list of callable
        Each gives its rows and their weights or None; the rows may be gone when another is called.
    problem : Problem
        With as many rows as the largest has.
    """

    def __init__(self, device, chunks, problem):
        self.device, self.chunks, self.copies = device, chunks, device.copies()
        self.how = problem.n_samples, problem.n_features, problem.held or problem.dtype, problem.weighted
        self.pool = ThreadPoolExecutor(1, "kmeans_fast upload")
        self.buffers = self.pieces = self.coming = self.mark = None
        self.turn = 0

    def __del__(self):
        if self.mark is not None:
            self.mark.wait()  # nobody else may be given memory that a copy is under way to or from

    def bring(self, number):
        """The rows and the weights of a chunk, `OnDevice`, until the one after the next is asked for."""
        coming, future = self.coming or (None, None)
        if coming != number:
            if future is not None:
                future.result()
            future = self._begin(number)
        self.coming = None
        rows, mark = future.result()
        mark.precede()
        if number + 1 < len(self.chunks):
            self.coming = number + 1, self._begin(number + 1)
        return rows

    def _begin(self, number):
        X, weights = self.chunks[number]()
        if self.buffers is None:
            self._make_room()
        buffer, self.turn = self.buffers[self.turn], 1 - self.turn
        self.copies.follow()  # what is enqueued by now may be at work on the rows that were there
        return self.pool.submit(self._send, buffer, X, weights)

    def _make_room(self):
        _, d, held, _ = self.how
        size = max(_PIECE_BYTES, d * held.itemsize, 8)
        self.pieces = [self.copies.pinned(size) for _ in range(2)]
        self.buffers = [_Buffer(self.device, *self.how) for _ in range(2)]
        self.sent = [None, None]  # marks: when a piece can be filled again
        self.at = 0

    def _send(self, buffer, X, weights):
        """Copy rows to the device; a mark after the last copy."""
        there = OnDevice(self._send_one(buffer.X, X))
        own = None if buffer.weights is None else OnDevice(self._send_one(buffer.weights, weights))
        return (there, own), self.mark

    def _send_one(self, target, array):
        row_bytes = array[:1].nbytes
        step = self.pieces[0].size // row_bytes
        for start in range(0, len(array), step):
            rows = array[start : start + step]
            if self.sent[self.at] is not None:
                self.sent[self.at].wait()
            piece = self.pieces[self.at][: rows.nbytes].view(array.dtype).reshape(rows.shape)
            piece[...] = rows
            self.copies.copy(target[start : start + len(rows)], piece)
            self.mark = self.sent[self.at] = self.copies.record()
            self.at = 1 - self.at
        return target[: len(array)]


class Brought:
    """A chunk as an `engine.rereading.RereadPart` reads it: brought to the device; weights and few rows on the host."""

    def __init__(self, uploads, number, chunk):
        self.uploads, self.number = uploads, number
        self.few, self.needed, self.weights = chunk.few, chunk.needed, chunk.weights

    def __call__(self):
        return self.uploads.bring(self.number)
