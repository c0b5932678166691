"""Memory for the length of a call: small arrays on the stack, rows of one task in an array of all.

Kernels allocate nothing. What they allocate Numba would count references to, by atomic operations in the hot loops: a
fifth of the time of an assignment at (1M, 2, 10).
"""

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

_CACHE_LINE = 64


def private(tasks, size, dtype):
    """An uninitialised row of at least `size` elements for each task, aligned to a cache line.

    Rows are two lines apart: threads that share a line, or that prefetch each other's, slow each other fivefold.
    """
    return _aligned(tasks, (size,), dtype, np.empty)[0]


def private_zeros(tasks, sizes, dtype):
    """As `private`, several arrays of zeros."""
    return _aligned(tasks, sizes, dtype, np.zeros)


def _aligned(tasks, sizes, dtype, allocate):
    itemsize = np.dtype(dtype).itemsize
    widths = [(-(-size * itemsize // _CACHE_LINE) + 2) * _CACHE_LINE for size in sizes]
    memory = allocate(tasks * sum(widths) + _CACHE_LINE, np.uint8)
    start, arrays = -memory.__array_interface__["data"][0] % _CACHE_LINE, []
    for width in widths:
        arrays.append(memory[start : start + tasks * width].view(dtype).reshape(tasks, -1))
        start += tasks * width
    return arrays


@intrinsic(prefer_literal=True)
def stack_array(typingctx, count, dtype):
    """`count` (a constant) uninitialised elements of `dtype`, aligned to a cache line.

    They live until the function that asked returns.
    """
    if not isinstance(count, types.IntegerLiteral):
        return None
    array_type = types.Array(dtype.dtype, 1, "C")

    def codegen(context, builder, sig, args):
        element = context.get_data_type(array_type.dtype)
        length = count.literal_value
        data = cgutils.alloca_once(builder, ir.ArrayType(element, length))
        data.align = _CACHE_LINE
        array = make_array(array_type)(context, builder)
        itemsize = context.get_constant(types.intp, context.get_abi_sizeof(element))
        populate_array(
            array,
            data=builder.bitcast(data, element.as_pointer()),
            shape=[context.get_constant(types.intp, length)],
            strides=[itemsize],
            itemsize=itemsize,
            meminfo=None,
        )
        return array._getvalue()

    return array_type(count, dtype), codegen
