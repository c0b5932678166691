"""A fit that is interrupted goes on from its checkpoint: to the bits of one that was not, or not at all, with words."""

import errno
import json
import math
import os

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from support import most_bytes, names, rows, run_python, some_weights

import kmeans_fast
from kmeans_fast import KMeans, archives
from kmeans_fast.engine import checkpoint as checkpoints

pytestmark = [
    pytest.mark.filterwarnings("ignore:Number of distinct clusters"),
    pytest.mark.timeout(120),
]
X = rows(600, 5, np.float32)
MACHINE = {"seconds", "rechecked", "scored", "path"}  # of a `Progress`, what the fit does not depend on


@pytest.fixture(autouse=True)
def always(monkeypatch):
    """Written after every iteration, whatever that costs."""
    monkeypatch.setattr(checkpoints, "_SHARE", np.inf)


class Stop(Exception):
    """What ends a fit."""


def raising(at):
    """A callback that ends the fit by an exception in the iteration of this number, all runs together."""
    left = [at]

    def callback(step):
        left[0] -= 1
        if left[0] == 0:
            raise Stop

    return callback


def told(history):
    return [{name: value for name, value in step._asdict().items() if name not in MACHINE} for step in history]


def assert_same(got, wanted):
    assert_array_equal(got.centroids, wanted.centroids)
    assert_array_equal(got.labels, wanted.labels)
    assert (got.inertia, got.n_iter) == (wanted.inertia, wanted.n_iter)
    assert told(got.history) == told(wanted.history)


def whole(data, **options):
    """A fit in one go; the callback has it made iteration by iteration, as those with a checkpoint are."""
    return kmeans_fast.kmeans(data, 9, callback=lambda step: None, **options)


def interrupted(data, path, every, **options):
    """A fit that is ended every few iterations and gone on with until it is done; and how often it was ended."""
    for ends in range(1000):
        try:
            how = {**options, "checkpoint": path, "resume": True}
            return kmeans_fast.kmeans(data, 9, callback=raising(every), **how), ends
        except Stop:
            pass
    raise AssertionError("it does not come to an end")


OPTIONS = {
    "tol": {"seed": 3},
    "strict": {"seed": 3, "tol": 0.0, "sample_weight": some_weights(600)},
    "runs": {"seed": 1, "init": "random", "n_init": 4, "max_iter": 7},
    "candidates": {"seed": 2, "init": "k-means||", "tol": 0.0, "dtype": "float64"},
    "sample": {"seed": 2, "init_size": 90, "n_init": 2},
    "breathing": {"seed": 4, "refine": "breathing", "n_init": 2},
    "array": {"init": rows(9, 5, np.float32, seed=1) + 9, "seed": 0},  # far away: clusters are empty
    "callable": {"init": lambda X, k, random_state: X[random_state.permutation(len(X))[:k]], "n_init": 3, "seed": 5},
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_fit_that_is_gone_on_with_has_the_bits_of_one_in_one_go(backend, tmp_path, kind):
    every = 10 if kind == "breathing" else 3
    got, ends = interrupted(X, tmp_path / "fit.npz", every, **OPTIONS[kind])
    assert ends > 2
    assert_same(got, whole(X, **OPTIONS[kind]))
    assert names(tmp_path) == ["fit.npz"]


def test_rows_may_be_cut_and_ordered_otherwise_by_then(tmp_path):
    shuffled = np.random.default_rng(0).permutation(len(X))
    weights = some_weights(len(X))
    how = {"seed": 3, "tol": 0.0, "checkpoint": tmp_path / "fit.npz", "resume": True}
    with pytest.raises(Stop):
        kmeans_fast.kmeans(X, 9, sample_weight=weights, callback=raising(4), **how)
    chunks = np.split(X[shuffled], [1, 200, 200, 500])
    with kmeans_fast.use_backend("reference"):
        got = kmeans_fast.kmeans(chunks, 9, sample_weight=weights[shuffled], **how)
    wanted = whole(X, sample_weight=weights, seed=3, tol=0.0)
    assert_array_equal(got.centroids, wanted.centroids)
    assert_array_equal(got.labels[np.argsort(shuffled)], wanted.labels)
    assert (got.inertia, got.n_iter) == (wanted.inertia, wanted.n_iter)


def test_a_fit_that_is_over_is_there_at_once(tmp_path):
    how = {"init": "random", "n_init": 3, "seed": 0, "checkpoint": tmp_path / "fit.npz"}
    wanted = kmeans_fast.kmeans(X, 9, **how)
    assert_same(kmeans_fast.kmeans(X, 9, **how, resume=True, callback=raising(1)), wanted)


def test_a_callback_that_ends_a_fit_leaves_it_to_be_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "_SHARE", 0)
    how = {"seed": 3, "tol": 0.0, "checkpoint": tmp_path / "fit.npz"}
    first = kmeans_fast.kmeans(X, 9, **how, callback=lambda step: step.iteration == 4)
    kept = checkpoints._read(how["checkpoint"])[0]["seconds"]
    got = kmeans_fast.kmeans(X, 9, **how, resume=True)
    assert got.n_iter > 4
    assert told(got.history)[:4] == told(first.history)
    assert_same(got, whole(X, seed=3, tol=0.0))
    assert kept["iterating"] > 0
    assert all(got.timings[name] >= kept[name] for name in kept)


def test_an_estimator_without_a_seed_goes_on_with_the_one_in_the_file(tmp_path):
    first = KMeans(9, tol=0.0, checkpoint=tmp_path / "fit.npz", callback=lambda step: step.iteration == 3).fit(X)
    got = first.set_params(callback=None, resume=True).fit(X)
    seed = checkpoints.seed_in(tmp_path / "fit.npz")
    wanted = kmeans_fast.kmeans(X, 9, tol=0.0, seed=seed)
    assert got.n_iter_ == wanted.n_iter > 3
    assert_array_equal(got.cluster_centers_, wanted.centroids)
    assert_array_equal(got.labels_, wanted.labels)


# ---- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"tol": 0.5}, "tol was 0.0001 and is 0.5"),
        ({"max_iter": 3, "seed": 8}, "max_iter was 300 and is 3; seed was 7 and is 8"),
        ({"init": "random"}, "init was 'k-means\\+\\+' and is 'random'"),
        ({"init": X[:9]}, "init was 'k-means\\+\\+' and is 'an array with the checksum [0-9a-f]{8}'"),
        ({"n_init": 2}, "n_init was 1 and is 2"),
        ({"init_size": 50}, "init_size was 'auto' and is 50"),
        ({"refine": "breathing"}, "refine was None and is 'breathing'"),
        ({"n_clusters": 8}, "n_clusters was 9 and is 8"),
        ({"dtype": "float64"}, "dtype was 'float32' and is 'float64'"),
        ({"X": X[:-1]}, "n_samples was 600 and is 599; the digest of X and sample_weight was"),
        ({"X": X + np.eye(600, 5, dtype=np.float32)}, "another fit: the digest of X and sample_weight was '"),
        ({"sample_weight": some_weights(600)}, "another fit: the digest of X and sample_weight was '"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_checkpoint_of_another_fit_is_refused_by_name(tmp_path, changed, message):
    how = {"X": X, "n_clusters": 9, "seed": 7, "checkpoint": tmp_path / "fit.npz"}
    kmeans_fast.kmeans(**how)
    before = (tmp_path / "fit.npz").read_bytes()
    with pytest.raises(ValueError, match=message):
        kmeans_fast.kmeans(**{**how, **changed}, resume=True)
    assert (tmp_path / "fit.npz").read_bytes() == before


def test_weights_of_one_are_no_weights(tmp_path):
    how = {"n_clusters": 9, "seed": 7, "checkpoint": tmp_path / "fit.npz"}
    kmeans_fast.kmeans(X, **how)
    kmeans_fast.kmeans(X, sample_weight=np.ones(600), **how, resume=True)


def test_resume_without_a_path_is_refused():
    with pytest.raises(ValueError, match="resume=True goes on from a checkpoint and there is none: give its path"):
        KMeans(2, resume=True).fit(X)


def test_a_path_that_cannot_be_written_is_refused_before_the_work(tmp_path):
    for path, kind in ((tmp_path, IsADirectoryError), (tmp_path / "none" / "fit.npz", FileNotFoundError)):
        with pytest.raises(kind, match=os.fspath(path)):
            kmeans_fast.kmeans(X, 9, seed=0, checkpoint=path, callback=raising(1))


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "fit.npz"
    how = {"seed": 3, "tol": 0.0, "checkpoint": path}
    kmeans_fast.kmeans(X, 9, **how, callback=lambda step: step.iteration == 4)
    whole = path.read_bytes()
    with open(path, "rb") as file:
        arrays = archives.read_arrays(file, len(whole))
    header = json.loads(arrays["header"].tobytes())

    def written(**changed):
        text = np.frombuffer(json.dumps(header | changed.pop("header", {})).encode(), np.uint8)
        with open(path, "wb") as file:
            archives.write_arrays(file, {**arrays, "header": text, **changed})

    assert {*arrays} == {"header", "start", "centroids", "before"}
    damages = [
        lambda: path.write_bytes(b""),
        lambda: path.write_bytes(whole[:-30]),
        lambda: written(header={"format": "kmeans_fast.KMeans"}),
        lambda: written(header={"run": 0, "more": 1}),
        lambda: written(header={"stage_history": [[1, 2]]}),
        lambda: written(header={"stage_history": header["stage_history"] * 80}),
        lambda: written(header={"stage_history": []}),
        lambda: written(header={"stage_history": [[None] * len(row) for row in header["stage_history"]]}),
        *(lambda seed=seed: written(header={"of": header["of"] | {"seed": seed}}) for seed in ("3", -1, 3.0, 2**64)),
        lambda: written(header={"stages": [[9, math.nan, 9, 4, []]]}, stages=arrays["start"]),
        lambda: written(header={"stages": [[9, 1.0, 9, 4, []]]}),
        lambda: written(header={"run": 1}),
        lambda: written(header={"run": 7, "best": [1.0, 9, 4]}, best=arrays["start"]),
        lambda: written(header={"stages": [[5, 1.0, 9, 4, []]]}, stages=arrays["start"][:5]),
        lambda: written(centroids=arrays["start"][:5], before=arrays["start"][:5]),
        lambda: written(start=arrays["start"][:5]),
        lambda: written(before=arrays["start"][:5]),
        lambda: written(centroids=np.full_like(arrays["start"], np.nan)),
        lambda: written(centroids=arrays["start"].astype(np.float64)),
    ]
    for damage in damages:
        damage()
        with pytest.raises(ValueError, match=f"{path} is not a sound checkpoint: "):
            kmeans_fast.kmeans(X, 9, **how, resume=True)


# ---- faults --------------------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_last_checkpoint_whole_and_the_fit_goes_on(tmp_path):
    how = {"seed": 3, "tol": 0.0, "checkpoint": tmp_path / "fit.npz"}
    with pytest.raises(Stop):
        kmeans_fast.kmeans(X, 9, **how, callback=raising(4))
    before = (tmp_path / "fit.npz").read_bytes()
    with most_bytes(1000), pytest.warns(RuntimeWarning, match=f"could not be written: .*{os.strerror(errno.EFBIG)}"):
        got = kmeans_fast.kmeans(X, 9, **how, resume=True)
    wanted = whole(X, seed=3, tol=0.0)
    assert_same(got, wanted)
    assert (tmp_path / "fit.npz").read_bytes() == before
    assert names(tmp_path) == ["fit.npz"]
    assert_same(kmeans_fast.kmeans(X, 9, **how, resume=True), wanted)


def test_writing_takes_at_most_its_share_of_the_time(tmp_path, monkeypatch):
    """By a clock of the test's own: iterations take a second, writing takes three."""
    monkeypatch.setattr(checkpoints, "_SHARE", 0.01)
    now, written = [0.0], []
    monkeypatch.setattr(checkpoints.time, "perf_counter", lambda: now[0])

    def write(file, arrays):
        written.append(now[0])
        now[0] += 3.0

    monkeypatch.setattr(checkpoints, "write_arrays", write)

    class Steps:
        @staticmethod
        def so_far():
            return {}

    keeper = checkpoints.Keeper(tmp_path / "fit.npz", {}, False, Steps)
    for _ in range(2000):
        now[0] += 1.0
        keeper.iterated(checkpoints.Reached(X[:1], X[:1], []), must=False)
    assert written[0] == 2.0  # 1 % of which is what the first is taken to cost
    assert np.diff(written).tolist() == [303.0] * (len(written) - 1)
    assert len(written) > 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_killed_at_any_moment_and_gone_on_with(tmp_path):
    """SIGKILL, SIGTERM and Ctrl-C at random moments, ten times at least, of a fit that writes all the time."""
    told = run_python(
        """
import os, random, signal, sys, time, warnings
import numpy as np
import kmeans_fast
from kmeans_fast.engine import checkpoint

warnings.simplefilter("ignore")
checkpoint._SHARE = np.inf
path = sys.argv[1]
X = np.random.default_rng(0).normal(size=(3000, 6)).astype(np.float32)

def fit(**how):
    return kmeans_fast.kmeans(X, 12, seed=0, init="random", n_init=3, tol=0.0, max_iter=40, **how)

def slow(step):
    time.sleep(0.015)

wanted = fit()
chance, killed, unfinished = random.Random(0), 0, True
for attempt in range(300):
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        found = fit(checkpoint=path, resume=True, callback=slow)
        same = np.array_equal(found.centroids, wanted.centroids) and np.array_equal(found.labels, wanted.labels)
        same = same and (found.inertia, found.n_iter) == (wanted.inertia, wanted.n_iter)
        os._exit(0 if same else 3)
    time.sleep(chance.uniform(0.02, 0.3))
    os.kill(child, chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
    status = os.waitpid(child, 0)[1]
    code = os.waitstatus_to_exitcode(status)
    if code == 0:
        break
    assert code != 3
    killed += 1
print(code, killed)
""",
        tmp_path / "fit.npz",
        timeout=100,
    )
    code, killed = map(int, told.split())
    assert code == 0
    assert killed >= 10
