"""``kmeans-fast predict --max-memory``: labels that are written as rows come, those of `predict` without the option."""

import errno
import os
import threading

import numpy as np
import pytest
from command_line import run_process
from numpy.testing import assert_array_equal

import kmeans_fast
from kmeans_fast.cli import big_predict, outputs
from kmeans_fast.cli.readers import source

BUDGET = ["--max-memory", "400kB"]
N = 20_000


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A table of numbers, missing cells and texts as Parquet, CSV and .npy, to be read in small pieces."""
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(source, "_FEWEST_BYTES", 1 << 14)
    monkeypatch.setattr(outputs, "_ROWS_A_GROUP", 3000)
    rng = np.random.default_rng(0)
    X = 4 * rng.integers(0, 5, (N, 1)) + rng.normal(size=(N, 3)).astype(np.float32)
    np.save("x.npy", X.astype(np.float32))
    np.savetxt("bare.csv", X, delimiter=",", fmt="%.9g")
    absent = rng.random(N) < 0.1
    columns = {"word": rng.choice(["red", "green", "blue"], N), "c": X[:, 2], "a": pa.array(X[:, 0], mask=absent)}
    table = pa.table({**columns, "b": X[:, 1].astype(np.float32), "n": rng.integers(0, 2**60, N)})
    parquet.write_table(table, "x.parquet", row_group_size=N)
    pytest.importorskip("pyarrow.csv").write_csv(table, "x.csv")
    for number in range(3):
        parquet.write_table(table.slice(number * 7000, 7000), f"part-{number}.parquet")
    return tmp_path


FITS = {
    "as they are": ["x.npy"],
    "text without names": ["bare.csv"],
    "text": ["x.csv", "--columns", "c,b,n"],
    "float32": ["x.parquet", "--columns", "b,c,n", "--dtype", "float32"],
    "scaled": ["x.parquet", "--columns", "c,b", "--scale", "robust"],
    "filled in, components": ["x.parquet", "--columns", "a,b,c", "--missing", "median", "--pca", "2"],
    "categories": ["x.csv", "--missing", "median", "--categories", "auto", "--scale", "standard"],
    "left out": ["x.parquet", "--missing", "drop", "--categories", "drop"],
}


@pytest.mark.parametrize("fit", FITS)
def test_labels_are_those_of_predict_without_it(files, run, fit):
    file, *how = FITS[fit]
    run("fit", file, "-k", 4, "--max-iter", 3, "--quiet", "--model", "m.npz", *how)
    more = ["--distances", *(["--missing", "drop"] if fit == "left out" else [])]
    for ending in ("npy", "csv", "parquet"):
        run("predict", "m.npz", file, *more, "-o", f"whole.{ending}")
        told = run("predict", "m.npz", file, *more, *BUDGET, "-o", f"blocks.{ending}")
        for word in ("20,000 labels written", "1 file, 20,000 rows", "reading", "labelling", "writing"):
            assert word in told.err
    for name in ("{}.npy", "{}-distances.npy", "{}.csv"):
        whole, blocks = ((files / name.format(which)).read_bytes() for which in ("whole", "blocks"))
        assert whole == blocks
    parquet = pytest.importorskip("pyarrow.parquet")
    labels, found = np.load("whole.npy"), parquet.read_table("blocks.parquet")
    assert found.equals(parquet.read_table("whole.parquet"))
    assert_array_equal(found["label"].fill_null(-1), labels)
    assert parquet.ParquetFile("blocks.parquet").num_row_groups > 1
    assert (labels == -1).any() == (fit == "left out")
    if fit == "as they are":
        assert_array_equal(labels, kmeans_fast.load("m.npz").predict("x.npy"))


def test_rows_of_several_files(files, run):
    run("fit", "x.parquet", "-k", 4, "--columns", "c,b", "--quiet", "--model", "m.npz")
    run("predict", "m.npz", "x.parquet", "-o", "whole.npy")
    (files / "more").mkdir()
    for number in range(3):
        (files / f"part-{number}.parquet").rename(files / "more" / f"{number}.parquet")
    for path in ("more", "more/*.parquet"):
        told = run("predict", "m.npz", path, *BUDGET, "-o", "blocks.npy")
        assert "3 files, 20,000 rows" in told.err
        assert_array_equal(np.load("blocks.npy"), np.load("whole.npy"))


def test_few_rows_are_held_at_a_time(files, run, monkeypatch):
    run("fit", "x.parquet", "-k", 4, "--columns", "c,b", "--quiet", "--model", "m.npz")
    sizes = []
    assign = big_predict.assign
    monkeypatch.setattr(big_predict, "assign", lambda X, *more, **how: sizes.append(X) or assign(X, *more, **how))
    for file in ("x.parquet", "x.csv"):
        sizes.clear()
        run("predict", "m.npz", file, *BUDGET, "-o", "p.npy")
        assert sum(map(len, sizes)) == N
        assert max(map(len, sizes)) < N / 4


def test_columns_that_a_model_makes_of_one_count(files, run, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    words = [f"word {number % 19}" for number in range(N)]
    parquet.write_table(parquet.read_table("x.parquet", columns=["b"]).append_column("word", [words]), "wide.parquet")
    run("fit", "wide.parquet", "-k", 4, "--categories", "word", "--quiet", "--model", "m.npz")
    sizes = []
    assign = big_predict.assign
    monkeypatch.setattr(big_predict, "assign", lambda X, *more, **how: sizes.append(X) or assign(X, *more, **how))
    run("predict", "m.npz", "wide.parquet", *BUDGET, "-o", "p.npy")
    assert sum(map(len, sizes)) == N
    assert max(X.nbytes for X in sizes) <= 400_000 / 16


@pytest.mark.parametrize("file", ["x.parquet", "x.csv", "x.npy", "part-*.parquet"])
def test_rows_are_read_while_those_before_are_labelled(files, run, monkeypatch, file):
    how = [] if file == "x.npy" else ["--columns", "b,c"]
    run("fit", file if "*" not in file else "x.parquet", "-k", 4, *how, "--quiet", "--model", "m.npz")
    read, assign, there, begun = big_predict.read_blocks, big_predict.assign, threading.Semaphore(0), []

    def noted(*given, **how):
        for table in read(*given, **how):
            there.release()
            yield table

    def waits(*given, **how):
        for _ in range(1 if begun else 2):
            assert there.acquire(timeout=60), "the next rows are not read before these have their labels"
        begun.append(True)
        return assign(*given, **how)

    monkeypatch.setattr(big_predict, "read_blocks", noted)
    monkeypatch.setattr(big_predict, "assign", waits)
    run("predict", "m.npz", file, *BUDGET, "-o", "p.npy")
    assert len(np.load("p.npy")) == N


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "to a file: name it with -o"),
        (["-o", "p.npy", "--append", "y.csv"], "--append needs the labels of all rows in memory"),
        (["-o", "p.npy", "--columns", "c"], "fitted on 2 columns, got 1"),
    ],
)
def test_what_cannot_be_is_refused(files, run, refused, more, message):
    run("fit", "x.csv", "-k", 3, "--columns", "c,b", "--quiet", "--model", "m.npz")
    assert message in refused("predict", "m.npz", "x.csv", *BUDGET, *more)
    assert not (files / "p.npy").exists()


def test_a_bad_cell_is_told_of_by_its_place_and_nothing_is_written(files, run, refused):
    run("fit", "x.csv", "-k", 3, "--columns", "c,b", "--quiet", "--model", "m.npz")
    lines = (files / "x.csv").read_text().split("\n")
    lines[15_000] = '"red",much,1,1,1'
    (files / "x.csv").write_text("\n".join(lines))
    whole = refused("predict", "m.npz", "x.csv", "-o", "p.npy")
    assert "row 15001, column 2 ('c')" in whole
    assert refused("predict", "m.npz", "x.csv", *BUDGET, "-o", "p.npy") == whole
    assert not (files / "p.npy").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes on this system")
def test_a_pipe_is_read_by_the_thread_that_ctrl_c_reaches(files, run, monkeypatch):
    read, threads = big_predict.read_blocks, set()

    def noted(*given, **how):
        for table in read(*given, **how):
            threads.add(threading.current_thread())
            yield table

    run("fit", "bare.csv", "-k", 4, "--quiet", "--model", "m.npz")
    run("predict", "m.npz", "bare.csv", "-o", "whole.npy")
    monkeypatch.setattr(big_predict, "read_blocks", noted)
    os.mkfifo("pipe.csv")
    writer = threading.Thread(target=(files / "pipe.csv").write_bytes, args=[(files / "bare.csv").read_bytes()])
    writer.start()
    run("predict", "m.npz", "pipe.csv", *BUDGET, "-o", "p.npy")
    writer.join(60)
    assert_array_equal(np.load("p.npy"), np.load("whole.npy"))
    assert threads == {threading.main_thread()}


@pytest.mark.parametrize("file", ["x.parquet", "x.csv", "x.npy"])
def test_a_full_disk_is_told_of_as_such(files, run, refused, monkeypatch, file):
    how = [] if file == "x.npy" else ["--columns", "b,c"]
    run("fit", file, "-k", 3, *how, "--quiet", "--model", "m.npz")

    def full(self, columns):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(outputs._Arrays, "add", full)
    line = refused("predict", "m.npz", file, *BUDGET, "-o", "p.npy", code=1)
    assert line == f"kmeans-fast: error: [Errno 28] No space left on device: '{(files / 'p.npy').resolve()}'"
    assert not (files / "p.npy").exists()


def test_missing_cells_that_nothing_is_done_about(files, run, refused):
    run("fit", "x.parquet", "-k", 3, "--columns", "a,b", "--missing", "drop", "--quiet", "--model", "m.npz")
    line = refused("predict", "m.npz", "x.parquet", *BUDGET, "-o", "p.npy")
    assert "is empty or NaN, and the model fills in no cells there" in line
    (files / "empty.csv").write_text("a,b\n,1\n,2\n")
    line = refused("predict", "m.npz", "empty.csv", *BUDGET, "--missing", "drop", "-o", "p.npy")
    assert "every row has a missing cell" in line


def test_components_whose_bits_depend_on_the_number_of_rows_are_refused(files, refused):
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline

    X = np.load("x.npy")
    kmeans_fast.save(make_pipeline(PCA(2), kmeans_fast.KMeans(3, random_state=0)).fit(X), "m.npz")
    assert "a PCA of scikit-learn's" in refused("predict", "m.npz", "x.npy", *BUDGET, "-o", "p.npy")


def test_without_a_terminal_and_quiet(files, run):
    run("fit", "x.npy", "-k", 3, "--quiet", "--model", "m.npz")
    done = run_process(files, "predict", "m.npz", "x.npy", *BUDGET, "--quiet", "-o", "p.npy")
    assert (done.stdout, done.stderr) == ("", "")
