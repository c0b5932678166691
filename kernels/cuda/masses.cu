// The mass of a row: what it weighs, times its distance to the nearest seed so far, in integers.
//
// Maths      `kmeans_fast.reference.Masses`: floor(w * d * 2**shift). The power of two comes as two factors, since it
//            may be beyond float64.

struct Masses {
  const double* weights;  // (n,) or null: all ones
  const double* nearest;  // (n,) squared distance to the nearest seed
  const double* factors;  // (2,) their product is the power of two
};

__device__ __forceinline__ i64 mass_of(const Masses& masses, i64 row, double distance) {
  const double weight = masses.weights ? masses.weights[row] : 1.0;
  return (i64)(weight * distance * masses.factors[0] * masses.factors[1]);
}

__device__ __forceinline__ double weight_at(const double* weights, i64 row) { return weights ? weights[row] : 1.0; }

// Runs of seeding on data sets of n rows each, one after the other, go side by side: which run a block is part of, and
// the first row that its thread takes, and the step to the next.
struct Share {
  i64 run, problem, first, step;
  int block;  // of the run's
};

__device__ __forceinline__ Share share_of(const i64* of, int blocks_a_run) {
  const int block = (int)(blockIdx.x % blocks_a_run);
  const i64 run = blockIdx.x / blocks_a_run;
  return {run, of ? of[run] : 0, (i64)block * THREADS + threadIdx.x, (i64)blocks_a_run * THREADS, block};
}

template <class Value>
__device__ __forceinline__ Value* of_run(Value* values, i64 number, i64 each) {
  return values ? values + number * each : values;
}

// The sum of the values of all threads before this one, and of all; `sums` is shared memory.
__device__ __forceinline__ i64 sum_before(i64 own, i64* sums, i64* total) {
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
