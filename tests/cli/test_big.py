"""``kmeans-fast fit --max-memory``: files that are read anew in each pass, with the labels of one array."""

import json

import numpy as np
import pytest
from command_line import run_process
from numpy.testing import assert_array_equal

import kmeans_fast
from kmeans_fast.cli import main


@pytest.fixture
def X(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    X = np.random.default_rng(0).normal(size=(20_000, 3)).astype(np.float32)
    np.save("x.npy", X)
    return X


def fit(*more, code=0):
    assert main(["fit", *map(str, more), "--max-memory", "400kB", "-o", "out"]) == code


def test_files_and_report(X, capsys):
    fit("x.npy", "-k", 5, "--max-iter", 7, "--checkpoint", "c.npz")
    told = capsys.readouterr().out
    wanted = kmeans_fast.KMeans(5, random_state=0, max_iter=7).fit(X)
    assert_array_equal(np.load("out/x.npy-labels.npy"), wanted.labels_)
    assert_array_equal(kmeans_fast.load("out/x.npy-model.npz").cluster_centers_, wanted.cluster_centers_)
    for word in ("20,000 of 3 columns", "reading", "seeding", "iterating", "writing", "waiting for rows", "times, "):
        assert word in told
    fit("x.npy", "-k", 5, "--max-iter", 7, "--checkpoint", "c.npz", "--resume", "--json")
    said = json.loads(capsys.readouterr().out)
    assert said["inertia"] == wanted.inertia_
    assert [one["size"] for one in said["clusters"]] == np.bincount(wanted.labels_).tolist()


def test_columns_of_files_that_match_a_pattern(X, capsys):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for number, part in enumerate(np.split(X, 4)):
        columns = {**dict(zip("abc", part.T)), "word": ["x"] * len(part)}  # which is not chosen
        parquet.write_table(pa.table(columns), f"{number}.parquet", row_group_size=999)
    fit("*.parquet", "-k", 3, "--columns", "c,a")
    wanted = kmeans_fast.KMeans(3, random_state=0).fit(X[:, [2, 0]])
    assert_array_equal(np.load("out/*.parquet-labels.npy"), wanted.labels_)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--scale", "standard"], "--scale needs the whole table in memory"),
        (["--distances"], "--distances needs the whole table in memory"),
        (["--columns", "a"], "--columns with --max-memory is for columns with names"),
        (["--init", "x.csv"], "--init must be k-means++"),
    ],
)
def test_what_needs_the_whole_table_is_refused(X, capsys, more, message):
    fit("x.npy", "-k", 3, *more, code=2)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("header", ["", "a;b;c\n"])
def test_text_is_read_as_without_it(X, tmp_path, capsys, header):
    text = "".join(";".join(map(repr, row)) + "\n" for row in X.tolist())
    (tmp_path / "x.csv").write_text(header + text)
    fit("x.csv", "-k", 3, "--max-iter", 5)
    blocks = np.load("out/x.csv-labels.npy")
    assert main(["fit", "x.csv", "-k", "3", "--max-iter", "5", "-o", "out"]) == 0
    assert_array_equal(blocks, np.load("out/x.csv-labels.npy"))
    assert len(blocks) == len(X)
    for text in ("# by hand\n1,2\n3,4\n5,6\n", "# a,b\n1,2\n3,4\n5,6\n", "1 2\n3 4\n5 6\n"):
        (tmp_path / "y.csv").write_text(text)
        fit("y.csv", "-k", 2, code=2)
        assert "y.csv: " in capsys.readouterr().err


def test_the_index_of_a_table_is_no_feature(X, capsys):
    frame = pytest.importorskip("pandas").DataFrame(X.astype(float), columns=["a", "b", "c"]).sample(frac=0.5)
    frame.to_parquet("x.parquet")
    frame.to_csv("x.csv")
    wanted = kmeans_fast.KMeans(3, random_state=0).fit(frame.to_numpy())
    for file in ("x.parquet", "x.csv"):
        fit(file, "-k", 3)
        assert "left out: column" in capsys.readouterr().err
        assert_array_equal(np.load(f"out/{file}-labels.npy"), wanted.labels_)


def test_without_a_terminal_and_quiet(X, tmp_path):
    done = run_process(tmp_path, "fit", "x.npy", "-k", "3", "--max-memory", "400kB", "--quiet")
    assert (done.stdout, done.stderr) == ("", "")
