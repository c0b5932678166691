"""Sums of products: each product fused with its sum in the order of the steps, in a loop that stays in registers."""

import functools
import re

import numpy as np
import pytest
from exact_numbers import assert_same, fused, jit
from kmeans_fast.kernels.cpu.machine import register_tiles, simd
from kmeans_fast.kernels.cpu.machine.host import CENTROIDS, FEATURES, POINT_VECTORS, VECTOR_BYTES
from kmeans_fast.kernels.cpu.machine.product_sums import product_sums
from kmeans_fast.kernels.cpu.machine.vectors import emit_byte_products, emit_fma, emit_squared_difference
from kmeans_fast.kernels.cpu.scoring import byte_codes
from kmeans_fast.kernels.cpu.scoring.panels import PANEL_ROWS, VECTORS
from support import DTYPES

SIZES = [(1, 1), (3, 1), (1, 3), (2, 4), (POINT_VECTORS, CENTROIDS), (VECTORS, PANEL_ROWS)]


@functools.cache
def added(n_vectors, n_splats, lanes_are_rows, emit=emit_fma):
    load_tile = register_tiles.loads(n_vectors * n_splats)
    add_products = product_sums(n_vectors, n_splats, lanes_are_rows, emit)

    @jit
    def run(tile, vectors, at, splats, start, stride, count):
        step = simd.lanes(tile)
        sums = add_products(load_tile(tile, 0, step), vectors, at, splats, start, stride, count)
        register_tiles.store_tile(tile, 0, step, sums)

    return run


def in_order(tile, lanes_are_rows):
    """A tile (vectors, splats, lanes) as kernels have it."""
    return np.ascontiguousarray(tile if lanes_are_rows else tile.swapaxes(0, 1)).ravel()


def plus_square(a, b, total):
    difference = a - b
    return total + difference * difference


@pytest.mark.parametrize(("emit", "plus"), [(emit_fma, fused), (emit_squared_difference, plus_square)])
@pytest.mark.parametrize("lanes_are_rows", [True, False])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_sums(dtype, size, lanes_are_rows, emit, plus, rng):
    (n_vectors, n_splats), lanes = size, VECTOR_BYTES // np.dtype(dtype).itemsize
    for count, at, start, stride in ((0, 0, 0, 1), (1, 3, 2, 5), (2, 0, 7, -2), (9, 1, 4, 9), (130, 5, 0, 1)):
        tile = rng.normal(size=(n_vectors, n_splats, lanes)).astype(dtype)
        vectors = rng.normal(size=at + max(count, 1) * n_vectors * lanes).astype(dtype)
        splats = rng.normal(size=start + n_splats * abs(stride) + count + 1).astype(dtype)
        expected, first = tile, start + max(0, -stride) * (n_splats - 1)
        for j in range(count):
            of_step = vectors[at + j * n_vectors * lanes :][: n_vectors * lanes].reshape(n_vectors, 1, lanes)
            elements = splats[first + stride * np.arange(n_splats) + j]
            expected = plus(of_step, elements[:, None], expected)
        flat = in_order(tile, lanes_are_rows)
        added(*size, lanes_are_rows, emit)(flat, vectors, at, splats, first, stride, count)
        assert_same(flat, in_order(expected, lanes_are_rows))


@pytest.mark.skipif(not byte_codes.AVAILABLE, reason="this processor has no instruction for products of bytes")
@pytest.mark.parametrize("size", SIZES)
def test_sums_of_products_of_unsigned_and_signed_bytes(size, rng):
    (n_vectors, n_splats), lanes, count = size, VECTOR_BYTES // 4, 5
    for unsigned, signed in (([255], [127, -128]), ([0, 1, 127, 128, 255], [0, 1, -1, 127, -128])):
        tile = rng.choice([-(2**31), 2**31 - 1, -1, 0, 12345], (n_vectors, n_splats, lanes)).astype(np.int32)
        vectors = rng.choice(unsigned, (count, n_vectors, lanes, 4)).astype(np.uint8)
        splats = rng.choice(signed, (n_splats, count, 4)).astype(np.int8)
        flat = tile.ravel().copy()
        added(*size, True, emit_byte_products)(
            flat, vectors.view(np.int32).ravel(), 0, splats.view(np.int32).ravel(), 0, count, count
        )
        products = np.einsum("jvlb,sjb->vsl", vectors.astype(np.int32), splats.astype(np.int32))
        assert_same(flat, (tile + products.astype(np.int32)).ravel())


@pytest.mark.skipif("fma" not in FEATURES, reason="an x86 processor's fused operations are counted")
@pytest.mark.parametrize("size", [(POINT_VECTORS, CENTROIDS), (VECTORS, PANEL_ROWS)])
def test_the_loop_is_not_unrolled_and_has_its_sums_in_registers(size):
    run, a = added.__wrapped__(*size, True), np.zeros(4096, np.float32)
    run(a, a, 0, a, 0, 1, 1)
    (module,) = run.inspect_llvm().values()
    assert re.search(r"br i1 .*label %steps, !llvm.loop !0", module), module
    assert "!0 = distinct !{!0, !1}" in module, module  # LLVM takes another form for no node of a loop
    assert '!1 = !{!"llvm.loop.unroll.disable"}' in module, module
    code = run.inspect_asm(*run.signatures)
    assert len(re.findall("vfmadd", code)) == size[0] * size[1], code
    loop = code[code.index("vfmadd") : code.rindex("vfmadd")]
    assert "(%rsp)" not in loop, loop
