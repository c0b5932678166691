// What a score in float32 proves, and the bounds that it leaves for the passes to come
// (`kmeans_fast.backends.cuda.scorers.frame` has the error bound).

// A centroid whose half norm overflows float32 counts as infinitely far. That is right for a row within sqrt(TAME) of
// the shift whose best centroid is so near too, since the other is at least 2e19 away. Any other row is open, to every
// centroid.
#define TAME 1e37f

// Rows that are not settled, three words each: (row, centroid, centroid) from the front for `counters[1]` pairs, and
// from the back for `counters[4]` rows (row, bits of the score that a centroid must reach to come into question, set of
// the threads across that have such a one).
struct Open {
  int row, first, second;
};
__device__ __forceinline__ i64 place_of_pair(u64 at) { return (i64)at; }
__device__ __forceinline__ i64 place_of_scan(u64 at, i64 n) { return n - 1 - (i64)at; }

struct Bounds {
  float *upper, *lower;  // (n,) or null: no bounds are kept
};

// Takes note of a score, if it is one of the best two.
__device__ __forceinline__ void top_two(float score, int column, float& best, float& second, int& index) {
  const bool better = score > best;  // never of a NaN
  second = larger(second, better ? best : score);
  index = better ? column : index;
  best = better ? score : best;
}

// What a score must lead by, for a row of norm |x'|^2 whose best centroid has this half norm.
__device__ __forceinline__ float margin_of(float norm, float half_norm, float of_norm, float of_half_norm,
                                           float added) {
  return fmaf(norm, of_norm, fmaf(larger(-half_norm, 0.0f), of_half_norm, added));
}

// A number not below the distance to the best centroid and one not above the distance to any other, in the frame.
__device__ __forceinline__ void write_bounds(const Bounds& bounds, i64 row, float best, float second, float norm,
                                             float margin, int d, bool open) {
  const float slack = (d + 32) * 1.1920929e-7f, tiny = 7.8886091e-31f;  // 2**-23 and 2**-100
  const float above = fmaf(best, -2.0f, fmaf(norm, 1.0f + slack, 2.0f * margin));
  const float below = fmaf(second, -2.0f, norm * (1.0f - slack)) - 2.0f * margin;
  bounds.upper[row] = fmaf(sqrtf(larger(above, 0.0f)), 1.000001f, tiny);
  const float lower = fmaf(sqrtf(larger(below, 0.0f)), 0.999999f, -tiny);
  bounds.lower[row] = open ? -1.0f : lower;  // NaN, where float32 overflowed, never proves anything
}
