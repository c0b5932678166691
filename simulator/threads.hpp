// Every CUDA thread of a block is an OS thread, so that ThreadSanitizer judges the order that barriers make, and
// nothing else does: shuffles, votes and products of a warp wait for its lanes, but order no memory, as on a GPU.
#pragma once
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <ctime>
#include <deque>
#include <semaphore>
#include <thread>

static thread_local SimUnderWay sim_mine;

// Threads that wait for each other for longer than this are stuck. Tests set the seconds.
static const timespec sim_patience = [] {
  const char* seconds = std::getenv("KMEANS_FAST_SIMULATOR_PATIENCE");
  return timespec{seconds ? std::atol(seconds) : 100, 0};
}();

#ifdef __SANITIZE_THREAD__
extern "C" void __tsan_release(void*);
extern "C" void __tsan_acquire(void*);
#else
static void __tsan_release(void*) {}
static void __tsan_acquire(void*) {}
#endif

// Where threads wait for each other in a way that ThreadSanitizer takes for no order: relaxed atomics, and a wait that
// it does not know. The fences, which it does not know either, are for what the simulator exchanges itself. At barriers
// each thread tells it of the order. (It would see that of std::barrier by itself, from many atomics, which took half
// of all time.)
class SimMeeting {
  unsigned word;   // threads that wait here, MANY times those that have not ended, MANY * MANY times meetings so far
  char orders[2];  // of memory, by meetings in turn: a thread may come to the next before all have left this one
  static constexpr unsigned MANY = 2048;  // more than a block has

  void step(unsigned change, bool waits) {
    unsigned before = __atomic_load_n(&word, __ATOMIC_RELAXED), now;
    bool all;
    do {
      now = before + change;
      all = now % MANY == now / MANY % MANY;
      if (all) now = now - now % MANY + MANY * MANY;
    } while (!__atomic_compare_exchange_n(&word, &before, now, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    if (all) syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
    if (waits && !all)
      while ((now ^ before) / (MANY * MANY) == 0) {
        if (syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, now, &sim_patience, nullptr, 0) && errno == ETIMEDOUT) {
          std::fprintf(stderr, "threads wait for others that do not come\n");
          std::_Exit(1);
        }
        now = __atomic_load_n(&word, __ATOMIC_RELAXED);
      }
  }

 public:
  explicit SimMeeting(unsigned threads) : word(MANY * threads) {}
  void meet() {
    __threadfence();
    step(1, true);
    __threadfence();
  }
  void meet_in_order() {
    char* order = orders + __atomic_load_n(&word, __ATOMIC_RELAXED) / (MANY * MANY) % 2;
    __tsan_release(order);
    meet();
    __tsan_acquire(order);
  }
  void end() { step(-MANY, false); }  // this thread comes no more
};

struct SimWarp {
  SimMeeting barrier;
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
    barrier.end();
    for (unsigned size = 32; size; size /= 2) meeting(lane, size).end();
  }
};
static std::unique_ptr<SimMeeting> sim_threads_barrier;
static std::vector<std::unique_ptr<SimWarp>> sim_warps;

uint64_t* sim_warp_box() { return sim_warps[threadIdx.x / 32]->box; }
static SimFragments* sim_warp_fragments() { return sim_warps[threadIdx.x / 32]->fragments; }
static SimUnderWay& sim_under_way() { return sim_mine; }
void sim_block_barrier(int) { sim_threads_barrier->meet_in_order(); }
void sim_warp_barrier(unsigned, int) { sim_warps[threadIdx.x / 32]->barrier.meet_in_order(); }
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
    sim_threads_barrier = std::make_unique<SimMeeting>(n);
    sim_warps.clear();
    for (unsigned first = 0; first < n; first += 32)
      sim_warps.push_back(std::make_unique<SimWarp>(n - first < 32 ? n - first : 32));
    sim_pool.run(n, [&](unsigned i) {
      threadIdx = {i, 0, 0};
      sim_mine = {};
      kernel();
      sim_warps[i / 32]->end(i % 32);
      sim_threads_barrier->end();
    });
  }
}
