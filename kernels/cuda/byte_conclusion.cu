// What `byte_filter.cu` concludes when a warp's rows have been scored with all centroids.
//
// Mapping    A lane a row; for candidates in fine codes four lanes a pair.
// Maths      Of the candidates on the way, of the likely centroid and of those beside it, the ones that may still reach
//            the floor are left. One: it is the label, and the floor and the best of the others are bounds. Several:
//            they are listed for `byte_candidates.cu`. More than there is room for: the row is scored in float32.
// Order      None: places in lists are given out as warps come, and nothing depends on them.

// What is written.
struct Found {
  int* labels;                 // (n,)
  float *upper, *lower;        // (n,) bounds, or null
  int *several, *candidates;   // as for `byte_filter`, as the next two
  int* overflowed;
  Open* open;
  float of_norm;               // the part of |x'|^2 in a margin
  i64* counters;
};

// The columns of the lane that had the likely centroid of a row, a lane a row: they are put into the queue where
// another of them may reach the floor. Returns how many are in the queue.
__device__ __forceinline__ int queue_beside_likely(WarpRows& mine, int queued, int near, const float2* steepest) {
  const int lane = threadIdx.x % 32;
  const u32 likely_or_0 = at_least_0(near);
  const int start = likely_or_0 / (8 * PART) * (8 * PART) + likely_or_0 % 8 / 2 * 2;
  const float4 first = mine.own[0][lane], last = mine.own[1][lane];
  const float values[2 * PART] = {first.x, first.y, first.z, first.w, last.x, last.y, last.z, last.w};
  float best = -INFINITE;
#pragma unroll
  for (int i = 0; i < 2 * PART; ++i)
    if (start + i / 2 * 8 + i % 2 != near) best = larger(best, values[i]);
  const float lost = lost_at_most(mine.reaches[lane], steepest[likely_or_0 / PANEL]);
  const bool wanted = near >= 0 && !(best < threshold_of(mine.floors[lane], lost));
  if (near >= 0 && !wanted) mine.rests[lane] = larger(mine.rests[lane], best + lost);
  const u32 these = __ballot_sync(0xffffffffu, wanted);
  if (wanted) {
    const int at = queued + __popc(these & ((1u << lane) - 1));
    mine.queue.scores[0][at] = first;
    mine.queue.scores[1][at] = last;
    mine.queue.places[at] = start * 32 + lane;
  }
  return queued + __popc(these);
}

// `place` is negative for lanes without a row of their own. `near` is the likely centroid, or negative.
__device__ __forceinline__ void conclude_rows(WarpRows& mine, int queued, i64 place, int near, int label,
                                              const Centroids& centroids, const float2* steepest,
                                              const FineCodes& codes, float lost_share, const Found& found, i64 n,
                                              int d, int& changed, int& overflows) {
  const int lane = threadIdx.x % 32;
  const bool inside = place >= 0;
  queued = queue_beside_likely(mine, queued, near, steepest);
#pragma unroll 1
  while (queued) {
    const int many = queued < 32 ? queued : 32;
    look_closer(mine, queued, many, centroids, lost_share);
    queued -= many;
  }

  // What the floors leave by now; then in fine codes, where the row has not one candidate only.
  const int row = mine.rows[lane], count = mine.counts[lane], listed = count < LISTED ? count : LISTED;
  const float4 fact = mine.facts[lane];
  float floor = mine.floors[lane] = raised_floor(mine, listed, centroids, lost_share);
  int kept = drop_below(mine, listed, floor);
  const float likely_most = mine.likely_most[lane];
  const auto likely_is_left = [&]() { return near >= 0 && !(likely_most < floor); };
  const bool open_yet = count <= LISTED && kept + likely_is_left() > 1;
  __syncwarp();
  look_in_fine_codes(mine, open_yet ? kept : 0, centroids, codes, lost_share);
  floor = mine.floors[lane];
  kept = drop_below(mine, kept, floor);
  float rest = mine.rests[lane];
  const bool likely_left = likely_is_left();
  if (!likely_left) rest = larger(rest, likely_most);
  const int left = kept + likely_left, nearest = likely_left ? near : __float_as_int(mine.listed[0][lane].y);
  const float tiny = 7.8886091e-31f;  // 2**-100
  const bool overflow = count > LISTED || left > MOST || left == 0 || !(fact.y < INFINITE);
  const bool has_several = inside && !overflow && left > 1;
  if (const u32 these = __ballot_sync(0xffffffffu, has_several)) {
    u64 at = lane == 0 ? atomicAdd((u64*)(found.counters + 6), (u64)__popc(these)) : 0;
    at = __shfl_sync(0xffffffffu, at, 0) + __popc(these & ((1u << lane) - 1));
    if (has_several) {
      int* const own = found.candidates + (i64)at * (1 + MOST);
      found.several[at] = row;
      own[0] = left;
#pragma unroll 1
      for (int i = 0; i < kept; ++i) own[1 + i] = __float_as_int(mine.listed[i][lane].y);
      if (likely_left) own[1 + kept] = near;
    }
  }
  if (inside) {
    if (overflow) {
      const u64 at = atomicAdd((u64*)(found.counters + 5), 1ull);
      // What the nearest centroid scores in float32, at least.
      const float least = floor * (-1.0f / fact.x);
      const float threshold = least - fmaf(fabsf(least), 9.5367432e-7f, fmaf(fact.w, found.of_norm, tiny));
      found.overflowed[at] = row;
      found.open[place_of_scan(at, n)] = {row, __float_as_int(fact.y < INFINITE ? threshold : -INFINITE), -1};
      if (found.upper) found.upper[row] = INFINITE, found.lower[row] = -1.0f;  // unless `assign` finds some
      ++overflows;
    } else if (left == 1 && nearest != label) {
      found.labels[row] = nearest;
      ++changed;
    }
    if (found.upper && !overflow) {
      const float s = -1.0f / fact.x, twice = 2.0f * floor * s, others = 2.0f * rest * s;
      const float part = (d + 64) * 2.3841858e-7f;  // 2**-22
      const float above = fact.w - twice + fmaf(fact.w + fabsf(twice), part, tiny);
      const float below = fact.w - others - fmaf(fact.w + fabsf(others), part, tiny);
      found.upper[row] = fmaf(sqrtf(larger(above, 0.0f)), 1.000001f, tiny);
      // Scores far below 0 overflow: -INFINITE is of no centroid only where none is left.
      const float other = left == centroids.k ? INFINITE : -1.0f;
      found.lower[row] = rest > -INFINITE ? fmaf(sqrtf(larger(below, 0.0f)), 0.999999f, -tiny) : other;
    }
  }
}
