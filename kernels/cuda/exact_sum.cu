// Exact sums of non-negative float64 numbers, in any order the same: Kulisch's long accumulator, by exponent.
//
// Maths      A significand of 53 bits is added to integer bins: its low 32 bits to the bin of its exponent, the rest to
//            the bin 32 further. A bin counts units of 2**(bin - 1074), so whole chunks of a private sum can be added
//            to any bin as well.
// Limits     A bin takes 2**31 additions of 32 bits without overflow.

// A thread's own sum: 128 bits whose lowest is worth 2**(bin - 1074). It takes nearly all the values of a thread, which
// lie within few binary orders of each other. The rest go to the bins at once.
struct Window {
  u64 low, high;
  int bin;  // negative as long as there is no value
};

#define WINDOW_BITS 40  // the exponents of values that a window takes: 2**40 apart

__device__ __forceinline__ void add_to_bin(i64* bins, int bin, u64 amount) {
  if (amount) atomic_add(bins + bin, (i64)amount);
}

// The bin that the lowest bit of a number counts in.
__device__ __forceinline__ int bin_of(double value) {
  const int e = (int)(((u64)__double_as_longlong(value) & 0x7fffffffffffffffull) >> 52);  // -0.0 is zero as well
  return e ? e - 1 : 0;
}

// Whether the window took it, and not the bins.
__device__ __forceinline__ bool add_to_window(Window* window, i64* bins, double value) {
  const u64 word = (u64)__double_as_longlong(value) & 0x7fffffffffffffffull;
  const int bin = bin_of(value);
  const u64 significand = (word & 0xfffffffffffffull) | (word >> 52 ? 0x10000000000000ull : 0ull);
  if (!significand) return true;
  if (window->bin < 0) window->bin = bin > WINDOW_BITS - 8 ? bin - (WINDOW_BITS - 8) : 0;
  const int shift = bin - window->bin;
  const bool taken = shift >= 0 && shift < WINDOW_BITS;
  if (taken) {
    const u64 low = significand << shift;
    window->low += low;
    window->high += (shift ? significand >> (64 - shift) : 0) + (window->low < low);
  } else {
    add_to_bin(bins, bin, significand & 0xffffffffull);
    add_to_bin(bins, bin + 32, significand >> 32);
  }
  return taken;
}

__device__ __forceinline__ void empty_window(const Window* window, i64* bins) {
  if (window->bin < 0) return;
  add_to_bin(bins, window->bin, window->low & 0xffffffffull);
  add_to_bin(bins, window->bin + 32, window->low >> 32);
  add_to_bin(bins, window->bin + 64, window->high & 0xffffffffull);
  add_to_bin(bins, window->bin + 96, window->high >> 32);
}

// The sum held in the bins, rounded once to float64: one thread's work. `last` is the highest bin that is not zero
// (negative if all are).
__device__ double total_of_bins(const i64* bins, int first, int last) {
  // From the lowest bin up, one binary place a step. `carry` counts units of the current place, and its lowest bit
  // falls into `below`. Where nothing is left of `carry`, `below` holds the 64 leading bits. Whether any bit fell out
  // of it decides the last rounding.
  u64 below = 0;
  i64 carry = 0;
  bool fell = false;
  int bin = first;
  for (; bin <= last || carry; ++bin) {
    if (bin <= last) carry += bins[bin];
    fell = fell || (below & 1);
    below = (below >> 1) | ((u64)carry << 63);
    carry >>= 1;
  }
  return scaled(__ull2double_rn(below | fell), bin - 64 - 1074);
}

// The same for the sum held in a window.
__device__ __forceinline__ double total_of_window(const Window& window) {
  const int unit = window.bin - 1074;
  if (!window.high) return scaled(__ull2double_rn(window.low), unit);
  // The leading 64 bits; the lowest of them tells whether any set bit follows.
  const int room = __clzll((i64)window.high);
  const u64 word = room ? window.high << room | window.low >> (64 - room) : window.high;
  return scaled(__ull2double_rn(word | ((window.low << room) != 0)), unit + 64 - room);
}
