// From the sums of the clusters to the next centroids, ready for scoring, and to what the host hears of an iteration.
//
// Mapping    `pack` and `means`: a warp a cluster, its lanes over the features. `conclude`: one block.
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

__device__ __forceinline__ double warp_sum(double value) {
  for (int step = 16; step; step >>= 1) value += __shfl_xor_sync(0xffffffffu, value, step);
  return value;
}

// One centroid into its panel; all lanes of a warp.
__device__ void pack_centroid(const double* centroid, int c, int d, int lane, Frame frame, Packed packed) {
  double norm = 0.0;
  for (int j = lane; j < d; j += 32) {
    const double moved = (centroid[j] - (double)frame.shift[j]) * frame.scale;
    packed.panels[panel_place(c, j, d, packed.panel)] = (float)moved;
    norm += moved * moved;
  }
  norm = warp_sum(norm);
  if (lane == 0) packed.half_norms[c] = (float)(-(0.5 - frame.gamma) * norm + frame.zeta);
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
  const int lane = threadIdx.x % 32;
  for (i64 c = first_thread() / 32; c < k; c += all_threads() / 32)
    pack_centroid(centroids + c * d, (int)c, d, lane, {shift, scale, gamma, zeta}, {panels, half_norms, panel});
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

extern "C" __global__ void means(
    const i64* cells, const i64* counts,  // IN    Sums
    const int* unit, int limbs, int limb_bits,
    int k, int d, int weighted,
    const double* old,                    // IN    (k, d) the centroids before
    const double* center,                 // IN    (d,) the point that the scatter of the data is known about
    const real* shift, double scale, double gamma, double zeta,
    int relocated,                        // whether empty clusters have been given rows: those still empty take the
                                          // heaviest one's mean
    double* centroids,                    // OUT   (k, d) of values that X's dtype has
    int panel,
    float* panels, float* half_norms,     // OUT   as for `pack`, or null
    double* cluster_weights,              // OUT   (k,)
    double* shifts,                       // OUT   (k,) D between new and old
    double* differences,                  // OUT   (k,) the inertia of a cluster with its old centroid less its scatter
    const int* halted
) {
  __shared__ double squares[THREADS];
  if (*halted) return;
  const Limbs how = {unit, limbs, limb_bits, weighted ? d + 1 : d};
  const int lane = threadIdx.x % 32;
  for (i64 c = first_thread() / 32; c < k; c += all_threads() / 32) {
    const double weight = weight_of(cells, counts, c, d, weighted, how);
    const bool empty = weight == 0.0;
    const i64 source = empty && relocated ? heaviest_cluster(cells, counts, k, d, weighted, how) : c;
    const double source_weight = source == c ? weight : weight_of(cells, counts, source, d, weighted, how);
    double difference = 0.0;
    for (int j = lane; j < d; j += 32) {
      const i64 at = c * d + j;
      const double sum = rounded_sum(cells, source, j, how);
      centroids[at] = source_weight == 0.0 ? old[at] : (double)(real)(sum / source_weight);
      const double moved = old[at] - center[j];
      if (!empty) difference += moved * (weight * (moved + 2 * center[j]) - 2 * sum);
    }
    if (panels)
      pack_centroid(centroids + c * d, (int)c, d, lane, {shift, scale, gamma, zeta}, {panels, half_norms, panel});
    difference = warp_sum(difference);
    double shift_total = 0.0;  // D: the lanes square, one adds in order
    for (int start = 0; start < d; start += 32) {
      const int j = start + lane;
      const double t = j < d ? centroids[c * d + j] - old[c * d + j] : 0.0;
      squares[threadIdx.x] = t * t;
      __syncwarp();
      if (lane == 0)
        for (int i = 0; i < 32; ++i) shift_total = shift_total + squares[threadIdx.x + i];  // beyond d they are zero
      __syncwarp();
    }
    if (lane == 0) {
      cluster_weights[c] = weight;
      shifts[c] = shift_total;
      differences[c] = difference;
    }
  }
}

// What the host reads of an iteration, in this order.
#define CHANGED 0
#define RECHECKED 1
#define SCORED 2
#define EMPTY 3
#define SQUARED_SHIFT 4
#define INERTIA 5

extern "C" __global__ void __launch_bounds__(THREADS) conclude(
    int k,
    const double* cluster_weights,  // IN    (k,)
    const double* shifts,           // IN    (k,)
    const double* differences,      // IN    (k,)
    double scatter,                 //       sum of w |x - center|^2
    double scale,                   //       of the frame: the unit of the bounds
    int relocated,
    i64* counters,                  // INOUT (5,) rows changed, pairs, scored, left by bounds, to scan; zero afterwards
    float* drifts,                  // OUT   (k + 1,) how far each centroid moved, not less; then the farthest
    double* status,                 // OUT   (6,)
    int* halted                     // INOUT (1,) set where clusters are empty: all else waits until rows are relocated
) {
  __shared__ i64 bins[BINS];
  __shared__ double partial[THREADS];
  __shared__ int first, last, empty, farthest;
  if (*halted) return;
  for (int bin = threadIdx.x; bin < BINS; bin += THREADS) bins[bin] = 0;
  if (threadIdx.x == 0) first = BINS, last = -1, empty = 0, farthest = 0;
  __syncthreads();
  Window window = {0, 0, -1};
  double difference = 0.0;
  for (int c = threadIdx.x; c < k; c += THREADS) {
    if (cluster_weights[c] == 0.0) atomicAdd(&empty, 1);
    add_to_window(&window, bins, shifts[c]);
    difference += differences[c];
    const float drift = (float)(sqrt(shifts[c]) * scale) * 1.000001f + 7.8886091e-31f;
    drifts[c] = drift;
    atomicMax(&farthest, __float_as_int(drift));
  }
  empty_window(&window, bins);
  partial[threadIdx.x] = difference;
  __syncthreads();
  for (int bin = threadIdx.x; bin < BINS; bin += THREADS)
    if (bins[bin]) {
      atomicMin(&first, bin);
      atomicMax(&last, bin);
    }
  for (int step = THREADS / 2; step; step >>= 1) {
    __syncthreads();
    if (threadIdx.x < step) partial[threadIdx.x] += partial[threadIdx.x + step];
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    status[CHANGED] = (double)counters[0];
    status[RECHECKED] = (double)(counters[1] + counters[4]);
    status[SCORED] = (double)counters[2];
    status[EMPTY] = empty;
    status[SQUARED_SHIFT] = total_of_bins(bins, first, last);
    status[INERTIA] = scatter + partial[0];
    drifts[k] = __int_as_float(farthest);
    if (empty && !relocated)
      *halted = 1;
    else
      counters[0] = counters[1] = counters[2] = counters[3] = counters[4] = 0;
  }
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
