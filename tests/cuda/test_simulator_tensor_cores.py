"""Products of bytes and asynchronous copies mean in the simulator what PTX says, and misuse of them is found.

The sources are `tensor_cores.cu` and kernels of these tests, which the compiler for GPUs takes as well.
"""

import ctypes
import functools
from pathlib import Path

import numpy as np
import pytest
from kmeans_fast.kernels.cuda import compiler, sources
from numpy.testing import assert_array_equal
from support import run_python

from simulator import build

needs_simulator = pytest.mark.skipif(not build.COMPILER, reason="there is no C++ compiler")

KERNELS = """
// A product a warp, of fragments as they are given.
extern "C" __global__ void fragments(const u32* a, const u32* b, const int* c, int* d, int of_lanes) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const u32 words[4] = {a[4 * i], a[4 * i + 1], a[4 * i + 2], a[4 * i + 3]};
  int sums[4] = {c[4 * i], c[4 * i + 1], c[4 * i + 2], c[4 * i + 3]};
  if (threadIdx.x % 32 < of_lanes) multiply_bytes(sums, words, b[2 * i], b[2 * i + 1], sums);
  for (int j = 0; j < 4; ++j) d[4 * i + j] = sums[j];
}

extern "C" __global__ void halves(const u32* a, const u32* b, const float* c, float* d) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const u32 words[4] = {a[4 * i], a[4 * i + 1], a[4 * i + 2], a[4 * i + 3]};
  float sums[4] = {c[4 * i], c[4 * i + 1], c[4 * i + 2], c[4 * i + 3]};
  multiply_halves(sums, words, b[2 * i], b[2 * i + 1], sums);
  for (int j = 0; j < 4; ++j) d[4 * i + j] = sums[j];
}

// A (m, depth) by B (n, depth): a warp has 16 rows and all columns; as biased floats.
extern "C" __global__ void matrices(const u32* A, const u32* B, float* out, int n, int depth) {
  const int lane = threadIdx.x % 32, g = lane / 4, q = lane % 4, words = depth / 4;
  const int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32 * 16 + g;
  for (int first = 0; first < n; first += 8) {
    int sums[4] = {0x4b400000, 0x4b400000, 0x4b400000, 0x4b400000};
    for (int k = 0; k < words; k += 8) {
      const u32* high = A + row * words + k + q;
      const u32* low = high + 8 * words;
      const u32* column = B + (first + g) * words + k + q;
      const u32 a[4] = {high[0], low[0], high[4], low[4]};
      multiply_bytes(sums, a, column[0], column[4], sums);
    }
    for (int j = 0; j < 4; ++j)
      out[(row + j / 2 * 8) * n + first + 2 * q + j % 2] = __int_as_float(sums[j]) - __int_as_float(0x4b400000);
  }
}

extern "C" __global__ void words(const int* a, const int* b, int* sums) {
  sums[threadIdx.x] = __dp4a(a[threadIdx.x], b[threadIdx.x], sums[threadIdx.x]);
}

struct alignas(16) Words {
  int of[4];
};

// The sum of what other threads have copied, one panel of 16 bytes a thread after the other, two under way.
extern "C" __global__ void copied(const Words* panels, int* out, int many) {
  __shared__ __align__(16) Words buffer[2][THREADS];
  int total = 0;
  copy_16_async(&buffer[0][threadIdx.x], panels + threadIdx.x);
  commit_copies();
  for (int p = 0; p < many; ++p) {
    if (p + 1 < many) copy_16_async(&buffer[(p + 1) % 2][threadIdx.x], panels + (p + 1) * THREADS + threadIdx.x);
    commit_copies();
    WAIT
    BARRIER
    total += buffer[p % 2][THREADS - 1 - threadIdx.x].of[p % 4];
    __syncthreads();
  }
  out[threadIdx.x] = total;
}

// What is there when only the older group is waited for, when the copies after the last group are, and what a source
// that has changed gives.
extern "C" __global__ void groups(Words* source, Words* out) {
  __shared__ __align__(16) Words buffer[3];
  copy_16_async(&buffer[0], source);
  commit_copies();
  copy_16_async(&buffer[1], source + 1);
  commit_copies();
  copy_16_async(&buffer[2], source + 2);
  source[1].of[0] = 100;
  wait_for_copies<1>();
  for (int i = 0; i < 3; ++i) out[i] = buffer[i];
  wait_for_copies<0>();
  for (int i = 0; i < 3; ++i) out[3 + i] = buffer[i];
  commit_copies();
  wait_for_copies<0>();
  for (int i = 0; i < 3; ++i) out[6 + i] = buffer[i];
}

extern "C" __global__ void misused(const unsigned char* source, unsigned char* out, int to, int from, int shared) {
  __shared__ __align__(16) unsigned char buffer[64];
  copy_16_async(shared ? buffer + to : out, source + from);
  commit_copies();
  wait_for_copies<0>();
  out[0] = buffer[to];
}
"""
NAMES = ("fragments", "halves", "matrices", "words", "copied", "groups", "misused")
THREADS = 64
OPTIONS = ("-DREAL=float", "-DSTORED=float", f"-DTHREADS={THREADS}")


def text(wait="wait_for_copies<1>();", barrier="__syncthreads();"):
    folder = Path(sources.__file__).parent
    parts = [(folder / f"{stem}.cu").read_text(encoding="utf-8") for stem in ("common", "tensor_cores")]
    return "\n".join([*parts, '#line 1 "kernels.cu"', KERNELS.replace("WAIT", wait).replace("BARRIER", barrier)])


@functools.cache
def library(**faults):
    return build.simulation(text(**faults), NAMES, OPTIONS)


def run(kernel, blocks, threads, *values, compiled=None, **options):
    arguments = [ctypes.c_void_p(v.ctypes.data) if isinstance(v, np.ndarray) else ctypes.c_int(v) for v in values]
    build.run(compiled or library(), kernel, blocks, threads, arguments, **options)


def aligned(shape, dtype):
    """Zeros from a multiple of 16 on, as memory of a GPU is."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(size + 16, np.uint8)
    start = -memory.ctypes.data % 16
    return memory[start : start + size].view(dtype).reshape(shape)


def product(A, B, C):
    """A B + C in integers that wrap around."""
    return (A.astype(np.int64) @ B.astype(np.int64) + C).astype(np.int32)


def fragments(A, B, C):
    """The words of each lane, as PTX defines them for m16n8k32, and m16n8k16 of halves.

    (products, 32, 4), (products, 32, 2), and of C (products, 32, 4).
    """
    size = 4 // A.itemsize  # features of a word
    lane = np.arange(32)[:, None]
    g, q, i, place = lane // 4, lane % 4, np.arange(4), np.arange(size)
    columns = (size * (q + 4 * (i // 2)))[..., None] + place
    a = A[:, g + 8 * (i % 2), :][:, np.arange(32)[:, None, None], i[:, None], columns]
    b = B.swapaxes(1, 2)[:, g[..., None], (size * (q + 4 * np.arange(2)))[..., None] + place]
    c = C[:, g + 8 * (i // 2), 2 * q + i % 2]
    return a.copy().view(np.uint32)[..., 0], b.copy().view(np.uint32)[..., 0], np.ascontiguousarray(c)


@needs_simulator
@pytest.mark.parametrize("order", [0, 1, 5])
@pytest.mark.parametrize("kind", ["random", "largest", "smallest", "opposite", "wrapping", "biased"])
def test_a_product_of_fragments(rng, kind, order):
    many = 6
    A = rng.integers(-128, 128, (many, 16, 32)).astype(np.int8)
    B = rng.integers(-128, 128, (many, 32, 8)).astype(np.int8)
    C = rng.integers(-(2**20), 2**20, (many, 16, 8)).astype(np.int32)
    if kind in ("largest", "smallest", "opposite"):
        A[:], B[:] = {"largest": (127, 127), "smallest": (-128, -128), "opposite": (-127, 127)}[kind]
    elif kind == "wrapping":
        C = rng.choice(np.array([2**31 - 1, -(2**31)], np.int32), C.shape)
    elif kind == "biased":
        C[:] = 0x4B400000 + rng.choice([2**22 - 1, -(2**22) + 1, 0], C.shape)
    a, b, c = fragments(A, B, C)
    d = np.zeros_like(c)
    run("fragments", many // 2, 64, a, b, c, d, 32, order=order)
    wanted = product(A, B, C)
    if kind == "wrapping":
        assert (np.sign(wanted) != np.sign(C)).any()
    assert_array_equal(d, fragments(A, B, wanted)[2])


@needs_simulator
@pytest.mark.parametrize("kind", ["random", "largest", "opposite", "any"])
def test_a_product_of_halves(rng, kind):
    """Exact where sums are integers below 2**24; else cut off below so many bits of the largest that is added."""
    many = 6
    A, B = rng.integers(-255, 256, (many, 16, 16)), rng.integers(-255, 256, (many, 16, 8))
    C = rng.integers(-(2**23), 2**23, (many, 16, 8))
    if kind in ("largest", "opposite"):
        A[:], B[:] = {"largest": (255, 255), "opposite": (-255, 255)}[kind]
        C[:] = np.sign(A[0, 0, 0]) * (2**24 - 1 - 16 * 255**2)
    A, B, C = A.astype(np.float16), B.astype(np.float16), C.astype(np.float32)
    if kind == "any":
        A, B, C = A / np.float16(3), B * np.float16(0.01), C / np.float32(7)
    a, b, c = fragments(A, B, C)
    d = np.zeros_like(c)
    if kind == "any":
        with pytest.raises(RuntimeError, match=r"halves: a sum of halves loses bits, line \d+"):
            run("halves", many // 2, 64, a, b, c, d)
    run("halves", many // 2, 64, a, b, c, d, bits=22 if kind == "any" else build.ACCUMULATOR_BITS)
    terms = np.concatenate([C[:, None], A.swapaxes(1, 2)[..., None].astype(float) * B[:, :, None]], axis=1)
    if kind == "any":
        unit = 2.0 ** (np.floor(np.log2(np.abs(terms).max(axis=1))) - 21)
        wanted = (np.trunc(terms / unit[:, None]) * unit[:, None]).sum(axis=1)
        unit = 2.0 ** (np.floor(np.log2(np.abs(wanted))) - 21)
        wanted = np.trunc(wanted / unit) * unit
        assert (wanted != terms.sum(axis=1)).any()
    else:
        wanted = terms.sum(axis=1)
        assert kind == "random" or np.abs(wanted).min() == 2**24 - 1
    assert_array_equal(d, fragments(A, B, wanted)[2])


@needs_simulator
@pytest.mark.parametrize("lanes", [31, 8])
def test_a_product_needs_all_lanes(lanes):
    a, b, c = np.zeros((32, 4), np.uint32), np.zeros((32, 2), np.uint32), np.zeros((32, 4), np.int32)
    with pytest.raises(RuntimeError, match="fragments: a product without all lanes, line 7"):
        run("fragments", 1, 32, a, b, c, c.copy(), lanes)
    with pytest.raises(RuntimeError, match="without all lanes"):
        run("fragments", 1, 24, a, b, c, c.copy(), 32)


@needs_simulator
@pytest.mark.parametrize(("m", "n", "depth"), [(16, 8, 32), (64, 24, 96), (128, 16, 256), (32, 8, 4096)])
def test_a_product_of_matrices(rng, m, n, depth):
    """Sums up to 2**22 are exact as floats that carry the bias."""
    most = min(127, int(((2**22 - 1) / depth) ** 0.5))
    A, B = (rng.integers(-most, most + 1, (rows, depth)).astype(np.int8) for rows in (m, n))
    A[0], B[0], B[1] = most, most, -most
    out = np.zeros((m, n), np.float32)
    run("matrices", m // 32 or 1, min(m, 32) * 2, A, B, out, n, depth)
    wanted = A.astype(np.int64) @ B.T.astype(np.int64)
    assert_array_equal(out, wanted)
    assert wanted[0, 0] == -wanted[0, 1]
    assert depth < 256 or 0.93 * 2**22 < wanted[0, 0] < 2**22


@needs_simulator
def test_products_of_words(rng):
    a, b = rng.integers(-128, 128, (2, 64, 4)).astype(np.int8)
    a[0], b[0] = -128, -128
    sums = rng.choice(np.array([0, 0x4B400000, 2**31 - 1, -(2**31)], np.int32), 64)
    sums[0] = 2**31 - 1
    wanted = product(a[:, None, :], b[:, :, None], sums[:, None, None])[:, 0, 0]
    run("words", 1, 64, a, b, sums)
    assert_array_equal(sums, wanted)


PANELS = 5


def panels():
    words = aligned((PANELS, THREADS, 4), np.int32)
    words[...] = np.random.default_rng(0).integers(0, 1000, words.shape)
    return words


def total(words):
    return sum(words[p, ::-1, p % 4] for p in range(PANELS))


@needs_simulator
@pytest.mark.parametrize("order", [0, 1, 5])
def test_copies_arrive_where_they_are_waited_for(order):
    out = np.zeros(THREADS, np.int32)
    run("copied", 1, THREADS, panels(), out, PANELS, order=order)
    assert_array_equal(out, total(panels()))


@needs_simulator
@pytest.mark.parametrize("order", [0, 1, 5])
@pytest.mark.parametrize("fault", [{"wait": ""}, {"wait": "wait_for_copies<2>();"}, {"barrier": ""}], ids=str)
def test_a_wait_or_a_barrier_that_is_missing_is_seen(fault, order):
    out = np.zeros(THREADS, np.int32)
    run("copied", 1, THREADS, panels(), out, PANELS, compiled=library(**fault), order=order)
    assert not np.array_equal(out, total(panels()))


@needs_simulator
def test_groups_are_waited_for_in_their_order():
    source, out = aligned((3, 4), np.int32), np.zeros((3, 3, 4), np.int32)
    source[...] = np.arange(12).reshape(3, 4)
    run("groups", 1, 1, source, out)
    poison = np.full(4, np.uint32(0xA5A5A5A5).view(np.int32))
    first, second, third = source
    assert second[0] == 100
    assert_array_equal(out, [[first, poison, poison], [first, second, poison], [first, second, third]])


@needs_simulator
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((4, 16, 1), r"misused: a copy of 16 bytes from or to an address that is no multiple of 16, line \d+"),
        ((16, 8, 1), r"misused: a copy of 16 bytes from or to an address that is no multiple of 16, line \d+"),
        ((16, 16, 0), r"misused: a copy to what is not shared memory, line \d+"),
    ],
)
def test_a_copy_from_or_to_a_wrong_address_is_an_error(values, words):
    source, out = aligned(64, np.uint8), aligned(16, np.uint8)
    source[16] = 7
    run("misused", 1, 1, source, out, 16, 16, 1)
    assert out[0] == 7
    with pytest.raises(RuntimeError, match=words):
        run("misused", 1, 1, source, out, *values)


UNDER_THREADS = """
import sys
import numpy as np
sys.path += sys.argv[1:]
import test_simulator_tensor_cores as this

for faults in ({}, {"barrier": ""}):
    compiled = this.build.simulation(this.text(**faults), this.NAMES, this.OPTIONS, "thread")
    A, B = np.ones((32, 64), np.int8), np.ones((16, 64), np.int8)
    out = np.zeros((32, 16), np.float32)
    this.run("matrices", 1, 64, A, B, out, 16, 64, compiled=compiled)
    assert (out == 64).all()
    sums = np.zeros(this.THREADS, np.int32)
    this.run("copied", 1, this.THREADS, this.panels(), sums, this.PANELS, compiled=compiled)
    assert (sums == this.total(this.panels())).all()
    print("sound", flush=True)
"""


@needs_simulator
def test_threads_of_the_system_find_a_missing_barrier():
    with pytest.raises(AssertionError, match=r"^exit status 66\nsound\n\n(?s:.*)data race"):
        run_python(UNDER_THREADS, *Path(__file__).parents[:2], **build.sanitizer_environment("thread"))


@pytest.fixture
def for_gpus(monkeypatch):
    """The sources as a module of the project."""
    pytest.importorskip("cuda.bindings.nvrtc", reason="NVRTC is not installed", exc_type=ImportError)
    monkeypatch.setattr(sources, "text", lambda name: text())
    monkeypatch.setitem(sources.MODULES, "products", ("common", "tensor_cores"))
    return sources.Module("products", (("REAL", "float"), ("STORED", "float")))


def test_the_compiler_for_gpus_takes_the_same_sources(for_gpus):
    from compilation import architectures, usage

    assert min(architectures(for_gpus)) == 80
    for architecture in architectures(for_gpus):
        taken = usage(for_gpus, architecture)
        assert set(taken) == set(NAMES)
        assert all(kernel.spill_bytes == 0 for kernel in taken.values())
    with pytest.raises(RuntimeError, match=r"requires \.target sm_80 or higher"):
        usage(for_gpus, 75)


def test_the_instructions_are_those_that_are_meant(for_gpus, monkeypatch):
    monkeypatch.setattr(compiler, "_target", lambda architecture: (f"-arch=compute_{architecture}", "ptx"))
    code = compiler.compiled(for_gpus, 80).code.decode()
    for instruction in (
        "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32",
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32",
        "cp.async.cg.shared.global",
        "cp.async.commit_group;",
        "cp.async.wait_group 1;",
    ):
        assert instruction in code
