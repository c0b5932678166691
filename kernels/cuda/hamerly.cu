// Hamerly's bounds: which rows an iteration need not score. Each row has an upper bound on the distance to its own
// centroid and a lower bound on that to any other. Both move with the centroids. While the upper is below the lower the
// label stands.
//
// Mapping    A thread a row; then MEASURING threads a row whose moved upper bound fails, so that they read neighbouring
//            features. Rows that remain are collected block by block, in whatever order: nothing depends on it.
// Precision  Every step is rounded to the safe side, in the unit of the frame. A bound that overflows proves nothing.
// Cost       16 bytes a row; d differences more for a row whose moved upper bound fails, to measure its distance anew.
//
// Hamerly (2010), Making k-means even faster.

__device__ __forceinline__ float difference(float x, double c, float scale) { return (x - (float)c) * scale; }
__device__ __forceinline__ float difference(double x, double c, double scale) { return (float)((x - c) * scale); }

#define MEASURING 8

extern "C" __global__ void __launch_bounds__(THREADS) filter_rows(
    const stored* __restrict__ X,          // IN    (n, d)
    i64 n, int d,
    const double* __restrict__ centroids,  // IN    (k, d)
    int k, real scale,                     //       of the frame
    const float* __restrict__ drifts,      // IN    (k + 1,) of `update`
    const int* __restrict__ labels,        // IN    (n,)
    float* upper,                          // INOUT (n,)
    float* lower,                          // INOUT (n,)
    int* rows_left,                        // OUT   (n,) rows that have to be scored
    i64* n_left,                           // INOUT (1,) zero on entry
    const int* halted
) {
  __shared__ int count, left_count, failing[THREADS], remaining[THREADS];
  __shared__ i64 base;
  if (*halted) return;
  const float farthest = drifts[k];
  const int t = threadIdx.x, at_once = THREADS / MEASURING;
  const u32 rows = (u32)n, share = (rows - 1) / gridDim.x + 1, tile = share < THREADS ? share : THREADS;
  for (u32 first = blockIdx.x * tile; first < rows; first += gridDim.x * tile) {
    const u32 row = first + t;
    if (t == 0) count = left_count = 0;
    __syncthreads();
    if (t < tile && row < rows) {
      const float above = (upper[row] + drifts[labels[row]]) * 1.000001f;
      const float moved = lower[row] - farthest, below = moved > 0.0f ? moved * 0.999999f : -1.0f;
      lower[row] = below;
      if (above < below)
        upper[row] = above;
      else
        failing[atomicAdd(&count, 1)] = t;
    }
    __syncthreads();
    for (int start = 0; start < count; start += at_once) {
      const int place = start + t / MEASURING;
      const i64 measured = first + failing[place < count ? place : 0];
      const stored* x = X + measured * d;
      const double* c = centroids + (i64)labels[measured] * d;
      float total = 0.0f;
#pragma unroll 4
      for (int j = t % MEASURING; j < d; j += MEASURING) {
        const float difference_j = difference(value_of(x[j]), c[j], scale);
        total = fmaf(difference_j, difference_j, total);
      }
      for (int step = MEASURING / 2; step; step >>= 1) total += __shfl_xor_sync(0xffffffffu, total, step);
      if (t % MEASURING == 0 && place < count) {
        // 2**-74: squares that vanish
        const float above = sqrtf(total) * (1.000001f + (d + 8) * 5.9604645e-8f) + d * 5.3e-23f;
        upper[measured] = above;
        if (!(above < lower[measured])) remaining[atomicAdd(&left_count, 1)] = (int)measured;
      }
    }
    __syncthreads();
    const int left = left_count;  // nobody reads it after the next barrier: thread 0 may be at the next rows then
    if (t == 0 && left) base = (i64)atomicAdd((u64*)n_left, (u64)left);
    __syncthreads();
    if (t < left) rows_left[base + t] = remaining[t];
  }
}
