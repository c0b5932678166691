// Every CUDA thread of a block is an OS thread, so that ThreadSanitizer judges the order that barriers make, and
// nothing else does: shuffles, votes and products of a warp wait for its lanes, but order no memory, as on a GPU.
#pragma once
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <barrier>
#include <climits>
#include <thread>

static thread_local SimIndex threadIdx;
static thread_local SimUnderWay sim_mine;
static SimIndex blockIdx;

// Where lanes wait for each other in a way that ThreadSanitizer takes for no order: relaxed atomics, and a wait that it
// does not know. The fences, which it does not know either, are for what the simulator exchanges itself.
class SimMeeting {
  unsigned word;  // lanes that wait here, 256 times those that have not ended, 65536 times the number of the meeting

  void step(unsigned change, bool waits) {
    unsigned before = __atomic_load_n(&word, __ATOMIC_RELAXED), now;
    bool all;
    do {
      now = before + change;
      all = (now & 255) == (now >> 8 & 255);
      if (all) now = (now & ~255u) + 65536;
    } while (!__atomic_compare_exchange_n(&word, &before, now, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    if (all) syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
    if (waits && !all)
      while ((now ^ before) >> 16 == 0) {
        syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, now, nullptr, nullptr, 0);
        now = __atomic_load_n(&word, __ATOMIC_RELAXED);
      }
  }

 public:
  explicit SimMeeting(unsigned lanes) : word(256 * lanes) {}
  void meet() {
    __threadfence();
    step(1, true);
    __threadfence();
  }
  void end() { step(-256u, false); }  // this lane comes no more
};

struct SimWarp {
  std::unique_ptr<std::barrier<>> barrier;
  std::unique_ptr<SimMeeting> meeting;
  uint64_t box[32];
  SimFragments fragments[2];
};
static std::unique_ptr<std::barrier<>> sim_threads_barrier;
static std::vector<SimWarp> sim_warps;

static inline int sim_lane() { return threadIdx.x % 32; }
static inline uint64_t* sim_warp_box() { return sim_warps[threadIdx.x / 32].box; }
static inline SimFragments* sim_warp_fragments() { return sim_warps[threadIdx.x / 32].fragments; }
static inline SimUnderWay& sim_under_way() { return sim_mine; }
static inline void sim_block_barrier(int) { sim_threads_barrier->arrive_and_wait(); }
static inline void sim_warp_barrier(unsigned, int) { sim_warps[threadIdx.x / 32].barrier->arrive_and_wait(); }
static inline void sim_warp_meeting(unsigned, int) { sim_warps[threadIdx.x / 32].meeting->meet(); }
static inline void __nanosleep(unsigned) { std::this_thread::yield(); }

static void sim_launch(const SimLaunch& launch, const std::function<void()>& kernel) {
  const unsigned n = launch.threads;
  if (launch.cooperative && launch.blocks > 1) {
    sim_problem = "a cooperative launch of several blocks runs on fibers only";
    return;
  }
  for (unsigned number : sim_sequence(launch.blocks, launch.order)) {
    SimShared shared(launch.dynamic_bytes);
    shared.enter();
    blockIdx = {number, 0, 0};
    sim_threads_barrier = std::make_unique<std::barrier<>>(n);
    sim_warps.clear();
    sim_warps.resize((n + 31) / 32);
    for (unsigned warp = 0; warp < sim_warps.size(); ++warp) {
      const unsigned lanes = n - 32 * warp < 32 ? n - 32 * warp : 32;
      sim_warps[warp].barrier = std::make_unique<std::barrier<>>(lanes);
      sim_warps[warp].meeting = std::make_unique<SimMeeting>(lanes);
    }
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < n; ++i)
      threads.emplace_back([&, i] {
        threadIdx = {i, 0, 0};
        kernel();
        sim_warps[i / 32].barrier->arrive_and_drop();
        sim_warps[i / 32].meeting->end();
        sim_threads_barrier->arrive_and_drop();
      });
    for (std::thread& thread : threads) thread.join();
  }
}
