// Runs the kernels of one library: compiled once, for fibers or for threads of the system, and linked to each.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cuda_sim.hpp"

constexpr unsigned char SIM_GARBAGE = 0xa5;  // what nobody has written yet
SimIndex blockDim, gridDim, blockIdx;
SIM_OF_A_THREAD SimIndex threadIdx;
unsigned char* dynamic_shared;
static size_t sim_dynamic_bytes;
static int sim_accumulator_bits;
static std::string sim_problem;

void sim_report(const char* what, int line) {
  static std::mutex one_at_a_time;
  const std::lock_guard<std::mutex> lock(one_at_a_time);
  if (sim_problem.empty()) sim_problem = std::string(what) + ", line " + std::to_string(line);
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

static bool sim_is_shared(const void* at) {
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

const char* sim_run(void (*kernel)(void**), void** arguments, unsigned most_threads, const SimLaunch& launch) {
  sim_problem.clear();
  if (launch.threads > most_threads) {
    sim_problem = std::to_string(launch.threads) + " threads a block, and it was compiled for " +
                  std::to_string(most_threads);
    return sim_problem.c_str();
  }
  blockDim = {launch.threads, 1, 1};
  gridDim = {launch.blocks, 1, 1};
  sim_dynamic_bytes = launch.dynamic_bytes;
  sim_accumulator_bits = launch.accumulator_bits;
  sim_launch(launch, [=] { kernel(arguments); });
  return sim_problem.empty() ? nullptr : sim_problem.c_str();
}
