"""The simulator does what CUDA does, and finds the faults that it is there to find.

Faults are planted in kernels of its own and in the project's.
"""

import ctypes

import numpy as np
import pytest
from kmeans_fast.kernels.cuda import sources
from numpy.testing import assert_array_equal
from support import run_python

from simulator import build
from simulator.device import SimDevice

pytestmark = pytest.mark.skipif(not build.COMPILER, reason="there is no C++ compiler")

KERNELS = """
extern "C" __global__ void shuffles(int* rotated, int* paired, int* shifted, unsigned* votes) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x, value = 10 * i;
  rotated[i] = __shfl_sync(~0u, value, threadIdx.x + 1);
  paired[i] = __shfl_xor_sync(~0u, value, 1);
  shifted[i] = __shfl_down_sync(~0u, value, 3);
  votes[i] = __ballot_sync(~0u, threadIdx.x % 3 == 0);
}

extern "C" __global__ void reversed_blocks(int* data) {  // through shared memory, static and dynamic
  __shared__ int fixed[64];
  int* dynamic = (int*)dynamic_shared;
  const int at = blockIdx.x * blockDim.x + threadIdx.x, opposite = blockDim.x - 1 - threadIdx.x;
  fixed[threadIdx.x] = data[at];
  BARRIER
  dynamic[threadIdx.x] = fixed[opposite];
  __syncthreads();
  data[at] = dynamic[threadIdx.x];
}

extern "C" __global__ void counted(unsigned* words, unsigned long long* longs, int* ints) {
  atomicAdd(words, 1u);
  atomicAdd(longs, 1ull << 40);
  atomicMax(longs + 1, (unsigned long long)threadIdx.x);
  atomicMin(ints, -(int)threadIdx.x);
  atomicCAS(ints + 1, 0, 7);
}

extern "C" __global__ void half_waits(int* out) {
  if (threadIdx.x < 16)
    __syncthreads();
  else
    __syncwarp();
  out[threadIdx.x] = 1;
}

extern "C" __global__ void two_barriers(int* out) {
  if (threadIdx.x < 32) __syncthreads();
  else
    __syncthreads();
  out[threadIdx.x] = 1;
}

extern "C" __global__ void summed_by_the_grid(int* values, int* arrived, int* out) {
  __shared__ int mine;
  if (threadIdx.x == 0) mine = blockIdx.x + 1;
  __syncthreads();
  if (threadIdx.x == 0) {
    values[blockIdx.x] = mine;
    __threadfence();
    atomicAdd(arrived, 1);
    while (atomicAdd(arrived, 0) < (int)gridDim.x) __nanosleep(32);
  }
  __syncthreads();
  int total = 0;
  for (int i = 0; i < (int)gridDim.x; ++i) total += values[i];
  if (threadIdx.x == 0) out[blockIdx.x] = 100 * total + mine;  // shared memory is still this block's
}
"""
NAMES = ("shuffles", "reversed_blocks", "counted", "half_waits", "two_barriers", "summed_by_the_grid")


def library(barrier="__syncthreads();"):
    return build.simulation(KERNELS.replace("BARRIER", barrier), NAMES)


def run(kernel, blocks, threads, *arrays, compiled=None, **options):
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in arrays]
    build.run(compiled or library(), kernel, blocks, threads, pointers, **options)


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_shuffles_and_votes(order):
    i = np.arange(128)
    warp, lane = i - i % 32, i % 32
    rotated, paired, shifted = np.zeros((3, 128), np.int32)
    votes = np.zeros(128, np.uint32)
    run("shuffles", 2, 64, rotated, paired, shifted, votes, order=order)
    assert_array_equal(rotated, 10 * (warp + (lane + 1) % 32))
    assert_array_equal(paired, 10 * (i ^ 1))
    assert_array_equal(shifted, 10 * np.where(lane + 3 < 32, i + 3, i))
    expected = [sum(1 << lane for lane in range(32) if (32 * (w % 2) + lane) % 3 == 0) for w in range(4)]
    assert_array_equal(votes, np.repeat(expected, 32))


@pytest.mark.parametrize("order", [0, 1, 5])
def test_shared_memory_belongs_to_a_block(order):
    data = np.arange(128, dtype=np.int32)
    run("reversed_blocks", 2, 64, data, dynamic_bytes=256, order=order)
    assert_array_equal(data, np.r_[63:-1:-1, 127:63:-1])


def test_atomics():
    words, longs, ints = np.zeros(1, np.uint32), np.zeros(2, np.uint64), np.zeros(2, np.int32)
    run("counted", 3, 96, words, longs, ints)
    assert words[0] == 288
    assert_array_equal(longs, [288 << 40, 95])
    assert_array_equal(ints, [-95, 7])


def test_atomic_sums_of_floats_do_not_compile():
    with pytest.raises(RuntimeError, match="depend on the order"):
        build.simulation('extern "C" __global__ void bad(float* x) { atomicAdd(x, 1.0f); }', ["bad"])


@pytest.mark.parametrize(
    ("threads", "dynamic_bytes", "words"),
    [
        (96, 0, "96 threads a block, and it was compiled for 64"),
        (64, 227 << 10, r"40,960 \+ 232,448 bytes of shared memory, of 232,448"),
    ],
)
def test_what_a_gpu_would_not_launch_is_refused(threads, dynamic_bytes, words):
    source = """
    extern "C" __global__ void __launch_bounds__(64) bounded(int* out) {
      __shared__ int words[10 << 10];
      words[threadIdx.x] = 1;
      __syncthreads();
      out[threadIdx.x] = words[out[threadIdx.x]];
    }
    extern "C" __global__ void greedy(int* out) {
      __shared__ int words[13 << 10];
      words[threadIdx.x] = 1;
      __syncthreads();
      out[threadIdx.x] = words[out[threadIdx.x]];
    }
    """
    compiled, out = build.simulation(source, ["bounded", "greedy"]), np.zeros(96, np.int32)
    run("bounded", 1, 64, out, compiled=compiled, dynamic_bytes=187 << 10)
    assert out.sum() == 64
    with pytest.raises(RuntimeError, match=words):
        run("bounded", 1, threads, out, compiled=compiled, dynamic_bytes=dynamic_bytes)
    with pytest.raises(RuntimeError, match="53,248 bytes of shared memory are declared, 49,152 are allowed"):
        run("greedy", 1, 64, out, compiled=compiled)
    for blocks in (0, 2**31):
        with pytest.raises(RuntimeError, match=f"bounded: {blocks:,} blocks, 1 to 2,147,483,647 are allowed"):
            run("bounded", blocks, 64, out, compiled=compiled)


def test_a_simulated_device_refuses_what_its_blocks_have_no_room_for():
    device = SimDevice()
    assign = sources.module("assign", "float", PANEL=64, HEIGHT=8)
    with pytest.raises(RuntimeError, match=r"assign: 26,\d+ \+ 140,000 bytes of shared memory, of 163,840"):
        device.prepare(assign, "assign", 1, 140_000, [])


PAST_THE_END = """
import ctypes, sys
from simulator import build

source = 'extern "C" __global__ void marked(int at) { dynamic_shared[at] = 1; }'
build.run(build.simulation(source, ["marked"], (), "address"), "marked", 1, 1, [ctypes.c_int(int(sys.argv[1]))], 40)
"""


def test_a_write_past_the_end_of_dynamic_shared_memory_is_found():
    environment = build.sanitizer_environment("address")
    run_python(PAST_THE_END, 39, **environment)
    with pytest.raises(AssertionError, match="heap-buffer-overflow"):
        run_python(PAST_THE_END, 40, **environment)


def test_shared_memory_is_counted_for_each_kernel():
    """As the compiler for GPUs counts it."""
    compiled = build.simulated(sources.module("assign", "float", PANEL=64, HEIGHT=8))
    found = build.static_shared(compiled._name)
    assert set(found) == {"assign", "recheck"}
    assert 26_000 < found["assign"] < 27_000


def test_the_grid_waits_in_a_cooperative_launch():
    out = np.zeros(4, np.int32)
    run("summed_by_the_grid", 4, 64, np.zeros(4, np.int32), np.zeros(1, np.int32), out, cooperative=True)
    assert_array_equal(out, [1001, 1002, 1003, 1004])


def test_blocks_that_are_not_there_are_not_waited_for_for_ever():
    """As in a launch that is not cooperative, whose blocks run one after the other."""
    out = np.zeros(4, np.int32)
    with pytest.raises(RuntimeError, match="wait for ever for what no block that is running does"):
        run("summed_by_the_grid", 4, 64, np.zeros(4, np.int32), np.zeros(1, np.int32), out)


def test_a_barrier_that_some_threads_never_reach_is_reported():
    with pytest.raises(RuntimeError, match=r"half_waits: deadlock in block 0"):
        run("half_waits", 1, 32, np.zeros(64, np.int32))


def test_threads_at_different_barriers_are_reported():
    with pytest.raises(RuntimeError, match=r"two_barriers: threads of block 0 wait at different barriers"):
        run("two_barriers", 1, 64, np.zeros(64, np.int32))


# ---- planted faults ------------------------------------------------------------------------------------------------


def test_a_missing_barrier_gives_another_result():
    """Fibers run one after the other: a thread that does not wait reads memory that is not written yet."""
    data = np.arange(64, dtype=np.int32)
    run("reversed_blocks", 1, 64, data, compiled=library(barrier=""), dynamic_bytes=256)
    assert not np.array_equal(data, np.arange(64)[::-1])
    assert np.int32(np.uint32(0xA5A5A5A5).view(np.int32)) in data


ORDERS = """
import ctypes, sys
import numpy as np
from simulator import build

source = '''
extern "C" __global__ void reversed_lanes(int* data) {
  __shared__ int words[32];
  const int lane = threadIdx.x;
  int found = lane;
  for (int round = 0; round < 3; ++round) {
    words[lane] = found;
    WAIT
    found = words[31 - lane];
    AGAIN
  }
  if (lane < 7) return;  // the others go on without them
  data[lane] = found + __shfl_xor_sync(~127u, 0, 0);
}
'''
waits = {
    "syncwarp": "__syncwarp();", "syncthreads": "__syncthreads();", "shuffle": "__shfl_xor_sync(~0u, found, 1);",
    "vote": "__ballot_sync(~0u, found > 3);",
    "product": "int sums[4]; const unsigned a[4] = {}; const int c[4] = {}; multiply_bytes(sums, a, 0, 0, c);",
}
source, data = source.replace("WAIT", waits[sys.argv[1]]).replace("AGAIN", sys.argv[2]), np.arange(32, dtype=np.int32)
compiled = build.simulation(source, ["reversed_lanes"], (), "thread")
build.run(compiled, "reversed_lanes", 2, 32, [ctypes.c_void_p(data.ctypes.data)])
print(*data)
"""


@pytest.mark.parametrize("way", ["syncwarp", "syncthreads", "shuffle", "vote", "product"])
def test_shuffles_votes_and_products_order_no_memory_of_other_lanes(way):
    environment = build.sanitizer_environment("thread")
    if way.startswith("sync"):
        found = run_python(ORDERS, way, "__syncwarp();", **environment)
        assert found.split() == list(map(str, [*range(7), *range(24, -1, -1)]))
    else:
        with pytest.raises(AssertionError, match="data race"):
            run_python(ORDERS, way, "__syncwarp();", **environment)


@pytest.mark.parametrize("barrier", ["syncwarp", "syncthreads"])
def test_a_barrier_orders_nothing_that_comes_after_it(barrier):
    """The barrier of the next round is no order for a lane that still reads what was written before the last."""
    with pytest.raises(AssertionError, match="data race"):
        run_python(ORDERS, barrier, "", **build.sanitizer_environment("thread"))


GROUPS = """
import ctypes, sys
import numpy as np
from simulator import build

source = r'''
extern "C" __global__ void __launch_bounds__(64) sums_of_groups(int* data) {
  const int lane = threadIdx.x % 32, group = threadIdx.x / 8;
  for (int round = 0; round <= group; ++round)  // groups leave this one after the other
    for (int by = 4; by; by >>= 1) data[threadIdx.x] += __shfl_xor_sync(255u << (lane & ~7), data[threadIdx.x], by);
  MORE
}
'''
compiled = build.simulation(source.replace("MORE", sys.argv[1]), ["sums_of_groups"], (), "thread")
data = np.ones(64, np.int32)
build.run(compiled, "sums_of_groups", 1, 64, [ctypes.c_void_p(data.ctypes.data)])
print(*data[::8])
"""


def test_groups_of_lanes_meet_under_threads_of_the_system():
    environment = {**build.sanitizer_environment("thread"), "KMEANS_FAST_SIMULATOR_PATIENCE": "2"}
    assert run_python(GROUPS, "", **environment).split() == [str(8 ** (group + 1)) for group in range(8)]
    for stuck in (
        "if (lane < 3) __ballot_sync(7, 1); __syncthreads();",
        "if (lane) __syncwarp(); else __syncthreads();",
    ):
        with pytest.raises(AssertionError, match="threads wait for others that do not come"):
            run_python(GROUPS, stuck, **environment)


FAULTY = """
import ctypes, sys
import numpy as np
from simulator import build
from kmeans_fast.kernels.cuda import sources

name, kernel, right, wrong, sanitizer, case = sys.argv[1:7]
text = sources.text(name)
assert text.count(right) == 1, text.count(right)
if case == "faulty":
    text = text.replace(right, wrong)
defines = [option for option in sources.module(name, "float").options if option.startswith("-D")]
compiled = build.simulation(text, [kernel], defines, sanitizer)
n, d = 300, 3
X, out = np.ones((n, d), np.float32), np.zeros(n)
arrays = {"X": X, "out": out, "centroids": np.zeros((1, d)), "bins": np.zeros(sources.BINS, np.int64)}
values = []
for parameter in sources.kernels(name)[kernel]:
    if parameter.pointer:
        array = arrays.get(parameter.name)
        values.append(ctypes.c_void_p(None if array is None else array.ctypes.data))
    else:
        numbers = {"n": ctypes.c_int64(n), "d": ctypes.c_int(d), "problem_blocks": ctypes.c_int(2)}
        values.append(numbers[parameter.name])
build.run(compiled, kernel, 2, sources.THREADS, values)
print("ran to the end")
"""
FAULTS = {
    "barrier": (
        (
            "distances", "inertia_bins",
            "  empty_window(&window, own_bins);\n  __syncthreads();", "  empty_window(&window, own_bins);",
            "thread",
        ),
        "data race",
    ),
    "tail": (
        (
            "distances", "own_distances",
            "if (first + t < n) out[first + t] =", "if (first + t <= n) out[first + t] =",
            "address",
        ),
        "heap-buffer-overflow",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_one_of_our_kernels_is_found(fault):
    """ThreadSanitizer finds a barrier taken away, AddressSanitizer a row too many. The kernels as they are pass."""
    arguments, words = FAULTS[fault]
    environment = build.sanitizer_environment(arguments[-1])
    assert run_python(FAULTY, *arguments, "sound", **environment).strip() == "ran to the end"
    with pytest.raises(AssertionError, match=words):
        run_python(FAULTY, *arguments, "faulty", **environment)
