// Every CUDA thread of a block is an OS thread, so that ThreadSanitizer judges the order that barriers make, and
// nothing else does: shuffles, votes and products of a warp wait for its lanes, but order no memory, as on a GPU.
#pragma once
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <cerrno>
#include <climits>
#include <ctime>
#include <deque>
#include <semaphore>
#include <thread>

static thread_local SimUnderWay sim_mine;

// Lanes that wait for each other for more seconds than this are stuck.
static long sim_patience() {
  const char* wanted = std::getenv("KMEANS_FAST_SIMULATOR_PATIENCE");
  return wanted ? std::atol(wanted) : 100;
}

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
        const timespec most{sim_patience(), 0};
        if (syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, now, &most, nullptr, 0) && errno == ETIMEDOUT) {
          std::fprintf(stderr, "lanes of a warp wait for others that do not come\n");
          std::_Exit(1);
        }
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
  std::barrier<> barrier;
  // Of the whole warp, of each half, each quarter, down to each lane. Any other set of lanes meets as the whole warp,
  // that is, all lanes that have not ended.
  std::vector<SimMeeting> meetings;
  uint64_t box[32];
  SimFragments fragments[2];

  explicit SimWarp(unsigned lanes) : barrier(lanes) {
    for (unsigned size = 32; size; size /= 2)
      for (unsigned first = 0; first < 32; first += size)
        meetings.emplace_back(lanes <= first ? 0 : lanes - first < size ? lanes - first : size);
  }
  SimMeeting& meeting(unsigned lane, unsigned size) { return meetings[32 / size - 1 + lane / size]; }
  void end(unsigned lane) {
    barrier.arrive_and_drop();
    for (unsigned size = 32; size; size /= 2) meeting(lane, size).end();
  }
};
static std::unique_ptr<std::barrier<>> sim_threads_barrier;
static std::vector<std::unique_ptr<SimWarp>> sim_warps;

uint64_t* sim_warp_box() { return sim_warps[threadIdx.x / 32]->box; }
static SimFragments* sim_warp_fragments() { return sim_warps[threadIdx.x / 32]->fragments; }
static SimUnderWay& sim_under_way() { return sim_mine; }
void sim_block_barrier(int) { sim_threads_barrier->arrive_and_wait(); }
void sim_warp_barrier(unsigned, int) { sim_warps[threadIdx.x / 32]->barrier.arrive_and_wait(); }
void sim_warp_meeting(unsigned mask, int) {
  const unsigned size = __builtin_popcount(mask), first = __builtin_ctz(mask), below = (unsigned)((1ull << size) - 1);
  const bool aligned = !(size & (size - 1)) && first % size == 0 && mask == below << first;
  sim_warps[threadIdx.x / 32]->meeting(aligned ? first : 0, aligned ? size : 32).meet();
}
void __nanosleep(unsigned) { std::this_thread::yield(); }

// Threads that all launches use: under ThreadSanitizer it takes a millisecond to start one.
class SimPool {
  struct Worker {
    std::binary_semaphore wanted{0};
  };
  std::deque<Worker> workers;
  const std::function<void(unsigned)>* task = nullptr;
  std::atomic<unsigned> left{0};

  void work(Worker& mine, unsigned number) {
    for (;;) {
      mine.wanted.acquire();
      (*task)(number);
      if (left.fetch_sub(1, std::memory_order_release) == 1) left.notify_one();
    }
  }

 public:
  void run(unsigned n, const std::function<void(unsigned)>& wanted) {
    const unsigned before = workers.size();
    if (before < n) workers.resize(n);
    for (unsigned i = before; i < n; ++i) std::thread([this, i, &mine = workers[i]] { work(mine, i); }).detach();
    task = &wanted, left = n;
    for (unsigned i = 0; i < n; ++i) workers[i].wanted.release();
    for (unsigned now; (now = left.load(std::memory_order_acquire));) left.wait(now, std::memory_order_acquire);
  }
};
inline SimPool& sim_pool = *new SimPool;  // as an inline variable, one for all libraries; its threads never end

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
    for (unsigned first = 0; first < n; first += 32)
      sim_warps.push_back(std::make_unique<SimWarp>(n - first < 32 ? n - first : 32));
    sim_pool.run(n, [&](unsigned i) {
      threadIdx = {i, 0, 0};
      sim_mine = {};
      kernel();
      sim_warps[i / 32]->end(i % 32);
      sim_threads_barrier->arrive_and_drop();
    });
  }
}
