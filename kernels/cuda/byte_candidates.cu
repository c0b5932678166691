// The rows that the byte filter leaves several candidates: certified float32 scores, then the contract's D.
//
// Mapping    A warp takes the candidates of up to 32 rows, some lanes a candidate, two candidates at a time. Then a
//            lane a row decides.
// Precision  As in `assign.cu`: a row whose best score leads by its margin is settled. Of the others, D is measured to
//            each candidate whose score comes into question; a lane a candidate.
// Ties       Equal D: the lowest index. A tie is never certified.
// Cost       Of rows with several candidates X, and d fused operations a candidate.

#define ENTRIES 256  // candidates that a warp takes at a time
#define WARPS (THREADS / 32)

// Four features of a row, in one load.
struct __align__(4 * sizeof(stored)) Four {
  stored at[4];
};

// A lane's shares of x'c' for two pairs, whose loads are under way together.
__device__ __forceinline__ void shares_of_products(const stored* const (&x)[2], const float* const (&c)[2],
                                                   const real* shift, real scale, int d, int lane, int lanes,
                                                   float (&sums)[2]) {
  sums[0] = sums[1] = 0.0f;
  if (sizeof(real) == 4 && d % 4 == 0 && ((u64)x[0] | (u64)x[1]) % sizeof(Four) == 0) {
#pragma unroll 2
    for (int j = 4 * lane; j < d; j += 4 * lanes) {
      const float4 by = *(const float4*)(shift + j);
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const Four four = *(const Four*)(x[i] + j);
        const float4 to = *(const float4*)(c[i] + j);
        sums[i] = fmaf(framed(value_of(four.at[0]), by.x, scale), to.x, sums[i]);
        sums[i] = fmaf(framed(value_of(four.at[1]), by.y, scale), to.y, sums[i]);
        sums[i] = fmaf(framed(value_of(four.at[2]), by.z, scale), to.z, sums[i]);
        sums[i] = fmaf(framed(value_of(four.at[3]), by.w, scale), to.w, sums[i]);
      }
    }
  } else {
#pragma unroll 1
    for (int j = lane; j < d; j += lanes)
#pragma unroll
      for (int i = 0; i < 2; ++i) sums[i] = fmaf(framed(value_of(x[i][j]), shift[j], scale), c[i][j], sums[i]);
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, 2) settle_candidates(
    const stored* __restrict__ X,          // IN    (n, d)
    i64 n, int d,
    const double* __restrict__ centroids,  // IN    (k, d)
    const float* __restrict__ moved,       // IN    (k, d) c'
    const float* __restrict__ half_norms,  // IN    as for `assign`, as the next four
    const real* __restrict__ shift,
    real scale,
    const float* __restrict__ norms,
    float of_norm, float of_half_norm, float added,
    const int* __restrict__ listed,        // IN    (n,) rows with several candidates
    const int* __restrict__ candidates,    // IN    (n, 1 + most) how many, and which
    int most,                              //       of a row
    int* labels,                           // INOUT (n,)
    float* upper,                          // OUT   (n,) bounds, or null
    float* lower,                          // INOUT (n,) not above the distance to any that is no candidate
    i64* counters,                         // INOUT rows changed, -, -, -, -, -, how many are listed
    const int* halted
) {
  __shared__ double all_distances[WARPS][ENTRIES];  // scores at first
  __shared__ int all_candidates[WARPS][ENTRIES];
  __shared__ unsigned char all_rows[WARPS][ENTRIES];
  if (*halted) return;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  double* distances = all_distances[warp];
  int* candidate_of = all_candidates[warp];
  unsigned char* lane_of = all_rows[warp];
  const int lanes = d > 16 ? 8 : 4, abreast = 32 / lanes;  // of a candidate; candidates
  const int places = ENTRIES / most < 32 ? ENTRIES / most : 32;  // rows at a time
  const i64 rows = counters[6];
  int changed = 0;
  for (i64 first = ((i64)blockIdx.x * WARPS + warp) * places; first < rows; first += (i64)gridDim.x * WARPS * places) {
    const i64 place = first + lane;
    const int* own = candidates + place * (1 + most);
    const int count = lane < places && place < rows ? own[0] : 0;
    int before = count;  // candidates of the lanes up to this one
    for (int step = 1; step < 32; step <<= 1) {
      const int other = __shfl_sync(0xffffffffu, before, lane - step);
      if (lane >= step) before += other;
    }
    const int all = __shfl_sync(0xffffffffu, before, 31);
    if (!all) continue;
    before -= count;
    const i64 row = count ? listed[place] : 0;
    __syncwarp();  // the rows before are done with
#pragma unroll 4
    for (int i = 0; i < count; ++i) {
      lane_of[before + i] = (unsigned char)lane;
      candidate_of[before + i] = own[1 + i];
    }
    __syncwarp();
    for (int start = 0; start < all; start += 2 * abreast) {
      int at[2], candidate[2];
      const stored* x[2];
      const float* c[2];
      float sums[2];
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        at[i] = start + i * abreast + lane / lanes;
        const int item = at[i] < all ? at[i] : all - 1;
        candidate[i] = candidate_of[item];
        x[i] = X + __shfl_sync(0xffffffffu, row, lane_of[item]) * d;
        c[i] = moved + (i64)candidate[i] * d;
      }
      shares_of_products(x, c, shift, scale, d, lane % lanes, lanes, sums);
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        for (int step = lanes / 2; step; step >>= 1) sums[i] += __shfl_xor_sync(0xffffffffu, sums[i], step);
        if (lane % lanes == 0 && at[i] < all) distances[at[i]] = half_norms[candidate[i]] + sums[i];
      }
    }
    __syncwarp();
    int label = NO_CANDIDATE;
    bool settled = true;
    if (count) {
      float best = -INFINITE, second = -INFINITE;
      for (int i = 0; i < count; ++i) {
        const float score = (float)distances[before + i];
        const bool better = score > best;  // never of a NaN
        second = larger(second, better ? best : score);
        if (better) best = score, label = candidate_of[before + i];
      }
      const float norm = norms[row];
      const float half_norm = label == NO_CANDIDATE ? 0.0f : half_norms[label];
      const float margin = margin_of(norm, half_norm, of_norm, of_half_norm, added);
      const bool tame = norm < TAME && best > -TAME;
      settled = tame && best - second > margin;
      if (upper) {
        const float outside = lower[row];
        write_bounds({upper, lower}, row, best, larger(second, -10 * TAME), norm, margin, d, !settled);
        if (settled) lower[row] = smaller(lower[row], outside);
      }
      const float threshold = tame ? best - margin : -INFINITE;
      for (int i = 0; i < count; ++i)
        distances[before + i] = settled || distances[before + i] < threshold ? INFINITE : -1.0;
    }
    if (__any_sync(0xffffffffu, !settled)) {
      __syncwarp();
      for (int start = 0; start < all; start += 32) {
        const int at = start + lane < all ? start + lane : all - 1;
        const i64 one = __shfl_sync(0xffffffffu, row, lane_of[at]);
        if (start + lane < all && distances[at] == -1.0)
          distances[at] = squared_distance(X + one * d, centroids + (i64)candidate_of[at] * d, d);
      }
      __syncwarp();
      if (!settled) {
        double least = INFINITE;
        label = NO_CANDIDATE;
        for (int i = 0; i < count; ++i) {
          const double distance = distances[before + i];
          const int candidate = candidate_of[before + i];
          if (distance < least || (distance == least && candidate < label)) least = distance, label = candidate;
        }
      }
    }
    if (count && labels[row] != label) {
      labels[row] = label;
      ++changed;
    }
  }
  changed = warp_sum(changed);
  if (lane == 0 && changed) atomic_add(counters, changed);
}
