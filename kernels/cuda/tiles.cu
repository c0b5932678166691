// The rows of a block, some features at a time, in shared memory: a thread walks the features of its own row in order,
// as D, norms and hashes have to, and yet neighbouring threads read neighbouring addresses of X.
//
// Mapping    A row a thread. 64 bytes of each row, of whatever is made of X on the way, are in shared memory; the
//            stride is odd, so that no two threads of a warp meet in a bank.
// Cost       Reads X once, whole sectors at a time. Rows of few features lie side by side anyway and are read directly.

#define FEW_FEATURES 16

template <class Value>
struct Tile {
  static constexpr int WIDTH = 64 / sizeof(Value);
  Value at[THREADS][WIDTH + 1];
};

// Puts make(r, j) of row r of the block, of `rows` rows, and features from `start` on into the tile, zeros beyond d;
// all threads of the block, between two barriers.
template <class Value, class Make>
__device__ __forceinline__ void put(Tile<Value>& tile, i64 rows, int d, int start, Make make) {
  constexpr int WIDTH = Tile<Value>::WIDTH;
  const int first = threadIdx.x / WIDTH, f = threadIdx.x % WIDTH;
#pragma unroll
  for (int i = 0; i < WIDTH; ++i) {
    const int r = first + i * (THREADS / WIDTH);
    tile.at[r][f] = start + f < d && r < rows ? make(r, start + f) : (Value)0;
  }
}

// The same with its barriers.
template <class Value, class Make>
__device__ __forceinline__ void fill(Tile<Value>& tile, i64 rows, int d, int start, Make make) {
  __syncthreads();  // what was in the tile has been read
  put(tile, rows, d, start, make);
  __syncthreads();
}

// Calls visit(value) for what make(r, j) gives for each feature j of the thread's own row, in order; all threads of the
// block.
template <class Value, class Make, class Visit>
__device__ __forceinline__ void walk(Tile<Value>& tile, i64 rows, int d, Make make, Visit visit) {
  if (d <= FEW_FEATURES) {
    if (threadIdx.x < rows)
      for (int j = 0; j < d; ++j) visit(make(threadIdx.x, j));
    return;
  }
  for (int start = 0; start < d; start += Tile<Value>::WIDTH) {
    fill(tile, rows, d, start, make);
    const int width = d - start < Tile<Value>::WIDTH ? d - start : Tile<Value>::WIDTH;
    for (int f = 0; f < width; ++f) visit(tile.at[threadIdx.x][f]);
  }
}

// The contract's D (`common.cu`) of the thread's own row, of the rows from X on, to the point whose coordinates are
// point(r, j); all threads of the block.
template <class Point>
__device__ __forceinline__ double walked_distance(Tile<double>& tile, const stored* X, i64 rows, int d, Point point) {
  double total = 0.0;
  const auto difference = [&](int r, int j) { return (double)value_of(X[(i64)r * d + j]) - point(r, j); };
  walk(tile, rows, d, difference, [&](double t) { total = total + t * t; });
  return total;
}
