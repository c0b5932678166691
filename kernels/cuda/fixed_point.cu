// Exact sums of floating-point columns in integers, in any order the same: the GPU's side of the CPU's fixed point.
//
// Maths      A float is an integer times a power of two. `kernels.scaling.limbs` gives each column j a lowest unit
//            2**unit[j] that divides all its values. It cuts the integers that remain into `limbs` limbs of `limb_bits`
//            bits, so narrow that n of them cannot overflow 64 bits. Nearly all data needs one limb. A value goes in
//            from its top limb down and stops when nothing is left of it.
// Order      Integer addition has none: any grid, any schedule, the same bits. Subtracting a row undoes adding it.
// Cost       One 64-bit global atomic for a value and limb. In shared memory 64-bit atomics are loops of
//            compare-and-swap (seen in the machine code of sm_75 to sm_90). So a block's own cells are two 32-bit words
//            with a carry between: two native atomics.
// Layout     cells[cluster][limb][column]. Where rows have weights, column d is the weight itself.

struct Limbs {
  const int* unit;  // (columns,) exponent of each column's lowest unit
  int count, bits, columns;
};

// value = sign * significand * 2**exponent, zero having significand 0.
__device__ __forceinline__ u64 decode(float value, int* exponent) {
  const u32 word = __float_as_uint(value) & 0x7fffffffu;
  const int e = word >> 23;
  *exponent = (e ? e : 1) - 150;
  return (word & 0x7fffffu) | (e ? 0x800000u : 0u);
}

__device__ __forceinline__ u64 decode(double value, int* exponent) {
  const u64 word = (u64)__double_as_longlong(value) & 0x7fffffffffffffffull;
  const int e = (int)(word >> 52);
  *exponent = (e ? e : 1) - 1075;
  return (word & 0xfffffffffffffull) | (e ? 0x10000000000000ull : 0ull);
}

struct GlobalCells {
  i64* cells;
  __device__ __forceinline__ void add(i64 at, i64 value) const { atomic_add(cells + at, value); }
};

struct SharedCells {
  u32 *low, *high;
  __device__ __forceinline__ void add(i64 at, i64 value) const {
    const u32 part = (u32)value;
    const u32 old = atomicAdd(low + at, part);
    const u32 rest = (u32)((u64)value >> 32) + (old + part < old);
    if (rest) atomicAdd(high + at, rest);
  }
};

// Adds a value to the cells of a cluster, which begin at `base`, or takes it away.
template <class Cells, class Value>
__device__ __forceinline__ void add_value(const Cells& cells, i64 base, int column, Limbs limbs, Value value,
                                          bool away) {
  int exponent;
  u64 significand = decode(value, &exponent);
  const bool negative = (value < 0) != away;
  for (int limb = limbs.count - 1; limb >= 0 && significand; --limb) {
    const int shift = exponent - (limbs.unit[column] + limbs.bits * limb);
    u64 part;
    if (shift >= 0) {
      part = significand << shift;
      significand = 0;
    } else if (shift > -64) {
      part = significand >> -shift;
      significand &= (1ull << -shift) - 1;
    } else {
      continue;
    }
    if (part) cells.add(base + limb * limbs.columns + column, negative ? -(i64)part : (i64)part);
  }
}

// Adds the column `column` of a row: w * x, rounded once, or the weight itself.
template <class Cells>
__device__ __forceinline__ void add_column(const Cells& cells, i64 cluster, i64 row, int column, const stored* X,
                                           const double* weights, int d, Limbs limbs, bool away) {
  const i64 base = cluster * limbs.columns * limbs.count;
  if (!weights) {
    add_value(cells, base, column, limbs, value_of(X[row * d + column]), away);
  } else {
    const double w = weights[row];
    add_value(cells, base, column, limbs, column < d ? w * (double)value_of(X[row * d + column]) : w, away);
  }
}

#define MOST_LIMBS 72  // of any float64 with limbs of 30 bits or more: its bits span less than 2100

// The exact sum in the cells of (cluster, column), rounded once to float64.
__device__ double rounded_sum(const i64* cells, i64 cluster, int column, Limbs limbs) {
  const i64* at = cells + cluster * limbs.columns * limbs.count + column;
  const int unit = limbs.unit[column], bits = limbs.bits;
  if (limbs.count == 1) return scaled(__ll2double_rn(at[0]), unit);
  // Carries go up, and a digit in [0, 2**bits) stays in each limb. The digits of the magnitude of a negative sum are
  // those of the complement.
  i64 digits[MOST_LIMBS], carry = 0;
  const i64 mask = ((i64)1 << bits) - 1;
#pragma unroll 1
  for (int limb = 0; limb < limbs.count; ++limb) {
    const i64 sum = at[(i64)limb * limbs.columns] + carry;
    digits[limb] = sum & mask;
    carry = sum >> bits;
  }
  const bool negative = carry < 0;
  if (negative) {
    i64 one = 1;
#pragma unroll 1
    for (int limb = 0; limb < limbs.count; ++limb) {
      const i64 digit = (mask - digits[limb]) + one;
      digits[limb] = digit & mask;
      one = digit >> bits;
    }
    carry = ~carry + one;
  }
  // At least 62 significant bits in a word, whose lowest tells whether any set bit follows: more than 53 + 2, so it is
  // rounded once.
  u64 word = (u64)carry;
  int exponent = unit + bits * limbs.count;
  bool sticky = false;
#pragma unroll 1
  for (int limb = limbs.count - 1; limb >= 0; --limb) {
    const int free = word ? __clzll((i64)word) - 2 : 62;
    const int taken = free < 0 ? 0 : free < bits ? free : bits, left = bits - taken;
    word = (word << taken) | ((u64)digits[limb] >> left);
    exponent -= taken;
    sticky = sticky || (digits[limb] & (((i64)1 << left) - 1)) != 0;
  }
  const double value = __ull2double_rn(word | (sticky ? 1 : 0));
  return scaled(negative ? -value : value, exponent);
}
