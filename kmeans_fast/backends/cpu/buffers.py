"""Arrays as kernels take them."""

import numpy as np

NO_WEIGHTS = np.empty(0)


def flat(array):
    """A C-contiguous array as one dimension, writeable to Numba, which would compile anew for a read-only one."""
    if not array.flags.writeable:
        array = np.asarray(_Writeable(array))
    return array.reshape(-1)


class _Writeable:
    """The same memory, not marked read-only. Kernels never write their IN arguments."""

    def __init__(self, array):
        self.array = array  # keeps the memory alive
        self.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}
