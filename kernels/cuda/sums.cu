// Rows into the exact sums of their clusters, and out of them.
//
// Mapping    A block takes a list of (row, from, to), and its threads the (row, column) pairs of the list: neighbouring
//            threads, neighbouring columns.
// Order      None (`fixed_point.cu`).
// Cost       Two atomics for a column of a row that moves, one for a row that is added. X comes from L2, where the
//            scoring has just brought it.

struct Sums {
  i64* cells;   // (k, limbs, columns); null where an assignment leaves the sums alone
  i64* counts;  // (k,) rows of each cluster
  Limbs limbs;
  int anew;     // whether they are zero and every row is to be added, whatever its label was
};

struct Moves {
  int* row;
  int* from;  // negative: it was in no sum
  int* to;
  int count;
};

// The accumulators of this block alone, in shared memory; without room for them the global ones serve.
struct BlockSums {
  u32 *low, *high, *counts;
  i64 cells;  // 0: none
};

__device__ __forceinline__ BlockSums block_sums(unsigned char* memory, i64 cells) {
  u32* words = (u32*)memory;
  return {words, words + cells, words + 2 * cells, cells};
}

// Zeroes them. A barrier has to follow.
__device__ __forceinline__ void clear_block_sums(const BlockSums& block, int k) {
  if (block.cells)
    for (i64 at = threadIdx.x; at < 2 * block.cells + k; at += blockDim.x) block.low[at] = 0;
}

// Adds them to the global ones; they have the topmost `held` limbs of each cluster. A barrier has to come before.
__device__ __forceinline__ void flush_block_sums(const BlockSums& block, const Sums& sums, int k, int held) {
  if (!block.cells) return;
  const int of_cluster = held * sums.limbs.columns, below = (sums.limbs.count - held) * sums.limbs.columns;
  for (int at = threadIdx.x; at < block.cells; at += blockDim.x) {
    const i64 value = (i64)(((u64)block.high[at] << 32) | block.low[at]);
    if (value) atomic_add(sums.cells + at + (i64)(at / of_cluster + 1) * below, value);
  }
  for (int c = threadIdx.x; c < k; c += blockDim.x)
    if (block.counts[c]) atomic_add(sums.counts + c, (int)block.counts[c]);
}

// Counts a move of a row: `by` is 1 for the cluster it comes to, -1 for the one it leaves.
__device__ __forceinline__ void count_row(const BlockSums& block, const Sums& sums, int cluster, int by) {
  if (block.cells)
    atomicAdd(block.counts + cluster, (u32)by);
  else
    atomic_add(sums.counts + cluster, by);
}

// Carries out the moves of a list that the whole block, or the `threads` of it that call, can see. `thread` is the
// caller's number among them.
__device__ void move_rows(const BlockSums& block, const Sums& sums, const Moves& moves, const stored* X,
                          const double* weights, int d, int thread, int threads) {
  const int columns = sums.limbs.columns;
  const SharedCells shared = {block.low, block.high};
  const GlobalCells global = {sums.cells};
  for (int m = thread; m < moves.count; m += threads) {
    count_row(block, sums, moves.to[m], 1);
    if (moves.from[m] >= 0) count_row(block, sums, moves.from[m], -1);
  }
  int m = thread / columns, column = thread % columns;
  const int rows_ahead = threads / columns, columns_ahead = threads % columns;
  while (m < moves.count) {
    const i64 row = moves.row[m];
    const int from = moves.from[m], to = moves.to[m];
    if (block.cells) {
      add_column(shared, to, row, column, X, weights, d, sums.limbs, false);
      if (from >= 0) add_column(shared, from, row, column, X, weights, d, sums.limbs, true);
    } else {
      add_column(global, to, row, column, X, weights, d, sums.limbs, false);
      if (from >= 0) add_column(global, from, row, column, X, weights, d, sums.limbs, true);
    }
    m += rows_ahead;
    column += columns_ahead;
    if (column >= columns) column -= columns, ++m;
  }
}
