// What `byte_filter.cu` knows of the rows of a warp, and the closer look at scores that may reach a floor.
//
// Mapping    A lane has the scores of one row with 2 * PART centroids, whosever they are. Then a lane a row, whose list
//            of candidates may be filling up.
// Maths      A score, plus y times the centroid's own g, is held against the floor of the row, after all floors have
//            risen to what these scores are at least. What stays below is remembered as the row's rest: no centroid
//            that is not listed scores more, but for the likely one.
// Order      Floors only rise. A centroid that is dropped is below the floor of then, and so below the last.

#define WARPS (THREADS / 32)
#define ROWS 32
#define PART 4
#define MOST (KSTEPS ? MOST_CANDIDATES : MANY_CANDIDATES)  // many features: bytes tell less, and distances cost more
#define LISTED (MOST + MOST / 2)
#define QUEUED (32 + 2 * 32)  // a look leaves fewer than 32, and comes after two rows of each lane

#if KSTEPS
#define STAGE_PRODUCTS KSTEPS
#else
#define STAGE_PRODUCTS 8  // of a panel in shared memory at a time
#endif

struct __align__(8) Pair {
  u32 x, y;
};

// A panel, or some products of it, in shared memory.
struct Stage {
  Quad words[STAGE_PRODUCTS][PANEL / 16][32];
  float4 steps[PANEL / 2];  // t and |c'|^2 / 2 of two centroids
};

// Lanes whose best score may reach the floor.
struct Queue {
  float4 scores[2][QUEUED];  // those with the first four, and the last: side by side for lanes side by side
  int places[QUEUED];        // the row, and 32 times the first of the centroids
};

// What a warp knows of its rows, in shared memory.
struct WarpRows {
  Queue queue;
  float4 own[2][ROWS];          // the scores of the lane that has the likely centroid among its columns
  float2 listed[LISTED][ROWS];  // candidates on the way: the score at most, and the centroid
  float4 facts[ROWS];           // -1 / s, y, what floors are lowered by, not above |x'|^2
  float2 reaches[ROWS];         // y, and what it lacks of the usual reach
  float rests[ROWS], floors[ROWS];
  float likely_most[ROWS];      // what the likely centroid scores at most
  int counts[ROWS], rows[ROWS], likely[ROWS];
};

__device__ __forceinline__ int at_least_0(int value) { return value < 0 ? 0 : value; }

#define BIASED (KSTEPS && !HALVES)
#define EXACT_PARTS (!KSTEPS && HALVES ? 256 / (16 * STAGE_PRODUCTS) : 0)  // of which sums are exact; 0: of all

// What a score takes of a centroid: t, not above |c'|^2 / 2, and what takes the bias away.
struct Step {
  float t, half_norm, unbiased;
};
__device__ __forceinline__ Step step_of(float t, float half_norm) {
  return {t, half_norm, BIASED ? -ROUNDER * t : 0.0f};
}

// The score of a sum of products.
__device__ __forceinline__ float score_of(Sum sum, Step centroid, float minus_inverse) {
#if BIASED
  const float value = __int_as_float(sum);
#else
  const float value = (float)sum;
#endif
  return fmaf(value, centroid.t, fmaf(centroid.half_norm, minus_inverse, centroid.unbiased));
}
#define FIRST_SUM (Sum)(BIASED ? 0x4B400000 : 0)  // the bits of ROUNDER

// What raised scores of a row lose at most, in a panel with these `steepest`: 2**-19 of it cover the roundings.
// `reach`: the row's y, and what it lacks of the usual reach.
__device__ __forceinline__ float lost_at_most(float2 reach, float2 steepest) {
  return fmaf(reach.y, steepest.y, reach.x * steepest.x);
}

// What a score is below that cannot reach a floor if it loses so much: 2**-20 of the floor cover the roundings.
__device__ __forceinline__ float threshold_of(float floor, float lost) {
  return fmaf(fabsf(floor), -9.5367432e-7f, floor) - lost;
}

// What serves as a floor of a score that some centroid has at least. `row` as in `row_facts`.
__device__ __forceinline__ float lowered(float low, float4 row, float lost_share) {
  return low - fmaf(fabsf(low), lost_share, row.z);
}

// Raises a float in shared memory.
__device__ __forceinline__ void atomic_larger(float* at, float value) {
  value = value + 0.0f;  // of zeros, the positive one
  if (value >= 0.0f)
    atomicMax((int*)at, __float_as_int(value));
  else
    atomicMin((u32*)at, __float_as_uint(value));
}

// Drops candidates of the lane's row that are below a floor. Returns how many are left.
__device__ __forceinline__ int drop_below(WarpRows& mine, int listed, float floor) {
  const int lane = threadIdx.x % 32;
  float rest = mine.rests[lane];
  int kept = 0;
#pragma unroll 1
  for (int i = 0; i < listed; ++i) {
    const float2 one = mine.listed[i][lane];
    if (one.x < floor)
      rest = larger(rest, one.x);
    else
      mine.listed[kept++][lane] = one;
  }
  mine.rests[lane] = rest;
  return kept;
}

// What is known of the centroids.
struct Centroids {
  const float2* steps;     // t, not above |c'|^2 / 2
  const float2* measures;  // what the latter was raised by, in the other direction, and g
  int k;
};

// Raises the floor of the lane's row to what its candidates score at least.
__device__ __forceinline__ float raised_floor(const WarpRows& mine, int listed, const Centroids& centroids,
                                              float lost_share) {
  const int lane = threadIdx.x % 32;
  const float4 fact = mine.facts[lane];
  float floor = mine.floors[lane];
#pragma unroll 1
  for (int i = 0; i < listed; ++i) {
    const float2 one = mine.listed[i][lane];
    const float low = fmaf(-2.0f * fact.y, centroids.measures[__float_as_int(one.y)].y, one.x);
    floor = larger(floor, lowered(low, fact, lost_share));
  }
  return floor;
}

// A closer look at the last `count` of the queue, at most 32; all lanes.
__device__ __forceinline__ void look_closer(WarpRows& mine, int queued, int count, const Centroids& centroids,
                                            float lost_share) {
  const int lane = threadIdx.x % 32, at = queued - count + (lane < count ? lane : 0);
  __syncwarp();
  const int row = mine.queue.places[at] % 32, start = mine.queue.places[at] / 32;
  const float4 fact = mine.facts[row], first = mine.queue.scores[0][at], last = mine.queue.scores[1][at];
  const float values[2 * PART] = {first.x, first.y, first.z, first.w, last.x, last.y, last.z, last.w};
  const int skipped = mine.likely[row];
  float most[2 * PART], low = -INFINITE, rest = -INFINITE;
#pragma unroll
  for (int i = 0; i < 2 * PART; ++i) {
    const int c = start + i / 2 * 8 + i % 2;
    const float2 measures = centroids.measures[c];
    const float lost = fact.y * measures.y, score = fmaf(measures.x, fact.x, values[i]);
    const bool used = lane < count && c != skipped && c < centroids.k;
    most[i] = used ? score + lost : -INFINITE;
    low = larger(low, used ? score - lost : -INFINITE);
  }
  atomic_larger(&mine.floors[row], lowered(low, fact, lost_share));
  __syncwarp();
  const float floor = mine.floors[row];
  u32 candidates = 0;
#pragma unroll
  for (int i = 0; i < 2 * PART; ++i) {
    const int c = start + i / 2 * 8 + i % 2;
    if (lane < count && c != skipped && c < centroids.k && most[i] >= floor)
      candidates |= 1u << i;
    else
      rest = larger(rest, most[i]);
  }
  if (lane < count) atomic_larger(&mine.rests[row], rest);
  // All lanes together: else the compiler has them wait for one another before every product.
  while (__any_sync(0xffffffffu, candidates)) {
    if (candidates) {
      const int i = __ffsll((i64)candidates) - 1, c = start + i / 2 * 8 + i % 2;
      const float value = ((const float*)&mine.queue.scores[i / 4][at])[i % 4];
      const float2 measures = centroids.measures[c];
      const int slot = atomicAdd(&mine.counts[row], 1);
      const float at_most = fmaf(measures.x, fact.x, value) + fact.y * measures.y;
      if (slot < LISTED) mine.listed[slot][row] = {at_most, __int_as_float(c)};
    }
    candidates &= candidates - 1;
  }
  __syncwarp();
  // A lane a row: where the list is filling up, it is held against the floor by now.
  const int listed = mine.counts[lane];
  if (listed > LISTED / 2 && listed <= LISTED) {
    mine.floors[lane] = raised_floor(mine, listed, centroids, lost_share);
    mine.counts[lane] = drop_below(mine, listed, mine.floors[lane]);
  }
  __syncwarp();
}
