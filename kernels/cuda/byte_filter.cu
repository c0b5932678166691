// The nearest centroid of every row by scores in bytes on tensor cores: a filter that leaves most rows one centroid,
// and others a few to be measured.
//
// Compiled with -DKSTEPS=1, 2, 4 or 8: the products of 32 features that a row takes, all in registers; or 0: any
// number, and the rows' bytes come from cache for every panel. With -DPANEL=64 or 128, the centroids of a panel. And
// with -DHALVES=1 for integers held in fp16 (`bytes.cu`), of 16 features a product.
//
// Mapping    A warp scores ROWS rows against a panel of PANEL centroids at a time, PART products of 8 centroids of it
//            at once. The panels pass through shared memory, two places in turns, by asynchronous copies; or all stay
//            there, where they find room (`resident`). A lane holds the scores of four rows with two centroids of each
//            product.
// Maths      As the CPU's filter (`kernels/cpu/scoring/byte_filter.py`): t qr + y g - |c'|^2 / 2s is not below the
//            score of a pair in units of s, and t qr - y g - |c'|^2 / 2s not above. A centroid is a candidate unless
//            the former is below the row's floor, the largest of the latter. It starts with that of the row's label,
//            or of a centroid that is likely to be near (`byte_sample.cu`), in fine codes too. Panel by panel: only
//            where the best score of a lane may reach the floor, with the largest g of the panel and half norms raised
//            by what others have less (`byte_centroids.cu`), are its scores kept for a closer look, 32 of such lanes
//            at a time (`Queue`). The likely centroid reaches its own floor: the scores of the lane that has it are put
//            aside, and looked at after all panels, without it (`byte_conclusion.cu`). Candidates that are left then
//            are scored in fine codes (`byte_fine_scores.cu`).
// Precision  Products and their sums are integers, exact in any order. They start at the bits of ROUNDER, so that as a
//            float they are ROUNDER plus the sum, and none is converted: -ROUNDER t is part of the other summand. Its
//            rounding is below three halves of t, which is in g. Beyond 256 features sums may not fit, and are
//            converted. Sums of halves are floats, exact for up to 256 features, as their codes are such that sums stay
//            below 2**24. Beyond, they are added to totals, whose roundings are in g. Roundings of a score, of raised
//            norms and of floors: docs/numerics.md, section 6.
// Ties       Candidates within the bounds are measured by D; the lowest index of equals.
// Order      None: which centroids are candidates depends on the order of panels alone, the label not even on that.
// Cost       n k d operations on bytes, and a pair 2 fused ones and a maximum: 190 instructions of a warp for its rows
//            and 32 centroids at d = 128, and 1,500 to 2,000 more for the rows. Of a row, codes and fine codes once and
//            24 bytes. Halves: twice the time of products and twice the bytes.
// Limits     A row with more than MOST candidates, or LISTED on the way, goes to `assign`, or to `recheck` if there are
//            few of them. n < 2**31.

extern "C" __global__ void __launch_bounds__(THREADS, KSTEPS == 8 || KSTEPS == 0 ? 1 : 2) byte_filter(
    const u32* __restrict__ row_words,      // IN    codes of the rows (`byte_rows.cu`)
    const u32* __restrict__ row_fine_words,
    const float4* __restrict__ row_facts,   // IN    (n,)
    i64 n, int d, int products,
    const u32* __restrict__ words,          // IN    codes of the centroids
    const u32* __restrict__ fine_words,
    const float2* __restrict__ steps,       // IN    (panels * PANEL,) of `encode_centroids`, as the next five
    const float2* __restrict__ raised_steps,
    const float2* __restrict__ measures,
    const float2* __restrict__ steepest,    // IN    (panels,)
    float usual_reach,
    int k,
    float lost_share,                       //       as for `encode_rows`
    float fine_share,                       //       sqrt(d) / (2 FINER), and more
    float inverse_ratio,                    //       of `encode_rows`
    int resident,                           //       whether all panels are in shared memory
    int used_warps,                         //       of a block: few where rows are few, so that more blocks have some
    const int* __restrict__ rows_left,      // IN    (n,) the rows to score, or null: all
    const i64* __restrict__ n_left,         // IN    (1,) how many there are
    const int* likely,                      // IN    (n,) a centroid whose score gives the row its first floor: its
                                            //       label, or another; -1: none
    int* labels,                            // INOUT (n,) -1: none yet
    float* upper,                           // OUT   (n,) bounds (`hamerly.cu`), or null
    float* lower,                           // OUT   (n,)
    int* several,                           // OUT   (n,) rows with several candidates, counters[6] of them
    int* candidates,                        // OUT   (n, 1 + MOST) of these: how many, and which
    int* overflowed,                        // OUT   (n,) rows for `assign`, or the same for `recheck`
    int* open,                              // OUT   (n, 3) Open, from the back: all rows that overflowed, as scans
    float of_norm,                          //       the part of |x'|^2 in a margin (`assign.cu`)
    i64* counters,                          // INOUT rows changed, -, scored, -, -, overflowed, with several candidates
    const int* halted                       // IN    (1,) not zero: do nothing
) {
  if (*halted) return;
  Stage* stages = (Stage*)dynamic_shared;
  const int panels = (k + PANEL - 1) / PANEL, parts = KSTEPS ? 1 : (products + STAGE_PRODUCTS - 1) / STAGE_PRODUCTS;
  // The shuffle tells the compiler that the warp's number is the same in all lanes: else it waits for all lanes before
  // every product of many features, and in many other places.
  const int t = threadIdx.x, lane = t % 32, warp = __shfl_sync(0xffffffffu, t / 32, 0), g = lane / 4, q = lane % 4;
  WarpRows& mine = ((WarpRows*)(stages + (resident ? panels : 2)))[warp];
  const u32 rows = (u32)(rows_left ? *n_left : n), tiles = (rows + ROWS - 1) / ROWS;
  const u32 at_once = gridDim.x * used_warps;
  const u32 rounds = (tiles + at_once - 1) / at_once;
  const Sum first_sums[4] = {FIRST_SUM, FIRST_SUM, FIRST_SUM, FIRST_SUM};
  const Centroids centroids = {steps, measures, k};
  const FineCodes codes = {words, fine_words, row_words, row_fine_words, products, d, fine_share, inverse_ratio};

  // Panels come one after the other, for each round again.
  const auto fetch = [&](int panel, int part, Stage& to) {
    const int left = products - part * STAGE_PRODUCTS, many = left < STAGE_PRODUCTS ? left : STAGE_PRODUCTS;
    const Quad* from = (const Quad*)words + ((i64)panel * products + part * STAGE_PRODUCTS) * (PANEL / 16) * 32;
    for (int i = t; i < many * (PANEL / 16) * 32; i += THREADS) copy_16_async(&to.words[0][0][0] + i, from + i);
    if (t < PANEL / 2) copy_16_async(to.steps + t, (const float4*)(raised_steps + (i64)panel * PANEL) + t);
  };
  if (resident) {
    for (int panel = 0; panel < panels; ++panel) fetch(panel, 0, stages[panel]);
    commit_copies();
    wait_for_copies<0>();
    __syncthreads();
  } else if (rounds) {
    fetch(0, 0, stages[0]);
    commit_copies();
  }

  const Found found = {labels, upper, lower, several, candidates, overflowed, (Open*)open, of_norm, counters};
  int changed = 0, overflows = 0;
  int turn = 0;  // of the places in shared memory
  for (u32 round = 0; round < rounds; ++round) {
    const u32 tile = round * at_once + blockIdx.x * used_warps + warp, place = tile * ROWS + lane;
    const bool active = warp < used_warps && tile < tiles;  // idle warps take part in copies and barriers
    u32 a[2][KSTEPS ? KSTEPS : 1][4];
    float minus_inverses[2][2], rests[2][2];
    int likely_part[2][2];       // the part of a panel in which this lane has the likely centroid of its four rows
    i64 first_words[2][2] = {};  // of the four rows of a lane, where they are not neighbours
    int queued = 0, label = -1, near = -1;

    if (active) {
      const u32 at = place < rows ? place : rows - 1;
      const int row = rows_left ? rows_left[at] : (int)at;
      float4 fact = row_facts[row];
      fact.y = fmaf(-0.00390625f * usual_reach, fact.x, fact.y);  // for roundings of raised norms: g has the rest
      __syncwarp();  // the tile before is done with
      mine.rows[lane] = row;
      mine.facts[lane] = fact;
      mine.reaches[lane] = {fact.y, larger(fmaf(-usual_reach, fact.x, -fact.y), 0.0f)};
      mine.rests[lane] = -INFINITE;
      mine.counts[lane] = 0;
      mine.own[0][lane] = mine.own[1][lane] = {-INFINITE, -INFINITE, -INFINITE, -INFINITE};
      label = labels[row];
      mine.likely[lane] = near = likely[row];
      const u32 next = tile + at_once;
      if (KSTEPS && !rows_left && next < tiles) {
        for (int line = lane; line < 8 * KSTEPS; line += 32) {
          prefetch((const Quad*)row_words + ((i64)next * 2 * KSTEPS * 4 + line) * 8);
          prefetch((const Quad*)row_fine_words + ((i64)next * 2 * KSTEPS * 4 + line) * 8);
        }
        const u32 later = next * ROWS + lane;
        if (lane % 8 == 0 && later < rows) prefetch(row_facts + later);
        if (lane == 0) prefetch(labels + later), prefetch(likely + later);
      }
      __syncwarp();
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int r = i * 8 + g, c = __shfl_sync(0xffffffffu, near, r);
        minus_inverses[i / 2][i % 2] = mine.facts[r].x;
        rests[i / 2][i % 2] = -INFINITE;
        likely_part[i / 2][i % 2] = c >= 0 && (u32)c % 8 / 2 == q ? (int)((u32)c / (8 * PART)) : -1;
        if (rows_left) first_words[i / 2][i % 2] = words_of_row(mine.rows[r], q, products);
      }
    }
    // The words of 16 rows for a product.
    const auto load_rows = [&](const u32* from, int m, int p, u32(&to)[4]) {
      if (rows_left) {
#pragma unroll
        for (int i = 0; i < 4; ++i) to[i] = from[first_words[m][i % 2] + p * 128 + i / 2 * 2];
      } else {
        const Quad quad = ((const Quad*)from)[(((i64)tile * 2 + m) * products + p) * 32 + lane];
#pragma unroll
        for (int i = 0; i < 4; ++i) to[i] = quad.at[i];
      }
    };
    if (active) {
      // The floors of the rows by the scores of a centroid each, in fine codes too: the eight words of a row for each
      // product are shared by four lanes.
      FineProduct product[4];
      i64 of_label[4];
      const i64 of_own = words_of_centroid(at_least_0(near), 0, products);
#pragma unroll
      for (int i = 0; i < 4; ++i) of_label[i] = __shfl_sync(0xffffffffu, of_own, i * 8 + g) + 4 * q;
      constexpr int AHEAD = KSTEPS <= 4 ? KSTEPS : 0;  // words that are under way before the first are waited for
      u32 x[2][AHEAD ? AHEAD : 1][4];
#pragma unroll
      for (int p = 0; p < AHEAD; ++p)
#pragma unroll
        for (int m = 0; m < 2; ++m) load_rows(row_words, m, p, a[m][p]), load_rows(row_fine_words, m, p, x[m][p]);
#if KSTEPS
#pragma unroll
#endif
      for (int p = 0; p < (KSTEPS ? KSTEPS : products); ++p) {
        const int at = KSTEPS ? p : 0, fine_at = AHEAD ? p : 0;
        if (!AHEAD)
#pragma unroll
          for (int m = 0; m < 2; ++m) load_rows(row_words, m, p, a[m][at]), load_rows(row_fine_words, m, p, x[m][0]);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const Pair c = *(const Pair*)(words + of_label[i] + (i64)p * (PANEL * 8));
          const Pair finer = *(const Pair*)(fine_words + of_label[i] + (i64)p * (PANEL * 8));
          const int m = i / 2, h = i % 2;
          product[i].add(a[m][at][h], x[m][fine_at][h], c.x, finer.x);
          product[i].add(a[m][at][2 + h], x[m][fine_at][2 + h], c.y, finer.y);
        }
      }
      const int r = q * 8 + g, c = mine.likely[r];  // a lane a row
      const float4 fact = mine.facts[r];
      const FineScore score = fine_score(FineProduct::total_of(product), fact, at_least_0(c), centroids, codes);
      mine.floors[r] = c < 0 ? -INFINITE : larger(lowered(score.low, fact, lost_share), -INFINITE);  // no NaN
      mine.likely_most[r] = c < 0 ? -INFINITE : score.high;
      __syncwarp();
    }

    for (int panel = 0; panel < panels; ++panel) {
#if !KSTEPS
      Sum sums[PANEL / 8 / PART][2][PART][4], totals[PANEL / 8 / PART][2][PART][4] = {};
#endif
      Stage* stage = stages + panel;
      for (int part = 0; part < parts; ++part) {
        if (!resident) {
          wait_for_copies<0>();
          __syncthreads();
          stage = stages + turn;
          turn ^= 1;
          const bool last_part = part + 1 == parts, last_panel = panel + 1 == panels;
          if (!last_part || !last_panel || round + 1 < rounds)
            fetch(last_part ? last_panel ? 0 : panel + 1 : panel, last_part ? 0 : part + 1, stages[turn]);
          commit_copies();
        }
        if (!active) continue;
#if !KSTEPS
        const int steps = products - part * STAGE_PRODUCTS, many = steps < STAGE_PRODUCTS ? steps : STAGE_PRODUCTS;
        const int first_part = EXACT_PARTS ? part / EXACT_PARTS * EXACT_PARTS : 0;  // that these sums begin with
        u32 next[2][4];
        load_rows(row_words, 0, part * STAGE_PRODUCTS, next[0]);
        load_rows(row_words, 1, part * STAGE_PRODUCTS, next[1]);
        for (int p = 0; p < many; ++p) {
          u32 x[2][4];
#pragma unroll
          for (int i = 0; i < 8; ++i) x[i / 4][i % 4] = next[i / 4][i % 4];
          if (p + 1 < many) {
            load_rows(row_words, 0, part * STAGE_PRODUCTS + p + 1, next[0]);
            load_rows(row_words, 1, part * STAGE_PRODUCTS + p + 1, next[1]);
          }
#pragma unroll
          for (int i = 0; i < PANEL / 16; ++i) {
            const Quad two = stage->words[p][i][lane];
#pragma unroll
            for (int m = 0; m < 2; ++m)
#pragma unroll
              for (int j = 0; j < 2; ++j) {
                Sum(&sum)[4] = sums[(2 * i + j) / PART][m][(2 * i + j) % PART];
                if (p == 0 && part == first_part) multiply(sum, x[m], two.at[2 * j], two.at[2 * j + 1], first_sums);
                else multiply(sum, x[m], two.at[2 * j], two.at[2 * j + 1], sum);
              }
          }
        }
        if (EXACT_PARTS && (part + 1 == parts || part + 1 == first_part + EXACT_PARTS))
#pragma unroll
          for (int i = 0; i < PANEL / 8; ++i)
#pragma unroll
            for (int j = 0; j < 8; ++j)
              totals[i / PART][j / 4][i % PART][j % 4] += sums[i / PART][j / 4][i % PART][j % 4];
#endif
      }
      if (!active) continue;
      const float2 slope = steepest[panel];
      float thresholds[2][2], panel_rests[2][2];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        thresholds[i / 2][i % 2] = threshold_of(mine.floors[i * 8 + g], lost_at_most(mine.reaches[i * 8 + g], slope));
        panel_rests[i / 2][i % 2] = -INFINITE;
      }
#if KSTEPS == 1
#pragma unroll 2
#elif KSTEPS
#pragma unroll 1  // the code is to stay in its cache
#else
#pragma unroll
#endif
      for (int first = 0; first < PANEL / 8; first += PART) {
        float scores[2][2][2 * PART], best[2][2];
        {
#if KSTEPS
          Sum sum[2][PART][4];
#pragma unroll
          for (int p = 0; p < KSTEPS; ++p)
#pragma unroll
            for (int i = 0; i < PART; i += 2) {
              const Quad two = stage->words[p][(first + i) / 2][lane];
#pragma unroll
              for (int m = 0; m < 2; ++m)
#pragma unroll
                for (int j = 0; j < 2; ++j) {
                  if (p == 0) multiply(sum[m][i + j], a[m][p], two.at[2 * j], two.at[2 * j + 1], first_sums);
                  else multiply(sum[m][i + j], a[m][p], two.at[2 * j], two.at[2 * j + 1], sum[m][i + j]);
                }
            }
#else
          Sum(&sum)[2][PART][4] = EXACT_PARTS ? totals[first / PART] : sums[first / PART];
#endif
#pragma unroll
          for (int i = 0; i < PART; ++i) {
            const float4 two = stage->steps[(first + i) * 4 + q];
            const Step even = step_of(two.x, two.y), odd = step_of(two.z, two.w);
#pragma unroll
            for (int m = 0; m < 2; ++m)
#pragma unroll
              for (int h = 0; h < 2; ++h) {
                const float one = score_of(sum[m][i][2 * h], even, minus_inverses[m][h]);
                const float other = score_of(sum[m][i][2 * h + 1], odd, minus_inverses[m][h]);
                scores[m][h][2 * i] = one;
                scores[m][h][2 * i + 1] = other;
                best[m][h] = i ? larger(best[m][h], larger(one, other)) : larger(one, other);
              }
          }
        }
        bool wanted[2][2], any = false;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int m = i / 2, h = i % 2;
          wanted[m][h] = !(best[m][h] < thresholds[m][h]);
          any = any || wanted[m][h];
          if (!wanted[m][h]) panel_rests[m][h] = larger(panel_rests[m][h], best[m][h]);
        }
        if (!__any_sync(0xffffffffu, any)) continue;
        // The lane that has the likely centroid of a row puts its scores aside.
        const int part_number = (panel * PANEL + first * 8) / (8 * PART);
        any = false;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int m = i / 2, h = i % 2;
          const float(&one)[2 * PART] = scores[m][h];
          if (likely_part[m][h] == part_number) {
            mine.own[0][i * 8 + g] = {one[0], one[1], one[2], one[3]};
            mine.own[1][i * 8 + g] = {one[4], one[5], one[6], one[7]};
            wanted[m][h] = false;
          }
          any = any || wanted[m][h];
        }
        if (!__any_sync(0xffffffffu, any)) continue;
#pragma unroll
        for (int m = 0; m < 2; ++m) {
#pragma unroll
          for (int h = 0; h < 2; ++h) {
            const u32 these = __ballot_sync(0xffffffffu, wanted[m][h]);
            if (!these) continue;
            if (wanted[m][h]) {
              const int at = queued + __popc(these & ((1u << lane) - 1));
              const float(&one)[2 * PART] = scores[m][h];
              mine.queue.scores[0][at] = {one[0], one[1], one[2], one[3]};
              mine.queue.scores[1][at] = {one[4], one[5], one[6], one[7]};
              mine.queue.places[at] = (panel * PANEL + first * 8 + 2 * q) * 32 + m * 16 + h * 8 + g;
            }
            queued += __popc(these);
          }
#pragma unroll 1
          for (; queued >= 32; queued -= 32) look_closer(mine, queued, 32, centroids, lost_share);
        }
      }
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float most = panel_rests[i / 2][i % 2] + lost_at_most(mine.reaches[i * 8 + g], slope);
        rests[i / 2][i % 2] = larger(rests[i / 2][i % 2], most);
      }
    }
    if (!active) continue;
    const float others[4] = {rests[0][0], rests[0][1], rests[1][0], rests[1][1]};
    const float rest_of_row = of_quad(others, [](float a, float b) { return larger(a, b); });
    mine.rests[q * 8 + g] = larger(mine.rests[q * 8 + g], rest_of_row);
    __syncwarp();

    conclude_rows(mine, queued, place < rows ? (i64)place : -1, near, label, centroids, steepest, codes, lost_share,
                  found, n, d, changed, overflows);
  }
  changed = warp_sum(changed);
  overflows = warp_sum(overflows);
  if (lane == 0) {
    if (changed) atomic_add(counters, changed);
    if (overflows) atomic_add(counters + 2, -overflows);  // `assign` will count them
    if (blockIdx.x == 0 && warp == 0) atomic_add(counters + 2, rows);
  }
}
