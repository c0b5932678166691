"""SIMD vectors as Numba values.

Numba leaves vectorisation to LLVM's loop vectoriser, which neither keeps an argmin in registers nor tiles a matrix product. This module gives kernels
the vectors themselves: LLVM ``<n x float>`` values with a Numba type, and *tiles*, tuples of vectors that live in registers. A kernel written with them
stays a short loop over named operations; LLVM splits vectors wider than the machine's, so one source serves AVX-512, AVX2 and NEON.

Every operation is rounded once and in the order written (no fast-math flag anywhere): only `fma` and `rank1_update` fuse.

The idea of exposing LLVM vectors through ``@intrinsic`` follows the llvmlite documentation; the register tile is that of BLIS (Van Zee and van de Geijn, 2015).
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

from .host import VECTOR_BYTES

_I32 = ir.IntType(32)
_IR_SCALAR = {
    types.float32: ir.FloatType(),
    types.float64: ir.DoubleType(),
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
        super().__init__(manager, vector, ir.VectorType(_IR_SCALAR[vector.dtype], vector.lanes))


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager, mask):
        super().__init__(manager, mask, ir.VectorType(ir.IntType(1), mask.lanes))


def _lanes(dtype):
    return VECTOR_BYTES * 8 // dtype.bitwidth


def _ir(vector):
    return ir.VectorType(_IR_SCALAR[vector.dtype], vector.lanes)


def _pointer(context, builder, array_type, array, offset, ir_type):
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [offset]), ir_type.as_pointer())


def _load(context, builder, array_type, array, offset, vector):
    value = builder.load(_pointer(context, builder, array_type, array, offset, _ir(vector)))
    value.align = vector.dtype.bitwidth // 8
    return value


def _store(context, builder, array_type, array, offset, value, vector):
    instruction = builder.store(value, _pointer(context, builder, array_type, array, offset, _ir(vector)))
    instruction.align = vector.dtype.bitwidth // 8


def _splat(builder, scalar, lanes):
    undefined = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(_I32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes))


def _fma(builder, a, b, c, vector):
    t = _ir(vector)
    name = f"llvm.fma.v{vector.lanes}f{vector.dtype.bitwidth}"
    return builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(t, [t, t, t]), name), [a, b, c])


# ---- one vector ---------------------------------------------------------------------------------------------------------------------------------


@intrinsic
def lanes(typingctx, array):
    """Lanes of a full vector of `array`'s dtype: a compile-time constant."""
    count = _lanes(array.dtype)
    return types.intp(array), lambda context, builder, sig, args: context.get_constant(types.intp, count)


@intrinsic
def load(typingctx, array, offset):
    """The full vector at ``array.flat[offset:]`` (any alignment)."""
    vector = Vector(array.dtype, _lanes(array.dtype))

    def codegen(context, builder, sig, args):
        return _load(context, builder, sig.args[0], args[0], args[1], vector)

    return vector(array, offset), codegen


@intrinsic
def store(typingctx, array, offset, value):
    """Write `value` to ``array.flat[offset:]``."""

    def codegen(context, builder, sig, args):
        _store(context, builder, sig.args[0], args[0], args[1], args[2], sig.args[2])
        return context.get_dummy_value()

    return types.void(array, offset, value), codegen


@intrinsic
def splat(typingctx, scalar):
    """`scalar` in every lane of a full vector of its type."""
    vector = Vector(scalar, _lanes(scalar))
    return vector(scalar), lambda context, builder, sig, args: _splat(builder, args[0], vector.lanes)


@intrinsic
def splat_like(typingctx, vector, scalar):
    """`scalar` in as many lanes as `vector` has."""
    result = Vector(scalar, vector.lanes)
    return result(vector, scalar), lambda context, builder, sig, args: _splat(builder, args[1], result.lanes)


@intrinsic
def fma(typingctx, a, b, c):
    """``a * b + c``, rounded once."""
    return a(a, b, c), lambda context, builder, sig, args: _fma(builder, *args, sig.args[0])


def _binary(doc, operation):
    def typed(typingctx, a, b):
        return a(a, b), lambda context, builder, sig, args: operation(builder, *args)

    typed.__doc__ = doc
    return intrinsic(typed)


add = _binary("``a + b``.", lambda builder, a, b: builder.fadd(a, b))
sub = _binary("``a - b``.", lambda builder, a, b: builder.fsub(a, b))
mul = _binary("``a * b``.", lambda builder, a, b: builder.fmul(a, b))
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
    """``array.flat[offset]``, without Numba's test for a negative index: for loops in which that test is a third of the work."""

    def codegen(context, builder, sig, args):
        ir_type = _IR_SCALAR[sig.return_type]
        return builder.load(_pointer(context, builder, sig.args[0], args[0], args[1], ir_type))

    return array.dtype(array, offset), codegen


@intrinsic
def prefetch(typingctx, array, offset):
    """Ask for the cache line of ``array.flat[offset]``, into L2; an address beyond the array does no harm."""

    def codegen(context, builder, sig, args):
        byte = ir.IntType(8).as_pointer()
        pointer = _pointer(context, builder, sig.args[0], args[0], args[1], ir.IntType(8))
        signature = ir.FunctionType(ir.VoidType(), [byte, _I32, _I32, _I32])
        function = cgutils.get_or_insert_function(builder.module, signature, "llvm.prefetch.p0")
        builder.call(function, [pointer, _I32(0), _I32(2), _I32(1)])  # to read, of some locality, data
        return context.get_dummy_value()

    return types.void(array, offset), codegen


@intrinsic
def load_widened(typingctx, array, offset):
    """The elements ``array.flat[offset:]`` converted (exactly) to one full vector of float64."""
    wide = Vector(types.float64, _lanes(types.float64))
    narrow = Vector(array.dtype, wide.lanes)

    def codegen(context, builder, sig, args):
        value = _load(context, builder, sig.args[0], args[0], args[1], narrow)
        return value if narrow.dtype == types.float64 else builder.fpext(value, _ir(wide))

    return wide(array, offset), codegen


@intrinsic
def bits_of(typingctx, value):
    """The float64 lanes (or scalar) reinterpreted as int64."""
    if isinstance(value, Vector):
        result = Vector(types.int64, value.lanes)
        return result(value), lambda context, builder, sig, args: builder.bitcast(args[0], _ir(result))
    word = {types.float64: types.int64, types.float32: types.int32}[value]
    return word(value), lambda context, builder, sig, args: builder.bitcast(args[0], _IR_SCALAR[word])


@intrinsic
def float_of(typingctx, word):
    """The int64 (int32) reinterpreted as float64 (float32)."""
    result = {types.int64: types.float64, types.int32: types.float32}[word]
    return result(word), lambda context, builder, sig, args: builder.bitcast(args[0], _IR_SCALAR[result])


@intrinsic
def gather(typingctx, array, offset, index):
    """The elements ``array.flat[offset + index]``, one a lane of the integer vector `index`."""
    vector = Vector(array.dtype, index.lanes)

    def codegen(context, builder, sig, args):
        # llvmlite has no vector getelementptr: the addresses are made as integers.
        word = ir.IntType(64)
        words = ir.VectorType(word, vector.lanes)
        pointers = ir.VectorType(_IR_SCALAR[vector.dtype].as_pointer(), vector.lanes)
        base = _pointer(context, builder, sig.args[0], args[0], args[1], _IR_SCALAR[vector.dtype])
        size = vector.dtype.bitwidth // 8
        at = args[2] if sig.args[2].dtype == types.int64 else builder.sext(args[2], words)
        steps = builder.mul(at, ir.Constant(words, [size] * vector.lanes))
        addresses = builder.add(_splat(builder, builder.ptrtoint(base, word), vector.lanes), steps)
        mask = ir.VectorType(ir.IntType(1), vector.lanes)
        signature = ir.FunctionType(_ir(vector), [pointers, _I32, mask, _ir(vector)])
        name = f"llvm.masked.gather.v{vector.lanes}f{vector.dtype.bitwidth}.v{vector.lanes}p0"
        function = cgutils.get_or_insert_function(builder.module, signature, name)
        every = ir.Constant(mask, [1] * vector.lanes)
        undefined = ir.Constant(_ir(vector), ir.Undefined)
        return builder.call(
            function, [builder.inttoptr(addresses, pointers), ir.Constant(_I32, size), every, undefined]
        )

    return vector(array, offset, index), codegen


@intrinsic
def narrowed(typingctx, vector):
    """The lanes rounded to float32."""
    result = Vector(types.float32, vector.lanes)

    def codegen(context, builder, sig, args):
        return args[0] if sig.args[0].dtype == types.float32 else builder.fptrunc(args[0], _ir(result))

    return result(vector), codegen


@intrinsic
def widened(typingctx, vector):
    """The lanes converted (exactly) to float64."""
    result = Vector(types.float64, vector.lanes)

    def codegen(context, builder, sig, args):
        return args[0] if sig.args[0].dtype == types.float64 else builder.fpext(args[0], _ir(result))

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
        return _load(context, builder, sig.args[0], args[0], args[1], result)

    return result(array, offset, vector), codegen


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


# ---- tiles: tuples of vectors ---------------------------------------------------------------------------------------------------------------------


def _tuple_of(builder, context, tuple_type, values):
    result = cgutils.get_null_value(context.get_value_type(tuple_type))
    for i, value in enumerate(values):
        result = builder.insert_value(result, value, i)
    return result


def _elements(builder, aggregate, count):
    return [builder.extract_value(aggregate, i) for i in range(count)]


def loads(count):
    """Make ``load_tile(array, offset, stride)``: `count` full vectors, `stride` elements apart."""

    @intrinsic
    def load_tile(typingctx, array, offset, stride):
        vector = Vector(array.dtype, _lanes(array.dtype))
        tile = types.UniTuple(vector, count)

        def codegen(context, builder, sig, args):
            array_value, start, step = args
            values = []
            for i in range(count):
                at = builder.add(start, builder.mul(step, ir.Constant(step.type, i)))
                values.append(_load(context, builder, sig.args[0], array_value, at, vector))
            return _tuple_of(builder, context, tile, values)

        return tile(array, offset, stride), codegen

    return load_tile


def splats(count):
    """Make ``splat_tile(array, offset, stride)``: `count` vectors, each one element of `array` in every lane."""

    @intrinsic
    def splat_tile(typingctx, array, offset, stride):
        vector = Vector(array.dtype, _lanes(array.dtype))
        tile = types.UniTuple(vector, count)

        def codegen(context, builder, sig, args):
            array_value, start, step = args
            values = []
            for i in range(count):
                at = builder.add(start, builder.mul(step, ir.Constant(step.type, i)))
                pointer = _pointer(context, builder, sig.args[0], array_value, at, _IR_SCALAR[array.dtype])
                values.append(_splat(builder, builder.load(pointer), vector.lanes))
            return _tuple_of(builder, context, tile, values)

        return tile(array, offset, stride), codegen

    return splat_tile


@intrinsic
def store_tile(typingctx, array, offset, stride, tile):
    """Write the vectors of `tile`, `stride` elements apart."""

    def codegen(context, builder, sig, args):
        array_value, start, step, tile_value = args
        for i, value in enumerate(_elements(builder, tile_value, sig.args[3].count)):
            at = builder.add(start, builder.mul(step, ir.Constant(step.type, i)))
            _store(context, builder, sig.args[0], array_value, at, value, sig.args[3].dtype)
        return context.get_dummy_value()

    return types.void(array, offset, stride, tile), codegen


@intrinsic
def tile_rows(typingctx, rows, columns):
    """The tile ``T[r][c] = columns[c]``: every row of points starts from the same values."""
    tile = types.UniTuple(rows.dtype, rows.count * columns.count)

    def codegen(context, builder, sig, args):
        values = _elements(builder, args[1], sig.args[1].count)
        return _tuple_of(builder, context, tile, values * sig.args[0].count)

    return tile(rows, columns), codegen


@intrinsic
def rank1_update(typingctx, tile, rows, columns):
    """``T[r][c] += rows[r] * columns[c]``, each fused and rounded once."""

    def codegen(context, builder, sig, args):
        tile_type, row_type, column_type = sig.args
        t = _elements(builder, args[0], tile_type.count)
        r = _elements(builder, args[1], row_type.count)
        c = _elements(builder, args[2], column_type.count)
        values = [
            _fma(builder, r[i], c[j], t[i * column_type.count + j], tile_type.dtype)
            for i in range(row_type.count)
            for j in range(column_type.count)
        ]
        return _tuple_of(builder, context, tile_type, values)

    return tile(tile, rows, columns), codegen


@intrinsic
def square_update(typingctx, tile, values):
    """``T[i] += values[i] * values[i]``, each fused and rounded once."""

    def codegen(context, builder, sig, args):
        count = sig.args[0].count
        pairs = zip(_elements(builder, args[0], count), _elements(builder, args[1], count), strict=True)
        squares = [_fma(builder, v, v, t, sig.args[0].dtype) for t, v in pairs]
        return _tuple_of(builder, context, sig.args[0], squares)

    return tile(tile, values), codegen


@intrinsic
def square_root(typingctx, vector):
    """The square root of each lane, rounded once."""

    def codegen(context, builder, sig, args):
        kind, bits = _ir(sig.return_type), sig.return_type.dtype.bitwidth
        name = f"llvm.sqrt.v{sig.return_type.lanes}f{bits}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), name)
        return builder.call(function, args)

    return vector(vector), codegen


@intrinsic
def zeros_like(typingctx, tile):
    """A tile of zeros of `tile`'s shape."""
    return tile(tile), lambda context, builder, sig, args: cgutils.get_null_value(
        context.get_value_type(sig.return_type)
    )


@intrinsic
def add_tiles(typingctx, a, b):
    """``a[i] + b[i]`` for each vector of the tiles."""

    def codegen(context, builder, sig, args):
        count = sig.args[0].count
        pairs = zip(_elements(builder, args[0], count), _elements(builder, args[1], count), strict=True)
        return _tuple_of(builder, context, sig.args[0], [builder.fadd(x, y) for x, y in pairs])

    return a(a, b), codegen


@intrinsic
def top2_update(typingctx, best, second, index, tile, first_index):
    """Fold a tile of scores into the running best, runner-up and index of each row.

    ``tile[r][c]`` is the score of candidate ``first_index + c``. Only a strictly larger score replaces the best, so equal scores keep the lowest index;
    the runner-up is the second largest score of the multiset. NaN never enters.
    """
    result = types.Tuple((best, second, index))

    def codegen(context, builder, sig, args):
        rows = sig.args[0].count
        columns = sig.args[3].count // rows
        b, s, i = (_elements(builder, args[a], rows) for a in range(3))
        scores = _elements(builder, args[3], rows * columns)
        n_lanes = sig.args[2].dtype.lanes
        for c in range(columns):
            at = _splat(builder, builder.add(builder.trunc(args[4], _I32), ir.Constant(_I32, c)), n_lanes)
            for r in range(rows):
                score = scores[r * columns + c]
                wins = builder.fcmp_ordered(">", score, b[r])
                loser = builder.select(wins, b[r], score)
                s[r] = builder.select(builder.fcmp_ordered(">", loser, s[r]), loser, s[r])
                b[r] = builder.select(wins, score, b[r])
                i[r] = builder.select(wins, at, i[r])
        parts = [_tuple_of(builder, context, sig.args[a], values) for a, values in enumerate((b, s, i))]
        return context.make_tuple(builder, sig.return_type, parts)

    return result(best, second, index, tile, first_index), codegen


@intrinsic
def squared_difference_update(typingctx, tile, rows, columns):
    """``t = rows[r] - columns[c]; T[r][c] = T[r][c] + t * t``, three roundings: the contract's step of D."""

    def codegen(context, builder, sig, args):
        tile_type, row_type, column_type = sig.args
        t = _elements(builder, args[0], tile_type.count)
        values = []
        for i, row in enumerate(_elements(builder, args[1], row_type.count)):
            for j, column in enumerate(_elements(builder, args[2], column_type.count)):
                difference = builder.fsub(row, column)
                square = builder.fmul(difference, difference)
                values.append(builder.fadd(t[i * column_type.count + j], square))
        return _tuple_of(builder, context, tile_type, values)

    return tile(tile, rows, columns), codegen


@intrinsic
def lane_sum(typingctx, vector):
    """The sum of the lanes, added pairwise."""

    def codegen(context, builder, sig, args):
        parts = [builder.extract_element(args[0], ir.Constant(_I32, i)) for i in range(sig.args[0].lanes)]
        while len(parts) > 1:
            parts = [builder.fadd(parts[i], parts[i + 1]) for i in range(0, len(parts), 2)]
        return parts[0]

    return vector.dtype(vector), codegen


@intrinsic
def squared_difference_fused(typingctx, tile, rows, columns):
    """``t = rows[r] - columns[c]; T[r][c] += t * t``, the last two fused: one rounding less than `squared_difference_update`."""

    def codegen(context, builder, sig, args):
        tile_type, row_type, column_type = sig.args
        t = _elements(builder, args[0], tile_type.count)
        values = []
        for i, row in enumerate(_elements(builder, args[1], row_type.count)):
            for j, column in enumerate(_elements(builder, args[2], column_type.count)):
                difference = builder.fsub(row, column)
                values.append(_fma(builder, difference, difference, t[i * column_type.count + j], tile_type.dtype))
        return _tuple_of(builder, context, tile_type, values)

    return tile(tile, rows, columns), codegen


def _transposed(context, builder, starts, array_type, array, shift, scale):
    """See `load_transposed`; row i starts at ``starts[i]``."""
    narrow = Vector(types.float32, _lanes(types.float32))
    source = Vector(array_type.dtype, narrow.lanes)
    count = narrow.lanes
    factor = _splat(builder, scale, count)
    rows = []
    for start in starts:
        row = _load(context, builder, array_type, array, start, source)
        row = builder.fmul(builder.fsub(row, shift), factor)
        rows.append(row if source.dtype == types.float32 else builder.fptrunc(row, _ir(narrow)))
    order = ir.VectorType(_I32, count)
    half = count // 2
    zips = [ir.Constant(order, [h + i // 2 + count * (i % 2) for i in range(count)]) for h in (0, half)]
    for _ in range(count.bit_length() - 1):
        rows = [builder.shuffle_vector(rows[i], rows[i + half], z) for i in range(half) for z in zips]
    return _tuple_of(builder, context, types.UniTuple(narrow, count), rows)


def _transposed_type():
    narrow = Vector(types.float32, _lanes(types.float32))
    return types.UniTuple(narrow, narrow.lanes)


@intrinsic
def load_transposed(typingctx, array, offset, stride, shift, scale):
    """A square block of ``(x - shift) * scale`` as float32, transposed: vector j holds element j of as many rows as it has lanes.

    Rows start `stride` elements apart from `offset`; `shift` (a vector over the elements) and `scale` are in array's dtype. The block is transposed by
    log2(lanes) rounds of perfect shuffles.
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
    """As `load_transposed`, of rows anywhere: the elements from `element` on of the rows that begin at ``offsets[first:]``."""

    def codegen(context, builder, sig, args):
        array_value, offsets_value, first_value, element_value, shift_value, scale_value = args
        starts = []
        for i in range(sig.return_type.count):
            at = builder.add(first_value, ir.Constant(first_value.type, i))
            begin = builder.load(_pointer(context, builder, sig.args[1], offsets_value, at, ir.IntType(64)))
            starts.append(builder.add(begin, element_value))
        return _transposed(context, builder, starts, sig.args[0], array_value, shift_value, scale_value)

    return _transposed_type()(array, offsets, first, element, shift, scale), codegen
