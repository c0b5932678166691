"""Rows on the host shared out to GPUs: as many as there is room for stay, the rest is brought there in each pass.

Every device has room for two chunks of rows, one that is worked on and the next one, and for the work on one.
"""

import bisect
import contextlib
import math
from contextvars import ContextVar
from typing import NamedTuple

import numpy as np

from ..protocol import Share
from .device import OUT_OF_MEMORY
from .planning import free_bytes, state_bytes, workspace_bytes

_USED = 15 / 16  # of the memory there is: the rest is for what the allocator rounds up, and for buckets of seeding
_CHUNK_BYTES = 256 << 20  # at most: large beside a launch, small beside the memory of a GPU
_LEAST_ROWS = 256  # in a chunk: with fewer, the clusters alone fill the device
_FOR_STATES = 1 / 8  # at most, of what is not for chunks: rows that stay save more


class Room(NamedTuple):
    """What a device has room for."""

    name: str
    properties: object  # `device.Properties`
    free: int  # bytes

    def staying(self, problem, n):
        """Bytes that so many rows take that stay."""
        own = problem._replace(n_samples=n)
        return workspace_bytes(own, self.properties) + own.data_bytes if n else 0

    def passing(self, problem, n):
        """Bytes for chunks of so many rows."""
        own = problem._replace(n_samples=n)
        return workspace_bytes(own, self.properties) + 2 * (own.data_bytes + 8 * n * own.weighted)

    def state(self, problem, n):
        return state_bytes(problem._replace(n_samples=n), self.properties)

    def most(self, problem, n, of, left):
        """The most rows, up to `n`, for which `of(problem, rows)` is no more than `left` bytes."""
        return bisect.bisect_right(range(1, n + 1), left, key=lambda rows: of(problem, rows))


_most: ContextVar[float | None] = ContextVar("kmeans_fast_gpu_room", default=None)


@contextlib.contextmanager
def with_room(n_bytes):
    """Share out rows in a ``with`` block as if no device had more memory: for benchmarks on any GPU."""
    before = _most.get()
    try:
        _most.set(n_bytes)
        yield
    finally:
        _most.set(before)


def rooms(devices):
    """What there is room for on devices, given by the names that a `Problem` has for them."""
    most = math.inf if _most.get() is None else _most.get()
    return [
        Room(name, device.properties, int(_USED * min(most, free_bytes(device)))) for name, device in devices.items()
    ]


def shares(problem, devices, sizes=None):
    """See `kmeans_fast.backends.protocol.Backend.shares`; `devices`: those to share out to, by name."""
    found = rooms(devices)
    if sizes is not None:
        return _of_chunks(problem, found, sizes)
    if len(found) == 1 and found[0].staying(problem, problem.n_samples) <= found[0].free:
        return None
    return _of_array(problem, found)


def _of_array(problem, found):
    n, out = problem.n_samples, []
    rows = _poured(n, [room.most(problem, n, room.staying, room.free) for room in found])
    if sum(rows) == n:
        return [Share(own, room.name, True) for own, room in zip(rows, found) if own]
    for room, n_own in zip(found, _poured(n, [n] * len(found))):
        chunk = room.most(problem, _most_rows(problem, n_own), room.passing, room.free // 2)
        if chunk < min(n_own, _LEAST_ROWS):
            _refuse(problem, room, min(n_own, _LEAST_ROWS))
        out += _of_device(problem, room, n_own, chunk)
    return out


def _most_rows(problem, n):
    return int(np.clip(_CHUNK_BYTES * n // max(1, problem._replace(n_samples=n).data_bytes), 1, n)) if n else 0


def _of_device(problem, room, n, chunk):
    """The shares of the rows of one device: those that stay are one."""
    left = room.free - room.passing(problem, chunk)
    state = room.state(problem, chunk) * -(-n // chunk)
    keeps = state <= _FOR_STATES * left
    stays = room.most(problem, n, room.staying, left - state * keeps)
    brought = [min(chunk, n - start) for start in range(stays, n, chunk)]
    return [Share(stays, room.name, True)] * bool(stays) + [Share(size, room.name, False, keeps) for size in brought]


def _poured(n, most):
    """n rows shared out evenly to devices that take so many at most; fewer, if there is not room for them all."""
    rows, left = [0] * len(most), n
    for at, number in enumerate(sorted(range(len(most)), key=most.__getitem__)):
        rows[number] = min(most[number], -(-left // (len(most) - at)))
        left -= rows[number]
    return rows


def _of_chunks(problem, found, sizes):
    """Each chunk goes to the device that has the fewest rows; those that come first stay, as long as there is room."""
    largest = max(sizes)
    of, rows = [[] for _ in found], [0] * len(found)
    for number, size in enumerate(sizes):
        fewest = rows.index(min(rows))
        of[fewest].append(number)
        rows[fewest] += size
    out = [None] * len(sizes)
    for room, numbers in zip(found, of):
        staying = {size: room.staying(problem, size) for size in set(sizes)}
        left, keeps = room.free, False
        if sum(staying[sizes[number]] for number in numbers) > left:
            if room.passing(problem, largest) > left:
                _refuse(problem, room, largest)
            left -= room.passing(problem, largest)
            states = {size: room.state(problem, size) for size in staying}
            state = sum(states[sizes[number]] for number in numbers)
            keeps = state <= _FOR_STATES * left
            left -= state * keeps
        for number in numbers:
            stays = staying[sizes[number]] <= left
            left = left - staying[sizes[number]] if stays else -1
            out[number] = Share(sizes[number], room.name, stays, keeps and not stays)
    return out


def _refuse(problem, room, rows):
    what = f"k-means of {problem.n_samples:,} x {problem.n_features:,} rows into {problem.n_clusters:,} clusters"
    what, needed, free = f"{what}, {rows:,} rows at a time,", room.passing(problem, rows), room.free / 2**30
    raise MemoryError(OUT_OF_MEMORY.format(what=what, needed=needed / 2**30, name=room.properties.name, free=free))
