// Draws of many rows by mass at a time, in the order of their content (`kmeans_fast.reference.Masses.draw`): a sample,
// or a round of k-means||.
//
// Rows are in buckets by hash (`part_masses.cu`). A word falls into one bucket, and only the rows of the buckets that
// words fall into are sorted, unless those are most of all.
//
// Mapping    A thread a row, a word, or a place in the order. `block_sums`, `prefix_sums`: a block a chunk.
// Order      Masses are integers: sums of them have none. Which bucket a row is in changes no draw.
// Cost       Of n rows: 8 n bytes of hashes written and read, 4 n of buckets, 12 n to weigh, with an atomic addition a
//            row to up to 2**22 buckets (83 G/s on an H100), and 4 n to pick rows. At n = 100M, d = 2: about 5 GB, 2 to
//            4 ms by the rate of a copy; to sort all hashes would take 8 passes over 16 n bytes, about 30 ms. The rate
//            of additions was measured, the rest was not.

// The values of a chunk added up. A block a chunk.
extern "C" __global__ void __launch_bounds__(THREADS) block_sums(
    const i64* values,  // IN    (n,)
    i64 n,
    i64 chunk,          //       a multiple of THREADS
    i64* totals         // OUT   (gridDim.x,)
) {
  __shared__ i64 sums[THREADS];
  i64 own = 0, total;
  for (i64 at = blockIdx.x * chunk + threadIdx.x; at < n && at < (blockIdx.x + 1) * chunk; at += THREADS)
    own += values[at];
  sum_before(own, sums, &total);
  if (threadIdx.x == 0) totals[blockIdx.x] = total;
}

// The sums of the values up to each, itself included. A block a chunk.
extern "C" __global__ void __launch_bounds__(THREADS) prefix_sums(
    i64* values,        // INOUT (n,)
    i64 n, i64 chunk,
    const i64* totals   // IN    (gridDim.x,)
) {
  __shared__ i64 sums[THREADS];
  i64 own = 0, before, total;
  for (int block = threadIdx.x; block < blockIdx.x; block += THREADS) own += totals[block];
  sum_before(own, sums, &before);
  for (i64 first = blockIdx.x * chunk; first < n && first < (blockIdx.x + 1) * chunk; first += THREADS) {
    const i64 at = first + threadIdx.x, value = at < n ? values[at] : 0;
    const i64 earlier = sum_before(value, sums, &total);
    if (at < n) values[at] = before + earlier + value;
    before += total;
  }
}

// The first of n ascending sums that is above a target; n - 1 if none is.
__device__ __forceinline__ i64 first_above(i64 target, const i64* sums, i64 n) {
  i64 low = 0, high = n - 1;
  while (low < high) {
    const i64 middle = low + (high - low) / 2;
    if (sums[middle] > target)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

// The bucket that each word falls into: the first whose masses, with those before it, exceed word / 2**64 of the total.
extern "C" __global__ void find_buckets(
    const u64* words,   // IN    (m,)
    i64 m,
    const i64* ends,    // IN    (n_buckets,) masses of the buckets up to each
    int n_buckets,
    int* wanted,        // INOUT (n_buckets,) zeros on entry; one where a word falls
    int* of_words,      // OUT   (m,) the bucket of each word
    i64* within         // OUT   (m,) what of its target lies in that bucket
) {
  for (i64 at = first_thread(); at < m; at += all_threads()) {
    const i64 target = (i64)__umul64hi(words[at], (u64)ends[n_buckets - 1]);
    const int bucket = (int)first_above(target, ends, n_buckets);
    atomicMax(wanted + bucket, 1);  // several words may fall there at once
    of_words[at] = bucket;
    within[at] = target - (bucket ? ends[bucket - 1] : 0);
  }
}

// The rows of the wanted buckets, in any order. Only `room` of them are kept; all are counted.
extern "C" __global__ void pick_rows(
    const int* buckets,  // IN    (n,)
    i64 n,
    const int* wanted,   // IN    (n_buckets,)
    i64 room,
    i64* count,          // INOUT (1,) zero on entry
    i64* rows            // OUT   (room,)
) {
  const int lane = threadIdx.x % 32;
  for (i64 first = (i64)blockIdx.x * THREADS; first < n; first += all_threads()) {
    const i64 row = first + threadIdx.x;
    const bool picked = row < n && wanted[buckets[row]];
    const u32 votes = __ballot_sync(0xffffffffu, picked);
    if (!votes) continue;
    u64 slot = 0;
    if (lane == 0) slot = atomicAdd((u64*)count, (u64)__popc(votes));
    slot = __shfl_sync(0xffffffffu, slot, 0) + __popc(votes & ((1u << lane) - 1));
    if (picked && slot < (u64)room) rows[slot] = row;
  }
}

// The masses of rows one after the other.
extern "C" __global__ void masses_in_order(
    const i64* rows,  // IN    (m,)
    i64 m,
    const double* weights, const double* nearest, const double* factors,
    i64* masses       // OUT   (m,)
) {
  for (i64 place = first_thread(); place < m; place += all_threads())
    masses[place] = mass_of({weights, nearest, factors}, rows[place], nearest[rows[place]]);
}

// The row that each word falls on.
extern "C" __global__ void find_rows(
    const i64* rows,      // IN    (n,) in the order of their content: whole buckets
    i64 n,
    const int* buckets,   // IN    (all rows,)
    const i64* ends,      // IN    (n,) masses of the rows up to each
    const int* of_words,  // IN    (m,)
    const i64* within,    // IN    (m,)
    i64 m,
    i64* found            // OUT   (m,)
) {
  for (i64 at = first_thread(); at < m; at += all_threads()) {
    i64 low = 0, high = n;  // the first row of the bucket
    while (low < high) {
      const i64 middle = low + (high - low) / 2;
      if (buckets[rows[middle]] < of_words[at])
        low = middle + 1;
      else
        high = middle;
    }
    found[at] = rows[first_above((low ? ends[low - 1] : 0) + within[at], ends, n)];
  }
}
