// Rows of one to four features: nearest centroid and sums in one pass over X.
//
// Compiled with -DDIM=1, 2, 3 or 4, the number of features, and -DSEVERAL=0 or 1, whether a thread scores several rows
// together.
//
// Mapping    A thread has ROWS rows at a time, neighbours as far as a load of 16 bytes brings them. The centroids are
//            in shared memory, and every thread reads the same GROUP at a time, in one load of 16 bytes. No barrier of
//            the block where they all fit.
// Maths      Distances by direct differences, so there is no cancellation and no frame.
// Precision  float32 rows: D in float32 is off by less than (DIM + 2) 2**-24 of itself. A centroid's number among
//            NUMBERED replaces the lowest bits, less than 2**-18: so one minimum finds the distance and the centroid.
//            A row is settled unless its best two are closer than 2**-17 on each side. The rest take the contract's D
//            to every centroid at once. float64 rows: the contract's D itself.
// Ties       The lowest index: of equal D the first is kept, and in float32 a tie is never settled.
// Sums       A row that changes waits in a list of its warp until 32 do; then each lane moves one. Where all are added
//            anew each lane adds its own. The sums of a block are in shared memory if they fit.
// Order      None: sums are integers.
// Cost       n k (2 DIM + 4) operations; X and old labels once, new labels where they change: 4 DIM + 4 bytes a row in
//            float32.
// Limits     n < 2**31.
//
// One pass for both steps: Lutz et al. (2018), Efficient k-means on GPUs.

#define NUMBERED 32  // centroids that the lowest bits of a float32 distance tell apart

constexpr int ROWS = !SEVERAL ? 1 : DIM * sizeof(real) > 16 ? 2 : 4;
constexpr int WARPS = THREADS / 32, TILE = ROWS * THREADS;

// Rows in one load: as many as fill 16 bytes, or multiples of them.
constexpr int FILLING = 16 / (int)sizeof(stored) / (DIM % 2 ? 1 : DIM);
constexpr int NEIGHBOURS = FILLING < 1 ? 1 : FILLING < ROWS ? FILLING : ROWS;
constexpr int LOAD_BYTES = NEIGHBOURS * DIM * sizeof(stored);
constexpr int ALIGNED = (LOAD_BYTES & -LOAD_BYTES) < 16 ? (LOAD_BYTES & -LOAD_BYTES) : 16;
struct __align__(ALIGNED) Points {
  stored at[NEIGHBOURS * DIM];
};
struct __align__(4 * NEIGHBOURS) Labels {
  int at[NEIGHBOURS];
};

// A centroid in shared memory; three coordinates take the room of four.
struct __align__(DIM * sizeof(real) > 8 ? 16 : DIM * sizeof(real)) Centroid {
  real at[DIM == 3 ? 4 : DIM];
};
constexpr int GROUP = sizeof(Centroid) < 16 ? 16 / sizeof(Centroid) : 1;
constexpr int CHUNK = 8192 / sizeof(Centroid);  // centroids in shared memory at a time

__device__ __forceinline__ int lower(int a, int b) { return a < b ? a : b; }
__device__ __forceinline__ int higher(int a, int b) { return a > b ? a : b; }

// Where the row number r of a thread is, counted from its first.
__device__ __forceinline__ u32 place_of(int r) { return r / NEIGHBOURS * NEIGHBOURS * THREADS + r % NEIGHBOURS; }

// The rows of a thread and the labels they had; beyond the last row, that row again without its label.
struct Batch {
  real x[ROWS][DIM];
  int before[ROWS];

  // `aligned`: X begins at a multiple of ALIGNED; the labels always do.
  __device__ __forceinline__ void load(const stored* X, const int* labels, u32 first, u32 n, bool aligned) {
    if (aligned & (first + place_of(ROWS - 1) < n)) {
      const stored* from = X + (u64)first * DIM;
#pragma unroll
      for (int r = 0; r < ROWS; r += NEIGHBOURS) {
        const Points points = *(const Points*)(from + place_of(r) * DIM);
        const Labels old = *(const Labels*)(labels + first + place_of(r));
#pragma unroll
        for (int i = 0; i < NEIGHBOURS * DIM; ++i) x[r + i / DIM][i % DIM] = value_of(points.at[i]);
#pragma unroll
        for (int i = 0; i < NEIGHBOURS; ++i) before[r + i] = old.at[i];
      }
    } else {
#pragma unroll
      for (int r = 0; r < ROWS; ++r) {
        const bool within = first + place_of(r) < n;
        const u32 row = within ? first + place_of(r) : n - 1;
        before[r] = within ? labels[row] : -1;  // that of the last row is for its own thread alone
#pragma unroll
        for (int j = 0; j < DIM; ++j) x[r][j] = value_of(X[(u64)row * DIM + j]);
      }
    }
  }
};

// The nearest centroids of the rows of a thread, so far.
template <class Real>
struct Nearest;

template <>
struct Nearest<float> {
  // Bits of distances, which have the distances' order; the lowest are the number of the centroid.
  int best[ROWS], second[ROWS];
  int label[ROWS];

  template <class Chunk>
  __device__ __forceinline__ void look_at(const float (&x)[ROWS][DIM], const Chunk* chunk, int start, int size) {
    for (int base = 0; base < size; base += NUMBERED) {
      int least[ROWS], next[ROWS];
#pragma unroll
      for (int r = 0; r < ROWS; ++r) least[r] = next[r] = __float_as_int(INFINITE);
      const int stop = lower(NUMBERED, size - base);
      for (int c = 0; c < stop; c += GROUP) {
        Chunk group[GROUP];
#pragma unroll
        for (int g = 0; g < GROUP; ++g) group[g] = chunk[base + c + g];
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
#pragma unroll
          for (int g = 0; g < GROUP; ++g) {
            float total = 0;
#pragma unroll
            for (int j = 0; j < DIM; ++j) {
              const float t = x[r][j] - group[g].at[j];
              total = j ? fmaf(t, t, total) : t * t;
            }
            const int key = (__float_as_int(total) & -NUMBERED) | (c + g);
            next[r] = lower(next[r], higher(least[r], key));
            least[r] = lower(least[r], key);
          }
        }
      }
      const bool first = start + base == 0;  // and so nothing is known yet
#pragma unroll
      for (int r = 0; r < ROWS; ++r) {
        const bool nearer = first || least[r] < best[r];
        second[r] = first ? next[r] : lower(lower(second[r], next[r]), higher(best[r], least[r]));
        if (nearer) best[r] = least[r], label[r] = start + base + (least[r] & (NUMBERED - 1));
      }
    }
  }

  // An infinite distance has the bits of infinity or of a NaN: it is never settled.
  __device__ __forceinline__ bool settled(int r) const {
    const float relative = 7.62939453125e-6f, least = 2e-43f;  // 2**-17
    return __int_as_float(second[r]) * (1 - relative) > fmaf(__int_as_float(best[r]), 1 + relative, least);
  }
};

template <>
struct Nearest<double> {
  double best[ROWS];
  int label[ROWS];

  template <class Chunk>
  __device__ __forceinline__ void look_at(const double (&x)[ROWS][DIM], const Chunk* chunk, int start, int size) {
    if (start == 0) {
#pragma unroll
      for (int r = 0; r < ROWS; ++r) best[r] = INFINITE, label[r] = 0;
    }
    for (int c = 0; c < size; c += GROUP) {
      Chunk group[GROUP];
#pragma unroll
      for (int g = 0; g < GROUP; ++g) group[g] = chunk[c + g];
#pragma unroll
      for (int r = 0; r < ROWS; ++r) {
#pragma unroll
        for (int g = 0; g < GROUP; ++g) {
          double total = 0;
#pragma unroll
          for (int j = 0; j < DIM; ++j) {
            const double t = x[r][j] - group[g].at[j];
            total = j ? total + t * t : t * t;
          }
          const bool nearer = total < best[r];
          label[r] = nearer ? start + c + g : label[r];
          best[r] = nearer ? total : best[r];
        }
      }
    }
  }

  __device__ __forceinline__ bool settled(int) const { return true; }
};

// The contract's labels of open rows, one a lane; all lanes of a warp. Where centroids are few each lane measures its
// own row. Else they share one row after the other: a single lane would keep the whole grid waiting.
__device__ __forceinline__ int nearest_by_contract(const stored* X, const double* centroids, int k, u32 row,
                                                   bool is_open) {
  const int lane = threadIdx.x % 32, sharing = k < 64 ? 1 : 32;
  int found = 0;
  for (u32 votes = __ballot_sync(~0u, is_open); votes; votes = sharing == 1 ? 0 : votes & (votes - 1)) {
    const int owner = sharing == 1 ? lane : __popc((votes & -votes) - 1);
    const stored* x = X + (u64)__shfl_sync(~0u, row, owner) * DIM;
    double least = INFINITE;
    int label = 0;
    for (int c = sharing == 1 && !is_open ? k : lane % sharing; c < k; c += sharing) {
      const double distance = squared_distance(x, centroids + (i64)c * DIM, DIM);
      if (distance < least) least = distance, label = c;
    }
    for (int step = sharing / 2; step; step /= 2) {
      const double other = __shfl_xor_sync(~0u, least, step);
      const int rival = __shfl_xor_sync(~0u, label, step);
      if (other < least || (other == least && rival < label)) least = other, label = rival;
    }
    if (lane == owner) found = label;
  }
  return found;
}

// The cells of the block if it has any, else those of all blocks.
struct AnyCells {
  const BlockSums& block;
  const Sums& sums;
  __device__ __forceinline__ void add(i64 at, i64 value) const {
    if (block.cells)
      SharedCells{block.low, block.high}.add(at, value);
    else
      GlobalCells{sums.cells}.add(at, value);
  }
};

extern "C" __global__ void __launch_bounds__(THREADS, DIM == 4 ? 3 : 4) assign_points(
    const stored* __restrict__ X,          // IN    (n, DIM)
    const double* __restrict__ weights,    // IN    (n,) or null
    i64 n,
    const double* __restrict__ centroids,  // IN    (k, DIM)
    int k,
    int* labels,                           // INOUT (n,)
    i64* counters,                         // INOUT rows changed, open, scored
    i64* cells, i64* counts,               // INOUT Sums, or null
    const int* unit, int limbs, int limb_bits,
    int anew, i64 shared_cells,
    const int* halted
) {
  __shared__ __align__(16) Centroid chunk[CHUNK];
  __shared__ int waiting_row[WARPS][31 + 32 * ROWS], waiting_label[WARPS][31 + 32 * ROWS];
  __shared__ int all_changed, all_open;
  if (*halted) return;
  const int t = threadIdx.x, lane = t % 32, warp = t / 32;
  const u32 rows = (u32)n, step = gridDim.x * TILE;
  const Sums sums = {cells, counts, {unit, limbs, limb_bits, weights ? DIM + 1 : DIM}, anew};
  const BlockSums block = block_sums(dynamic_shared, shared_cells);
  clear_block_sums(block, k);
  if (t == 0) all_changed = all_open = 0;
  int n_waiting = 0, changed = 0, open = 0;

  const auto fill_chunk = [&](int start, int size) {
    for (int at = t; at < size * DIM; at += THREADS)
      chunk[at / DIM].at[at % DIM] = (real)centroids[(i64)start * DIM + at];
    if (t < GROUP - 1 && size + t < CHUNK)  // fills the last group up with centroids that are nearest to nothing
      for (int j = 0; j < DIM; ++j) chunk[size + t].at[j] = (real)INFINITE;
    __syncthreads();
  };
  const auto move = [&](i64 row, int to) {
    const int from = labels[row];
    if (from != to) labels[row] = to, ++changed;
#pragma unroll 1
    for (int away = 0; cells && away <= !anew; ++away) {  // into the sum of its cluster, and out of the one before
      const int cluster = away ? from : to;
      count_row(block, sums, cluster, away ? -1 : 1);
#pragma unroll 1
      for (int column = 0; column < sums.limbs.columns; ++column)
        add_column(AnyCells{block, sums}, cluster, row, column, X, weights, DIM, sums.limbs, away);
    }
  };

  if (k <= CHUNK) fill_chunk(0, k);
  const bool aligned = (u64)X % ALIGNED == 0;
  for (u32 tile = blockIdx.x * TILE; tile < rows; tile += step) {
    const u32 first = tile + t * NEIGHBOURS;
    Batch batch;
    batch.load(X, labels, first, rows, aligned);
    Nearest<real> nearest;
    for (int start = 0; start < k; start += CHUNK) {
      const int size = lower(CHUNK, k - start);
      if (k > CHUNK) {
        __syncthreads();
        fill_chunk(start, size);
      }
      nearest.look_at(batch.x, chunk, start, size);
    }

    u32 within = (1u << ROWS) - 1;  // a bit a row
    if (tile + TILE > rows) {
      within = 0;
#pragma unroll
      for (int r = 0; r < ROWS; ++r) within |= (u32)(first + place_of(r) < rows) << r;
    }
    bool settled = true;
#pragma unroll
    for (int r = 0; r < ROWS; ++r) settled &= nearest.settled(r);
    if (__any_sync(~0u, !settled)) {
#pragma unroll 1
      for (int r = 0; r < ROWS; ++r) {
        bool is_open = within >> r & 1;
#pragma unroll
        for (int q = 0; q < ROWS; ++q) is_open &= q != r || !nearest.settled(q);
        const int label = nearest_by_contract(X, centroids, k, first + place_of(r), is_open);
        open += is_open;
#pragma unroll
        for (int q = 0; q < ROWS; ++q) nearest.label[q] = q == r && is_open ? label : nearest.label[q];
      }
    }

    if (cells && anew) {
#pragma unroll 1
      for (int r = 0; r < ROWS; ++r) {
        int label = nearest.label[0];
#pragma unroll
        for (int q = 1; q < ROWS; ++q) label = q == r ? nearest.label[q] : label;
        if (within >> r & 1) move(first + place_of(r), label);
      }
      continue;
    }
    u32 moves = 0;
#pragma unroll
    for (int r = 0; r < ROWS; ++r) moves |= (u32)(batch.before[r] != nearest.label[r]) << r;
    moves &= within;
    for (u32 votes; (votes = __ballot_sync(~0u, moves)); n_waiting += __popc(votes)) {  // one row of every lane
      int label = 0;
      u32 place = 0;
#pragma unroll
      for (int r = ROWS - 1; r >= 0; --r)
        if (moves >> r & 1) label = nearest.label[r], place = place_of(r);
      if (moves) {
        const int at = n_waiting + __popc(votes & ((1u << lane) - 1));
        waiting_row[warp][at] = (int)(first + place);
        waiting_label[warp][at] = label;
      }
      moves &= moves - 1;
    }
    if (n_waiting < 32) continue;
    __syncwarp();
    while (n_waiting >= 32) {
      n_waiting -= 32;
      move(waiting_row[warp][n_waiting + lane], waiting_label[warp][n_waiting + lane]);
    }
    __syncwarp();
  }
  __syncwarp();
  if (lane < n_waiting) move(waiting_row[warp][lane], waiting_label[warp][lane]);
  if (changed) atomicAdd(&all_changed, changed);
  if (open) atomicAdd(&all_open, open);
  __syncthreads();
  if (t == 0) {
    if (all_changed) atomic_add(counters, all_changed);
    if (all_open) atomic_add(counters + 1, all_open);
    if (blockIdx.x == 0) atomic_add(counters + 2, n);
  }
  flush_block_sums(block, sums, k, limbs);
}
