"""How many sums of clusters a block of threads keeps in its shared memory."""

from ....kernels.cuda import sources

STATIC_SHARED = 48 << 10  # shared memory that kernels declare themselves, at most
_SYSTEM_SHARED = 1 << 10  # what the system takes for each block
_PRIVATE_SUMS = 64 << 10  # bytes of sums for each thread alone from which those of the block serve


def room_for_sums(static_bytes, resident, shared_bytes):
    """Bytes that a block may have for sums while so many blocks run at once on a multiprocessor.

    Each declares `static_bytes` itself; a block may have `shared_bytes` in all.
    """
    of_multiprocessor = shared_bytes + _SYSTEM_SHARED
    return of_multiprocessor // resident - _SYSTEM_SHARED - static_bytes


def block_sums(cells, k, room):
    """Cells of a block's own sums, two words each, and their bytes with the counts; (0, 0): none fit."""
    needed = 8 * cells + 4 * k
    return (cells, needed) if needed <= room else (0, 0)


def private_sums(cells, k, shared_bytes):
    """The same for sums of every thread alone, of words of 64 bits; the cells include the counts."""
    needed = 8 * (cells + k) * sources.THREADS
    return (cells + k, needed) if needed <= min(_PRIVATE_SUMS, shared_bytes - STATIC_SHARED) else (0, 0)
