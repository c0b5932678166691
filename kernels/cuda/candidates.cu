// Candidates for a seed: what each would gain, and the distances of the rows when it has become one.
//
// Candidates are rows of X. Where a file before this one has defined GIVEN, their values come from the host, which also
// chooses among them: the rows are a part of the data, and candidates may be rows of another part.
//
// Mapping    `trials`: a thread a row, which it compares with up to TRIALS candidates while the rows of the block pass
//            through shared memory. The others: a thread a row.
// Precision  Row i is changed by candidate c only where D(x_i, c) < nearest_i. D in float32, off by less than
//            (d + 2) 2**-24 of itself, excludes most pairs. Only the others pay for D in float64.
// Order      Masses are integers: sums of them have none.
// Cost       A step reads X once, costs 2 n d trials float32 operations, and D for the pairs left.

#define FEATURES 16

#ifdef GIVEN
#define CANDIDATE(q) (given + (i64)(q) * d)
#else
#define CANDIDATE(q) (X + candidates[q] * d)
#endif

__device__ __forceinline__ float difference(float x, float c) { return x - c; }
__device__ __forceinline__ float difference(double x, double c) { return (float)(x - c); }

// What each candidate would take off the total mass, and which rows it is nearer to than all seeds.
extern "C" __global__ void __launch_bounds__(THREADS) trials(
    const stored* __restrict__ X, i64 n, int d,
    const i64* __restrict__ candidates,  // IN    (n_trials,) rows of X; null where they are given
    const real* __restrict__ given,      // IN    (n_trials, d), or null
    int n_trials,
    const double* __restrict__ weights, const double* __restrict__ nearest, const double* __restrict__ factors,
    unsigned short* __restrict__ marks,  // OUT   (n,) bit t: nearer to candidate t
    i64* gains                           // INOUT (TRIALS,)
) {
  __shared__ real rows[THREADS][FEATURES + 1], tried[FEATURES][TRIALS];
  __shared__ u32 low[TRIALS], high[TRIALS];
  const int t = threadIdx.x;
  const Masses masses = {weights, nearest, factors};
  const SharedCells block = {low, high};
  if (t < TRIALS) low[t] = high[t] = 0;
  const double sure = 1.0 - (d + 8) * 1.1920929e-7, tiny = d * 2.8e-45;
  for (i64 first = (i64)blockIdx.x * THREADS; first < n; first += all_threads()) {
    float distances[TRIALS];
#pragma unroll
    for (int q = 0; q < TRIALS; ++q) distances[q] = 0.0f;
    for (int start = 0; start < d; start += FEATURES) {
      __syncthreads();
      for (int at = t; at < THREADS * FEATURES; at += THREADS) {
        const int r = at / FEATURES, f = at % FEATURES;
        rows[r][f] = first + r < n && start + f < d ? value_of(X[(first + r) * d + start + f]) : (real)0;
      }
      for (int at = t; at < TRIALS * FEATURES; at += THREADS) {
        const int q = at / FEATURES, f = at % FEATURES;
        tried[f][q] = q < n_trials && start + f < d ? value_of(CANDIDATE(q)[start + f]) : (real)0;
      }
      __syncthreads();
      for (int f = 0; f < FEATURES; ++f) {
        const real x = rows[t][f];
#pragma unroll
        for (int group = 0; group < TRIALS; group += 4) {
          if (group >= n_trials) break;
#pragma unroll
          for (int q = group; q < group + 4; ++q) {
            const float apart = difference(x, tried[f][q]);
            distances[q] = fmaf(apart, apart, distances[q]);
          }
        }
      }
    }
    const i64 row = first + t;
    if (row >= n) continue;
    const double bound = nearest[row];
    u32 mark = 0;
#pragma unroll
    for (int q = 0; q < TRIALS; ++q) {
      if (q >= n_trials) break;
      // A distance that overflowed float32 is larger than 1e38 but nothing more is known of it.
      const bool excluded = distances[q] < INFINITE ? ((double)distances[q] - tiny) * sure >= bound : bound < 1e38;
      if (excluded) continue;
      const double distance = squared_distance(X + row * d, CANDIDATE(q), d);
      if (!(distance < bound)) continue;
      mark |= 1u << q;
      const i64 gain = mass_of(masses, row, bound) - mass_of(masses, row, distance);
      if (gain) block.add(q, gain);
    }
    marks[row] = (unsigned short)mark;
  }
  __syncthreads();
  if (t < n_trials) {
    const i64 gain = (i64)((u64)high[t] << 32 | low[t]);
    if (gain) atomic_add(gains + t, gain);
  }
}

// The candidate that leaves the least mass, the first of equals, becomes a seed; of given ones, the one that the host
// has chosen.
extern "C" __global__ void accept(
    const stored* X, i64 n, int d,
    const i64* candidates,  // IN    as for `trials`, as the next two
    const real* given,
    int n_trials,
    const i64* gains,       // IN    (n_trials,)
    int chosen,             //       of given ones
    const double* weights,
    double* nearest,        // INOUT (n,)
    const double* factors,
    const unsigned short* marks,
    const int* buckets,
    i64* masses,            // INOUT (buckets,)
    i64* total,             // INOUT (1,) as the next two, if candidates are rows of X
    i64* seeds,             // INOUT (k,)
    i64* n_seeds            // INOUT (1,)
) {
#ifdef GIVEN
  const int best = chosen;
#else
  int best = 0;
  for (int q = 1; q < n_trials; ++q)
    if (gains[q] > gains[best]) best = q;
  if (first_thread() == 0) {
    seeds[(*n_seeds)++] = candidates[best];
    *total -= gains[best];
  }
#endif
  const auto* seed = CANDIDATE(best);
  const Masses how = {weights, nearest, factors};
  for (i64 row = first_thread(); row < n; row += all_threads()) {
    if (!(marks[row] >> best & 1)) continue;
    const double distance = squared_distance(X + row * d, seed, d);
    const i64 change = mass_of(how, row, distance) - mass_of(how, row, nearest[row]);
    nearest[row] = distance;
    if (change) atomic_add(masses + buckets[row], change);
  }
}

// Candidates of k-means|| join those before: every row's distance to the nearest of all, and which that is. The masses
// have to be weighed anew.
extern "C" __global__ void join(
    const double* distances,  // IN    (n,) to the nearest of the new candidates
    const int* labels,        // IN    (n,) which of them that is
    i64 n,
    int before,               // IN    candidates before
    double* nearest,          // INOUT (n,)
    int* owner,               // INOUT (n,) the first of the nearest candidates
    i64* total                // OUT   (1,) zero
) {
  if (first_thread() == 0) *total = 0;
  for (i64 row = first_thread(); row < n; row += all_threads()) {
    if (!(distances[row] < nearest[row])) continue;
    nearest[row] = distances[row];
    owner[row] = before + labels[row];
  }
}
