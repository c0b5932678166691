// The codes of the centroids (`byte_codes.cu`), in every iteration.
//
// Mapping    A block a panel, ACROSS lanes a centroid, each of them the features of some words: no centroid waits for
//            another.
// Maths      The filter has one g for all centroids of a panel, the largest. So that this says no more of a centroid
//            than its own, the half norm is raised by (largest - g) Y, and the score falls by as much over s. For a row
//            with y s = Y that is what the larger g adds. Rows with less are told apart (`lost_at_most`).
// Cost       Reads the centroids twice, the second time from cache: 16 d bytes each; 2 d bytes are written.

#define ACROSS 8

extern "C" __global__ void __launch_bounds__(THREADS, 1) encode_centroids(
    const double* __restrict__ centroids,  // IN    (k, d) of values that X's dtype has
    int k, int d,
    const real* __restrict__ shift,        // IN    (d,) the frame
    real scale,
    int products,
    int levels,
    double ratio,
    int panel,                             //       centroids a panel, a multiple of 16
    int biased,                            //       whether the sums of products start at ROUNDER
    float usual_reach,                     //       Y: what y s of most rows is at least
    float* moved,                          // OUT   (k, d) c'
    u32* words,                            // OUT   zeroed codes, as the next one
    u32* fine_words,                       // OUT   of what they leave
    float2* steps,                         // OUT   (panels * panel,) t, not above |c'|^2 / 2
    float2* raised_steps,                  // OUT   (panels * panel,) t, the latter raised by (largest g - g) Y
    float2* measures,                      // OUT   (panels * panel,) -(largest g - g) Y, g
    float2* steepest,                      // OUT   (panels,) the largest g, the largest less the least
    const int* halted
) {
  __shared__ int top, bottom;
  if (*halted) return;
  const int lane = threadIdx.x % ACROSS, panels = (k + panel - 1) / panel;
  const u32 together = ((1u << ACROSS) - 1) << (threadIdx.x % 32 - lane);
  const auto sum_of = [&](double value) {
    for (int by = ACROSS / 2; by; by >>= 1) value += __shfl_xor_sync(together, value, by);
    return value;
  };
  const double sums = (d + 32) * 2 * UNIT;
  for (int one = blockIdx.x; one < panels; one += gridDim.x) {
    __syncthreads();
    if (threadIdx.x == 0) top = 0, bottom = __float_as_int(INFINITE);
    __syncthreads();
    for (int place = threadIdx.x / ACROSS; place < panel; place += THREADS / ACROSS) {
      const int c = one * panel + place;
      float2 step = {0.0f, INFINITE};  // beyond k: nearest to nothing
      float steep = 0.0f;
      if (c < k) {
        const double* centroid = centroids + (i64)c * d;
        float largest = 0.0f;
#pragma unroll 8
        for (int j = lane; j < d; j += ACROSS)
          largest = larger(largest, fabsf(framed((real)centroid[j], shift[j], scale)));
        for (int by = ACROSS / 2; by; by >>= 1) largest = larger(largest, __shfl_xor_sync(together, largest, by));
        const float t = step_of(largest, levels), per = (float)(1.0 / (double)t);
        Statistics found = {};
        const i64 base = (i64)one * products * panel * 8;
#pragma unroll 2
        for (int at = lane; at < (d + PER_WORD - 1) / PER_WORD; at += ACROSS) {
          Codes codes = {};
          float values[PER_WORD];
#pragma unroll
          for (int i = 0; i < PER_WORD; ++i) {
            const int j = at * PER_WORD + i;
            values[i] = j < d ? framed((real)centroid[j], shift[j], scale) : 0.0f;
          }
#pragma unroll
          for (int i = 0; i < PER_WORD; ++i) {
            if (at * PER_WORD + i < d) moved[(i64)c * d + at * PER_WORD + i] = values[i];
            encode(values[i] * per, i, codes, found);
          }
          const i64 to = base + ((at / 8 * (panel / 16) + place / 16) * 32 + place % 8 * 4 + at % 4) * 4 +
                         place / 8 % 2 * 2 + at % 8 / 4;
          words[to] = codes.coarse;
          fine_words[to] = codes.fine;
        }
        const double values2 = sum_of(found.values2), rests2 = sum_of(found.rests2), s = t;
        const double norm = s * sqrt(values2), lost = s * (sqrt(rests2) + 4 * UNIT * sqrt(values2) + TINY);
        if (norm < MOST_REACH) {
          const double slope = lost + ratio * norm;
          // Sums of halves are added up 256 features at a time. The last part: three halves of t of rounding by the
          // bias, over y >= 128.
          const double roundings = 6 + (HALVES ? d / 256 : 0);
          const double g = (slope + roundings * UNIT * (norm + lost + slope)) * (1 + sums) + (biased ? s / 64 : 0.0);
          step = {t, (float)((0.5 * norm * norm * (1 - sums) - 7.888609052210118e-31) * (1 - 2 * UNIT))};
          steep = (float)(g * (1 + 2 * UNIT));
        } else {
          step = {0.0f, 0.0f}, steep = INFINITE;  // float32 overflows: it is a candidate for every row
        }
      }
      if (lane == 0) {
        steps[c] = step;
        measures[c] = {0.0f, steep};
        atomicMax(&top, __float_as_int(steep));
        if (c < k) atomicMin(&bottom, __float_as_int(steep));
      }
    }
    __syncthreads();
    // A centroid that is a candidate for every row makes all of its panel be looked at.
    const float largest = __int_as_float(top), least = __int_as_float(bottom);
    const bool raised = largest < INFINITE;
    for (int c = one * panel + threadIdx.x; c < (one + 1) * panel; c += THREADS) {
      const float2 step = steps[c];
      const float own = measures[c].y, slope = raised ? fmaf(largest, 0.00024414062f, own) : own;
      const double apart = raised ? (double)usual_reach * (1.0 - 16 * UNIT) * (largest - own) : 0.0;
      const float half_norm = (float)(step.y + apart);
      raised_steps[c] = {step.x, half_norm};
      measures[c] = {c < k ? step.y - half_norm : 0.0f, slope};
    }
    if (threadIdx.x > 0) continue;
    steepest[one] = {raised ? 1.00025f * largest : largest, raised ? 1.000002f * (largest - least) : 0.0f};
  }
}
