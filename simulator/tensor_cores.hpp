// What `kernels/cuda/tensor_cores.cu` has on a GPU: products of bytes and of halves by a whole warp, and copies that
// take place late.
#pragma once

// The operands of a product, put together from the words of all lanes.
struct alignas(64) SimFragments {
  unsigned a[16][8], b[8][8];  // a row of A, a column of B: 32 bytes or 16 halves
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
static inline void sim_warp_meeting(unsigned mask, int line);
static inline SimFragments* sim_warp_fragments();  // two
static inline SimUnderWay& sim_under_way();

static inline int sim_plus_products(int c, const unsigned* a, const unsigned* b, int) {
  signed char of_a[32], of_b[32];
  std::memcpy(of_a, a, 32);
  std::memcpy(of_b, b, 32);
  int sum = 0;
  for (int k = 0; k < 32; ++k) sum += of_a[k] * of_b[k];
  return (int)((unsigned)c + (unsigned)sum);
}

// All that is added is aligned to the largest of it, and cut off below so many bits. Kernels rely on 24, and to lose
// any of what they add is an error of theirs. With another number it is not: to see a GPU of fewer bits found out.
#ifndef SIM_ACCUMULATOR_BITS
#define SIM_ACCUMULATOR_BITS 24
#endif
static inline float sim_plus_products(float c, const unsigned* a, const unsigned* b, int line) {
  double terms[17] = {c}, largest = std::fabs(c), sum = 0.0, exact = 0.0;
  for (int k = 0; k < 16; ++k) {
    const auto of = [k](const unsigned* words) { return float_of_half((unsigned short)(words[k / 2] >> k % 2 * 16)); };
    terms[1 + k] = (double)of(a) * of(b);
    largest = std::fmax(largest, std::fabs(terms[1 + k]));
  }
  if (!(largest > 0.0)) return 0.0f;
  const auto cut = [](double value, double most) {
    const double unit = std::ldexp(1.0, std::ilogb(most) - (SIM_ACCUMULATOR_BITS - 1));
    return std::trunc(value / unit) * unit;
  };
  for (const double term : terms) sum += cut(term, largest), exact += term;
  if (sum) sum = cut(sum, sum);
  if (SIM_ACCUMULATOR_BITS == 24 && sum != exact) sim_report("a sum of halves loses bits", line);
  return (float)sum;
}

// A row of A, or a column of B, as other lanes put it there.
struct SimLine {
  unsigned words[8];
  explicit SimLine(const unsigned (&from)[8]) {
    for (int w = 0; w < 8; ++w) words[w] = sim_get(from[w]);
  }
};

// One meeting is enough: the next product has the other place, and whoever writes to this one again has met all lanes
// in that product, after they had read this one.
template <class Sum>
static inline void sim_multiply(Sum (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, const Sum (&c)[4],
                                int line) {
  const unsigned product = ++sim_under_way().products;
  SimFragments& all = sim_warp_fragments()[product % 2];
  const int lane = sim_lane(), g = lane / 4, q = lane % 4;
  for (int i = 0; i < 4; ++i) sim_put(all.a[g + i % 2 * 8][i / 2 * 4 + q], a[i]);
  sim_put(all.b[g][q], b0);
  sim_put(all.b[g][4 + q], b1);
  sim_put(all.product[lane], product);
  sim_warp_meeting(~0u, line);
  if (sim_get(all.product[(lane + 1) % 32]) != product) sim_report("a product without all lanes", line);
  const SimLine rows[2] = {SimLine(all.a[g]), SimLine(all.a[g + 8])};
  const SimLine columns[2] = {SimLine(all.b[2 * q]), SimLine(all.b[2 * q + 1])};
  for (int i = 0; i < 4; ++i) d[i] = sim_plus_products(c[i], rows[i / 2].words, columns[i % 2].words, line);
}
static inline void multiply_bytes(int (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, const int (&c)[4],
                                  SIM_LINE) {
  sim_multiply(d, a, b0, b1, c, line);
}
static inline void multiply_halves(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, const float (&c)[4],
                                   SIM_LINE) {
  sim_multiply(d, a, b0, b1, c, line);
}

static inline void prefetch(const void*) {}

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
