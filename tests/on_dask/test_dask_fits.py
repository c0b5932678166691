"""Rows in Dask's partitions: the bits of one array in memory, whatever the partitions, whoever does the work."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import rows, some_weights

import kmeans_fast
from kmeans_fast import backends as registry
from kmeans_fast.engine import checkpoint as checkpoints
from simulator.build import COMPILER
from simulator.device import SimBackend

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")

from kmeans_fast import dask as on_dask  # noqa: E402
from kmeans_fast.dask import partitions, tasks  # noqa: E402

pytestmark = [pytest.mark.filterwarnings("ignore:Number of distinct clusters"), pytest.mark.timeout(120)]
X = rows(900, 4, np.float32)
WEIGHTS = some_weights(900)
CUTS = {  # an empty partition and one of one row in most
    1: (900,),
    2: (1, 899),
    3: (0, 400, 500),
    4: (300, 1, 0, 599),
    5: (100, 200, 0, 1, 599),
    6: (0, 0, 1, 898, 1, 0),
    7: (128, 129, 1, 0, 130, 256, 256),
}
OPTIONS = [
    {"tol": 0.0},
    {"init": "k-means||"},
    {"init": "random", "n_init": 2, "max_iter": 5},
    {"init_size": None, "max_iter": 3},
    {"init_size": 60, "dtype": "float64"},
    {"refine": "breathing", "max_iter": 2},
    {"init": rows(7, 4, np.float32, seed=1) + 9},  # far away: clusters are empty
]
OF_ALL_TASKS = [OPTIONS[1], OPTIONS[5], OPTIONS[6]]  # with those of the killed workers: all that tasks are asked


def cut(array, parts):
    return da.from_array(array, chunks=(CUTS[parts], *array.shape[1:]))


def without_sizes(array, parts):
    """The same partitions, of which Dask does not know the sizes."""
    blocks = [da.from_array(block) for block in np.split(array, np.cumsum(CUTS[parts])[:-1])]
    blocks = [block.map_blocks(lambda values: values, chunks=((np.nan,), *block.chunks[1:])) for block in blocks]
    return da.concatenate(blocks, allow_unknown_chunksizes=True)


def assert_same(got, wanted):
    assert_array_equal(got.centroids, wanted.centroids)
    assert_array_equal(got.labels.compute(), wanted.labels)
    assert (got.inertia, got.n_iter) == (wanted.inertia, wanted.n_iter)
    told = [
        [(step.run, step.iteration, step.changed, step.squared_shift) for step in one.history] for one in (got, wanted)
    ]
    assert told[0] == told[1]


@pytest.mark.parametrize("parts", CUTS)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_fit_has_the_bits_of_one_array(parts, weighted):
    options = OPTIONS[parts - 1] if weighted else OPTIONS[0]
    got = on_dask.kmeans(cut(X, parts), 7, seed=2, sample_weight=cut(WEIGHTS, parts) if weighted else None, **options)
    assert_same(got, kmeans_fast.kmeans(X, 7, seed=2, sample_weight=WEIGHTS if weighted else None, **options))
    assert got.labels.chunks == (CUTS[parts],)


@pytest.mark.parametrize("options", OF_ALL_TASKS, ids=lambda options: "-".join(options))
def test_a_fit_on_a_cluster_has_the_bits_of_one_array(client, options):
    got = on_dask.kmeans(cut(X, 4), 7, seed=2, **options)
    assert_same(got, kmeans_fast.kmeans(X, 7, seed=2, **options))
    assert got.backend == "cpu"


@pytest.mark.parametrize("options", OPTIONS[1:4], ids=lambda options: "-".join(options))
def test_long_questions_and_answers_go_other_ways(monkeypatch, options):
    """Questions in a task of their own, and all sums through the tree."""
    monkeypatch.setattr(partitions, "_SMALL", 0)
    monkeypatch.setattr(partitions, "_FEW_CELLS", 0)
    data = da.from_array(X, chunks=(77, 4))
    assert_same(on_dask.kmeans(data, 7, seed=2, **options), kmeans_fast.kmeans(X, 7, seed=2, **options))


@pytest.mark.parametrize("weights", ["array", "series", "numpy", "other chunks", "number"])
def test_sizes_may_be_unknown_and_weights_of_any_kind(weights):
    given = {
        "array": without_sizes(WEIGHTS, 5),
        "series": dd.from_pandas(pd.Series(WEIGHTS), npartitions=5),
        "numpy": WEIGHTS,
        "other chunks": da.from_array(WEIGHTS, chunks=77),
        "number": 2.5,
    }[weights]
    data = without_sizes(X, 5)
    if weights == "series":
        data = dd.from_pandas(pd.DataFrame(X, columns=list("abcd")), npartitions=5)
    got = on_dask.kmeans(data, 7, seed=2, sample_weight=given, max_iter=5)
    wanted = kmeans_fast.kmeans(X, 7, seed=2, sample_weight=2.5 if weights == "number" else WEIGHTS, max_iter=5)
    assert_same(got, wanted)
    assert not np.isnan(got.labels.shape[0])


@pytest.mark.parametrize("options", OPTIONS[:3], ids=lambda options: "-".join(options))
def test_all_rows_of_a_partition_may_have_no_weight(options):
    weights = WEIGHTS.copy()
    weights[300:601] = 0
    got = on_dask.kmeans(cut(X, 4), 7, seed=2, sample_weight=weights, **{"max_iter": 5, **options})
    assert_same(got, kmeans_fast.kmeans(X, 7, seed=2, sample_weight=weights, **{"max_iter": 5, **options}))


class OnSimulatedGpu(SimBackend):
    """The CUDA backend of a worker, on a simulated device."""

    devices = ("cuda",)


@pytest.mark.skipif(not COMPILER, reason="there is no C++ compiler for the simulator of a GPU")
@pytest.mark.parametrize("options", [{"init": "k-means||"}, {"init_size": 60, "sample_weight": WEIGHTS}], ids=[0, 1])
def test_workers_with_a_gpu_use_it(monkeypatch, options):
    monkeypatch.setattr(registry, "BACKENDS", (*registry.BACKENDS, OnSimulatedGpu()))
    with dask.config.set(scheduler="synchronous"):
        got = on_dask.kmeans(cut(X, 5), 7, seed=2, max_iter=4, device="cuda", **options)
    assert got.backend == "cuda-sim"
    assert {step.path for step in got.history} <= {"int8", "int8, sampled", "fp16", "float32", "fp16, sampled"}
    assert_array_equal(got.centroids, kmeans_fast.kmeans(X, 7, seed=2, max_iter=4, **options).centroids)


def test_labels_distances_and_seeds_are_those_of_one_array():
    data, centroids = without_sizes(X, 5), X[:9].astype(np.float64)
    for one, other in zip(on_dask.assign(data, centroids), kmeans_fast.assign(X, centroids)):
        assert_array_equal(one.compute(), other)
        assert one.dtype == other.dtype
    for one, other in zip(on_dask.kmeans_plusplus(data, 9, seed=1), kmeans_fast.kmeans_plusplus(X, 9, seed=1)):
        assert_array_equal(one, other)


def test_workers_write_labels(client, tmp_path):
    zarr = pytest.importorskip("zarr")
    wanted = kmeans_fast.KMeans(7, random_state=2).fit(X)
    labels, squared = kmeans_fast.assign(X, wanted.cluster_centers_)
    data = dd.from_pandas(pd.DataFrame(X, columns=list("abcd")), npartitions=3)
    model = on_dask.KMeans(7, random_state=2).fit(data)
    da.to_npy_stack(tmp_path / "stack", model.labels_)
    assert_array_equal(da.from_npy_stack(tmp_path / "stack").compute(), labels)
    data.assign(cluster=model.predict(data)).to_parquet(tmp_path / "table")
    table = pd.read_parquet(tmp_path / "table")
    assert_array_equal(table.cluster, labels)
    assert_array_equal(table[list("abcd")], X)
    targets = [zarr.create_array(tmp_path / str(kind), shape=900, dtype=kind, chunks=100) for kind in ("i4", "f8")]
    da.store(on_dask.assign(cut(X, 4), model.cluster_centers_), targets)
    for target, values in zip(targets, (labels, squared)):
        assert_array_equal(target[:], values)
    with pytest.raises(ValueError, match="to_zarr or to_npy_stack"):
        model.predict(data, out=tmp_path / "labels.npy")


def test_the_estimator_is_that_of_one_array():
    frame = pd.DataFrame(X, columns=list("abcd"))
    data = dd.from_pandas(frame, npartitions=3)
    got = on_dask.KMeans(7, random_state=2, tol=0.0).fit(data)
    wanted = kmeans_fast.KMeans(7, random_state=2, tol=0.0).fit(frame)
    assert_array_equal(got.cluster_centers_, wanted.cluster_centers_)
    assert (got.inertia_, got.n_iter_) == (wanted.inertia_, wanted.n_iter_)
    assert got.feature_names_in_.tolist() == list("abcd")
    for one, other in (
        (got.labels_, wanted.labels_),
        (got.predict(data), wanted.labels_),
        (got.transform(data), wanted.transform(frame)),
        (got.fit_predict(data, sample_weight=WEIGHTS), wanted.fit_predict(frame, sample_weight=WEIGHTS)),
    ):
        assert one.dtype == other.dtype
        assert_array_equal(one.compute(), other)
    assert got.score(data) == wanted.score(frame)
    assert_array_equal(got.predict(frame), wanted.labels_)  # rows in memory too
    with pytest.raises(ValueError, match="feature names"):
        got.predict(data.rename(columns={"a": "b", "b": "a"}))
    with pytest.raises(ValueError, match="takes the rows as one array"):
        on_dask.KMeans(7, init=lambda X, k, random_state: X[:k]).fit(data)


def test_integers_and_doubles_are_computed_in_double():
    for values in ((X * 100).astype(np.int16), X.astype(np.float64) * 1e100):
        got = on_dask.kmeans(cut(values, 5), 5, seed=0, tol=0.0)
        assert_same(got, kmeans_fast.kmeans(values, 5, seed=0, tol=0.0))
        assert got.centroids.dtype == np.float64


@pytest.mark.parametrize("cut_again", [3, 7])
def test_a_checkpoint_does_not_know_the_partitions(tmp_path, monkeypatch, cut_again):
    monkeypatch.setattr(checkpoints, "_SHARE", np.inf)
    how = {"seed": 2, "tol": 0.0, "checkpoint": tmp_path / "fit.npz"}
    first = on_dask.kmeans(cut(X, 5), 7, **how, callback=lambda step: step.iteration == 4)
    assert first.n_iter == 4
    wanted = kmeans_fast.kmeans(X, 7, seed=2, tol=0.0)
    assert_same(on_dask.kmeans(cut(X, cut_again), 7, **how, resume=True), wanted)
    assert_array_equal(kmeans_fast.kmeans(X, 7, **how, resume=True).labels, wanted.labels)


def test_what_a_worker_knows_may_be_gone_at_any_time(monkeypatch):
    """Everything is found again from what tasks bring."""
    ask, chance = tasks._Kept.ask, np.random.default_rng(0)

    def forgetful(self, rows, asked, number, own):
        if chance.random() < 0.3:
            self.__init__(rows, asked)
        return ask(self, rows, asked, number, own)

    monkeypatch.setattr(tasks._Kept, "ask", forgetful)
    for options in OPTIONS[:4]:
        got = on_dask.kmeans(cut(X, 5), 7, seed=2, **options)
        assert_same(got, kmeans_fast.kmeans(X, 7, seed=2, **options))


def test_nothing_is_kept_after_a_fit(client):
    def known():
        from kmeans_fast.dask import tasks

        return len(tasks._known)

    on_dask.kmeans(cut(X, 4), 7, seed=2, max_iter=2)
    for _ in range(100):  # workers are told, and not waited for
        if sum(client.run(known).values()) == 0:
            break
    assert sum(client.run(known).values()) == 0


@pytest.mark.parametrize("least", [1e-310, 5e-324])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_values_next_to_zero_are_taken_as_in_memory(least, weights):
    tiny = X.astype(np.float64)
    tiny[450] = [least, 0.0, -least, 0.0]
    got = on_dask.kmeans(cut(tiny, 4), 7, seed=2, sample_weight=weights, max_iter=2)
    assert_same(got, kmeans_fast.kmeans(tiny, 7, seed=2, sample_weight=weights, max_iter=2))


# ---- what is refused -----------------------------------------------------------------------------------------------


def broken(row, value):
    values = X.copy()
    values[row, 1] = value
    return cut(values, 4)


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (lambda: broken(850, np.nan), {}, r"partition 3 contains NaN at \(549, 1\)"),
        (lambda: broken(10, np.inf), {}, r"partition 0 contains infinity at \(10, 1\)"),
        (lambda: cut(X, 4)[:0], {}, "X has no partition with rows"),
        (lambda: cut(X, 4)[:, 0], {}, "X must have 2 dimensions"),
        (lambda: cut(X.astype(np.complex64), 4), {}, "X must be an array of numbers, got dtype complex64"),
        (lambda: cut(X.astype(np.float64) * 1e200, 4), {}, r"X has values up to .*e\+200"),
        (lambda: cut(X, 4)[:3], {}, "n_samples=3 should be >= n_clusters=7"),
        (lambda: cut(X, 4), {"sample_weight": -cut(WEIGHTS, 4)}, r"sample_weight of partition \d must not be negative"),
        (lambda: cut(X, 4), {"sample_weight": cut(WEIGHTS.astype(str), 4)}, r"sample_weight of .* array of numbers"),
        (lambda: cut(X, 4), {"sample_weight": cut(WEIGHTS * 1j, 4)}, r"sample_weight of partition \d must be real"),
        (lambda: cut(X, 4), {"sample_weight": np.zeros(900)}, "must not be zero for every row"),
        (lambda: cut(X, 4), {"sample_weight": cut(np.zeros(900), 4)}, "must not be zero for every row"),
        (lambda: cut(X, 4), {"sample_weight": WEIGHTS * 1e-307}, "products underflow"),
        (lambda: cut(X, 4), {"sample_weight": WEIGHTS[:-1]}, r"sample_weight must have shape \(900,\), got \(899,\)"),
        (lambda: cut(X, 4), {"sample_weight": cut(X, 4)}, "sample_weight must have one dimension, got 2"),
        (lambda: cut(X, 4), {"init": lambda X, k, random_state: X[:k]}, "takes the rows as one array"),
        (lambda: cut(X, 4), {"init": X[:5]}, "does not match the number of clusters 7"),
        (lambda: cut(X, 4), {"tol": -1}, "tol must be a finite number of at least 0"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(data, options, message):
    with pytest.raises(ValueError, match=message):
        on_dask.kmeans(data(), 7, **options)


@pytest.mark.parametrize(
    ("centroids", "message"),
    [(X[:3, :2], "does not match the number of features of the data 4"), (X[:3] * np.nan, "NaN")],
)
def test_centroids_that_do_not_fit_are_refused_at_once(centroids, message):
    with pytest.raises(ValueError, match=message):
        on_dask.assign(cut(X, 4), centroids)


@pytest.mark.parametrize("other", [bool, np.int8])
def test_columns_of_several_types_come_to_one_as_in_pandas(other):
    table = pd.DataFrame({"a": X[:, 0].astype(np.float32), "b": (X[:, 1] * 9).astype(other)})
    got = on_dask.kmeans(dd.from_pandas(table, npartitions=3), 4, seed=2)
    assert_same(got, kmeans_fast.kmeans(table, 4, seed=2))


def test_what_is_no_collection_is_refused():
    with pytest.raises(TypeError, match="X must be a Dask array or DataFrame, got ndarray"):
        on_dask.kmeans(X, 7)
