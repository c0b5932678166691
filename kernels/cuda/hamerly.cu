// Hamerly's bounds: which rows an iteration need not score. Each row has an upper bound on the distance to its own
// centroid and a lower bound on that to any other. Both move with the centroids. While the upper is below the lower the
// label stands.
//
// Mapping    A thread a row. Rows that fail are collected block by block, in whatever order: nothing depends on it.
// Precision  Every step is rounded to the safe side, in the unit of the frame. A bound that overflows proves nothing.
// Cost       16 bytes a row; d differences more for a row whose moved upper bound fails, to measure its distance anew.
//
// Hamerly (2010), Making k-means even faster.

__device__ __forceinline__ float difference(float x, double c, float scale) { return (x - (float)c) * scale; }
__device__ __forceinline__ float difference(double x, double c, double scale) { return (float)((x - c) * scale); }

extern "C" __global__ void __launch_bounds__(THREADS) filter_rows(
    const real* __restrict__ X,            // IN    (n, d)
    i64 n, int d,
    const double* __restrict__ centroids,  // IN    (k, d)
    int k, real scale,                     //       of the frame
    const float* __restrict__ drifts,      // IN    (k + 1,) of `conclude`
    const int* __restrict__ labels,        // IN    (n,)
    float* upper,                          // INOUT (n,)
    float* lower,                          // INOUT (n,)
    int* rows_left,                        // OUT   (n,) rows that have to be scored
    i64* n_left,                           // INOUT (1,) zero on entry
    const int* halted
) {
  __shared__ int count;
  __shared__ i64 base;
  if (*halted) return;
  const float farthest = drifts[k];
  for (i64 first = (i64)blockIdx.x * THREADS; first < n; first += all_threads()) {
    const i64 row = first + threadIdx.x;
    if (threadIdx.x == 0) count = 0;
    __syncthreads();
    int slot = -1;
    if (row < n) {
      const int label = labels[row];
      float above = (upper[row] + drifts[label]) * 1.000001f;
      const float moved = lower[row] - farthest, below = moved > 0.0f ? moved * 0.999999f : -1.0f;
      if (!(above < below)) {
        float total = 0.0f;
        for (int j = 0; j < d; ++j) {
          const float t = difference(X[row * d + j], centroids[(i64)label * d + j], scale);
          total = fmaf(t, t, total);
        }
        above = sqrtf(total) * (1.000001f + (d + 8) * 5.9604645e-8f) + d * 5.3e-23f;  // 2**-74: squares that vanish
      }
      upper[row] = above;
      lower[row] = below;
      if (!(above < below)) slot = atomicAdd(&count, 1);
    }
    __syncthreads();
    if (threadIdx.x == 0 && count) base = (i64)atomicAdd((u64*)n_left, (u64)count);
    __syncthreads();
    if (slot >= 0) rows_left[base + slot] = (int)row;
  }
}
