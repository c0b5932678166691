"""Small arrays of fixed size on the stack.

``np.empty`` in a kernel costs an allocation a call and a tenth of a second of compilation for every dtype; a tile's scores and labels need neither.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

_CACHE_LINE = 64


@intrinsic(prefer_literal=True)
def stack_array(typingctx, count, dtype):
    """`count` (a constant) uninitialised elements of `dtype`, aligned to a cache line; they live until the function that asked returns."""
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
