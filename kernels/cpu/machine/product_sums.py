"""Sums of products over features, the inner loop of all scores, written out for LLVM.

Mapping    A step of the loop is a feature: a load of each vector, a broadcast of each element, and one fused operation
           for each pair of them. The accumulators, the vectors and one broadcast stay in registers.
Maths      ``T[v][s] += sum over j of vector_v[j] * element_s[j]``.
Order      The features one after another, each product fused with its sum and rounded once.
Cost       V S fused operations, V + S loads and four instructions more a step. LLVM may not unroll the loop: it would
           load the vectors of later steps early, and there are no registers for them.
Limits     V S + V + 1 registers for vectors.

The loop is that of BLIS (Van Zee and van de Geijn, 2015).
"""

from llvmlite import ir
from numba.extending import intrinsic

from .register_tiles import elements, tuple_of
from .vectors import IR_SCALAR, Vector, emit_fma, emit_pointer, emit_splat, full_lanes, ir_vector


def product_sums(n_vectors, n_splats, lanes_are_rows=True, emit=emit_fma):
    """Make ``add_products(tile, vectors, at, splats, start, stride, count)``: `tile` plus the sums of `count` steps.

    In step j, vector v begins at ``vectors[at + (j * n_vectors + v) * lanes]``, and element s, in every lane, is
    ``splats[start + s * stride + j]``. The tile is in the order of ``T[v][s]``, or of ``T[s][v]`` where lanes are
    columns. ``emit(builder, vector, element, sum, type)`` adds to a sum what a pair contributes: its product, or what
    else is added up so.
    """
    pairs = [(v, s) for s in range(n_splats) for v in range(n_vectors)]
    places = [v * n_splats + s if lanes_are_rows else s * n_vectors + v for v, s in pairs]

    @intrinsic
    def add_products(typingctx, tile, vectors, at, splats, start, stride, count):
        def codegen(context, builder, sig, args):
            word, loaded = args[-1].type, Vector(sig.args[1].dtype, full_lanes(sig.args[1].dtype))
            strides = [builder.mul(args[5], word(s)) for s in range(n_splats)]

            def step(vector_at, splat_at, *sums):
                following = [builder.gep(vector_at, [word(n_vectors * loaded.lanes)]), builder.gep(splat_at, [word(1)])]
                sums, found = list(sums), []
                for v in range(n_vectors):
                    pointer = builder.gep(vector_at, [word(v * loaded.lanes)])
                    found.append(builder.load(builder.bitcast(pointer, ir_vector(loaded).as_pointer())))
                    found[-1].align = loaded.dtype.bitwidth // 8
                for (v, s), place in zip(pairs, places, strict=True):
                    if v == 0:
                        element = builder.load(builder.gep(splat_at, [strides[s]]))
                        splat = emit_splat(builder, element, loaded.lanes)
                    sums[place] = emit(builder, found[v], splat, sums[place], sig.args[0].dtype)
                return [*following, *sums]

            first = [
                emit_pointer(context, builder, sig.args[a], args[a], args[a + 1], IR_SCALAR[sig.args[a].dtype])
                for a in (1, 3)
            ]
            first += elements(builder, args[0], len(pairs))
            _, _, *sums = _repeated(builder, args[6], step, first)
            return tuple_of(builder, context, sig.args[0], sums)

        return tile(tile, vectors, at, splats, start, stride, count), codegen

    return add_products


def _repeated(builder, count, step, values):
    """The code of a loop that is not unrolled: ``values = step(*values)``, `count` times; the last values.

    The second value is a pointer, which a step moves on by one.
    """
    before, stop = builder.block, builder.gep(values[1], [count])
    body, after = (builder.append_basic_block(name) for name in ("steps", "steps.end"))
    builder.cbranch(builder.icmp_signed(">", count, count.type(0)), body, after)
    builder.position_at_end(body)
    current = [builder.phi(value.type) for value in values]
    following = step(*current)
    branch = builder.cbranch(builder.icmp_unsigned("!=", following[1], stop), body, after)
    branch.set_metadata("llvm.loop", _not_unrolled(builder.module))
    builder.position_at_end(after)
    last = [builder.phi(value.type) for value in values]
    for phis in (current, last):
        for phi, value, next_value in zip(phis, values, following, strict=True):
            phi.add_incoming(value, before)
            phi.add_incoming(next_value, body)
    return last


def _not_unrolled(module):
    """The metadata of such a loop: a node of its own, which is its own first operand."""
    node = ir.values.MDValue(module, [], name=str(len(module.metadata)))
    node.operands = (node, module.add_metadata(["llvm.loop.unroll.disable"]))
    return node
