// Seeds: greedy k-means++, of one run or many side by side, and rows at random.
//
// k-means++ runs without waiting for the host: every step draws its candidates, scores them in one pass over X and
// keeps the best, all on the device: three launches, `draw`, `trials` and `accept`, for a step of all runs.
//
// Mapping    A run has so many blocks. `draw`: one for a candidate. The others: a thread a row.
// Maths      Masses and draws are those of `kmeans_fast.reference.Masses`: a draw walks the rows in the order of their
//            content. They are sorted once, and neighbours in that order make buckets of equal size, whose masses are
//            kept: a draw finds the bucket, then the row in it.
// Order      Masses are integers: sums of them have none.
// Cost       A step reads X once (`candidates.cu`), and takes three launches, about 1.5 us each in a graph. 30 bytes a
//            row. For the steps of a fit on an H100: docs/seeding.md.
// Limits     At most TRIALS candidates a step (n_clusters < e**15); n < 2**31.
//
// Arthur and Vassilvitskii (2007), greedy trials as in scikit-learn.

// Which bucket a row is in: its place in the order of the content, without the lowest bits.
extern "C" __global__ void fill_buckets(
    const i64* order,  // IN    (problems, n) rows in the order of their content
    i64 n,
    i64 size,          //       problems * n
    int bucket_bits,
    int* buckets       // OUT   (problems, n)
) {
  for (i64 at = first_thread(); at < size; at += all_threads()) {
    const i64 place = at % n;
    buckets[at - place + order[at]] = (int)(place >> bucket_bits);
  }
}

// Scaling anew, first step: the two maxima; zeroes the buckets.
extern "C" __global__ void peak(
    const double* weights, const double* nearest,
    i64 n,
    const i64* of, int blocks_a_run,
    const i64* total,  // IN    (runs,) where it is large enough, there is nothing to do
    u64* peaks,        // INOUT (runs, 2) bits of the two maxima, zero on entry
    i64* masses,       // OUT   (runs, n_buckets)
    int n_buckets
) {
  const Share share = share_of(of, blocks_a_run);
  if (total[share.run] >= TOO_SMALL) return;
  masses += share.run * n_buckets;
  for (i64 bucket = share.first; bucket < n_buckets; bucket += share.step) masses[bucket] = 0;
  peaks_of(of_run(weights, share.problem, n), nearest + share.run * n, n, share.first, share.step,
           peaks + 2 * share.run);
}

// Second step: the power of two, and the masses of the buckets.
extern "C" __global__ void weigh(
    const double* weights,
    double* nearest,     // INOUT (runs, n)
    i64 n,
    const i64* of, int blocks_a_run,
    const i64* total,    // IN    (runs,)
    const u64* peaks,    // IN    (runs, 2)
    const int* buckets,  // IN    (problems, n)
    double* factors,     // OUT   (runs, 2)
    i64* masses,         // INOUT (runs, n_buckets)
    int n_buckets
) {
  __shared__ double own_factors[2];
  const Share share = share_of(of, blocks_a_run);
  if (total[share.run] >= TOO_SMALL) return;
  peaks += 2 * share.run, factors += 2 * share.run;
  if (threadIdx.x == 0) {
    set_factors(peaks, n, own_factors);
    if (share.block == 0) factors[0] = own_factors[0], factors[1] = own_factors[1];
  }
  __syncthreads();
  weigh_rows(of_run(weights, share.problem, n), nearest + share.run * n, n, peaks[0] == 0, own_factors,
             buckets + share.problem * n, masses + share.run * n_buckets, share.first, share.step);
}

// The part of [0, size) that a thread takes.
__device__ __forceinline__ i64 part_of(i64 size, int thread) { return size * thread / THREADS; }

// The first row, in the order of the content, whose cumulative mass exceeds word / 2**64 of the total. A block a word.
extern "C" __global__ void __launch_bounds__(THREADS, 4) draw(
    const u64* words,      // IN    (runs, k, width)
    int k, int width,
    const i64* n_seeds,    // IN    (runs,) how many seeds there are: the row of the words
    const double* weights, const double* nearest, const double* factors,
    const i64* order,      // IN    (problems, n)
    i64 n, int bucket_bits,
    const i64* of,
    int blocks_a_run,      //       words
    const i64* masses,     // IN    (runs, n_buckets)
    int n_buckets,
    i64* candidates,       // OUT   (runs, TRIALS)
    i64* total,            // OUT   (runs,)
    u64* peaks,            // OUT   (runs, 2) zero
    i64* gains             // OUT   (runs, TRIALS) zero
) {
  __shared__ i64 sums[THREADS], target, bucket;
  const int t = threadIdx.x;
  const Share share = share_of(of, blocks_a_run);
  const i64 run = share.run;
  weights = of_run(weights, share.problem, n), order += share.problem * n;
  nearest += run * n, masses += run * n_buckets, candidates += run * TRIALS;
  const Masses how = {weights, nearest, factors + 2 * run};
  i64 all, own = 0;
  for (i64 b = part_of(n_buckets, t); b < part_of(n_buckets, t + 1); ++b) own += masses[b];
  i64 before = sum_before(own, sums, &all);
  const i64 wanted = (i64)__umul64hi(words[(run * k + n_seeds[run]) * width + share.block], (u64)all);
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
  before = sum_before(own, sums, &of_bucket);
  if (target >= before && target < before + own) {
    for (i64 at = part_of(size, t);; ++at) {
      const i64 row = order[first + at], mass = mass_of(how, row, nearest[row]);
      before += mass;
      if (target < before) {
        candidates[share.block] = row;
        break;
      }
    }
  }
  if (share.block == 0) {
    if (t < TRIALS) gains[run * TRIALS + t] = 0;
    if (t < 2) peaks[2 * run + t] = 0;
    if (t == 0) total[run] = all;
  }
}

// The first seed: every row's distance to it. The total is zero until the masses have been weighed.
extern "C" __global__ void begin(
    const stored* X, i64 n, int d,
    const i64* of, int blocks_a_run,
    const i64* candidates,  // IN    (runs, TRIALS) of which the first is the seed
    double* nearest,        // OUT   (runs, n)
    i64* total,             // OUT   (runs,)
    i64* seeds,             // OUT   (runs, k)
    int k,
    i64* n_seeds            // OUT   (runs,)
) {
  const Share share = share_of(of, blocks_a_run);
  const i64 run = share.run, seed = candidates[run * TRIALS];
  X += share.problem * n * d, nearest += run * n;
  if (share.first == 0) total[run] = 0, seeds[run * k] = seed, n_seeds[run] = 1;
  __shared__ Tile<double> tile;
  for (i64 first = share.first - threadIdx.x; first < n; first += share.step) {
    const auto of_seed = [&](int, int j) { return (double)value_of(X[seed * d + j]); };
    const double distance = walked_distance(tile, X + first * d, n - first, d, of_seed);
    if (first + threadIdx.x < n) nearest[first + threadIdx.x] = distance;
  }
}

// A row that was drawn has no mass any more (seeds "random"). One thread, one run.
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
