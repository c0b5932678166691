// What tensor cores do, and copies that take place late: products of bytes and of halves by a whole warp.
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
static SimFragments* sim_warp_fragments();  // two
static SimUnderWay& sim_under_way();

static int sim_plus_products(int c, const unsigned* a, const unsigned* b, int) {
  signed char of_a[32], of_b[32];
  std::memcpy(of_a, a, 32);
  std::memcpy(of_b, b, 32);
  int sum = 0;
  for (int k = 0; k < 32; ++k) sum += of_a[k] * of_b[k];
  return (int)((unsigned)c + (unsigned)sum);
}

// All that is added is aligned to the largest of it, and cut off below so many bits. Kernels rely on 24, and to lose
// any of what they add is an error of theirs. With another number it is not: to see a GPU of fewer bits found out.
static float sim_plus_products(float c, const unsigned* a, const unsigned* b, int line) {
  double terms[17] = {c}, largest = std::fabs(c), sum = 0.0, exact = 0.0;
  for (int k = 0; k < 16; ++k) {
    const auto of = [k](const unsigned* words) { return float_of_half((unsigned short)(words[k / 2] >> k % 2 * 16)); };
    terms[1 + k] = (double)of(a) * of(b);
    largest = std::fmax(largest, std::fabs(terms[1 + k]));
  }
  if (!(largest > 0.0)) return 0.0f;
  const auto unit_of = [](double most) { return std::ldexp(1.0, std::ilogb(most) - (sim_accumulator_bits - 1)); };
  const auto cut = [](double value, double unit) { return std::trunc(value / unit) * unit; };
  const double unit = unit_of(largest);
  for (const double term : terms) sum += cut(term, unit), exact += term;
  if (sum) sum = cut(sum, unit_of(sum));
  if (sim_accumulator_bits == 24 && sum != exact) sim_report("a sum of halves loses bits", line);
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
static void sim_product(Sum (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, const Sum (&c)[4], int line) {
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
void sim_multiply(int (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, const int (&c)[4], int line) {
  sim_product(d, a, b0, b1, c, line);
}
void sim_multiply(float (&d)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, const float (&c)[4], int line) {
  sim_product(d, a, b0, b1, c, line);
}

// The bytes are copied when they are waited for. Until then, and for ever if they are not, garbage is there.
void sim_copy_16_later(void* to_shared, const void* from_global, int line) {
  if (((uintptr_t)to_shared | (uintptr_t)from_global) % 16)
    return sim_report("a copy of 16 bytes from or to an address that is no multiple of 16", line);
  if (!sim_is_shared(to_shared)) return sim_report("a copy to what is not shared memory", line);
  std::memset(to_shared, SIM_GARBAGE, 16);
  sim_under_way().copies.push_back({to_shared, from_global, sim_under_way().groups});
}
void commit_copies() { ++sim_under_way().groups; }
void sim_wait_for_copies(unsigned pending_groups) {
  SimUnderWay& mine = sim_under_way();
  std::erase_if(mine.copies, [&](const SimUnderWay::Copy& copy) {
    const bool now = copy.group + pending_groups < mine.groups;
    if (now) std::memcpy(copy.to, copy.from, 16);
    return now;
  });
}
