"""Integers in fp16 as the operand of tensor cores: the labels and bounds of the reference, where sums are exact.

In the simulator, whose tensor cores keep as many bits as a test says.
"""

import numpy as np
import pytest
from kmeans_fast.kernels.cuda import sources
from support import DTYPES, beside_the_reference, some_weights, uneven
from test_byte_scorer import KINDS, assert_labels, bounds_that_hold, problem

from kmeans_fast import reference
from kmeans_fast.backends.cuda.scorers import operands, planned_scorer, use_scorer
from kmeans_fast.backends.cuda.scorers.operands import use_operand
from kmeans_fast.backends.cuda.scorers.protocol import Sizes
from kmeans_fast.backends.cuda.session import CudaSession
from simulator import build
from simulator.device import SimDevice

pytestmark = pytest.mark.skipif(not build.COMPILER, reason="there is no C++ compiler")

SHAPES = [(97, 1, 40), (70, 15, 6), (101, 17, 65), (300, 33, 130), (150, 129, 70), (90, 257, 20), (60, 1030, 9)]


def opened(X, weights, k, order=0):
    with use_scorer("bytes"), use_operand("fp16"):
        return CudaSession(SimDevice(order=order), X, weights, k, on_host=True)


@pytest.mark.parametrize(("dtype", "kind"), [(np.float32, "normal"), (np.float64, "grid")])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_labels_are_the_references(dtype, shape, kind):
    X, centroids = problem(*shape, dtype, kind)
    session = opened(X, None, shape[2])
    assert_labels(session, X, centroids)  # rows have no labels yet
    assert_labels(session, X, centroids[::-1].copy())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(500, 33, 65), (200, 300, 5)], ids=str)
def test_iterations_are_the_references(shape, kind):
    n, d, k = shape
    X, weights = uneven(n, d, np.float32, kind), some_weights(n)
    steps = beside_the_reference(opened(X, weights, k, order=5), X, weights, k, 5)
    assert any("fp16" in step.path for step in steps)


@pytest.mark.parametrize("scale", [1e-37, 1e30])
@pytest.mark.parametrize("dtype", DTYPES)
def test_they_hold_at_any_scale(dtype, scale):
    X = uneven(400, 24, np.float64, "clouds").astype(dtype) * dtype(scale)
    beside_the_reference(opened(X, None, 12), X, None, 12, 3)


@pytest.mark.parametrize("d", [24, 200, 520])
def test_bounds_hold(d):
    X = uneven(300, d, np.float32, "clouds")
    session = opened(X, None, 70)
    upper, lower = bounds_that_hold(session, X, X[:70].copy())
    assert (lower > upper).mean() > 0.3
    bounds_that_hold(session, X, X[70:140].copy())


@pytest.mark.parametrize("d", [16, 128, 256, 257, 600, 2000])
def test_the_largest_sums_of_products(d):
    """All codes are 255 or -255: of 256 features the sums are as large as 24 bits have room for."""
    assert 0.99 * 2**24 < 256 * operands.HALVES.levels(0) ** 2 < 2**24
    signs = np.random.default_rng(d).choice([-1.0, 1.0], (90, 1))
    X = np.repeat(signs, d, axis=1).astype(np.float32) * np.float32(3)
    centroids = np.repeat(np.linspace(-3, 3, 70)[:, None], d, axis=1).astype(np.float32)
    session = opened(X, None, 70)
    for _ in range(2):
        assert_labels(session, X, centroids)
    assert not session.device.download(session.iteration.counters)[5]  # nothing was left to float32


def test_the_largest_codes_are_those_whose_sums_are_tried():
    """`largest_of` of `accumulators.cu` has the same numbers."""
    largest = {ksteps: operands.HALVES.levels(ksteps) for ksteps in sources.KSTEPS}
    assert largest == {1: 1023, 2: 724, 4: 511, 8: 362, 0: 255}
    widths = {16: 1023, 32: 724, 64: 511, 128: 362}
    text = " : ".join(f"features == {width} ? {code}" for width, code in widths.items())
    assert f"return {text} : 255;" in sources.text("accumulators")


@pytest.mark.parametrize(("k", "asked"), [(8, False), (256, True)])
def test_few_features_ask_the_device_only_where_bytes_are_wanted(k, asked):
    trials = []
    properties = SimDevice().properties._replace(exact_halves=lambda: trials.append(1) or True)
    scorer = planned_scorer(Sizes(100_000, 16, k, np.dtype(np.float32)), properties)
    assert (scorer.name == "bytes") == bool(trials) == asked
    assert not asked or scorer.operand.name == "fp16"


# ---- which operand serves ------------------------------------------------------------------------------------------

SIZES = Sizes(100_000, 512, 1000, np.dtype(np.float32))


def planned(bits, capability):
    properties = SimDevice(accumulator_bits=bits).properties
    return planned_scorer(SIZES, properties._replace(compute_capability=capability)).operand.name


@pytest.mark.parametrize("bits", [24, 25, 27])
def test_halves_serve_where_bytes_are_slow(bits):
    assert planned(bits, "10.3") == "fp16"


@pytest.mark.parametrize("bits", [11, 14, 22, 23])
def test_halves_are_refused_where_bits_of_sums_are_lost(bits):
    assert planned(bits, "10.3") == "int8"
    with use_operand("fp16"), use_scorer("bytes"), pytest.raises(RuntimeError, match="do not keep 24 bits of sums"):
        planned(bits, "9.0")


@pytest.mark.parametrize("capability", ["8.0", "8.6", "8.9", "9.0", "10.0", "12.0"])
def test_bytes_serve_elsewhere_and_nothing_is_tried(capability):
    properties = SimDevice().properties._replace(compute_capability=capability, exact_halves=None)
    assert planned_scorer(SIZES, properties).operand.name == "int8"


def test_a_device_is_tried_once():
    device = SimDevice()
    with use_scorer("bytes"), use_operand("fp16"):
        for _ in range(2):
            CudaSession(device, np.ones((50, 20), np.float32), None, 3, on_host=True)
    assert "check_sums" not in device.launches  # another simulated device has done it for all
    assert device.properties.exact_halves()


@pytest.mark.parametrize("bits", [24, 14])
def test_sums_that_lose_bits_would_give_wrong_labels(bits):
    """What the trial is for: were they believed, rows would get the wrong centroid."""
    # Products of codes 252 and 128 have few bits, those of 252 and 251 lose 1 % at 14 bits.
    sizes = 1.4 ** np.arange(24.0)
    rows = np.outer((sizes[1:] + sizes[:-1]) / 2, 1 + np.linspace(-0.03, 0.03, 8)).ravel()
    codes = np.ones((2, 256)), np.ones(256)
    codes[0][:, 0], codes[1][0] = (255 / 128, 255 / 251), 255 / 252
    X, centroids = rows[:, None] * codes[1], sizes[:, None] * codes[0][np.arange(24) % 2]
    X, centroids = (np.concatenate([v, -v]).astype(np.float32) for v in (X, centroids))
    device = SimDevice(accumulator_bits=bits)
    device.properties = device.properties._replace(exact_halves=lambda: True)
    with use_scorer("bytes"), use_operand("fp16"):
        session = CudaSession(device, X, None, len(centroids), on_host=True)
    session.assign(centroids)
    wrong = (session.labels != reference.assign(X, centroids)[0]).mean()
    assert (wrong > 0) == (bits < 24)
