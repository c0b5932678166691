"""Columns of sources have names: an estimator keeps and checks them as scikit-learn does those of DataFrames."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.cluster import KMeans as Theirs

import kmeans_fast
from kmeans_fast import KMeans, door, sources

pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
csv, parquet = (pytest.importorskip(f"pyarrow.{name}") for name in ("csv", "parquet"))

pytestmark = pytest.mark.usefixtures("here")
X = np.random.default_rng(0).normal(size=(60, 3))


@pytest.fixture(params=[0.0, 0.5], ids=["in chunks", "whole"])
def share(request, monkeypatch):
    """Whether there is room for one array."""
    monkeypatch.setattr(door, "_ARRAY_SHARE", request.param)
    return request.param


def table(names):
    return pa.table(dict(zip(names, X.T)))


def parquet_file(names):
    parquet.write_table(table(names), f"{names}.parquet", row_group_size=20)
    return f"{names}.parquet"


def text(names):
    csv.write_csv(table(names), f"{names}.csv")
    return f"{names}.csv"


def chosen(names):
    """Of a file whose own columns are in another order."""
    parquet.write_table(table(names).select(sorted(names)), f"{names}.parquet")
    return sources.Parquet(f"{names}.parquet", columns=list(names))


def files(names):
    return [parquet_file(names)] * 2


def tables(names):
    return lambda: table(names).to_batches(20)


def frames(names):
    return lambda: (pd.DataFrame(part, columns=list(names)) for part in np.split(X, 3))


MAKERS = [parquet_file, text, chosen, files, table, tables, frames]


def fitted(X, kind=KMeans, **options):
    return kind(2, random_state=0, n_init=1, **options).fit(X)


def said(call):
    """What a call raises, or warns of, if it does."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call()
        except ValueError as error:
            return ValueError, str(error)
    return [(one.category, str(one.message)) for one in caught]


@pytest.mark.parametrize("make", MAKERS)
def test_columns_have_to_be_those_of_the_fit(share, make):
    model = fitted(make("abc"))
    theirs = fitted(pd.DataFrame(X, columns=list("abc")), Theirs)
    assert_array_equal(model.feature_names_in_, theirs.feature_names_in_)
    assert (model.n_features_in_, model.feature_names_in_.dtype) == (3, object)
    for method in ("predict", "transform", "score"):
        assert said(lambda: getattr(model, method)(make("abc"))) == []  # noqa: B023
        for names in ("cba", "abd"):
            frame = pd.DataFrame(X, columns=list(names))
            wanted = said(lambda: getattr(theirs, method)(frame))  # noqa: B023
            assert wanted[0] is ValueError
            assert said(lambda: getattr(model, method)(make(names))) == wanted  # noqa: B023


@pytest.mark.parametrize("dtype", [None, "float32"])
def test_rows_without_names_are_warned_of_as_by_scikit_learn(share, dtype):
    np.save("x.npy", X)
    frame = pd.DataFrame(X, columns=list("abc"))
    named, without = fitted(table("abc"), dtype=dtype), fitted("x.npy", dtype=dtype)
    assert not hasattr(without, "feature_names_in_")
    wanted = said(lambda: fitted(frame, Theirs).predict(X))
    assert wanted[0][0] is UserWarning
    for rows in (X, "x.npy", lambda: np.split(X, 3), np.split(X, 3)):
        assert said(lambda: named.predict(rows)) == wanted  # noqa: B023
        assert said(lambda: without.predict(rows)) == []  # noqa: B023
    assert said(lambda: without.predict(table("abc"))) == said(lambda: fitted(X, Theirs).predict(frame))
    assert said(lambda: without.predict(text("abc"))) == said(lambda: without.predict(table("abc")))
    assert not hasattr(named.fit("x.npy"), "feature_names_in_")


def test_what_names_no_feature_is_no_name(share):
    np.savetxt("x.csv", X, delimiter=",")
    vectors = pa.table({"v": pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), 3)})
    parquet.write_table(vectors, "v.parquet")
    numbered = lambda: (pd.DataFrame(part) for part in np.split(X, 3))  # noqa: E731
    for rows in (sources.Csv("x.csv", header=False), vectors, "v.parquet", numbered):
        model = fitted(rows)
        assert model.n_features_in_ == 3
        assert not hasattr(model, "feature_names_in_")


def test_what_is_read_once_has_names():
    model = fitted(pa.RecordBatchReader.from_batches(table("abc").schema, table("abc").to_batches(20)))
    assert model.feature_names_in_.tolist() == list("abc")
    with pytest.raises(ValueError, match="same order"):
        model.predict(iter(table("cba").to_batches(20)))


def test_chunks_have_the_same_columns(share):
    chunks = [table("abc"), table("cba")]
    with pytest.raises(
        ValueError, match=r"a chunk has the columns \['c', 'b', 'a'\], those before it \['a', 'b', 'c'\]"
    ):
        kmeans_fast.kmeans(lambda: chunks, 2, seed=0)


def test_a_file_keeps_the_names():
    fitted(parquet_file("abc")).save("model.npz")
    with pytest.raises(ValueError, match="same order"):
        kmeans_fast.load("model.npz").predict(parquet_file("cba"))
