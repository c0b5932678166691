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
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#define CUDA_SIMULATOR
#define __global__ __attribute__((visibility("hidden")))  // a kernel may have the name of a function of the C library
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __shared__ static __attribute__((section("sim_shared")))

struct SimIndex {
  unsigned x, y, z;
};
struct float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

struct SimLaunch {
  unsigned blocks, threads;
  size_t dynamic_bytes;
  unsigned cooperative, order;
};

constexpr unsigned char SIM_GARBAGE = 0xa5;  // what nobody has written yet
static SimIndex blockDim, gridDim;
static unsigned char* dynamic_shared;
static size_t sim_dynamic_bytes;
static std::string sim_problem;

#define SIM_LINE int line = __builtin_LINE()
// The first thing that a thread did wrong is the error of the launch.
static void sim_report(const char* what, int line) {
  static std::mutex one_at_a_time;
  const std::lock_guard<std::mutex> lock(one_at_a_time);
  if (sim_problem.empty()) sim_problem = std::string(what) + ", line " + std::to_string(line);
}

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
static inline int __clzll(long long value) { return value ? __builtin_clzll((unsigned long long)value) : 64; }
static inline int __ffsll(long long value) { return __builtin_ffsll(value); }
static inline int __popc(unsigned value) { return __builtin_popcount(value); }
static inline double __ll2double_rn(long long value) { return (double)value; }
static inline double __ull2double_rn(unsigned long long value) { return (double)value; }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned __int128)a * b >> 64;
}
using std::fma;
using std::sqrt;

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

// ---- shared memory --------------------------------------------------------------------------------------------------

__attribute__((used)) __shared__ char sim_shared_is_never_empty;
extern "C" __attribute__((visibility("hidden"))) unsigned char __start_sim_shared[], __stop_sim_shared[];

// The shared memory of a block: the static variables have one place, where that of the running block is put.
static_assert(__STDCPP_DEFAULT_NEW_ALIGNMENT__ == 16);
struct SimShared {
  std::vector<unsigned char> fixed, dynamic;
  explicit SimShared(size_t bytes)
      : fixed(__stop_sim_shared - __start_sim_shared, SIM_GARBAGE), dynamic(bytes, SIM_GARBAGE) {}
  void enter() {
    std::memcpy(__start_sim_shared, fixed.data(), fixed.size());
    dynamic_shared = dynamic.data();  // what is new is a multiple of 16, and AddressSanitizer sees its end
  }
  void leave() { std::memcpy(fixed.data(), __start_sim_shared, fixed.size()); }
};

static inline bool sim_is_shared(const void* at) {
  const unsigned char* byte = (const unsigned char*)at;
  return (byte >= __start_sim_shared && byte < __stop_sim_shared) ||
         (byte >= dynamic_shared && byte < dynamic_shared + sim_dynamic_bytes);
}

// The order that threads and blocks take turns in: forward, backward, or shuffled by a number above 1.
static std::vector<unsigned> sim_sequence(unsigned size, unsigned order) {
  std::vector<unsigned> sequence(size);
  for (unsigned i = 0; i < size; ++i) sequence[i] = order == 1 ? size - 1 - i : i;
  for (unsigned i = size, state = order; order > 1 && i > 1; --i) {
    state = state * 1664525u + 1013904223u;
    std::swap(sequence[i - 1], sequence[(state >> 8) % i]);
  }
  return sequence;
}

#include "tensor_cores.hpp"
#ifdef SIM_THREADS
#include "threads.hpp"
#else
#include "fibers.hpp"
#endif

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

// ---- launches -------------------------------------------------------------------------------------------------------

template <class... Parameters, size_t... I>
static void sim_call(void (*kernel)(Parameters...), void** arguments, std::index_sequence<I...>) {
  kernel(*(std::remove_reference_t<Parameters>*)arguments[I]...);
}

template <class... Parameters>
static const char* sim_run(void (*kernel)(Parameters...), unsigned most_threads, const SimLaunch& launch,
                           void** arguments) {
  sim_problem.clear();
  if (launch.threads > most_threads) {
    sim_problem = std::to_string(launch.threads) + " threads a block, and it was compiled for " +
                  std::to_string(most_threads);
    return sim_problem.c_str();
  }
  blockDim = {launch.threads, 1, 1};
  gridDim = {launch.blocks, 1, 1};
  sim_dynamic_bytes = launch.dynamic_bytes;
  sim_launch(launch, [&] { sim_call(kernel, arguments, std::index_sequence_for<Parameters...>{}); });
  return sim_problem.empty() ? nullptr : sim_problem.c_str();
}

// Makes a kernel callable from outside: null, or what went wrong.
#define SIM_KERNEL(name, most_threads)                                          \
  extern "C" const char* sim_##name(const SimLaunch* launch, void** arguments) { \
    return sim_run(name, most_threads, *launch, arguments);                      \
  }
