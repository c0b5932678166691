// The exact sums of the clusters, brought up to date with the labels: rows whose label has changed leave one sum and
// enter another.
//
// Mapping    A warp looks through the labels, 64 rows at a time, and lists the rows that changed. From 32 of them on it
//            carries them out: neighbouring lanes, neighbouring columns, several rows side by side where columns are
//            few, and UNROLLED of them under way at once, so that their waits for X overlap. No warp waits for another.
// Sums       Where they fit, the topmost limbs of all clusters are in the shared memory of a block, which adds them to
//            the global cells once, at the end. Nearly every float has all its bits in the top limb of its column; what
//            is below that goes to the global cells at once.
// Order      None (`fixed_point.cu`).
// Cost       Labels and `summed` once: 8 bytes a row. Of a row that changed, its features once, and two additions a
//            column; one where all are added anew.

#define UNROLLED 8
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

// Carries out changes; all lanes of a warp. NARROW: X is float32 and there are no weights.
template <bool NARROW>
__device__ __forceinline__ void carry_out(const BlockSums& block, const Sums& sums, int held, const Change* changes,
                                          int count, const real* X, const double* weights, int d) {
  const Limbs& limbs = sums.limbs;
  const int lane = threadIdx.x % 32, columns = limbs.columns;
  int across = 32;  // lanes of a row
  while (across / 2 >= columns) across /= 2;
  const int abreast = 32 / across;
#pragma unroll 1
  for (int column = lane % across; column < columns; column += 32) {
    const i64 top = (i64)(limbs.count - 1) * columns + column;
    const int unit = limbs.unit[column] + limbs.bits * (limbs.count - 1);
#pragma unroll 1
    for (int start = lane / across; start < count; start += UNROLLED * abreast) {
      real x[UNROLLED];
#pragma unroll
      for (int i = 0; NARROW && i < UNROLLED; ++i) {
        const int at = start + i * abreast;
        x[i] = X[(i64)changes[at < count ? at : start].row * d + column];
      }
      u32 left = 0;
#pragma unroll
      for (int i = 0; i < UNROLLED; ++i) {
        const int at = start + i * abreast;
        if (at >= count) continue;
        const Change change = changes[at];
        i64 part;
        if (NARROW && in_limb(x[i], unit, &part)) {
          cells_of(block, sums, held, change.to).add(top, part);
          if (change.from >= 0) cells_of(block, sums, held, change.from).add(top, -part);
        } else {
          left |= 1u << i;
        }
      }
#pragma unroll 1
      for (; left; left &= left - 1) {
        const Change change = changes[start + (__ffsll((i64)left) - 1) * abreast];
#pragma unroll 1
        for (int away = 0; away < 2; ++away) {
          const int cluster = away ? change.from : change.to;
          if (cluster < 0) continue;
          add_column(cells_of(block, sums, held, cluster), 0, change.row, column, X, weights, d, limbs, away);
        }
      }
    }
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, 3) update_sums(
    const real* __restrict__ X,          // IN    (n, d)
    const double* __restrict__ weights,  // IN    (n,) or null: all ones
    i64 n, int d, int k,
    const int* __restrict__ labels,      // IN    (n,)
    int* summed,                         // INOUT (n,) the label by which a row is in the sums
    i64* cells, i64* counts,             // INOUT Sums
    const int* unit, int limbs, int limb_bits,
    int anew,                            //       whether the sums are zero, whatever `summed` says
    int held,                            //       limbs of each cluster in shared memory, the topmost
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
  i64 first = (first_thread() - lane) * 2;
  int count = 0, next_to[2], next_from[2];
  const auto look = [&]() {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const i64 row = first + 32 * i + lane;
      next_to[i] = row < n ? labels[row] : -1;
      next_from[i] = row < n && !anew ? summed[row] : -1;
    }
  };
  look();
#pragma unroll 1
  while (first < n) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int row = (int)first + 32 * i + lane, to = next_to[i], from = next_from[i];
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
    first += 2 * all_threads();
    look();  // while those before are carried out
#pragma unroll 1
    while (count >= 32 || (count && first >= n)) {
      const int size = count < 32 ? count : 32;
      count -= size;
      if (sizeof(real) == 4 && !weights)
        carry_out<sizeof(real) == 4>(block, sums, held, list + count, size, X, weights, d);
      else
        carry_out<false>(block, sums, held, list + count, size, X, weights, d);
    }
    __syncwarp();
  }
  __syncthreads();
  flush_block_sums(block, sums, k, held);
}
