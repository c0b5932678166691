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
        starts = _read_starts(context, builder, sig.args[1], offsets_value, first_value, sig.return_type.count)
        starts = [builder.add(start, element_value) for start in starts]
        return _transposed(context, builder, starts, sig.args[0], array_value, shift_value, scale_value)

    return _transposed_type()(array, offsets, first, element, shift, scale), codegen


def _read_starts(context, builder, starts_type, starts, at, count):
    """The integers ``starts[at]`` to ``starts[at + count - 1]``."""
    places = [builder.add(at, ir.Constant(at.type, i)) for i in range(count)]
    return [
        builder.load(emit_pointer(context, builder, starts_type, starts, place, ir.IntType(64))) for place in places
    ]


def _squared_differences(context, builder, wide, array, starts, others, other_starts, element):
    """The squared differences of a square block, transposed: a vector for each element.

    `array` and `others` are types with values, `starts` those of the rows.
    """

    def emit(dtype):
        values = []
        for start in starts:
            row = builder.add(start, element)
            x = emit_load(context, builder, *array, row, Vector(dtype, wide.lanes))
            values.append(x if dtype == wide.dtype else builder.fpext(x, ir_vector(wide)))
        return values

    rows = []
    for x, start in zip(by_dtype(context, builder, array[1], emit), other_starts, strict=True):
        other = emit_load(context, builder, *others, builder.add(start, element), wide)
        difference = builder.fsub(x, other)
        rows.append(builder.fmul(difference, difference))
    return _shuffled(builder, rows)


@intrinsic
def add_squared_differences(typingctx, totals, array, offset, stride, others, starts, at, element):
    """`totals` (float64, a lane a row) plus the squared differences of a vector's length of elements, in their order.

    Rows of `array` (`Floats`) start `stride` elements apart from `offset`, those that they differ from at
    ``starts[at + i]`` in `others` (float64); `element` is the first in both.
    """

    def codegen(context, builder, sig, args):
        totals_value, array_value, start, step, others_value, starts_value, at_value, element_value = args
        wide = sig.return_type
        rows = [builder.add(start, builder.mul(step, ir.Constant(step.type, i))) for i in range(wide.lanes)]
        beside = _read_starts(context, builder, sig.args[5], starts_value, at_value, wide.lanes)
        array_, others_ = (sig.args[1], array_value), (sig.args[4], others_value)
        for squares in _squared_differences(context, builder, wide, array_, rows, others_, beside, element_value):
            totals_value = builder.fadd(totals_value, squares)
        return totals_value

    return totals(totals, array, offset, stride, others, starts, at, element), codegen


@intrinsic
def add_squared_differences_of_pairs(typingctx, totals, array, offsets, others, starts, at, element, skipped):
    """As `add_squared_differences`, of rows anywhere, which begin at ``offsets[at + i]``.

    The first `skipped` of the elements are not added.
    """

    def codegen(context, builder, sig, args):
        totals_value, array_value, offsets_value, others_value, starts_value, at_value, element_value, skip = args
        wide = sig.return_type
        zero = ir.Constant(ir_vector(wide), None)
        rows = _read_starts(context, builder, sig.args[2], offsets_value, at_value, wide.lanes)
        beside = _read_starts(context, builder, sig.args[4], starts_value, at_value, wide.lanes)
        array_, others_ = (sig.args[1], array_value), (sig.args[3], others_value)
        found = _squared_differences(context, builder, wide, array_, rows, others_, beside, element_value)
        for i, squares in enumerate(found):
            counts = builder.icmp_signed(">=", ir.Constant(skip.type, i), skip)
            totals_value = builder.fadd(totals_value, builder.select(counts, squares, zero))
        return totals_value

    return totals(totals, array, offsets, others, starts, at, element, skipped), codegen


@intrinsic
def load_transposed_words(typingctx, words, offsets, first, element):
    """The square block of the int32 `words` from `element` on of rows beginning at ``offsets[first:]``, transposed."""
    vector = Vector(words.dtype, full_lanes(words.dtype))
    tile = types.UniTuple(vector, vector.lanes)

    def codegen(context, builder, sig, args):
        words_value, offsets_value, first_value, element_value = args
        starts = _read_starts(context, builder, sig.args[1], offsets_value, first_value, vector.lanes)
        starts = [builder.add(start, element_value) for start in starts]
        rows = [emit_load(context, builder, sig.args[0], words_value, start, vector) for start in starts]
        return tuple_of(builder, context, tile, _shuffled(builder, rows))

    return tile(words, offsets, first, element), codegen
