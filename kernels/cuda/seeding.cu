// Seeds: greedy k-means++, rows at random, and the candidates of k-means||.
//
// k-means++ runs without waiting for the host: every step draws its candidates, scores them in one pass over X and
// keeps the best, all on the device.
//
// Mapping    `draw`: a block a candidate. The others: a thread a row.
// Maths      Masses and draws are those of `kmeans_fast.reference.Masses`: a draw walks the rows in the order of their
//            content. They are sorted once, and neighbours in that order make buckets of equal size, whose masses are
//            kept: a draw finds the bucket, then the row in it.
// Order      Masses are integers: sums of them have none.
// Cost       A step reads X once (`candidates.cu`). 30 bytes a row. A round of k-means|| is an assignment.
// Limits     At most TRIALS candidates a step (n_clusters < e**15); n < 2**31.
//
// Arthur and Vassilvitskii (2007), greedy trials as in scikit-learn; Bahmani et al. (2012).

#define TOO_SMALL (1ll << 44)  // a total mass below this is scaled anew

// Which bucket a row is in: its place in the order of the content, without the lowest bits.
extern "C" __global__ void fill_buckets(
    const i64* order,  // IN    (n,) rows in the order of their content
    i64 n, int bucket_bits,
    int* buckets       // OUT   (n,)
) {
  for (i64 place = first_thread(); place < n; place += all_threads())
    buckets[order[place]] = (int)(place >> bucket_bits);
}

// Scaling anew, first step: the largest w * nearest, and the largest w should that be zero; zeroes the buckets.
extern "C" __global__ void peak(
    const double* weights, const double* nearest,
    i64 n,
    const i64* total,  // IN    (1,) where it is large enough, there is nothing to do
    u64* peaks,        // INOUT (2,) bits of the two maxima, zero on entry
    i64* masses,       // OUT   (buckets,)
    int n_buckets
) {
  if (*total >= TOO_SMALL) return;
  for (i64 bucket = first_thread(); bucket < n_buckets; bucket += all_threads()) masses[bucket] = 0;
  double product = 0.0, heaviest = 0.0;
  for (i64 row = first_thread(); row < n; row += all_threads()) {
    const double weight = weight_at(weights, row), own = weight * nearest[row];
    if (own > product) product = own;
    if (weight > heaviest) heaviest = weight;
  }
  if (product > 0.0) atomicMax(peaks, (u64)__double_as_longlong(product));
  if (heaviest > 0.0) atomicMax(peaks + 1, (u64)__double_as_longlong(heaviest));
}

// Second step: the power of two, and the masses of the buckets. Where every product is zero, one takes the place of all
// distances.
extern "C" __global__ void weigh(
    const double* weights,
    double* nearest,       // INOUT (n,)
    i64 n,
    const i64* total,      // IN    (1,)
    const u64* peaks,      // IN    (2,)
    const int* buckets,    // IN    (n,)
    double* factors,       // OUT   (2,)
    i64* masses            // INOUT (buckets,)
) {
  __shared__ double own_factors[2];
  if (*total >= TOO_SMALL) return;
  const bool restart = peaks[0] == 0;
  if (threadIdx.x == 0) {
    // frexp's exponent of the peak, subnormal or not
    u64 word = restart ? peaks[1] : peaks[0];
    int exponent;
    const u64 significand = decode(__longlong_as_double((i64)word), &exponent);
    exponent += 64 - __clzll((i64)significand);
    const int shift = 61 - (64 - __clzll(n)) - exponent, one = shift < 1000 ? shift : 1000;
    own_factors[0] = scaled(1.0, one);
    own_factors[1] = scaled(1.0, shift - one);
    if (blockIdx.x == 0) factors[0] = own_factors[0], factors[1] = own_factors[1];
  }
  __syncthreads();
  for (i64 row = first_thread(); row < n; row += all_threads()) {
    if (restart) nearest[row] = 1.0;
    const i64 mass = mass_of({weights, nearest, own_factors}, row, nearest[row]);
    if (mass) atomic_add(masses + buckets[row], mass);
  }
}

// The part of [0, size) that a thread takes.
__device__ __forceinline__ i64 part_of(i64 size, int thread) { return size * thread / THREADS; }

// The masses of all threads' parts before this one's, and of all of them; `sums` is shared memory.
__device__ i64 masses_before(i64 own, i64* sums, i64* total) {
  const int t = threadIdx.x;
  __syncthreads();
  sums[t] = own;
  __syncthreads();
  for (int step = 1; step < THREADS; step <<= 1) {
    const i64 other = t >= step ? sums[t - step] : 0;
    __syncthreads();
    sums[t] += other;
    __syncthreads();
  }
  *total = sums[THREADS - 1];
  return sums[t] - own;
}

// The first row, in the order of the content, whose cumulative mass exceeds word / 2**64 of the total. A block a word.
extern "C" __global__ void __launch_bounds__(THREADS) draw(
    const u64* words,      // IN    (k, width); for k-means|| (gridDim.x,), with width 0
    int width,
    const i64* n_seeds,    // IN    (1,) how many seeds there are: the row of the words
    const double* weights, const double* nearest, const double* factors,
    const i64* order,      // IN    (n,)
    i64 n, int bucket_bits,
    const i64* masses,     // IN    (buckets,)
    int n_buckets,
    i64* candidates,       // OUT   (gridDim.x,)
    i64* total,            // OUT   (1,)
    u64* peaks,            // OUT   (2,) zero
    i64* gains             // OUT   (TRIALS,) zero
) {
  __shared__ i64 sums[THREADS], target, bucket;
  const int t = threadIdx.x;
  const Masses how = {weights, nearest, factors};
  i64 all, own = 0;
  for (i64 b = part_of(n_buckets, t); b < part_of(n_buckets, t + 1); ++b) own += masses[b];
  i64 before = masses_before(own, sums, &all);
  const i64 wanted = (i64)__umul64hi(words[*n_seeds * width + blockIdx.x], (u64)all);
  if (wanted >= before && wanted < before + own) {
    i64 b = part_of(n_buckets, t);
    while (wanted - before >= masses[b]) before += masses[b++];
    bucket = b;
    target = wanted - before;
  }
  __syncthreads();
  const i64 first = bucket << bucket_bits, last = (bucket + 1) << bucket_bits, size = (last < n ? last : n) - first;
  own = 0;
  for (i64 at = part_of(size, t); at < part_of(size, t + 1); ++at) {
    const i64 row = order[first + at];
    own += mass_of(how, row, nearest[row]);
  }
  i64 of_bucket;
  before = masses_before(own, sums, &of_bucket);
  if (target >= before && target < before + own) {
    for (i64 at = part_of(size, t);; ++at) {
      const i64 row = order[first + at], mass = mass_of(how, row, nearest[row]);
      before += mass;
      if (target < before) {
        candidates[blockIdx.x] = row;
        break;
      }
    }
  }
  if (blockIdx.x == 0) {
    if (t < TRIALS) gains[t] = 0;
    if (t < 2) peaks[t] = 0;
    if (t == 0) *total = all;
  }
}

// The first seed: every row's distance to it. The total is zero until the masses have been weighed.
extern "C" __global__ void begin(
    const stored* X, i64 n, int d,
    const i64* candidates,  // IN    (1,)
    double* nearest,        // OUT   (n,)
    i64* total,             // OUT   (1,)
    i64* seeds,             // OUT   (1,)
    i64* n_seeds            // OUT   (1,)
) {
  const i64 seed = candidates[0];
  if (first_thread() == 0) *total = 0, seeds[0] = seed, *n_seeds = 1;
  __shared__ Tile<double> tile;
  for (i64 first = (i64)blockIdx.x * THREADS; first < n; first += all_threads()) {
    const auto of_seed = [&](int, int j) { return (double)value_of(X[seed * d + j]); };
    const double distance = walked_distance(tile, X + first * d, n - first, d, of_seed);
    if (first + threadIdx.x < n) nearest[first + threadIdx.x] = distance;
  }
}

// A row that was drawn has no mass any more (seeds "random"). One thread.
extern "C" __global__ void exclude(
    const i64* candidates,  // IN    (1,)
    const double* weights, double* nearest, const double* factors, const int* buckets,
    i64* masses, i64* total,
    i64* seeds, i64* n_seeds
) {
  if (first_thread() != 0) return;
  const i64 row = candidates[0], mass = mass_of({weights, nearest, factors}, row, nearest[row]);
  nearest[row] = 0.0;
  masses[buckets[row]] -= mass;
  *total -= mass;
  seeds[(*n_seeds)++] = row;
}
