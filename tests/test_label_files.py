"""``out=`` of `predict` and `assign`: labels go to an array or a file of the caller's, or are refused before work."""

import itertools
import os

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from kmeans_fast import KMeans, assign, door

pytestmark = pytest.mark.usefixtures("here")
X = np.random.default_rng(0).normal(size=(500, 3))
MODEL = KMeans(4, random_state=0)


@pytest.mark.parametrize("kind", ["array", "memory map", "npy", "parquet"])
def test_labels_go_where_the_caller_wants_them(tmp_path, kind):
    parquet = pytest.importorskip("pyarrow.parquet") if kind == "parquet" else None
    np.save("x.npy", X)
    model = MODEL.fit(X)
    out = {
        "array": np.empty(500, np.int32),
        "memory map": np.lib.format.open_memmap("m.npy", "w+", np.int32, (500,)),
        "npy": tmp_path / "labels.npy",
        "parquet": "labels.parquet",
    }[kind]
    calls = [
        lambda rows: model.predict(rows, out=out),
        lambda rows: assign(rows, model.cluster_centers_, out=out)[0],
        lambda rows: assign(rows, model.cluster_centers_, out=out, return_distance=False),
    ]
    for rows, call in itertools.product((X, "x.npy"), calls):
        found = call(rows)
        if kind == "parquet":
            assert found == out
            found = parquet.read_table(found)["label"].to_numpy()
        elif kind != "npy":
            assert found is out
        assert_array_equal(found, model.labels_)
        assert found.dtype == np.int32


@pytest.mark.parametrize(
    "out", [np.zeros(3, np.int32), np.zeros(500), "labels.csv", [0]], ids=["short", "float64", "csv", "list"]
)
def test_no_place_for_labels_is_refused(out):
    with pytest.raises(ValueError, match="out must"):
        MODEL.fit(X).predict(X, out=out)
    with pytest.raises(ValueError, match="out must"):
        assign(X, X[:4], out=out)


@pytest.mark.parametrize("how", ["path", "link", "list", "memory map"])
def test_labels_do_not_replace_the_rows(how, monkeypatch):
    np.save("x.npy", X)
    os.symlink("x.npy", "link.npy")
    rows = {"path": "x.npy", "link": "link.npy", "list": ["x.npy"], "memory map": np.load("x.npy", mmap_mode="r")}[how]
    model = MODEL.fit(X)
    for share in (door._ARRAY_SHARE, 0.0):  # as one array, and read in each pass
        monkeypatch.setattr(door, "_ARRAY_SHARE", share)
        with pytest.raises(ValueError, match="out must not be a file that X is read from"):
            model.predict(rows, out="x.npy")
        with pytest.raises(ValueError, match="out must not be a file that X is read from"):
            assign(rows, X[:4], out="x.npy", return_distance=False)
    assert_array_equal(np.load("x.npy"), X)


def test_no_place_for_labels_is_refused_before_any_work():
    model, out = MODEL.fit(X), np.empty(500, np.int32)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="may be written to"):
        model.predict(None, out=out)
    with pytest.raises(ValueError, match="may be written to"):
        assign(None, None, out=out)
    for path in ("no/labels.npy", "no/labels.parquet"):
        with pytest.raises(FileNotFoundError, match="labels"):
            model.predict(None, out=path)


def test_distances_are_those_without_out_or_are_not_computed(monkeypatch):
    np.save("x.npy", X)
    wanted = assign(X, X[:4])
    for rows in (X, "x.npy"):
        assert_array_equal(assign(rows, X[:4], out="l.npy")[1], wanted[1])
        assert_array_equal(assign(rows, X[:4], return_distance=False), wanted[0])
    monkeypatch.setattr("kmeans_fast.door._ARRAY_SHARE", 0.0)
    monkeypatch.setattr("kmeans_fast.sources.npy.mapping_of", lambda path: None)
    read = []
    monkeypatch.setattr("kmeans_fast.sources.reading.listeners", [lambda place, *_: read.append(place)])
    assert_array_equal(assign("x.npy", X[:4], out="l.npy", return_distance=False), wanted[0])
    assert read == [0, 0]  # to look at the rows, and to label them
