// The exact sums of the clusters, brought up to date with the labels: rows whose label has changed leave one sum and
// enter another.
//
// Compiled with -DCOLUMNS=1 or 4, those of a row that a lane takes together.
//
// Mapping    A warp looks through the labels, up to 64 rows at a time, and lists the rows that changed. From 32 of them
//            on it carries them out: neighbouring lanes, neighbouring columns, several rows side by side where columns
//            are few, and ROWS x COLUMNS values of a lane under way at once, so that its waits overlap, for X and then
//            for shared memory. No warp waits for another.
// Sums       Where they fit, the topmost limbs of all clusters are in the shared memory of a block, which adds them to
//            the global cells once, at the end. Nearly every float has all its bits in the top limb of its column; what
//            is below that goes to the global cells at once.
// Order      None (`fixed_point.cu`).
// Cost       Labels and `summed` once: 8 bytes a row. Of a row that changed, its features once, and two additions a
//            column; one where all are added anew.

#define ROWS (COLUMNS == 1 ? 8 : 2)
#define WARPS (THREADS / 32)

struct Change {
  int row, from, to;  // from negative: it was in no sum
};

// The cells of a cluster: those from `first` on are in the shared memory of the block.
struct ClusterCells {
  SharedCells block;
  GlobalCells all;
  i64 first;
  __device__ __forceinline__ void add(i64 at, i64 value) const {
    if (at >= first)
      block.add(at - first, value);
    else
      all.add(at, value);
  }
};

// `held` limbs of each cluster are in shared memory.
__device__ __forceinline__ ClusterCells cells_of(const BlockSums& block, const Sums& sums, int held, i64 cluster) {
  const Limbs& limbs = sums.limbs;
  const i64 at = cluster * held * limbs.columns;
  return {{block.low + at, block.high + at},
          {sums.cells + cluster * limbs.count * limbs.columns},
          (i64)(limbs.count - held) * limbs.columns};
}

// Whether all bits of a value are in the limb whose unit is 2**unit; its integer there.
__device__ __forceinline__ bool in_limb(float value, int unit, i64* part) {
  const int word = __float_as_int(value), sign = word >> 31, biased = word >> 23 & 255;
  const int significand = (word & 0x7fffff) | (biased ? 0x800000 : 0), shift = (biased ? biased : 1) - 150 - unit;
  *part = (i64)((u64)(i64)((significand ^ sign) - sign) << (shift & 63));
  return shift >= 0 || !significand;
}
__device__ __forceinline__ bool in_limb(double, int, i64*) { return false; }  // it has more bits than a limb

// Carries out one column of a change, limb by limb.
__device__ __forceinline__ void carry_out_column(const BlockSums& block, const Sums& sums, int held,
                                                 const Change& change, int column, const stored* X,
                                                 const double* weights, int d) {
#pragma unroll 1
  for (int away = 0; away < 2; ++away) {
    const int cluster = away ? change.from : change.to;
    if (cluster >= 0)
      add_column(cells_of(block, sums, held, cluster), 0, change.row, column, X, weights, d, sums.limbs, away);
  }
}

// Carries out changes where X is float32 and there are no weights; all lanes of a warp. HELD: one limb is in shared
// memory, else none.
template <bool HELD>
__device__ __forceinline__ void carry_out_narrow(const BlockSums& block, const Sums& sums, const Change* changes,
                                                 int count, const stored* X, int d) {
  const Limbs& limbs = sums.limbs;
  const int lane = threadIdx.x % 32, columns = limbs.columns, below = limbs.count - 1;
  const SharedCells shared = {block.low, block.high};
  const GlobalCells global = {sums.cells};
  int across = 32;  // lanes of a row
  while (across / 2 >= columns) across /= 2;
  const int abreast = 32 / across;
#pragma unroll 1
  for (int column = lane % across; column < columns; column += 32 * COLUMNS) {
    int unit[COLUMNS];
#pragma unroll
    for (int c = 0; c < COLUMNS; ++c)
      unit[c] = column + 32 * c < columns ? limbs.unit[column + 32 * c] + limbs.bits * below : 0;
#pragma unroll 1
    for (int start = lane / across; start < count; start += ROWS * abreast) {
      real x[ROWS][COLUMNS];
#pragma unroll
      for (int i = 0; i < ROWS; ++i) {
        const int at = start + i * abreast;
        const stored* row = X + (u64)(u32)changes[at < count ? at : start].row * (u32)d + column;
#pragma unroll
        for (int c = 0; c < COLUMNS; ++c)
          x[i][c] = c == 0 || column + 32 * c < columns ? value_of(row[32 * c]) : (real)0;
      }
      u32 left = 0;
#pragma unroll
      for (int i = 0; i < ROWS; ++i) {
        const int at = start + i * abreast;
        if (at >= count) continue;
        const Change change = changes[at];
#pragma unroll
        for (int c = 0; c < COLUMNS; ++c) {
          const int j = column + 32 * c;
          if (c && j >= columns) continue;
          i64 part;
          if (!in_limb(x[i][c], unit[c], &part)) {
            left |= 1u << (i * COLUMNS + c);
          } else if (HELD) {
            shared.add(change.to * columns + j, part);
            if (change.from >= 0) shared.add(change.from * columns + j, -part);
          } else {
            global.add(((i64)change.to * limbs.count + below) * columns + j, part);
            if (change.from >= 0) global.add(((i64)change.from * limbs.count + below) * columns + j, -part);
          }
        }
      }
#pragma unroll 1
      for (; left; left &= left - 1) {
        const int which = __ffsll((i64)left) - 1;
        carry_out_column({}, sums, 0, changes[start + which / COLUMNS * abreast], column + which % COLUMNS * 32, X,
                         (const double*)0, d);
      }
    }
  }
}

// Carries out changes of any rows; all lanes of a warp.
__device__ __forceinline__ void carry_out(const BlockSums& block, const Sums& sums, int held, const Change* changes,
                                          int count, const stored* X, const double* weights, int d) {
  const int columns = sums.limbs.columns;
  int i = threadIdx.x % 32 / columns, column = threadIdx.x % 32 % columns;
  const int rows = 32 / columns, rest = 32 % columns;  // that lie between two values of a lane
#pragma unroll 1
  while (i < count) {
    carry_out_column(block, sums, held, changes[i], column, X, weights, d);
    i += rows, column += rest;
    if (column >= columns) column -= columns, ++i;
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, 2) update_sums(
    const stored* __restrict__ X,        // IN    (n, d)
    const double* __restrict__ weights,  // IN    (n,) or null: all ones
    i64 n, int d, int k,
    const int* __restrict__ labels,      // IN    (n,)
    int* summed,                         // INOUT (n,) the label by which a row is in the sums
    i64* cells, i64* counts,             // INOUT Sums
    const int* unit, int limbs, int limb_bits,
    int anew,                            //       whether the sums are zero, whatever `summed` says
    int held,                            //       limbs of each cluster in shared memory, the topmost; at most one if
                                         //       X is float32 and there are no weights
    const int* halted                    // IN    (1,) not zero: do nothing
) {
  __shared__ Change listed[WARPS][96];
  if (*halted) return;
  const Sums sums = {cells, counts, {unit, limbs, limb_bits, weights ? d + 1 : d}, anew};
  const BlockSums block = block_sums(dynamic_shared, (i64)k * held * sums.limbs.columns);
  clear_block_sums(block, k);
  __syncthreads();
  const int lane = threadIdx.x % 32;
  Change* list = listed[threadIdx.x / 32];
  // Rows that a warp looks at together: few where rows are few, so that every warp has some.
  const u32 rows = (u32)n, warps = gridDim.x * WARPS, fair = (rows + warps - 1) / warps;
  const u32 span = fair > 64 ? 64 : fair < 4 ? 4 : fair;
  u32 first = (blockIdx.x * WARPS + threadIdx.x / 32) * span;
  int count = 0, next_to[2], next_from[2];
  const auto look = [&]() {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const u32 row = first + 32 * i + lane;
      const bool own = row < rows && 32 * i + lane < span;
      next_to[i] = own ? labels[row] : -1;
      next_from[i] = own && !anew ? summed[row] : -1;
    }
  };
  look();
#pragma unroll 1
  while (first < rows) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int row = (int)(first + 32 * i + lane), to = next_to[i], from = next_from[i];
      const u32 changed = __ballot_sync(0xffffffffu, to != from);
      if (to != from) {
        list[count + __popc(changed & ((1u << lane) - 1))] = {row, from, to};
        summed[row] = to;
        count_row(block, sums, to, 1);
        if (from >= 0) count_row(block, sums, from, -1);
      }
      count += __popc(changed);
    }
    __syncwarp();
    first += warps * span;
    look();  // while those before are carried out
#pragma unroll 1
    while (count >= 32 || (count && first >= rows)) {
      const int size = count < 32 ? count : 32;
      count -= size;
      if (sizeof(real) == 8 || weights)
        carry_out(block, sums, held, list + count, size, X, weights, d);
      else if (held)
        carry_out_narrow<true>(block, sums, list + count, size, X, d);
      else
        carry_out_narrow<false>(block, sums, list + count, size, X, d);
    }
    __syncwarp();
  }
  __syncthreads();
  flush_block_sums(block, sums, k, held);
}
