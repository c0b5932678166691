"""``predict(out=...)``: labels go to an array or a file of the caller's, or are refused before any work."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from kmeans_fast import KMeans

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
    for rows in (X, "x.npy"):
        found = model.predict(rows, out=out)
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


def test_no_place_for_labels_is_refused_before_any_work():
    model, out = MODEL.fit(X), np.empty(500, np.int32)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="may be written to"):
        model.predict(None, out=out)
    for path in ("no/labels.npy", "no/labels.parquet"):
        with pytest.raises(FileNotFoundError, match="labels"):
            model.predict(None, out=path)
