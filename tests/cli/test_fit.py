"""``kmeans-fast fit``."""

import json

import numpy as np
import pytest
from command_line import check_error, expected, run_process

import kmeans_fast


def test_fit_npy_writes_labels_centroids_and_model(inputs, X):
    done = run_process(inputs, "fit", "data.npy", "-k", "3")
    model = expected(X)
    assert np.array_equal(np.load(inputs / "data.npy-labels.npy"), model.labels_)
    lines = (inputs / "data.npy-centroids.csv").read_text().splitlines()
    assert lines[0] == "x1,x2,x3"
    assert np.array_equal([list(map(float, line.split(","))) for line in lines[1:]], model.cluster_centers_)
    loaded = kmeans_fast.load(inputs / "data.npy-model.npz")
    assert np.array_equal(loaded.cluster_centers_, model.cluster_centers_)
    assert loaded.inertia_ == model.inertia_
    largest = f"{np.bincount(model.labels_).max() / len(X):.1%}"
    for word in ("cluster", "rows", "share", "mean distance", "inertia", "iterations", "seconds", "backend", largest):
        assert word in done.stdout
    assert "iteration 1/300" in done.stderr


def test_fit_text_with_and_without_header(inputs, X, run):
    labels = expected(X).labels_
    run("fit", "bare.csv", "-k", "3", "--labels", "bare.npy")
    run("fit", "named.csv", "-k", "3", "--columns", "a,b,c", "--labels", "named.csv.npy")
    run("fit", "named.csv", "-k", "3", "--columns", "2-4", "--centroids", "c.csv", "--labels", "ranges.npy")
    for name in ("bare.npy", "named.csv.npy", "ranges.npy"):
        assert np.array_equal(np.load(inputs / name), labels)
    assert (inputs / "c.csv").read_text().startswith("a,b,c\n")
    assert not list(inputs.glob("*-model.npz"))  # explicit paths: nothing else is written


@pytest.mark.parametrize("delimiter", [";", "\t", "|", " "])
def test_delimiters_are_found(inputs, X, delimiter, run):
    np.savetxt(inputs / "other.txt", X, delimiter=delimiter, fmt="%.17g", header=delimiter.join("abc"), comments="")
    summary = json.loads(run("fit", "other.txt", "-k", "3", "--json").out)
    assert (summary["n_samples"], summary["n_features"]) == X.shape


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3,x\n", "row 3, column 2 ('b') is 'x'"),
        ("1,2\n3,nan\n", "row 2, column 2 is empty or NaN"),
        ("1,2\n-inf,3\n", "row 2, column 1 is '-inf'"),
        ("1,2\n\n3,\n", "row 3, column 2 is empty"),
        ("1,2\n3,1_000\n", "row 2, column 2 is '1_000'"),
        ("1,2\n3,4,5\n", "row 2 has 3 cells; every row must have 2"),
        ("1\n\n2\n", "row 2, column 1 is empty"),
        ("1,y\n3,4\n", "row 1 has both numbers and text ('y'): say --header"),
        ("a,b\n", "at least one row is needed, got none"),
        ("", "got an empty file"),
        ("1,2\n3,\xe9\n".encode("latin-1"), "row 2 is no UTF-8 text: byte 0xe9"),
    ],
)
def test_bad_text_is_refused_with_its_place(tmp_path, text, message, refused):
    (tmp_path / "bad.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    line = refused("fit", "bad.csv", "-k", "1")
    assert message in line
    assert "bad.csv" in line


def test_bad_arrays_are_refused(inputs, X, refused):
    bad = X.copy()
    bad[6, 1] = np.nan
    np.save(inputs / "nan.npy", bad)
    np.save(inputs / "flat.npy", X[:, 0])
    np.save(inputs / "object.npy", np.array([[1, "a"]], dtype=object), allow_pickle=True)
    np.save(inputs / "empty.npy", np.empty((0, 3)))
    (inputs / "text.npy").write_text("not an array")
    assert "row 7, column 2 is empty or NaN" in refused("fit", "nan.npy", "-k", "2")
    assert "2 dimensions" in refused("fit", "flat.npy", "-k", "2")
    for name in ("object.npy", "text.npy"):
        assert "not a .npy file of numbers" in refused("fit", name, "-k", "2")
    assert "at least one row" in refused("fit", "empty.npy", "-k", "2")


def test_parquet(inputs, X, weights, run, refused):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    narrow = X.astype(np.float32)
    table = {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "weight": weights, "vector": list(narrow), "id": ["x"] * len(X)}
    parquet.write_table(pyarrow.table(table), inputs / "data.parquet", row_group_size=50)
    model = expected(X, weights=weights)
    run("fit", "data.parquet", "-k", "3", "--columns", "a,b,c", "--weights", "weight", "--labels", "l.npy")
    assert np.array_equal(np.load(inputs / "l.npy"), model.labels_)
    summary = json.loads(run("fit", "data.parquet", "-k", "3", "--columns", "vector", "--json").out)
    assert summary["dtype"] == "float32"
    assert summary["inertia"] == expected(narrow).inertia_
    assert "column 6 ('id') is of type string" in refused("fit", "data.parquet", "-k", "3", "--columns", "a,id")
    parquet.write_table(pyarrow.table({"a": [1.0, None], "b": [1, 2]}), inputs / "gap.parquet")
    assert "row 2, column 1 ('a') is empty" in refused("fit", "gap.parquet", "-k", "1")
    parquet.write_table(pyarrow.table({"v": [[1.0, 2.0], [1.0]]}), inputs / "ragged.parquet")
    assert "row 2" in refused("fit", "ragged.parquet", "-k", "1")


def test_parquet_without_pyarrow_says_what_to_install(inputs):
    (inputs / "data.parquet").write_bytes(b"PAR1")
    done = run_process(inputs, "fit", "data.parquet", "-k", "1", code=1, without=["pyarrow"])
    line = check_error(done.stdout, done.stderr)
    assert "install it (the extra 'cli')" in line


def test_weights_from_a_column_and_from_a_file(inputs, X, weights, run, refused):
    np.save(inputs / "w.npy", weights)
    model = expected(X, weights=weights)
    column = run("fit", "named.csv", "-k", "3", "--columns", "a,b,c", "--weights", "weight", "--labels", "1.npy")
    run("fit", "data.npy", "-k", "3", "--weights", "w.npy", "--labels", "2.npy")
    for name in ("1.npy", "2.npy"):
        assert np.array_equal(np.load(inputs / name), model.labels_)
    assert "weight" in column.out
    np.save(inputs / "w.npy", -weights)
    assert "not negative" in refused("fit", "data.npy", "-k", "3", "--weights", "w.npy")
    np.save(inputs / "w.npy", weights[1:])
    assert "one weight a row" in refused("fit", "data.npy", "-k", "3", "--weights", "w.npy")


def test_json_summary(inputs, X, run):
    done = run("fit", "data.npy", "-k", "3", "--json", "--quiet", "-o", "deep/out")
    summary, model = json.loads(done.out), expected(X)
    assert done.err == "" or "compil" in done.err
    assert summary["inertia"] == model.inertia_
    assert summary["n_iter"] == model.n_iter_
    assert summary["converged"]
    assert [c["size"] for c in summary["clusters"]] == np.bincount(model.labels_).tolist()
    distances = np.linalg.norm(X - model.cluster_centers_[model.labels_], axis=1)
    means = [distances[model.labels_ == cluster].mean() for cluster in range(3)]
    assert np.allclose([c["mean_distance"] for c in summary["clusters"]], means)
    assert set(summary["files"]) == {"labels", "centroids", "model"}
    assert all((inputs / path).is_file() for path in summary["files"].values())


def test_quiet_is_silent_and_many_clusters_are_cut_short(inputs, run):
    assert run("fit", "data.npy", "-k", "3", "--quiet").out == ""
    assert "... and 10 more" in run("fit", "data.npy", "-k", "30").out


def test_options_reach_the_fit(inputs, X, run):
    start = X[[5, 70, 130]]
    np.save(inputs / "start.npy", start)
    model = kmeans_fast.KMeans(3, init=start, n_init=1, max_iter=1, tol=0.0).fit(X)
    run("fit", "data.npy", "-k3", "--init", "start.npy", "--max-iter", "1", "--tol", "0", "--centroids", "c.npy")
    assert np.array_equal(np.load(inputs / "c.npy"), model.cluster_centers_)
    args = ["--init", "random", "--n-init", "2", "--seed", "7", "--dtype", "float32", "--threads", "1", "--json"]
    summary = json.loads(run("fit", "data.npy", "-k3", *args, "--init-size", "50", "--max-iter", "2").out)
    model = kmeans_fast.KMeans(3, init="random", n_init=2, random_state=7, init_size=50, max_iter=2)
    model.fit(X.astype(np.float32))
    assert summary["inertia"] == model.inertia_
    assert summary["dtype"] == "float32"
    summary = json.loads(run("fit", "data.npy", "-k12", "--refine", "breathing", "--json").out)
    model = kmeans_fast.KMeans(12, random_state=0, refine="breathing").fit(X)
    assert (summary["inertia"], summary["n_iter"], summary["converged"]) == (model.inertia_, model.n_iter_, True)
