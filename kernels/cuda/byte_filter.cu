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
//            where the best score of a lane may reach the floor, with the largest g of the panel, are its scores kept
//            for a closer look, 32 of such lanes at a time (`Queue`).
// Precision  Products and their sums are integers, exact in any order. They start at the bits of ROUNDER, so that as a
//            float they are ROUNDER plus the sum, and none is converted: -ROUNDER t is part of the other summand. Its
//            rounding is below three halves of t, which is in g. Beyond 256 features sums may not fit, and are
//            converted. Sums of halves are floats, exact for 256 features: 255**2 * 256 < 2**24. Beyond, they are added
//            to totals, whose roundings are in g. Roundings of a score and floors: docs/numerics.md, section 6.
// Ties       Candidates within the bounds are measured by D; the lowest index of equals.
// Order      None: which centroids are candidates depends on the order of panels alone, the label not even on that.
// Cost       n k d operations on bytes, and a pair 2 fused ones and a maximum. Of a row, its bytes once and 28 more.
//            Halves: twice the time of products and twice the bytes, for about half as many candidates.
// Limits     A row with more than MOST candidates, or LISTED on the way, goes to `assign`, or to `recheck` if there are
//            few of them. n < 2**31.

extern "C" __global__ void __launch_bounds__(THREADS, KSTEPS == 8 || KSTEPS == 0 ? 1 : 2) byte_filter(
    const u32* __restrict__ row_words,      // IN    codes of the rows (`byte_codes.cu`)
    const u32* __restrict__ row_fine_words,
    const float4* __restrict__ row_facts,   // IN    (n,)
    i64 n, int d, int products,
    const u32* __restrict__ words,          // IN    codes of the centroids
    const u32* __restrict__ fine_words,
    const float2* __restrict__ steps,       // IN    (panels * PANEL,)
    const float* __restrict__ slopes,       // IN    (panels * PANEL,)
    const float* __restrict__ steepest,     // IN    (panels,)
    int k,
    float lost_share,                       //       as for `encode_rows`
    float fine_share,                       //       sqrt(d) / (2 FINER), and more
    float inverse_ratio,                    //       of `encode_rows`
    int resident,                           //       whether all panels are in shared memory
    const int* __restrict__ rows_left,      // IN    (n,) the rows to score, or null: all
    const i64* __restrict__ n_left,         // IN    (1,) how many there are
    const int* likely,                      // IN    (n,) a centroid whose score gives the row its first floor: its
                                            //       label, or another (`states` then); -1: none
    int* labels,                            // INOUT (n,) -1: none yet
    float* upper,                           // OUT   (n,) bounds (`hamerly.cu`), or null
    float* lower,                           // OUT   (n,)
    int* states,                            // OUT   (n,) by place: 0, the row is settled; else how many candidates
    int* candidates,                        // OUT   (n, MOST) by place
    int* overflowed,                        // OUT   (n,) rows for `assign`, or the same for `recheck`
    int* open,                              // OUT   (n, 3) Open, from the back: all rows that overflowed, as scans
    float of_norm,                          //       the part of |x'|^2 in a margin (`assign.cu`)
    i64* counters,                          // INOUT rows changed, -, scored, -, -, overflowed
    const int* halted                       // IN    (1,) not zero: do nothing
) {
  if (*halted) return;
  Stage* stages = (Stage*)dynamic_shared;
  const int panels = (k + PANEL - 1) / PANEL, parts = KSTEPS ? 1 : (products + STAGE_PRODUCTS - 1) / STAGE_PRODUCTS;
  // The shuffle tells the compiler that the warp's number is the same in all lanes: else it waits for all lanes before
  // every product of many features, and in many other places.
  const int t = threadIdx.x, lane = t % 32, warp = __shfl_sync(0xffffffffu, t / 32, 0), g = lane / 4, q = lane % 4;
  WarpRows& mine = ((WarpRows*)(stages + (resident ? panels : 2)))[warp];
  const u32 rows = (u32)(rows_left ? *n_left : n), tiles = (rows + ROWS - 1) / ROWS, at_once = gridDim.x * WARPS;
  const u32 rounds = (tiles + at_once - 1) / at_once;
  const Sum first_sums[4] = {FIRST_SUM, FIRST_SUM, FIRST_SUM, FIRST_SUM};

  // Panels come one after the other, for each round again.
  const auto fetch = [&](int panel, int part, Stage& to) {
    const int left = products - part * STAGE_PRODUCTS, many = left < STAGE_PRODUCTS ? left : STAGE_PRODUCTS;
    const Quad* from = (const Quad*)words + ((i64)panel * products + part * STAGE_PRODUCTS) * (PANEL / 16) * 32;
    for (int i = t; i < many * (PANEL / 16) * 32; i += THREADS) copy_16_async(&to.words[0][0][0] + i, from + i);
    if (t < PANEL / 2) copy_16_async(to.steps + t, (const float4*)(steps + (i64)panel * PANEL) + t);
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

  int changed = 0, overflows = 0;
  int turn = 0;  // of the places in shared memory
  for (u32 round = 0; round < rounds; ++round) {
    const u32 tile = round * at_once + blockIdx.x * WARPS + warp, place = tile * ROWS + lane;
    const bool active = tile < tiles;  // idle warps take part in copies and barriers
    u32 a[2][KSTEPS ? KSTEPS : 1][4];
    float floors[2][2], minus_inverses[2][2], rests[2][2];
    i64 first_words[2][2] = {};  // of the four rows of a lane, where they are not neighbours
    int queued = 0, label = -1, near = -1;

    if (active) {
      const u32 at = place < rows ? place : rows - 1;
      const int row = rows_left ? rows_left[at] : (int)at;
      const float4 fact = row_facts[row];
      __syncwarp();  // the tile before is done with
      mine.rows[lane] = row;
      mine.facts[lane] = fact;
      mine.rests[lane] = -INFINITE;
      mine.counts[lane] = 0;
      label = labels[row];
      near = likely[row];
      __syncwarp();
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int r = i * 8 + g, of = mine.rows[r];
        minus_inverses[i / 2][i % 2] = mine.facts[r].x;
        rests[i / 2][i % 2] = -INFINITE;
        first_words[i / 2][i % 2] = (i64)(of / 16) * products * 128 + (of % 8 * 4 + q) * 4 + of / 8 % 2;
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
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int c = at_least_0(__shfl_sync(0xffffffffu, near, i * 8 + g));
        const int in_panel = c % PANEL / 16 * 128 + (c % 8 * 4 + q) * 4 + c / 8 % 2 * 2;
        of_label[i] = (i64)(c / PANEL) * products * (PANEL * 8) + in_panel;
      }
#if KSTEPS
#pragma unroll
#endif
      for (int p = 0; p < (KSTEPS ? KSTEPS : products); ++p) {
        const int at = KSTEPS ? p : 0;
        u32 x[2][4];
#pragma unroll
        for (int m = 0; m < 2; ++m) {
          load_rows(row_words, m, p, a[m][at]);
          load_rows(row_fine_words, m, p, x[m]);
        }
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const Pair c = *(const Pair*)(words + of_label[i] + (i64)p * (PANEL * 8));
          const Pair finer = *(const Pair*)(fine_words + of_label[i] + (i64)p * (PANEL * 8));
          const int m = i / 2, h = i % 2;
          product[i].add(a[m][at][h], x[m][h], c.x, finer.x);
          product[i].add(a[m][at][2 + h], x[m][2 + h], c.y, finer.y);
        }
      }
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int c = __shfl_sync(0xffffffffu, near, i * 8 + g), r = i * 8 + g;
        const float2 centroid = steps[at_least_0(c)];
        const float4 fact = mine.facts[r];
        const float sum = product[i].total();
        // What is left of row and centroid is at most `fine_share` long, in units of s and of t.
        const float norm = slopes[at_least_0(c)] * inverse_ratio;  // not below |c'|
        const float rests = FINER * fine_share;                     // and not below the norm of what a code leaves
        const float left = fine_share * fmaf(fact.y + rests, centroid.x, norm) +
                           FineProduct::lost(d) * (fact.y + rests) * fmaf(2.0f * rests, centroid.x, norm);
        const float lost = fmaf(fabsf(sum) * centroid.x, 9.5367432e-7f, left);  // 2**-20
        const float low = fmaf(sum, centroid.x, centroid.y * fact.x) - lost;
        floors[i / 2][i % 2] = c < 0 ? -INFINITE : lowered(low, fact, lost_share);
        if (q == 0) mine.floors[r] = floors[i / 2][i % 2];
      }
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
      const float slope = steepest[panel];
#pragma unroll
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
        float most[2][2];
        bool any = false;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const int m = i / 2, h = i % 2;
          most[m][h] = fmaf(mine.facts[i * 8 + g].y, slope, best[m][h]);
          any = any || !(most[m][h] < floors[m][h]);
        }
        if (__any_sync(0xffffffffu, any)) {
          const u32 before = (1u << lane) - 1;
#pragma unroll
          for (int i = 0; i < 4; ++i) {
            const int m = i / 2, h = i % 2;
            floors[m][h] = mine.floors[i * 8 + g];  // it may have risen at a closer look
            const bool wanted = !(most[m][h] < floors[m][h]);
            const u32 these = __ballot_sync(0xffffffffu, wanted);
            if (wanted) {
              const int at = queued + __popc(these & before);
              const float(&one)[2 * PART] = scores[m][h];
              mine.queue.scores[0][at] = {one[0], one[1], one[2], one[3]};
              mine.queue.scores[1][at] = {one[4], one[5], one[6], one[7]};
              mine.queue.places[at] = (panel * PANEL + first * 8 + 2 * q) * 32 + i * 8 + g;
            } else {
              rests[m][h] = larger(rests[m][h], most[m][h]);
            }
            queued += __popc(these);
          }
        } else {
#pragma unroll
          for (int i = 0; i < 4; ++i) rests[i / 2][i % 2] = larger(rests[i / 2][i % 2], most[i / 2][i % 2]);
        }
        const bool last = panel + 1 == panels && first + PART == PANEL / 8;
        while (queued >= (last ? 1 : 32)) {
          const int many = queued < 32 ? queued : 32;
          queued -= many;
          look_closer(mine, queued, many, slopes, k, lost_share);
        }
      }
    }
    if (!active) continue;
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const float rest = largest_of_quad(rests[m][h]);
        const int r = m * 16 + h * 8 + g;
        if (q == 0) mine.rests[r] = larger(mine.rests[r], rest);
      }
    __syncwarp();

    // A lane a row: what the floors leave by now.
    const int row = mine.rows[lane], count = mine.counts[lane];
    const float4 fact = mine.facts[lane];
    float floor = mine.floors[lane], rest = mine.rests[lane];
    const float tiny = 7.8886091e-31f;  // 2**-100
    int kept = 0, nearest = NO_CANDIDATE;
    const int listed = count < LISTED ? count : LISTED;
    for (int i = 0; i < listed; ++i) {
      const float2 one = mine.listed[i][lane];
      floor = larger(floor, lowered(fmaf(-2.0f * fact.y, slopes[__float_as_int(one.y)], one.x), fact, lost_share));
    }
    for (int i = 0; i < listed; ++i) {
      const float2 one = mine.listed[i][lane];
      if (one.x < floor)
        rest = larger(rest, one.x);
      else
        nearest = __float_as_int(one.y), ++kept;
    }
    if (place < rows) {
      const bool overflow = count > LISTED || kept > MOST || kept == 0 || !(fact.y < INFINITE);
      states[place] = overflow || kept == 1 ? 0 : kept;
      if (!overflow && kept > 1)
        for (int i = 0, slot = 0; i < listed; ++i) {
          const float2 one = mine.listed[i][lane];
          if (!(one.x < floor)) candidates[(i64)place * MOST + slot++] = __float_as_int(one.y);
        }
      if (overflow) {
        const u64 at = atomicAdd((u64*)(counters + 5), 1ull);
        // What the nearest centroid scores in float32, at least.
        const float least = floor * (-1.0f / fact.x);
        const float threshold = least - fmaf(fabsf(least), 9.5367432e-7f, fmaf(fact.w, of_norm, tiny));
        overflowed[at] = row;
        ((Open*)open)[place_of_scan(at, n)] = {row, __float_as_int(fact.y < INFINITE ? threshold : -INFINITE), -1};
        if (upper) upper[row] = INFINITE, lower[row] = -1.0f;  // unless `assign` finds some
        ++overflows;
      } else if (kept == 1 && nearest != label) {
        labels[row] = nearest;
        ++changed;
      }
      if (upper && !overflow) {
        const float s = -1.0f / fact.x, twice = 2.0f * floor * s, others = 2.0f * rest * s;
        const float part = (d + 64) * 2.3841858e-7f;  // 2**-22
        const float above = fact.w - twice + fmaf(fact.w + fabsf(twice), part, tiny);
        const float below = fact.w - others - fmaf(fact.w + fabsf(others), part, tiny);
        upper[row] = fmaf(sqrtf(larger(above, 0.0f)), 1.000001f, tiny);
        // Scores far below 0 overflow: -INFINITE is of no centroid only where none is left.
        const float other = kept == k ? INFINITE : -1.0f;
        lower[row] = rest > -INFINITE ? fmaf(sqrtf(larger(below, 0.0f)), 0.999999f, -tiny) : other;
      }
    }
  }
  changed = warp_sum(changed);
  overflows = warp_sum(overflows);
  if (lane == 0) {
    if (changed) atomic_add(counters, changed);
    if (overflows) atomic_add(counters + 2, -overflows);  // `assign` will count them
    if (blockIdx.x == 0 && warp == 0) atomic_add(counters + 2, rows);
  }
}
