// From the sums of the clusters to the next centroids, ready for scoring, and to what the host hears of an iteration.
//
// Mapping    `pack` and `update`: a warp a cluster, its lanes over the features. The block of `update` that ends last
//            concludes what all clusters come to.
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

extern "C" __global__ void pack(
    const double* centroids,  // IN    (k, d)
    int k, int d,
    const real* shift,        // IN    (d,) the frame, as the next three
    double scale, double gamma, double zeta,
    int panel,
    float* panels,            // OUT   (panels, d, panel); beyond k it keeps its zeros
    float* half_norms         // OUT   (panels * panel,); beyond k it keeps minus infinity
) {
  const Frame frame = {shift, scale, gamma, zeta};
  const Packed packed = {panels, half_norms, panel};
  const int lane = threadIdx.x % 32;
  for (i64 c = first_thread() / 32; c < k; c += all_threads() / 32) {
    double norm = 0.0;
    for (int j = lane; j < d; j += 32) norm += pack_feature(centroids[c * d + j], c, j, d, frame, packed);
    norm = warp_sum(norm);
    if (lane == 0) pack_norm(norm, c, frame, packed);
  }
}

// Zeroes the sums for an iteration that adds all rows anew.
extern "C" __global__ void clear(
    i64* cells,  // OUT   (size,)
    i64 size,
    i64* counts,  // OUT   (k,)
    int k,
    const int* halted
) {
  if (*halted) return;
  for (i64 at = first_thread(); at < size; at += all_threads()) cells[at] = 0;
  for (i64 c = first_thread(); c < k; c += all_threads()) counts[c] = 0;
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
    drifts[k] = drift_of(farthest, scale);
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

extern "C" __global__ void __launch_bounds__(THREADS) update(
    const i64* cells, const i64* counts,  // IN    Sums
    const int* unit, int limbs, int limb_bits,
    int k, int d, int weighted,
    const double* old,                    // IN    (k, d) the centroids before
    const double* center,                 // IN    (d,) the point that the scatter of the data is known about
    double scatter,                       //       sum of w |x - center|^2
    const real* shift, double scale, double gamma, double zeta,
    int relocated,                        // whether empty clusters have been given rows: those still empty take the
                                          // heaviest one's mean
    double* centroids,                    // OUT   (k, d) of values that X's dtype has
    int panel,
    float* panels, float* half_norms,     // OUT   as for `pack`, or null
    double* cluster_weights,              // OUT   (k,)
    double* shifts,                       // OUT   (k,) D between new and old
    double* differences,                  // OUT   (k,) the inertia of a cluster with its old centroid less its scatter
    float* drifts,                        // OUT   (k + 1,) how far each centroid moved, not less; then the farthest
    u64* tally,                           // INOUT (3,) zero
    i64* counters,                        // INOUT (COUNTERS,) rows changed, pairs, scored, left by bounds, to scan,
                                          //       overflowed, with several candidates; zero after
    double* status,                       // OUT   (7,) in memory of the host
    int* halted                           // INOUT (1,) set where clusters are empty: all else waits until rows are
                                          //       relocated
) {
  __shared__ union {
    double squares[2][THREADS];
    Conclusion conclusion;
  } shared;
  __shared__ int is_last;
  if (*halted) return;
  const Limbs how = {unit, limbs, limb_bits, weighted ? d + 1 : d};
  const Frame frame = {shift, scale, gamma, zeta};
  const Packed packed = {panels, half_norms, panel};
  const int lane = threadIdx.x % 32, begin = threadIdx.x - lane;
  u64 largest = 0, n_empty = 0;  // of the warp, in its first lane
  for (i64 c = first_thread() / 32; c < k; c += all_threads() / 32) {
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
      if (j < d) found = {limbs == 1 ? cells[source * how.columns + j] : 0, unit[j], old[c * d + j], center[j]};
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
        if (panels) norm += pack_feature(mean, c, j, d, frame, packed);
        const double moved = now.old - now.middle, t = mean - now.old;
        if (!empty) difference += moved * (weight * (moved + 2 * now.middle) - 2 * sum);
        square = t * t;
      }
      shared.squares[half][threadIdx.x] = square;
      __syncwarp();
      if (lane == 0)  // D adds in the order of the features; beyond d the squares are zero
        for (int i = 0; i < 32; ++i) total = total + shared.squares[half][begin + i];
    }
    norm = warp_sum(norm);
    difference = warp_sum(difference);
    if (lane == 0) {
      if (panels) pack_norm(norm, c, frame, packed);
      cluster_weights[c] = weight;
      shifts[c] = total;
      differences[c] = difference;
      drifts[c] = drift_of(total, scale);
      const u64 bits = (u64)__double_as_longlong(total);
      largest = bits > largest ? bits : largest;
      n_empty += empty;
    }
  }
  if (largest) atomicMax(tally + LARGEST_SHIFT, largest);
  if (n_empty) atomicAdd(tally + EMPTY_CLUSTERS, n_empty);
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) is_last = atomicAdd(tally + BLOCKS_DONE, 1) == gridDim.x - 1;
  __syncthreads();
  if (is_last)
    conclude(shared.conclusion, k, shifts, differences, tally, scatter, scale, relocated, counters, drifts, status,
             halted);
}

// Gives rows to empty clusters: each row leaves the sum of its label. The labels stay.
extern "C" __global__ void relocate(
    const real* X, const double* weights, int d,
    const u64* rows,    // IN    (m,) distinct
    const int* empty,   // IN    (m,) the clusters that they go to
    int m,
    const int* labels,  // IN    (n,)
    i64* cells, i64* counts,
    const int* unit, int limbs, int limb_bits
) {
  const Sums sums = {cells, counts, {unit, limbs, limb_bits, weights ? d + 1 : d}, 0};
  const BlockSums none = {};
  __shared__ int row, from, to;
  for (int at = blockIdx.x; at < m; at += gridDim.x) {
    __syncthreads();
    if (threadIdx.x == 0) row = (int)rows[at], from = labels[row], to = empty[at];
    __syncthreads();
    move_rows(none, sums, {&row, &from, &to, 1}, X, weights, d, threadIdx.x, THREADS);
  }
}
