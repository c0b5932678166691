"""Which problems and scorers run on a GPU, and the shared memory that blocks take. The simulator stands in for it."""

import itertools
import math

import numpy as np
import pytest
from fits_on_a_device import check, fitted
from kmeans_fast.kernels.cuda import sources
from support import DTYPES, rows, some_weights

from kmeans_fast.backends.cuda import column_statistics, cost, planning
from kmeans_fast.backends.cuda.backend import CudaBackend
from kmeans_fast.backends.cuda.scorers import SCORERS, planned_scorer, points, use_scorer
from kmeans_fast.backends.cuda.scorers.bytes import BytesPolicy
from kmeans_fast.backends.cuda.scorers.protocol import Sizes
from kmeans_fast.backends.cuda.scorers.sums_in_shared_memory import (
    UPDATE_SHARED,
    block_sums,
    held_limbs,
    update_plan,
)
from kmeans_fast.backends.protocol import Problem
from simulator import build
from simulator.device import SimDevice

pytestmark = pytest.mark.skipif(not build.COMPILER, reason="there is no C++ compiler")


def properties(shared_bytes=227 << 10, multiprocessors=132):
    return SimDevice().properties._replace(shared_bytes=shared_bytes, multiprocessors=multiprocessors)


def scorer_of(n, d, k, of_device):
    return planned_scorer(Sizes(n, d, k, np.dtype(np.float32)), of_device)


def test_problems_beyond_the_kernels_are_refused_with_the_reason():
    backend = CudaBackend()
    for name, value in (("n_samples", 2**31), ("n_features", 2**21), ("n_clusters", 3_000_001)):
        problem = Problem(100, 3, 4, np.dtype(np.float32))._replace(**{name: value})
        (reason,) = backend.supports(problem)
        assert str(value) in reason
        assert name in reason


@pytest.mark.parametrize(
    ("n", "d", "k", "taken"),
    [(1000, 10, 5, False), (100_000, 2, 3, False), (1_000_000, 128, 1024, True), (10_000_000, 16, 256, True)],
)
def test_data_on_the_host_is_sent_to_a_gpu_only_where_it_should_win(n, d, k, taken):
    reason = cost.declines(Problem(n, d, k, np.dtype(np.float32)))
    assert (reason == "") == taken
    assert taken or "the CPU" in reason


def test_data_on_a_gpu_stays_there():
    assert cost.declines(Problem(10, 2, 2, np.dtype(np.float32), resident=0)) == ""


@pytest.mark.parametrize(
    ("d", "k", "choices"),
    [
        (1, 3, {"DIM": 1, "SEVERAL": 1}), (4, 5000, {"DIM": 4, "SEVERAL": 0}), (5, 3, {"PANEL": 32, "HEIGHT": 8}),
        (5, 32, {"PANEL": 32, "HEIGHT": 8}), (20, 33, {"PANEL": 64, "HEIGHT": 8}),
        (128, 64, {"PANEL": 64, "HEIGHT": 8}), (128, 1024, {"PANEL": 128, "HEIGHT": 8}),
        (768, 65, {"PANEL": 128, "HEIGHT": 8}),
    ],
)  # fmt: skip
def test_which_kernels_run(d, k, choices):
    scorer = scorer_of(1_000_000, d, k, properties())
    assert scorer.modules("float")[0] == sources.module("points" if d < 5 else "assign", "float", **choices)
    assert scorer.blocks <= 8 * 132


def test_few_rows_are_cut_into_lower_tiles():
    assert scorer_of(8192, 128, 1024, properties()).height == 4
    assert scorer_of(8192, 128, 1024, properties()).blocks == 128
    assert scorer_of(8192, 128, 1024, properties(multiprocessors=16)).height == 8


@pytest.mark.parametrize(("d", "rows"), [(1, 1_622_016), (4, 1_216_512)])
def test_rows_of_few_features_are_scored_together_where_all_multiprocessors_stay_busy(d, rows):
    assert scorer_of(rows, d, 33, properties()).choices["SEVERAL"] == 1
    assert scorer_of(rows - 1, d, 33, properties()).choices["SEVERAL"] == 0
    assert scorer_of(5000, d, 32, properties()).choices["SEVERAL"] == 1
    assert scorer_of(5000, d, 32, properties()).blocks == 5
    assert scorer_of(5000, d, 33, properties()).blocks == 20


@pytest.mark.parametrize("scorer", [scorer.name for scorer in SCORERS])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_scorers_that_are_forced_give_the_same_answer(scorer, weighted, dtype):
    X, weights = rows(500, 3, dtype, "grid"), some_weights(500) if weighted else None
    with use_scorer(scorer):
        device = SimDevice()
        check(fitted(device, X, weights, 70), X, weights, 70)
    assert ("assign_points" in device.launches) == (scorer == "points")
    assert ("byte_filter" in device.launches) == (scorer == "bytes")
    assert ("assign" in device.launches) == (scorer != "points")


def test_a_scorer_that_cannot_run_is_refused_with_the_reason():
    with use_scorer("points"), pytest.raises(RuntimeError, match=r"'points' was asked for .* up to 4 features.* are 9"):
        scorer_of(100, 9, 3, properties())
    with (
        pytest.raises(ValueError, match="no scorer 'tensor'; there are 'points', 'bytes', 'panels'"),
        use_scorer("tensor"),
    ):
        pass
    assert scorer_of(100, 2, 3, properties()).name == "points"


def test_explain_names_the_scorer_that_runs():
    problem = Problem(1000, 3, 40, np.dtype(np.float32))
    found = {}
    for scorer in SCORERS:
        with use_scorer(scorer.name):
            found[scorer.name] = planning.plan(problem, properties())
    assert found["points"].path == "distances by differences, 3 features"
    assert found["panels"].path == "certified float32 scores in panels of 64 centroids"
    assert found["points"].workspace_bytes < found["panels"].workspace_bytes


def test_blocks_have_room_for_their_sums_or_do_without():
    assert block_sums(1000, 50, 100 << 10) == (1000, 8200)
    assert block_sums(100_000, 50, 100 << 10) == (0, 0)
    assert column_statistics.limb_bits(1) == 61
    assert column_statistics.limb_bits(planning.MOST_ROWS) == 31


# Bytes of shared memory that a block may have, a multiprocessor has, and multiprocessors: RTX 2080, A100, RTX 3090,
# H100.
GPUS = [(64 << 10, 64 << 10, 46), (163 << 10, 164 << 10, 108), (99 << 10, 100 << 10, 82), (227 << 10, 228 << 10, 132)]


@pytest.mark.parametrize("gpu", GPUS)
def test_sums_leave_room_for_the_blocks_that_are_to_run_at_once(gpu):
    of_block, of_multiprocessor, multiprocessors = gpu
    gpu = properties(of_block, multiprocessors)
    for d, k in itertools.product((1, 2, 3, 4), (2, 10, 33, 64, 100, 200, 1000)):
        cells, dynamic = block_sums(k * d, k, scorer_of(10_000_000, d, k, gpu).room_for_sums(gpu))
        if cells:
            static, resident = points.SHARED, points.RESIDENT
            assert static + dynamic <= of_block
            assert resident * (static + dynamic + (of_multiprocessor - of_block)) <= of_multiprocessor
    for d, k, limbs in itertools.product((5, 16, 33, 128, 700), (2, 10, 33, 64, 200, 1000), (1, 2, 4)):
        held, dynamic, blocks = update_plan(10_000_000, k, d, limbs, gpu)
        resident = -(-blocks // multiprocessors)
        assert UPDATE_SHARED + dynamic <= of_block
        assert resident == 1 or resident * (UPDATE_SHARED + dynamic + 1024) <= of_multiprocessor
        if not held:
            assert 8 * k * d + 4 * k + UPDATE_SHARED > of_block


def test_blocks_hold_as_many_limbs_as_fit():
    assert held_limbs(64, 128, 1, 227 << 10) == (1, 65_792)
    assert held_limbs(64, 128, 3, 227 << 10) == (3, 196_864)
    assert held_limbs(64, 128, 4, 227 << 10) == (3, 196_864)
    assert held_limbs(1024, 128, 2, 227 << 10) == (0, 0)


def test_few_rows_go_to_global_memory_unless_clusters_are_few():
    assert update_plan(10_000_000, 64, 128, 1, properties()) == (1, 65_792, 264)
    assert update_plan(10_000_000, 160, 128, 1, properties()) == (1, 164_480, 132)
    assert update_plan(8192, 64, 128, 1, properties()) == (0, 0, 128)
    assert update_plan(8192, 2, 128, 1, properties()) == (1, 2056, 16)
    assert update_plan(1, 1, 128, 1, properties()) == (0, 0, 1)


@pytest.mark.parametrize(
    ("n", "d", "k", "changed", "taken"),
    [
        (1_000_000, 128, 1024, {}, "bytes"), (8192, 128, 1024, {}, "bytes"), (10_000_000, 16, 256, {}, "bytes"),
        (1_000_000, 768, 4096, {}, "bytes"), (1_000_000, 128, 16, {}, "panels"), (1000, 20, 70, {}, "panels"),
        (1_000_000, 3, 1000, {}, "points"), (100_000, 70_000, 64, {}, "panels"),
        (1_000_000, 128, 1024, {"compute_capability": "7.5"}, "panels"),
        (1_000_000, 128, 1024, {"memory_bytes": 700 << 20}, "panels"),
        (1_000_000, 768, 1024, {"shared_bytes": 99 << 10}, "panels"),
        (1_000_000, 128, 1024, {"shared_bytes": 99 << 10}, "bytes"),
    ],
)  # fmt: skip
def test_bytes_are_scored_where_they_can_and_pay(n, d, k, changed, taken):
    assert scorer_of(n, d, k, properties()._replace(memory_bytes=80 << 30)._replace(**changed)).name == taken


def test_bytes_rest_after_an_iteration_that_left_too_many_rows():
    policy, left = BytesPolicy(), []
    for number in range(12):
        served = policy.decide(number)
        left.append(served)
        if served:
            policy.learn(number, 0.9, number + 1)
    assert [number for number, served in enumerate(left) if served] == [0, 2, 5, 10]
    policy.learn(10, 0.1, 12)
    assert policy.decide(12)


def ran_ahead(policy, iterations, suits):
    """The iterations that scored in bytes; what one came to is known when the next one has been decided."""
    served, under_way = [], None
    for number in range(iterations):
        decided = policy.decide(number)
        if under_way is not None:
            policy.learn(under_way, 0.0 if suits(under_way) else 0.9, number + 1)
        under_way = number if decided else None
        served += [number] * decided
    return served


@pytest.mark.parametrize("turn", [0, 1, 2, 3, 5, 10, 30, 100])
def test_bytes_neither_rest_long_where_they_suit_nor_are_tried_often_where_they_do_not(turn):
    served = ran_ahead(BytesPolicy(), 4 * turn + 10, lambda number: number >= turn)
    assert sum(number < turn for number in served) <= 2 * math.log2(turn + 1) + 2  # two to a trial
    assert served[-2 * turn - 5 :] == list(range(2 * turn + 5, 4 * turn + 10))
    for other in (lambda number: number % 2, lambda number: number % 2 == 0, lambda number: number % 3):
        served = ran_ahead(BytesPolicy(), 100, other)
        assert sum(not other(number) for number in served) <= 2 + sum(map(bool, map(other, served)))
