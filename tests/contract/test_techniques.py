"""Techniques of the CPU backend by name: which may run and why not, forced, left out, planned, documented."""

import numpy as np
import pytest
from kmeans_fast.kernels.cpu.scoring import byte_codes
from numpy.testing import assert_array_equal
from support import DTYPES, iterated, rows, session, some_weights

import kmeans_fast
from kmeans_fast import Progress, reference
from kmeans_fast.backends import techniques, use_technique, without_techniques
from kmeans_fast.backends.cpu import planning
from kmeans_fast.backends.cpu.techniques import CHOICE, TECHNIQUES
from kmeans_fast.backends.cpu.techniques.protocol import Technique
from kmeans_fast.backends.cuda.runs import PATH
from kmeans_fast.backends.cuda.scorers.operands import OPERANDS
from kmeans_fast.backends.numpy.session import PATH as OF_NUMPY
from kmeans_fast.backends.protocol import Problem

NAMES = [technique.name for technique in TECHNIQUES]
USABLE = [name for name, reason in techniques().items() if not reason]
BY_NAME = dict(zip(NAMES, TECHNIQUES))
needs_bytes = pytest.mark.skipif(
    not byte_codes.AVAILABLE, reason="this machine has no VNNI, without which bytes are never used"
)


def fitted(X, k, **options):
    return kmeans_fast.kmeans(X, k, **{"seed": 0, "device": "cpu", **options})


def paths(result):
    return {step.path for step in result.history}


# ---- which, and why not --------------------------------------------------------------------------------------------


def test_names_are_unique_and_the_last_takes_every_pass_of_every_problem():
    assert len(set(NAMES)) == len(NAMES)
    assert list(techniques()) == NAMES
    assert TECHNIQUES[-1].takes_all
    for shape, k in (((1, 1), 1), ((50, 3), 4), ((10**6, 16), 256)):
        assert techniques(shape, k)[NAMES[-1]] == ""


@pytest.mark.parametrize(
    ("shape", "k", "used"),
    [
        ((200, 2), 4, {"float32"}),
        ((2000, 1), 150, {"sorted"}),
        ((50_000, 1), 400, {"kd-tree", "sorted"}),
        ((20_000, 2), 60, {"kd-tree", "float32"}),
        ((20_000, 16), 100, {"hamerly, float32", "float32"}),
        ((20_000, 64), 900, {"exponion", "hamerly, float32", "float32"}),
    ],
)
def test_what_may_run_is_told_of_a_shape_and_of_data(shape, k, used):
    told = techniques(shape, k)
    assert {name for name, reason in told.items() if not reason} - {"bytes", "hamerly, bytes"} == used
    assert techniques(np.zeros(shape, np.float32), k) == told


def test_reasons_say_what_is_in_the_way():
    assert "one feature, and there are 16" in techniques((10**6, 16), 256)["sorted"]
    assert "more than 4 features" in techniques((10**6, 16), 256)["kd-tree"]
    assert "'sorted' takes every pass" in techniques((2000, 1), 150)["float32"]
    shared = techniques((3 * 10**6, 64), 60_000, n_threads=8)
    assert "shared by all threads" in shared["exponion"]
    with pytest.raises(ValueError, match="X and n_clusters, or neither"):
        techniques((100, 2))


def test_where_memory_is_short_what_only_saves_time_is_left_out():
    for n, d, k in ((10**6, 2, 256), (10**6, 64, 1000), (10**6, 300, 200)):
        problem = Problem(n, d, k, np.dtype(np.float32))
        usual, frugal = planning.plan(problem, 2), planning.plan(problem._replace(frugal=True), 2)
        assert " / " in usual.path
        assert frugal.path == "float32"
        assert frugal.workspace_bytes < usual.workspace_bytes


@pytest.mark.parametrize("k", [60, 1000])
@pytest.mark.parametrize("d", [1, 3, 40, 300])
def test_a_plan_has_the_memory_that_its_techniques_say(d, k):
    problem = Problem(10**6, d, k, np.dtype(np.float32))
    sizes, memory = planning.expected_sizes(problem, 2), {}
    with use_technique("float32"):
        least = planning.plan(problem._replace(frugal=True), 2).workspace_bytes
    for name, reason in techniques((10**6, d), k, n_threads=2).items():
        memory |= {} if reason else BY_NAME[name].memory(sizes)
    tree = memory.pop("k-d tree", 0)
    seeding = planning.plan(problem, 2).workspace_bytes - tree - least  # with codes, beyond 13 bytes a row
    assert seeding == max(0, sum(memory.values()) - 13 * 10**6) or seeding == 10**6 * (d + 12 + -d % 4)


# ---- forced, and left out ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", USABLE)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_forced_technique_makes_every_pass_and_the_answer_is_the_same(name, dtype):
    """Also with several runs and sessions: breathing, k-means||, weights, another number of clusters."""
    X, weights = rows(600, 1, dtype), some_weights(600)
    for options in ({"n_init": 2}, {"init": "k-means||", "refine": "breathing", "sample_weight": weights}):
        expected = fitted(X, 7, **options)
        with use_technique(name):
            got = fitted(X, 7, **options)
            labels, _ = kmeans_fast.assign(X, got.centroids, device="cpu")
        assert_array_equal(got.labels, expected.labels)
        assert_array_equal(got.centroids, expected.centroids)
        assert got.inertia == expected.inertia
        assert_array_equal(labels, got.labels)
        assert name in {path.removeprefix("hamerly, ") for path in paths(got)} | paths(got)
        assert paths(got) <= {*BY_NAME[name].paths, name.split(", ")[-1]}


@pytest.mark.parametrize("name", USABLE)
def test_what_is_left_out_does_not_run(name):
    X = rows(20_000, 1 if name == "sorted" else 2 if name == "kd-tree" else 64, np.float32)
    if name == NAMES[-1]:
        with pytest.raises(ValueError, match="'float32' cannot be left out"):
            without_techniques(name)
        return
    with without_techniques(name):
        got = fitted(X, 300, init=X[:300], max_iter=4)
    assert not paths(got) & set(BY_NAME[name].paths)
    assert_array_equal(got.labels, fitted(X, 300, init=X[:300], max_iter=4).labels)


def test_blocks_end_and_may_be_nested():
    X = rows(20_000, 2, np.float32)
    with use_technique("exponion"), without_techniques("kd-tree"):
        assert "exponion" in paths(fitted(X, 60, max_iter=3))
    with without_techniques("kd-tree"), without_techniques("sorted"):
        assert {"kd-tree", "sorted"} == set(NAMES) - {technique.name for technique in CHOICE.remaining}
    assert CHOICE.remaining == TECHNIQUES
    assert CHOICE.forced is None


def test_unknown_names_are_errors_that_list_the_known_ones():
    for block in (use_technique, without_techniques):
        with pytest.raises(ValueError, match="no technique 'boxes'; there are 'kd-tree', 'sorted'"):
            block("boxes")


@pytest.mark.parametrize(
    "call",
    [
        lambda X: fitted(X, 2),
        lambda X: kmeans_fast.assign(X, X[:2], device="cpu"),
        lambda X: kmeans_fast.explain(X, 2, device="cpu"),
        lambda X: kmeans_fast.KMeans(2, device="cpu").fit(X),
    ],
    ids=["kmeans", "assign", "explain", "KMeans"],
)
def test_a_forced_technique_that_is_not_for_the_data_is_refused_with_the_reason(call):
    with use_technique("sorted"), pytest.raises(RuntimeError, match=r"'sorted' was asked for .* there are 3"):
        call(rows(50, 3, np.float32))


class EveryOther(Technique):
    """One that knows nothing of the others, nor of sums: it makes two passes of three by the reference."""

    name, paths, note, makes_sums = "every other", ("every other",), "", False

    def takes(self, coming):
        return coming.number % 3 != 2

    def run(self, coming):
        labels, _ = reference.assign(self.session.X, coming.centroids)
        changed = np.count_nonzero(labels != self.session.labels)
        self.session.labels[:] = labels
        return self.session.found(len(labels), self.name)._replace(changed=changed)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "others", [["kd-tree"], ["sorted"], ["exponion"], ["hamerly, float32"], ["hamerly, bytes"], []]
)
def test_a_technique_that_knows_nothing_of_the_others_misleads_none(monkeypatch, others, weighted):
    """Bounds and sorted labels of the pass before the last are not believed, and sums are those of all labels."""
    if "hamerly, bytes" in others and not byte_codes.AVAILABLE:
        pytest.skip("this machine has no VNNI, without which bytes are never used")
    monkeypatch.setattr(CHOICE, "ways", (EveryOther, *(BY_NAME[name] for name in others), TECHNIQUES[-1]))
    for technique in (BY_NAME[name] for name in others):
        monkeypatch.setattr(technique, "declines", staticmethod(lambda sizes: ""))
    X, weights = rows(3000, 1, np.float32), some_weights(3000) if weighted else None
    opened, centroids, before = session(2, X, weights, 12), X[:12], np.full(3000, -1)
    for iteration in range(9):
        labels, _ = reference.assign(X, centroids)
        step = iterated(opened, centroids)
        assert_array_equal(opened.labels, labels)
        assert_array_equal(step.centroids, reference.update(X, weights, centroids, labels))
        assert step.changed == np.count_nonzero(labels != before)
        before, centroids = labels, step.centroids
        if iteration == 4:
            opened.assign(X[20:32])
            before = opened.labels.copy()


# ---- chosen --------------------------------------------------------------------------------------------------------


@needs_bytes
def test_bytes_are_given_up_where_they_leave_too_much():
    """Rows that differ most in one direction, for which one byte a feature is too coarse."""
    rng = np.random.default_rng(0)
    X = np.ascontiguousarray(rng.normal(size=(4000, 64)) + 30 * rng.normal(size=(4000, 1)), np.float32)
    with without_techniques("exponion"):
        found = [step.path for step in fitted(X, 300, init=X[:300], max_iter=8).history]
    given_up = next(at for at, path in enumerate(found) if at and "bytes" in found[at - 1] and "bytes" not in path)
    assert found[given_up - 1] == "hamerly, bytes"
    assert not any("bytes" in path for path in found[given_up:])


def test_few_clusters_of_one_feature_are_scored():
    X = rows(200, 1, np.float32)
    assert iterated(session(1, X, None, 4), X[:4]).path == "float32"
    assert iterated(session(1, X, None, 150), X[:150]).path == "sorted"


# ---- words ---------------------------------------------------------------------------------------------------------


def test_every_path_is_documented_and_no_other():
    text = Progress.__doc__
    text = text[text.index("path : str") : text.index("stage : int")]
    documented = {part for part in text.split('"')[1::2] if part != "exponion"}
    documented.remove("hamerly")
    ran = {path for technique in TECHNIQUES for path in technique.paths} | {"float64", OF_NUMPY}
    ran |= {PATH, *(operand.name + how for operand in OPERANDS for how in ("", ", sampled"))}  # a GPU's
    assert documented == ran - {"exponion"}
    assert '"exponion"' in text


@pytest.mark.parametrize(("n", "d", "k"), [(300, 2, 3), (20_000, 2, 60), (3000, 1, 130), (20_000, 64, 500)])
def test_explain_names_what_then_runs(n, d, k):
    X = rows(n, d, np.float32)
    line = next(line for line in kmeans_fast.explain(X, k, device="cpu").splitlines() if line.startswith("* cpu: "))
    told = line.removeprefix("* cpu: ").split(";")[0].split(" / ")
    assert told == [name for name, reason in techniques(X, k).items() if not reason]
    named = {path for name in told for path in BY_NAME[name].paths}
    assert paths(fitted(X, k, max_iter=5, init="random")) <= named


def test_what_fewer_clusters_have_no_technique_for_is_not_taken_over():
    """Bytes serve more clusters and not fewer: as k-means|| has it, whose candidates are twice the clusters."""
    few = session(2, np.zeros((1_000_000, 16), np.float32), None, 256)
    many = few.for_clusters(512)
    assert set(many.assignment.kept) - set(few.assignment.kept) or not byte_codes.AVAILABLE
