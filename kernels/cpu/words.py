"""Bits: counted, found, and those of floats."""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .simd import IR_SCALAR, Vector, ir_vector

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
def magnitude(typingctx, vector):
    """The absolute value of each float64 lane."""

    def codegen(context, builder, sig, args):
        return builder.bitcast(_without_sign(builder, args[0], sig.args[0].lanes), ir_vector(sig.args[0]))

    return vector(vector), codegen


def _without_sign(builder, value, lanes):
    words = ir.VectorType(ir.IntType(64), lanes)
    return builder.and_(builder.bitcast(value, words), ir.Constant(words, [_MAGNITUDE] * lanes))


@intrinsic
def lowest_set_bits(typingctx, vector):
    """The value of the lowest set bit of each finite float64 lane's significand, infinity for zero."""

    def codegen(context, builder, sig, args):
        kind, lanes = ir_vector(sig.return_type), sig.return_type.lanes
        words = ir.VectorType(ir.IntType(64), lanes)
        zero, one = (ir.Constant(words, [number] * lanes) for number in (0, 1))
        word = _without_sign(builder, args[0], lanes)
        fraction = builder.and_(word, ir.Constant(words, [_FRACTION] * lanes))
        cleared = builder.bitcast(builder.and_(word, builder.sub(word, one)), kind)
        value = builder.bitcast(word, kind)
        power = builder.icmp_unsigned("==", fraction, zero)  # what is cleared there is of the exponent
        lowest = builder.select(power, value, builder.fsub(value, cleared))
        infinity = builder.bitcast(ir.Constant(words, [_EXPONENT] * lanes), kind)
        return builder.select(builder.icmp_unsigned("==", word, zero), infinity, lowest)

    return vector(vector), codegen


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
