"""Files in: .npy and Parquet, how much memory reading takes, and the command line around it."""

import gzip
import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from support import REPOSITORY

from kmeans_fast.cli.readers import npy, read
from kmeans_fast.cli.readers.columns import Selection
from kmeans_fast.engine import memory

pandas = pytest.importorskip("pandas")
pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


# ---- Parquet -------------------------------------------------------------------------------------------------------


def test_the_index_of_pandas_in_parquet_is_no_feature(tmp_path):
    frame = pandas.DataFrame({"a": [1.0, 2, 0, 3], "b": [4.0, 5, 0, 6], "id": [7, 8, 0, 9]})
    path = tmp_path / "t.parquet"
    frame[frame.a > 0].drop(columns="id").to_parquet(path)
    found = read(path)
    assert found.data.tolist() == [[1, 4], [2, 5], [3, 6]]
    assert "left out: column 3 ('__index_level_0__'): it is the index of the rows" in found.notes[1]
    assert read(path, Selection("a,__index_level_0__")).data.tolist() == [[1, 0], [2, 1], [3, 3]]
    frame.set_index("id").to_parquet(path)
    assert read(path).names == ["a", "b"]
    assert read(path, Selection("id")).data.tolist() == [[7], [8], [0], [9]]
    parquet.write_table(pyarrow.table({"a": [1.0], "__index_level_0__": [5]}), path)  # what pandas noted is lost
    assert read(path).names == ["a"]


def test_columns_of_parquet_are_found_by_position(tmp_path):
    path = tmp_path / "t.parquet"
    arrays = [pyarrow.array([float(i), i + 10.0]) for i in range(4)]
    parquet.write_table(pyarrow.table(arrays, names=["a", "b", "a", "a.b"]), path)
    found = read(path)
    assert found.data.tolist() == [[0, 1, 2, 3], [10, 11, 12, 13]]
    assert found.names == ["a", "b", "a", "a.b"]
    assert read(path, Selection("3,1,4")).data.tolist() == [[2, 0, 3], [12, 10, 13]]
    assert read(path, Selection("a.b", "2")).weights.tolist() == [1, 11]
    with pytest.raises(ValueError, match="2 columns are named 'a'; use numbers"):
        read(path, Selection("a"))
    parquet.write_table(pyarrow.table(arrays, names=list("abcd")), path)
    assert read(path, Selection("d,a")).data.tolist() == [[3, 0], [13, 10]]


def test_parquet_that_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    parquet.write_table(pyarrow.table({"a": [1.0], "t": ["x"], "b": [2.0], "u": ["y"]}), path)
    with pytest.raises(
        ValueError, match=r"column 2 \('t'\) is of type string, one of 2 columns .*--columns 1,3 chooses"
    ):
        read(path)
    parquet.write_table(pyarrow.table({"a": [1.0, 1e300]}), path)
    with pytest.raises(ValueError, match=r"row 2, column 1 \('a'\) is 1e\+300, too large for float32"):
        read(path, dtype="float32")
    content = path.read_bytes()
    for damaged in (content[:-20], content[: len(content) // 2], b"PAR1", content.replace(content[8:30], b"\xff" * 22)):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="not a Parquet file, or damaged"):
            read(path)


# ---- .npy ----------------------------------------------------------------------------------------------------------


def test_npy_is_mapped_where_it_can_be(tmp_path):
    data = np.random.default_rng(0).normal(size=(20, 4))
    path = tmp_path / "t.npy"
    for order in ("C", "F"):
        np.save(path, np.asarray(data, order=order))
        assert np.array_equal(read(path).data, data)
        assert np.array_equal(read(path, Selection("4,1")).data, data[:, [3, 0]])
        assert np.array_equal(read(path, Selection("1-3", "4")).weights, data[:, 3])
        assert np.array_equal(read(path, dtype="float32").data, data.astype(np.float32))
    np.save(path, data)
    assert isinstance(read(path).data, np.memmap)
    np.save(path, np.array([[1.0, 1e300]]))
    with pytest.raises(ValueError, match=r"row 1, column 2 is 1e\+300, too large for float32"):
        read(path, dtype="float32")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"(20, 4)", b"(20, 4 "),
        (b"(20, 4), ", b"(20, 4), ("),
        (b"(20, 4)", b"(2 , 4)"),
        (b"'descr'", b"'descR'"),
        (b"<f8", b"<f9"),
        (b"(20, 4)", b"(99, 4)"),
        (b"{", b"\xff"),
    ],
)
def test_a_damaged_npy_header_is_bad_data(tmp_path, old, new):
    path = tmp_path / "t.npy"
    np.save(path, np.zeros((20, 4)))
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1)[: len(content)])
    with pytest.raises(ValueError, match=r"not a \.npy file|follow the array"):
        read(path)


def test_what_follows_an_array_is_not_lost_in_silence(tmp_path):
    path = tmp_path / "t.npy"
    with open(path, "wb") as file:
        np.save(file, np.zeros((3, 2)))
        np.save(file, np.ones((3, 2)))
    with pytest.raises(ValueError, match="176 bytes follow the array of shape"):
        read(path)


# ---- memory and width ----------------------------------------------------------------------------------------------


@pytest.fixture
def three_files(tmp_path):
    """The same numbers as .npy, .parquet and .csv: 1,000 rows of 40 columns."""
    data = np.random.default_rng(0).normal(size=(1000, 40))
    frame = pandas.DataFrame(data, columns=[f"c{i}" for i in range(40)])
    np.save(tmp_path / "t.npy", data)
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    return data, [tmp_path / f"t.{kind}" for kind in ("npy", "parquet", "csv")]


def test_data_that_do_not_fit_are_refused_before_they_are_read(three_files, monkeypatch):
    _, paths = three_files
    monkeypatch.setattr(memory, "_NEGLIGIBLE", 0)
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    for path in paths:
        with pytest.raises(MemoryError, match=r"1,000 rows of 39 columns .* 0\.00 GiB are available: choose fewer"):
            read(path, Selection("2-40"))
    read(paths[0])  # mapped, so it takes no memory
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    for path in paths:
        read(path, Selection("2-40"))


def test_columns_are_copied_once(tmp_path, monkeypatch):
    monkeypatch.setattr(npy, "_BLOCK", 1 << 16)
    path = tmp_path / "t.npy"
    np.save(path, np.random.default_rng(0).normal(size=(100_000, 10)))
    tracemalloc.start()
    try:
        found = read(path, Selection("1-4,6"), dtype="float32")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.data.nbytes == 100_000 * 5 * 4
    assert peak < 1.5 * found.data.nbytes


def test_forty_thousand_columns(tmp_path):
    """They took 44 s when every column was looked for among all."""
    data = np.random.default_rng(0).normal(size=(4, 40_000)).round(2)
    names = [f"c{i}" for i in range(data.shape[1])]
    np.save(tmp_path / "t.npy", data)
    rows = [",".join(map(repr, row)) for row in data.tolist()]
    (tmp_path / "t.csv").write_text("\n".join([",".join(names), *rows, ""]))
    assert np.array_equal(read(tmp_path / "t.npy", Selection("2-40000")).data, data[:, 1:])
    found = read(tmp_path / "t.csv", Selection(None, None, tuple(reversed(names))))
    assert np.array_equal(found.data, data[:, ::-1])
    assert Selection(None, None, tuple(names)).resolve(names, len(names))[0] == list(range(len(names)))


# ---- as users run it -----------------------------------------------------------------------------------------------


def run(directory, *args, stdin=b"", without=(), code=0):
    """Run ``kmeans-fast`` in a process that cannot import the packages `without`."""
    blocked = "; ".join(f"sys.modules[{name!r}] = None" for name in without) or "pass"
    start = f"import sys; {blocked}; from kmeans_fast.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", start, *map(str, args)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=directory, env=environment, input=stdin, capture_output=True, timeout=300)
    assert done.returncode == code, done.stderr.decode()
    return done


def test_standard_input_and_what_is_said_of_it(tmp_path):
    content = b",a,b\n" + b"".join(b"%d,%d,%d\n" % (i, i % 2 * 100 + i % 3, i % 5) for i in range(40))
    done = run(tmp_path, "fit", "-", "-k", "2", "-o", "out", stdin=gzip.compress(content))
    assert b"-: 40 rows, 2 columns: 'a', 'b'" in done.stderr
    (model,) = Path(tmp_path, "out").glob("*model.npz")
    (tmp_path / "t.csv").write_bytes(content)
    done = run(tmp_path, "predict", model, "t.csv")
    assert b"t.csv: left out: column 1: it has no name" in done.stderr
    assert sorted(set(done.stdout.decode().split()[1:])) == ["0", "1"]
    assert run(tmp_path, "predict", model, "t.csv", "--quiet").stderr == b""


def test_the_json_summary_has_the_notes(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    done = run(tmp_path, "fit", "t.csv", "-k", "1", "--json", "--quiet")
    notes = json.loads(done.stdout)["notes"]
    assert notes == ["2 rows, 2 columns: 'a', 'b'", "row 1 names the columns (--header no: it is data)"]


def test_without_the_extra_npy_is_read_and_the_rest_says_what_to_install(tmp_path):
    np.save(tmp_path / "t.npy", np.arange(12.0).reshape(6, 2))
    (tmp_path / "t.csv").write_text("1,2\n3,4\n")
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    packages = ["pandas", "pyarrow"]
    run(tmp_path, "fit", "t.npy", "-k", "2", without=packages)
    for name in ("t.csv", "t.parquet"):
        done = run(tmp_path, "fit", name, "-k", "2", without=packages, code=1)
        assert "needs pyarrow: install it (the extra 'cli')" in done.stderr.decode()


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--encoding", "klingon", "must be an encoding that Python knows, got 'klingon'"),
        ("--encoding", "base64", "must be an encoding that Python knows"),
        ("--delimiter", "§", "must be one ASCII character"),
        ("--decimal", ";", "--decimal"),
        ("--quotes", "maybe", "--quotes"),
    ],
)
def test_options_are_checked(tmp_path, option, value, words, capsys):
    from kmeans_fast.cli import main

    assert main(["fit", "t.csv", "-k", "1", option, value]) == 2
    assert words in capsys.readouterr().err
