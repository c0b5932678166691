"""Arrays of float32 or float64 as one type, so that kernels that read them are compiled once for both.

A parameter or a field of a kernel that is annotated with `Floats` gets such an array, whichever dtype it was given.
Code in the kernel does not know the dtype. It reads elements as float64, which is exact, by `simd.element` and
`simd.load_widened`: they ask for the dtype at run time, once for an element or a vector. What does much at a time, or
in a short loop, asks before it begins, by the itemsize, and goes on with the array itself (`narrow`, `wide`).
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, make_attribute_wrapper, models, register_model
from numba.np.arrayobj import populate_array

_WORD = ir.IntType(64)
_DATA, _ITEMSIZE = 0, 2  # among the fields of `_FloatsModel`


class FloatsType(types.Type):
    """One-dimensional, contiguous; `size` and `itemsize` are what they are of arrays."""

    def __init__(self):
        super().__init__(name="Floats")

    def made(self, context, builder, data, itemsize, size):
        """The code that makes such an array of its address, its itemsize and its size."""
        return _made(context, builder, data, size, itemsize)


floats_type = FloatsType()


@register_model(FloatsType)
class _FloatsModel(models.StructModel):
    def __init__(self, manager, kind):
        members = [("data", types.voidptr), ("size", types.int64), ("itemsize", types.int64)]
        super().__init__(manager, kind, members)


make_attribute_wrapper(FloatsType, "size", "size")
make_attribute_wrapper(FloatsType, "itemsize", "itemsize")


def _made(context, builder, data, size, itemsize):
    result = ir.Constant(context.get_value_type(floats_type), ir.Undefined)
    for at, field in enumerate((builder.bitcast(data, ir.IntType(8).as_pointer()), size, itemsize)):
        result = builder.insert_value(result, field, at)
    return result


class Floats:
    """What parameters and fields are annotated with; `jit` asks it what a body gets."""

    @staticmethod
    def body_type(kind):
        """What becomes of an argument of type `kind`."""
        is_floats = isinstance(kind, types.Array) and kind.dtype in (types.float32, types.float64) and kind.ndim == 1
        return floats_type if is_floats and kind.layout == "C" else kind

    @staticmethod
    def emit(context, builder, kind, value):
        """The code that makes it of the argument."""
        if Floats.body_type(kind) == kind:
            return value
        array = context.make_array(kind)(context, builder, value)
        return _made(context, builder, array.data, array.nitems, ir.Constant(_WORD, kind.dtype.bitwidth // 8))


@intrinsic
def floats(typingctx, array):
    """An array of float32 or float64 as `Floats`."""
    kind = Floats.body_type(array)
    return kind(array), lambda context, builder, sig, args: Floats.emit(context, builder, sig.args[0], args[0])


@intrinsic
def part(typingctx, array, first, count):
    """The `count` elements of `Floats` from `first` on."""

    def codegen(context, builder, sig, args):
        data = byte_address(context, builder, args[0], args[1])
        return _made(context, builder, data, args[2], builder.extract_value(args[0], _ITEMSIZE))

    return floats_type(array, types.int64, types.int64), codegen


def _view(dtype):
    """A function from `Floats` of that dtype to the array."""
    kind = types.Array(dtype, 1, "C")

    def view(typingctx, array):
        def codegen(context, builder, sig, args):
            data, size, _ = cgutils.unpack_tuple(builder, args[0])
            data = builder.bitcast(data, context.get_data_type(dtype).as_pointer())
            itemsize = context.get_constant(types.intp, dtype.bitwidth // 8)
            result = context.make_array(kind)(context, builder)
            populate_array(result, data, cgutils.pack_array(builder, [size]), [itemsize], itemsize, None)
            return result._getvalue()

        return kind(array), codegen

    return intrinsic(view)


# The caller has asked, by the itemsize, which of the two it is.
narrow, wide = _view(types.float32), _view(types.float64)


def address(context, builder, value, offset, ir_type):
    """The pointer to the element at `offset`; `ir_type` says whether it is one of float32 or of float64."""
    scalar = getattr(ir_type, "element", ir_type)
    data = builder.extract_value(value, _DATA)
    return builder.bitcast(builder.gep(builder.bitcast(data, scalar.as_pointer()), [offset]), ir_type.as_pointer())


def byte_address(context, builder, value, offset):
    """The pointer to the element at `offset`, whichever dtype it is of."""
    return builder.gep(
        builder.extract_value(value, _DATA), [builder.mul(offset, builder.extract_value(value, _ITEMSIZE))]
    )


def by_dtype(context, builder, value, emit):
    """``emit(dtype)`` for the dtype that the array turns out to have: a list of values, or one value."""
    itemsize = builder.extract_value(value, _ITEMSIZE)
    is_wide = builder.icmp_signed("==", itemsize, ir.Constant(itemsize.type, 8))
    found = []
    with builder.if_else(is_wide) as branches:
        for dtype, branch in zip((types.float64, types.float32), branches):
            with branch:
                found.append((emit(dtype), builder.block))
    (of_wide, after_wide), (of_narrow, after_narrow) = found

    def either(one, other):
        phi = builder.phi(one.type)
        phi.add_incoming(one, after_wide)
        phi.add_incoming(other, after_narrow)
        return phi

    return list(map(either, of_wide, of_narrow)) if isinstance(of_wide, list) else either(of_wide, of_narrow)
