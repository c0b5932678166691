"""The sums of the clusters follow the labels: exactly, whatever changed. The simulator stands in for the GPU."""

import numpy as np
import pytest
from kmeans_fast.kernels.cuda import sources
from numpy.testing import assert_array_equal
from support import DTYPES, some_weights

from kmeans_fast.backends.cuda import column_statistics
from kmeans_fast.backends.cuda.buffers import Sums
from kmeans_fast.backends.cuda.device import Launcher
from kmeans_fast.backends.cuda.scorers.sums_in_shared_memory import held_limbs
from kmeans_fast.backends.partials import Ranges
from simulator import build
from simulator.device import SimDevice

pytestmark = pytest.mark.skipif(not build.COMPILER, reason="there is no C++ compiler")

# Rows, features, clusters: few columns side by side, a warp's, more; fewer rows than a warp, and more than all warps
# look at in one go.
CASES = [(1, 5, 1), (20, 6, 3), (600, 16, 9), (300, 33, 40), (4500, 7, 5), (150, 130, 4)]


def exact_sums(X, weights, labels, k):
    """Sums of clusters in units of 2**-1200, (k, columns), and the rows of each."""
    values = X.astype(np.float64)
    if weights is not None:
        values = np.column_stack([values * weights[:, None], weights])
    significand, exponent = np.frexp(values)
    integers = np.ldexp(significand, 53).astype(np.int64).astype(object) << (exponent.astype(object) - 53 + 1200)
    sums = np.zeros((k, values.shape[1]), object)
    np.add.at(sums, labels, integers)
    return sums, np.bincount(labels, minlength=k)


def value_of(sums, k):
    """What the cells of `Sums` say, in the same unit."""
    limbs = sums.limbs
    cells = sums.cells.reshape(k, limbs.n_limbs, -1).astype(object)
    units = [limbs.exponent.astype(object) + 1200 + limbs.bits * limb for limb in range(limbs.n_limbs)]
    return sum(cells[:, limb] << unit for limb, unit in enumerate(units))


def data(n, d, dtype, spread):
    rng = np.random.default_rng([n, d])
    X = (rng.normal(size=(n, d)) * 10.0 ** rng.uniform(-spread, spread, (n, d))).astype(dtype)
    X[rng.random((n, d)) < 0.1] = 0.0
    X.flat[0] = np.finfo(dtype).smallest_subnormal if spread else 1.0
    return X


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("held", [0, 1, None], ids=["global", "top limb shared", "shared"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spread", [0, 12], ids=["", "wide"])
@pytest.mark.parametrize("together", sources.CHOICES["update_sums"]["COLUMNS"])
def test_sums_follow_the_labels(case, held, weighted, dtype, spread, together):
    n, d, k = case
    device = SimDevice(order=n)
    launcher, rng = Launcher(device, dtype), np.random.default_rng(5)
    X, weights = data(n, d, dtype, spread), some_weights(n) if weighted else None
    ranges = Ranges(*column_statistics.column_ranges(launcher, X, weights))
    limbs = column_statistics.Limbs.of(ranges, n)
    sums = Sums(device, n, k, limbs)
    most = held_limbs(k, len(limbs.exponent), limbs.n_limbs, device.properties.shared_bytes)[0]
    held = most if held is None else held
    if dtype == np.float32 and not weighted:
        held = min(held, 1)
    labels, halted = np.empty(n, np.int32), np.zeros(1, np.int32)

    def update(anew):
        in_shared = 8 * sums.cells.size // limbs.n_limbs * held + 4 * k * bool(held)
        launcher.prepare(
            "update_sums", "update_sums", 2, shared_bytes=in_shared, choices={"COLUMNS": together},
            X=X, weights=weights, n=n, d=d, k=k, labels=labels, summed=sums.summed, **sums.arguments, anew=anew,
            held=held, halted=halted,
        )()  # fmt: skip

    for anew, share in ((True, 1.0), (False, 0.02), (False, 0.6), (False, 0.0)):
        moved = rng.random(n) < share
        labels[moved] = rng.integers(0, k, moved.sum())
        update(anew)
        expected, rows = exact_sums(X, weights, labels, k)
        assert_array_equal(value_of(sums, k), expected)
        assert_array_equal(sums.counts, rows)
        assert_array_equal(sums.summed, labels)
    cells, halted[0] = sums.cells.copy(), 1
    labels[:] = 0
    update(False)
    assert_array_equal(sums.cells, cells)
