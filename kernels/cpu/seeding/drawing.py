"""Draws of rows with probability proportional to mass, whatever order the rows are in.

Masses are integers (`kmeans_fast.reference.Masses`), so sums of them have no order. A draw walks the rows in the
order of their content (`kmeans_fast.reference.content_order`): by a hash of the values, and where hashes are equal by
the values themselves. That order is never made: rows fall into buckets by the top bits of the hash, the bucket is found
in the cumulative masses of the buckets, and only its few rows are sorted.
"""

import numpy as np

from ..machine.bits import bits_of, trailing_zeros
from ..machine.float_arrays import Floats
from ..machine.host import VECTOR_BYTES
from ..machine.register_tiles import equals_any, loads
from ..machine.scratch import stack_array
from ..machine.simd import bits, element, load, splat, store
from ..runtime.jit import inner, kernel, share

MOST_BUCKETS = 1 << 14
ROWS_A_BUCKET = 16
MOST_TRIALS = 16
_LANES = VECTOR_BYTES // 2  # of uint16
_TOGETHER = 8  # buckets that rows are compared with at a time
_WANTED = MOST_TRIALS * _LANES  # a vector for each trial

_load_wanted = loads(_TOGETHER)


@inner
def mass(weight, distance, factors):
    """``floor(weight * distance * 2**shift)``, the power of two in two factors."""
    return np.int64(weight * distance * factors[0] * factors[1])


@inner
def _mixed(word, bits):
    word = (word ^ bits) * np.uint64(0x9E3779B97F4A7C15)
    return word ^ (word >> np.uint64(32))


@inner
def _finished(word):
    word *= np.uint64(0xD6E8FEB86659FD93)
    return word ^ (word >> np.uint64(29))


@inner
def _mixed_value(X, at, of_rounded, of_rest):
    """The two words of a row, of its values as float32 and of what that rounding takes away, with a value more."""
    of_rounded = _mixed(of_rounded, np.uint64(np.uint32(bits_of(np.float32(element(X, at)) + np.float32(0)))))
    if X.itemsize == 8:
        wide, rounded = element(X, at) + 0.0, np.float64(np.float32(element(X, at)))
        of_rest = _mixed(of_rest, np.uint64(bits_of(wide if np.isinf(rounded) else wide - rounded)))
    return of_rounded, of_rest


@inner
def _joined(of_rounded, of_rest):
    return _finished(of_rounded) ^ (_finished(of_rest) >> np.uint64(32))  # of zero this is zero


@inner
def _row_hash(X, offset, d):
    """`kmeans_fast.reference.row_hash` of one row."""
    of_rounded = of_rest = np.uint64(0)
    for j in range(d):
        of_rounded, of_rest = _mixed_value(X, offset + j, of_rounded, of_rest)
    return _joined(of_rounded, of_rest)


@inner
def _four_hashes(X, first, second, third, fourth, d, words):
    """Of four rows side by side: in one alone each step waits for the one before."""
    a = b = c = e = u = v = w = z = np.uint64(0)
    for j in range(d):
        a, u = _mixed_value(X, first + j, a, u)
        b, v = _mixed_value(X, second + j, b, v)
        c, w = _mixed_value(X, third + j, c, w)
        e, z = _mixed_value(X, fourth + j, e, z)
    words[0], words[1], words[2], words[3] = _joined(a, u), _joined(b, v), _joined(c, w), _joined(e, z)


@kernel
def fill_buckets(
    task,
    tasks,
    X: Floats,  #  IN   (n * d,)
    d,
    bits_kept,  #       log2 of the number of buckets
    splitters,  #  IN   (m,) uint64, ascending hashes; or (0,)
    buckets,  #    OUT  (n,) uint16 or int32
):
    """The bucket of every row: the top bits of its hash, or the number of splitters up to it. O(n (d + log m))."""
    begin, end = share(task, tasks, buckets.size)
    words = stack_array(4, np.uint64)
    for first in range(begin, end, 4):
        a, b, c, e = first, min(first + 1, end - 1), min(first + 2, end - 1), min(first + 3, end - 1)
        _four_hashes(X, a * d, b * d, c * d, e * d, d, words)
        for i in range(first, min(first + 4, end)):
            word = words[i - first]
            if splitters.size == 0:
                buckets[i] = (word >> np.uint64(1)) >> np.uint64(63 - bits_kept)
                continue
            low, high = 0, splitters.size
            while low < high:
                middle = (low + high) // 2
                if splitters[middle] <= word:
                    low = middle + 1
                else:
                    high = middle
            buckets[i] = low


@kernel
def hash_rows(
    task,
    tasks,
    X: Floats,  # IN   (n * d,)
    d,
    rows,  #      IN   (m,) int64
    hashes,  #    OUT  (m,) uint64
):
    """The hashes of some rows. O(m d)."""
    begin, end = share(task, tasks, rows.size)
    words = stack_array(4, np.uint64)
    for first in range(begin, end, 4):
        a, b, c, e = first, min(first + 1, end - 1), min(first + 2, end - 1), min(first + 3, end - 1)
        _four_hashes(X, rows[a] * d, rows[b] * d, rows[c] * d, rows[e] * d, d, words)
        for r in range(first, min(first + 4, end)):
            hashes[r] = words[r - first]


@kernel
def weigh(
    task,
    tasks,
    weights,  #  IN   (n,) float64, or (0,): all ones
    nearest,  #  IN   (n,) float64
    factors,
    buckets,  #  IN   (n,) uint16 or int32
    masses,  #   INOUT (tasks, n_buckets) int64
):
    """Add the masses of rows to those of their buckets (or of other groups). O(n)."""
    n = nearest.size
    weighted = weights.size > 0
    for i in range(*share(task, tasks, n)):
        weight = weights[i] if weighted else 1.0
        masses[task, np.int64(buckets[i])] += mass(weight, nearest[i], factors)


@inner
def _precedes(X, d, weights, hashes, rows, a, b):
    """Whether element `a` of the hashes and rows comes before element `b` in the order of the content.

    Equal rows are in the order of their numbers.
    """
    if hashes[a] != hashes[b]:
        return hashes[a] < hashes[b]
    first, second = rows[a], rows[b]
    for j in range(d):
        x, y = element(X, first * d + j), element(X, second * d + j)
        if x != y:
            return x < y
    if weights.size > 0 and weights[first] != weights[second]:
        return weights[first] < weights[second]
    return first < second


@inner
def _sift(X, d, weights, hashes, rows, at, size):
    """Let the element `at` of a heap (the last of the order first) sink to its place."""
    while True:
        child = 2 * at + 1
        if child >= size:
            return
        if child + 1 < size and _precedes(X, d, weights, hashes, rows, child, child + 1):
            child += 1
        if _precedes(X, d, weights, hashes, rows, child, at):
            return
        hashes[at], hashes[child] = hashes[child], hashes[at]
        rows[at], rows[child] = rows[child], rows[at]
        at = child


@inner
def _sort(X, d, weights, hashes, rows, size):
    """Sort the first `size` of both, rows ascending, by content (heapsort: in place, and short to compile)."""
    sorted_up_to = 1
    while sorted_up_to < size and _precedes(X, d, weights, hashes, rows, sorted_up_to - 1, sorted_up_to):
        sorted_up_to += 1
    if sorted_up_to >= size:  # as equal rows are
        return
    for at in range(size // 2 - 1, -1, -1):
        _sift(X, d, weights, hashes, rows, at, size)
    for last in range(size - 1, 0, -1):
        hashes[0], hashes[last] = hashes[last], hashes[0]
        rows[0], rows[last] = rows[last], rows[0]
        _sift(X, d, weights, hashes, rows, 0, last)


@inner
def _scan(wanted, draws, buckets, weights, nearest, factors, found):
    """How many rows have mass and lie in one of the first `draws` buckets of `wanted`; these into `found`.

    `wanted` has a vector for each bucket, filled up to as many as are compared together. `found` takes, lowest first,
    those that it has room for.
    """
    n, count = buckets.size, 0
    for start in range(0, n, _LANES):
        here = np.uint64(0)
        if start + _LANES <= n:
            for q in range(0, draws, _TOGETHER):
                matches = equals_any(load(buckets, start), _load_wanted(wanted, q * _LANES, _LANES))
                here |= np.uint64(bits(matches))
        else:
            for i in range(start, n):
                for q in range(draws):
                    if wanted[q * _LANES] == buckets[i]:
                        here |= np.uint64(1) << np.uint64(i - start)
        while here != 0:
            i = start + trailing_zeros(here)
            here &= here - np.uint64(1)
            if mass(weights[i] if weights.size > 0 else 1.0, nearest[i], factors) > 0:
                if count < found.size:
                    found[count] = i
                count += 1
    return count


@kernel
def draw(
    task,
    tasks,  #         1
    X: Floats,  # IN  (n * d,)
    d,
    targets,  #  IN   (draws,) int64, each below the total mass
    weights,  #  IN   (n,) float64, or (0,): all ones
    nearest,  #  IN   (n,) float64
    factors,
    buckets,  #  IN   (n,) uint16
    masses,  #   IN   (n_buckets,) int64
    found,  #    OUT  (room,) int64: the rows that come into question
    rows,  #     OUT  (room,) int64: those of one draw
    hashes,  #   OUT  (room,) uint64
    chosen,  #   OUT  (draws,) int64
    n_found,  #  OUT  (1,) int64: how many rows come into question
):
    """The first row in the order of the content whose cumulative mass exceeds each target.

    O(n draws / 32 + n_buckets draws).
    Where more rows come into question than there is room for, nothing is chosen. Some row is chosen whatever the masses
    are: another thread of the caller's may write to X meanwhile, and then they do not agree.
    """
    draws, weighted = targets.size, weights.size > 0
    left, wanted = stack_array(MOST_TRIALS, np.int64), stack_array(_WANTED, np.uint16)
    for q in range(draws):
        left[q] = targets[q]
        bucket = 0
        while bucket + 1 < masses.size and left[q] >= masses[bucket]:
            left[q] -= masses[bucket]
            bucket += 1
        store(wanted, q * _LANES, splat(np.uint16(bucket)))
    for q in range(draws, MOST_TRIALS):
        store(wanted, q * _LANES, load(wanted, 0))
    n_found[0] = _scan(wanted, draws, buckets, weights, nearest, factors, found)
    if n_found[0] > found.size:
        return
    for q in range(draws):
        count = 0
        for r in range(n_found[0]):
            if buckets[found[r]] == wanted[q * _LANES]:
                rows[count] = found[r]
                hashes[count] = _row_hash(X, found[r] * d, d)
                count += 1
        _sort(X, d, weights, hashes, rows, count)
        at = -1
        while left[q] >= 0 and at + 1 < count:
            at += 1
            i = rows[at]
            left[q] -= mass(weights[i] if weighted else 1.0, nearest[i], factors)
        chosen[q] = rows[max(at, 0)] if count > 0 else 0
