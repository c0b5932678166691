// Whole runs of Lloyd's algorithm, several iterations in a launch: for problems too small to fill a GPU pass by pass,
// and for many of them at once.
//
// Compiled with -DACROSS=1, 4 or 32, the lanes of a warp that share a row.
//
// Mapping    A team of blocks owns a run, of one problem from one start. Its blocks take tiles of rows in turns
//            (`row_tiles.cu`), then a warp makes a centroid. After either the team waits for all its blocks: so they
//            must be on the device at once (cooperative launch). A team of one block has barriers of its own only, and
//            many of them queue up.
// Maths      Sums are those of `sums.cu`, means and what an iteration came to those of `means.cu`.
// Ends       As `kmeans_fast.engine.lloyd`: no label changed, or the squared shift is at most the threshold, or
//            `max_iter`. An iteration begins with labels for the centroids of the one before: by then block 0 has said
//            whether that was the last. Then those labels are the answer's, and its inertia follows. A cluster without
//            weight ends the run too: rows have to be found for it, which is not done here.
// Order      None: sums are integers, and every row has its own label.
// Cost       Launches: one for all iterations, where a session has four an iteration. Two barriers of the team an
//            iteration, about 1 us each by what is told of grid barriers; none between blocks in a team of one. The
//            rows stay in shared memory where a block has one tile that fits: an iteration reads the centroids only.
//            Nothing of this has been timed on a GPU yet.
// Limits     n < 2**31. Blocks of teams of several: no more than are resident at once.
//
// Kernels that stay for several iterations with hand-made barriers: Gupta et al. (2012), A study of persistent threads
// style GPU programming.

// What is known of a run between launches.
#define ITERATIONS 0
#define ENDED 1  // 1: it is over; 2: a cluster came out without weight
#define LAST 2   // whether the squared shift was within the threshold
#define STATE 3
#define NUMBERS 5  // of an iteration, as `kmeans_fast.backends.protocol.Outcome` has them

struct Team {
  u64* arrived;  // blocks, at all its barriers together
  int blocks;

  // Returns when all threads of all blocks have come, and sees what they wrote.
  __device__ __forceinline__ void wait() const {
    __syncthreads();
    if (blocks > 1 && threadIdx.x == 0) {
      __threadfence();
      const u64 before = atomicAdd(arrived, 1ull), all = (before / blocks + 1) * blocks;
      while (*(volatile u64*)arrived < all) __nanosleep(20);
      __threadfence();
    }
    __syncthreads();
  }
};

struct Shared {
  union {
    Panels panels;
    double squares[2][THREADS];
    Conclusion conclusion;
  };
  Listed listed;
  int changed, used, first, last;
};

// What a block knows of its run.
struct Run {
  Rows rows;
  Clusters clusters;
  Frame frame;
  Sums sums;
  Team team;
  int *labels, *state;
  double *shifts, *differences, *status;
  u64* tally;
  i64 *counters, *bins;
  const double* center;
  double scatter;
};

// Labels all rows, moves those that changed from one sum to another, and counts them: `counters` are those of `update`.
// `filled`: whether the rows of the block's only tile are in shared memory.
__device__ __forceinline__ void assign_rows(Shared& shared, const Run& run, int block, bool filled, i64* counters) {
  const Rows& rows = run.rows;
  Listed& listed = shared.listed;
  const int t = threadIdx.x;
  if (t == 0) listed.moving = listed.rechecked = shared.changed = 0;
#pragma unroll 1
  for (i64 first = (i64)block * ROWS; first < rows.n; first += (i64)run.team.blocks * ROWS) {
    __syncthreads();  // what was in shared memory has been read
    if (rows.held >= rows.d && !filled)
      for (int start = 0; start < rows.held; start += FEATURES)
        fill_rows(rows, first, start, rows.held - start < FEATURES ? rows.held - start : FEATURES,
                  rows.tile + start * STRIDE);
    Best found;
    score_rows(shared.panels, rows, run.clusters, first, found);
    label_rows(listed, rows, run.clusters, first, found, run.labels);
    __syncthreads();
    const Moves moves = {listed.row, listed.from, listed.to, listed.moving};
    move_rows({}, run.sums, moves, rows.X, rows.weights, rows.d, t, THREADS);
    __syncthreads();
    if (t == 0) shared.changed += listed.moving, listed.moving = 0;
  }
  if (t != 0) return;
  if (shared.changed) atomic_add(counters, shared.changed);
  if (listed.rechecked) atomic_add(counters + 1, listed.rechecked);
  if (block == 0) atomic_add(counters + 2, rows.n);
}

// Zeroes what a run adds to, finds the norms of its rows, and packs the centroids that it begins with.
__device__ __forceinline__ void begin_run(const Run& run, int block) {
  const int t = threadIdx.x, d = run.rows.d, k = run.clusters.k;
  const i64 mine = (i64)block * THREADS + t, all = (i64)run.team.blocks * THREADS;
  const i64 size = (i64)k * run.sums.limbs.count * run.sums.limbs.columns;
  const Packed packed = {run.clusters.panels, run.clusters.half_norms, PANEL};
  for (i64 at = mine; at < size; at += all) run.sums.cells[at] = 0;
  for (i64 at = mine; at < k; at += all) run.sums.counts[at] = 0;
  for (i64 at = mine; at < run.rows.n; at += all) run.labels[at] = -1;
  for (i64 row = mine; row < run.rows.n; row += all) {
    float norm = 0.0f;
    for (int j = 0; j < d; ++j) {
      const float x = framed(value_of(run.rows.X[row * d + j]), run.rows.shift[j], run.rows.scale);
      norm = fmaf(x, x, norm);
    }
    run.rows.norms[row] = norm;
  }
  for (i64 at = mine; run.bins && at < BINS; at += all) run.bins[at] = 0;
#pragma unroll 1
  for (i64 c = mine / 32; c < (run.clusters.k + PANEL - 1) / PANEL * PANEL; c += all / 32) {
    if (c < k) {
      pack_centroid(run.clusters.exact, c, d, run.frame, packed);
    } else {  // zeros, of half norms beyond all
      for (int j = t % 32; j < d; j += 32) packed.panels[panel_place(c, j, d, PANEL)] = 0.0f;
      if (t % 32 == 0) packed.half_norms[c] = -INFINITE;
    }
  }
  if (block == 0 && t < 2 * COUNTERS) run.counters[t] = 0;
  if (block == 0 && t < 3) run.tally[t] = 0;
  if (block == 0 && t < STATE) run.state[t] = 0;
  run.team.wait();
}

// The next centroids, in place of those before, and what each has to tell.
__device__ __forceinline__ void make_centroids(Shared& shared, const Run& run, int block) {
  const Packed packed = {run.clusters.panels, run.clusters.half_norms, PANEL};
  u64 largest = 0;
#pragma unroll 1
  for (i64 c = ((i64)block * THREADS + threadIdx.x) / 32; c < run.clusters.k; c += (i64)run.team.blocks * WARPS) {
    const Made made = make_centroid(c, run.sums.cells, run.sums.counts, run.sums.limbs, run.clusters.k, run.rows.d,
                                    run.rows.weights != 0, run.clusters.exact, run.center, run.frame, 0,
                                    run.clusters.exact, packed, shared.squares);
    if (threadIdx.x % 32) continue;
    run.shifts[c] = made.squared_shift;
    run.differences[c] = made.difference;
    const u64 bits = (u64)__double_as_longlong(made.squared_shift);
    largest = bits > largest ? bits : largest;
    if (made.weight == 0.0) atomicMax(run.state + ENDED, 2);
  }
  if (largest) atomicMax(run.tally + LARGEST_SHIFT, largest);
}

// The exact inertia of the labels, which teams of several add up in `bins`; block 0 alone gets it.
__device__ __forceinline__ double exact_inertia(Shared& shared, const Run& run, int block) {
  const Rows& rows = run.rows;
  const int t = threadIdx.x, d = rows.d, blocks = run.team.blocks;
  i64* own = shared.conclusion.bins;
  for (int bin = t; bin < BINS; bin += THREADS) own[bin] = 0;
  if (t == 0) shared.first = BINS, shared.last = -1;
  __syncthreads();
  Window window = {0, 0, -1};
#pragma unroll 1
  for (i64 row = (i64)block * THREADS + t; row < rows.n; row += (i64)blocks * THREADS) {
    const double distance = squared_distance(rows.X + row * d, run.clusters.exact + (i64)run.labels[row] * d, d);
    add_to_window(&window, own, rows.weights ? rows.weights[row] * distance : distance);
  }
  empty_window(&window, own);
  __syncthreads();
  if (blocks > 1) {
    for (int bin = t; bin < BINS; bin += THREADS)
      if (own[bin]) atomic_add(run.bins + bin, own[bin]);
    run.team.wait();
    for (int bin = t; block == 0 && bin < BINS; bin += THREADS) own[bin] = run.bins[bin];
    __syncthreads();
  }
  for (int bin = t; bin < BINS; bin += THREADS)
    if (own[bin]) atomicMin(&shared.first, bin), atomicMax(&shared.last, bin);
  __syncthreads();
  return t == 0 && block == 0 ? total_of_bins(own, shared.first, shared.last) : 0.0;
}

extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT) lloyd_runs(
    const stored* __restrict__ X,           // IN    (problems, n, d)
    const double* __restrict__ weights,     // IN    (problems, n) or null
    i64 n, int d, int k,
    const real* __restrict__ shift,         // IN    (problems, d) the frame of each problem
    const double* __restrict__ frames,      // IN    (problems, 6) and its scale, gamma, zeta, parts of a margin
    const int* __restrict__ unit,           // IN    (problems, columns) Limbs
    int limbs, int limb_bits,
    const double* __restrict__ center,      // IN    (problems, d) a point that the scatter is known about
    const double* __restrict__ scatter,     // IN    (problems,) sum of w |x - center|^2
    const int* __restrict__ of,             // IN    (runs,) the problem of each run
    const double* __restrict__ thresholds,  // IN    (runs,)
    int team_blocks,                        //       of a team
    int held,                               //       features of a tile in shared memory: all, up to a multiple of 4,
                                            //       or two times FEATURES
    int max_iter,
    int begin,                              //       whether the runs begin with this launch
    int iterations,                         //       of this launch, at most
    double* centroids,                      // INOUT (runs, k, d)
    float* norms,                           // INOUT (runs, n) |x'|^2, as the rest: between launches
    float* panels,                          // INOUT (runs, panels, d, PANEL)
    float* half_norms,                      // INOUT (runs, panels * PANEL)
    int* labels,                            // INOUT (runs, n)
    i64* cells, i64* counts,                // INOUT (runs, k, limbs, columns) and (runs, k) Sums
    double* shifts, double* differences,    // INOUT (runs, k)
    u64* tally,                             // INOUT (runs, 3) of `conclude`
    i64* counters,                          // INOUT (runs, 2, COUNTERS) of it, of this iteration and the one before
    double* status,                         // INOUT (runs, 7) of it
    int* states,                            // INOUT (runs, STATE)
    u64* arrived,                           // INOUT (runs,) multiples of `team_blocks` on entry
    i64* bins,                              // INOUT (runs, BINS); null for teams of one
    double* told,                           // OUT   (runs, iterations, NUMBERS) of this launch's iterations, or null
    double* results                         // OUT   (runs, 2) inertia, clusters that have rows
) {
  __shared__ __align__(16) Shared shared;
  __shared__ Run run;  // and not in registers, of which scoring takes all there are
  const int number = blockIdx.x / team_blocks, block = blockIdx.x % team_blocks, t = threadIdx.x;
  if (!begin && states[number * STATE + ENDED]) return;
  if (t == 0) {
    const i64 problem = of[number], at = number, columns = weights ? d + 1 : d;
    const i64 padded = (k + PANEL - 1) / PANEL * PANEL;
    const double* of_frame = frames + problem * 6;
    run.frame = {shift + problem * d, of_frame[0], of_frame[1], of_frame[2]};
    run.rows = {X + problem * n * d, weights ? weights + problem * n : weights, n, d, run.frame.shift,
                (real)run.frame.scale, norms + at * n, (float)of_frame[3], (float)of_frame[4], (float)of_frame[5],
                (float*)dynamic_shared, held};
    run.clusters = {centroids + at * k * d, panels + at * padded * d, half_norms + at * padded, k};
    run.sums = {cells + at * k * limbs * columns, counts + at * k, {unit + problem * columns, limbs, limb_bits,
                                                                    (int)columns}, 0};
    run.team = {arrived + at, team_blocks};
    run.center = center + problem * d;
    run.labels = labels + at * n;
    run.shifts = shifts + at * k, run.differences = differences + at * k;
    run.tally = tally + at * 3, run.counters = counters + at * 2 * COUNTERS, run.status = status + at * 7;
    run.bins = bins ? bins + at * BINS : bins;
    run.state = states + at * STATE;
    run.scatter = scatter[problem];
  }
  __syncthreads();
  if (begin) begin_run(run, block);
  int done = begin ? 0 : run.state[ITERATIONS];

  bool filled = false, over = false;
#pragma unroll 1
  for (int launched = 0; !over; ++launched) {
    if (launched == iterations) {
      if (block == 0 && t == 0) run.state[ITERATIONS] = done;
      return;
    }
    i64* counted = run.counters + done % 2 * COUNTERS;
    assign_rows(shared, run, block, filled, counted);
    filled = (i64)team_blocks * ROWS >= n;
    run.team.wait();
    over = done == max_iter || run.state[LAST];
    if (over) break;
    const bool none_changed = counted[0] == 0;
    make_centroids(shared, run, block);
    run.team.wait();
    ++done;
    if (run.state[ENDED]) return;
    if (block == 0) {
      conclude(shared.conclusion, k, run.shifts, run.differences, run.tally, run.scatter, run.frame.scale, 0, counted,
               (float*)0, run.status, run.state + ENDED);
      __syncthreads();
      if (t == 0 && run.status[SQUARED_SHIFT] <= thresholds[number]) run.state[LAST] = 1;
      const int order[NUMBERS] = {CHANGED, SQUARED_SHIFT, INERTIA, RECHECKED, SCORED};
      if (told && t < NUMBERS) told[((i64)number * iterations + launched) * NUMBERS + t] = run.status[order[t]];
    }
    over = none_changed;
  }

  const double inertia = exact_inertia(shared, run, block);
  if (block != 0) return;
  if (t == 0) shared.used = 0;
  __syncthreads();
  int used = 0;
  for (int c = t; c < k; c += THREADS) used += run.sums.counts[c] != 0;
  if (used) atomicAdd(&shared.used, used);
  __syncthreads();
  if (t != 0) return;
  results[number * 2] = inertia, results[number * 2 + 1] = shared.used;
  run.state[ITERATIONS] = done, run.state[ENDED] = 1;
}
