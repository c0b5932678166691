// Every CUDA thread is a fiber: it runs until it waits at a barrier. One OS thread, no preemption.
#pragma once

struct SimFiber {
  void* stack_pointer;
  unsigned thread, mask;
  int line;  // of the barrier where it waits
  enum State { READY, BLOCK, WARP, NAP, DONE } state;
  SimUnderWay under_way;
};

struct SimBlock {
  unsigned number;
  SimShared shared;
  std::vector<SimFiber> fibers;
  std::vector<uint64_t> boxes;          // 32 a warp
  std::vector<SimFragments> fragments;  // 2 a warp
  bool done;
};

static SimBlock* sim_block;
static SimFiber* sim_fiber;
static void* sim_scheduler;  // its stack pointer while a fiber runs
static const std::function<void()>* sim_kernel;
static bool sim_moved;                  // whether a thread did more than look and wait again, lately
constexpr unsigned SIM_PATIENCE = 100;  // rounds of all blocks in which none does, before that is for ever

// Saves the registers that a function has to keep on the current stack, and goes on with another. Switching costs
// nanoseconds, where ucontext asks the system each time.
extern "C" void sim_switch(void** save, void* to);
#if defined(__x86_64__)
asm(R"(
  .text
  .local sim_switch
  .type sim_switch, @function
sim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
// Words on a new stack, and which of them is where to begin; a function begins 8 bytes off 16.
constexpr size_t SIM_SAVED = 8, SIM_RETURN = 6;
#elif defined(__aarch64__)
asm(R"(
  .text
  .local sim_switch
  .type sim_switch, %function
sim_switch:
  stp x29, x30, [sp, #-160]!
  stp x19, x20, [sp, #16]
  stp x21, x22, [sp, #32]
  stp x23, x24, [sp, #48]
  stp x25, x26, [sp, #64]
  stp x27, x28, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #16]
  ldp x21, x22, [sp, #32]
  ldp x23, x24, [sp, #48]
  ldp x25, x26, [sp, #64]
  ldp x27, x28, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  ldp x29, x30, [sp], #160
  ret
)");
constexpr size_t SIM_SAVED = 20, SIM_RETURN = 1;
#else
#error "the simulator switches fibers on x86-64 and arm64 only"
#endif

static void sim_wait(SimFiber::State state, unsigned mask, int line) {
  sim_fiber->state = state;
  sim_fiber->mask = mask;
  sim_fiber->line = line;
  sim_switch(&sim_fiber->stack_pointer, sim_scheduler);
}
void sim_block_barrier(int line) { sim_wait(SimFiber::BLOCK, 0, line); }
void sim_warp_barrier(unsigned mask, int line) { sim_wait(SimFiber::WARP, mask, line); }
void sim_warp_meeting(unsigned mask, int line) { sim_wait(SimFiber::WARP, mask, line); }
void __nanosleep(unsigned) { sim_wait(SimFiber::NAP, 0, 0); }
uint64_t* sim_warp_box() { return sim_block->boxes.data() + threadIdx.x / 32 * 32; }
static SimFragments* sim_warp_fragments() { return sim_block->fragments.data() + threadIdx.x / 32 * 2; }
static SimUnderWay& sim_under_way() { return sim_fiber->under_way; }

static void sim_begin() {
  (*sim_kernel)();
  sim_wait(SimFiber::DONE, 0, 0);
  std::abort();  // nobody resumes a fiber that is done
}

constexpr size_t SIM_STACK = 1 << 16;

// Stacks are made once and kept.
static unsigned char* sim_stack(size_t number) {
  static std::vector<std::unique_ptr<unsigned char[]>> stacks;
  while (stacks.size() <= number) stacks.emplace_back(new unsigned char[SIM_STACK]);
  return stacks[number].get();
}

static void sim_open(SimBlock& block, const SimLaunch& launch, size_t first_stack,
                     const std::vector<unsigned>& sequence) {
  block.fibers.resize(launch.threads);
  block.boxes.assign((launch.threads + 31) / 32 * 32, 0);
  block.fragments.assign((launch.threads + 31) / 32 * 2, {});
  block.done = false;
  for (unsigned i = 0; i < launch.threads; ++i) {
    uintptr_t top = ((uintptr_t)sim_stack(first_stack + i) + SIM_STACK) & ~(uintptr_t)15;
    void** words = (void**)top - SIM_SAVED;
    words[SIM_RETURN] = (void*)sim_begin;
    block.fibers[i] = {words, sequence[i], 0, 0, SimFiber::READY, {}};
  }
}

// Lets waiting fibers go on where all whom they wait for have come; false if none can.
static bool sim_release(SimBlock& block) {
  const unsigned n = block.fibers.size();
  std::vector<SimFiber*> by_thread(n);
  unsigned waiting = 0, done = 0;
  int line = 0;
  for (SimFiber& fiber : block.fibers) {
    by_thread[fiber.thread] = &fiber;
    waiting += fiber.state == SimFiber::BLOCK;
    done += fiber.state == SimFiber::DONE;
  }
  bool released = false;
  if (waiting && waiting + done == n) {
    for (SimFiber& fiber : block.fibers)
      if (fiber.state == SimFiber::BLOCK) {
        if (line && fiber.line != line && sim_problem.empty())
          sim_problem = "threads of block " + std::to_string(block.number) + " wait at different barriers, lines " +
                        std::to_string(line) + " and " + std::to_string(fiber.line);
        line = fiber.line;
        fiber.state = SimFiber::READY;
      }
    released = true;
  }
  for (unsigned warp = 0; warp < n; warp += 32)
    for (unsigned lane = 0; lane < 32 && warp + lane < n; ++lane) {
      SimFiber* fiber = by_thread[warp + lane];
      if (fiber->state != SimFiber::WARP) continue;
      const unsigned mask = fiber->mask;
      const int at = fiber->line;
      bool all = true;
      for (unsigned other = 0; other < 32 && warp + other < n; ++other) {
        const SimFiber* it = by_thread[warp + other];
        const bool here = it->state == SimFiber::WARP && it->mask == mask && it->line == at;
        if (mask >> other & 1) all = all && (it->state == SimFiber::DONE || here);
      }
      if (!all) continue;
      for (unsigned other = 0; other < 32 && warp + other < n; ++other) {
        SimFiber* it = by_thread[warp + other];
        if ((mask >> other & 1) && it->state == SimFiber::WARP) it->state = SimFiber::READY;
      }
      released = true;
    }
  for (SimFiber& fiber : block.fibers)
    if (fiber.state == SimFiber::NAP) {
      fiber.state = SimFiber::READY;
      released = true;
    }
  return released;
}

// Runs every fiber of a block that can; false when none could go on.
static bool sim_turn(SimBlock& block) {
  sim_block = &block;
  blockIdx = {block.number, 0, 0};
  block.shared.enter();
  unsigned done = 0;
  for (SimFiber& fiber : block.fibers) {
    if (fiber.state == SimFiber::READY) {
      sim_fiber = &fiber;
      threadIdx = {fiber.thread, 0, 0};
      sim_switch(&sim_scheduler, fiber.stack_pointer);
      sim_moved = sim_moved || fiber.state != SimFiber::NAP;
    }
    done += fiber.state == SimFiber::DONE;
  }
  block.shared.leave();
  block.done = done == block.fibers.size();
  return block.done || sim_release(block);
}

static void sim_launch(const SimLaunch& launch, const std::function<void()>& kernel) {
  sim_kernel = &kernel;
  const std::vector<unsigned> blocks = sim_sequence(launch.blocks, launch.order);
  const std::vector<unsigned> threads = sim_sequence(launch.threads, launch.order);
  const unsigned together = launch.cooperative ? launch.blocks : 1;
  for (unsigned first = 0; first < launch.blocks; first += together) {
    std::vector<SimBlock> running;
    for (unsigned i = 0; i < together; ++i) {
      running.push_back({blocks[first + i], SimShared(launch.dynamic_bytes), {}, {}, {}, false});
      sim_open(running.back(), launch, (size_t)i * launch.threads, threads);
    }
    for (unsigned done = 0, idle = 0; done < together; idle = sim_moved ? 0 : idle + 1) {
      if (idle == SIM_PATIENCE) {
        sim_problem = "threads wait for ever for what no block that is running does";
        return;
      }
      done = 0;
      sim_moved = false;
      for (SimBlock& block : running) {
        if (!block.done && !sim_turn(block)) {
          sim_problem =
              "deadlock in block " + std::to_string(block.number) + ": a barrier that not all its threads reach";
          for (const SimFiber& fiber : block.fibers)
            if (fiber.line) {
              sim_problem += ", line " + std::to_string(fiber.line);
              break;
            }
          return;
        }
        done += block.done;
      }
    }
  }
}
