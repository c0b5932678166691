// What is known of the columns of the data: the magnitudes that `kernels.scaling.limbs` needs, and exact sums.
//
// Mapping    A thread stays in one column. Blocks of THREADS threads take `THREADS / columns` rows side by side, or one
//            row in several rounds where it is wider. Neighbouring threads read neighbouring addresses.
//            Several problems of n rows, one after the other, have `problem_blocks` blocks each.
// Order      None: integer maxima, minima and additions.
// Cost       Each kernel reads X once.

// Calls visit(row, column) for the share of this thread: all rows of few columns.
#define FOR_OWN_ELEMENTS(n, columns)                                                          \
  const int rows_abreast = (columns) < THREADS ? THREADS / (columns) : 1;                     \
  const int own_row = (columns) < THREADS ? threadIdx.x / (columns) : 0;                      \
  for (int column = (columns) < THREADS ? threadIdx.x % (columns) : threadIdx.x;              \
       column < (columns) && own_row < rows_abreast; column += THREADS)

#define FOR_OWN_ROWS(n)                                                                  \
  for (i64 row = (i64)(blockIdx.x % problem_blocks) * rows_abreast + own_row; row < (n); \
       row += (i64)problem_blocks * rows_abreast)

extern "C" __global__ void column_ranges(
    const stored* X,        // IN    (problems, n, d)
    const double* weights,  // IN    (problems, n) or null: all ones
    i64 n, int d, int problem_blocks,
    u64* largest,           // INOUT (problems, columns) bits of max |w x|, zeros on entry; column d, if there are
                            //       weights, is w
    u64* lowest             // INOUT (problems, columns) bits of the least set bit of any w x, all ones on entry
) {
  const int columns = weights ? d + 1 : d;
  const i64 problem = blockIdx.x / problem_blocks;
  X += problem * n * d, largest += problem * columns, lowest += problem * columns;
  if (weights) weights += problem * n;
  FOR_OWN_ELEMENTS(n, columns) {
    u64 high = 0, low = ~0ull;
    FOR_OWN_ROWS(n) {
      const double w = weights ? weights[row] : 1.0;
      const auto x = [&]() { return (double)value_of(X[row * d + column]); };
      const double value = column < d ? (weights ? w * x() : x()) : w;
      const u64 word = (u64)__double_as_longlong(value) & 0x7fffffffffffffffull;
      int exponent;
      const u64 significand = decode(value, &exponent);
      if (!significand) continue;
      if (word > high) high = word;
      const int place = exponent + __ffsll((i64)significand) - 1;  // of the least set bit
      const u64 bit = place >= -1022 ? (u64)(place + 1023) << 52 : 1ull << (place + 1074);
      if (bit < low) low = bit;
    }
    if (high) atomicMax(largest + column, high);
    if (~low) atomicMin(lowest + column, low);
  }
}

// A thread's cells of one column: of the top limb, where nearly all goes, in a register.
struct TopCells {
  i64 *cells, top_place, *top;
  __device__ __forceinline__ void add(i64 at, i64 value) const {
    if (at == top_place)
      *top += value;
    else
      atomic_add(cells + at, value);
  }
};

extern "C" __global__ void column_sums(
    const stored* X,  // IN    (problems, n, d)
    i64 n, int d, int problem_blocks,
    const int* unit,  // IN    (problems, d) of Limbs
    int limbs, int limb_bits,
    i64* cells        // INOUT (problems, limbs, d) zeros on entry
) {
  const i64 problem = blockIdx.x / problem_blocks;
  X += problem * n * d, unit += problem * d, cells += problem * limbs * d;
  const Limbs how = {unit, limbs, limb_bits, d};
  FOR_OWN_ELEMENTS(n, d) {
    i64 top = 0;
    const i64 top_place = (i64)(limbs - 1) * d + column;
    FOR_OWN_ROWS(n) add_value(TopCells{cells, top_place, &top}, 0, column, how, value_of(X[row * d + column]), false);
    if (top) atomic_add(cells + top_place, top);
  }
}
