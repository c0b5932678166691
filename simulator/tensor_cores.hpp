// What `kernels/cuda/tensor_cores.cu` has on a GPU: products of bytes by a whole warp, and copies that take place late.
#pragma once

// The operands of a product, put together from the words of all lanes.
struct alignas(64) SimFragments {
  signed char a[16][32], b[8][32];  // a row of A, a column of B
  unsigned product[32];             // which product each lane has brought its words for
};

// Copies that a thread has under way, and how many products it has taken part in.
struct SimUnderWay {
  struct Copy {
    void* to;
    const void* from;
    unsigned group;
  };
  std::vector<Copy> copies;
  unsigned groups = 0, products = 0;
};

// Of the engine.
static inline int sim_lane();
static inline void sim_warp_barrier(unsigned mask, int line);
static inline SimFragments* sim_warp_fragments();  // two
static inline SimUnderWay& sim_under_way();

static inline int sim_dot(const signed char* a, const signed char* b) {
  int sum = 0;
  for (int k = 0; k < 32; ++k) sum += a[k] * b[k];
  return sum;
}

// One barrier is enough: the next product has the other place, and whoever writes to this one again has met all lanes
// at the barrier of that product, after they had read this one.
static inline void multiply_bytes(int (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, const int (&c)[4],
                                  SIM_LINE) {
  const unsigned product = ++sim_under_way().products;
  SimFragments& all = sim_warp_fragments()[product % 2];
  const int lane = sim_lane(), g = lane / 4, q = lane % 4;
  for (int i = 0; i < 4; ++i) std::memcpy(all.a[g + i % 2 * 8] + i / 2 * 16 + 4 * q, &a[i], 4);
  std::memcpy(all.b[g] + 4 * q, &b0, 4);
  std::memcpy(all.b[g] + 16 + 4 * q, &b1, 4);
  all.product[lane] = product;
  sim_warp_barrier(~0u, line);
  if (all.product[(lane + 1) % 32] != product) sim_report("a product of bytes without all lanes", line);
  for (int i = 0; i < 4; ++i)
    d[i] = (int)((unsigned)c[i] + (unsigned)sim_dot(all.a[g + i / 2 * 8], all.b[2 * q + i % 2]));
}

// The bytes are copied when they are waited for. Until then, and for ever if they are not, garbage is there.
static inline void copy_16_async(void* to_shared, const void* from_global, SIM_LINE) {
  if (((uintptr_t)to_shared | (uintptr_t)from_global) % 16)
    return sim_report("a copy of 16 bytes from or to an address that is no multiple of 16", line);
  if (!sim_is_shared(to_shared)) return sim_report("a copy to what is not shared memory", line);
  std::memset(to_shared, SIM_GARBAGE, 16);
  sim_under_way().copies.push_back({to_shared, from_global, sim_under_way().groups});
}
static inline void commit_copies() { ++sim_under_way().groups; }
template <int PENDING>
static inline void wait_for_copies() {
  SimUnderWay& mine = sim_under_way();
  std::erase_if(mine.copies, [&](const SimUnderWay::Copy& copy) {
    const bool now = copy.group + PENDING < mine.groups;
    if (now) std::memcpy(copy.to, copy.from, 16);
    return now;
  });
}

static inline int __dp4a(int a, int b, int sum) {
  signed char of_a[4], of_b[4];
  std::memcpy(of_a, &a, 4);
  std::memcpy(of_b, &b, 4);
  for (int i = 0; i < 4; ++i) sum = (int)((unsigned)sum + (unsigned)(of_a[i] * of_b[i]));
  return sum;
}
