"""Faults planted in the kernels that score in bytes are found: by wrong labels, wrong bounds, or rows left over."""

import functools
from typing import NamedTuple

import numpy as np
import pytest
from kmeans_fast.kernels.cuda import sources

from kmeans_fast import reference
from kmeans_fast.backends.cuda.scorers import use_scorer
from kmeans_fast.backends.cuda.scorers.operands import use_operand
from kmeans_fast.backends.cuda.session import CudaSession
from simulator import build
from simulator.device import SimDevice

pytestmark = pytest.mark.skipif(not build.COMPILER, reason="there is no C++ compiler")

FEW = 40  # features of which a row's bytes are in registers
RESIDENT = 160  # and all centroids stay in shared memory
MANY = 264  # features of which a row's bytes are not
SEVERAL = 600  # features of whose halves sums are taken over twice


class Fault(NamedTuple):
    module: str
    right: str
    wrong: str
    d: int = FEW
    operand: str = "int8"


FAULTS = {
    "words of rows read in another order": Fault(
        "byte_filter", "to[i] = quad.at[i];", "to[i] = quad.at[i / 2 + i % 2 * 2];"
    ),
    "words of rows written in another order": Fault(
        "byte_rows", "{{coarse[w][r], coarse[w][r + 8],", "{{coarse[w][r + 8], coarse[w][r],"
    ),
    "fine words written in another order": Fault(
        "byte_rows", "{{fine[w][r], fine[w][r + 8],", "{{fine[w][r + 8], fine[w][r],"
    ),
    "words of centroids read in another order": Fault(
        "byte_filter",
        "if (p == 0) multiply(sum[m][i + j], a[m][p], two.at[2 * j], two.at[2 * j + 1], first_sums);",
        "if (p == 0) multiply(sum[m][i + j], a[m][p], two.at[2 * j + 1], two.at[2 * j], first_sums);",
    ),
    "words of centroids written in another order": Fault(
        "byte_centroids", "place / 8 % 2 * 2 + at % 8 / 4;", "place / 8 % 2 + at % 8 / 4 * 2;"
    ),
    "no wait for the centroids that stay": Fault(
        "byte_filter", "commit_copies();\n    wait_for_copies<0>();", "commit_copies();", RESIDENT
    ),
    "no wait for the next centroids": Fault(
        "byte_filter", "wait_for_copies<0>();\n          __syncthreads();", "__syncthreads();", MANY
    ),
    "half the scale of a row": Fault("byte_rows", "fact = {-inverse,", "fact = {-0.5f * inverse,"),
    "less than the scale of a centroid": Fault("byte_centroids", "step = {t, ", "step = {0.9f * t, "),
    "sums without their bias": Fault("byte_filter", "(BIASED ? 0x4B400000 : 0)", "0"),
    "a bias that is not taken off": Fault("byte_filter", "BIASED ? -ROUNDER * t : 0.0f", "0.0f"),
    "floors too high": Fault("byte_filter", "used ? score - lost : -INFINITE", "used ? score : -INFINITE"),
    "floors that take fine codes for exact": Fault("byte_filter", "= codes.share * fmaf(", "= 0.0f * fmaf("),
    "bounds without what the bias rounds": Fault("byte_centroids", "(biased ? s / 64 : 0.0)", "0.0"),
    "floors that are not lowered": Fault(
        "byte_filter", "return low - fmaf(fabsf(low), lost_share, row.z)", "return low", MANY
    ),
    "lanes left in the queue": Fault("byte_filter", "while (queued) {", "while (queued >= 32) {"),
    "a queue of other rows": Fault("byte_filter", "* 32 + m * 16 + h * 8 + g;", "* 32 + m * 16 + h * 8;"),
    "the columns beside the likely centroid passed over": Fault(
        "byte_filter", "near >= 0 && !(best <", "false && !(best <"
    ),
    "columns of the likely centroid of another part": Fault(
        "byte_filter", "(int)((u32)c / (8 * PART)) : -1", "(int)((u32)c / (16 * PART)) : -1"
    ),
    "scores that are not lowered where norms are raised": Fault(
        "byte_centroids", "raised_steps[c] = {step.x, half_norm};", "raised_steps[c] = {step.x, 2 * half_norm};"
    ),
    "rows of less than the usual reach": Fault("byte_filter", "fmaf(reach.y, steepest.y, ", "fmaf(0.0f, steepest.y, "),
    "candidates by what they score at most in another unit": Fault(
        "byte_filter", "smaller(mine.listed[item / ROWS][r].x, score.high)", "score.low"
    ),
    "bounds without the error of a row": Fault("byte_centroids", "lost + ratio * norm", "lost"),
    "bounds without the error of a centroid": Fault("byte_centroids", "= lost + ratio * norm", "= ratio * norm"),
    "few rows of many candidates passed over": Fault("assign", "counters[4] = *n_left;", "counters[4] = 0;"),
    "a score to reach in another unit": Fault("byte_filter", "floor * (-1.0f / fact.x)", "floor"),
    "bounds of the pass before": Fault("byte_filter", "found.upper[row] = INFINITE, found.lower[row] = -1.0f;", ";"),
    "words of halves read in another order": Fault(
        "byte_filter",
        "multiply(sum, x[m], two.at[2 * j], two.at[2 * j + 1], first_sums);",
        "multiply(sum, x[m], two.at[2 * j + 1], two.at[2 * j], first_sums);",
        SEVERAL,
        "fp16",
    ),
    "features of halves left out": Fault("byte_centroids", "(d + PER_WORD - 1) / PER_WORD", "d / PER_WORD", 39, "fp16"),
    "halves of half the size": Fault("byte_rows", "(size - 0x38000000u)", "(size - 0x38800000u)", FEW, "fp16"),
    "sums of halves that are not taken over": Fault(
        "byte_filter", "part + 1 == first_part + EXACT_PARTS", "false", SEVERAL, "fp16"
    ),
    "centroids passed over": Fault("byte_filter", "panel_rests[m][h] = larger(panel_rests[m][h], best[m][h]);", ";"),
}


def problem(d):
    """Rows and centroids, among them some whose rounding to codes changes their products as much as it can."""
    rng = np.random.default_rng(d)

    def usual(size):
        return rng.normal(scale=40, size=(size, d))

    def between_codes(size):
        values = rng.integers(-90, 91, (size, d)) + rng.choice([-0.49, 0.49], (size, 1))
        values[:, 0] = 127.0  # so codes are 1 apart
        return values

    def even(values):
        return np.repeat(values[:, None], d, axis=1)

    half = np.concatenate([usual(200), between_codes(150), even(np.linspace(0.1, 8, 150))])
    centroids = np.concatenate(
        [usual(118), 0.1 * between_codes(6), even(np.array([-30.0, -25.0, -20.0, 20.0, 25.0, 30.0]))]
    )
    # A row nearest to the origin by a hair, and a centroid that seems nearer in fine codes, which it changes by 0.49.
    others = centroids[118:124]  # the row is to be far from them
    signs, most = -np.sign(others.sum(axis=0)), others.max(axis=0).argmin()
    row, seeming = 15 * signs, -0.98 / 254 * signs
    row[most], seeming[most] = 127, 254 - (15 * 0.98 / 254 * (d - 1) - 0.4) / 127
    half = np.concatenate([[row], half])
    X = np.concatenate([half, -half])  # the mean is zero, and nothing is shifted
    centroids = np.concatenate([centroids, [seeming], np.zeros((1, d))])
    return X.astype(np.float32), centroids.astype(np.float32)


def near_ties(d):
    """Rows on axes, nearest to the origin by a hair, without anything that their codes lose; 127 is their unit."""
    axes = np.eye(d)[:: d // 100 | 1]  # of many features some, an odd number apart: all places of a word occur
    farther = 254 + np.random.default_rng(d).uniform(0.02, 0.1, len(axes)) / 127
    X, centroids = 127.0 * axes, farther[:, None] * axes
    X, centroids = np.concatenate([X, -X]), np.concatenate([np.zeros((1, d)), centroids])
    return X.astype(np.float32), centroids.astype(np.float32)


def crowd(d):
    """Twelve rows among seventy centroids close together, one of them at a row itself; other rows and centroids."""
    rng = np.random.default_rng(d)
    others, close = rng.normal(size=(30, d)), 1e-3 * rng.normal(size=(70, d))
    X = np.concatenate([others[np.arange(200) % 30] + 0.1 * rng.normal(size=(200, d)), 1e-3 * rng.normal(size=(11, d))])
    return np.concatenate([X, close[:1]]).astype(np.float32), np.concatenate([others, close]).astype(np.float32)


def largest_sums(d):
    """Codes are large, and lose nothing; rows are nearer to one centroid than to another, some by a hair."""
    of_centroids = 1.4 ** np.arange(-14.0, 10.0)
    between = (of_centroids[1:] + of_centroids[:-1]) / 2
    hairs = 2.0 ** np.arange(-22, -5)
    rows = np.outer(between, 1 + np.concatenate([-hairs, hairs])).ravel()
    direction = np.append(np.full(d - 1, 251 / 255), 1.0)
    X, centroids = (np.outer(np.concatenate([v, -v]), direction) for v in (rows, of_centroids))
    return X.astype(np.float32), centroids.astype(np.float32)


PROBLEMS = problem, near_ties, crowd, largest_sums


def mistakes(d, of=problem, operand="int8"):
    """What is wrong with assignments: of rows without labels, those of centroids close by, and one that seems right."""
    X, centroids = of(d)
    rows = np.arange(len(X))
    with use_scorer("bytes"), use_operand(operand):
        session = CudaSession(SimDevice(), X, None, len(centroids), on_host=True)
    session.reset()
    scoring, launches = session.scoring, session.launches
    for moved, seeming in ((centroids, False), (centroids + np.float32(0.01), False), (centroids, True)):
        if seeming:
            session.device_labels[0] = len(centroids) - 2
        session._clear_counters()
        launches.run(launches.assignment, session._held(moved), False, False, False, operand)
        labels = reference.assign(X, moved)[0]
        distances = np.sqrt(reference.squared_distances(X, moved)) * scoring.scale
        own = distances[rows, labels]
        distances[rows, labels] = np.inf
        yield from {
            "labels": np.any(session.device_labels != labels),
            "upper bounds": np.any(scoring.upper < own),
            "lower bounds": np.any(scoring.lower > distances.min(axis=1)),
            "most rows left to float32": session.iteration.counters[5] > len(X) // 2,
        }.items()


@pytest.mark.parametrize("of", PROBLEMS)
@pytest.mark.parametrize(
    ("d", "operand"), [(FEW, "int8"), (RESIDENT, "int8"), (MANY, "int8"), (FEW, "fp16"), (SEVERAL, "fp16")]
)
def test_the_kernels_as_they_are_make_no_mistakes(d, operand, of):
    assert not [what for what, wrong in mistakes(d, of, operand) if wrong]


def plant(monkeypatch, module, right, wrong):
    as_it_is = sources.text
    assert as_it_is(module).count(right) == 1
    faulty = as_it_is(module).replace(right, wrong)
    monkeypatch.setattr(sources, "text", lambda name: faulty if name == module else as_it_is(name))
    monkeypatch.setattr(build, "simulated", functools.cache(build.simulated.__wrapped__))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(monkeypatch, fault):
    module, right, wrong, d, operand = FAULTS[fault]
    plant(monkeypatch, module, right, wrong)
    assert any(wrong for of in PROBLEMS for what, wrong in mistakes(d, of, operand))


@pytest.mark.parametrize(("right", "wrong"), [("? 256 / (16", "? 512 / (16"), ("part == first_part", "part == 0")])
def test_sums_of_too_many_halves_are_found(monkeypatch, right, wrong):
    """Some do no harm to labels, the bounds being as they are, but nothing is proved of sums that lose bits."""
    plant(monkeypatch, "byte_filter", right, wrong)
    with pytest.raises(RuntimeError, match="byte_filter: a sum of halves loses bits"):
        list(mistakes(SEVERAL, largest_sums, "fp16"))
