"""What the properties are drawn from. Integers first: their distances are exact, so the properties are too."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

DTYPES = st.sampled_from([np.float32, np.float64])
GRID = st.integers(-64, 64)
SEEDS = st.integers(0, 2**64 - 1)


@st.composite
def matrices(draw, n=None, d=None, elements=GRID, dtype=None, most_rows=60):
    """Rows of integers in [-64, 64], as floats."""
    n = draw(st.integers(1, most_rows)) if n is None else n
    d = draw(st.integers(1, 8)) if d is None else d
    return draw(arrays.arrays(np.int64, (n, d), elements=elements)).astype(dtype or draw(DTYPES))


@st.composite
def problems(draw, n_clusters=None, **options):
    """Data, and centroids that are rows of it."""
    X = draw(matrices(**options))
    k = draw(st.integers(1, len(X))) if n_clusters is None else min(n_clusters, len(X))
    order = draw(st.permutations(range(len(X))))
    return X, X[order[:k]].copy()


@st.composite
def assignments(draw):
    """Data, and centroids of integers, more than there are rows perhaps."""
    X = draw(matrices())
    return X, draw(matrices(d=X.shape[1], dtype=X.dtype.type, most_rows=70))


@st.composite
def floats(draw, most_rows=40):
    """Rows of floats of bounded magnitude and their dtype's full precision."""
    dtype = draw(DTYPES)
    shape = draw(st.tuples(st.integers(1, most_rows), st.integers(1, 6)))
    width = 32 if dtype is np.float32 else 64
    return draw(
        arrays.arrays(dtype, shape, elements=st.floats(-(2.0**20), 2.0**20, width=width, allow_subnormal=False))
    )
