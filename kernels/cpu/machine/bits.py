"""Bits: counted, found, and those of floats."""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .vectors import IR_SCALAR, Vector, ir_vector

# Of a float64.
_MAGNITUDE, _FRACTION, _EXPONENT = 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFF, 0x7FF0000000000000


@intrinsic
def bits_of(typingctx, value):
    """The float64 lanes (or scalar) reinterpreted as int64."""
    if isinstance(value, Vector):
        result = Vector(types.int64, value.lanes)
        return result(value), lambda context, builder, sig, args: builder.bitcast(args[0], ir_vector(result))
    word = {types.float64: types.int64, types.float32: types.int32}[value]
    return word(value), lambda context, builder, sig, args: builder.bitcast(args[0], IR_SCALAR[word])


@intrinsic
def float_of(typingctx, word):
    """The int64 (int32) reinterpreted as float64 (float32)."""
    result = {types.int64: types.float64, types.int32: types.float32}[word]
    return result(word), lambda context, builder, sig, args: builder.bitcast(args[0], IR_SCALAR[result])


@intrinsic
def magnitude(typingctx, value):
    """The absolute value of the float64 lanes (or scalar)."""

    def codegen(context, builder, sig, args):
        return builder.bitcast(_without_sign(builder, args[0]), args[0].type)

    return value(value), codegen


def _words_like(value, word):
    """The constant int64 `word`, in as many lanes as the IR value of float64 has."""
    if isinstance(value.type, ir.VectorType):
        return ir.Constant(ir.VectorType(ir.IntType(64), value.type.count), [word] * value.type.count)
    return ir.Constant(ir.IntType(64), word)


def _without_sign(builder, value):
    mask = _words_like(value, _MAGNITUDE)
    return builder.and_(builder.bitcast(value, mask.type), mask)


@intrinsic
def lowest_set_bit(typingctx, value):
    """The value of the lowest set bit of the significand of the finite float64 lanes (or scalar), infinity for zero."""

    def codegen(context, builder, sig, args):
        kind, word = args[0].type, _without_sign(builder, args[0])
        zero, one, fraction, infinity = (_words_like(args[0], word) for word in (0, 1, _FRACTION, _EXPONENT))
        number = builder.bitcast(word, kind)
        cleared = builder.bitcast(builder.and_(word, builder.sub(word, one)), kind)
        is_power = builder.icmp_unsigned("==", builder.and_(word, fraction), zero)  # the bit cleared is the exponent's
        lowest = builder.select(is_power, number, builder.fsub(number, cleared))
        return builder.select(builder.icmp_unsigned("==", word, zero), builder.bitcast(infinity, kind), lowest)

    return value(value), codegen


@intrinsic
def set_bits(typingctx, word):
    """How many bits of an int64 are set."""
    return types.int64(word), lambda context, builder, sig, args: builder.ctpop(args[0])


@intrinsic
def trailing_zeros(typingctx, word):
    """Zero bits below the lowest set bit of a 64-bit word; 64 for zero."""

    def codegen(context, builder, sig, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(word), codegen


@intrinsic
def leading_zeros(typingctx, word):
    """Zero bits above the highest set bit of an int64; 64 for zero."""

    def codegen(context, builder, sig, args):
        return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(word), codegen
