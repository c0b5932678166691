"""``kmeans-fast predict``, and the scaling that a model carries."""

import json

import numpy as np
import pytest
from command_line import expected

import kmeans_fast


@pytest.mark.parametrize("scale", ["none", "standard", "minmax"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predict_on_the_training_file_gives_the_labels_of_the_fit(inputs, X, scale, dtype, run):
    pandas = pytest.importorskip("pandas")
    run("fit", "named.csv", "-k", "3", "--columns", "a,b,c", "--scale", scale, "--dtype", dtype)
    labels = np.load(inputs / "named.csv-labels.npy")
    run("predict", "named.csv-model.npz", "named.csv", "-o", "again.npy")  # columns are found by name
    assert np.array_equal(np.load(inputs / "again.npy"), labels)
    centroids = np.loadtxt(inputs / "named.csv-centroids.csv", delimiter=",", skiprows=1)
    means = [X[labels == cluster].mean(axis=0) for cluster in range(3)]
    assert np.allclose(centroids, means, rtol=1e-4, atol=1e-4)  # in the data's units, whatever the scaling
    loaded = kmeans_fast.load(inputs / "named.csv-model.npz")
    assert np.array_equal(loaded.predict(pandas.read_csv(inputs / "named.csv")[["a", "b", "c"]].astype(dtype)), labels)
    assert list(loaded.feature_names_in_) == ["a", "b", "c"]


def test_scaling_is_that_of_scikit_learn(inputs, X, run):
    from sklearn.preprocessing import StandardScaler

    with_constant = np.column_stack([X, np.full(len(X), 0.1)])
    np.save(inputs / "constant.npy", with_constant)
    summary = json.loads(run("fit", "constant.npy", "-k", "3", "--scale", "standard", "--json").out)
    assert np.isclose(summary["inertia"], expected(StandardScaler().fit_transform(X)).inertia_, rtol=1e-9)


def test_predict_prints_text_and_distances(inputs, X, run):
    run("fit", "data.npy", "-k", "3")
    model = expected(X)
    lines = run("predict", "data.npy-model.npz", "data.npy").out.splitlines()
    assert lines[0] == "label"
    assert np.array_equal(np.array(lines[1:], int), model.labels_)
    lines = run("predict", "data.npy-model.npz", "bare.csv", "--distances").out.splitlines()
    assert lines[0] == "label,distance"
    distances = model.transform(X).min(axis=1)
    assert np.array_equal([float(line.split(",")[1]) for line in lines[1:]], distances)
    run("predict", "data.npy-model.npz", "data.npy", "--distances", "-o", "l.npy")
    assert np.array_equal(np.load(inputs / "l-distances.npy"), distances)
    run("predict", "data.npy-model.npz", "data.npy", "-o", "l.csv")
    assert (inputs / "l.csv").read_text().splitlines()[1:] == list(map(str, model.labels_.tolist()))


def test_predict_refuses_what_does_not_fit(inputs, run, refused):
    run("fit", "named.csv", "-k", "3", "--columns", "a,b,c")
    line = refused("predict", "named.csv-model.npz", "data.npy", "--columns", "1-2")
    assert "fitted on 3 columns, got 2" in line
    (inputs / "other.csv").write_text("a,b,z\n1,2,3\n")
    assert "'c' not found among 'a', 'b', 'z'" in refused("predict", "named.csv-model.npz", "other.csv")
    for name in ("data.npy", "bare.csv"):
        assert "not a sound kmeans_fast model" in refused("predict", name, "data.npy")
    assert "no such file" in refused("predict", "nothing.npz", "data.npy")


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("more", [[], ["--max-memory", "1GB"]])
def test_chosen_columns_are_found_by_name_in_any_order(inputs, run, refused, ending, more):
    """Labels by columns in another order than the model's would be wrong, and nobody would notice."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(inputs / "named.csv")
    run("fit", "named.csv", "-k", "3", "--columns", "a,b,c")
    write = frame.to_csv if ending == ".csv" else frame.to_parquet
    write(inputs / f"again{ending}", index=False)
    predict = ["predict", "named.csv-model.npz", f"again{ending}", *more, "-o", "l.npy", "--columns"]
    for chosen in ("c,a,b", "4,2-3"):
        run(*predict, chosen)
        assert np.array_equal(np.load(inputs / "l.npy"), np.load(inputs / "named.csv-labels.npy"))
    said = refused(*predict, "b,weight,c")
    assert "--columns: 'b' stands in the place of 'a'; the model was fitted on columns named 'a', 'b', 'c'" in said
    run(*predict, "a,weight,c")  # which stands for b: the user says so


def test_a_damaged_scaler_is_refused(inputs, run, refused):
    run("fit", "data.npy", "-k", "3", "--scale", "standard")
    with np.load(inputs / "data.npy-model.npz") as archive:
        arrays = dict(archive)
    np.savez(inputs / "damaged.npz", **{**arrays, "step2_scale": np.zeros(3)})
    assert "scale_ of the StandardScaler must be above 0" in refused("predict", "damaged.npz", "data.npy")
    del arrays["step2_scale"]
    np.savez(inputs / "damaged.npz", **arrays)
    assert "not a sound kmeans_fast model" in refused("predict", "damaged.npz", "data.npy")
