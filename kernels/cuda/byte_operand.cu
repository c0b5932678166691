// What `byte_filter.cu` and `byte_sample.cu` multiply: bytes, or integers held in fp16 (`bytes.cu`), in words of
// PER_WORD features.

// Four lanes have four values each: the first lane gets the first ones of all joined, the second the second ones and so
// on.
template <class Value, class Join>
__device__ __forceinline__ Value of_quad(const Value (&values)[4], const Join join) {
  const bool odd = threadIdx.x & 1, high = threadIdx.x & 2;
  const Value low = join(odd ? values[1] : values[0], __shfl_xor_sync(0xffffffffu, odd ? values[0] : values[1], 1));
  const Value top = join(odd ? values[3] : values[2], __shfl_xor_sync(0xffffffffu, odd ? values[2] : values[3], 1));
  return join(high ? top : low, __shfl_xor_sync(0xffffffffu, high ? low : top, 2));
}
template <class Value>
__device__ __forceinline__ Value sum_of_quad(Value value) {
  value += __shfl_xor_sync(0xffffffffu, value, 1);
  return value + __shfl_xor_sync(0xffffffffu, value, 2);
}
template <class Value>
__device__ __forceinline__ Value sum_of_quad(Value a, Value b, Value c, Value d) {
  const Value values[4] = {a, b, c, d};
  return of_quad(values, [](Value one, Value other) { return one + other; });
}

#if HALVES

typedef float Sum;
__device__ __forceinline__ void multiply(Sum (&d)[4], const u32 (&a)[4], u32 b0, u32 b1, const Sum (&c)[4]) {
  multiply_halves(d, a, b0, b1, c);
}

// The product of a row and a centroid in codes and fine codes, of which four lanes have a share each.
struct FineProduct {
  float sum = 0.0f;

  __device__ __forceinline__ static float value_at(u32 codes, u32 fine, int place) {
    const float rest = float_of_half((unsigned short)(fine >> place));
    return fmaf(rest, 1 / FINER, float_of_half((unsigned short)(codes >> place)));
  }
  __device__ __forceinline__ void add(u32 row, u32 fine_row, u32 centroid, u32 fine_centroid) {
#pragma unroll
    for (int place = 0; place < 32; place += 16)
      sum = fmaf(value_at(row, fine_row, place), value_at(centroid, fine_centroid, place), sum);
  }
  __device__ __forceinline__ float total() const { return sum_of_quad(sum); }
  // Of four products, each lane of four one.
  __device__ __forceinline__ static float total_of(const FineProduct (&all)[4]) {
    return sum_of_quad(all[0].sum, all[1].sum, all[2].sum, all[3].sum);
  }

  // What it is off by, as a part of the product of the norms: a chain of d / 4 roundings, and four of its factors.
  __device__ __forceinline__ static float lost(int d) { return (d / 4 + 9) * 5.9604645e-8f; }  // 2**-24
};

#else

typedef int Sum;
__device__ __forceinline__ void multiply(Sum (&d)[4], const u32 (&a)[4], u32 b0, u32 b1, const Sum (&c)[4]) {
  multiply_bytes(d, a, b0, b1, c);
}

struct FineProduct {
  int coarse = 0, mixed = 0, fine = 0;

  __device__ __forceinline__ void add(u32 row, u32 fine_row, u32 centroid, u32 fine_centroid) {
    coarse = __dp4a((int)row, (int)centroid, coarse);
    mixed = __dp4a((int)row, (int)fine_centroid, mixed);
    mixed = __dp4a((int)fine_row, (int)centroid, mixed);
    fine = __dp4a((int)fine_row, (int)fine_centroid, fine);
  }
  __device__ __forceinline__ static float joined(int coarse, int mixed, int fine) {
    return (float)coarse + (float)mixed * (1 / FINER) + (float)fine * (1 / (FINER * FINER));
  }
  __device__ __forceinline__ float total() const {
    return joined(sum_of_quad(coarse), sum_of_quad(mixed), sum_of_quad(fine));
  }
  // Of four products, each lane of four one.
  __device__ __forceinline__ static float total_of(const FineProduct (&all)[4]) {
    return joined(sum_of_quad(all[0].coarse, all[1].coarse, all[2].coarse, all[3].coarse),
                  sum_of_quad(all[0].mixed, all[1].mixed, all[2].mixed, all[3].mixed),
                  sum_of_quad(all[0].fine, all[1].fine, all[2].fine, all[3].fine));
  }
  __device__ __forceinline__ static float lost(int) { return 0.0f; }
};

#endif
