// Runs CUDA C++ kernels on the host, so that they are tested on machines without a GPU.
//
// Two engines, chosen at compile time:
//   default          every CUDA thread is a fiber on one OS thread: fast, and in an order of threads and blocks that
//                    the caller chooses.
//   -DSIM_THREADS    every CUDA thread of a block is an OS thread, so that ThreadSanitizer sees a missing barrier.
//                    Lanes wait for each other at shuffles, votes and products, but only __syncwarp and __syncthreads
//                    order their memory, as the CUDA programming guide has it.
// Either may be compiled with AddressSanitizer.
//
// Blocks run one after the other; those of a cooperative launch take turns, so that a barrier of the whole grid (an
// atomic counter and a wait with __nanosleep) works. Shared memory is filled with a pattern before every block, so that
// reading what was never written does not go unnoticed. A barrier that some threads reach on one line and others on
// another, or never, is reported as an error of the launch, and so is a wait of the grid that never ends. Tensor cores
// multiply in plain integers, and asynchronous copies take place when they are waited for (tensor_cores.hpp).
//
// A launch of more threads than a kernel was compiled for is refused, as is one of too much shared memory (build.py),
// and a cooperative one of more blocks than the device has room for (device.py). What registers allow, the compiler for
// GPUs says (tests/cuda/test_compile.py).
//
// Not modelled: the memory order between blocks, the timing of anything.
//
// This is what kernels see. What runs them, `runtime.cpp`, is compiled once and linked to each. So no large header of
// the C++ library is included here: every module would be compiled with it, for longer than its kernels take.
#pragma once
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#define CUDA_SIMULATOR
#define __global__ __attribute__((visibility("hidden")))  // a kernel may have the name of a function of the C library
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ static __attribute__((section("sim_shared")))
#ifdef SIM_THREADS
#define SIM_OF_A_THREAD __thread
#else
#define SIM_OF_A_THREAD
#endif

struct SimIndex {
  unsigned x, y, z;
};
struct float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

// ---- the runtime ----------------------------------------------------------------------------------------------------

struct SimLaunch {
  unsigned blocks, threads;
  size_t dynamic_bytes;
  unsigned cooperative, order;
  int accumulator_bits;  // that tensor cores keep of sums of halves
};

#pragma GCC visibility push(hidden)  // each library has its own
extern SimIndex blockDim, gridDim, blockIdx;
extern SIM_OF_A_THREAD SimIndex threadIdx;
extern unsigned char* dynamic_shared;
// The first thing that a thread did wrong is the error of the launch.
void sim_report(const char* what, int line);
void sim_block_barrier(int line);
void sim_warp_barrier(unsigned mask, int line);
void sim_warp_meeting(unsigned mask, int line);  // lanes wait for each other, and memory has no order by it
uint64_t* sim_warp_box();                        // 32 words, by which the lanes of a warp exchange values
void sim_copy_16_later(void* to_shared, const void* from_global, int line);
void sim_wait_for_copies(unsigned pending_groups);
void sim_multiply(int (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, const int (&c)[4], int line);
void sim_multiply(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, const float (&c)[4], int line);
void commit_copies();
void __nanosleep(unsigned);
// Runs a kernel: null, or what went wrong.
const char* sim_run(void (*kernel)(void** arguments), void** arguments, unsigned most_threads, const SimLaunch& launch);
#pragma GCC visibility pop

#define SIM_LINE int line = __builtin_LINE()
static inline int sim_lane() { return threadIdx.x % 32; }

// ---- arithmetic -----------------------------------------------------------------------------------------------------

template <class To, class From>
static inline To sim_bits(From value) {
  static_assert(sizeof(To) == sizeof(From));
  To out;
  std::memcpy(&out, &value, sizeof out);
  return out;
}
static inline int __float_as_int(float value) { return sim_bits<int>(value); }
static inline float __int_as_float(int value) { return sim_bits<float>(value); }
static inline unsigned __float_as_uint(float value) { return sim_bits<unsigned>(value); }
static inline long long __double_as_longlong(double value) { return sim_bits<long long>(value); }
static inline double __longlong_as_double(long long value) { return sim_bits<double>(value); }
static inline float float_of_half(unsigned short bits) {
  const bool finite = (bits & 0x7c00) != 0x7c00;  // else the exponent is the largest there too
  const unsigned magnitude = (bits & 0x7fffu) << 13, sign = (bits & 0x8000u) << 16;
  return sim_bits<float>(finite ? sim_bits<unsigned>(sim_bits<float>(magnitude) * 0x1p112f) | sign
                                : magnitude | 0x7f800000u | sign);
}
extern "C" {  // what kernels use of <math.h>, which takes as long to read as they take to compile
double fma(double, double, double) noexcept;
float fmaf(float, float, float) noexcept;
double sqrt(double) noexcept;
float sqrtf(float) noexcept;
double floor(double) noexcept;
double fmax(double, double) noexcept;
float fmaxf(float, float) noexcept;
float fminf(float, float) noexcept;
float fabsf(float) noexcept;
}
static inline float fma(float a, float b, float c) { return fmaf(a, b, c); }
static inline float sqrt(float value) { return sqrtf(value); }
static inline int __clzll(long long value) { return value ? __builtin_clzll((unsigned long long)value) : 64; }
static inline int __ffsll(long long value) { return __builtin_ffsll(value); }
static inline int __popc(unsigned value) { return __builtin_popcount(value); }
static inline double __ll2double_rn(long long value) { return (double)value; }
static inline double __ull2double_rn(unsigned long long value) { return (double)value; }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned __int128)a * b >> 64;
}

// ---- atomics --------------------------------------------------------------------------------------------------------

template <class T, class F>
static inline T sim_update(T* at, F&& change) {
  T old = __atomic_load_n(at, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(at, &old, change(old), true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return old;
}
template <class T>
static inline T atomicAdd(T* at, std::common_type_t<T> value) {
  static_assert(std::is_integral_v<T>, "sums of floats depend on the order: no kernel may add them atomically");
  return __atomic_fetch_add(at, value, __ATOMIC_RELAXED);
}
template <class T>
static inline T atomicMin(T* at, std::common_type_t<T> value) {
  return sim_update(at, [&](T old) { return value < old ? value : old; });
}
template <class T>
static inline T atomicMax(T* at, std::common_type_t<T> value) {
  return sim_update(at, [&](T old) { return value > old ? value : old; });
}
template <class T>
static inline T atomicExch(T* at, std::common_type_t<T> value) {
  return __atomic_exchange_n(at, value, __ATOMIC_RELAXED);
}
template <class T>
static inline T atomicCAS(T* at, std::common_type_t<T> expected, std::common_type_t<T> value) {
  T old = expected;
  __atomic_compare_exchange_n(at, &old, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return old;
}
static inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

// What lanes exchange without memory of the kernel's: ThreadSanitizer sees no race in it, and no order.
template <class T>
static inline void sim_put(T& at, T value) {
  __atomic_store_n(&at, value, __ATOMIC_RELAXED);
}
template <class T>
static inline T sim_get(const T& at) {
  return __atomic_load_n(&at, __ATOMIC_RELAXED);
}

// ---- warps ----------------------------------------------------------------------------------------------------------

constexpr int warpSize = 32;

template <class T>
static inline T sim_exchange(unsigned mask, T value, int source, int line) {
  static_assert(sizeof(T) <= 8);
  uint64_t word = 0;
  std::memcpy(&word, &value, sizeof value);
  uint64_t* box = sim_warp_box();
  sim_put(box[sim_lane()], word);
  sim_warp_meeting(mask, line);
  word = sim_get(box[source]);
  sim_warp_meeting(mask, line);
  std::memcpy(&value, &word, sizeof value);
  return value;
}
static inline void __syncthreads(SIM_LINE) { sim_block_barrier(line); }
static inline void __syncwarp(unsigned mask = ~0u, SIM_LINE) { sim_warp_barrier(mask, line); }
template <class T>
static inline T __shfl_sync(unsigned mask, T value, int source, SIM_LINE) {
  return sim_exchange(mask, value, source & 31, line);
}
template <class T>
static inline T __shfl_xor_sync(unsigned mask, T value, int lanes, SIM_LINE) {
  return sim_exchange(mask, value, sim_lane() ^ lanes, line);
}
template <class T>
static inline T __shfl_down_sync(unsigned mask, T value, int lanes, SIM_LINE) {
  const int source = sim_lane() + lanes;
  return sim_exchange(mask, value, source < 32 ? source : sim_lane(), line);
}
static inline unsigned __ballot_sync(unsigned mask, int predicate, SIM_LINE) {
  uint64_t* box = sim_warp_box();
  sim_put(box[sim_lane()], (uint64_t)(predicate != 0));
  sim_warp_meeting(mask, line);
  unsigned votes = 0;
  for (int lane = 0; lane < 32; ++lane)
    if (mask >> lane & 1) votes |= (unsigned)sim_get(box[lane]) << lane;
  sim_warp_meeting(mask, line);
  return votes;
}
static inline int __any_sync(unsigned mask, int predicate, SIM_LINE) {
  return __ballot_sync(mask, predicate, line) != 0;
}
static inline int __all_sync(unsigned mask, int predicate, SIM_LINE) {
  return __ballot_sync(mask, predicate, line) == mask;
}

// ---- tensor cores: as `kernels/cuda/tensor_cores.cu` has them on a GPU -----------------------------------------------

static inline void multiply_bytes(int (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, const int (&c)[4],
                                  SIM_LINE) {
  sim_multiply(d, a, b0, b1, c, line);
}
static inline void multiply_halves(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, const float (&c)[4],
                                   SIM_LINE) {
  sim_multiply(d, a, b0, b1, c, line);
}
static inline void prefetch(const void*) {}
static inline void copy_16_async(void* to_shared, const void* from_global, SIM_LINE) {
  sim_copy_16_later(to_shared, from_global, line);
}
template <int PENDING>
static inline void wait_for_copies() {
  sim_wait_for_copies(PENDING);
}
static inline int __dp4a(int a, int b, int sum) {
  signed char of_a[4], of_b[4];
  std::memcpy(of_a, &a, 4);
  std::memcpy(of_b, &b, 4);
  for (int i = 0; i < 4; ++i) sum = (int)((unsigned)sum + (unsigned)(of_a[i] * of_b[i]));
  return sum;
}

// ---- launches -------------------------------------------------------------------------------------------------------

template <auto kernel>
struct SimCall;
template <class... Parameters, void (*kernel)(Parameters...)>
struct SimCall<kernel> {
  template <size_t... I>
  static void in_order(void** arguments, std::index_sequence<I...>) {
    kernel(*(Parameters*)arguments[I]...);
  }
  static void with(void** arguments) { in_order(arguments, std::index_sequence_for<Parameters...>{}); }
};

// Makes a kernel callable from outside: null, or what went wrong.
#define SIM_KERNEL(name, most_threads)                                          \
  extern "C" const char* sim_##name(const SimLaunch* launch, void** arguments) { \
    return sim_run(SimCall<name>::with, arguments, most_threads, *launch);       \
  }
