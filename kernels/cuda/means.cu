// From the sums of a cluster to its next centroid, ready for scoring, and to what all clusters come to together.
//
// Mapping    A warp a cluster, its lanes over the features; a block concludes.
// Maths      A score is too large by at most gamma |c'|^2 + zeta, which is put into the half norm. Otherwise it is off
//            by alpha |x'|^2 on either side: the margins of `assign`. `kmeans_fast.backends.cuda.scorers.frame` has the
//            bound. The inertia of the labels with the old centroids needs no pass over X: sum w |x - c|^2 =
//            sum w |x - m|^2 - 2 (c - m)(S - W m) + W |c - m|^2 for a cluster of sum S and weight W and any point m.
// Precision  Means are float64 quotients of exact sums rounded once, rounded to X's dtype. Shifts are the contract's D,
//            and their sum is exact.
// Cost       O(k d).

struct Frame {
  const real* shift;  // (d,)
  double scale, gamma, zeta;
};

struct Packed {
  float* panels;      // (panels, d, panel); null: rows are scored without
  float* half_norms;  // (panels * panel,)
  int panel;          // centroids a panel
};

// One feature of a centroid into its panel; its part of |c'|^2.
__device__ __forceinline__ double pack_feature(double value, i64 c, int j, int d, const Frame& frame,
                                               const Packed& packed) {
  const double moved = (value - (double)frame.shift[j]) * frame.scale;
  packed.panels[panel_place(c, j, d, packed.panel)] = (float)moved;
  return moved * moved;
}

__device__ __forceinline__ void pack_norm(double norm, i64 c, const Frame& frame, const Packed& packed) {
  packed.half_norms[c] = (float)(-(0.5 - frame.gamma) * norm + frame.zeta);
}

// A centroid as it is; all lanes of a warp.
__device__ __forceinline__ void pack_centroid(const double* centroids, i64 c, int d, const Frame& frame,
                                              const Packed& packed) {
  double norm = 0.0;
  for (int j = threadIdx.x % 32; j < d; j += 32) norm += pack_feature(centroids[c * d + j], c, j, d, frame, packed);
  norm = warp_sum(norm);
  if (threadIdx.x % 32 == 0) pack_norm(norm, c, frame, packed);
}

// How far a centroid moved, in the frame and not less; of the largest shift, the farthest.
__device__ __forceinline__ float drift_of(double squared_shift, double scale) {
  return (float)(sqrt(squared_shift) * scale) * 1.000001f + 7.8886091e-31f;
}

__device__ __forceinline__ double weight_of(const i64* cells, const i64* counts, i64 cluster, int d, int weighted,
                                            Limbs limbs) {
  return weighted ? rounded_sum(cells, cluster, d, limbs) : (double)counts[cluster];
}

// The cluster of the largest weight, the lowest of equals; every lane computes it.
__device__ int heaviest_cluster(const i64* cells, const i64* counts, int k, int d, int weighted, Limbs limbs) {
  int heaviest = 0;
  double largest = -1.0;
#pragma unroll 1
  for (int c = 0; c < k; ++c) {
    const double weight = weight_of(cells, counts, c, d, weighted, limbs);
    if (weight > largest) largest = weight, heaviest = c;
  }
  return heaviest;
}

// What the host reads of an iteration, in this order.
#define CHANGED 0
#define RECHECKED 1
#define SCORED 2
#define EMPTY 3
#define SQUARED_SHIFT 4
#define INERTIA 5
#define OVERFLOWED 6

#define COUNTERS 7

#define WARPS (THREADS / 32)

// What all clusters have told together: the bits of the largest shift (as integers they compare alike, and a NaN is the
// largest), empty clusters, and blocks that have done theirs. Zero between launches.
#define LARGEST_SHIFT 0
#define EMPTY_CLUSTERS 1
#define BLOCKS_DONE 2

// The shared memory of the block that concludes.
struct Conclusion {
  i64 bins[BINS];
  double differences[THREADS];
  u64 low[WARPS], high[WARPS];
  int spread, first;
};

__device__ __forceinline__ void add_wide(u64& low, u64& high, u64 more_low, u64 more_high) {
  low += more_low;
  high += more_high + (low < more_low);
}

// What the clusters come to together; all threads of one block. What other blocks wrote is `volatile`: this
// multiprocessor may have older values in its cache.
__device__ void conclude(Conclusion& shared, int k, const volatile double* shifts, const volatile double* differences,
                         volatile u64* tally, double scatter, double scale, int relocated, i64* counters, float* drifts,
                         double* status, int* halted) {
  const int t = threadIdx.x, lane = t % 32, warp = t / 32;
  // The windows of all threads begin at one bin, so that they add up as integers.
  const double farthest = __longlong_as_double((i64)tally[LARGEST_SHIFT]);
  const int empty = (int)tally[EMPTY_CLUSTERS], top = bin_of(farthest);
  Window window = {0, 0, top > WINDOW_BITS - 1 ? top - (WINDOW_BITS - 1) : 0};
  for (int bin = t; bin < BINS; bin += THREADS) shared.bins[bin] = 0;
  if (t == 0) shared.spread = 0, shared.first = BINS;
  __syncthreads();
  double difference = 0.0;
#pragma unroll 4
  for (int c = t; c < k; c += THREADS) {
    difference += differences[c];
    if (!add_to_window(&window, shared.bins, shifts[c])) atomicMax(&shared.spread, 1);
  }
  shared.differences[t] = difference;
#pragma unroll 1
  for (int step = 16; step; step >>= 1) {
    const u64 low = __shfl_xor_sync(0xffffffffu, window.low, step);
    add_wide(window.low, window.high, low, __shfl_xor_sync(0xffffffffu, window.high, step));
  }
  if (lane == 0) shared.low[warp] = window.low, shared.high[warp] = window.high;
  __syncthreads();
  if (shared.spread) {  // some are so small that they are in the bins
    for (int bin = t; bin < BINS; bin += THREADS)
      if (shared.bins[bin]) atomicMin(&shared.first, bin);
    __syncthreads();
  }
  if (warp == 0) {  // in the order of a tree over the threads
    const double* part = shared.differences + lane;
    static_assert(WARPS == 8, "the tree below");
    difference = ((part[0] + part[128]) + (part[64] + part[192])) + ((part[32] + part[160]) + (part[96] + part[224]));
    difference = warp_sum(difference);
    if (lane == 0) status[INERTIA] = scatter + difference;
  } else if (t == 32) {
    window.low = window.high = 0;
#pragma unroll 1
    for (int w = 0; w < WARPS; ++w) add_wide(window.low, window.high, shared.low[w], shared.high[w]);
    if (shared.spread) {
      empty_window(&window, shared.bins);
      // The largest shift alone has more than 64 bits there.
      const int last = window.bin + (window.high >> 32 ? 96 : 64);
      status[SQUARED_SHIFT] = total_of_bins(shared.bins, shared.first, last);
    } else {
      status[SQUARED_SHIFT] = total_of_window(window);
    }
  } else if (t == 64) {
    status[CHANGED] = (double)counters[0];
    status[RECHECKED] = (double)(counters[1] + counters[4] + counters[6]);
    status[SCORED] = (double)counters[2];
    status[EMPTY] = empty;
    status[OVERFLOWED] = (double)counters[5];
    if (drifts) drifts[k] = drift_of(farthest, scale);
    if (empty && !relocated)
      *halted = 1;
    else
      for (int i = 0; i < COUNTERS; ++i) counters[i] = 0;
    tally[LARGEST_SHIFT] = tally[EMPTY_CLUSTERS] = tally[BLOCKS_DONE] = 0;
  }
}

// What the next centroid takes of a feature.
struct Feature {
  i64 integer;  // the sum, where it has one limb
  int unit;
  double old, middle;
};

// What a cluster came to.
struct Made {
  double weight, squared_shift, difference;  // of inertia, with the old centroid, less its scatter
};

// The next centroid of a cluster, packed if `packed` has room for it; all lanes of a warp, of which the first knows the
// shift. `squares` has two words for each thread of the block.
__device__ __forceinline__ Made make_centroid(i64 c, const i64* cells, const i64* counts, const Limbs& how, int k,
                                              int d, int weighted, const double* old, const double* center,
                                              const Frame& frame, int relocated, double* centroids,
                                              const Packed& packed, double (&squares)[2][THREADS]) {
  const int limbs = how.count, lane = threadIdx.x % 32, begin = threadIdx.x - lane;
  const double weight = weight_of(cells, counts, c, d, weighted, how);
  const bool empty = weight == 0.0;
  i64 source = c;
  double divisor = weight;
  if (relocated && empty) {
    source = heaviest_cluster(cells, counts, k, d, weighted, how);
    divisor = weight_of(cells, counts, source, d, weighted, how);
  }
  const auto feature = [&](int j) {
    Feature found = {};
    if (j < d) found = {limbs == 1 ? cells[source * how.columns + j] : 0, how.unit[j], old[c * d + j], center[j]};
    return found;
  };
  double difference = 0.0, norm = 0.0, total = 0.0;
  Feature next = feature(lane);
#pragma unroll 1
  for (int first = 0, half = 0; first < d; first += 32, half ^= 1) {
    const Feature now = next;
    const int j = first + lane;
    next = feature(j + 32);  // on its way while those before are added up
    double square = 0.0;
    if (j < d) {
      const double sum =
          limbs == 1 ? scaled(__ll2double_rn(now.integer), now.unit) : rounded_sum(cells, source, j, how);
      const double mean = divisor == 0.0 ? now.old : (double)(real)(sum / divisor);
      centroids[c * d + j] = mean;
      if (packed.panels) norm += pack_feature(mean, c, j, d, frame, packed);
      const double moved = now.old - now.middle, t = mean - now.old;
      if (!empty) difference += moved * (weight * (moved + 2 * now.middle) - 2 * sum);
      square = t * t;
    }
    squares[half][threadIdx.x] = square;
    __syncwarp();
    if (lane == 0)  // D adds in the order of the features; beyond d the squares are zero
      for (int i = 0; i < 32; ++i) total = total + squares[half][begin + i];
  }
  __syncwarp();  // the next cluster begins with half 0, and a shuffle puts no reads before writes
  norm = warp_sum(norm);
  difference = warp_sum(difference);
  if (packed.panels && lane == 0) pack_norm(norm, c, frame, packed);
  return {weight, total, difference};
}
