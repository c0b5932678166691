// From the sums of the clusters to the next centroids, ready for scoring, and to what the host hears of an iteration.
//
// Mapping    A warp a cluster, its lanes over the features (`means.cu`). The block of `update` that ends last concludes
//            what all clusters come to.
// Cost       O(k d).

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
  for (i64 c = first_thread() / 32; c < k; c += all_threads() / 32) pack_centroid(centroids, c, d, frame, packed);
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

extern "C" __global__ void __launch_bounds__(THREADS, 2) update(
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
  const int lane = threadIdx.x % 32;
  u64 largest = 0, n_empty = 0;  // of the warp, in its first lane
  for (i64 c = first_thread() / 32; c < k; c += all_threads() / 32) {
    const Made made = make_centroid(c, cells, counts, how, k, d, weighted, old, center, frame, relocated, centroids,
                                    packed, shared.squares);
    if (lane == 0) {
      cluster_weights[c] = made.weight;
      shifts[c] = made.squared_shift;
      differences[c] = made.difference;
      drifts[c] = drift_of(made.squared_shift, scale);
      const u64 bits = (u64)__double_as_longlong(made.squared_shift);
      largest = bits > largest ? bits : largest;
      n_empty += made.weight == 0.0;
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
    const stored* X, const double* weights, int d,
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
