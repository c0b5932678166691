// Tensor cores and asynchronous copies, from compute capability 8.0 on; under the simulator its own
// (`simulator/tensor_cores.hpp`).
//
// Fragments  Of a product of 16 x 32 by 32 x 8 bytes, lane l, with g = l / 4 and q = l % 4, has these. Words of A: row
//            g, features 4q to 4q + 3; row g + 8, the same; row g, features 16 + 4q to 16 + 4q + 3; row g + 8, the
//            same. Words of B: column g, features 4q to 4q + 3, and 16 + 4q to 16 + 4q + 3. Sums: row g, columns 2q and
//            2q + 1; row g + 8, the same. Of halves a word has two, so a product has 16 features: those of word w, of
//            the eight that four lanes have of a row, are 2w and 2w + 1, where bytes have 4w to 4w + 3.

#ifndef CUDA_SIMULATOR

// d = a b + c, of signed bytes, in integers that wrap around; all lanes of a warp. d may be c.
__device__ __forceinline__ void multiply_bytes(int (&d)[4], const u32 (&a)[4], u32 b0, u32 b1, const int (&c)[4]) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%10, %11, %12, %13};"
      : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "r"(c[0]), "r"(c[1]), "r"(c[2]), "r"(c[3]));
}

// The same of halves, in floats: exactly, if all are integers whose sums stay below 2**24, on devices that
// `accumulators.cu` finds to keep them.
__device__ __forceinline__ void multiply_halves(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1, const float (&c)[4]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%10, %11, %12, %13};"
      : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]));
}

// Asks for a line of 128 bytes to be in the cache of level 2.
__device__ __forceinline__ void prefetch(const void* line) { asm volatile("prefetch.global.L2 [%0];" ::"l"(line)); }

// Copies 16 bytes, both addresses multiples of 16. They are there once this thread has waited for the group that it
// commits next; for other threads, after a barrier besides.
__device__ __forceinline__ void copy_16_async(void* to_shared, const void* from_global) {
  const u32 to = (u32)__cvta_generic_to_shared(to_shared);
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from_global) : "memory");
}

// Makes a group of this thread's copies since the last one; it may be empty.
__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits for this thread's groups, but for the last PENDING.
template <int PENDING>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

#endif
