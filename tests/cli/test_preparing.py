"""Preparation on the command line: the same answers from every kind of file, in Python, and from the model later."""

import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import kmeans_fast
from kmeans_fast import KMeans
from kmeans_fast.datasets import make_blobs
from kmeans_fast.preparation import make_preparation

pandas = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")
N = 240
QUIET = ["--quiet"]


@pytest.fixture(scope="module")
def numbers():
    """Three groups in three columns of different scales; missing cells, and a row with an extreme value."""
    X = make_blobs(N, 3, centers=3, center_box=(-20, 20), random_state=4)[0] * [1.0, 1000.0, 0.01] + [50, 0, 0]
    X[[3, 9], 0], X[20, 2] = np.nan, np.nan
    X[40, 1] = 1e9
    return X


@pytest.fixture
def frame(numbers):
    """The numbers, with names that identify the rows, and a column of levels, of which one is missing."""
    found = pandas.DataFrame(numbers, columns=["age", "income", "rate"])
    found.insert(0, "id", [f"row {i}" for i in range(N)])
    city = np.random.default_rng(0).choice(["Oslo", "Rome", "Bern, old"], N, p=[0.6, 0.3, 0.1]).astype(object)
    city[30] = None
    found["city"] = city
    return found


@pytest.fixture
def files(tmp_path, frame, numbers):
    frame.to_csv(tmp_path / "people.csv", index=False)
    frame.to_parquet(tmp_path / "people.parquet", index=False)
    frame[["age", "income", "rate"]].to_csv(tmp_path / "numbers.csv", index=False, float_format="%.17g", na_rep="NA")
    frame[["age", "income", "rate"]].to_parquet(tmp_path / "numbers.parquet", index=False)
    np.save(tmp_path / "numbers.npy", numbers)
    return tmp_path


OPTIONS = {
    "median": ["--missing", "median", "--scale", "standard"],
    "drop": ["--missing", "drop", "--scale", "robust"],
    "outliers": ["--missing", "median", "--scale", "minmax", "--outliers", "exclude"],
    "everything": ["--missing", "drop", "--scale", "standard", "--outliers", "6", "--pca", "2"],
}


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_every_kind_of_file_gives_the_same_labels(files, run, numbers, options):
    labels = []
    for kind in ("csv", "parquet", "npy"):
        run("fit", f"numbers.{kind}", "-k", "3", *QUIET, *options, "--labels", "l.npy", "--model", f"{kind}.npz")
        labels.append(np.load("l.npy"))
        drop = options[:2] if "drop" in options else []
        run("predict", f"{kind}.npz", f"numbers.{kind}", *QUIET, *drop, "-o", "p.npy")
        assert_array_equal(np.load("p.npy"), labels[-1])
        model = kmeans_fast.load(f"{kind}.npz")
        complete = ~np.isnan(numbers).any(axis=1) if "drop" in options else np.ones(N, bool)
        assert_array_equal(model.predict(numbers[complete]), labels[-1][complete])
        assert set(labels[-1][~complete]) == ({-1} if "drop" in options else set())
    assert_array_equal(labels[0], labels[1])
    assert_array_equal(labels[0], labels[2])
    assert_array_equal(np.load("numbers.npy"), numbers)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [[], ["--pca", "0.9"], ["--max-categories", "2", "--scale", "minmax"]], ids=str)
def test_categories_are_those_of_a_recipe_in_python(files, run, frame, options, dtype):
    recipe = {"missing": "median", "scale": "minmax" if "minmax" in options else None, "categories": "auto"}
    recipe |= {"pca": 0.9} if "--pca" in options else {"max_categories": 2} if options else {}
    used = frame.drop(columns="id")
    ours = make_pipeline(make_preparation(**recipe), KMeans(3, random_state=0)).fit(used)
    for kind in ("csv", "parquet"):
        given = ["--missing", "median", "--categories", "auto", *options, "--dtype", dtype, "--distances"]
        run("fit", f"people.{kind}", "-k", "3", *QUIET, *given, "--labels", "l.csv", "--model", "m.npz")
        found = pandas.read_csv("l.csv")
        model = kmeans_fast.load("m.npz")
        assert model[-1].cluster_centers_.dtype == dtype
        if dtype == "float64":
            assert_array_equal(found["label"], ours[-1].labels_)
            assert_array_equal(model[-1].cluster_centers_, ours[-1].cluster_centers_)
            for rows in (used, frame, used.to_numpy(object)):
                assert_array_equal(model.predict(rows), found["label"])
        run("predict", "m.npz", f"people.{kind}", *QUIET, "--distances", "-o", "p.csv")
        pandas.testing.assert_frame_equal(pandas.read_csv("p.csv"), found)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_rows_are_written_with_what_became_of_them(files, run, frame, kind):
    options = ["--missing", "drop", "--categories", "auto", "--scale", "standard", "--outliers", "exclude"]
    run(
        "fit",
        f"people.{kind}",
        "-k",
        "3",
        *QUIET,
        *options,
        "--append",
        f"out.{kind}",
        "--distances",
        "--labels",
        "l.npy",
    )
    found = (pandas.read_csv if kind == "csv" else pandas.read_parquet)(f"out.{kind}")
    missing = [3, 9, 20, 30]
    assert found.index[found["cluster"].isna()].tolist() == missing
    assert found.index[found["distance"].isna()].tolist() == missing
    assert found.index[found["outlier"] == 1].tolist() == [40]
    labels, outliers = np.load("l.npy"), np.load("l-outliers.npy")
    assert_array_equal(found["cluster"].fillna(-1), labels)
    assert_array_equal(np.flatnonzero(outliers), [40])
    assert_array_equal(np.isnan(np.load("l-distances.npy")), labels < 0)
    pandas.testing.assert_frame_equal(found[list(frame)], frame, check_dtype=False)
    if kind == "csv":
        assert (files / "out.csv").read_text().splitlines()[4].endswith(",,,0")


@pytest.mark.parametrize("way", ["auto", "drop"])
def test_dates_are_left_out_of_every_kind_of_file(files, run, frame, way):
    frame["joined"] = pandas.date_range("2020-01-01", periods=N)
    options = ["-k", "3", "--missing", "median", "--scale", "standard", "--categories", way]
    for kind in ("csv", "parquet"):
        getattr(frame, f"to_{kind}")(f"dated.{kind}", index=False)
        told = run("fit", f"dated.{kind}", *options, "--labels", f"{kind}.npy", "--model", f"{kind}.npz").err
    assert "left out: column 6 ('joined'): it is of type timestamp" in told
    assert_array_equal(np.load("parquet.npy"), np.load("csv.npy"))
    model = kmeans_fast.load("parquet.npz")
    assert_array_equal(model.predict(frame[model.feature_names_in_]), np.load("csv.npy"))


def test_only_what_can_be_chosen_is_proposed(files, refused, frame):
    frame.assign(joined=pandas.Timestamp(0)).to_parquet("dated.parquet", index=False)
    said = refused("fit", "dated.parquet", "-k", "3", "--missing", "median", "--categories", "city")
    assert "--columns 2-5 chooses the others" in said
    frame[["city"]].dropna().to_csv("city.csv", index=False)
    assert "--categories auto makes columns" in refused("fit", "city.csv", "-k", "2")


def test_flags_of_text_meet_a_model_of_numbers(files, run, refused, frame):
    frame[["age"]].assign(vip=frame["income"] > 0).to_parquet("flags.parquet", index=False)
    pandas.DataFrame({"age": [1.0], "vip": [True]}).to_csv("flags.csv", index=False)
    run("fit", "flags.parquet", "-k", "2", "--missing", "drop", "--model", "flags.npz", *QUIET)
    assert "write 1 for true and 0 for false" in refused("predict", "flags.npz", "flags.csv")


def test_nulls_and_nan_are_missing_alike(files, run):
    import pyarrow
    from pyarrow import parquet

    half = [1.0, 2.0, None, float("nan"), 8.0, 9.0]
    table = {"a": pyarrow.array(half), "b": pyarrow.array([True, None, False, True, True, True])}
    table |= {"c": pyarrow.array([1, 2, 3, 4, None, 6]), "d": pyarrow.array(["x", "y", None, "x", "x", "y"])}
    parquet.write_table(pyarrow.table(table), "mixed.parquet")
    run("fit", "mixed.parquet", "-k", "1", *QUIET, "--missing", "drop", "--categories", "auto", "--labels", "l.csv")
    assert (files / "l.csv").read_text().split("\n") == ["label", "0", "", "", "", "", "0", ""]
    run("fit", "mixed.parquet", "-k", "1", *QUIET, "--missing", "median", "--categories", "d", "--centroids", "c.csv")
    assert pandas.read_csv("c.csv").to_dict("list") == {
        "a": [pytest.approx((1 + 2 + 5 + 5 + 8 + 9) / 6)], "b": [pytest.approx(5 / 6)],
        "c": [pytest.approx((1 + 2 + 3 + 4 + 3 + 6) / 6)], "d=x": [pytest.approx(4 / 6)], "d=y": [pytest.approx(2 / 6)],
    }  # fmt: skip


@pytest.mark.parametrize("mark", ["", "NA", "nan", "NULL", "None", "?", "-", "n/a", '""'])
def test_text_has_many_words_for_nothing(files, run, mark):
    (files / "marks.csv").write_text(f"a,b\n1,x\n{mark},y\n3,{mark}\n5,x\n")
    run("fit", "marks.csv", "-k", "1", *QUIET, "--missing", "drop", "--categories", "auto", "--labels", "l.csv")
    assert (files / "l.csv").read_text().split() == ["label", "0", "0"]


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["numbers.csv"], "row 5, column 1 ('age') is empty or NaN; every cell must be a finite number"),
        (["numbers.csv"], "3 rows of 240 have missing cells: --missing drop leaves them out, --missing median fills"),
        (["numbers.npy"], "row 4, column 1 is empty or NaN"),
        (["numbers.parquet"], "row 4, column 1 ('age') is empty or NaN"),
        (["people.csv"], "--columns 2-4 chooses the others, --categories auto makes columns of 0 and 1 of texts"),
        (["people.parquet"], "--columns 2-4 chooses the others, --categories auto makes columns of 0 and 1 of texts"),
        (["people.csv", "--categories", "age"], "column 1 ('id') is text"),
        (["people.csv", "--categories", "what"], "--categories: there is no column 'what'"),
        (["people.csv", "--columns", "age", "--categories", "city"], "column 5 ('city') is not among the columns"),
        (["people.csv", "--columns", "city", "--categories", "drop"], "at least one column of numbers, got texts only"),
        (["numbers.csv", "--missing", "median", "--pca", "4"], "n_components must be from 1 to 3"),
        (["numbers.csv", "--missing", "drop", "--outliers", "0", "--columns", "2", "-k", "230"], "-k must be at most"),
        (["empty.csv", "--missing", "median"], "column 'b' has no value at all"),
        (["empty.csv", "--missing", "drop"], "column 'b' has no value at all: leave it out with --columns"),
        (["empty.csv"], "column 'b' has no value at all: leave it out with --columns"),
        (["no_row.csv", "--missing", "drop"], "every row has a missing cell"),
        (["numbers.csv", "--pca", "0"], "must be a number of components, or a share below 1"),
        (["numbers.csv", "--outliers", "-1"], "must be 'keep', 'exclude' or a number of at least 0"),
        (["numbers.csv", "--max-categories", "1"], "must be a whole number of at least 2"),
        (
            ["people.csv", "--categories", "auto", "--missing", "drop", "--init", "numbers.npy"],
            "where columns are categories",
        ),
    ],
)
def test_what_cannot_be_prepared_is_refused_with_the_way_out(files, refused, args, text):
    (files / "empty.csv").write_text("a,b\n1,\n2,\n")
    (files / "no_row.csv").write_text("a,b\n1,\n,2\n")
    assert text in refused("fit", "-k", "2", *args)


def test_a_cell_is_named_that_matters(files, refused, frame):
    """Not the first one, where that is of a column that is left out."""
    frame.loc[0, "id"] = None
    frame.to_csv("people.csv", index=False)
    assert "row 5, column 2 ('age') is empty or NaN" in refused("fit", "people.csv", "-k", "2", "--categories", "auto")


def test_what_is_found_is_said(files, run):
    told = run("fit", "people.csv", "-k", "3", "--categories", "auto", "--missing", "median", code=0).err
    assert "left out: 'id': more than half of its rows differ" in told
    assert "Scales differ: income varies" in told
    assert "--scale standard" in told
    assert "1 extreme value in income" in told
    assert "--outliers exclude" in told
    assert "filled in: missing cells in 4 rows" in told
    assert "missing cells in age" not in told  # which has been seen to
    told = json.loads(run("fit", "people.csv", "-k", "3", "--categories", "drop", "--missing", "drop", "--json").out)
    assert (told["rows_without_label"], told["outliers"], told["n_samples"]) == (3, 0, N - 3)
    assert any("Scales differ" in note for note in told["notes"])


def test_centroids_are_in_the_units_of_the_data(files, run, frame):
    options = ["--missing", "drop", "--categories", "auto", "--scale", "robust", "--outliers", "exclude"]
    out = run(
        "fit", "people.csv", "-k", "3", *options, "--append", "out.csv", "--centroids", "c.csv", "--model", "m.npz"
    )
    rows = pandas.read_csv("out.csv")
    rows = rows[rows["cluster"].notna() & (rows["outlier"] == 0)]
    means = rows.groupby("cluster")[["age", "income", "rate"]].mean()
    shares = pandas.get_dummies(rows["city"]).groupby(rows["cluster"]).mean()
    centroids = pandas.read_csv("c.csv")
    assert list(centroids) == ["age", "income", "rate", "city=Bern, old", "city=Oslo", "city=Rome"]
    np.testing.assert_allclose(centroids, np.hstack([means, shares]), rtol=1e-9, atol=1e-9)
    assert f"Oslo {shares['Oslo'].max():.0%}" in out.out
    told = run("info", "m.npz").out
    assert "'city': a column of 0 and 1 for each level" in told
    assert "median 0 and interquartile range 1" in told
    assert f"{means['income'][0]:.5g}" in told
    facts = json.loads(run("info", "m.npz", "--json").out)
    np.testing.assert_allclose(np.array(list(facts["centroids"].values())).T, centroids)
    run("fit", "numbers.npy", "-k", "3", "--missing", "median", "--model", "m.npz")
    assert "'x1', 'x2', 'x3': missing cells become the median" in run("info", "m.npz").out


def test_a_file_of_centroids_is_in_the_units_of_the_data(files, run, numbers):
    options = ["--missing", "median", "--scale", "standard", "--pca", "3"]
    np.save("start.npy", numbers[[0, 50, 100]])
    run(
        "fit",
        "numbers.npy",
        "-k",
        "3",
        *QUIET,
        *options,
        "--init",
        "start.npy",
        "--model",
        "m.npz",
        "--labels",
        "l.npy",
    )
    model = kmeans_fast.load("m.npz")
    start = model[:-1].transform(numbers[[0, 50, 100]])
    assert_array_equal(KMeans(3, init=start, n_init=1).fit(model[:-1].transform(numbers)).labels_, np.load("l.npy"))


def test_new_levels_and_missing_cells_meet_the_rule_of_the_model(files, run, refused, frame):
    run("fit", "people.csv", "-k", "3", *QUIET, "--missing", "drop", "--categories", "auto", "--model", "m.npz")
    new = frame[:5].assign(city=["Oslo", "Paris", "Rome", "Oslo", "Lyon"])[["city", "rate", "income", "age"]]
    new.to_csv("new.csv", index=False)
    line = refused("predict", "m.npz", "new.csv")
    assert "row 5, column 4 ('age') is empty or NaN, and the model fills in no cells there (1 row of 5" in line
    done = run("predict", "m.npz", "new.csv", "--missing", "drop", "-o", "p.npy")
    assert "column 'city' has levels that the fit has not met ('Lyon', 'Paris')" in done.err
    labels = np.load("p.npy")
    assert labels[3] == -1
    model = kmeans_fast.load("m.npz")
    assert_array_equal(model.predict(new.drop(index=3)), labels[labels >= 0])
    new.drop(columns="age").to_csv("less.csv", index=False)
    assert "'age' not found among" in refused("predict", "m.npz", "less.csv")
    new.assign(rate="much").to_csv("text.csv", index=False)
    assert "column 2 ('rate') is 'much'" in refused("predict", "m.npz", "text.csv")


def test_numbers_may_be_categories(files, run):
    X = np.array([[1.0, 7], [2, 7], [1, 9], [9, 9], [9, 7], [8, 9]])
    np.save("codes.npy", X)
    np.savetxt("codes.csv", X, delimiter=",", fmt="%g", header="a,code", comments="")
    for kind, column in [("npy", "2"), ("csv", "code"), ("csv", "2")]:
        run(
            "fit",
            f"codes.{kind}",
            "-k",
            "2",
            *QUIET,
            "--categories",
            column,
            "--centroids",
            "c.csv",
            "--model",
            "m.npz",
        )
        assert (files / "c.csv").read_text().splitlines()[0].endswith("=7,x2=9" if kind == "npy" else "=7,code=9")
        run("predict", "m.npz", f"codes.{kind}", *QUIET, "-o", "p.npy")
        model = kmeans_fast.load("m.npz")
        data = X if kind == "npy" else pandas.read_csv("codes.csv")
        assert_array_equal(model.predict(data), np.load("p.npy"))


def test_a_pipeline_of_scikit_learns_predicts_on_the_command_line(files, run, frame):
    rows = frame.dropna()
    columns = make_column_transformer(
        (StandardScaler(), ["rate", "income"]), (OneHotEncoder(sparse_output=False), ["city"])
    )
    model = make_pipeline(columns, KMeans(3, random_state=0)).fit(rows)
    kmeans_fast.save(model, "m.npz")
    rows[["city", "income", "rate"]].to_csv("rows.csv", index=False)  # without what it does not use
    run("predict", "m.npz", "rows.csv", *QUIET, "-o", "p.npy")
    assert_array_equal(np.load("p.npy"), model.predict(rows))
    rows.to_parquet("rows.parquet")
    run("predict", "m.npz", "rows.parquet", *QUIET, "-o", "p.npy")
    assert_array_equal(np.load("p.npy"), model.predict(rows))


def test_components_are_told_of_wherever_they_are(files, run, numbers):
    rows = np.nan_to_num(numbers)
    model = make_pipeline(make_preparation(scale="standard", pca=2), KMeans(2, random_state=0)).fit(rows)
    kmeans_fast.save(model, "m.npz")
    assert "all: 2 principal components" in run("info", "m.npz").out
    columns = make_column_transformer((PCA(1), [0, 1]), ("passthrough", [2]))
    kmeans_fast.save(make_pipeline(columns, KMeans(2, random_state=0)).fit(rows), "m.npz")
    assert "'x1', 'x2': 1 principal component\n" in run("info", "m.npz").out


def test_choice_and_report_prepare_too(files, run):
    options = ["--missing", "drop", "--categories", "auto", "--scale", "standard", "--outliers", "exclude"]
    out = run("choose-k", "people.csv", "-k", "2:5", *options).out
    assert f"fit people.csv {' '.join(options)} -k 3" in out
    pytest.importorskip("jinja2")
    run("report", "people.csv", "-k", "3", *options, "--pca", "2", *QUIET, "-o", "r.html")
    page = (files / "r.html").read_text(encoding="utf-8")
    assert "3 clusters in people.csv" in page
    assert "5 missing cells in" not in page
    assert "4 missing cells in age, rate and city" in page
    assert ">city=Rome<" in page


def test_explain_takes_the_options_of_a_fit(files, run, refused):
    options = [
        "--missing",
        "drop",
        "--categories",
        "auto",
        "--scale",
        "standard",
        "--pca",
        "3",
        "--outliers",
        "exclude",
    ]
    told = run("explain", "people.csv", "-k", "3", *options)
    fitted = json.loads(run("fit", "people.csv", "-k", "3", *options, "--model", "m.npz", "--json").out)
    assert told.out.startswith(f"{fitted['n_samples']} x 3 float64, 3 clusters")
    assert "Scales differ" not in told.err
    assert "--missing drop leaves them out" in refused("explain", "people.csv", "-k", "3", "--categories", "auto")


@pytest.mark.parametrize(("components", "told"), [(2, True), (3, False)])
def test_centroids_that_are_estimates_are_called_so(files, run, components, told):
    """What components that are left out would add is not known: a count may be below 0."""
    options = ["--missing", "median", "--scale", "standard", "--pca", components, "--model", "m.npz"]
    said = "centroids, in the data's units" + ", estimated from the components that are kept" * told + "\ncluster"
    assert said in run("fit", "numbers.csv", "-k", "21", *options).out
    assert said in run("info", "m.npz").out
    assert "... and 1 more cluster\n" in run("info", "m.npz").out
