// Rows of one to four features: nearest centroid and sums in one pass over X.
//
// Compiled with -DDIM=1, 2, 3 or 4, the number of features.
//
// Mapping    A thread a row; the centroids are in shared memory and every thread reads the same GROUP at a time, in one
//            load of 16 bytes.
// Maths      Distances by direct differences, so there is no cancellation and no frame.
// Precision  float32 rows: D in float32 is off by less than (DIM + 2) 2**-24 of itself, so a row is settled unless its
//            best two are that close. The rest take the contract's D to every centroid at once. float64 rows: the
//            contract's D itself.
// Ties       The lowest index: of equal D the first is kept, and in float32 a tie is never settled.
// Order      None: sums are integers. Where clusters are few each thread has sums of its own in shared memory, without
//            atomics.
// Cost       n k (2 DIM + 5) operations; X, old and new labels once: 4 DIM + 8 bytes a row in float32.
// Limits     n < 2**31.
//
// One pass for both steps: Lutz et al. (2018), Efficient k-means on GPUs.

#define CHUNK 512  // centroids in shared memory at a time

// A row as one load, or two: where X begins at a multiple of its size.
constexpr int POINT_BYTES = DIM % 2 ? sizeof(real) : DIM * sizeof(real) < 16 ? DIM * sizeof(real) : 16;
struct __align__(POINT_BYTES) Point {
  real at[DIM];
};
// A centroid in shared memory; three coordinates take the room of four.
struct __align__(DIM * sizeof(real) > 8 ? 16 : DIM * sizeof(real)) Centroid {
  real at[DIM == 3 ? 4 : DIM];
};
constexpr int GROUP = sizeof(Centroid) < 16 ? 16 / sizeof(Centroid) : 1;

__device__ __forceinline__ void load_point(const real* from, bool aligned, real (&x)[DIM]) {
  if (aligned) {
    const Point point = *(const Point*)from;
    for (int j = 0; j < DIM; ++j) x[j] = point.at[j];
  } else {
    for (int j = 0; j < DIM; ++j) x[j] = from[j];
  }
}

__device__ __forceinline__ real squared(real t) { return t * t; }
__device__ __forceinline__ float plus_squared(float total, float t) { return fmaf(t, t, total); }
// As the contract has it.
__device__ __forceinline__ double plus_squared(double total, double t) { return total + t * t; }

extern "C" __global__ void __launch_bounds__(THREADS, 3) assign_points(
    const real* __restrict__ X,            // IN    (n, DIM)
    const double* __restrict__ weights,    // IN    (n,) or null
    i64 n,
    const double* __restrict__ centroids,  // IN    (k, DIM)
    int k,
    int* labels,                           // INOUT (n,)
    i64* counters,                         // INOUT rows changed, open, scored
    i64* cells, i64* counts,               // INOUT Sums, or null
    const int* unit, int limbs, int limb_bits,
    int anew, i64 shared_cells,
    i64 private_cells,                     // cells a thread has for itself, counts included; all rows are added then,
                                           // whatever `anew` says; 0: none
    const int* halted
) {
  __shared__ __align__(16) Centroid chunk[CHUNK];
  __shared__ int moved_row[THREADS], moved_from[THREADS], moved_to[THREADS], n_moved, n_changed, n_open;
  if (*halted) return;
  const int t = threadIdx.x;
  const Limbs how = {unit, limbs, limb_bits, weights ? DIM + 1 : DIM};
  const Sums sums = {cells, counts, how, anew};
  const BlockSums block = block_sums(dynamic_shared, private_cells ? 0 : shared_cells);
  clear_block_sums(block, k);
  i64* own = (i64*)dynamic_shared + t;
  for (i64 at = 0; at < private_cells; ++at) own[at * THREADS] = 0;
  if (t == 0) n_changed = n_open = 0;
  const i64 count_cells = private_cells - k;
  const bool aligned = (u64)X % POINT_BYTES == 0;

  for (i64 first = (i64)blockIdx.x * THREADS; first < n; first += all_threads()) {
    const i64 row = first + t < n ? first + t : n - 1;
    real x[DIM];
    load_point(X + row * DIM, aligned, x);
    real best = (real)INFINITE, second = (real)INFINITE;
    int label = 0;
    for (int start = 0; start < k; start += CHUNK) {
      const int size = k - start < CHUNK ? k - start : CHUNK;
      if (k > CHUNK || first == (i64)blockIdx.x * THREADS) {
        __syncthreads();
        for (int at = t; at < size * DIM; at += THREADS)
          chunk[at / DIM].at[at % DIM] = (real)centroids[start * DIM + at];
        if (t < GROUP - 1 && size + t < CHUNK)  // fills the last group up with centroids that are nearest to nothing
          for (int j = 0; j < DIM; ++j) chunk[size + t].at[j] = (real)INFINITE;
        __syncthreads();
      }
      for (int c = 0; c < size; c += GROUP) {
        Centroid group[GROUP];
#pragma unroll
        for (int g = 0; g < GROUP; ++g) group[g] = chunk[c + g];
#pragma unroll
        for (int g = 0; g < GROUP; ++g) {
          real total = squared(x[0] - group[g].at[0]);
          for (int j = 1; j < DIM; ++j) total = plus_squared(total, x[j] - group[g].at[j]);
          const bool nearer = total < best;
          second = smaller(second, nearer ? best : total);
          label = nearer ? start + c + g : label;
          best = nearer ? total : best;
        }
      }
    }
    bool settled = true;
    if (sizeof(real) == 4) {
      const real relative = (DIM + 4) * (real)5.9604645e-8, least = (real)1e-43;
      settled = best < (real)1e38 && second - second * relative > best + best * relative + least;
      if (!settled) {
        double nearest = INFINITE;
        for (int c = 0; c < k; ++c) {
          const double distance = squared_distance(X + row * DIM, centroids + (i64)c * DIM, DIM);
          if (distance < nearest) nearest = distance, label = c;
        }
      }
    }
    __syncthreads();
    if (t == 0) n_moved = 0;
    __syncthreads();
    if (first + t < n) {
      const int before = labels[row];
      if (!settled) atomicAdd(&n_open, 1);
      if (before != label) {
        labels[row] = label;
        atomicAdd(&n_changed, 1);
      }
      if (private_cells) {
        const PrivateCells mine = {own, THREADS};
        for (int column = 0; column < how.columns; ++column)
          add_column(mine, label, row, column, X, weights, DIM, how, false);
        own[(count_cells + label) * THREADS] += 1;
      } else if (sums.cells && (anew || before != label)) {
        const int slot = atomicAdd(&n_moved, 1);
        moved_row[slot] = (int)row;
        moved_from[slot] = anew ? -1 : before;
        moved_to[slot] = label;
      }
    }
    if (sums.cells && !private_cells) {
      __syncthreads();
      move_rows(block, sums, {moved_row, moved_from, moved_to, n_moved}, X, weights, DIM, t, THREADS);
    }
  }
  __syncthreads();
  if (t == 0) {
    if (n_changed) atomic_add(counters, n_changed);
    if (n_open) atomic_add(counters + 1, n_open);
    if (blockIdx.x == 0) atomic_add(counters + 2, n);
  }
  flush_block_sums(block, sums, k, limbs);
  const i64* all = (const i64*)dynamic_shared;
  for (i64 at = t; at < private_cells; at += THREADS) {
    i64 total = 0;
    for (int i = 0; i < THREADS; ++i) total += all[at * THREADS + (i + t) % THREADS];  // each thread from another bank
    if (total) atomic_add(at < count_cells ? cells + at : counts + (at - count_cells), total);
  }
}
