"""Seeds and candidates drawn by mass from rows in one part or several (`kmeans_fast.reference.Masses`)."""

import math
from typing import NamedTuple

import numpy as np

from .drawing import Runs, buckets_for, by_content, located, targets_of
from .partials import merged

_TOO_SMALL = 1 << 44  # a total mass below this is measured anew, by another power of two
_FEW_ROWS = 1 << 18  # so many are always looked through at once, although they are many of all


class Masses:
    """The masses of the rows of all parts of a session.

    Parameters
    ----------
    session : Session
        That the rows' numbers are of.
    parts : sequence of Part
        What it is made of, in order: itself, or those whose first rows have the numbers ``session.starts``.
    fine : bool
        Whether many rows will be drawn at a time.
    """

    def __init__(self, session, parts, fine=False):
        self.session, buckets = session, buckets_for(session, fine)
        self.parts, self.n_buckets = [part.masses(buckets) for part in parts], buckets.count
        self.rescale()

    def each(self, name, *arguments):
        """What a method of the masses of each part returns."""
        return [getattr(part, name)(*arguments) for part in self.parts]

    def total(self, name, *arguments):
        """The sum of it."""
        return merged(self.each(name, *arguments))

    def weigh(self, shift):
        """The masses of the buckets by this power of two."""
        return self.weighed(shift, self.parts)

    def weighed(self, shift, parts):
        """Those of some parts. There may be more buckets than a part has rows."""
        if len(parts) == 1:
            return parts[0].weigh(shift)
        total = np.zeros(self.n_buckets, np.int64)
        for part in parts:
            if hasattr(part, "weigh_into"):
                part.weigh_into(shift, total)
            else:
                total += part.weigh(shift)
        return total

    def largest(self):
        """The largest ``w * d``."""
        return max(self.each("largest"))

    def fill(self, distance):
        """Set all distances."""
        self.each("fill", distance)

    def rescale(self):
        """Choose the power of two anew. Where no row has mass, one takes the place of all distances."""
        largest = self.largest()
        if largest == 0.0:
            self.fill(1.0)
            largest = self.largest()
        shift = 61 - self.session.shape[0].bit_length() - math.frexp(largest)[1]
        self.of_buckets = self.weigh(shift)
        self.mass = int(self.of_buckets.sum())

    def draw(self, words):
        """The numbers of the rows that uint64 `words` fall on."""
        if self.mass < _TOO_SMALL:
            self.rescale()
        targets = targets_of(words, min(max(self.mass, 0), 2**63 - 1))  # as it is, unless another thread writes to X
        if len(self.parts) == 1:
            return self.parts[0].draw(targets, self.of_buckets)
        # Rows that are read anew are read for every call of `_runs_in`.
        least = _FEW_ROWS * len(self.of_buckets) // self.session.shape[0]
        return located(targets, self.of_buckets, self._runs_in, least)

    def _runs_in(self, wanted):
        """The pieces for `located`: runs of equal rows."""
        found = [one if isinstance(one, Runs) else _each_a_run(*one) for one in self.each("rows_in", wanted)]
        numbers = np.concatenate([start + one.first for start, one in zip(self.session.starts, found)])
        hashes, masses = (np.concatenate([getattr(one, name) for one in found]) for name in ("hashes", "masses"))
        order = by_content(numbers, hashes, self.session)
        times = np.concatenate([np.diff(one.begin) for one in found])
        return (masses * times)[order], _InOrder(found, self.session.starts, order, masses).row_at

    def begin(self, candidates):
        """Make the only candidate (1, n_features) the first seed."""
        self.each("begin", candidates)
        self.rescale()

    def choose(self, candidates):
        """Make the best of some candidates (m, n_features) the next seed; which that is."""
        gains = self.total("trials", candidates)
        best = int(gains.argmax())
        self.accept(candidates, best)
        self.mass -= int(gains[best])
        return best

    def accept(self, candidates, best):
        """Make one of them a seed, which `of_buckets` follow."""
        self.each("accept", best, self.of_buckets)

    def exclude(self, number):
        """Leave a row without mass; False when no row has any left."""
        at = 0
        if len(self.parts) > 1:
            at = int(np.searchsorted(self.session.starts, number, side="right")) - 1
            number -= int(self.session.starts[at])
        self.mass -= self.parts[at].exclude(number, self.of_buckets)
        return self.mass > 0 or self.largest() > 0

    def join(self, candidates):
        """Let candidates (m, n_features) of k-means|| join those before; False when no row has any mass left."""
        self.each("join", candidates)
        self.mass = 0  # the next draw measures all anew
        return self.largest() > 0

    def shares(self, count):
        """The mass by weight alone of the rows nearest to each of the `count` candidates."""
        self.fill(1.0)
        self.rescale()
        return self.total("shares", count)


def _each_a_run(numbers, hashes, masses):
    return Runs(numbers, np.arange(len(numbers) + 1), hashes, masses)


class _InOrder(NamedTuple):
    """Runs of all parts in the order of their content: that of their first rows, as all rows of a run are equal."""

    runs: list[Runs]  # of each part
    starts: np.ndarray  # where the rows of each begin
    order: np.ndarray
    masses: np.ndarray  # (runs,) of one row, in the order of the parts

    def row_at(self, found, within):
        """See `drawing.located`."""
        places = self.order[found]
        firsts = np.cumsum([0, *(len(one.masses) for one in self.runs)])
        rows, nth = np.empty(len(places), np.int64), within // np.maximum(1, self.masses[places])
        of_part = np.searchsorted(firsts, places, side="right") - 1
        for part in np.unique(of_part).tolist():
            here, one = np.flatnonzero(of_part == part), self.runs[part]
            run = places[here] - firsts[part]
            at = np.clip(one.begin[run] + nth[here], one.begin[run], one.begin[run + 1] - 1)
            rows[here] = self.starts[part] + one.numbers[at]
        return rows


class Seeder:
    """See `kmeans_fast.backends.protocol.Seeder`."""

    def __init__(self, session, masses, words):
        self.session, self.words, self.found, self.masses = session, words, [], masses

    def seeds(self):
        self.begin(self.draw(1))
        for _ in range(1, len(self.words)):
            self.choose(self.draw(self.words.shape[1]))
        return self.chosen()

    def draw(self, count):
        return self.masses.draw(self.words[len(self.found), :count])

    def begin(self, candidates):
        self.masses.begin(self.session.rows(candidates))
        self.found.append(int(candidates[0]))

    def choose(self, candidates):
        best = self.masses.choose(self.session.rows(candidates))
        self.found.append(int(candidates[best]))

    def exclude(self, candidates):
        self.found.append(int(candidates[0]))
        return self.masses.exclude(self.found[-1])

    def chosen(self):
        return np.array(self.found, np.int64)


class Oversampler:
    """See `kmeans_fast.backends.protocol.Oversampler`."""

    def __init__(self, masses):
        self.masses, self.count = masses, 0

    def draw(self, words):
        return self.masses.draw(words)

    def add(self, candidates):
        if self.count == 0:
            self.masses.fill(math.inf)
        self.count += len(candidates)
        return self.masses.join(candidates)

    def shares(self):
        return self.masses.shares(self.count)
