"""SIMD vectors as Numba values.

Numba leaves vectorisation to LLVM's loop vectoriser, which neither keeps an argmin in registers nor tiles a matrix
product. This module gives kernels the vectors themselves: LLVM ``<n x float>`` values with a Numba type (and
`register_tiles`, tuples of them that live in registers). A kernel written with them stays a short loop over named
operations; LLVM splits vectors wider than the machine's, so one source serves AVX-512, AVX2 and NEON.

Every operation is rounded once and in the order written (no fast-math flag anywhere): only `fma` and the tiles' updates
that say so fuse.

The idea of exposing LLVM vectors through ``@intrinsic`` follows the llvmlite documentation.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .float_arrays import by_dtype, byte_address, floats_type
from .vectors import (
    I32,
    IR_SCALAR,
    Mask,
    Vector,
    emit_fma,
    emit_gather,
    emit_load,
    emit_load_widened,
    emit_pointer,
    emit_splat,
    emit_square_root,
    emit_store,
    full_lanes,
    ir_vector,
)


@intrinsic
def lanes(typingctx, array):
    """Lanes of a full vector of `array`'s dtype: a compile-time constant."""
    count = full_lanes(array.dtype)
    return types.intp(array), lambda context, builder, sig, args: context.get_constant(types.intp, count)


@intrinsic
def lanes_of(typingctx, vector):
    """Lanes of a vector: a compile-time constant."""
    return types.intp(vector), lambda context, builder, sig, args: context.get_constant(types.intp, sig.args[0].lanes)


@intrinsic
def load(typingctx, array, offset):
    """The full vector at ``array.flat[offset:]`` (any alignment)."""
    vector = Vector(array.dtype, full_lanes(array.dtype))

    def codegen(context, builder, sig, args):
        return emit_load(context, builder, sig.args[0], args[0], args[1], vector)

    return vector(array, offset), codegen


@intrinsic
def store(typingctx, array, offset, value):
    """Write `value` to ``array.flat[offset:]``."""

    def codegen(context, builder, sig, args):
        emit_store(context, builder, sig.args[0], args[0], args[1], args[2], sig.args[2])
        return context.get_dummy_value()

    return types.void(array, offset, value), codegen


@intrinsic
def store_rounded(typingctx, array, offset, value):
    """Write the float64 lanes, or the one float64, rounded to the dtype of `Floats`, to ``array[offset:]``."""
    lanes = getattr(value, "lanes", 1)

    def codegen(context, builder, sig, args):
        def emit(dtype):
            result = Vector(dtype, lanes)
            to = ir_vector(result) if isinstance(value, Vector) else IR_SCALAR[dtype]
            rounded = args[2] if dtype == types.float64 else builder.fptrunc(args[2], to)
            pointer = emit_pointer(context, builder, sig.args[0], args[0], args[1], to)
            builder.store(rounded, pointer).align = dtype.bitwidth // 8
            return []  # no value

        by_dtype(context, builder, args[0], emit)
        return context.get_dummy_value()

    return types.void(array, offset, value), codegen


@intrinsic
def splat(typingctx, scalar):
    """`scalar` in every lane of a full vector of its type."""
    vector = Vector(scalar, full_lanes(scalar))
    return vector(scalar), lambda context, builder, sig, args: emit_splat(builder, args[0], vector.lanes)


@intrinsic
def splat_like(typingctx, vector, scalar):
    """`scalar` in as many lanes as `vector` has."""
    result = Vector(scalar, vector.lanes)
    return result(vector, scalar), lambda context, builder, sig, args: emit_splat(builder, args[1], result.lanes)


@intrinsic(prefer_literal=True)
def zero_lanes(typingctx, count):
    """`count` (a constant) float64 lanes of zero."""
    if not isinstance(count, types.IntegerLiteral):
        return None
    vector = Vector(types.float64, count.literal_value)
    return vector(count), lambda context, builder, sig, args: ir.Constant(ir_vector(vector), [0.0] * vector.lanes)


@intrinsic
def fma(typingctx, a, b, c):
    """``a * b + c``, rounded once."""
    return a(a, b, c), lambda context, builder, sig, args: emit_fma(builder, *args, sig.args[0])


def _binary(doc, operation):
    def typed(typingctx, a, b):
        return a(a, b), lambda context, builder, sig, args: operation(builder, *args)

    typed.__doc__ = doc
    return intrinsic(typed)


add = _binary("``a + b``.", lambda builder, a, b: builder.fadd(a, b))
sub = _binary("``a - b``.", lambda builder, a, b: builder.fsub(a, b))
mul = _binary("``a * b``.", lambda builder, a, b: builder.fmul(a, b))
divide = _binary("``a / b``.", lambda builder, a, b: builder.fdiv(a, b))
iadd = _binary("Integer ``a + b`` modulo the word.", lambda builder, a, b: builder.add(a, b))
isub = _binary("Integer ``a - b`` modulo the word.", lambda builder, a, b: builder.sub(a, b))
maximum = _binary(
    "The larger; `b` where either is NaN.", lambda builder, a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b)
)
minimum = _binary(
    "The smaller; `b` where either is NaN.", lambda builder, a, b: builder.select(builder.fcmp_ordered("<", a, b), a, b)
)


@intrinsic
def greater(typingctx, a, b):
    """``a > b``, false where either is NaN."""
    return Mask(a.lanes)(a, b), lambda context, builder, sig, args: builder.fcmp_ordered(">", *args)


@intrinsic
def unequal(typingctx, a, b):
    """``a != b``, true where either is NaN."""
    return Mask(a.lanes)(a, b), lambda context, builder, sig, args: builder.fcmp_unordered("!=", *args)


@intrinsic
def select(typingctx, mask, a, b):
    """`a` where `mask`, else `b`."""
    return a(mask, a, b), lambda context, builder, sig, args: builder.select(*args)


@intrinsic
def bits(typingctx, mask):
    """`mask` as an integer, lane 0 in bit 0."""

    def codegen(context, builder, sig, args):
        return builder.zext(builder.bitcast(args[0], ir.IntType(sig.args[0].lanes)), ir.IntType(64))

    return types.int64(mask), codegen


@intrinsic
def element(typingctx, array, offset):
    """``array.flat[offset]`` without Numba's test for a negative index, which is a third of the work of some loops.

    Of `Floats` it is converted (exactly) to float64.
    """

    def codegen(context, builder, sig, args):
        def emit(dtype):
            value = builder.load(emit_pointer(context, builder, sig.args[0], args[0], args[1], IR_SCALAR[dtype]))
            narrow = sig.args[0] == floats_type and dtype == types.float32
            return builder.fpext(value, IR_SCALAR[types.float64]) if narrow else value

        if sig.args[0] == floats_type:
            return by_dtype(context, builder, args[0], emit)
        return emit(sig.return_type)

    return (types.float64 if array == floats_type else array.dtype)(array, offset), codegen


@intrinsic
def store_bytes(typingctx, array, offset, vector):
    """Write the lanes, which are integers within -128 and 255, at the 8-bit elements ``array.flat[offset:]``."""

    def codegen(context, builder, sig, args):
        byte = ir.VectorType(ir.IntType(8), sig.args[2].lanes)
        pointer = emit_pointer(context, builder, sig.args[0], args[0], args[1], byte)
        value = builder.trunc(builder.fptosi(args[2], ir.VectorType(I32, sig.args[2].lanes)), byte)
        builder.store(value, pointer).align = 1
        return context.get_dummy_value()

    return types.void(array, offset, vector), codegen


@intrinsic
def prefetch(typingctx, array, offset):
    """Ask for the cache line of ``array.flat[offset]``, into L2; an address beyond the array does no harm."""

    def codegen(context, builder, sig, args):
        byte = ir.IntType(8).as_pointer()
        if sig.args[0] == floats_type:
            pointer = byte_address(context, builder, args[0], args[1])
        else:
            pointer = emit_pointer(context, builder, sig.args[0], args[0], args[1], ir.IntType(8))
        signature = ir.FunctionType(ir.VoidType(), [byte, I32, I32, I32])
        function = cgutils.get_or_insert_function(builder.module, signature, "llvm.prefetch.p0")
        builder.call(function, [pointer, I32(0), I32(2), I32(1)])  # to read, of some locality, data
        return context.get_dummy_value()

    return types.void(array, offset), codegen


@intrinsic
def load_widened(typingctx, array, offset):
    """The elements ``array.flat[offset:]`` converted (exactly) to one full vector of float64."""
    wide = Vector(types.float64, full_lanes(types.float64))

    def codegen(context, builder, sig, args):
        return emit_load_widened(context, builder, sig.args[0], *args, wide.lanes)

    return wide(array, offset), codegen


@intrinsic(prefer_literal=True)
def load_lanes_widened(typingctx, array, offset, count):
    """The `count` (a constant) elements ``array.flat[offset:]`` converted (exactly) to float64."""
    if not isinstance(count, types.IntegerLiteral):
        return None
    wide = Vector(types.float64, count.literal_value)

    def codegen(context, builder, sig, args):
        return emit_load_widened(context, builder, sig.args[0], *args[:2], wide.lanes)

    return wide(array, offset, count), codegen


@intrinsic
def gather(typingctx, array, offset, index):
    """The elements ``array.flat[offset + index]``, one a lane of the integer vector `index`."""
    vector = Vector(array.dtype, index.lanes)

    def codegen(context, builder, sig, args):
        return emit_gather(context, builder, sig.args[0], *args[:2], sig.args[2], args[2], vector.dtype)

    return vector(array, offset, index), codegen


@intrinsic
def gather_widened(typingctx, array, offset, index):
    """As `gather`, of `Floats`, converted (exactly) to float64."""
    wide = Vector(types.float64, index.lanes)

    def codegen(context, builder, sig, args):
        def emit(dtype):
            value = emit_gather(context, builder, sig.args[0], *args[:2], sig.args[2], args[2], dtype)
            return value if dtype == types.float64 else builder.fpext(value, ir_vector(wide))

        return by_dtype(context, builder, args[0], emit)

    return wide(array, offset, index), codegen


@intrinsic
def narrowed(typingctx, vector):
    """The lanes rounded to float32."""
    result = Vector(types.float32, vector.lanes)

    def codegen(context, builder, sig, args):
        return args[0] if sig.args[0].dtype == types.float32 else builder.fptrunc(args[0], ir_vector(result))

    return result(vector), codegen


@intrinsic
def widened(typingctx, vector):
    """The lanes converted (exactly) to float64."""
    result = Vector(types.float64, vector.lanes)

    def codegen(context, builder, sig, args):
        return args[0] if sig.args[0].dtype == types.float64 else builder.fpext(args[0], ir_vector(result))

    return result(vector), codegen


@intrinsic
def equal(typingctx, a, b):
    """``a == b`` for integer lanes."""
    return Mask(a.lanes)(a, b), lambda context, builder, sig, args: builder.icmp_signed("==", *args)


@intrinsic
def load_like(typingctx, array, offset, vector):
    """The elements ``array.flat[offset:]``, as many as `vector` has lanes."""
    result = Vector(array.dtype, vector.lanes)

    def codegen(context, builder, sig, args):
        return emit_load(context, builder, sig.args[0], args[0], args[1], result)

    return result(array, offset, vector), codegen


@intrinsic
def square_root(typingctx, vector):
    """The square root of each lane, rounded once."""
    return vector(vector), lambda context, builder, sig, args: emit_square_root(builder, args[0], sig.args[0])


@intrinsic
def lane_maximum(typingctx, vector):
    """The largest lane."""

    def codegen(context, builder, sig, args):
        value, count = args[0], sig.args[0].lanes
        while count > 1:
            count //= 2
            halves = [ir.Constant(ir.VectorType(I32, count), list(range(h, h + count))) for h in (0, count)]
            a, b = (builder.shuffle_vector(value, value, half) for half in halves)
            value = builder.select(builder.fcmp_ordered(">", a, b), a, b)
        return builder.extract_element(value, ir.Constant(I32, 0))

    return vector.dtype(vector), codegen


@intrinsic
def lane_sum(typingctx, vector):
    """The sum of the lanes, neighbours added first, then their sums."""

    def codegen(context, builder, sig, args):
        value, count = args[0], sig.args[0].lanes
        while count > 1:
            count //= 2
            parts = [ir.Constant(ir.VectorType(I32, count), list(range(h, 2 * count, 2))) for h in (0, 1)]
            value = builder.fadd(*(builder.shuffle_vector(value, value, part) for part in parts))
        return builder.extract_element(value, ir.Constant(I32, 0))

    return vector.dtype(vector), codegen
