"""Rows in files and what else is no array: the bits of one array, from any source in chunks of any size."""

import gzip
import itertools
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from support import run_python, some_weights

import kmeans_fast
from kmeans_fast import KMeans, door, sources
from kmeans_fast.engine import on_disk, seeding
from kmeans_fast.sources import npy, reading

pa = pytest.importorskip("pyarrow")
csv, dataset, parquet = (pytest.importorskip(f"pyarrow.{name}") for name in ("csv", "dataset", "parquet"))

D = 3
NAMES = ["a", "b", "c"]


@pytest.fixture(autouse=True)
def room_for_no_array(monkeypatch):
    monkeypatch.setattr(door, "_ARRAY_SHARE", 0.0)


def data(n=500, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    return (4 * rng.integers(0, 5, (n, 1)) + rng.normal(size=(n, D))).astype(dtype)


def table(X):
    return pa.table(dict(zip(NAMES, X.T)))


class Sliceable:
    """As a dataset of h5py or Zarr: a shape, a dtype, slices, and chunks of its own."""

    def __init__(self, X, own=None):
        self.X, self.shape, self.dtype, self.chunks = X, X.shape, X.dtype, own

    def __getitem__(self, rows):
        return self.X[rows]


def npy_file(X, path, order="C"):
    np.save(path / "x.npy", np.asarray(X, order=order))
    return path / "x.npy"


def npy_files(X, path, cut):
    for number, part in enumerate(np.split(X, [cut, 2 * cut])):
        np.save(path / f"part-{number}.npy", part)
    return str(path / "part-*.npy")


def parquet_file(X, path, rows):
    parquet.write_table(table(X), path / "x.parquet", row_group_size=rows)
    return path / "x.parquet"


def parquet_directory(X, path, rows):
    (path / "data" / "more").mkdir(parents=True)
    parquet.write_table(table(X[:200]), path / "data" / "a.parquet", row_group_size=rows)
    parquet.write_table(table(X[200:200]), path / "data" / "b.parquet")
    parquet.write_table(table(X[200:]), path / "data" / "more" / "c.parquet", row_group_size=rows)
    return str(path / "data")


def parquet_vectors(X, path, rows):
    flat = pa.array(X.ravel())
    vectors = pa.FixedSizeListArray.from_arrays(flat, D)
    parquet.write_table(pa.table({"vector": vectors}), path / "v.parquet", row_group_size=rows)
    return sources.Parquet(path / "v.parquet")


def chosen_rows(X, path, rows):
    marked = table(np.concatenate([X, X + 1])).append_column("keep", pa.array(np.arange(2 * len(X)) < len(X)))
    parquet.write_table(marked, path / "k.parquet", row_group_size=rows)
    return sources.Parquet(path / "k.parquet", columns=NAMES, filter=[("keep", "==", True)])


def packed(X, path, rows):
    text = "\n".join(",".join(map(repr, row)) for row in X.astype(np.float64).tolist())
    with gzip.open(path / "x.csv.gz", "wt") as file:
        file.write("a,b,c\n" + text)
    return path / "x.csv.gz"


def without_header(X, path, rows):
    np.savetxt(path / "x.tsv", X.astype(np.float64), delimiter="\t", fmt="%.17g")
    return sources.Csv(path / "x.tsv", header=False)


def hdf5(X, path, rows):
    h5py = pytest.importorskip("h5py")
    file = h5py.File(path / "x.h5", "w")
    return file.create_dataset("x", data=X, chunks=(min(rows, len(X)), D))


def zarr_array(X, path, rows):
    zarr = pytest.importorskip("zarr")
    found = zarr.create_array(str(path / "x.zarr"), shape=X.shape, dtype=X.dtype, chunks=(rows, D))
    found[...] = X
    return found


def xarray_array(X, path, rows):
    return pytest.importorskip("xarray").DataArray(X, dims=("row", "column"))


MAKERS = {
    "npy": lambda X, path, rows: npy_file(X, path),
    "npy, by columns": lambda X, path, rows: npy_file(X, path, "F"),
    "npy, several": npy_files,
    "Npy": lambda X, path, rows: sources.Npy(str(npy_file(X, path))),
    "list of paths": lambda X, path, rows: [npy_file(X, path)],
    "parquet": parquet_file,
    "parquet, directory": parquet_directory,
    "parquet, vectors": parquet_vectors,
    "parquet, filter": chosen_rows,
    "csv": packed,
    "tsv": without_header,
    "table": lambda X, path, rows: table(X),
    "sliced": lambda X, path, rows: Sliceable(X, (rows, D)),
    "sliced, no chunks": lambda X, path, rows: Sliceable(X),
    "function": lambda X, path, rows: lambda: (X[i : i + rows].copy() for i in range(0, len(X), rows)),
    "function of batches": lambda X, path, rows: lambda: table(X).to_batches(rows),
    "h5py": hdf5,
    "zarr": zarr_array,
    "xarray": xarray_array,
}
TEXT = ("csv", "tsv")  # whose cells become float64


def same(found, wanted):
    assert_array_equal(found.centroids, wanted.centroids)
    assert_array_equal(found.labels, wanted.labels)
    assert (found.inertia, found.n_iter) == (wanted.inertia, wanted.n_iter)


@pytest.mark.parametrize("fits", [False, True])
@pytest.mark.parametrize("maker", MAKERS)
def test_a_fit_has_the_bits_of_one_array(monkeypatch, tmp_path, maker, fits):
    X = data()
    if fits:
        monkeypatch.setattr(door, "_ARRAY_SHARE", 0.5)
    monkeypatch.setattr(door, "chunk_bytes", lambda *most: 64 * 12)  # 64 rows
    monkeypatch.setattr("kmeans_fast.sources.csv._FEWEST_BYTES", 1)
    source = MAKERS[maker](X, tmp_path, 70)
    how = {"seed": 0, "sample_weight": some_weights(len(X)), "max_iter": 9}
    wanted = kmeans_fast.kmeans(X.astype(np.float64) if maker in TEXT else X, 5, **how)
    same(kmeans_fast.kmeans(source, 5, **how), wanted)
    assert_array_equal(kmeans_fast.assign(source, wanted.centroids)[0], wanted.labels)


@settings(deadline=None, max_examples=20)
@given(
    maker=st.sampled_from(["parquet", "Npy", "sliced", "function"]),
    dtype=st.sampled_from([np.float32, np.float64, np.int16]),
    rows=st.integers(1, 150),
    n_bytes=st.integers(1, 1 << 14),
    init=st.sampled_from(["k-means++", "k-means||", "random"]),
)
def test_any_source_in_chunks_of_any_size(tmp_path_factory, maker, dtype, rows, n_bytes, init):
    X = data(150, dtype, seed=rows)
    source = MAKERS[maker](X, tmp_path_factory.mktemp("any"), rows)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(door, "chunk_bytes", lambda *most: n_bytes)
        how = {"seed": 1, "init": init, "max_iter": 5}
        same(kmeans_fast.kmeans(source, 4, **how), kmeans_fast.kmeans(X, 4, **how))


def test_an_estimator_takes_files(tmp_path):
    X = data()
    path = parquet_file(X, tmp_path, 99)
    wanted = KMeans(4, random_state=0).fit(X)
    model = KMeans(4, random_state=0, max_memory="1GB").fit(str(path))
    assert_array_equal(model.cluster_centers_, wanted.cluster_centers_)
    assert_array_equal(model.predict(path), wanted.labels_)
    assert_array_equal(model.transform(path), wanted.transform(X))
    assert model.score(path) == wanted.score(X)
    assert model.n_features_in_ == D
    with pytest.raises(ValueError, match="Feature names seen at fit time, yet now missing:\n- c"):
        model.predict(sources.Parquet(path, columns=["a", "b"]))
    with pytest.raises(ValueError, match="X has 2 features, but KMeans is expecting 3 features"):
        wanted.predict(sources.Parquet(path, columns=["a", "b"]))


def test_distances_that_memory_has_no_room_for_are_on_disk(monkeypatch, tmp_path):
    X, made, empty = data(), [], on_disk.empty
    monkeypatch.setattr(on_disk, "allowed_for_states", lambda: 0)
    monkeypatch.setattr(on_disk, "empty", lambda n, dtype: made.append(n) or empty(n, dtype))
    assert_array_equal(kmeans_fast.assign(parquet_file(X, tmp_path, 99), X[:5])[1], kmeans_fast.assign(X, X[:5])[1])
    assert 500 in made


def test_what_can_be_read_once_becomes_an_array(monkeypatch):
    X = data()
    wanted = kmeans_fast.kmeans(X, 3, seed=0)
    with pytest.raises(ValueError, match="can be read once only"):
        kmeans_fast.kmeans(iter([X[:100], X[100:]]), 3, seed=0)
    monkeypatch.setattr(door, "_ARRAY_SHARE", 0.5)
    same(kmeans_fast.kmeans(iter([X[:100], X[100:]]), 3, seed=0), wanted)
    reader = pa.RecordBatchReader.from_batches(table(X).schema, table(X).to_batches(99))
    same(kmeans_fast.kmeans(reader, 3, seed=0), wanted)


def test_a_map_larger_than_the_budget_is_read_by_blocks(tmp_path, monkeypatch):
    X = data(2000)
    path = npy_file(X, tmp_path)
    mapped = np.load(path, mmap_mode="r")
    assert sources.source_of(mapped) is None
    monkeypatch.setattr(npy, "available_bytes", lambda: 1000)
    for rows in (mapped, mapped[7:], mapped[300:1999], mapped.view(np.float32)[5:]):
        found = sources.source_of(rows)
        assert isinstance(found, npy.Mapped)
        assert_array_equal(np.concatenate(list(found.cut(999).chunks())), rows)
        assert_array_equal(found.rows(np.array([3, 0, 9])), rows[[3, 0, 9]])
        same(kmeans_fast.kmeans(rows, 3, seed=0), kmeans_fast.kmeans(np.array(rows), 3, seed=0))
    for rows in (mapped[::2], mapped[:, :2], np.load(path, mmap_mode="c"), np.load(path)):
        assert sources.source_of(rows) is None


def test_a_budget_decides_and_explain_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(door, "_ARRAY_SHARE", 0.5)
    path = npy_file(data(20_000), tmp_path)  # 240 kB
    assert "rows become one array, 0.2 MiB: they fit into memory" in kmeans_fast.explain(path, 3)
    monkeypatch.setattr(npy, "mapping_of", lambda path: None)
    told = kmeans_fast.explain(path, 3, max_memory="400kB")
    assert "rows are read anew in each pass; kept in memory: labels" in told
    told = kmeans_fast.explain(path, 3, max_memory=100_000)
    assert "rows are read anew in each pass; kept in a file: labels" in told
    wanted = kmeans_fast.kmeans(data(20_000), 3, seed=0)
    same(kmeans_fast.kmeans(path, 3, seed=0, max_memory="400kB"), wanted)


@pytest.mark.parametrize(
    ("size", "n_bytes"), [("8GB", 8 * 10**9), ("1.5 GiB", 3 << 29), ("512m", 512 * 10**6), (2.0**30, 1 << 30), ("7", 7)]
)
def test_sizes_are_numbers_or_words(size, n_bytes):
    from kmeans_fast.parameters import checked

    assert checked({"max_memory": size}) == {"max_memory": n_bytes}


def bad(X, row, column, value):
    X = X.copy()
    X[row, column] = value
    return X


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: npy_file(bad(data(), 350, 2, np.nan), path), r"x\.npy contains NaN at \(350, 2\)"),
        (lambda path: npy_file(bad(data(), 499, 0, np.inf), path), r"x\.npy contains infinity at \(499, 0\)"),
        (lambda path: parquet_file(bad(data(), 350, 1, np.nan), path, 90), r"x\.parquet contains NaN at \(350, 1\)"),
        (
            lambda path: parquet_directory(bad(data(), 350, 1, np.nan), path, 90),
            r"more.c\.parquet contains NaN at \(150, 1\)",
        ),
        (
            lambda path: npy_file(bad(data(dtype=np.float64), 350, 2, -1e200), path),
            r"X has, in .*x\.npy at \(350, 2\), values up to 1e\+200; .* Scale the data",
        ),
        (
            lambda path: parquet_directory(bad(data(dtype=np.float64), 350, 1, 1e200), path, 90),
            r"X has, in .*more.c\.parquet at \(150, 1\), values up to 1e\+200; .* Scale the data",
        ),
        (lambda path: path / "no.npy", "no.npy: there must be such a file, and there is none"),
        (lambda path: str(path / "*.parquet"), "there must be such a file"),
        (lambda path: path, "there must be a file that ends in .npy or .parquet"),
        (lambda path: sources.Parquet(parquet_file(data(), path, 9), columns=["z"]), "no column 'z' among 'a', 'b'"),
        (lambda path: [1, 2], "must have 2 dimensions"),
        (lambda path: "points.xyz", "points.xyz: there must be such a file"),
        (lambda path: iter([]), "no chunk with rows"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, make, message):
    with pytest.raises(ValueError, match=message):
        kmeans_fast.kmeans(make(tmp_path), 2)


@pytest.mark.parametrize("name", ["x.npy", "x.parquet", "x.csv"])
@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"PAR1 and more", b"a,b\n1,2\n3,x\n"])
def test_damaged_files_are_refused_by_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=name):
        kmeans_fast.kmeans(tmp_path / name, 1)


def test_columns_that_hold_no_numbers_are_refused(tmp_path):
    words = table(data()).append_column("word", pa.array(["x"] * 500))
    parquet.write_table(words, tmp_path / "w.parquet")
    with pytest.raises(ValueError, match="column 'word' holds string and no numbers"):
        kmeans_fast.kmeans(tmp_path / "w.parquet", 2)
    ragged = pa.table({"v": pa.array([[1.0, 2.0], [3.0]])})
    with pytest.raises(ValueError, match="column 'v' has lists of different lengths"):
        kmeans_fast.kmeans(ragged, 1)
    missing = pa.table({"a": [1, None, 3]})
    with pytest.raises(ValueError, match=r"contains NaN at \(1, 0\)"):
        kmeans_fast.kmeans(missing, 1)


def test_numbers_held_as_a_dictionary(tmp_path):
    X = data(dtype=np.float64).round(0)
    held = table(X).set_column(1, "b", pa.array(X[:, 1]).dictionary_encode())
    parquet.write_table(held, tmp_path / "x.parquet", row_group_size=90)
    wanted = kmeans_fast.kmeans(X, 3, seed=0)
    for rows in (held, lambda: held.to_batches(70), tmp_path / "x.parquet"):
        same(kmeans_fast.kmeans(rows, 3, seed=0), wanted)


def test_a_file_that_changes_during_a_fit_is_refused(tmp_path):
    path = npy_file(data(), tmp_path)

    def touch(step):
        np.save(path, data(seed=1))
        os.utime(path, ns=(1, step.iteration))

    with pytest.raises(ValueError, match=r"x\.npy has changed since it was first read"):
        kmeans_fast.kmeans(path, 3, seed=0, callback=touch)


def test_errors_of_a_function_arrive():
    X, passes = data(), itertools.count()

    def failing():
        yield X[:100]
        if next(passes) == 2:
            raise OSError("the tape is torn")
        yield X[100:]

    with pytest.raises(OSError, match="the tape is torn"):
        kmeans_fast.kmeans(failing, 3, seed=0)


@pytest.mark.parametrize(("kind", "most"), [(npy_file, 2), (lambda X, path: parquet_file(X, path, 2000), 3)])
def test_default_seeds_of_many_rows_take_few_passes(tmp_path, monkeypatch, kind, most):
    """One for the masses of the rows, one to draw a sample, and one for its rows where they have no place in a file."""
    X, places = data(20_000), []
    monkeypatch.setattr(seeding, "_LEAST_ROWS", 256)  # few of them
    monkeypatch.setattr(seeding, "_ROWS_A_CLUSTER", 16)
    monkeypatch.setattr(seeding, "_LEAST_WORK", 1)
    monkeypatch.setattr("kmeans_fast.sources.parquet.CHUNK_BYTES", 1)
    monkeypatch.setattr(door, "chunk_bytes", lambda *most: 1 << 14)
    monkeypatch.setattr(reading, "listeners", [lambda place, *_: places.append(place)])
    file, passes, found = kind(X, tmp_path), [], []
    for init in ("k-means++", X[:4]):
        places.clear()
        found.append(kmeans_fast.kmeans(file, 4, init=init, seed=0, max_iter=1))
        passes.append(len(places) / len(set(places)))
    assert len(set(places)) >= 9
    assert passes[0] - passes[1] == most
    assert_array_equal(found[0].centroids, kmeans_fast.kmeans(X, 4, seed=0, max_iter=1).centroids)


def test_without_pyarrow_npy_is_read_and_the_rest_says_what_to_install(tmp_path):
    path = npy_file(data(), tmp_path)
    (tmp_path / "x.parquet").write_bytes(b"")
    run_python(
        """
        import sys
        sys.modules["pyarrow"] = None
        import kmeans_fast
        kmeans_fast.kmeans(sys.argv[1], 2, seed=0)
        for path in sys.argv[2], sys.argv[3]:
            try:
                kmeans_fast.kmeans(path, 2)
            except ImportError as error:
                assert "needs pyarrow" in str(error), error
            else:
                raise SystemExit("no ImportError")
        """,
        path,
        tmp_path / "x.parquet",
        packed(data(), tmp_path, 9),
    )


def test_a_chunk_of_text_is_known_when_the_next_pass_has_begun(tmp_path):
    """A pass reads ahead, and so begins the next one before what it knows of the last chunk is asked for."""
    path = tmp_path / "x.csv"
    path.write_text("a\n" + "12345.678\n" * 40_000)
    source = sources.Csv(path).cut(1)
    chunks = len(list(source.chunks()))
    assert chunks > 1
    next(source.chunks())
    assert source.told(chunks - 1)[0] == str(path)
