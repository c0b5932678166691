// The nearest centroid of every row by certified float32 scores: the general kernel, for any number of features and
// centroids.
//
// Compiled with -DPANEL=32, 64 or 128, the centroids that a block scores together, and -DHEIGHT=4 or 8, the rows that a
// thread scores together.
//
// Mapping    A block scores ROWS rows against a panel of PANEL centroids at a time. A thread holds
//            HEIGHT x COLUMNS_A_THREAD scores in registers. It takes FEATURES features of both from shared memory,
//            where the next ones are being put meanwhile (two buffers, one barrier). The best two of a thread's own
//            columns stay in registers over all panels and meet those of the other threads only at the end: no score is
//            written.
// Maths      argmin |x - c|^2 = argmax of the score x'c' - |c'|^2 / 2, where x' = (x - shift) * scale and c' likewise,
//            in float32 for any dtype of X. The shift (about the mean of the data) removes the cancellation that ruins
//            the expanded form on data far from the origin.
// Precision  Certify, then recheck: a row whose best score leads the runner-up by more than its margin (`means.cu`)
//            has the contract's label. For the others `recheck` measures the contract's D to the centroids whose score
//            comes into question. Most often these are two, each the best of another thread's columns, and known; else
//            the columns of the threads that have any are scored again.
// Ties       Equal D: the lowest index, in `recheck`; a tie is never certified.
// Order      The score of a pair is one chain of d fused steps from the half norm on. No result depends on the grid.
// Cost       2 n k d flops and 5 operations a pair for the best two. X is read once from memory (further panels find it
//            in cache), the centroids once a block from L2.
// Limits     n < 2**31.
//
// The register tile is the classic one of matrix products (Volkov and Demmel, 2008). The fused argmin is that of FAISS
// and flash-kmeans. Certification by an error bound comes from computational geometry (Shewchuk, 1997).

#define COLUMNS_A_THREAD (PANEL == 128 ? 8 : 4)
#define ACROSS (PANEL / COLUMNS_A_THREAD)
#define DOWN (THREADS / ACROSS)
#define ROWS (DOWN * HEIGHT)
#define RESIDENT (PANEL == 64 || HEIGHT == 4 ? 2 : 1)  // blocks that the registers of a multiprocessor are to hold
#define FEATURES 16
// Features whose products are scheduled together: fewer where two blocks share the registers.
#define TOGETHER (RESIDENT == 2 ? 8 : 16)
#define ROW_STRIDE (ROWS + 4)
#define LOADS (ROWS * FEATURES / THREADS)
#define PANEL_LOADS ((PANEL * FEATURES + THREADS - 1) / THREADS)
#define PAIRS (ROWS < THREADS / 2 ? ROWS : THREADS / 2)  // that a block of `recheck` measures at once

struct Tile {
  float x[2][FEATURES][ROW_STRIDE];
  float c[2][FEATURES][PANEL];
};

// What is left of a tile when it has been scored; it takes the place of the tile.
struct Verdicts {
  float best[ROWS][ACROSS + 1], second[ROWS][ACROSS + 1];
  int index[ROWS][ACROSS + 1];
};

// The centroid of a place q among those of a panel that a thread scores.
__device__ __forceinline__ int column_of(int panel, int across, int q) {
  return panel * PANEL + across * 4 + q % 4 + q / 4 * 64;
}

// Gives a row its label, and counts it if it had another; `changed` is in shared memory.
__device__ __forceinline__ void settle(i64 row, int label, int* labels, int& changed) {
  if (labels[row] == label) return;
  labels[row] = label;
  atomicAdd(&changed, 1);
}

extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT) assign(
    const stored* __restrict__ X,            // IN    (n, d)
    i64 n, int d,
    const real* __restrict__ shift,          // IN    (d,) the frame
    real scale,
    const float* __restrict__ norms,         // IN    (n,) |x'|^2
    const float* __restrict__ panels,        // IN    (panels, d, PANEL) c', zeros beyond k
    const float* __restrict__ half_norms,    // IN    (panels * PANEL,) -|c'|^2 / 2 and its part of the error; minus
                                             //       infinity beyond k
    int k,
    float of_norm, float of_half_norm, float added,  // the parts of a margin: of |x'|^2, of the half norm, and always
    const int* __restrict__ rows_left,       // IN    (n,) the rows to score, or null: all
    const i64* __restrict__ n_left,          // IN    (1,) how many there are
    i64 few,                                 //       so many at most are in `open` already, as scans
    int* labels,                             // INOUT (n,)
    float* upper,                            // OUT   (n,) bounds, or null
    float* lower,                            // OUT   (n,)
    int* open,                               // OUT   (n, 3) Open
    i64* counters,                           // INOUT rows changed, pairs, scored, (left by the bounds), to scan
    const int* halted                        // IN    (1,) not zero: do nothing
) {
  __shared__ __align__(16) unsigned char memory[sizeof(Tile) > sizeof(Verdicts) ? sizeof(Tile) : sizeof(Verdicts)];
  __shared__ int row_of[ROWS], changed;
  if (*halted) return;
  if (rows_left && *n_left <= few) {
    if (first_thread() == 0) counters[2] += *n_left, counters[4] = *n_left;
    return;
  }
  Tile& tile = *(Tile*)memory;
  Verdicts& verdicts = *(Verdicts*)memory;
  const Bounds bounds = {upper, lower};

  const int t = threadIdx.x, across = t % ACROSS, down = t / ACROSS;
  const u32 rows = (u32)(rows_left ? *n_left : n);
  if (t == 0) changed = 0;
  const bool several = d > FEATURES;  // else the rows stay where they are from panel to panel

  for (u32 first = blockIdx.x * ROWS; first < rows; first += gridDim.x * ROWS) {
    __syncthreads();  // the tile before is done with
    for (int r = t; r < ROWS; r += THREADS) {
      const u32 at = first + r < rows ? first + r : rows - 1;
      row_of[r] = rows_left ? rows_left[at] : (int)at;
    }
    __syncthreads();

    float best[HEIGHT], second[HEIGHT], scores[HEIGHT][COLUMNS_A_THREAD];
    int index[HEIGHT];
#pragma unroll
    for (int i = 0; i < HEIGHT; ++i) best[i] = second[i] = -INFINITE, index[i] = 0;

    float next_x[LOADS], next_c[PANEL_LOADS];
    int next_panel = 0, next_feature = 0;  // where the next step begins: counted, since run-time divisions are slow
    bool more = true;
    for (int step = -1; more; ++step) {
      more = next_panel * PANEL < k;
      const bool move_x = more && (several || step < 0);
      if (move_x) {
        const int j = next_feature + t % FEATURES;
        const real by = j < d ? shift[j] : (real)0;
#pragma unroll
        for (int i = 0; i < LOADS; ++i) {
          const i64 row = row_of[t / FEATURES + i * (THREADS / FEATURES)];
          next_x[i] = j < d ? framed(value_of(X[row * d + j]), by, scale) : 0.0f;
        }
      }
      if (more) {
        const float* from = panels + ((i64)next_panel * d + next_feature) * PANEL;
#pragma unroll
        for (int i = 0; i < PANEL_LOADS; ++i) {
          const int at = t + i * THREADS;
          next_c[i] = at < PANEL * FEATURES && next_feature + at / PANEL < d ? from[at] : 0.0f;
        }
      }
      if (step >= 0) {
        const int x_buffer = several ? step & 1 : 0, panel = next_feature == 0 ? next_panel - 1 : next_panel;
        if (next_feature == (several ? FEATURES : 0)) {  // the first chunk of the panel
#pragma unroll
          for (int q = 0; q < COLUMNS_A_THREAD; ++q)
#pragma unroll
            for (int i = 0; i < HEIGHT; ++i) scores[i][q] = half_norms[column_of(panel, across, q)];
        }
#pragma unroll TOGETHER
        for (int f = 0; f < FEATURES; ++f) {
          const float4 x0 = *(const float4*)&tile.x[x_buffer][f][down * HEIGHT];
          const float4 c0 = *(const float4*)&tile.c[step & 1][f][across * 4];
#if HEIGHT == 8
          const float4 x1 = *(const float4*)&tile.x[x_buffer][f][down * HEIGHT + 4];
          const float x[HEIGHT] = {x0.x, x0.y, x0.z, x0.w, x1.x, x1.y, x1.z, x1.w};
#else
          const float x[HEIGHT] = {x0.x, x0.y, x0.z, x0.w};
#endif
#if PANEL == 128
          const float4 c1 = *(const float4*)&tile.c[step & 1][f][64 + across * 4];
          const float c[COLUMNS_A_THREAD] = {c0.x, c0.y, c0.z, c0.w, c1.x, c1.y, c1.z, c1.w};
#else
          const float c[COLUMNS_A_THREAD] = {c0.x, c0.y, c0.z, c0.w};
#endif
#pragma unroll
          for (int i = 0; i < HEIGHT; ++i)
#pragma unroll
            for (int q = 0; q < COLUMNS_A_THREAD; ++q) scores[i][q] = fmaf(x[i], c[q], scores[i][q]);
        }
        if (next_feature == 0) {  // the last
#pragma unroll
          for (int q = 0; q < COLUMNS_A_THREAD; ++q)
#pragma unroll
            for (int i = 0; i < HEIGHT; ++i)
              top_two(scores[i][q], column_of(panel, across, q), best[i], second[i], index[i]);
        }
      }
      if (move_x) {
        const int buffer = several ? (step + 1) & 1 : 0;
#pragma unroll
        for (int i = 0; i < LOADS; ++i)
          tile.x[buffer][t % FEATURES][t / FEATURES + i * (THREADS / FEATURES)] = next_x[i];
      }
      if (more) {
#pragma unroll
        for (int i = 0; i < PANEL_LOADS; ++i)
          if (t + i * THREADS < PANEL * FEATURES) (&tile.c[(step + 1) & 1][0][0])[t + i * THREADS] = next_c[i];
      }
      next_feature += FEATURES;
      if (next_feature >= d) next_feature = 0, ++next_panel;
      // Hidden from the optimiser, which else keeps an address in registers for each load, and spills.
      asm volatile("" : "+r"(next_feature), "+r"(next_panel));
      __syncthreads();
    }

#pragma unroll
    for (int i = 0; i < HEIGHT; ++i) {
      const int r = down * HEIGHT + i;
      verdicts.best[r][across] = best[i];
      verdicts.second[r][across] = second[i];
      verdicts.index[r][across] = index[i];
    }
    __syncthreads();
    for (int r = t; r < ROWS; r += THREADS) {
      if (first + r >= rows) continue;
      float row_best = verdicts.best[r][0], row_second = verdicts.second[r][0];
      int row_index = verdicts.index[r][0];
      for (int q = 1; q < ACROSS; ++q) {
        row_second = larger(row_second, verdicts.second[r][q]);
        top_two(verdicts.best[r][q], verdicts.index[r][q], row_best, row_second, row_index);
      }
      const i64 row = row_of[r];
      const float norm = norms[row], margin = margin_of(norm, half_norms[row_index], of_norm, of_half_norm, added);
      const bool tame = norm < TAME && row_best > -TAME;
      const bool settled = tame && row_best - row_second > margin;
      if (bounds.upper) write_bounds(bounds, row, row_best, larger(row_second, -10 * TAME), norm, margin, d, !settled);
      if (settled) {
        settle(row, row_index, labels, changed);
        continue;
      }
      const float threshold = tame ? row_best - margin : -INFINITE;
      int rival = row_index;
      u32 in_question = 0;
      bool any_second = false;
      for (int q = 0; q < ACROSS; ++q) {
        if (verdicts.best[r][q] < threshold) continue;
        in_question |= 1u << q;
        if (verdicts.index[r][q] != row_index) rival = verdicts.index[r][q];
        any_second = any_second || !(verdicts.second[r][q] < threshold);
      }
      if (!any_second && __popc(in_question) <= 2) {
        const i64 place = place_of_pair(atomicAdd((u64*)(counters + 1), 1ull));
        ((Open*)open)[place] = {(int)row, row_index, rival};
      } else {
        const i64 place = place_of_scan(atomicAdd((u64*)(counters + 4), 1ull), n);
        ((Open*)open)[place] = {(int)row, __float_as_int(threshold), (int)in_question};
      }
    }
  }
  __syncthreads();
  if (t == 0 && changed) atomic_add(counters, changed);
  if (blockIdx.x == 0 && t == 0) atomic_add(counters + 2, rows);
}

// The rows that scores could not settle: the least D, lowest index, among the centroids that come into question. Two
// threads a pair, then a block a row.
extern "C" __global__ void __launch_bounds__(THREADS, 2) recheck(
    const stored* __restrict__ X,          // IN    (n, d)
    i64 n, int d,
    const real* __restrict__ shift,        // IN    (d,)
    real scale,
    const double* __restrict__ centroids,  // IN    (k, d)
    const float* __restrict__ panels,      // IN    as for `assign`, as the rest
    const float* __restrict__ half_norms,
    int k,
    const int* __restrict__ open,          // IN    (n, 3) Open
    int* labels,                           // INOUT (n,)
    i64* counters,                         // INOUT
    const int* halted
) {
  __shared__ double distances[THREADS];
  __shared__ int candidates[THREADS], threads_across[ACROSS], changed;
  if (*halted) return;
  const Open* not_settled = (const Open*)open;
  const i64 pairs = counters[1], scans = counters[4];
  const int t = threadIdx.x;
  if (t == 0) changed = 0;
  __syncthreads();

  for (i64 first = (i64)blockIdx.x * PAIRS; first < pairs; first += (i64)gridDim.x * PAIRS) {
    const i64 at = first + t / 2;
    i64 row = 0;
    int candidate = 0;
    double distance = INFINITE;
    if (t / 2 < PAIRS && at < pairs) {
      const Open pair = not_settled[place_of_pair(at)];
      row = pair.row;
      candidate = t % 2 ? pair.second : pair.first;
      distance = squared_distance(X + row * d, centroids + (i64)candidate * d, d);
    }
    const double other = __shfl_xor_sync(0xffffffffu, distance, 1);
    const int rival = __shfl_xor_sync(0xffffffffu, candidate, 1);
    const bool lost = other < distance || (other == distance && rival < candidate);
    if (t / 2 < PAIRS && at < pairs && t % 2 == 0) settle(row, lost ? rival : candidate, labels, changed);
  }

  for (i64 at = blockIdx.x; at < scans; at += gridDim.x) {
    const Open scan = not_settled[place_of_scan(at, n)];
    const i64 row = scan.row;
    const float threshold = __int_as_float(scan.first);
    const u32 in_question = (u32)scan.second & ((1u << ACROSS) - 1);
    const int across = __popc(in_question);
    __syncthreads();  // the row before is done with
    if (t < ACROSS && (in_question >> t & 1)) threads_across[__popc(in_question & ((1u << t) - 1))] = t;
    __syncthreads();
    double least = INFINITE;
    int label = 0x7fffffff;
    const i64 columns = (i64)((k + PANEL - 1) / PANEL) * across * COLUMNS_A_THREAD;
    for (i64 i = t; i < columns; i += THREADS) {
      const int of_threads = (int)(i / COLUMNS_A_THREAD);
      const int c = column_of(of_threads / across, threads_across[of_threads % across], (int)(i % COLUMNS_A_THREAD));
      if (c >= k) continue;
      float score = half_norms[c];
      const float* column = panels + panel_place(c, 0, d, PANEL);
      for (int j = 0; j < d; ++j)
        score = fmaf(framed(value_of(X[row * d + j]), shift[j], scale), column[(i64)j * PANEL], score);
      if (score < threshold) continue;  // NaN, where float32 overflowed, excludes nothing
      const double distance = squared_distance(X + row * d, centroids + (i64)c * d, d);
      if (distance < least || (distance == least && c < label)) least = distance, label = c;
    }
    distances[t] = least;
    candidates[t] = label;
    for (int step = THREADS / 2; step; step >>= 1) {
      __syncthreads();
      if (t >= step) continue;
      const double other = distances[t + step];
      const int rival = candidates[t + step];
      const bool lost = other < distances[t] || (other == distances[t] && rival < candidates[t]);
      if (lost) distances[t] = other, candidates[t] = rival;
    }
    if (t == 0) settle(row, candidates[0], labels, changed);
  }
  __syncthreads();
  if (t == 0 && changed) atomic_add(counters, changed);
}
