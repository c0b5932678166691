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

__device__ __forceinline__ u64 larger(u64 a, u64 b) { return a > b ? a : b; }

template <class Value, class Join>
__device__ __forceinline__ Value over_warp(Value value, Join join) {
  for (int step = 16; step; step >>= 1) value = join(value, __shfl_xor_sync(0xffffffffu, value, step));
  return value;
}

__device__ __forceinline__ double warp_sum(double value) {
  return over_warp(value, [](double a, double b) { return a + b; });
}

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
#define A_LANE 4  // features that a lane has under way at once
#define A_WARP (A_LANE * 32)

// The shared memory of the block that concludes.
struct Conclusion {
  i64 bins[BINS];
  double differences[THREADS];
  u64 largest[WARPS], low[WARPS], high[WARPS];
  int empty, spread, first;
};

__device__ __forceinline__ void add_wide(u64& low, u64& high, u64 more_low, u64 more_high) {
  low += more_low;
  high += more_high + (low < more_low);
}

// What the clusters come to together; all threads of one block. The arrays were written by other blocks: `volatile`
// keeps what this multiprocessor had cached of them out.
__device__ void conclude(Conclusion& shared, int k, const volatile double* cluster_weights,
                         const volatile double* shifts, const volatile double* differences, double scatter,
                         double scale, int relocated, i64* counters, float* drifts, double* status, int* halted) {
  const int t = threadIdx.x, lane = t % 32, warp = t / 32;
  for (int bin = t; bin < BINS; bin += THREADS) shared.bins[bin] = 0;
  if (t == 0) shared.empty = shared.spread = 0, shared.first = BINS;
  double difference = 0.0;
  u64 largest = 0;  // bits of a shift: as integers they compare alike, and a NaN is the largest
  int empty = 0;
#pragma unroll 4
  for (int c = t; c < k; c += THREADS) {
    empty += cluster_weights[c] == 0.0;
    difference += differences[c];
    largest = larger((u64)__double_as_longlong(shifts[c]), largest);
  }
  shared.differences[t] = difference;
  largest = over_warp(largest, [](u64 a, u64 b) { return larger(a, b); });
  if (lane == 0) shared.largest[warp] = largest;
  __syncthreads();
  if (empty) atomicAdd(&shared.empty, empty);
  for (int w = 0; w < WARPS; ++w) largest = larger(shared.largest[w], largest);

  // All threads' windows begin at one bin, so that they add up as integers.
  const double farthest = __longlong_as_double((i64)largest);
  const int top = bin_of(farthest), start = top > WINDOW_BITS - 1 ? top - (WINDOW_BITS - 1) : 0;
  Window window = {0, 0, start};
#pragma unroll 4
  for (int c = t; c < k; c += THREADS)
    if (!add_to_window(&window, shared.bins, shifts[c])) atomicMax(&shared.spread, 1);
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
  if (warp) return;
  // In the order of a tree over the threads.
  const double* part = shared.differences + lane;
  static_assert(WARPS == 8, "the tree below");
  difference = ((part[0] + part[128]) + (part[64] + part[192])) + ((part[32] + part[160]) + (part[96] + part[224]));
  difference = warp_sum(difference);
  if (lane) return;
  window = {shared.low[0], shared.high[0], start};
  for (int w = 1; w < WARPS; ++w) add_wide(window.low, window.high, shared.low[w], shared.high[w]);
  status[CHANGED] = (double)counters[0];
  status[RECHECKED] = (double)(counters[1] + counters[4] + counters[6]);
  status[SCORED] = (double)counters[2];
  status[EMPTY] = shared.empty;
  status[OVERFLOWED] = (double)counters[5];
  status[INERTIA] = scatter + difference;
  if (shared.spread) {
    empty_window(&window, shared.bins);
    // The largest shift alone has more than 64 bits there.
    const int last = start + (window.high >> 32 ? 96 : 64);
    status[SQUARED_SHIFT] = total_of_bins(shared.bins, shared.first, last);
  } else {
    status[SQUARED_SHIFT] = total_of_window(window);
  }
  drifts[k] = drift_of(farthest, scale);
  if (shared.empty && !relocated)
    *halted = 1;
  else
    for (int i = 0; i < COUNTERS; ++i) counters[i] = 0;
}

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
    i64* counters,                        // INOUT (COUNTERS,) rows changed, pairs, scored, left by bounds, to scan,
                                          //       overflowed, with several candidates; zero after
    double* status,                       // OUT   (7,) in memory of the host
    int* halted,                          // INOUT (1,) set where clusters are empty: all else waits until rows are
                                          //       relocated
    int* done                             // INOUT (1,) blocks that have done their clusters; zero
) {
  __shared__ union {
    double squares[WARPS][A_WARP];
    Conclusion conclusion;
  } shared;
  __shared__ int is_last;
  if (*halted) return;
  const Limbs how = {unit, limbs, limb_bits, weighted ? d + 1 : d};
  const Frame frame = {shift, scale, gamma, zeta};
  const Packed packed = {panels, half_norms, panel};
  const int lane = threadIdx.x % 32;
  double* squares = shared.squares[threadIdx.x / 32];
  for (i64 c = first_thread() / 32; c < k; c += all_threads() / 32) {
    const double weight = weight_of(cells, counts, c, d, weighted, how);
    const bool empty = weight == 0.0;
    i64 source = c;
    double divisor = weight;
    if (relocated && empty) {
      source = heaviest_cluster(cells, counts, k, d, weighted, how);
      divisor = weight_of(cells, counts, source, d, weighted, how);
    }
    double difference = 0.0, norm = 0.0, total = 0.0;
    for (int first = 0; first < d; first += A_WARP) {
      i64 integers[A_LANE];
      double before[A_LANE], middle[A_LANE];
#pragma unroll
      for (int i = 0; i < A_LANE; ++i) {
        const int j = first + i * 32 + lane;
        integers[i] = j < d && limbs == 1 ? cells[source * how.columns + j] : 0;
        before[i] = j < d ? old[c * d + j] : 0.0;
        middle[i] = j < d ? center[j] : 0.0;
      }
#pragma unroll
      for (int i = 0; i < A_LANE; ++i) {
        const int j = first + i * 32 + lane;
        double square = 0.0;
        if (j < d) {
          const double sum = limbs == 1 ? scaled(__ll2double_rn(integers[i]), unit[j])
                                        : rounded_sum(cells, source, j, how);
          const double mean = divisor == 0.0 ? before[i] : (double)(real)(sum / divisor);
          centroids[c * d + j] = mean;
          if (panels) norm += pack_feature(mean, c, j, d, frame, packed);
          const double moved = before[i] - middle[i], t = mean - before[i];
          if (!empty) difference += moved * (weight * (moved + 2 * middle[i]) - 2 * sum);
          square = t * t;
        }
        squares[i * 32 + lane] = square;
      }
      __syncwarp();
      if (lane == 0) {  // D adds in the order of the features; beyond d the squares are zero
        for (int start = 0; start < A_WARP && first + start < d; start += 32)
#pragma unroll
          for (int i = 0; i < 32; ++i) total = total + squares[start + i];
      }
      __syncwarp();
    }
    norm = warp_sum(norm);
    difference = warp_sum(difference);
    if (lane == 0) {
      if (panels) pack_norm(norm, c, frame, packed);
      cluster_weights[c] = weight;
      shifts[c] = total;
      differences[c] = difference;
      drifts[c] = drift_of(total, scale);
    }
  }
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) is_last = atomicAdd(done, 1) == (int)gridDim.x - 1;
  __syncthreads();
  if (!is_last) return;
  if (threadIdx.x == 0) *done = 0;
  conclude(shared.conclusion, k, cluster_weights, shifts, differences, scatter, scale, relocated, counters, drifts,
           status, halted);
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
