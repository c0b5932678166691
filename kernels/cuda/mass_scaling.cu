// The power of two that masses are measured by (`kmeans_fast.reference.Masses.rescale`), and all masses by it.
//
// Order      Masses are integers: sums of them have none.

#define TOO_SMALL (1ll << 44)  // a total mass below this is scaled anew

// The largest w * nearest, and the largest w, of a thread's rows. `nearest` may be what other blocks wrote just now.
__device__ __forceinline__ void peaks_of(const double* weights, const volatile double* nearest, i64 n, i64 first,
                                         i64 step, u64* peaks) {
  double product = 0.0, heaviest = 0.0;
  for (i64 row = first; row < n; row += step) {
    const double weight = weight_at(weights, row), own = weight * nearest[row];
    if (own > product) product = own;
    if (weight > heaviest) heaviest = weight;
  }
  if (product > 0.0) atomicMax(peaks, (u64)__double_as_longlong(product));
  if (heaviest > 0.0) atomicMax(peaks + 1, (u64)__double_as_longlong(heaviest));
}

// The power of two as two factors, from the bits of the two maxima. One takes the place of all distances where every
// product is zero.
__device__ __forceinline__ void set_factors(const u64* peaks, i64 n, double* factors) {
  // frexp's exponent of the peak, subnormal or not
  const u64 word = peaks[0] ? peaks[0] : peaks[1];
  int exponent;
  const u64 significand = decode(__longlong_as_double((i64)word), &exponent);
  exponent += 64 - __clzll((i64)significand);
  const int shift = 61 - (64 - __clzll(n)) - exponent, one = shift < 1000 ? shift : 1000;
  factors[0] = scaled(1.0, one);
  factors[1] = scaled(1.0, shift - one);
}

// The masses of the buckets, which are zero, from a thread's rows. `restart`: one takes the place of all distances.
__device__ __forceinline__ void weigh_rows(const double* weights, volatile double* nearest, i64 n, bool restart,
                                           const double* factors, const int* buckets, i64* masses, i64 first,
                                           i64 step) {
  for (i64 row = first; row < n; row += step) {
    if (restart) nearest[row] = 1.0;
    const i64 mass = mass_of({weights, nullptr, factors}, row, restart ? 1.0 : nearest[row]);
    if (mass) atomic_add(masses + buckets[row], mass);
  }
}

// All of it by one block.
__device__ void scale_anew(const double* weights, double* nearest, i64 n, const int* buckets, i64* masses,
                           int n_buckets, double* factors) {
  __shared__ u64 peaks[2];
  __shared__ double own_factors[2];
  const int t = threadIdx.x;
  if (t < 2) peaks[t] = 0;
  for (int bucket = t; bucket < n_buckets; bucket += THREADS) masses[bucket] = 0;
  __syncthreads();
  peaks_of(weights, nearest, n, t, THREADS, peaks);
  __syncthreads();
  if (t == 0) {
    set_factors(peaks, n, own_factors);
    factors[0] = own_factors[0], factors[1] = own_factors[1];
  }
  __syncthreads();
  weigh_rows(weights, nearest, n, peaks[0] == 0, own_factors, buckets, masses, t, THREADS);
}
