"""SIMD vectors as types of Numba, and LLVM instructions on them, for operations that `simd` and others define."""

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import models, register_model

from . import float_arrays
from .host import VECTOR_BYTES

I32 = ir.IntType(32)
IR_SCALAR = {
    types.float32: ir.FloatType(),
    types.float64: ir.DoubleType(),
    types.int8: ir.IntType(8),
    types.uint8: ir.IntType(8),
    types.int16: ir.IntType(16),
    types.uint16: ir.IntType(16),
    types.int32: ir.IntType(32),
    types.int64: ir.IntType(64),
}


class Vector(types.Type):
    """`lanes` values of scalar type `dtype`, held in one or more SIMD registers."""

    def __init__(self, dtype, lanes):
        self.dtype, self.lanes = dtype, lanes
        super().__init__(name=f"Vector({dtype}, {lanes})")


class Mask(types.Type):
    """One truth value a lane."""

    def __init__(self, lanes):
        self.lanes = lanes
        super().__init__(name=f"Mask({lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector):
        super().__init__(manager, vector, ir.VectorType(IR_SCALAR[vector.dtype], vector.lanes))


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager, mask):
        super().__init__(manager, mask, ir.VectorType(ir.IntType(1), mask.lanes))


def full_lanes(dtype):
    return VECTOR_BYTES * 8 // dtype.bitwidth


def ir_vector(vector):
    return ir.VectorType(IR_SCALAR[vector.dtype], vector.lanes)


def emit_pointer(context, builder, array_type, array, offset, ir_type):
    if array_type == float_arrays.floats_type:
        return float_arrays.address(context, builder, array, offset, ir_type)
    data = builder.extract_value(array, context.data_model_manager[array_type].get_field_position("data"))
    return builder.bitcast(builder.gep(data, [offset]), ir_type.as_pointer())


def emit_load(context, builder, array_type, array, offset, vector):
    value = builder.load(emit_pointer(context, builder, array_type, array, offset, ir_vector(vector)))
    value.align = vector.dtype.bitwidth // 8
    return value


def emit_load_widened(context, builder, array_type, array, offset, lanes):
    """So many elements converted (exactly) to float64."""

    def emit(dtype):
        narrow, wide = (Vector(kind, lanes) for kind in (dtype, types.float64))
        value = emit_load(context, builder, array_type, array, offset, narrow)
        return value if narrow == wide else builder.fpext(value, ir_vector(wide))

    if array_type == float_arrays.floats_type:
        return float_arrays.by_dtype(context, builder, array, emit)
    return emit(array_type.dtype)


def emit_gather(context, builder, array_type, array, offset, index_type, index, dtype):
    """The elements at ``offset + index``, one a lane of the integer vector `index`."""
    # llvmlite has no vector getelementptr: the addresses are made as integers.
    vector, word = Vector(dtype, index_type.lanes), ir.IntType(64)
    words = ir.VectorType(word, vector.lanes)
    pointers = ir.VectorType(IR_SCALAR[dtype].as_pointer(), vector.lanes)
    base = emit_pointer(context, builder, array_type, array, offset, IR_SCALAR[dtype])
    size = dtype.bitwidth // 8
    at = index if index_type.dtype == types.int64 else builder.sext(index, words)
    steps = builder.mul(at, ir.Constant(words, [size] * vector.lanes))
    addresses = builder.add(emit_splat(builder, builder.ptrtoint(base, word), vector.lanes), steps)
    mask = ir.VectorType(ir.IntType(1), vector.lanes)
    signature = ir.FunctionType(ir_vector(vector), [pointers, I32, mask, ir_vector(vector)])
    name = f"llvm.masked.gather.v{vector.lanes}f{dtype.bitwidth}.v{vector.lanes}p0"
    function = cgutils.get_or_insert_function(builder.module, signature, name)
    every = ir.Constant(mask, [1] * vector.lanes)
    undefined = ir.Constant(ir_vector(vector), ir.Undefined)
    return builder.call(function, [builder.inttoptr(addresses, pointers), ir.Constant(I32, size), every, undefined])


def emit_store(context, builder, array_type, array, offset, value, vector):
    instruction = builder.store(value, emit_pointer(context, builder, array_type, array, offset, ir_vector(vector)))
    instruction.align = vector.dtype.bitwidth // 8


def emit_splat(builder, scalar, lanes):
    undefined = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(I32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))


def emit_fma(builder, a, b, c, vector):
    t = ir_vector(vector)
    name = f"llvm.fma.v{vector.lanes}f{vector.dtype.bitwidth}"
    return builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(t, [t, t, t]), name), [a, b, c])


def emit_squared_difference(builder, a, b, total, vector):
    """``t = a - b; total + t * t``, three roundings: the contract's step of D."""
    difference = builder.fsub(a, b)
    return builder.fadd(total, builder.fmul(difference, difference))


def emit_square_root(builder, value, vector):
    """The square root of each lane, rounded once."""
    name = f"llvm.sqrt.v{vector.lanes}f{vector.dtype.bitwidth}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(value.type, [value.type]), name)
    return builder.call(function, [value])


def emit_byte_products(builder, unsigned, signed, total, vector):
    """``total`` plus, in each 32-bit lane, four products of unsigned bytes of one vector and signed ones of another."""
    words, byte = ir_vector(vector), ir.VectorType(ir.IntType(8), 4 * vector.lanes)
    # LLVM 22 made the operands of this instruction the bytes that they are.
    operand = byte if llvm.llvm_version_info[0] >= 22 else words
    name = f"llvm.x86.avx512.vpdpbusd.{32 * vector.lanes}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(words, [words, operand, operand]), name)
    return builder.call(function, [total, builder.bitcast(unsigned, operand), builder.bitcast(signed, operand)])
