// Types and device functions that every kernel family may use. No file includes a header: NVRTC needs none, and none
// can be missing.
//
// Compiled with -DREAL=float or double (what is computed in), -DSTORED (the type of X's elements: REAL, or a narrow
// type whose values float32 has), -DTHREADS (of every block), and -fmad=false: a multiplication and an addition are
// fused only where `fma` is written. So every number here, scores included, has the same bits on every GPU and in the
// simulator.

struct float16 {
  unsigned short bits;
};
struct bfloat16 {
  unsigned short bits;
};
typedef signed char int8;
typedef unsigned char uint8;
typedef REAL real;
typedef STORED stored;
typedef long long i64;
typedef unsigned long long u64;
typedef unsigned int u32;

#ifndef CUDA_SIMULATOR  // the simulator declares its own
extern __shared__ __align__(16) unsigned char dynamic_shared[];

__device__ __forceinline__ float float_of_half(unsigned short bits) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
  return value;
}
#endif

#define INFINITE __int_as_float(0x7f800000)

// What an element of X, or of anything like it, stands for: exactly, in one instruction at most.
__device__ __forceinline__ float value_of(float value) { return value; }
__device__ __forceinline__ double value_of(double value) { return value; }
__device__ __forceinline__ float value_of(float16 value) { return float_of_half(value.bits); }
__device__ __forceinline__ float value_of(bfloat16 value) { return __int_as_float((int)((u32)value.bits << 16)); }
__device__ __forceinline__ float value_of(int8 value) { return (float)value; }
__device__ __forceinline__ float value_of(uint8 value) { return (float)value; }

// The contract's squared distance (`kmeans_fast.reference.distance`): features in order, three roundings each.
template <class Value, class Centroid>
__device__ __forceinline__ double squared_distance(const Value* x, const Centroid* c, int d) {
  double total = 0.0;
  for (int j = 0; j < d; ++j) {
    const double t = (double)value_of(x[j]) - (double)value_of(c[j]);
    total = total + t * t;
  }
  return total;
}

// x' = (x - shift) * scale as float32: of a float32 x one rounding, of a float64 x two; scale is a power of two.
__device__ __forceinline__ float framed(real x, real shift, real scale) { return (float)((x - shift) * scale); }

// One instruction each; of a number and a NaN, the number.
__device__ __forceinline__ float larger(float a, float b) { return fmaxf(a, b); }
__device__ __forceinline__ float smaller(float a, float b) { return fminf(a, b); }

// The sum over the lanes of a warp, which every lane has then.
template <class Value>
__device__ __forceinline__ Value warp_sum(Value value) {
  for (int step = 16; step; step >>= 1) value = value + __shfl_xor_sync(0xffffffffu, value, step);
  return value;
}

// The centroids for scoring: panels of PANEL centroids, in each panel the features one after the other.
__device__ __forceinline__ i64 panel_place(u32 centroid, u32 feature, int d, u32 panel) {
  return ((i64)(centroid / panel) * d + feature) * panel + centroid % panel;
}

__device__ __forceinline__ i64 first_thread() { return (i64)blockIdx.x * THREADS + threadIdx.x; }
__device__ __forceinline__ i64 all_threads() { return (i64)gridDim.x * THREADS; }

__device__ __forceinline__ void atomic_add(i64* at, i64 value) { atomicAdd((u64*)at, (u64)value); }

__device__ __forceinline__ double power_of_two(int power) { return __longlong_as_double((i64)(power + 1023) << 52); }

// Exact where the product is: value has few enough bits or the result is a normal number.
__device__ __forceinline__ double scaled(double value, int power) {
#pragma unroll 1
  while (power > 1000) {
    value = value * power_of_two(1000);
    power -= 1000;
  }
#pragma unroll 1
  while (power < -1000) {
    value = value * power_of_two(-1000);
    power += 1000;
  }
  return value * power_of_two(power);
}
