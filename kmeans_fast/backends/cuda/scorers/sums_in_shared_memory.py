"""How many sums of clusters a block of threads keeps in its shared memory."""

from ....kernels.cuda import sources

STATIC_SHARED = 48 << 10  # shared memory that kernels declare themselves, at most
UPDATE_SHARED = 9 << 10  # bytes that `update_sums` declares
_SYSTEM_SHARED = 1 << 10  # what the system takes for each block
_PRIVATE_SUMS = 64 << 10  # bytes of sums for each thread alone from which those of the block serve


def room_for_sums(static_bytes, resident, shared_bytes):
    """Bytes that a block may have for sums while so many blocks run at once on a multiprocessor.

    Each declares `static_bytes` itself; a block may have `shared_bytes` in all.
    """
    of_multiprocessor = shared_bytes + _SYSTEM_SHARED
    return of_multiprocessor // resident - _SYSTEM_SHARED - static_bytes


def blocks_at_once(needed, shared_bytes):
    """Blocks of so many bytes that run at once on a multiprocessor, of which each may have `shared_bytes`."""
    return max(1, (shared_bytes + _SYSTEM_SHARED) // (needed + _SYSTEM_SHARED))


def held_limbs(k, columns, limbs, shared_bytes):
    """How many of the limbs of each cluster a block of `update_sums` has in shared memory, and the bytes they take."""
    for held in range(limbs, 0, -1):
        needed = 8 * k * held * columns + 4 * k
        if needed + UPDATE_SHARED <= shared_bytes:
            return held, needed
    return 0, 0


def block_sums(cells, k, room):
    """Cells of a block's own sums, two words each, and their bytes with the counts; (0, 0): none fit."""
    needed = 8 * cells + 4 * k
    return (cells, needed) if needed <= room else (0, 0)


def private_sums(cells, k, shared_bytes):
    """The same for sums of every thread alone, of words of 64 bits; the cells include the counts."""
    needed = 8 * (cells + k) * sources.THREADS
    return (cells + k, needed) if needed <= min(_PRIVATE_SUMS, shared_bytes - STATIC_SHARED) else (0, 0)
