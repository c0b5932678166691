// What the kernels that score in bytes share.

#define FINER 254.0f          // a fine code is within -127 and 127, as what a code leaves is within -1/2 and 1/2
#define ROUNDER 12582912.0f   // 1.5 * 2**23: x + ROUNDER - ROUNDER is x rounded to an integer
#define NO_CANDIDATE 0x7fffffff

// What a lane takes of codes in the order of fragments, in one load.
struct __align__(16) Quad {
  u32 at[4];
};
