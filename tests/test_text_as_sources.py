"""CSV as a source of rows: what is packed, has no header, gaps or long rows; no row is lost without a word."""

import bz2
import gzip
import io
import threading
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import kmeans_fast
from kmeans_fast import door, sources
from kmeans_fast.memory import limited
from kmeans_fast.parameters import checked
from kmeans_fast.sources import csv as csv_source

pa, csv = (pytest.importorskip(name) for name in ("pyarrow", "pyarrow.csv"))

X = np.random.default_rng(0).normal(size=(50, 3))
ROWS = "\n".join(",".join(map(repr, row)) for row in X.tolist())
TEXT = f"a,b,c\n{ROWS}\n"


@pytest.fixture(autouse=True)
def room_for_no_array(monkeypatch):
    monkeypatch.setattr(door, "_ARRAY_SHARE", 0.0)


def rows_of(source):
    return np.concatenate([np.array(chunk) for chunk in source.cut(1).chunks()])


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("x.csv", bytes),
        ("x.csv.gz", gzip.compress),
        ("X.CSV.GZ", gzip.compress),
        ("x.csv.bz2", bz2.compress),
        ("x.CSV.zst", lambda text: pa.compress(text, "zstd", asbytes=True)),
    ],
)
def test_packed_text(tmp_path, name, pack):
    (tmp_path / name).write_bytes(pack(TEXT.encode()))
    found, wanted = kmeans_fast.kmeans(tmp_path / name, 2, seed=0), kmeans_fast.kmeans(X, 2, seed=0)
    assert_array_equal(found.labels, wanted.labels)
    assert_array_equal(found.centroids, wanted.centroids)
    assert found.inertia == wanted.inertia


@pytest.mark.parametrize("names", ["a,b,c", "0,1,2", "2019,2020,2021", '"1.5 m","2","3"'])
def test_a_line_of_names(tmp_path, names):
    (tmp_path / "x.csv").write_text(f"{names}\n{ROWS}\n")
    assert_array_equal(rows_of(sources.Csv(tmp_path / "x.csv")), X)


def test_a_first_line_of_numbers_is_not_lost(tmp_path):
    (tmp_path / "x.csv").write_text(ROWS)
    with pytest.raises(ValueError, match=r"x.csv: .* its first line, 0\.12573.* holds numbers: .*header=False"):
        kmeans_fast.kmeans(tmp_path / "x.csv", 2)
    assert_array_equal(rows_of(sources.Csv(tmp_path / "x.csv", header=False)), X)
    assert_array_equal(rows_of(sources.Csv(tmp_path / "x.csv", header=True)), X[1:])


def test_an_empty_line_of_one_column_is_a_cell_without_a_value(tmp_path):
    (tmp_path / "x.csv").write_text("a\n1\n2\n\n4\n")
    with pytest.raises(ValueError, match=r"x.csv contains NaN at \(2, 0\)"):
        kmeans_fast.kmeans(tmp_path / "x.csv", 2)
    (tmp_path / "x.csv").write_text("a,b\n1,2\n\n3,4\n")
    assert_array_equal(rows_of(sources.Csv(tmp_path / "x.csv")), [[1, 2], [3, 4]])


@pytest.mark.parametrize("delimiter", ["", "||", 7])
def test_a_delimiter_is_one_character(tmp_path, delimiter):
    (tmp_path / "x.csv").write_text(TEXT)
    with pytest.raises(ValueError, match="delimiter must be one character, got"):
        sources.Csv(tmp_path / "x.csv", delimiter=delimiter)


def test_what_is_no_data_in_a_directory(tmp_path):
    for name in (
        "b.csv",
        "more/a.csv",
        ".b.csv",
        "_b.csv",
        ".ipynb_checkpoints/b-checkpoint.csv",
        "_temporary/0/b.csv",
    ):
        (tmp_path / "day" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "day" / name).write_text(TEXT)
    for path in (tmp_path / "day", tmp_path / "d*"):
        assert_array_equal(rows_of(sources.Csv(path)), np.concatenate([X, X]))
    assert_array_equal(rows_of(sources.Csv(tmp_path / "day" / "_*.csv")), X)


def test_blocks_of_text_follow_the_budget(tmp_path):
    many = np.random.default_rng(0).normal(size=(40_000, 3))
    csv.write_csv(pa.table(dict(zip("abc", many.T))), tmp_path / "x.csv")
    sizes = []
    for budget in (None, "100MB", "1MB", 1):
        with limited(checked({"max_memory": budget})["max_memory"]):
            chunks = list(sources.Csv(tmp_path / "x.csv").cut(door.chunk_bytes()).chunks())
        assert_array_equal(np.concatenate(chunks), many)
        sizes.append(max(map(len, chunks)))
    assert sizes[0] == len(many)
    assert sizes[0] > sizes[1] > sizes[2] == sizes[3] > 1000  # a block is worth its while


def test_rows_of_text_longer_than_blocks(tmp_path):
    wide = np.random.default_rng(0).normal(size=(9, 20_000))  # 400 kB a row
    np.savetxt(tmp_path / "x.csv", wide, delimiter=",", fmt="%.17g")
    assert_array_equal(rows_of(sources.Csv(tmp_path / "x.csv", header=False)), wide)


class _SlowFile(io.BytesIO):
    """The first read of it is answered at once, others late. It tells whether it was closed during one."""

    def __init__(self, content):
        super().__init__(content)
        self.reading, self.reads, self.is_closed_early = threading.Lock(), 0, False

    def read(self, size=-1):
        with self.reading:
            self.reads += 1
            time.sleep(0.05 * (self.reads > 1))
            return super().read(size)

    def close(self):
        self.is_closed_early |= self.reading.locked()
        super().close()


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_file_is_closed_while_a_thread_reads_ahead(tmp_path, monkeypatch, most):
    # Another file that is opened then may get its descriptor, and lose to the thread what it reads from there.
    content, files = ("a,b,c\n" + "1.5,2.5,3.5\n" * 60_000).encode(), []
    (tmp_path / "x.csv").write_bytes(content)

    def opened(path):
        files.append(_SlowFile(content))
        return pa.PythonFile(files[-1], mode="r")

    source = sources.Csv(tmp_path / "x.csv").cut(1)
    monkeypatch.setattr(csv_source, "_unpacked", opened)
    chunks = source.chunks()  # the names are read first, by a reader that goes no further
    assert [len(next(chunks)) > 0 for _ in range(most)] == [True] * most
    chunks.close()
    assert len(files) == 3  # the length of rows is looked at before
    while any(file.reading.locked() for file in files):
        time.sleep(0.01)
    assert not any(file.is_closed_early for file in files)
