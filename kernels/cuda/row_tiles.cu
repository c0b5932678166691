// Labels of a tile of rows by certified float32 scores, for `runs.cu`.
//
// Compiled with -DACROSS=1, 4 or 32, the lanes of a warp that share a row.
//
// Mapping    A thread scores HEIGHT rows against COLUMNS centroids of a panel at a time. The rows are in shared memory,
//            feature by feature, as x'. Centroids pass through it, FEATURES features of a panel at a time: the next
//            ones are in registers meanwhile (two buffers, one barrier). Lanes that share a row are neighbours, so that
//            what they found meets in shuffles.
// Maths      Scores, frame and margins are those of `assign.cu` (`certified.cu`): one chain of d fused steps a score.
// Precision  Of an open row each lane knows its best centroid by name, and whether another one of its own comes into
//            question. If none does, those named are measured by D. Else all centroids are scored again.
// Ties       Equal D: the lowest index. A tie is never certified.
// Cost       2 n k d flops, with k and d up to multiples of PANEL and 4; (HEIGHT + COLUMNS) / 4 loads of 16 bytes from
//            shared memory for HEIGHT x COLUMNS products of a thread.

constexpr int COLUMNS = 8, PANEL = COLUMNS * ACROSS, HEIGHT = ACROSS == 32 ? 8 : 4;
constexpr int ROWS = THREADS / ACROSS * HEIGHT, STRIDE = ROWS + 4;
constexpr int FEATURES = 16;                                           // of a panel at a time
constexpr int LOADS = (PANEL * FEATURES / 4 + THREADS - 1) / THREADS;  // of four words, a thread
constexpr int RESIDENT = ACROSS == 32 ? 1 : 2;  // blocks a multiprocessor
constexpr int UNDER_WAY = sizeof(real) == 8 ? 2 : 4;  // values of a thread on their way to shared memory: by registers
constexpr int FEW_OPEN = 4;  // rows of a warp up to which all its lanes measure one after the other

// The rows of a problem, and the frame that they are scored in.
struct Rows {
  const stored* X;
  const double* weights;
  i64 n;
  int d;
  const real* shift;
  real scale;
  float* norms;                        // |x'|^2
  float of_norm, of_half_norm, added;  // of a margin
  float* tile;                         // (held, STRIDE) x' in shared memory
  int held;                            // features: all of them, up to a multiple of 4, or two times FEATURES in turns
};

// The centroids of a run.
struct Clusters {
  double* exact;
  float *panels, *half_norms;
  int k;
};

// Of a panel, in shared memory: FEATURES features in each of two buffers.
struct Panels {
  float at[2][FEATURES][PANEL];
};

// The rows of a tile whose label changed, and how many were rechecked; in shared memory.
struct Listed {
  int row[ROWS], from[ROWS], to[ROWS], moving, rechecked;
};

// The centroid of a place q among those of a panel that a lane scores.
__device__ __forceinline__ int column_of(int across, int q) { return across * 4 + q % 4 + q / 4 * (PANEL / 2); }

// So many features of a tile's rows, at most FEATURES; zeros beyond the last row and feature. All threads of the block.
__device__ __forceinline__ void fill_rows(const Rows& rows, i64 first, int start, int features, float* to) {
  const int width = features <= 4 ? 4 : FEATURES, f = threadIdx.x % width, j = start + f;
  if (f >= features) return;
  const real by = j < rows.d ? rows.shift[j] : (real)0;
  const int left = j >= rows.d ? 0 : rows.n - first < ROWS ? (int)(rows.n - first) : ROWS;  // rows that are there
  const stored* from = rows.X + first * rows.d + j;
#pragma unroll UNDER_WAY
  for (int r = threadIdx.x / width; r < ROWS; r += THREADS / width)
    to[f * STRIDE + r] = r < left ? framed(value_of(from[(i64)r * rows.d]), by, rows.scale) : 0.0f;
}

// The best two scores of a thread's rows among its own columns of all panels.
struct Best {
  float best[HEIGHT], second[HEIGHT];
  int index[HEIGHT];
};

__device__ __forceinline__ void score_rows(Panels& panels, const Rows& rows, const Clusters& clusters, i64 first,
                                           Best& found) {
  const int t = threadIdx.x, across = t % ACROSS, down = t / ACROSS, d = rows.d;
  const bool streamed = rows.held < d;
#pragma unroll
  for (int i = 0; i < HEIGHT; ++i) found.best[i] = found.second[i] = -INFINITE, found.index[i] = 0;
  float4 next[LOADS];
  const auto fetch = [&](int panel, int start) {
    const float4* from = (const float4*)(clusters.panels + ((i64)panel / PANEL * d + start) * PANEL);
#pragma unroll
    for (int i = 0; i < LOADS; ++i) {
      const int at = t + i * THREADS;
      next[i] = {0.0f, 0.0f, 0.0f, 0.0f};
      if (at < PANEL * FEATURES / 4 && start + at / (PANEL / 4) < d) next[i] = from[at];
    }
  };
  fetch(0, 0);
  int buffer = 0;
#pragma unroll 1
  for (int panel = 0; panel < clusters.k; panel += PANEL) {
    float scores[HEIGHT][COLUMNS];
#pragma unroll
    for (int q = 0; q < COLUMNS; ++q) {
      const float half_norm = clusters.half_norms[panel + column_of(across, q)];
#pragma unroll
      for (int i = 0; i < HEIGHT; ++i) scores[i][q] = half_norm;
    }
#pragma unroll 1
    for (int start = 0; start < d; start += FEATURES, buffer ^= 1) {
#pragma unroll
      for (int i = 0; i < LOADS; ++i)
        if (t + i * THREADS < PANEL * FEATURES / 4)
          ((float4*)&panels.at[buffer][0][0])[t + i * THREADS] = next[i];
      float* tile = rows.tile + (streamed ? buffer * FEATURES : start) * STRIDE;
      if (streamed) fill_rows(rows, first, start, FEATURES, tile);
      __syncthreads();
      if (start + FEATURES < d)
        fetch(panel, start + FEATURES);
      else if (panel + PANEL < clusters.k)
        fetch(panel + PANEL, 0);
      const int width = d - start < FEATURES ? d - start : FEATURES;
      const float *x_at = tile + down * HEIGHT, *c_at = &panels.at[buffer][0][across * 4];
#pragma unroll 1
      for (int f = 0; f < width; f += 4, x_at += 4 * STRIDE, c_at += 4 * PANEL) {
#pragma unroll 2
        for (int g = 0; g < 4; ++g) {  // beyond d they are zeros
          const float4 c0 = *(const float4*)(c_at + g * PANEL), c1 = *(const float4*)(c_at + g * PANEL + PANEL / 2);
          const float c[COLUMNS] = {c0.x, c0.y, c0.z, c0.w, c1.x, c1.y, c1.z, c1.w};
#pragma unroll
          for (int half = 0; half < HEIGHT; half += 4) {
            const float4 four = *(const float4*)(x_at + g * STRIDE + half);
            const float x[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
            for (int i = 0; i < 4; ++i)
#pragma unroll
              for (int q = 0; q < COLUMNS; ++q) scores[half + i][q] = fmaf(x[i], c[q], scores[half + i][q]);
          }
        }
      }
    }
#pragma unroll
    for (int q = 0; q < COLUMNS; ++q)
#pragma unroll
      for (int i = 0; i < HEIGHT; ++i)
        top_two(scores[i][q], panel + column_of(across, q), found.best[i], found.second[i], found.index[i]);
  }
}

// The lesser D, of equal ones the lower index, over so many neighbouring lanes, which all have it then.
__device__ __forceinline__ void nearer_of(int lanes, double& distance, int& label) {
#pragma unroll 1
  for (int step = lanes / 2; step; step /= 2) {
    const double other = __shfl_xor_sync(~0u, distance, step);
    const int rival = __shfl_xor_sync(~0u, label, step);
    if (other < distance || (other == distance && rival < label)) distance = other, label = rival;
  }
}

// The contract's label of an open row, of which every lane of those that share it knows best, second and index among
// its own columns, and the score that a centroid must reach; all lanes of a warp. `is_open` is the same for all that
// share a row. For rows that are not open it means nothing.
__device__ __forceinline__ int settled_label(const Rows& rows, const Clusters& clusters, i64 row, bool is_open,
                                             float best, float second, int index, float threshold) {
  const int lane = threadIdx.x % 32, across = lane % ACROSS, d = rows.d;
  const u32 of_row = (ACROSS == 32 ? ~0u : (1u << ACROSS % 32) - 1) << (lane - across);
  // The best of each lane's columns is known by name. Is another of them in question, all centroids are looked at.
  const bool to_scan = (__ballot_sync(~0u, is_open && !(second < threshold)) & of_row) != 0;
  double distance = INFINITE;
  int label = index;
  if (is_open && !to_scan && !(best < threshold))
    distance = squared_distance(rows.X + row * d, clusters.exact + (i64)index * d, d);
  nearer_of(ACROSS, distance, label);
  u32 scans = __ballot_sync(~0u, to_scan && across == 0);
  const int sharing = __popc(scans) > FEW_OPEN ? 1 : 32;  // lanes
#pragma unroll 1
  while (scans) {
    const int owner = sharing == 1 ? lane : __ffsll((i64)scans) - 1;
    scans = sharing == 1 ? 0 : scans & (scans - 1);
    const stored* x = rows.X + __shfl_sync(~0u, row, owner) * d;
    const float least = __shfl_sync(~0u, threshold, owner);
    double nearest = INFINITE;
    int found = 0x7fffffff;
#pragma unroll 1
    for (int c = sharing == 1 && !(to_scan && across == 0) ? clusters.k : lane % sharing; c < clusters.k;
         c += sharing) {
      float score = clusters.half_norms[c];
      const float* column = clusters.panels + panel_place(c, 0, d, PANEL);
      for (int j = 0; j < d; ++j)
        score = fmaf(framed(value_of(x[j]), rows.shift[j], rows.scale), column[(i64)j * PANEL], score);
      if (score < least) continue;  // NaN, where float32 overflowed, excludes nothing
      const double other = squared_distance(x, clusters.exact + (i64)c * d, d);
      if (other < nearest) nearest = other, found = c;
    }
    nearer_of(sharing, nearest, found);
    found = __shfl_sync(~0u, found, sharing == 1 ? lane - across : lane);
    if (sharing == 1 ? to_scan : lane - across == owner) label = found;
  }
  return label;
}

// The labels of a tile; rows whose label changes are listed. All threads of the block.
__device__ __forceinline__ void label_rows(Listed& listed, const Rows& rows, const Clusters& clusters, i64 first,
                                           const Best& found, int* labels) {
  const int across = threadIdx.x % ACROSS, down = threadIdx.x / ACROSS;
  const i64 begin = first + down * HEIGHT;
  int winner[HEIGHT];
  float threshold[HEIGHT];
  u32 open = 0;
#pragma unroll
  for (int i = 0; i < HEIGHT; ++i) {
    float best = found.best[i], second = found.second[i];
    int index = found.index[i];
#pragma unroll
    for (int step = 1; step < ACROSS; step <<= 1) {
      const float rival = __shfl_xor_sync(~0u, best, step);
      const int other = __shfl_xor_sync(~0u, index, step);
      second = larger(larger(second, __shfl_xor_sync(~0u, second, step)), smaller(best, rival));
      if (rival > best || (rival == best && other < index)) best = rival, index = other;
    }
    winner[i] = index;
    if (begin + i >= rows.n) continue;
    const float margin = margin_of(rows.norms[begin + i], clusters.half_norms[index], rows.of_norm, rows.of_half_norm,
                                   rows.added);
    const bool tame = rows.norms[begin + i] < TAME && best > -TAME;
    threshold[i] = tame ? best - margin : -INFINITE;
    if (!(tame && best - second > margin)) open |= 1u << i;
  }
#pragma unroll 1
  for (int i = 0; i < HEIGHT; ++i) {
    if (!__any_sync(~0u, open >> i & 1)) continue;
    float best = 0, second = 0, least = 0;
    int index = 0;
#pragma unroll
    for (int q = 0; q < HEIGHT; ++q)
      if (q == i) best = found.best[q], second = found.second[q], index = found.index[q], least = threshold[q];
    const bool is_open = open >> i & 1;
    const int label = settled_label(rows, clusters, begin + i, is_open, best, second, index, least);
#pragma unroll
    for (int q = 0; q < HEIGHT; ++q)
      if (q == i && is_open) winner[q] = label;
  }
  if (across == 0 && open) atomicAdd(&listed.rechecked, __popc(open));
#pragma unroll
  for (int i = 0; i < HEIGHT; ++i) {
    if (across != i % ACROSS || begin + i >= rows.n) continue;
    const int before = labels[begin + i];
    if (before == winner[i]) continue;
    labels[begin + i] = winner[i];
    const int at = atomicAdd(&listed.moving, 1);
    listed.row[at] = (int)(begin + i), listed.from[at] = before, listed.to[at] = winner[i];
  }
}
