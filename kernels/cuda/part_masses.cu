// The masses of the rows of a part, in buckets by hash, from which the host draws for all parts (`candidates.cu`).
//
// Mapping    A thread a row.
// Order      Masses are integers: sums of them have none.
// Cost       Each kernel reads a few bytes of every row once.

#define GIVEN

// The bucket of a row is the top `bits` of its hash, or how many of the ascending `splitters` are not above it.
extern "C" __global__ void fill_hash_buckets(
    const u64* hashes,     // IN    (n,)
    i64 n, int bits,
    const u64* splitters,  // IN    (n_splitters,)
    int n_splitters,
    int* buckets           // OUT   (n,)
) {
  for (i64 row = first_thread(); row < n; row += all_threads()) {
    const u64 hash = hashes[row];
    int low = 0, high = n_splitters;
    while (low < high) {
      const int middle = low + (high - low) / 2;
      if (splitters[middle] <= hash)
        low = middle + 1;
      else
        high = middle;
    }
    buckets[row] = n_splitters ? low : (int)((hash >> 1) >> (63 - bits));
  }
}

extern "C" __global__ void largest_product(
    const double* weights, const double* nearest,
    i64 n,
    u64* largest  // INOUT (1,) bits of the largest w * nearest, zero on entry
) {
  double own = 0.0;
  for (i64 row = first_thread(); row < n; row += all_threads()) {
    const double product = weight_at(weights, row) * nearest[row];
    if (product > own) own = product;
  }
  if (own > 0.0) atomicMax(largest, (u64)__double_as_longlong(own));
}

// The mass of each group of rows.
extern "C" __global__ void add_masses(
    const double* weights, const double* nearest, const double* factors,
    i64 n,
    const int* groups,  // IN    (n,)
    i64* masses         // INOUT (groups,) zeros on entry
) {
  for (i64 row = first_thread(); row < n; row += all_threads()) {
    const i64 mass = mass_of({weights, nearest, factors}, row, nearest[row]);
    if (mass) atomic_add(masses + groups[row], mass);
  }
}

// The rows of some buckets, in any order.
extern "C" __global__ void rows_in_buckets(
    const double* weights, const double* nearest, const double* factors,
    i64 n,
    const int* buckets,  // IN    (n,)
    const int* wanted,   // IN    (buckets,) not zero: its rows are wanted
    const u64* hashes,   // IN    (n,)
    i64* count,          // INOUT (1,) zero on entry
    i64* rows,           // OUT   (count,) or null, as the next two: they are only counted
    u64* row_hashes, i64* row_masses
) {
  for (i64 row = first_thread(); row < n; row += all_threads()) {
    if (!wanted[buckets[row]]) continue;
    const i64 slot = (i64)atomicAdd((u64*)count, 1ull);
    if (!rows) continue;
    rows[slot] = row;
    row_hashes[slot] = hashes[row];
    row_masses[slot] = mass_of({weights, nearest, factors}, row, nearest[row]);
  }
}

// A row that was drawn has no mass any more. One thread.
extern "C" __global__ void take_row(
    i64 row,
    const double* weights, double* nearest, const double* factors, const int* buckets,
    i64* taken  // OUT   (2,) its bucket, and the mass that it had
) {
  if (first_thread() != 0) return;
  taken[0] = buckets[row];
  taken[1] = mass_of({weights, nearest, factors}, row, nearest[row]);
  nearest[row] = 0.0;
}

// Candidates of k-means|| join those before: every row's distance to the nearest of all, and which that is. Masses have
// to be weighed anew.
extern "C" __global__ void join(
    const double* distances,  // IN    (n,) to the nearest of the new candidates
    const int* labels,        // IN    (n,) which of them that is
    i64 n,
    int before,               // IN    candidates before
    double* nearest,          // INOUT (n,)
    int* owner                // INOUT (n,) the first of the nearest candidates
) {
  for (i64 row = first_thread(); row < n; row += all_threads()) {
    if (!(distances[row] < nearest[row])) continue;
    nearest[row] = distances[row];
    owner[row] = before + labels[row];
  }
}
