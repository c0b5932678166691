// Rows and centroids in bytes, and what that costs in certainty: what `byte_filter.cu` scores. The same maths as the
// CPU's `kernels/cpu/scoring/byte_codes.py`; docs/numerics.md, section 6, has the proof.
//
// Layout     In the order of fragments (`tensor_cores.cu`), so that a lane reads what it needs of 16 rows, or of 16
//            centroids, as 16 bytes. Words of rows: [tile of 16 rows][product][lane][4]; of centroids:
//            [panel][product][16 centroids][lane][4]. Beyond d, n and k they are zero.
//            Fine codes are laid out likewise.
// Precision  With x' = s (q + a) and c' = t (r + b), q and r integers within -levels and levels: y >= |q|, |a| / ratio
//            and g >= t |b| + ratio |c'|. In float32; sums of squares are off by less than (d + 32) 2**-24.

#define UNIT 5.9604645e-8             // 2**-24
#define TINY 9.094947017729282e-13    // 2**-40: more than what underflows, in units of s
#define LEAST 8.673617379884035e-19f  // 2**-60: the largest value of a row, at least; a smaller row has codes 0
#define MOST_REACH 1.099511627776e12  // 2**40: the norm beyond which nothing is claimed

#define WORDS 8  // of a row for a product

// What is known of values v = x' / s and their codes.
struct Statistics {
  float codes2, rests2, values2;
};

__device__ __forceinline__ float step_of(float largest, int levels) {
  return (float)((double)larger(largest, LEAST) * ((1.0 + 2.384185791015625e-7) / levels));
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
