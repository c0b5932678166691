"""Model files, mutated: each is refused by a ValueError, or is read as an independent reading reads it.

``python tests/estimator/test_model_fuzz.py SECONDS`` goes on for longer, from a new seed.
"""

import copy
import io
import json
import sys
import time
import zipfile

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

import kmeans_fast
from kmeans_fast import KMeans
from kmeans_fast.preparation import make_preparation
from kmeans_fast.preparation.applying import leaves

_MUTATIONS = 2000
_VALUES = (
    None, True, False, 0, 1, -1, 3, 2**31, 2**63, 10**400, 0.5, float("nan"), float("inf"), 1e308, "", "cpu", "\ud800",
    "a" * 300, [], [1], ["a", "b", "c"], {}, {"a": 1}, [[[]]],
)  # fmt: skip
_DTYPES = ("<f4", "<f8", "<i4", "|u1", ">f8", "<f2", "<i8", "<c16", "|b1", "<U3", "|S4", "|V8", "|O", "<M8[s]")


_MIXED = make_preparation(missing="median", scale="standard", categories=[2], max_categories=3, pca=0.9)


def table():
    """Rows of two columns of numbers and one of levels, of which some are rare and one is missing."""
    X = np.random.default_rng(0).normal(size=(12, 3)).astype(object)
    X[:, 2] = ["a", "b", "b", None, "c", "a", "d", "b", "a", "e", "b", "a"]
    return X


def originals(path):
    """The bytes of model files of every kind; `path` is for their writing."""
    X = np.random.default_rng(0).normal(size=(12, 3))
    models = [
        KMeans(3, random_state=0).fit(X),
        KMeans(2, init=X[:2], n_init=1).fit(X.astype(np.float32)),
        make_pipeline(StandardScaler(), KMeans(3, random_state=0)).fit(X),
        make_pipeline(MinMaxScaler(), KMeans(3, random_state=0)).fit(X.astype(np.float32)),
        make_pipeline(RobustScaler(), PCA(2), KMeans(3, random_state=0)).fit(X),
        make_pipeline(_MIXED, KMeans(3, random_state=0)).fit(table()),
    ]
    models[0].feature_names_in_ = np.array(["a", "b", "c"], dtype=object)
    found = []
    for model in models:
        kmeans_fast.save(model, path)
        found.append(path.read_bytes())
    return found


def _flip(content, rng):
    damaged = bytearray(content)
    for _ in range(int(rng.integers(1, 6))):
        damaged[int(rng.integers(len(damaged)))] = int(rng.integers(256))
    return bytes(damaged)


def _cut(content, rng):
    first, last = sorted(int(at) for at in rng.integers(0, len(content), 2))
    ways = (content[:first], content[first:], content[:first] + content[last:], content + content[first:last])
    return ways[rng.integers(len(ways))]


def _rezipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def _members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def _flip_in_members(content, rng):
    """As `_flip`, but the checksums are right."""
    members = _members(content)
    at = int(rng.integers(len(members)))
    members[at] = (members[at][0], (_flip if rng.random() < 0.7 else _cut)(members[at][1], rng))
    if rng.random() < 0.1:
        del members[int(rng.integers(len(members)))]
    if rng.random() < 0.1:
        members.append((str(rng.choice(["labels.npy", "init.npy", "more.npy", "x"])), members[-1][1]))
    return _rezipped(members)


def _places(value, path=()):
    yield path
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _places(value[key], (*path, key))


def _other_header(content, rng):
    members = dict(_members(content))
    header = json.loads(np.load(io.BytesIO(members["header.npy"])).tobytes())
    for _ in range(int(rng.integers(1, 3))):
        places = list(_places(header))[1:]
        *path, last = places[int(rng.integers(len(places)))]
        inner = header
        for key in path:
            inner = inner[key]
        if rng.random() < 0.2:
            del inner[last]
        else:
            inner[last] = copy.deepcopy(_VALUES[int(rng.integers(len(_VALUES)))])
        if rng.random() < 0.1 and isinstance(inner, dict):
            inner["more"] = 1
    array = io.BytesIO()
    np.save(array, np.frombuffer(json.dumps(header).encode(), np.uint8))
    return _rezipped({**members, "header.npy": array.getvalue()}.items())


def _other_array(content, rng):
    members = dict(_members(content))
    name = str(rng.choice([name for name in members if name != "header.npy"]))
    old = np.load(io.BytesIO(members[name]))
    shapes = (old.shape, old.shape[::-1], old.shape[:1], (*old.shape, 1), (0,), (0, 3), (), (12,), (3, 3), (3,))
    shape = shapes[int(rng.integers(len(shapes)))]
    values = rng.choice([0.0, 1.0, 2.0, 3.0, -1.0, 0.5, 1e200, np.nan, np.inf, 2.0**40], size=shape)
    dtype = np.dtype(str(rng.choice(_DTYPES))) if rng.random() < 0.5 else old.dtype
    with np.errstate(all="ignore"):
        array = (
            np.asarray(values).astype("<i8").astype(dtype) if dtype.kind == "M" else np.asarray(values).astype(dtype)
        )
    file = io.BytesIO()
    np.save(file, np.asfortranarray(array) if rng.random() < 0.2 else array, allow_pickle=True)
    return _rezipped({**members, name: file.getvalue()}.items())


_WAYS = (_flip, _cut, _flip_in_members, _other_header, _other_array)


def check_reading(model, path):
    """Compare what was loaded with what NumPy and json find in the file."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    header = json.loads(arrays["header"].tobytes())
    preparation, kmeans = (model[:-1], model[-1]) if isinstance(model, Pipeline) else (None, model)
    for name, value in header["parameters"].items():
        if name != "init" or value is not None:
            assert getattr(kmeans, name) == value
    for name in ("cluster_centers", "labels"):
        assert hasattr(kmeans, f"{name}_") == (name in arrays)
        if name in arrays:
            np.testing.assert_array_equal(getattr(kmeans, f"{name}_"), arrays[name])
    if "init" in arrays:
        np.testing.assert_array_equal(kmeans.init, arrays["init"])
    assert (kmeans.inertia_, kmeans.n_iter_) == (header["inertia"], header["n_iter"])
    assert list(getattr(model, "feature_names_in_", ())) == header["feature_names"]
    assert (preparation is None) == (header["preparation"] is None)
    X = np.zeros((2, arrays["cluster_centers"].shape[1]))
    if preparation is not None:
        n_features = header["preparation"]["n_features_in"]
        assert model.n_features_in_ == n_features
        check_arrays(leaves(preparation, list(range(n_features))), arrays)
        X = preparation.transform(np.zeros((2, n_features)))
    kmeans.set_params(device="cpu", n_threads=None)  # parameters are checked where they are used
    if np.abs(X).max() < 1e140:
        assert set(kmeans.predict(X)) <= set(range(len(arrays["cluster_centers"])))


def check_arrays(branches, arrays):
    """Every array of a preparation is that of some step."""
    steps = [step for steps, _ in branches for step in steps]
    for name, array in arrays.items():
        if name.startswith("step"):
            found = [getattr(step, f"{name.partition('_')[2]}_", None) for step in steps]
            assert any(np.array_equal(array, one) for one in found if one is not None), name


def fuzz(path, seed, mutations=None, seconds=None):
    """(mutations, those accepted); AssertionError for another exception than ValueError, or a misreading."""
    rng, files = np.random.default_rng(seed), originals(path)
    done = accepted = 0
    end = None if seconds is None else time.monotonic() + seconds
    while done != mutations and (end is None or time.monotonic() < end):
        content = _WAYS[int(rng.integers(len(_WAYS)))](files[int(rng.integers(len(files)))], rng)
        path.write_bytes(content)
        done += 1
        try:
            model = kmeans_fast.load(path)
        except ValueError:
            continue
        except Exception as error:
            raise AssertionError(f"mutation {done} of seed {seed}: {type(error).__name__}: {error}") from error
        check_reading(model, path)
        accepted += 1
    return done, accepted


@pytest.mark.filterwarnings("ignore")
def test_mutated_files_are_refused_or_read_right(tmp_path):
    done, accepted = fuzz(tmp_path / "model.npz", seed=0, mutations=_MUTATIONS)
    assert (done, accepted > 0) == (_MUTATIONS, True)


if __name__ == "__main__":
    import pathlib
    import tempfile

    own_seed = int(np.random.SeedSequence().generate_state(1)[0])
    with tempfile.TemporaryDirectory() as directory:
        print(own_seed, fuzz(pathlib.Path(directory) / "model.npz", own_seed, seconds=float(sys.argv[1])))
