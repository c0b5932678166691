"""``--append``: the rows of the input come back as they were, with their clusters."""

import csv
import gzip
import io
import os

import numpy as np
import pytest
from support import most_bytes, names

import kmeans_fast
from kmeans_fast.cli import main


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
