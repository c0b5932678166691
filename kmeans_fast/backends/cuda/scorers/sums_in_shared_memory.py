"""How many sums of clusters a block of threads keeps in its shared memory."""

STATIC_SHARED = 48 << 10  # shared memory that kernels declare themselves, at most
UPDATE_SHARED = 18 << 10  # bytes that `update_sums` declares
UPDATE_RESIDENT = 2  # blocks of it that the registers of a multiprocessor are to hold
# Values, and rows a cluster, up to which global memory adds them sooner than blocks clear and flush sums of their own.
_DIRECT, _DIRECT_A_CLUSTER = 1_250_000, 1000
_FEW_COLUMNS = 96  # up to which a lane takes one column of many rows rather than several of few
_ROWS_A_BLOCK = 512  # that are worth the cells of a block
SYSTEM_SHARED = 1 << 10  # what the system takes for each block


def room_for_sums(static_bytes, resident, shared_bytes):
    """Bytes that a block may have for sums while so many blocks run at once on a multiprocessor.

    Each declares `static_bytes` itself; a block may have `shared_bytes` in all.
    """
    of_multiprocessor = shared_bytes + SYSTEM_SHARED
    return of_multiprocessor // resident - SYSTEM_SHARED - static_bytes


def held_limbs(k, columns, limbs, shared_bytes):
    """How many of the limbs of each cluster a block of `update_sums` has in shared memory, and the bytes they take."""
    for held in range(limbs, 0, -1):
        needed = 8 * k * held * columns + 4 * k
        if needed + UPDATE_SHARED <= shared_bytes:
            return held, needed
    return 0, 0


def update_plan(n, k, columns, limbs, properties):
    """The limbs that a block of `update_sums` has in shared memory, the bytes they take, and the blocks."""
    held, needed = held_limbs(k, columns, limbs, properties.shared_bytes)
    if n * columns <= _DIRECT and n <= _DIRECT_A_CLUSTER * k:
        held = needed = 0
    of_multiprocessor = properties.shared_bytes + SYSTEM_SHARED
    at_once = max(1, min(of_multiprocessor // (needed + UPDATE_SHARED + SYSTEM_SHARED), UPDATE_RESIDENT))
    rows_a_block = _ROWS_A_BLOCK if held else _ROWS_A_BLOCK // 8
    return held, needed, max(1, min(-(-n // rows_a_block), at_once * properties.multiprocessors))


def update_choices(columns):
    """What the module `update_sums` is compiled with."""
    return {"COLUMNS": 4 if columns > _FEW_COLUMNS else 1}


def block_sums(cells, k, room):
    """Cells of a block's own sums, two words each, and their bytes with the counts; (0, 0): none fit."""
    needed = 8 * cells + 4 * k
    return (cells, needed) if needed <= room else (0, 0)
