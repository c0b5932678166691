"""Tiles: tuples of SIMD vectors that live in registers, as Numba values.

The accumulators of a register-tiled matrix product, and what is done with them. The register tile is that of BLIS (Van
Zee and van de Geijn, 2015).
"""

import functools

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .vectors import (
    I32,
    IR_SCALAR,
    Mask,
    Vector,
    emit_fma,
    emit_load,
    emit_pointer,
    emit_splat,
    emit_square_root,
    emit_squared_difference,
    emit_store,
    full_lanes,
    ir_vector,
)


def tuple_of(builder, context, tuple_type, values):
    result = cgutils.get_null_value(context.get_value_type(tuple_type))
    for i, value in enumerate(values):
        result = builder.insert_value(result, value, i)
    return result


def elements(builder, aggregate, count):
    return [builder.extract_value(aggregate, i) for i in range(count)]


def _reader(count, vector_of, read):
    """Make ``tile_at(array, offset, stride)``: `count` vectors of ``vector_of(array)``, `stride` elements apart."""

    @intrinsic
    def tile_at(typingctx, array, offset, stride):
        vector = vector_of(array)
        tile = types.UniTuple(vector, count)

        def codegen(context, builder, sig, args):
            array_value, start, step = args
            values = []
            for i in range(count):
                at = builder.add(start, builder.mul(step, ir.Constant(step.type, i)))
                values.append(read(context, builder, sig.args[0], array_value, at, vector))
            return tuple_of(builder, context, tile, values)

        return tile(array, offset, stride), codegen

    return tile_at


def _full(array):
    return Vector(array.dtype, full_lanes(array.dtype))


def _read_splat(context, builder, array_type, array, at, vector):
    pointer = emit_pointer(context, builder, array_type, array, at, IR_SCALAR[array_type.dtype])
    return emit_splat(builder, builder.load(pointer), vector.lanes)


def loads(count):
    """Make ``load_tile(array, offset, stride)``: `count` full vectors, `stride` elements apart."""
    return _reader(count, _full, emit_load)


def splats(count):
    """Make ``splat_tile(array, offset, stride)``: `count` vectors, each one element of `array` in every lane."""
    return _reader(count, _full, _read_splat)


@intrinsic
def store_tile(typingctx, array, offset, stride, tile):
    """Write the vectors of `tile`, `stride` elements apart."""

    def codegen(context, builder, sig, args):
        array_value, start, step, tile_value = args
        for i, value in enumerate(elements(builder, tile_value, sig.args[3].count)):
            at = builder.add(start, builder.mul(step, ir.Constant(step.type, i)))
            emit_store(context, builder, sig.args[0], array_value, at, value, sig.args[3].dtype)
        return context.get_dummy_value()

    return types.void(array, offset, stride, tile), codegen


@intrinsic
def tile_rows(typingctx, rows, columns):
    """The tile ``T[r][c] = columns[c]``: every row of points starts from the same values."""
    tile = types.UniTuple(rows.dtype, rows.count * columns.count)

    def codegen(context, builder, sig, args):
        values = elements(builder, args[1], sig.args[1].count)
        return tuple_of(builder, context, tile, values * sig.args[0].count)

    return tile(rows, columns), codegen


def _outer_update(doc, emit):
    """Make ``update(tile, rows, columns)``: ``emit(builder, row, column, T[r][c], vector)`` of every pair."""

    def update(typingctx, tile, rows, columns):
        def codegen(context, builder, sig, args):
            t = iter(elements(builder, args[0], sig.args[0].count))
            row, column = (elements(builder, args[a], sig.args[a].count) for a in (1, 2))
            values = [emit(builder, r, c, next(t), sig.args[0].dtype) for r in row for c in column]
            return tuple_of(builder, context, sig.args[0], values)

        return tile(tile, rows, columns), codegen

    update.__doc__ = doc
    return intrinsic(update)


rank1_update = _outer_update("``T[r][c] += rows[r] * columns[c]``, each fused and rounded once.", emit_fma)
squared_difference_update = _outer_update(
    "``t = rows[r] - columns[c]; T[r][c] = T[r][c] + t * t``, three roundings: the contract's step of D.",
    emit_squared_difference,
)


@intrinsic
def scores_of_bytes(typingctx, tile, inverses, reaches, steps, slopes, half_norms):
    """``steps[c] * T[r][c] + (reaches[r] * slopes[c] - inverses[r] * half_norms[c])``: float32, of integers."""
    result = types.UniTuple(inverses.dtype, tile.count)

    def codegen(context, builder, sig, args):
        rows, columns, kind = sig.args[1].count, sig.args[3].count, ir_vector(sig.args[1].dtype)
        t = elements(builder, args[0], rows * columns)
        inverse, reach = (elements(builder, value, rows) for value in args[1:3])
        step, slope, half_norm = (elements(builder, value, columns) for value in args[3:])
        values = []
        for r in range(rows):
            for c in range(columns):
                norm = builder.fneg(builder.fmul(inverse[r], half_norm[c]))
                rest = emit_fma(builder, reach[r], slope[c], norm, sig.args[1].dtype)
                product = builder.sitofp(t[r * columns + c], kind)
                values.append(emit_fma(builder, step[c], product, rest, sig.args[1].dtype))
        return tuple_of(builder, context, result, values)

    return result(tile, inverses, reaches, steps, slopes, half_norms), codegen


@intrinsic
def floors_update(typingctx, floors, tile, reaches, slopes):
    """``floors[r] = max(floors[r], T[r][c] - 2 * reaches[r] * slopes[c])`` over all c; NaN never enters."""

    def codegen(context, builder, sig, args):
        rows, columns, kind = sig.args[0].count, sig.args[3].count, ir_vector(sig.args[0].dtype)
        best, t = elements(builder, args[0], rows), elements(builder, args[1], rows * columns)
        reach, slope = elements(builder, args[2], rows), elements(builder, args[3], columns)
        twice = ir.Constant(kind, [-2.0] * sig.args[0].dtype.lanes)
        for r in range(rows):
            factor = builder.fmul(reach[r], twice)
            for c in range(columns):
                score = emit_fma(builder, factor, slope[c], t[r * columns + c], sig.args[0].dtype)
                best[r] = builder.select(builder.fcmp_ordered(">", score, best[r]), score, best[r])
        return tuple_of(builder, context, sig.args[0], best)

    return floors(floors, tile, reaches, slopes), codegen


@intrinsic
def split_at(typingctx, tile, limits, rest):
    """Which of ``T[r][c]`` are not below ``limits[r]``, as a word for each column with bit ``r * lanes + lane``.

    Rows have at most 64 lanes together. Returns these and `rest`, brought up to date with the largest of the others.
    """
    rows = rest.count
    result = types.Tuple((types.UniTuple(types.uint64, tile.count // rows), rest))

    def codegen(context, builder, sig, args):
        columns, n_lanes = sig.args[0].count // rows, sig.args[2].dtype.lanes
        t = elements(builder, args[0], rows * columns)
        limit, most = elements(builder, args[1], rows), elements(builder, args[2], rows)
        lowest = ir.Constant(most[0].type, [-float("inf")] * n_lanes)
        words = []
        for c in range(columns):
            masks = []
            for r in range(rows):
                score = t[r * columns + c]
                masks.append(builder.fcmp_unordered(">=", score, limit[r]))
                other = builder.select(masks[-1], lowest, score)
                most[r] = builder.select(builder.fcmp_ordered(">", most[r], other), most[r], other)
            while len(masks) > 1:
                if len(masks) % 2 > 0:
                    masks.append(ir.Constant(masks[0].type, None))
                wide = ir.Constant(ir.VectorType(I32, 2 * masks[0].type.count), list(range(2 * masks[0].type.count)))
                masks = [builder.shuffle_vector(a, b, wide) for a, b in zip(masks[::2], masks[1::2], strict=True)]
            word = builder.bitcast(masks[0], ir.IntType(masks[0].type.count))
            words.append(word if word.type.width == 64 else builder.zext(word, ir.IntType(64)))
        parts = [
            tuple_of(builder, context, sig.return_type[0], words),
            tuple_of(builder, context, sig.args[2], most),
        ]
        return context.make_tuple(builder, sig.return_type, parts)

    return result(tile, limits, rest), codegen


@intrinsic
def reached(typingctx, tile, limits):
    """Which of ``T[r][c]`` are not below ``limits[r]`` (NaN is not): a word of lanes for each, in the tile's order."""
    words = types.UniTuple(types.uint64, tile.count)

    def codegen(context, builder, sig, args):
        count, rows = sig.args[0].count, sig.args[1].count
        t, limit = elements(builder, args[0], count), elements(builder, args[1], rows)
        found = []
        for i, score in enumerate(t):
            mask = builder.fcmp_unordered(">=", score, limit[i // (count // rows)])
            word = builder.bitcast(mask, ir.IntType(sig.args[0].dtype.lanes))
            found.append(builder.zext(word, ir.IntType(64)))
        return tuple_of(builder, context, sig.return_type, found)

    return words(tile, limits), codegen


@intrinsic
def any_of(typingctx, words):
    """The bits set in any of the words."""

    def codegen(context, builder, sig, args):
        return functools.reduce(builder.or_, elements(builder, args[0], sig.args[0].count))

    return types.uint64(words), codegen


@intrinsic
def larger(typingctx, a, b):
    """``max(a[i], b[i])`` for each vector of the tiles; ``b[i]`` where either is NaN."""

    def codegen(context, builder, sig, args):
        count = sig.args[0].count
        pairs = zip(elements(builder, args[0], count), elements(builder, args[1], count), strict=True)
        values = [builder.select(builder.fcmp_ordered(">", x, y), x, y) for x, y in pairs]
        return tuple_of(builder, context, sig.args[0], values)

    return a(a, b), codegen


@intrinsic
def square_update(typingctx, tile, values):
    """``T[i] += values[i] * values[i]``, each fused and rounded once."""

    def codegen(context, builder, sig, args):
        count = sig.args[0].count
        pairs = zip(elements(builder, args[0], count), elements(builder, args[1], count), strict=True)
        squares = [emit_fma(builder, v, v, t, sig.args[0].dtype) for t, v in pairs]
        return tuple_of(builder, context, sig.args[0], squares)

    return tile(tile, values), codegen


@intrinsic
def zeros_like(typingctx, tile):
    """A tile of zeros of `tile`'s shape."""
    return tile(tile), lambda context, builder, sig, args: cgutils.get_null_value(
        context.get_value_type(sig.return_type)
    )


@intrinsic
def negative_infinity_like(typingctx, tile):
    """A tile of minus infinities of `tile`'s shape."""

    def codegen(context, builder, sig, args):
        vector = sig.return_type.dtype
        value = ir.Constant(ir_vector(vector), [-float("inf")] * vector.lanes)
        return tuple_of(builder, context, sig.return_type, [value] * sig.return_type.count)

    return tile(tile), codegen


@intrinsic
def add_tiles(typingctx, a, b):
    """``a[i] + b[i]`` for each vector of the tiles."""

    def codegen(context, builder, sig, args):
        count = sig.args[0].count
        pairs = zip(elements(builder, args[0], count), elements(builder, args[1], count), strict=True)
        return tuple_of(builder, context, sig.args[0], [builder.fadd(x, y) for x, y in pairs])

    return a(a, b), codegen


def top2(n_rows):
    """Make ``fold_top2(best, second, index, tile, first_index)``: scores go into each row's best two and index.

    ``tile[r][c]`` is the score of candidate ``first_index + c``. Only a strictly larger score replaces the best, so
    equal scores keep the lowest index; the runner-up is the second largest score of the multiset. NaN never enters.
    The three are arrays, with those of row r from ``r * lanes`` on: beside a tile they would not have registers.
    """

    @intrinsic
    def fold_top2(typingctx, best, second, index, tile, first_index):
        def codegen(context, builder, sig, args):
            arrays, vectors = list(zip(sig.args[:3], args[:3], strict=True)), [_full(array) for array in sig.args[:3]]
            word, n_lanes, scores = args[4].type, vectors[0].lanes, elements(builder, args[3], sig.args[3].count)
            first = emit_splat(builder, builder.trunc(args[4], I32), n_lanes)
            n_columns = len(scores) // n_rows
            at = [builder.add(first, ir.Constant(first.type, [c] * n_lanes)) for c in range(n_columns)]
            for r in range(n_rows):
                places = [(*array, word(r * n_lanes)) for array in arrays]
                b, s, i = (emit_load(context, builder, *place, vectors[a]) for a, place in enumerate(places))
                for c, score in enumerate(scores[r * n_columns : (r + 1) * n_columns]):
                    wins = builder.fcmp_ordered(">", score, b)
                    loser = builder.select(wins, b, score)
                    s = builder.select(builder.fcmp_ordered(">", loser, s), loser, s)
                    b = builder.select(wins, score, b)
                    i = builder.select(wins, at[c], i)
                for a, value in enumerate((b, s, i)):
                    emit_store(context, builder, *places[a], value, vectors[a])
                _stay_in_order(builder, [emit_pointer(context, builder, *place, ir.IntType(8)) for place in places])
            return context.get_dummy_value()

        return types.void(best, second, index, tile, first_index), codegen

    return fold_top2


def _stay_in_order(builder, pointers):
    """Have LLVM keep what it loads from this memory after here behind what is stored to it before. No instruction.

    LLVM would work on all rows at once, and most of what it works on would go to memory and back (a tenth of the time
    of assignments with 8 and 16 features).
    """
    kind = ir.FunctionType(ir.VoidType(), [pointer.type for pointer in pointers])
    constraints = ",".join(["r"] * len(pointers) + ["~{memory}"])
    builder.asm(kind, "", constraints, pointers, side_effect=True)


@intrinsic
def root_words_update(typingctx, sums, tile, magics):
    """``S[r] += word of (sqrt(T[r][c]) + magics[r])`` over all c: int64 lanes, modulo ``2**64``."""

    def codegen(context, builder, sig, args):
        rows = sig.args[0].count
        totals, t = elements(builder, args[0], rows), elements(builder, args[1], sig.args[1].count)
        magic = elements(builder, args[2], rows)
        for i, value in enumerate(t):
            r = i // (len(t) // rows)
            rounded = builder.fadd(emit_square_root(builder, value, sig.args[1].dtype), magic[r])
            totals[r] = builder.add(totals[r], builder.bitcast(rounded, totals[r].type))
        return tuple_of(builder, context, sig.args[0], totals)

    return sums(sums, tile, magics), codegen


@intrinsic
def equals_any(typingctx, vector, tile):
    """A mask of the lanes of `vector` (integers) that equal those of any vector of the tile."""

    def codegen(context, builder, sig, args):
        equal = [builder.icmp_signed("==", args[0], value) for value in elements(builder, args[1], sig.args[1].count)]
        return functools.reduce(builder.or_, equal)

    return Mask(vector.lanes)(vector, tile), codegen
