// Scores in fine codes too, for `byte_filter.cu`: of the centroid that is likely near a row, and of the candidates that
// coarse codes have left. Few rows keep more than one.
//
// Mapping    Four lanes a pair, each with the words of a fragment that are its own (`tensor_cores.cu`).
// Maths      docs/numerics.md, section 6: what codes and fine codes leave of row and centroid bounds what is lost.
// Cost       From cache 4 d bytes a pair, and d / 4 instructions a lane.

struct FineScore {
  float low, high;  // bounds of the score, in units of s
};

// What fine codes are of, and what they lose.
struct FineCodes {
  const u32 *words, *fine_words;          // of the centroids
  const u32 *row_words, *row_fine_words;
  int products, d;
  float share;                            // `fine_share` of `byte_filter`
  float inverse_ratio;
};

// Where the words of a lane begin, q being its place among four: of a row, and of a centroid.
__device__ __forceinline__ i64 words_of_row(u32 row, u32 q, u32 products) {
  return (i64)((u64)(row / 16) * (products * 128)) + (row % 8 * 4 + q) * 4 + row / 8 % 2;
}
__device__ __forceinline__ i64 words_of_centroid(u32 c, u32 q, u32 products) {
  const u32 in_panel = c % PANEL / 16 * 128 + (c % 8 * 4 + q) * 4 + c / 8 % 2 * 2;
  return (i64)((u64)(c / PANEL) * (products * (PANEL * 8))) + in_panel;
}

// The score of a row with centroid c by their product in codes and fine codes. `fact` as in `row_facts`.
__device__ __forceinline__ FineScore fine_score(float product, float4 fact, int c, const Centroids& centroids,
                                                const FineCodes& codes) {
  const float2 centroid = centroids.steps[c];
  // What is left of row and centroid is at most `share` long, in units of s and of t.
  const float norm = centroids.measures[c].y * codes.inverse_ratio;  // not below |c'|
  const float rests = FINER * codes.share;                   // and not below the norm of what a code leaves
  const float left = codes.share * fmaf(fact.y + rests, centroid.x, norm) +
                     FineProduct::lost(codes.d) * (fact.y + rests) * fmaf(2.0f * rests, centroid.x, norm);
  const float lost = fmaf(fabsf(product) * centroid.x, 9.5367432e-7f, left);  // 2**-20
  const float score = fmaf(product, centroid.x, centroid.y * fact.x);
  return {score - lost, score + lost};
}

// Looks at the candidates of all rows in fine codes: floors rise, and what a candidate scores at most falls. A lane a
// row, of which the first `count` in its list are looked at.
__device__ __forceinline__ void look_in_fine_codes(WarpRows& mine, int count, const Centroids& centroids,
                                                   const FineCodes& codes, float lost_share) {
  const int lane = threadIdx.x % 32, q = lane % 4;
  int before = count;  // candidates of the lanes up to this one
#pragma unroll
  for (int step = 1; step < 32; step <<= 1) {
    const int other = __shfl_sync(0xffffffffu, before, lane - step);
    if (lane >= step) before += other;
  }
  const int all = __shfl_sync(0xffffffffu, before, 31);
  if (!all) return;
  unsigned short* const items = (unsigned short*)mine.queue.scores;  // the queue is empty by now
  static_assert(LISTED * ROWS * sizeof(*items) <= sizeof(mine.queue.scores), "candidates take the room of the queue");
#pragma unroll 1
  for (int i = 0; i < count; ++i) items[before - count + i] = (unsigned short)(i * ROWS + lane);
  __syncwarp();
#pragma unroll 1
  for (int start = 0; start < all; start += 8) {
    const int at = start + lane / 4, item = items[at < all ? at : all - 1], r = item % ROWS;
    const int c = __float_as_int(mine.listed[item / ROWS][r].y);
    const i64 of_row = words_of_row(mine.rows[r], q, codes.products);
    const i64 of_centroid = words_of_centroid(c, q, codes.products);
    FineProduct product;
#if KSTEPS
#pragma unroll
#else
#pragma unroll 2
#endif
    for (int p = 0; p < (KSTEPS ? KSTEPS : codes.products); ++p) {
      const Pair by = *(const Pair*)(codes.words + of_centroid + (i64)p * (PANEL * 8));
      const Pair finer = *(const Pair*)(codes.fine_words + of_centroid + (i64)p * (PANEL * 8));
      const u32 *x = codes.row_words + of_row + p * 128, *fine_x = codes.row_fine_words + of_row + p * 128;
      product.add(x[0], fine_x[0], by.x, finer.x);
      product.add(x[2], fine_x[2], by.y, finer.y);
    }
    const float sum = product.total();
    const float4 fact = mine.facts[r];
    const FineScore score = fine_score(sum, fact, c, centroids, codes);
    if (q == 0 && at < all) {
      mine.listed[item / ROWS][r].x = smaller(mine.listed[item / ROWS][r].x, score.high);
      atomic_larger(&mine.floors[r], larger(lowered(score.low, fact, lost_share), -INFINITE));  // no NaN
    }
  }
  __syncwarp();
}
