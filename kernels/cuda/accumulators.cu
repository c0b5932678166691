// Whether tensor cores keep 24 bits of sums of halves, so that sums of integers below 2**24 are exact in any order:
// what `byte_filter.cu` asks of them where its operand is halves. PTX leaves the precision of such sums open.
//
// Mapping    A warp has a trial at a time: 16 rows by 8 columns, of 16 to 256 features, as many as the filter takes
//            sums of, one product after the other. A lane adds up its own four sums in integers besides.
// Maths      Four kinds of trial, each with either sign, and with a place that moves through all features. Ones beside
//            the largest products, so that sums end just below 2**24; ones added to sums that start just below it;
//            factors of any size; factors 0, 1 and the largest of either sign, from 2**23 on.
// Cost       About 0.3 ms by its integer operations, once a device; not measured. Memory: 4 bytes.
// Limits     It can show that bits are lost, not prove that none ever are. What is known of tensor cores (Fasi et al.
//            2021; Khattak and Mikaitis 2025: V100 to B200) is that products are exact, that all that a product adds is
//            aligned to the largest of it and cut off below, and that sums have 24 bits or more. If that is so, sums
//            of integers are exact, and where fewer bits are kept these trials show it.

#define FEATURES 256
#define WIDTHS 5  // 16 to 256 features

// The largest factor of as many features as sums are exact of: 2**24 is not reached.
__device__ __forceinline__ int largest_of(int features) {
  return features == 16 ? 1023 : features == 32 ? 724 : features == 64 ? 511 : features == 128 ? 362 : 255;
}

__device__ __forceinline__ u32 mixed(u32 value) {
  value = (value ^ value >> 16) * 0x7feb352du;
  value = (value ^ value >> 15) * 0x846ca68bu;
  return value ^ value >> 16;
}

// The factor of feature j, of one of the 16 rows or of the 8 columns that follow them.
__device__ __forceinline__ int factor_of(int trial, int features, int line, int j) {
  const int kind = trial % 4, place = trial / 4 % features, largest = largest_of(features);
  const int sign = trial / (4 * FEATURES) % 2 && line < 16 ? -1 : 1;
  const u32 any = mixed(((u32)trial * 32 + line) * FEATURES + j);
  if (kind == 0) return sign * (j == place ? 1 : largest - (line >= 16 && any % 8 == 0));
  if (kind == 1) return sign * (j == place || any % 4 == 0);
  const int size = kind == 2 ? any % (largest + 1) : any / 2 % 3 == 0 ? 0 : any / 2 % 3 == 1 ? 1 : largest;
  return any >> 31 ? -size : size;
}

// What a sum starts with.
__device__ __forceinline__ int start_of(int trial) {
  const int kind = trial % 4, start = kind == 1 ? (1 << 24) - 1 - FEATURES : kind == 3 ? 1 << 23 : 0;
  return trial / (4 * FEATURES) % 2 ? -start : start;
}

// The bits of two integers as halves.
__device__ __forceinline__ u32 halves_of(int low, int high) { return half_of((float)low) | half_of((float)high) << 16; }

extern "C" __global__ void __launch_bounds__(THREADS) check_sums(
    int trials,
    int* wrong  // INOUT (1,) sums that are not exact
) {
  const int lane = threadIdx.x % 32, g = lane / 4, q = lane % 4;
  int mistakes = 0;
  for (int trial = (int)(first_thread() / 32); trial < trials; trial += (int)(all_threads() / 32)) {
    const int start = start_of(trial), features = 16 << trial / (8 * FEATURES) % WIDTHS;
    float sums[4] = {(float)start, (float)start, (float)start, (float)start};
    int wanted[4] = {start, start, start, start};
    for (int first = 0; first < features; first += 16) {
      u32 a[4], b[2];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int row = g + i % 2 * 8, j = first + i / 2 * 8 + 2 * q;
        a[i] = halves_of(factor_of(trial, features, row, j), factor_of(trial, features, row, j + 1));
        if (i % 2) continue;
        b[i / 2] = halves_of(factor_of(trial, features, 16 + g, j), factor_of(trial, features, 16 + g, j + 1));
      }
      multiply_halves(sums, a, b[0], b[1], sums);
      for (int j = first; j < first + 16; ++j)
#pragma unroll
        for (int i = 0; i < 4; ++i)
          wanted[i] += factor_of(trial, features, g + i / 2 * 8, j) * factor_of(trial, features, 16 + 2 * q + i % 2, j);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) mistakes += sums[i] != (float)wanted[i];
  }
  mistakes = warp_sum(mistakes);
  if (lane == 0 && mistakes) atomicAdd(wrong, mistakes);
}
