"""Bits: counted, found, and those of floats."""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .simd import IR_SCALAR, Vector, ir_vector


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
