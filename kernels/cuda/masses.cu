// The mass of a row: what it weighs, times its distance to the nearest seed so far, in integers.
//
// Maths      `kmeans_fast.reference.Masses`: floor(w * d * 2**shift). The power of two comes as two factors, since it
//            may be beyond float64.

struct Masses {
  const double* weights;  // (n,) or null: all ones
  const double* nearest;  // (n,) squared distance to the nearest seed
  const double* factors;  // (2,) their product is the power of two
};

__device__ __forceinline__ i64 mass_of(const Masses& masses, i64 row, double distance) {
  const double weight = masses.weights ? masses.weights[row] : 1.0;
  return (i64)(weight * distance * masses.factors[0] * masses.factors[1]);
}

__device__ __forceinline__ double weight_at(const double* weights, i64 row) { return weights ? weights[row] : 1.0; }
