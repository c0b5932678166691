// What is read off single rows: their hash, what it leaves open of their order, their norm, and the rows themselves.
//
// Mapping    A thread a row (`tiles.cu`), a place in the order, or an element.
// Order      None: what is counted is counted in integers.
// Cost       Each kernel reads X once at most.

// `kmeans_fast.reference.row_hash`.
extern "C" __global__ void row_hashes(
    const stored* X,  // IN    (n, d)
    i64 n, int d,
    u64* hashes     // OUT   (n,)
) {
  __shared__ Tile<u64> tile;
  for (i64 first = (i64)blockIdx.x * THREADS; first < n; first += all_threads()) {
    const stored* rows = X + first * d;
    u64 of_rounded = 0, of_rest = 0;
    const auto pattern_of = [&](int r, int j) {  // + 0: the two zeros are one value
      return (u64)__double_as_longlong((double)value_of(rows[(i64)r * d + j]) + 0.0);
    };
    walk(tile, n - first, d, pattern_of, [&](u64 pattern) {
      const double wide = __longlong_as_double((i64)pattern);
      const float rounded = (float)wide + 0.0f;
      of_rounded = (of_rounded ^ (u64)__float_as_uint(rounded)) * 0x9E3779B97F4A7C15ull;
      of_rounded ^= of_rounded >> 32;
      if (sizeof(real) == 4) return;  // rounding takes nothing away, and the hash of zeros is 0
      const bool overflows = (__float_as_uint(rounded) & 0x7fffffffu) == 0x7f800000u;
      const double rest = overflows ? wide : wide - (double)rounded;
      of_rest = (of_rest ^ (u64)__double_as_longlong(rest)) * 0x9E3779B97F4A7C15ull;
      of_rest ^= of_rest >> 32;
    });
    of_rounded *= 0xD6E8FEB86659FD93ull;
    of_rest *= 0xD6E8FEB86659FD93ull;
    of_rest ^= of_rest >> 29;
    if (first + threadIdx.x < n) hashes[first + threadIdx.x] = of_rounded ^ (of_rounded >> 29) ^ (of_rest >> 32);
  }
}

// The first place in the order whose row has this hash or, `beyond`, a larger one.
__device__ i64 place_of(u64 hash, bool beyond, const u64* hashes, const i64* order, i64 n) {
  i64 low = 0, high = n;
  while (low < high) {
    const i64 middle = low + (high - low) / 2;
    const u64 found = hashes[order[middle]];
    if (found < hash || (beyond && found == hash))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// What the hashes leave open of the order of the content (`kmeans_fast.reference.content_order`), by neighbours of
// equal hash. A thread a place.
extern "C" __global__ void open_places(
    const stored* X,        // IN    (n, d)
    const double* weights,  // IN    (n,) or null
    i64 n, int d,
    const u64* hashes,      // IN    (n,)
    const i64* order,       // IN    (n,) rows by hash
    i64* counts,            // INOUT (2,) neighbours of other values; neighbours of equal values, the heavier first
    i64* runs               // OUT   (neighbours of other values, 2) begin and end of the places of their hash, or null
) {
  for (i64 place = first_thread(); place < n - 1; place += all_threads()) {
    const i64 row = order[place], next = order[place + 1];
    if (hashes[row] != hashes[next]) continue;
    int j = 0;
    while (j < d && value_of(X[row * d + j]) == value_of(X[next * d + j])) ++j;
    if (j == d) {
      if (weights && weights[row] > weights[next]) atomic_add(counts + 1, 1);
      continue;
    }
    const i64 slot = (i64)atomicAdd((u64*)counts, 1ull);
    if (!runs) continue;
    runs[2 * slot] = place_of(hashes[row], false, hashes, order, n);
    runs[2 * slot + 1] = place_of(hashes[row], true, hashes, order, n);
  }
}

// Words at given places, one after the other.
extern "C" __global__ void gather_words(
    const u64* words,
    const i64* places,  // IN    (m,)
    i64 m,
    u64* out            // OUT   (m,)
) {
  for (i64 at = first_thread(); at < m; at += all_threads()) out[at] = words[places[at]];
}

// Numbers divided, and what is left of them, which may take their place.
extern "C" __global__ void divide(
    const i64* numbers,  // IN    (m,)
    i64 m, i64 divisor,
    i64* quotients,      // OUT   (m,)
    i64* rests           // OUT   (m,)
) {
  for (i64 at = first_thread(); at < m; at += all_threads()) {
    const i64 number = numbers[at];
    quotients[at] = number / divisor;
    rests[at] = number % divisor;
  }
}

// Rows of X, one after the other. A thread an element.
extern "C" __global__ void gather_rows(
    const stored* X,   // IN    (n, d)
    int d,
    const i64* rows,   // IN    (m,)
    i64 m,
    int one_zero,      //       whether zeros are all of one sign then
    real* out          // OUT   (m, d)
) {
  for (i64 at = first_thread(); at < m * d; at += all_threads()) {
    const real x = value_of(X[rows[at / d] * d + at % d]);
    out[at] = one_zero ? x + (real)0 : x;
  }
}

// Rows as float64, which the contract's D takes centroids in.
extern "C" __global__ void widen(
    const real* rows,  // IN    (size,)
    i64 size,
    double* out        // OUT   (size,)
) {
  for (i64 at = first_thread(); at < size; at += all_threads()) out[at] = (double)rows[at];
}

// |x'|^2 of the rows in the frame that `assign.cu` scores them in. A thread a row (`tiles.cu`).
extern "C" __global__ void squared_norms(
    const stored* X,    // IN    (n, d)
    i64 n, int d,
    const real* shift,  // IN    (d,)
    real scale,
    float* norms        // OUT   (n,) |x'|^2
) {
  __shared__ Tile<float> tile;
  for (i64 first = (i64)blockIdx.x * THREADS; first < n; first += all_threads()) {
    const stored* rows = X + first * d;
    float total = 0.0f;
    walk(
        tile, n - first, d, [&](int r, int j) { return framed(value_of(rows[(i64)r * d + j]), shift[j], scale); },
        [&](float x) { total = fmaf(x, x, total); });
    if (first + threadIdx.x < n) norms[first + threadIdx.x] = total;
  }
}
