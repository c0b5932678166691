// The codes of the rows (`byte_codes.cu`), once a fit.
//
// Mapping    A thread a row (`tiles.cu`), whose features pass by twice. The words of a block's rows for a product meet
//            in shared memory, so that they are written 16 bytes at a time.
// Cost       Reads X twice, the second time from cache. 2 d bytes and 16 a row; 4 d in halves.

extern "C" __global__ void __launch_bounds__(THREADS, 2) encode_rows(
    const stored* __restrict__ X,    // IN    (n, d)
    i64 n, int d,
    const real* __restrict__ shift,  // IN    (d,) the frame
    real scale,
    int products,                    //       of 8 words that a row has room for
    int levels,
    double ratio,                    //       of |a| to |q|, as usual
    float lost_share,                //       part of 1.05 |x'|^2 / s by which floors are lowered; and
    float vanishing,                 //       what D loses to underflow, times scale**2
    u32* words,                      // OUT   zeroed codes, as the next one
    u32* fine_words,                 // OUT   of what they leave
    float4* facts                    // OUT   (n,) -1 / s, y, what floors are lowered by, not above |x'|^2
) {
  __shared__ Tile<float> tile;
  __shared__ u32 coarse[WORDS][THREADS + 1], fine[WORDS][THREADS + 1];
  constexpr int WIDTH = Tile<float>::WIDTH;
  const double sums = (d + 32) * 2 * UNIT;
  const int t = threadIdx.x;
  for (i64 first = (i64)blockIdx.x * THREADS; first < n; first += all_threads()) {
    const stored* rows = X + first * d;
    const i64 row = first + t;
    const auto moved = [&](int r, int j) { return framed(value_of(rows[(i64)r * d + j]), shift[j], scale); };
    float largest = 0.0f;
    walk(tile, n - first, d, moved, [&](float x) { largest = larger(largest, fabsf(x)); });
    const float step = step_of(largest, levels), per = (float)(1.0 / (double)step);
    Statistics found = {};
    for (int p = 0; p < products; ++p) {
      for (int part = 0; part < PER_WORD * WORDS / WIDTH; ++part) {
        fill(tile, n - first, d, p * PER_WORD * WORDS + part * WIDTH, moved);
#pragma unroll
        for (int w = 0; w < WIDTH / PER_WORD; ++w) {
          Codes codes = {};
#pragma unroll
          for (int i = 0; i < PER_WORD; ++i) encode(tile.at[t][PER_WORD * w + i] * per, i, codes, found);
          coarse[part * (WIDTH / PER_WORD) + w][t] = codes.coarse;
          fine[part * (WIDTH / PER_WORD) + w][t] = codes.fine;
        }
      }
      __syncthreads();
      // Two tiles of 16 rows a warp: a lane's 16 bytes of each.
      for (int at = t; at < THREADS * 2; at += THREADS) {
        const i64 of_rows = first / 16 + at / 32;
        if (of_rows * 16 >= n) break;
        const int r = at / 32 * 16 + at % 32 / 4, w = at % 4;
        const i64 place = (of_rows * products + p) * 32 + at % 32;
        ((Quad*)words)[place] = {{coarse[w][r], coarse[w][r + 8], coarse[w + 4][r], coarse[w + 4][r + 8]}};
        ((Quad*)fine_words)[place] = {{fine[w][r], fine[w][r + 8], fine[w + 4][r], fine[w + 4][r + 8]}};
      }
    }
    if (row >= n) continue;
    const double s = step, squares = (double)found.values2 * s * s;
    float4 fact = {-1.0f, INFINITE, 0.0f, 0.0f};  // too large for float32: every centroid is a candidate
    if (squares < MOST_REACH * MOST_REACH) {
      const double rest = sqrt((double)found.rests2) + 4 * UNIT * sqrt((double)found.values2) + TINY;
      const double reach = fmax(sqrt((double)found.codes2), rest / ratio) * (1 + sums);
      const float inverse = (float)(1.0 / s), norm = (float)(squares * (1 - sums));
      // Not below 127, so that y g covers the rounding of the biased sums (`byte_filter.cu`) also of the smallest rows.
      fact = {-inverse, larger((float)(reach * (1 + 2 * UNIT)), 128.0f),
              fmaf(1.05f * norm * inverse, lost_share, vanishing * inverse), norm};
    }
    facts[row] = fact;
  }
}
