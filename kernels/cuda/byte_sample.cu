// A centroid that is likely to be near, for rows that have no label: its score gives the row its first floor in
// `byte_filter.cu`, which else would list, and look closer at, all that comes before a near one.
//
// Mapping    A warp takes 32 rows, and GROUP centroids at a time: one group of every few. Fragments come from cache, as
//            the warps of a block pass by the same ones: nothing is shared, and no warp waits for another.
// Maths      The largest of t qr - |c'|^2 / 2s (`byte_filter.cu`). Nothing is proved here: any centroid is right.
// Ties       The lowest index.
// Cost       2 n k d / every operations on bytes, five instructions a pair, and from cache 3 d bytes a row for each
//            group. Estimated to take half as long as `byte_filter` with as many centroids; not measured yet.

#define WARPS (THREADS / 32)
#define GROUP (HALVES ? 32 : 64)  // halves have totals besides: more would not find registers

extern "C" __global__ void __launch_bounds__(THREADS, 2) likely_centroids(
    const u32* __restrict__ row_words,     // IN    codes of the rows (`byte_codes.cu`)
    const float4* __restrict__ row_facts,  // IN    (n,)
    i64 n, int products,
    const u32* __restrict__ words,         // IN    codes of the centroids
    const float2* __restrict__ steps,      // IN    (k, and more) t, not above |c'|^2 / 2
    int k, int panel,                      //       centroids a panel, a multiple of GROUP
    int every,                             //       of how many groups one is looked at
    int* likely,                           // OUT   (n,)
    const int* halted                      // IN    (1,) not zero: do nothing
) {
  if (*halted) return;
  const int lane = threadIdx.x % 32, g = lane / 4, q = lane % 4, groups = (k + GROUP - 1) / GROUP;
  const u32 tiles = (u32)((n + 31) / 32);
  for (u32 tile = blockIdx.x * WARPS + threadIdx.x / 32; tile < tiles; tile += gridDim.x * WARPS) {
    const Quad* rows = (const Quad*)row_words + (i64)tile * 2 * products * 32 + lane;
    float minus_inverses[4], best[4];
    int nearest[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const i64 row = (i64)tile * 32 + i * 8 + g;
      minus_inverses[i] = row_facts[row < n ? row : n - 1].x;
      best[i] = -INFINITE;
      nearest[i] = 0;
    }
    for (int group = 0; group < groups; group += every) {
      const int first = group * GROUP, of_panel = first / panel, in_panel = first % panel / 16;
      const Quad* from = (const Quad*)words + ((i64)of_panel * products * (panel / 16) + in_panel) * 32 + lane;
      Sum sums[GROUP / 8][2][4] = {};
      float totals[GROUP / 8][2][4] = {};  // of halves, whose sums are exact for 256 features
#pragma unroll 2
      for (int p = 0; p < products; ++p) {
        const Quad x[2] = {rows[(i64)p * 32], rows[((i64)products + p) * 32]};
#pragma unroll
        for (int i = 0; i < GROUP / 16; ++i) {
          const Quad two = from[((i64)p * (panel / 16) + i) * 32];
#pragma unroll
          for (int m = 0; m < 2; ++m)
#pragma unroll
            for (int j = 0; j < 2; ++j) {
              Sum(&sum)[4] = sums[2 * i + j][m];
              multiply(sum, x[m].at, two.at[2 * j], two.at[2 * j + 1], sum);
            }
        }
        if (HALVES && (p % 16 == 15 || p + 1 == products))
#pragma unroll
          for (int i = 0; i < GROUP; ++i) {
            totals[i / 8][i / 4 % 2][i % 4] += sums[i / 8][i / 4 % 2][i % 4];
            sums[i / 8][i / 4 % 2][i % 4] = 0;
          }
      }
#pragma unroll
      for (int i = 0; i < GROUP / 8; ++i) {
        const float4 two = ((const float4*)steps)[first / 2 + i * 4 + q];
#pragma unroll
        for (int r = 0; r < 4; ++r)
#pragma unroll
          for (int j = 0; j < 2; ++j) {
            const float rest = (j ? two.w : two.y) * minus_inverses[r];
            const float sum = HALVES ? totals[i][r / 2][r % 2 * 2 + j] : (float)sums[i][r / 2][r % 2 * 2 + j];
            const float score = fmaf(sum, j ? two.z : two.x, rest);
            const bool better = score > best[r];  // never of a NaN
            best[r] = better ? score : best[r];
            nearest[r] = better ? first + i * 8 + 2 * q + j : nearest[r];
          }
      }
    }
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      for (int step = 1; step < 4; step <<= 1) {
        const float other = __shfl_xor_sync(0xffffffffu, best[r], step);
        const int rival = __shfl_xor_sync(0xffffffffu, nearest[r], step);
        const bool better = other > best[r] || (other == best[r] && rival < nearest[r]);
        best[r] = better ? other : best[r];
        nearest[r] = better ? rival : nearest[r];
      }
      const i64 row = (i64)tile * 32 + r * 8 + g;
      if (q == 0 && row < n) likely[row] = nearest[r];
    }
  }
}
