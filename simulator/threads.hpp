// Every CUDA thread of a block is an OS thread, so that ThreadSanitizer judges the order that barriers make, and
// nothing else does.
#pragma once
#include <barrier>
#include <thread>

static thread_local SimIndex threadIdx;
static thread_local SimUnderWay sim_mine;
static SimIndex blockIdx;

struct SimWarp {
  std::unique_ptr<std::barrier<>> barrier;
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
    for (unsigned warp = 0; warp < sim_warps.size(); ++warp)
      sim_warps[warp].barrier = std::make_unique<std::barrier<>>(n - 32 * warp < 32 ? n - 32 * warp : 32);
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < n; ++i)
      threads.emplace_back([&, i] {
        threadIdx = {i, 0, 0};
        kernel();
        sim_warps[i / 32].barrier->arrive_and_drop();
        sim_threads_barrier->arrive_and_drop();
      });
    for (std::thread& thread : threads) thread.join();
  }
}
