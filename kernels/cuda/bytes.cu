// What the kernels that score in bytes share; or in integers held in fp16, with -DHALVES=1. A code is an integer within
// -levels and levels, an argument: 127 of bytes, more of halves (`kmeans_fast.backends.cuda.scorers.operands`).

#ifndef HALVES
#define HALVES 0
#endif
#define PER_WORD (HALVES ? 2 : 4)  // features

#define FINER 254.0f          // a fine code is within -127 and 127, as what a code leaves is within -1/2 and 1/2
#define ROUNDER 12582912.0f   // 1.5 * 2**23: x + ROUNDER - ROUNDER is x rounded to an integer
#define NO_CANDIDATE 0x7fffffff

// What a lane takes of codes in the order of fragments, in one load.
struct __align__(16) Quad {
  u32 at[4];
};

// The bits of an integer within -2048 and 2048 as a half.
__device__ __forceinline__ u32 half_of(float integer) {
  const u32 bits = __float_as_uint(integer), size = bits & 0x7fffffffu;
  return (bits >> 16 & 0x8000u) | (size ? (size - 0x38000000u) >> 13 : 0);  // a float's exponents begin 112 lower
}
