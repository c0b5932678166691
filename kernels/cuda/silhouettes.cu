// Silhouettes: the mean distance of every row to the rows of every cluster, and what Rousseeuw made of it.
//
// Mapping    A thread a row. The other rows come cluster by cluster, OTHERS at a time: a thread has its distances to
//            all of them in registers, and walks the features, which are in shared memory (`tiles.cu`).
// Maths      The contract is `kmeans_fast.backends.silhouettes`: sqrt(D) is rounded to a multiple of a power of two,
//            the unit of its row and cluster, by adding 1.5 * 2**52 units. The words of such floats differ by as many
//            as the distances have units, and are summed as integers.
// Order      Sums are of integers: they have none.
// Cost       n^2 (3 d + about 14) operations in float64 (a square root takes about ten), which is what limits it: two
//            shared loads of 16 bytes feed six of them. 100,000 x 16 should take about 60 ms on an H100, where 14.8 T/s
//            of them are issued; not measured, nor `boxes`, which may take as long
//            where clusters are few. Others are filled up: a cluster costs whole multiples of OTHERS rows.
// Limits     n < 2**31. Values at most 2**480 in magnitude.
//
// Rousseeuw (1987).

#define OTHERS 32
#define LEAST_EXPONENT 128  // biased; below that of any distance but zero

// The box around every cluster: the least and the largest values. A thread a cluster and feature.
extern "C" __global__ void boxes(
    const stored* X,    // IN    (n, d)
    int d,
    const int* order,   // IN    (n,) the rows, cluster by cluster
    const i64* starts,  // IN    (k + 1,) places of the clusters in `order`; none is empty
    int k,
    double* low,        // OUT   (k, d)
    double* high        // OUT   (k, d)
) {
  for (i64 at = first_thread(); at < (i64)k * d; at += all_threads()) {
    const i64 cluster = at / d, feature = at % d;
    double least = value_of(X[order[starts[cluster]] * (i64)d + feature]), most = least;
    for (i64 place = starts[cluster] + 1; place < starts[cluster + 1]; ++place) {
      const double value = value_of(X[order[place] * (i64)d + feature]);
      least = value < least ? value : least;
      most = value > most ? value : most;
    }
    low[at] = least;
    high[at] = most;
  }
}

extern "C" __global__ void __launch_bounds__(THREADS) silhouettes(
    const stored* X,     // IN    (n, d)
    i64 n, int d,
    const int* labels,   // IN    (n,)
    const int* order,    // IN    (n,) the rows, cluster by cluster
    const i64* starts,   // IN    (k + 1,) places of the clusters in `order`; none is empty
    const i64* bits,     // IN    (k,) of a distance in units
    int k,
    const double* low,   // IN    (k, d) the box around each cluster
    const double* high,  // IN    (k, d)
    double* out          // OUT   (n,)
) {
  constexpr int WIDTH = Tile<double>::WIDTH;
  static_assert(OTHERS * WIDTH == THREADS, "a thread brings one element of the other rows");
  __shared__ Tile<double> tile;
  __shared__ __align__(16) double others[WIDTH][OTHERS];
  const int t = threadIdx.x;
  for (i64 first = (i64)blockIdx.x * THREADS; first < n; first += all_threads()) {
    const i64 row = first + t, rows = n - first;
    const auto own = [&](int r, int j) { return (double)value_of(X[(first + r) * d + j]); };
    const int label = row < n ? labels[row] : -1;
    double inside = 0.0, outside = power_of_two(1023);
    for (int cluster = 0; cluster < k; ++cluster) {
      const i64 begin = starts[cluster], end = starts[cluster + 1];
      // To the farthest corner: no D is above it, since all its roundings are monotone.
      double farthest = 0.0;
      for (int start = 0; start < d; start += WIDTH) {
        if (d > WIDTH || cluster == 0) fill(tile, rows, d, start, own);
        for (int f = 0; f < WIDTH && start + f < d; ++f) {
          const i64 at = (i64)cluster * d + start + f;
          const double below = tile.at[t][f] - low[at], above = high[at] - tile.at[t][f];
          const double difference = below > above ? below : above;
          farthest = farthest + difference * difference;
        }
      }
      const i64 found = __double_as_longlong(sqrt(farthest)) >> 52;
      const i64 exponent = (found > LEAST_EXPONENT ? found : LEAST_EXPONENT) - bits[cluster];  // of the unit, less one
      const i64 word = (exponent + 53) << 52 | 1ll << 51;
      const double magic = __longlong_as_double(word);
      i64 sum = 0;
      for (i64 place = begin; place < end; place += OTHERS) {
        double distance[OTHERS];
#pragma unroll
        for (int o = 0; o < OTHERS; ++o) distance[o] = 0.0;
        for (int start = 0; start < d; start += WIDTH) {
          __syncthreads();  // what was in shared memory has been read
          if (d > WIDTH) put(tile, rows, d, start, own);
          const int o = t / WIDTH, f = t % WIDTH;
          const bool there = place + o < end && start + f < d;
          others[f][o] = there ? (double)value_of(X[order[place + o] * (i64)d + start + f]) : 0.0;
          __syncthreads();
          const int width = d - start < WIDTH ? d - start : WIDTH;
          for (int f = 0; f < width; ++f) {
            const double x = tile.at[t][f];
#pragma unroll
            for (int o = 0; o < OTHERS; ++o) {
              const double difference = x - others[f][o];
              distance[o] = distance[o] + difference * difference;
            }
          }
        }
#pragma unroll
        for (int o = 0; o < OTHERS; ++o)
          if (place + o < end) sum += __double_as_longlong(sqrt(distance[o]) + magic) - word;
      }
      const bool mine = cluster == label;
      const i64 count = end - begin - (mine && end - begin > 1);
      const double mean = (double)sum * power_of_two((int)exponent - 1022) / (double)count;
      if (mine)
        inside = mean;
      else
        outside = mean < outside ? mean : outside;
    }
    if (row < n) {
      const double most = inside > outside ? inside : outside;
      const bool alone = starts[label + 1] - starts[label] == 1;
      out[row] = alone || most == 0.0 ? 0.0 : (outside - inside) / most;
    }
  }
}
