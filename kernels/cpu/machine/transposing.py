"""Square blocks of rows, transposed in registers: a lane becomes a row."""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .float_arrays import by_dtype
from .register_tiles import tuple_of
from .vectors import I32, Vector, emit_load, emit_pointer, emit_splat, full_lanes, ir_vector


def _transposed(context, builder, starts, array_type, array, shift, scale):
    """See `load_transposed`; row i starts at ``starts[i]``."""
    narrow = Vector(types.float32, full_lanes(types.float32))
    source = Vector(array_type.dtype, narrow.lanes)
    factor = emit_splat(builder, scale, narrow.lanes)
    rows = []
    for start in starts:
        row = emit_load(context, builder, array_type, array, start, source)
        row = builder.fmul(builder.fsub(row, shift), factor)
        rows.append(row if source.dtype == types.float32 else builder.fptrunc(row, ir_vector(narrow)))
    return tuple_of(builder, context, types.UniTuple(narrow, narrow.lanes), _shuffled(builder, rows))


def _shuffled(builder, rows):
    """The square block of `rows` transposed."""
    count = len(rows)
    order = ir.VectorType(I32, count)
    half = count // 2
    zips = [ir.Constant(order, [h + i // 2 + count * (i % 2) for i in range(count)]) for h in (0, half)]
    for _ in range(count.bit_length() - 1):
        rows = [builder.shuffle_vector(rows[i], rows[i + half], z) for i in range(half) for z in zips]
    return rows


def _transposed_type():
    narrow = Vector(types.float32, full_lanes(types.float32))
    return types.UniTuple(narrow, narrow.lanes)


@intrinsic
def load_transposed(typingctx, array, offset, stride, shift, scale):
    """A square block of ``(x - shift) * scale`` as float32, transposed: vector j has element j of a row in each lane.

    Rows start `stride` elements apart from `offset`; `shift` (a vector over the elements) and `scale` are in array's
    dtype. The block is transposed by log2(lanes) rounds of perfect shuffles.
    """

    def codegen(context, builder, sig, args):
        array_value, start, step, shift_value, scale_value = args
        starts = [
            builder.add(start, builder.mul(step, ir.Constant(step.type, i))) for i in range(sig.return_type.count)
        ]
        return _transposed(context, builder, starts, sig.args[0], array_value, shift_value, scale_value)

    return _transposed_type()(array, offset, stride, shift, scale), codegen


@intrinsic
def load_transposed_rows(typingctx, array, offsets, first, element, shift, scale):
    """As `load_transposed`, of rows anywhere: elements from `element` on of rows that begin at ``offsets[first:]``."""

    def codegen(context, builder, sig, args):
        array_value, offsets_value, first_value, element_value, shift_value, scale_value = args
        starts = []
        for i in range(sig.return_type.count):
            at = builder.add(first_value, ir.Constant(first_value.type, i))
            begin = builder.load(emit_pointer(context, builder, sig.args[1], offsets_value, at, ir.IntType(64)))
            starts.append(builder.add(begin, element_value))
        return _transposed(context, builder, starts, sig.args[0], array_value, shift_value, scale_value)

    return _transposed_type()(array, offsets, first, element, shift, scale), codegen


@intrinsic
def add_squared_differences(typingctx, totals, array, offset, stride, others, starts, at, element):
    """`totals` (float64, a lane a row) plus the squared differences of a vector's length of elements, in their order.

    Rows of `array` (`Floats`) start `stride` elements apart from `offset`, those that they differ from at
    ``starts[at + i]`` in `others` (float64); `element` is the first in both.
    """

    def codegen(context, builder, sig, args):
        totals_value, array_value, start, step, others_value, starts_value, at_value, element_value = args
        wide, rows = sig.return_type, []

        def emit(dtype):
            values = []
            for i in range(wide.lanes):
                row = builder.add(builder.add(start, builder.mul(step, ir.Constant(step.type, i))), element_value)
                x = emit_load(context, builder, sig.args[1], array_value, row, Vector(dtype, wide.lanes))
                values.append(x if dtype == wide.dtype else builder.fpext(x, ir_vector(wide)))
            return values

        for i, x in enumerate(by_dtype(context, builder, array_value, emit)):
            number = builder.add(at_value, ir.Constant(at_value.type, i))
            other = builder.load(emit_pointer(context, builder, sig.args[5], starts_value, number, ir.IntType(64)))
            other = builder.add(other, element_value)
            difference = builder.fsub(x, emit_load(context, builder, sig.args[4], others_value, other, wide))
            rows.append(builder.fmul(difference, difference))
        for squares in _shuffled(builder, rows):
            totals_value = builder.fadd(totals_value, squares)
        return totals_value

    return totals(totals, array, offset, stride, others, starts, at, element), codegen


@intrinsic
def load_transposed_words(typingctx, words, offsets, first, element):
    """The square block of the int32 `words` from `element` on of rows beginning at ``offsets[first:]``, transposed."""
    vector = Vector(words.dtype, full_lanes(words.dtype))
    tile = types.UniTuple(vector, vector.lanes)

    def codegen(context, builder, sig, args):
        words_value, offsets_value, first_value, element_value = args
        rows = []
        for i in range(vector.lanes):
            at = builder.add(first_value, ir.Constant(first_value.type, i))
            begin = builder.load(emit_pointer(context, builder, sig.args[1], offsets_value, at, ir.IntType(64)))
            start = builder.add(begin, element_value)
            rows.append(emit_load(context, builder, sig.args[0], words_value, start, vector))
        return tuple_of(builder, context, tile, _shuffled(builder, rows))

    return tile(words, offsets, first, element), codegen
