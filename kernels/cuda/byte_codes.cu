// Rows and centroids in bytes, and what that costs in certainty: what `byte_filter.cu` scores. The same maths as the
// CPU's `kernels/cpu/scoring/byte_codes.py`; docs/numerics.md, section 6, has the proof.
//
// Mapping    `encode_rows`, once a fit: a thread a row (`tiles.cu`), whose features pass by twice. The words of a
//            block's rows for a product meet in shared memory, so that they are written 16 bytes at a time.
//            `encode_centroids`, in every iteration: a block a panel, a warp a centroid, a lane the features of a word.
// Layout     In the order of fragments (`tensor_cores.cu`), so that a lane reads what it needs of 16 rows, or of 16
//            centroids, as 16 bytes. Words of rows: [tile of 16 rows][product][lane][4]; of centroids:
//            [panel][product][16 centroids][lane][4]. Beyond d, n and k they are zero.
//            Fine codes are laid out likewise.
// Precision  With x' = s (q + a) and c' = t (r + b), q and r integers within -LEVELS and LEVELS: y >= |q|, |a| / ratio
//            and g >= t |b| + ratio |c'|. In float32; sums of squares are off by less than (d + 32) 2**-24.
// Cost       Reads X twice, the second time from cache. 2 d bytes and 16 a row; 4 d in halves.

#define UNIT 5.9604645e-8             // 2**-24
#define TINY 9.094947017729282e-13    // 2**-40: more than what underflows, in units of s
#define LEAST 8.673617379884035e-19f  // 2**-60: the largest value of a row, at least; a smaller row has codes 0
#define MOST_REACH 1.099511627776e12  // 2**40: the norm beyond which nothing is claimed

#define WORDS 8  // of a row for a product

// What is known of values v = x' / s and their codes.
struct Statistics {
  float codes2, rests2, values2;
};

__device__ __forceinline__ float step_of(float largest) {
  return (float)((double)larger(largest, LEAST) * ((1.0 + 2.384185791015625e-7) / LEVELS));
}

// An integer as the operand of a product: a byte, or the bits of a half.
__device__ __forceinline__ u32 operand_of(float integer) {
  return HALVES ? half_of(integer) : (u32)(int)integer & 255u;
}

// Codes of some values in a word: of the values, and of what is left of them in units of 1 / FINER.
struct Codes {
  u32 coarse, fine;
};

// Puts the code of a value into one of the PER_WORD places.
__device__ __forceinline__ void encode(float value, int place, Codes& codes, Statistics& found) {
  const float code = value + ROUNDER - ROUNDER, rest = value - code, finer = rest * FINER + ROUNDER - ROUNDER;
  found.codes2 = fmaf(code, code, found.codes2);
  found.rests2 = fmaf(rest, rest, found.rests2);
  found.values2 = fmaf(value, value, found.values2);
  codes.coarse |= operand_of(code) << place * (32 / PER_WORD);
  codes.fine |= operand_of(finer) << place * (32 / PER_WORD);
}

extern "C" __global__ void __launch_bounds__(THREADS, 2) encode_rows(
    const stored* __restrict__ X,    // IN    (n, d)
    i64 n, int d,
    const real* __restrict__ shift,  // IN    (d,) the frame
    real scale,
    int products,                    //       of 8 words that a row has room for
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
    const float step = step_of(largest), per = (float)(1.0 / (double)step);
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

extern "C" __global__ void __launch_bounds__(THREADS, 4) encode_centroids(
    const double* __restrict__ centroids,  // IN    (k, d) of values that X's dtype has
    int k, int d,
    const real* __restrict__ shift,        // IN    (d,) the frame
    real scale,
    int products,
    double ratio,
    int panel,                             //       centroids a panel, a multiple of 16
    int biased,                            //       whether the sums of products start at ROUNDER
    float* moved,                          // OUT   (k, d) c'
    u32* words,                            // OUT   zeroed codes, as the next one
    u32* fine_words,                       // OUT   of what they leave
    float2* steps,                         // OUT   (panels * panel,) t, not above |c'|^2 / 2
    float* slopes,                         // OUT   (panels * panel,) g
    float* steepest,                       // OUT   (panels,) the largest g
    const int* halted
) {
  __shared__ int top;
  if (*halted) return;
  const int lane = threadIdx.x % 32, panels = (k + panel - 1) / panel;
  const double sums = (d + 32) * 2 * UNIT;
  for (int one = blockIdx.x; one < panels; one += gridDim.x) {
    __syncthreads();
    if (threadIdx.x == 0) top = 0;
    __syncthreads();
    for (int place = threadIdx.x / 32; place < panel; place += THREADS / 32) {
      const int c = one * panel + place;
      float2 step = {0.0f, INFINITE};  // beyond k: nearest to nothing
      float steep = 0.0f;
      if (c < k) {
        const double* centroid = centroids + (i64)c * d;
        float largest = 0.0f;
        for (int j = lane; j < d; j += 32) largest = larger(largest, fabsf(framed((real)centroid[j], shift[j], scale)));
        for (int by = 16; by; by >>= 1) largest = larger(largest, __shfl_xor_sync(0xffffffffu, largest, by));
        const float t = step_of(largest), per = (float)(1.0 / (double)t);
        Statistics found = {};
        const i64 base = (i64)one * products * panel * 8;
        for (int at = lane; at < (d + PER_WORD - 1) / PER_WORD; at += 32) {
          Codes codes = {};
          for (int i = 0; i < PER_WORD && at * PER_WORD + i < d; ++i) {
            const int j = at * PER_WORD + i;
            const float value = framed((real)centroid[j], shift[j], scale);
            moved[(i64)c * d + j] = value;
            encode(value * per, i, codes, found);
          }
          const i64 to = base + ((at / 8 * (panel / 16) + place / 16) * 32 + place % 8 * 4 + at % 4) * 4 +
                         place / 8 % 2 * 2 + at % 8 / 4;
          words[to] = codes.coarse;
          fine_words[to] = codes.fine;
        }
        const double values2 = warp_sum(found.values2), rests2 = warp_sum(found.rests2), s = t;
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
        slopes[c] = steep;
        atomicMax(&top, __float_as_int(steep));
      }
    }
    __syncthreads();
    if (threadIdx.x == 0) steepest[one] = __int_as_float(top);
  }
}
