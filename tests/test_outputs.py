"""Files out: whole or not there, under names that tell them apart."""

import contextlib
import csv
import gzip
import io
import os
import signal
import stat
import threading

import numpy as np
import pytest
from support import run_python

import kmeans_fast
from kmeans_fast import archives
from kmeans_fast.cli import main, outputs
from kmeans_fast.whole_files import WholeFiles

POSIX = pytest.mark.skipif(os.name != "posix", reason="links, pipes, permissions and limits are POSIX's")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def data(here):
    """100 rows as data.npy; the model of a fit, as old.npz."""
    X = np.random.default_rng(0).normal(size=(100, 3))
    np.save(here / "data.npy", X)
    kmeans_fast.KMeans(3, random_state=0).fit(X).save(here / "old.npz")
    return X


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def write_two(error=None):
    """Write a and b in one go, which an error may end."""
    with WholeFiles() as files:
        files.open("a").write(b"new")
        files.open("b").write(b"new")
        if error is not None:
            raise error


# ---- WholeFiles ----------------------------------------------------------------------------------------------------


def test_files_appear_together_when_the_block_ends(here):
    with WholeFiles() as files:
        files.open("a").write(b"1")
        files.open("b", "w", encoding="utf-8").write("2")
        assert not (here / "a").exists()
        assert all(name.endswith(".partial") for name in names(here))
    assert names(here) == ["a", "b"]
    assert (here / "a").read_bytes() + (here / "b").read_bytes() == b"12"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_after_any_error_all_is_as_it_was(here, error):
    (here / "a").write_text("old")
    with pytest.raises(error):
        write_two(error)
    assert names(here) == ["a"]
    assert (here / "a").read_text() == "old"


def test_an_error_while_flushing_replaces_nothing(here, monkeypatch):
    (here / "a").write_text("old")
    calls = []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_two()
    assert names(here) == ["a"]
    assert (here / "a").read_text() == "old"


@pytest.mark.parametrize(
    "array", [np.arange(6, dtype=np.int32), np.eye(3)[:, ::2], np.zeros((0, 2)), np.float64(2)], ids=repr
)
def test_arrays_are_written_as_numpy_writes_them(array):
    ours, theirs = io.BytesIO(), io.BytesIO()
    archives.write_array(ours, array)
    np.save(theirs, np.ascontiguousarray(array))
    assert ours.getvalue() == theirs.getvalue()


def test_errors_name_the_file_and_not_its_new_name(here):
    with pytest.raises(FileNotFoundError) as caught, WholeFiles() as files:
        files.open("no/such")
    assert caught.value.filename == str(here / "no" / "such")
    (here / "directory").mkdir()
    with pytest.raises(OSError, match="directory"), WholeFiles() as files:
        files.open("directory")
    assert names(here) == ["directory"]


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755])
def test_permissions_are_kept_and_those_of_new_files_are_the_process_own(here, mode):
    old = here / "old"
    old.write_text("")
    old.chmod(mode)
    before = os.umask(0o027)
    try:
        with WholeFiles() as files:
            files.open("old")
            files.open("new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(old.stat().st_mode) == mode
    assert stat.S_IMODE((here / "new").stat().st_mode) == 0o640


@POSIX
@pytest.mark.parametrize("exists", [True, False])
def test_the_target_of_a_link_is_replaced_and_the_link_stays(here, exists):
    (here / "deep").mkdir()
    if exists:
        (here / "deep" / "target").write_text("old")
    (here / "link").symlink_to("deep/target")
    with WholeFiles() as files:
        files.open("link").write(b"new")
    assert (here / "link").is_symlink()
    assert (here / "deep" / "target").read_text() == "new"
    assert names(here / "deep") == ["target"]


@POSIX
def test_a_pipe_and_devices_are_written_to_directly(here):
    os.mkfifo(here / "pipe")
    found = []
    reader = threading.Thread(target=lambda: found.append((here / "pipe").read_bytes()))
    reader.start()
    with WholeFiles() as files:
        files.open("pipe").write(b"through")
        files.open("/dev/null").write(b"away")
    reader.join(20)
    assert found == [b"through"]
    model = kmeans_fast.KMeans(2, random_state=0).fit(np.arange(40.0).reshape(20, 2))
    reader = threading.Thread(target=lambda: (here / "copy.npz").write_bytes((here / "pipe").read_bytes()))
    reader.start()
    model.save("pipe")
    reader.join(20)
    assert np.array_equal(kmeans_fast.load("copy.npz").labels_, model.labels_)
    (here / "copy.npz").unlink()
    assert stat.S_ISFIFO((here / "pipe").stat().st_mode)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert names(here) == ["pipe"]


@POSIX
def test_standard_output_is_written_to_directly_even_where_it_is_a_file(here):
    code = """
        import sys
        from kmeans_fast.whole_files import WholeFiles
        with WholeFiles() as files:
            files.open("/dev/stdout").write(b"model\\n")
        print("text")
    """
    assert run_python(code) == "model\ntext\n"


@POSIX
@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_file_that_may_not_be_written_is_not_replaced(here):
    (here / "old").write_text("old")
    (here / "old").chmod(0o444)
    with pytest.raises(PermissionError), WholeFiles() as files:
        files.open("old")
    assert (here / "old").read_text() == "old"


def test_many_writers_of_one_path_leave_one_whole_file(here):
    model = kmeans_fast.KMeans(2, random_state=0).fit(np.arange(40.0).reshape(20, 2))
    errors = []

    def save():
        try:
            for _ in range(25):
                model.save("model.npz")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=save) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert names(here) == ["model.npz"]
    assert np.array_equal(kmeans_fast.load("model.npz").cluster_centers_, model.cluster_centers_)


# ---- every output of the command line ------------------------------------------------------------------------------

WRITERS = {
    "fit": ["fit", "data.npy", "-k3", "--quiet"],
    "fit as text": ["fit", "data.npy", "-k3", "--quiet", "--labels", "l.csv", "--centroids", "c.npy"],
    "predict": ["predict", "old.npz", "data.npy", "-o", "p.npy", "--distances"],
    "predict as text": ["predict", "old.npz", "data.npy", "-o", "p.csv", "--distances"],
}


@contextlib.contextmanager
def most_bytes(limit):
    """No file can have more bytes: what happens is what happens on a full disk, with another number of the error."""
    resource = pytest.importorskip("resource")
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@POSIX
@pytest.mark.parametrize("case", WRITERS)
def test_on_a_full_disk_nothing_is_left_and_nothing_is_replaced(here, data, case, capsys):
    assert main(WRITERS[case]) == 0
    written = {path: path.read_bytes() for path in here.iterdir()}
    new = [path for path in written if path.name not in ("data.npy", "old.npz")]
    assert new
    largest = max(len(written[path]) for path in new)
    for limit in (largest - 1, largest // 2, 0):
        with most_bytes(limit):
            assert main(WRITERS[case]) == 1
        assert {path: path.read_bytes() for path in here.iterdir()} == written  # old files stay
    for path in new:
        path.unlink()
    with most_bytes(largest - 1):
        assert main(WRITERS[case]) == 1
    assert names(here) == ["data.npy", "old.npz"]  # and no new ones appear, not even those that had room
    assert "File too large" in capsys.readouterr().err


@pytest.mark.parametrize("case", WRITERS)
def test_an_interrupt_while_writing_leaves_nothing(here, data, case, monkeypatch):
    def interrupted(file, *arguments):
        file.write("half" if hasattr(file, "encoding") else b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(outputs, "write_array", interrupted)
    monkeypatch.setattr(outputs, "_write_rows", interrupted)
    assert main(WRITERS[case]) == 130
    assert names(here) == ["data.npy", "old.npz"]


def test_files_of_one_stem_have_outputs_of_their_own(here, data):
    np.savetxt("data.csv", data, delimiter=",")
    for name in ("data.npy", "data.csv"):
        assert main(["fit", name, "-k3", "--quiet"]) == 0
    expected = [
        f"data.{ending}-{what}" for ending in ("csv", "npy") for what in ("centroids.csv", "labels.npy", "model.npz")
    ]
    assert [name for name in names(here) if "-" in name] == expected


def test_pictures_are_whole(here, monkeypatch):
    pytest.importorskip("matplotlib")
    from kmeans_fast.cli import pictures

    figure = pictures._figure(1, 1, "title", "subtitle")
    assert pictures._save(figure, here / "picture.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(figure, "savefig", lambda file, format: file.write(b"half") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pictures._save(figure, here / "other.png")
    assert names(here) == ["picture.png"]


# ---- --append ------------------------------------------------------------------------------------------------------


@pytest.fixture
def table(here):
    """Rows with text, quotes and a delimiter in a cell, as a list of lists of text, and their numbers."""
    numbers = np.random.default_rng(3).normal(size=(50, 2)).round(3) + np.repeat([[0.0], [9.0]], 25, axis=0)
    rows = [[f"row {i}", '"a", b' if i % 7 == 0 else "", f"{x:.4f}", f"{y:.3e}"] for i, (x, y) in enumerate(numbers)]
    return rows, np.array([[float(x), float(y)] for *_, x, y in rows])


def write_text(path, rows, delimiter, header):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([*header, *rows])


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("distances", [False, True])
@pytest.mark.parametrize("with_header", [False, True])
@pytest.mark.parametrize(("ending", "delimiter"), [(".csv", ","), (".csv", ";"), (".tsv", "\t"), (".txt", "|")])
def test_rows_of_text_come_back_with_their_clusters(here, table, ending, delimiter, with_header, distances):
    rows, X = table
    header = [["name", "no\u00efe", "x", "y"]] if with_header else []
    write_text(here / f"in{ending}", rows, delimiter, header)
    options = ["--columns", "3-4", "--header", "yes" if with_header else "no", *["--distances"] * distances]
    assert main(["fit", f"in{ending}", "-k2", "--quiet", *options, "--append", f"out{ending}", "--model", "m.npz"]) == 0
    assert names(here) == sorted([f"in{ending}", "m.npz", f"out{ending}"])
    with open(here / f"out{ending}", newline="", encoding="utf-8") as file:
        found = list(csv.reader(file, delimiter=delimiter))
    model = kmeans_fast.load("m.npz")
    expected = [[*row, str(label)] for row, label in zip(rows, model.predict(X), strict=True)]
    head = [[*header[0], "cluster"]] if with_header else []
    if distances:
        expected = [[*row, repr(nearest)] for row, nearest in zip(expected, model.transform(X).min(axis=1).tolist())]
        head = [[*head[0], "distance"]] if with_header else []
    assert found == [*head, *expected]
    assert main(["predict", "m.npz", f"in{ending}", *options, "--append", f"again{ending}"]) == 0
    assert (here / f"again{ending}").read_bytes() == (here / f"out{ending}").read_bytes()


# Two rows of two clusters as people write them, the options to read them with, and what comes out.
TABLES = {
    "names": ("a,b\n1,2\n7,8\n", [], "a,b,cluster\n1,2,{}\n7,8,{}\n"),
    "no names": ("1,2\n7,8", [], "1,2,{}\n7,8,{}\n"),
    "decimal commas": ("a;b\n1,5;2\n7;8,25\n", ["--decimal", ","], "a;b;cluster\n1,5;2;{}\n7;8,25;{}\n"),
    "comments": ("# by hand\na,b\n1,2 # one\n\n7,8\n# end\n", [], "a,b,cluster\n1,2,{}\n7,8,{}\n"),
    "names in a comment": ("# a b\n1.0 2.0\n7.5 8.5\n", [], "# a b cluster\n1.0 2.0 {}\n7.5 8.5 {}\n"),
    "blanks": ("  a   b  \n 1.0    2.0\n 7.5\t8.5  \n", [], "  a   b cluster\n 1.0    2.0 {}\n 7.5\t8.5 {}\n"),
    "row names of R": ('"a","b"\n"1",1,2\n"2",7,8\n', [], '"a","b",cluster\n"1",1,2,{}\n"2",7,8,{}\n'),
    "an index of pandas": (",a,b\n0,1,2\n1,7,8\n", [], ",a,b,cluster\n0,1,2,{}\n1,7,8,{}\n"),
    "delimiters at the end": ("a;b;\n1;2;\n7;8;\n", [], "a;b;cluster\n1;2;{}\n7;8;{}\n"),
    "delimiters at the end of rows": ("a;b\n1;2;\n7;8;\n", [], "a;b;cluster\n1;2;{}\n7;8;{}\n"),
    "quoted cells": ('a,"b, c"\n"1","2"\n"7","8"\n', [], 'a,"b, c",cluster\n"1","2",{}\n"7","8",{}\n'),
    "cells of two lines": (
        'name,a,b\n"x\ny",1,2\n"z",7,8\n',
        ["--quotes", "yes", "--columns", "a,b"],
        'name,a,b,cluster\n"x\ny",1,2,{}\n"z",7,8,{}\n',
    ),
    "latin-1": (b"\xe4,b\n1,2\n7,8\n", ["--encoding", "latin-1"], "\xe4,b,cluster\n1,2,{}\n7,8,{}\n"),
    "line ends of Windows": ("a,b\r\n1,2\r\n7,8\r\n", [], "a,b,cluster\n1,2,{}\n7,8,{}\n"),
    "packed": (gzip.compress(b"a,b\n1,2\n7,8\n"), [], "a,b,cluster\n1,2,{}\n7,8,{}\n"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_text_of_all_kinds_comes_back_with_its_clusters(here, kind):
    pytest.importorskip("pandas")
    text, options, expected = TABLES[kind]
    name = "in.csv.gz" if kind == "packed" else "in.csv"
    (here / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(["fit", name, "-k2", "--quiet", *options, "--append", "out.csv", "--labels", "l.npy"]) == 0
    labels = np.load("l.npy")
    assert sorted(labels) == [0, 1]
    assert (here / "out.csv").read_bytes().decode() == expected.format(*labels)


def test_distances_are_written_with_the_decimal_mark_of_the_file(here):
    pytest.importorskip("pandas")
    (here / "in.csv").write_text("a;b\n1,5;2\n2,5;2\n7;8,25\n7;8,25\n")
    assert main(["fit", "in.csv", "-k2", "--quiet", "--decimal", ",", "--distances", "--append", "out.csv"]) == 0
    rows = [line.split(";") for line in (here / "out.csv").read_text().splitlines()]
    assert [row[-1] for row in rows] == ["distance", "0,5", "0,5", "0,0", "0,0"]


def test_standard_input_has_outputs_called_after_it_and_cannot_be_appended_to(here, monkeypatch, capsys):
    pytest.importorskip("pandas")

    def given():
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"1,2\n7,8\n")))

    given()
    assert main(["fit", "-", "-k2", "--quiet"]) == 0
    assert names(here) == ["stdin-centroids.csv", "stdin-labels.npy", "stdin-model.npz"]
    given()
    assert main(["fit", "-", "-k2", "--append", "out.csv"]) == 2
    assert "can be read only once" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_rows_of_parquet_come_back_with_their_clusters(here, table, monkeypatch):
    pandas, _ = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    from kmeans_fast.cli import append

    monkeypatch.setattr(append, "_ROWS", 7)
    _, X = table
    frame = pandas.DataFrame(X, columns=["x", "y"], index=pandas.Index(range(100, 150), name="id"))
    frame["name"] = pandas.Categorical(["odd", "even"] * 25)
    frame["when"] = pandas.Timestamp("2026-01-01")
    frame["vector"] = list(X)
    frame.to_parquet("in.parquet", row_group_size=20)
    options = ["--columns", "x,y", "--distances"]
    assert main(["fit", "in.parquet", "-k2", "--quiet", *options, "--append", "out.parquet", "--model", "m.npz"]) == 0
    found, model = pandas.read_parquet("out.parquet"), kmeans_fast.load("m.npz")
    np.testing.assert_array_equal(found.pop("cluster"), model.predict(X))
    np.testing.assert_array_equal(found.pop("distance"), model.transform(X).min(axis=1))
    pandas.testing.assert_frame_equal(found, frame)
    assert main(["predict", "m.npz", "in.parquet", *options, "--append", "again.parquet", "-o", "l.npy"]) == 0
    pandas.testing.assert_frame_equal(pandas.read_parquet("again.parquet"), pandas.read_parquet("out.parquet"))
    with most_bytes(os.path.getsize("out.parquet") - 1):
        assert main(["predict", "m.npz", "in.parquet", *options, "--append", "third.parquet"]) == 1
    assert "third.parquet" not in names(here)


@pytest.mark.parametrize(
    ("file", "options", "text"),
    [
        ("data.npy", ["--append", "out.csv"], "data.npy has no columns with names"),
        ("named.csv", ["--append", "out.parquet"], "need a file that ends in .csv, got"),
        ("named.csv", ["--append", "named.csv"], "overwrite an input"),
        ("clustered.csv", ["--append", "out.csv"], "has a column called 'cluster' already"),
        ("named.csv", ["--append", "out.tsv"], "need a file that ends in .csv, got"),
        ("named.csv", ["--append", "a.csv", "--labels", "a.csv"], "file of its own"),
        ("named.csv", ["--append", "no/a.csv"], "does not exist"),
    ],
)
def test_columns_that_cannot_be_appended_are_refused_before_the_work(here, data, capsys, file, options, text):
    np.savetxt("named.csv", data, delimiter=",", header="a,b,c", comments="")
    np.savetxt("clustered.csv", data, delimiter=",", header="a,b,cluster", comments="")
    before = names(here)
    assert main(["fit", file, "-k2", *options]) == 2
    printed = capsys.readouterr().err
    assert text in printed
    assert "iteration" not in printed
    assert names(here) == before


def test_a_file_that_changes_under_way_is_noticed(here, data, monkeypatch, capsys):
    from kmeans_fast.cli import predict

    np.savetxt("rows.csv", data, delimiter=",")
    monkeypatch.setattr(
        predict, "assign", lambda X, *more, **options: (np.zeros(len(X) - 1, np.int32), np.zeros(len(X)))
    )
    assert main(["predict", "old.npz", "rows.csv", "--append", "out.csv"]) == 2
    assert "has 100 rows now, and 99 were labelled" in capsys.readouterr().err
    assert "out.csv" not in names(here)
