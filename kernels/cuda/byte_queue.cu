// What `byte_filter.cu` knows of the rows of a warp, and the closer look at scores that may reach a floor.
//
// Mapping    A lane has the scores of one row with 2 * PART centroids, whosever they are. Then a lane a row, whose list
//            of candidates may be filling up.
// Maths      A score, plus y times the centroid's own g, is held against the floor of the row, after all floors have
//            risen to what these scores are at least. What stays below is remembered as the row's rest: no centroid
//            that is not listed scores more.
// Order      Floors only rise. A centroid that is dropped is below the floor of then, and so below the last.

#define WARPS (THREADS / 32)
#define ROWS 32
#define PART 4
#define MOST (KSTEPS ? MOST_CANDIDATES : MANY_CANDIDATES)  // many features: bytes tell less, and distances cost more
#define LISTED (MOST + MOST / 4)
#define QUEUED (32 + 4 * 32)  // a look leaves fewer than 32, and comes after four rows of each lane

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

// A lane whose best score may reach the floor: the scores of one row with 2 * PART centroids.
struct Queue {
  float4 scores[2][QUEUED];  // those with the first four, and the last: side by side for lanes side by side
  int places[QUEUED];  // the row, and 32 times the first of the centroids
};

// What a warp knows of its rows, in shared memory.
struct WarpRows {
  Queue queue;
  float2 listed[LISTED][ROWS];  // candidates on the way: the score at most, and the centroid
  float4 facts[ROWS];           // -1 / s, y, what floors are lowered by, not above |x'|^2
  float rests[ROWS], floors[ROWS];
  int counts[ROWS], rows[ROWS];
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

__device__ __forceinline__ float largest_of_quad(float value) {
  value = larger(value, __shfl_xor_sync(0xffffffffu, value, 1));
  return larger(value, __shfl_xor_sync(0xffffffffu, value, 2));
}

// A closer look at the last `count` of the queue, at most 32; all lanes.
__device__ __forceinline__ void look_closer(WarpRows& mine, int first, int count, const float* slopes, int k,
                                            float lost_share) {
  const int lane = threadIdx.x % 32;
  __syncwarp();
  const int at = lane < count ? first + lane : first, row = mine.queue.places[at] % 32;
  const int start = mine.queue.places[at] / 32;
  const float4 fact = mine.facts[row], half = mine.queue.scores[0][at], rest_of = mine.queue.scores[1][at];
  const float scores[2 * PART] = {half.x, half.y, half.z, half.w, rest_of.x, rest_of.y, rest_of.z, rest_of.w};
  float most[2 * PART], low = -INFINITE, rest = -INFINITE;
#pragma unroll
  for (int i = 0; i < 2 * PART; ++i) {
    const float slope = slopes[start + i / 2 * 8 + i % 2], score = scores[i];
    most[i] = fmaf(fact.y, slope, score);
    low = larger(low, fmaf(-fact.y, slope, score));
  }
  atomic_larger(&mine.floors[row], lowered(low, fact, lost_share));
  __syncwarp();
  if (lane < count) {
    const float floor = mine.floors[row];
#pragma unroll
    for (int i = 0; i < 2 * PART; ++i) {
      const int c = start + i / 2 * 8 + i % 2;
      if (most[i] >= floor && c < k) {
        const int slot = atomicAdd(&mine.counts[row], 1);
        if (slot < LISTED) mine.listed[slot][row] = {most[i], __int_as_float(c)};
      } else {
        rest = larger(rest, most[i]);
      }
    }
    atomic_larger(&mine.rests[row], rest);
  }
  __syncwarp();
  // A lane a row: where the list is filling up, it is held against the floor by now.
  const int listed = mine.counts[lane];
  if (listed > LISTED / 2 && listed <= LISTED) {
    float floor = mine.floors[lane], rest = mine.rests[lane];
    for (int i = 0; i < listed; ++i) {
      const float2 one = mine.listed[i][lane];
      const float low = fmaf(-2.0f * mine.facts[lane].y, slopes[__float_as_int(one.y)], one.x);
      floor = larger(floor, lowered(low, mine.facts[lane], lost_share));
    }
    int kept = 0;
    for (int i = 0; i < listed; ++i) {
      const float2 one = mine.listed[i][lane];
      if (one.x < floor)
        rest = larger(rest, one.x);
      else
        mine.listed[kept++][lane] = one;
    }
    mine.counts[lane] = kept;
    mine.rests[lane] = rest;
    mine.floors[lane] = floor;
  }
  __syncwarp();
}
