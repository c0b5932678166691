"""Operations a second of the kinds that scoring is made of, or could be: what the step to tensor cores is decided by.

Every thread keeps eight accumulators that do not depend on each other, and nothing is read from memory.
"""

import numpy as np

from .ceilings import REPEATS, guarded_rate

THREADS, ROUNDS, ACCUMULATORS = 256, 20_000, 8

SOURCE = """
struct Fused {  // four float32 multiplications with additions
  float value[4];
  __device__ void begin(float by, int i) { for (int j = 0; j < 4; ++j) value[j] = by + i + j; }
  __device__ void advance(float by) { for (int j = 0; j < 4; ++j) value[j] = fmaf(value[j], by, 0.25f); }
  __device__ float total() const { return value[0] + value[1] + value[2] + value[3]; }
};
struct Larger {  // four float32 maxima, each of a value and its neighbour
  float value[4];
  __device__ void begin(float by, int i) { for (int j = 0; j < 4; ++j) value[j] = by * (i - j); }
  __device__ void advance(float by) { for (int j = 0; j < 4; ++j) value[j] = fmaxf(-value[(j + 1) % 4], value[j]); }
  __device__ float total() const { return value[0] + value[1] + value[2] + value[3]; }
};
struct Bytes {  // a warp's product of 16 x 32 by 32 x 8 signed bytes, added to int32
  int value[4];
  __device__ void begin(float, int i) { for (int j = 0; j < 4; ++j) value[j] = i; }
  __device__ void advance(float by) {
    const unsigned word = __float_as_uint(by);
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
                 "{%0, %1, %2, %3}, {%4, %4, %4, %4}, {%4, %4}, {%0, %1, %2, %3};"
                 : "+r"(value[0]), "+r"(value[1]), "+r"(value[2]), "+r"(value[3]) : "r"(word));
  }
  __device__ float total() const { return value[0] ^ value[1] ^ value[2] ^ value[3]; }
};
struct Halves {  // the same of 16 x 16 by 16 x 8 float16, added to float32
  float value[4];
  __device__ void begin(float, int i) { for (int j = 0; j < 4; ++j) value[j] = i; }
  __device__ void advance(float by) {
    const unsigned word = __float_as_uint(by) & 0x03ff03ffu;  // small numbers
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                 "{%0, %1, %2, %3}, {%4, %4, %4, %4}, {%4, %4}, {%0, %1, %2, %3};"
                 : "+f"(value[0]), "+f"(value[1]), "+f"(value[2]), "+f"(value[3]) : "r"(word));
  }
  __device__ float total() const { return value[0] + value[1] + value[2] + value[3]; }
};

template <class Unit>
__device__ void repeat(float* out, int rounds) {
  Unit units[ACCUMULATORS];
  const float by = 0.5f + threadIdx.x * 0.001f;
#pragma unroll
  for (int i = 0; i < ACCUMULATORS; ++i) units[i].begin(by, i);
  for (int round = 0; round < rounds; ++round)
#pragma unroll
    for (int i = 0; i < ACCUMULATORS; ++i) units[i].advance(by);
  float total = 0.0f;
#pragma unroll
  for (int i = 0; i < ACCUMULATORS; ++i) total += units[i].total();
  out[blockIdx.x * blockDim.x + threadIdx.x] = total;
}
extern "C" __global__ void fused(float* out, int rounds) { repeat<Fused>(out, rounds); }
extern "C" __global__ void larger(float* out, int rounds) { repeat<Larger>(out, rounds); }
extern "C" __global__ void bytes(float* out, int rounds) { repeat<Bytes>(out, rounds); }
extern "C" __global__ void halves(float* out, int rounds) { repeat<Halves>(out, rounds); }
""".replace("ACCUMULATORS", str(ACCUMULATORS))
# Operations of an accumulator a round and thread: a fused one counts two.
OPERATIONS = {"fused": 8, "larger": 4, "bytes": 2 * 16 * 8 * 32 // 32, "halves": 2 * 16 * 8 * 16 // 32}


def measured(stand, kernel, multiprocessors):
    """The rate of one of the kernels: see `ceilings.run`."""
    blocks = 4 * multiprocessors
    launch, out = stand.kernel(SOURCE, kernel), stand.xp.empty(blocks * THREADS, np.float32)
    work = 1e-12 * blocks * THREADS * ROUNDS * ACCUMULATORS * OPERATIONS[kernel]
    rounds = np.int32(ROUNDS)
    return guarded_rate(stand, lambda: launch(blocks, THREADS, (out, rounds)), work, "T operations/s", REPEATS // 3)
