// Candidates for a seed: what each would gain, and the distances of the rows when it has become one.
//
// Candidates are rows of X. Where a file before this one has defined GIVEN, their values come from the host, which also
// chooses among them: the rows are a part of the data, and candidates may be rows of another part.
//
// Mapping    `trials`: a thread a slice of a row, which it compares with up to TRIALS candidates while the rows of the
//            block pass through shared memory, the next features being on their way; then some candidates of the row.
//            A row is cut into so many slices that few rows are many threads. `accept`: a thread a row.
// Precision  Row i is changed by candidate c only where D(x_i, c) < nearest_i. D in float32, off by less than
//            (d + 2) 2**-24 of itself, excludes most pairs. Only the others pay for D in float64.
// Order      Masses are integers: sums of them have none.
// Cost       A step reads X once, costs 2 n d trials float32 operations, and D for the pairs left. At (1M, 128) with 8
//            trials: 0.17 ms of memory, 0.06 ms of operations. An H100 took 0.4 ms before rows were cut into slices and
//            loaded ahead; since then it has not been measured.

#define FEATURES 16  // of a slice that are in shared memory at a time
#define MOST_SLICES 4

#ifdef GIVEN
#define CANDIDATE(q) (given + (i64)(q) * d)
#else
#define CANDIDATE(q) (X + candidates[q] * d)
#endif

__device__ __forceinline__ float difference(float x, float c) { return x - c; }
__device__ __forceinline__ float difference(double x, double c) { return (float)(x - c); }

// What each candidate would take off the total mass, and which rows it is nearer to than all seeds.
extern "C" __global__ void __launch_bounds__(THREADS, sizeof(real) == 8 ? 1 : 2) trials(
    const stored* __restrict__ X, i64 n, int d,
    const i64* __restrict__ of,          // IN    (runs,) the problem of each run, or null: there is one
    int blocks_a_run,
    const i64* __restrict__ candidates,  // IN    (runs, TRIALS) rows of X; null where they are given
    const real* __restrict__ given,      // IN    (n_trials, d), or null
    int n_trials,
    const double* __restrict__ weights,
    const double* __restrict__ nearest,  // IN    (runs, n)
    const double* __restrict__ factors,  // IN    (runs, 2)
    unsigned short* __restrict__ marks,  // OUT   (runs, n) bit t: nearer to candidate t
    i64* gains                           // INOUT (runs, TRIALS)
) {
  __shared__ real held[THREADS * (FEATURES + 1)], tried[MOST_SLICES * FEATURES][TRIALS];
  __shared__ u32 low[TRIALS], high[TRIALS], mark_of[THREADS];
  static_assert(TRIALS <= FEATURES + 1, "partial distances take the room of the rows");
  float* const partial = (float*)held;
  const int t = threadIdx.x;
  const int bits = d > 2 * FEATURES ? 6 : d > FEATURES ? 5 : 4, width = 1 << bits, slices = width / FEATURES;
  const int height = THREADS / slices, slice = t / height, r = t % height;
  const Share share = share_of(of, blocks_a_run);
  X += share.problem * n * d;
  weights = of_run(weights, share.problem, n), nearest += share.run * n, marks += share.run * n;
  candidates = of_run(candidates, share.run, TRIALS);
  const Masses masses = {weights, nearest, factors + 2 * share.run};
  const SharedCells block = {low, high};
  if (t < TRIALS) low[t] = high[t] = 0;
  const double sure = 1.0 - (d + 8) * 1.1920929e-7, tiny = d * 2.8e-45;
  for (i64 first = (i64)share.block * height; first < n; first += (i64)blocks_a_run * height) {
    real ahead[FEATURES], tried_ahead[MOST_SLICES];
    const int own = t >> bits, f = t & (width - 1), used_rows = n - first < height ? (int)(n - first) : height;
    const auto load = [&](int start) {
      const stored* from = X + (first + own) * d + start + f;
      const bool inside = start + f < d;
#pragma unroll
      for (int i = 0; i < FEATURES; ++i) {
        ahead[i] = inside && own + i * (height / FEATURES) < used_rows ? value_of(*from) : (real)0;
        from += height / FEATURES * d;
      }
#pragma unroll
      for (int i = 0; i < MOST_SLICES; ++i) {
        const int q = own + i * (height / FEATURES);
        tried_ahead[i] = inside && q < n_trials ? value_of(CANDIDATE(q)[start + f]) : (real)0;
      }
    };
    float distances[TRIALS];
#pragma unroll
    for (int q = 0; q < TRIALS; ++q) distances[q] = 0.0f;
    load(0);
    for (int start = 0; start < d; start += width) {
      __syncthreads();
#pragma unroll
      for (int i = 0; i < FEATURES; ++i) held[(own + i * (height / FEATURES)) * (width + 1) + f] = ahead[i];
#pragma unroll
      for (int i = 0; i < MOST_SLICES; ++i)
        if (own + i * (height / FEATURES) < TRIALS) tried[f][own + i * (height / FEATURES)] = tried_ahead[i];
      __syncthreads();
      if (start + width < d) load(start + width);
      const int base = slice * FEATURES, left = d - start - base, used = left < FEATURES ? left : FEATURES;
      for (int j = base; j < base + used; ++j) {
        const real x = held[r * (width + 1) + j];
#pragma unroll
        for (int group = 0; group < TRIALS; group += 4) {
          if (group >= n_trials) break;
#pragma unroll
          for (int q = group; q < group + 4; ++q) {
            const float apart = difference(x, tried[j][q]);
            distances[q] = fmaf(apart, apart, distances[q]);
          }
        }
      }
    }
    __syncthreads();
    mark_of[t] = 0;
#pragma unroll
    for (int q = 0; q < TRIALS; ++q) {
      if (q >= n_trials) break;
      partial[q * THREADS + t] = distances[q];
    }
    __syncthreads();
    const i64 row = first + r;
    const double bound = row < n ? nearest[row] : 0.0;
    u32 mark = 0;
    for (int q = slice; q < n_trials && row < n; q += slices) {
      float distance_about = 0.0f;
      for (int s = 0; s < slices; ++s) distance_about += partial[q * THREADS + s * height + r];
      // A distance that overflowed float32 is larger than 1e38 but nothing more is known of it.
      const bool excluded = distance_about < INFINITE ? ((double)distance_about - tiny) * sure >= bound : bound < 1e38;
      if (excluded) continue;
      const double distance = squared_distance(X + row * d, CANDIDATE(q), d);
      if (!(distance < bound)) continue;
      mark |= 1u << q;
      const i64 gain = mass_of(masses, row, bound) - mass_of(masses, row, distance);
      if (gain) block.add(q, gain);
    }
    if (mark) atomicAdd(mark_of + r, mark);  // a slice has its own candidates
    __syncthreads();
    if (slice == 0 && row < n) marks[row] = (unsigned short)mark_of[r];
  }
  __syncthreads();
  if (t < n_trials) {
    const i64 gain = (i64)((u64)high[t] << 32 | low[t]);
    if (gain) atomic_add(gains + share.run * TRIALS + t, gain);
  }
}

// The candidate that leaves the least mass, the first of equals, becomes a seed; of given ones, the one that the host
// has chosen.
extern "C" __global__ void __launch_bounds__(THREADS) accept(
    const stored* X, i64 n, int d,
    const i64* of, int blocks_a_run,
    const i64* candidates,        // IN    as for `trials`, as the next two
    const real* given,
    int n_trials,
    const i64* gains,             // IN    (runs, TRIALS)
    int chosen,                   //       of given ones
    const double* weights,
    double* nearest,              // INOUT (runs, n)
    double* factors,              // INOUT (runs, 2)
    const unsigned short* marks,  // IN    (runs, n)
    const int* buckets,           // IN    (problems, n)
    i64* masses,                  // INOUT (runs, n_buckets)
    int n_buckets,
    i64* total,                   // INOUT (runs,) as the next four, if candidates are rows of X
    i64* seeds,                   // INOUT (runs, k)
    int k,
    i64* n_seeds,                 // INOUT (runs,)
    int* done                     // INOUT (runs,) zero: blocks that have done theirs
) {
  const Share share = share_of(of, blocks_a_run);
  const i64 run = share.run;
  X += share.problem * n * d;
  weights = of_run(weights, share.problem, n), buckets += share.problem * n;
  nearest += run * n, marks += run * n, masses += run * n_buckets;
  candidates = of_run(candidates, run, TRIALS);
#ifdef GIVEN
  const int best = chosen;
#else
  gains += run * TRIALS;
  int best = 0;
  for (int q = 1; q < n_trials; ++q)
    if (gains[q] > gains[best]) best = q;
#endif
  const auto* seed = CANDIDATE(best);
  const Masses how = {weights, nearest, factors + 2 * run};
  for (i64 row = share.first; row < n; row += share.step) {
    if (!(marks[row] >> best & 1)) continue;
    const double distance = squared_distance(X + row * d, seed, d);
    const i64 change = mass_of(how, row, distance) - mass_of(how, row, nearest[row]);
    nearest[row] = distance;
    if (change) atomic_add(masses + buckets[row], change);
  }
#ifndef GIVEN
  __shared__ int is_last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) is_last = atomicAdd(done + run, 1) == blocks_a_run - 1;
  __syncthreads();
  if (!is_last) return;
  // All that the run's other blocks have read and written is past. Scaling anew is rare: one block does it.
  if (threadIdx.x == 0) {
    done[run] = 0;
    seeds[run * k + n_seeds[run]++] = candidates[best];
    total[run] -= gains[best];
  }
  __threadfence();
  __syncthreads();
  if (*(volatile i64*)(total + run) >= TOO_SMALL) return;
  scale_anew(weights, nearest, n, buckets, masses, n_buckets, factors + 2 * run);
#endif
}
