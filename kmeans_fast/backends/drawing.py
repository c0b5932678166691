"""How rows are drawn by mass in the order of their content (`kmeans_fast.reference.Masses`) without sorting them all.

Rows are in buckets by hash. A word falls into one bucket, and only the rows of the buckets that words fall into are
sorted. The buckets are the same for all parts of the rows, and no draw depends on how many there are.
"""

import math
from typing import Any, NamedTuple

import numpy as np

_MOST, _ROWS_IN_ONE = 1 << 14, 16  # for a few words at a time, and masses that change with every seed
_MOST_FINE, _ROWS_IN_A_FINE_ONE = 1 << 22, 4  # for many words at a time
_SAMPLED, _CROWDED = 4096, 4  # rows; different hashes for each one that also differs in the half that buckets go by
_FEW = 32  # words for which Python's own integers are sooner than NumPy
_DIGESTED, _ONE = 1 << 20, np.float64(1.0).view(np.uint64)  # rows at a time; the bits of the weight 1
_TOGETHER = 8  # this part of the buckets, and so of the rows unless many are equal, is looked through at once


_NO_SPLITTERS = np.empty(0, np.uint64)


class Buckets(NamedTuple):
    """Which bucket a row is in, by its hash (`kmeans_fast.reference.row_hash`)."""

    bits: int  # the bucket is the number that this many top bits of the hash make;
    splitters: np.ndarray  # where there are any: how many of these (m,) uint64, ascending, are at most the hash

    @property
    def count(self):
        return len(self.splitters) + 1 if len(self.splitters) else 1 << self.bits

    def of(self, hashes):
        """The buckets of rows with these hashes."""
        if len(self.splitters):
            return np.searchsorted(self.splitters, hashes, side="right")
        return ((hashes >> np.uint64(1)) >> np.uint64(63 - self.bits)).astype(np.int64)


def buckets_for(session, fine=False, most=None):
    """The `Buckets` for the rows of a session, at most so many of them.

    By the top bits of the hash few buckets would hold nearly all rows where float64 data is one value as float32: times
    of one day, say, in seconds since 1970. Then hashes of a sample are where buckets end.
    """
    n = session.shape[0]
    usual, rows_in_one = (_MOST_FINE, _ROWS_IN_A_FINE_ONE) if fine else (_MOST, _ROWS_IN_ONE)
    bits = max(0, min(usual, most or usual, n // rows_in_one).bit_length() - 1)
    by_bits = Buckets(bits, _NO_SPLITTERS)
    if n < _SAMPLED:  # few enough to be sorted
        return by_bits
    few = np.unique(session.hashes(np.arange(0, n, n // 256)))
    if len(np.unique(few >> np.uint64(32))) * _CROWDED > len(few):
        return by_bits
    sample = np.unique(session.hashes(np.arange(0, n, n // _SAMPLED)))
    step = -(-len(sample) >> bits)
    return Buckets(bits, np.ascontiguousarray(sample[step::step]))


def digest(part):
    """A number below 2**64 that tells the rows of a part and their weights from others.

    It is a sum over rows, so those of parts add up (modulo 2**64), and it depends neither on order nor on dtype.
    """
    total = 0
    for start in range(0, part.shape[0], _DIGESTED):
        numbers = np.arange(start, min(start + _DIGESTED, part.shape[0]))
        words, weights = part.hashes(numbers), part.weights_of(numbers)
        if weights is not None:  # a weight of 1 counts as none
            words = words ^ ((weights.view(np.uint64) - _ONE) * np.uint64(0x9E3779B97F4A7C15))
        words = (words ^ (words >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
        total += int((words ^ (words >> np.uint64(32))).sum())
    return total % 2**64


def factors_of(shift):
    """Two numbers whose product is 2**shift, which itself may be too large for a float."""
    first = min(shift, 1000)
    return math.ldexp(1.0, first), math.ldexp(1.0, shift - first)


def targets_of(words, total):
    """``word * total >> 64`` of each of the uint64 `words` (m,), total being below 2**63: int64."""
    if len(words) <= _FEW:
        return np.array([(int(word) * total) >> 64 for word in words], np.int64)
    half, low_half = np.uint64(32), np.uint64(0xFFFFFFFF)
    high, low = words >> half, words & low_half
    of_high, of_low = np.uint64(total >> 32), np.uint64(total & 0xFFFFFFFF)
    middle = high * of_low + ((low * of_low) >> half)
    carried = (middle & low_half) + low * of_high
    return (high * of_high + (middle >> half) + (carried >> half)).astype(np.int64)


def located_in_part(targets, of_buckets, masses, session):
    """`located` among the rows of a part of which these are the masses (`protocol.PartMasses`); `session` has them."""

    def pieces_in(wanted):
        numbers, hashes, of_rows = masses.rows_in(wanted)
        order = by_content(numbers, hashes, session)
        numbers = numbers[order]
        return of_rows[order], lambda pieces, _: numbers[pieces]

    return located(targets, of_buckets, pieces_in)


def located(targets, of_buckets, pieces_in, least=1):
    """The first row, in the order of the content, whose cumulative mass exceeds each of `targets` (m,) int64.

    Parameters
    ----------
    targets : ndarray (m,) int64, each less than the sum of `of_buckets`
    of_buckets : ndarray (buckets,) int64
        The mass of each.
    pieces_in : callable
        ``pieces_in(wanted)`` is asked for the buckets for which `wanted` (buckets,) bool is true. A piece is a row in
        them, or several equal ones. It returns the masses of the pieces in the order of their content, and a function
        ``row_at(pieces, within)``: the rows that these targets fall on, which are ``within`` beyond where their pieces
        begin.
    least : int
        How many targets may always be looked for at once.

    Returns
    -------
    ndarray (m,)
        Of the rows as ``row_at`` gives them. Some row is named whatever the masses are: another thread may write to
        the data meanwhile, and then they do not agree.
    """
    found = np.empty(len(targets), np.int64)
    order = np.argsort(targets)  # so that no bucket is looked through more often than it must
    together = max(1, least, len(of_buckets) // _TOGETHER)
    for first in range(0, len(targets), together):
        part = order[first : first + together]
        found[part] = _located_together(targets[part], of_buckets, pieces_in)
    return found


def _located_together(targets, of_buckets, pieces_in):
    ends = np.cumsum(of_buckets)
    falls_in = np.minimum(np.searchsorted(ends, targets, side="right"), len(ends) - 1)
    wanted = np.zeros(len(ends), bool)
    wanted[falls_in] = True
    masses, row_at = pieces_in(wanted)
    if not len(masses):
        return np.zeros(len(targets), np.int64)
    # What precedes a target: of all buckets before its own those that are wanted, and the part of its own.
    before = np.cumsum(np.where(wanted, of_buckets, 0)) - of_buckets
    within = targets - (ends - of_buckets)[falls_in] + before[falls_in]
    upto = np.cumsum(masses)
    found = np.minimum(np.searchsorted(upto, within, side="right"), len(masses) - 1)
    return row_at(found, within - (upto[found] - masses[found]))


class Runs(NamedTuple):
    """Rows of a part in the order of their hashes and numbers. What is equal in all, and follows each other, is a run:
    as many as are equal take no more memory than their numbers.
    """

    numbers: np.ndarray  # (rows,) int32 or int64
    begin: np.ndarray  # (runs + 1,) where each begins among them
    hashes: np.ndarray  # (runs,)
    masses: np.ndarray  # (runs,) of one row

    @property
    def first(self):
        """The number of the first row of each."""
        return self.numbers[self.begin[:-1]].astype(np.int64)


def runs_of(numbers, hashes, masses, session):
    """The `Runs` of rows whose `numbers` in the session ascend."""
    order = np.argsort(hashes, kind="stable")
    numbers, hashes, masses = numbers[order], hashes[order], masses[order]
    same = (hashes[1:] == hashes[:-1]) & (masses[1:] == masses[:-1])
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    if len(tied):
        values, follows = session.rows(numbers[tied]), same[tied[:-1]]
        same[tied[:-1]] = follows & (values[1:] == values[:-1]).all(axis=1)
        if session.weighted:
            weights = session.weights_of(numbers[tied])
            same[tied[:-1]] &= weights[1:] == weights[:-1]
    begin = np.append(np.flatnonzero(np.append(len(numbers) > 0, ~same)), len(numbers))
    narrow = np.int32 if session.shape[0] < 2**31 else np.int64
    return Runs(numbers.astype(narrow), begin, hashes[begin[:-1]], masses[begin[:-1]])


class Distinct(NamedTuple):
    """Some rows, of equal ones one, in the order of the first of them."""

    rows: Any  # as `Session.taken` gives them
    first: np.ndarray  # (rows,) the place of the first that is equal,
    last: np.ndarray  # of the last,
    times: np.ndarray  # and how many are


def distinct(values, hashes, numbers):
    """The `Distinct` of rows (m, n_features) on the host; `numbers` are theirs in the session."""
    found = equal_rows(hashes, numbers, values.__getitem__)
    return Distinct(values[found[0]] + 0, *found)  # the two zeros are one value


def equal_rows(hashes, numbers, rows):
    """Which of some rows are equal: `Distinct.first`, `last` and `times`. ``rows(places)`` gives their values.

    Equal hashes nearly always are of one row: values are asked for where they are not.
    """
    order = np.argsort(hashes)
    hashes_there, numbers_there = hashes[order], numbers[order]
    differs = hashes_there[1:] != hashes_there[:-1]
    asked = np.flatnonzero(~differs & (numbers_there[1:] != numbers_there[:-1]))
    if len(asked) and (rows(order[asked]) != rows(order[asked + 1])).any():  # hashes collide
        values = rows(np.arange(len(numbers)))
        order = np.lexsort(values.T)
        differs = (values[order][1:] != values[order][:-1]).any(axis=1)
    begin = np.flatnonzero(np.append(True, differs))
    first, last = np.minimum.reduceat(order, begin), np.maximum.reduceat(order, begin)
    times = np.diff(np.append(begin, len(order)))
    by_first = np.argsort(first)
    return first[by_first], last[by_first], times[by_first]


def by_content(numbers, hashes, session):
    """Places that put rows in the order of their content; `numbers`, ascending, are theirs in the session."""
    order = np.argsort(hashes)  # far sooner than a stable one
    hashes = hashes[order]
    same = hashes[1:] == hashes[:-1]
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    if len(tied):
        order = order[np.lexsort([order, hashes])]  # equal hashes by number
        numbers = numbers[order]
        keys, values = [hashes[tied]], session.rows(numbers[tied])
        if (
            (values[1:] != values[:-1]).any(axis=1) & same[tied[:-1]]
        ).any():  # most often, rows of equal hash are equal
            keys = [*values.T[::-1], *keys]
        if session.weighted:
            keys = [session.weights_of(numbers[tied]), *keys]
        if len(keys) > 1:
            order[tied] = order[tied][np.lexsort(keys)]
    return order
