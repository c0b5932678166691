"""Several sources of one kind, one after the other."""

import bisect
import itertools

from .protocol import Source


class Chained(Source):
    """The rows of sources that can be read from the middle, in order."""

    def __init__(self, parts):
        self.parts = parts
        self.ends = list(itertools.accumulate(part.n_chunks for part in parts))
        self.n_chunks, self.ahead = self.ends[-1], parts[0].ahead
        first = parts[0]
        alike = all((part.dtype, part.n_features) == (first.dtype, first.n_features) for part in parts)
        if alike:
            self.dtype, self.n_features = first.dtype, first.n_features
            self.n_samples = sum(part.n_samples for part in parts)

    def cut(self, n_bytes):
        return Chained([part.cut(n_bytes) for part in self.parts])

    @property
    def ready(self):
        return all(part.ready for part in self.parts)

    def mapped(self, n_bytes):
        found = []
        for part in self.parts:
            found.append(part.mapped(n_bytes))
            if found[-1] is None:
                return None
        return Chained(found)

    def close(self):
        for part in self.parts:
            part.close()

    def _place(self, number):
        at = bisect.bisect_right(self.ends, number)
        return self.parts[at], number - (self.ends[at - 1] if at else 0)

    def chunk(self, number):
        part, own = self._place(number)
        return part.chunk(own)

    def told(self, number):
        part, own = self._place(number)
        return part.told(own)

    def stamp(self):
        return tuple(one for part in self.parts for one in part.stamp())
