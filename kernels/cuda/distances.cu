// The contract's squared distance D (`common.cu`), and what is read off it: own distances, their exact sum, the table
// of `transform`.
//
// Mapping    A thread a row (or a row and centroid): D adds its features in order. Rows pass through shared memory
//            (`tiles.cu`), as differences.
// Order      D as the contract has it; sums of D are exact (`exact_sum.cu`).
// Cost       n d differences, in float64; `distance_table` n k d.

// D of the thread's own row to the centroid of its label; all threads of the block.
__device__ __forceinline__ double labelled_distance(Tile<double>& tile, const stored* X, i64 rows, int d,
                                                    const double* centroids, const int* label_of) {
  return walked_distance(tile, X, rows, d, [&](int r, int j) { return centroids[(i64)label_of[r] * d + j]; });
}

extern "C" __global__ void own_distances(
    const stored* X,          // IN    (n, d)
    i64 n, int d,
    const double* centroids,  // IN    (k, d)
    const int* labels,        // IN    (n,) or null: all zero
    const double* weights,    // IN    (n,) or null; where it is zero, so is the distance
    double* out               // OUT   (n,)
) {
  __shared__ Tile<double> tile;
  __shared__ int label_of[THREADS];
  const int t = threadIdx.x;
  for (i64 first = (i64)blockIdx.x * THREADS; first < n; first += all_threads()) {
    if (first + t < n) label_of[t] = labels ? labels[first + t] : 0;
    const double distance = labelled_distance(tile, X + first * d, n - first, d, centroids, label_of);
    if (first + t < n) out[first + t] = weights && weights[first + t] == 0.0 ? 0.0 : distance;
  }
}

extern "C" __global__ void inertia_bins(
    const stored* X,          // IN    (problems, n, d)
    i64 n, int d,
    int problem_blocks,       //       of each problem; of several, `centroids` has one each, and `labels` is null
    const double* centroids,  // IN    (k, d)
    const int* labels,        // IN    (n,) or null: all zero
    const double* weights,    // IN    (problems, n) or null: all ones
    i64* bins                 // INOUT (problems, BINS) zeros on entry
) {
  __shared__ i64 own_bins[BINS];
  __shared__ Tile<double> tile;
  __shared__ int label_of[THREADS];
  const int t = threadIdx.x;
  const i64 problem = blockIdx.x / problem_blocks;
  X += problem * n * d, centroids += problem * d, bins += problem * BINS;
  if (weights) weights += problem * n;
  for (int bin = t; bin < BINS; bin += THREADS) own_bins[bin] = 0;
  __syncthreads();
  Window window = {0, 0, -1};
  for (i64 first = (i64)(blockIdx.x % problem_blocks) * THREADS; first < n; first += (i64)problem_blocks * THREADS) {
    if (first + t < n) label_of[t] = labels ? labels[first + t] : 0;
    const double distance = labelled_distance(tile, X + first * d, n - first, d, centroids, label_of);
    if (first + t < n) add_to_window(&window, own_bins, weights ? weights[first + t] * distance : distance);
  }
  empty_window(&window, own_bins);
  __syncthreads();
  for (int bin = threadIdx.x; bin < BINS; bin += THREADS)
    if (own_bins[bin]) atomic_add(bins + bin, own_bins[bin]);
}

extern "C" __global__ void distance_table(
    const stored* X,          // IN    (rows, d): a chunk of the data
    i64 rows, int d,
    const double* centroids,  // IN    (k, d)
    int k, int squared,
    real* out                 // OUT   (rows, k)
) {
  for (i64 at = first_thread(); at < rows * k; at += all_threads()) {
    const double distance = squared_distance(X + at / k * d, centroids + at % k * d, d);
    out[at] = (real)(squared ? distance : sqrt(distance));
  }
}
