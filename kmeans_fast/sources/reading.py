"""Chunks are read on threads of their own, ahead of the work on them."""

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

# Called with every chunk: its number, how many there are (None where that is not known), the chunk, and the seconds
# that one waited for it.
listeners: list[Callable] = []


class Reader:
    """The chunks of a source whose rows are not in memory.

    So many (`ahead`) are read at the same time, before they are asked for. 0: each is read when it is asked for, by the
    thread that asks.
    """

    def __init__(self, source, ahead=1):
        self.source, self.ahead = source, ahead
        self.pool = ThreadPoolExecutor(max(1, ahead), "kmeans_fast reading")
        self.iterator, self.at = None, 0  # of a source that is read from the first chunk on, and what it gives next
        self.coming = {}  # by number: the futures of the chunks that are being read, or have been

    def read(self, place, then=()):
        """The chunk of this number, or None after the last.

        Meanwhile the chunks that are likely to be asked for next (`then`) begin to be read.
        """
        started = time.perf_counter()
        if self.source.ready or not self.ahead:
            self.coming, found = {}, self._read(place)
        else:
            future = self.coming.pop(place, None) or self.pool.submit(self._read, place)
            if self.source.n_chunks is not None:
                self._begin(then)
            found = future.result()
            if found is not None and self.source.n_chunks is None:
                self._begin(then)
        if found is not None:
            for listener in listeners:
                listener(place, self.source.n_chunks, found, time.perf_counter() - started)
        return found

    def all(self):
        """The chunks from the first to the last."""
        for place in itertools.count():
            chunk = self.read(place, range(place + 1, place + 1 + self.ahead))
            if chunk is None:
                return
            yield chunk

    def _begin(self, then):
        """Have the next ones read, and no others."""
        then = list(then)[: self.ahead]
        for place in self.coming.keys() - set(then):
            self.coming.pop(place).cancel()
        for place in then:
            if place not in self.coming:
                self.coming[place] = self.pool.submit(self._read, place)

    def _read(self, place):
        source = self.source
        if source.n_chunks is not None:
            return source.chunk(place) if place < source.n_chunks else None
        if self.iterator is None or place < self.at:
            self.iterator, self.at = source.chunks(), 0
        for chunk in self.iterator:
            self.at += 1
            if self.at > place:
                return chunk
        self.iterator = None
        return None

    def close(self):
        """Let go of the threads, once they have done what they are at."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        self.coming, self.iterator = {}, None
