"""Files and chunks that differ from each other, or from what they say: read right, or refused by name."""

import gzip
import os

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import kmeans_fast
from kmeans_fast import door, sources
from kmeans_fast.sources import npy

pa = pytest.importorskip("pyarrow")
csv, parquet = (pytest.importorskip(f"pyarrow.{name}") for name in ("csv", "parquet"))

pytestmark = pytest.mark.usefixtures("here")
X = np.random.default_rng(0).normal(size=(500, 3))


def means(*arguments, **options):
    return kmeans_fast.kmeans(*arguments, 1, seed=0, **options).centroids


def write(path, rows, names="abc"):
    parquet.write_table(pa.table(dict(zip(names, rows.T))), path)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_parquet_of_several_dtypes_is_rounded_to_none_of_them(monkeypatch, share):
    monkeypatch.setattr(door, "_ARRAY_SHARE", share)
    write("1.parquet", X.astype(np.float32))
    write("2.parquet", X)
    write("3.parquet", np.full((5, 3), 2**24 + 1))
    for paths, rows in (
        (["1.parquet", "2.parquet"], [X.astype(np.float32), X]),
        (["1.parquet", "3.parquet"], [X.astype(np.float32), np.full((5, 3), 2.0**24 + 1)]),
    ):
        assert_array_equal(means(paths), means(np.concatenate(rows)))


def test_columns_go_by_name_in_every_file():
    write("1.parquet", X)
    write("2.parquet", X[:, ::-1], "cba")
    assert_array_equal(means(["1.parquet", "2.parquet"]), means(np.concatenate([X, X])))
    np.savetxt("1.csv", X, header="a,b,c", comments="", delimiter=",", fmt="%.17g")
    np.savetxt("2.csv", X[:, ::-1], header="c,b,a", comments="", delimiter=",", fmt="%.17g")
    assert_array_equal(means(["1.csv", "2.csv"]), means(np.concatenate([X, X])))
    write("3.parquet", X[:, :2])
    with pytest.raises(ValueError, match=r"3\.parquet.* no column 'c' among 'a', 'b'"):
        means(["1.parquet", "3.parquet"])
    np.savetxt("3.csv", np.hstack([X, X]), header="a,b,c,d,e,f", comments="", delimiter=",")
    with pytest.raises(ValueError, match=r"3\.csv.* it has 6 columns, the files before it 3"):
        means(["1.csv", "3.csv"])


def test_a_file_may_be_named_twice():
    write("1.parquet", X)
    np.save("1.npy", X)
    for path in ("1.parquet", "1.npy"):
        assert len(kmeans_fast.kmeans([path, path], 2, seed=0).labels) == 2 * len(X)


@pytest.mark.parametrize("path", ["data", "data/*", "data/**", "./data/**/*.parquet", "data/*.parquet"])
def test_files_of_a_directory_that_ends_as_they_do_are_read_once(path):
    """Spark writes such directories."""
    os.makedirs("data/1.parquet")
    write("data/1.parquet/a.parquet", X[:200])
    write("data/1.parquet/b.parquet", X[200:])
    wanted = kmeans_fast.kmeans(X, 2, seed=0).labels
    for rows in (path, sources.Parquet(path)):
        assert_array_equal(kmeans_fast.kmeans(rows, 2, seed=0).labels, wanted)


@pytest.mark.parametrize(
    ("filter", "error", "message"),
    [
        ([("a", ">", "x")], ValueError, "x.parquet: .*no kernel matching input types"),
        ([("z", ">", 1)], ValueError, "x.parquet: .*No match for FieldRef"),
        ([("a", "~", 1)], ValueError, 'filter must be like .*"~" is not a valid operator'),
        ([("a", 1)], ValueError, "filter must be like"),
        ([("a", "in", 1)], ValueError, "filter must be like"),
        ("a > 1", TypeError, "filter must be an expression of pyarrow.compute or a list of tuples, got 'a > 1'"),
    ],
)
def test_filters_that_are_none(filter, error, message):
    write("x.parquet", X)
    with pytest.raises(error, match=message):
        sources.Parquet("x.parquet", filter=filter)


def test_an_empty_filter_chooses_all_rows():
    write("x.parquet", X)
    assert_array_equal(means(sources.Parquet("x.parquet", filter=[])), means("x.parquet"))


def test_two_columns_of_one_name_are_refused():
    parquet.write_table(pa.table([X[:, 0], X[:, 1]], names=["a", "a"]), "x.parquet")
    with open("x.csv", "w") as file:
        file.write("a,a\n1,2\n3,4\n")
    for path in ("x.parquet", "x.csv"):
        with pytest.raises(ValueError, match="more than one column 'a'"):
            means(path)


def test_files_without_rows_are_passed_over():
    np.save("1.npy", X[:0])
    np.save("2.npy", X)
    np.save("3.npy", X[:0])
    assert_array_equal(means("*.npy"), means(X))
    with pytest.raises(ValueError, match="no chunk with rows"):
        means("1.npy")


def test_packed_text_is_found_and_has_its_delimiter():
    os.mkdir("data")
    with gzip.open("data/x.tsv.gz", "wt") as file:
        file.write("a\tb\n1\t2\n3\t4\n")
    assert_array_equal(means("data"), [[2.0, 3.0]])


def test_names_in_text_are_looked_at_again_when_it_has_changed(monkeypatch):
    opened, open_csv = [], csv.open_csv
    monkeypatch.setattr(csv, "open_csv", lambda *how: opened.append(how) or open_csv(*how))
    np.savetxt("x.csv", X, header="a,b,c", comments="", delimiter=",")
    source = sources.Csv("x.csv")
    assert [len(list(source.chunks())) for _ in range(3)] == [1, 1, 1]
    assert len(opened) == 4
    np.savetxt("x.csv", X[:, :2], header="c,a", comments="", delimiter=",", fmt="%.17g")
    assert_array_equal(np.concatenate(list(source.chunks())), X[:, :2])


def test_what_is_wrong_in_text_is_said_with_file_and_row(monkeypatch):
    monkeypatch.setattr(door, "_ARRAY_SHARE", 0.0)
    for number, last in enumerate(["7", "nan"]):
        with open(f"{number}.csv", "w") as file:
            file.write(f"a,b\n1,2\n3,{last}\n")
    with pytest.raises(ValueError, match=r"1\.csv contains NaN at \(1, 1\)"):
        means("*.csv")


def test_a_column_of_text_is_named():
    """pyarrow says "column #1" of the second one, and no name."""
    with open("x.csv", "w") as file:
        file.write("a,town,b\n1,Oslo,2\n3,Rome,4\n")
    for columns, name, cell in ((None, "town", "Oslo"), (["b", "town"], "town", "Oslo")):
        said = rf"^x\.csv: column '{name}' holds '{cell}' and not only numbers: choose columns of numbers with columns="
        with pytest.raises(ValueError, match=said):
            means(sources.Csv("x.csv", columns=columns))
    with pytest.raises(ValueError, match=r"x\.csv: column 'f0' holds 'a' and not only numbers"):
        means(sources.Csv("x.csv", header=False))
    assert_array_equal(means(sources.Csv("x.csv", columns=["a", "b"])), [[2.0, 3.0]])


def test_the_file_that_has_changed_is_named(monkeypatch):
    monkeypatch.setattr(door, "_ARRAY_SHARE", 0.0)
    for number in range(3):
        np.save(f"{number}.npy", X)
    with pytest.raises(ValueError, match=r"1\.npy has changed"):
        kmeans_fast.kmeans("*.npy", 3, seed=0, callback=lambda step: os.utime("1.npy", ns=(1, step.iteration)))


@pytest.mark.parametrize("kind", ["file", "table"])
def test_vectors_come_in_chunks_of_their_own_width(kind):
    """Of 768 features each, a chunk of as many rows as one feature has would be 400 times the memory that it may be."""
    rows = np.zeros((4000, 768), np.float32)
    table = pa.table({"v": pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), 768)})
    parquet.write_table(table, "v.parquet", row_group_size=100)
    found = sources.source_of("v.parquet" if kind == "file" else table)
    for n_bytes in (1 << 22, 1 << 20):
        sizes = [len(chunk) * 768 * 4 for chunk in found.cut(n_bytes).chunks()]
        assert sum(sizes) == rows.nbytes
        assert n_bytes / 2 < max(sizes) <= n_bytes


def test_a_generator_may_use_its_memory_again(monkeypatch):
    """The next chunk is asked for while this one is worked on."""
    monkeypatch.setattr(door, "_ARRAY_SHARE", 0.0)

    def chunks():
        buffer = np.empty((50, 3))
        for start in range(0, 500, 50):
            buffer[:] = X[start : start + 50]
            yield buffer

    assert_array_equal(means(chunks), means(X))
    monkeypatch.setattr(door, "_ARRAY_SHARE", 0.5)
    assert_array_equal(means(chunks()), means(X))


class Slices:
    """It says that it has 500 rows."""

    shape, dtype = X.shape, X.dtype

    def __init__(self, rows):
        self.rows = rows

    def __getitem__(self, rows):
        return self.rows[rows] if rows.stop < 500 else self.rows[rows.start :]


@pytest.mark.parametrize("n", [400, 600])
def test_a_source_that_does_not_have_the_rows_it_says_is_refused(n):
    with pytest.raises(ValueError, match=f"X says that it has 500 rows and gave {n}"):
        means(Slices(np.zeros((n, 3))))


def test_a_map_of_a_file_that_is_another_now(monkeypatch):
    np.save("x.npy", X)
    mapped = np.load("x.npy", mmap_mode="r")
    np.save("y.npy", X + 5)
    monkeypatch.setattr(npy, "available_bytes", lambda: 1000)
    os.replace("y.npy", "x.npy")
    with pytest.raises(ValueError, match=r"x\.npy: another file has this name since it was mapped"):
        means(mapped)
    os.unlink("x.npy")
    assert_array_equal(means(mapped), means(X))
