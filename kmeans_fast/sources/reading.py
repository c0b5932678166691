"""Chunks are read on a thread of their own, one ahead of the work on them."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

# Called with every chunk: its number, how many there are (None where that is not known), the chunk, and the seconds
# that one waited for it.
listeners: list[Callable] = []


class Reader:
    """The chunks of a source whose rows are not in memory."""

    def __init__(self, source):
        self.source, self.pool = source, ThreadPoolExecutor(1, "kmeans_fast reading")
        self.iterator, self.at = None, 0  # of a source that is read from the first chunk on, and what it gives next
        self.coming = self.future = None

    def read(self, place, then=None):
        """The chunk of this number, or None after the last; then begin to read another, if there is one to come."""
        started = time.perf_counter()
        if self.source.ready:  # there is nothing to wait for
            then, found = None, self._read(place)
        else:
            future = self.future if self.coming == place else self.pool.submit(self._read, place)
            found = future.result()
        self.coming = self.future = None
        if found is not None:
            for listener in listeners:
                listener(place, self.source.n_chunks, found, time.perf_counter() - started)
        if then is not None and found is not None:
            self.coming, self.future = then, self.pool.submit(self._read, then)
        return found

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
        """Let go of the thread, once it has done what it is at."""
        self.pool.shutdown(wait=False, cancel_futures=True)
        self.coming = self.future = self.iterator = None
