"""``kmeans-fast report``."""

import numpy as np
import pytest

from kmeans_fast.datasets import make_blobs

pytest.importorskip("jinja2", reason="reports need Jinja2")


def test_a_page_is_written(tmp_path, run):
    X = make_blobs(400, 3, centers=4, center_box=(-20, 20), random_state=2)[0]
    np.savetxt(tmp_path / "people.csv", X, delimiter=",", header="age,spend,days", comments="")
    told = run("report", "people.csv", "-k", "2:6", "--scale", "standard", "-o", "people.html")
    assert "clusters  4" in told.out
    text = (tmp_path / "people.html").read_text(encoding="utf-8")
    assert "4 clusters in people.csv" in text
    assert "kmeans-fast report people.csv -k 2:6 --scale standard -o people.html" in text
    assert ">spend<" in text
    run("report", "people.csv", "-k", "3", "--quiet")
    assert "3 clusters in people.csv" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_page_says_what_was_found_and_what_was_done(tmp_path, run):
    pandas = pytest.importorskip("pandas")
    X = make_blobs(400, 2, centers=4, center_box=(-20, 20), random_state=2)[0]
    table = pandas.DataFrame(X, columns=["age", "spend"])
    table["town"] = np.where(X[:, 0] > 0, "Rome", "Oslo")
    table.loc[3, "age"], table.loc[7, "spend"] = np.nan, 1e6
    table.to_csv(tmp_path / "people.csv", index=False)
    options = ["--missing", "drop", "--categories", "auto", "--scale", "robust", "--outliers", "exclude", "--pca", "3"]
    run("report", "people.csv", "-k", "4", *options, "-o", "people.html")
    text = (tmp_path / "people.html").read_text(encoding="utf-8")
    for words in (
        "400 rows, 3 columns.", "<li>1 missing cell in age, in 1 row.</li>",
        "left out: 1 row of 400 with missing cells", "left out of the fit: 1 row",
        "each level of &#x27;town&#x27; became a column of 0 and 1",
        "scaled: columns of numbers, to median 0", "3 principal components", ">town=Rome<", "extreme value",
    ):  # fmt: skip
        assert words in text
    assert "<code>--missing drop</code>" not in text  # advice that was taken


def test_columns_without_names_are_called_the_same_in_all_parts(inputs, run):
    inputs.joinpath("rows.csv").write_text("".join(f"{at % 7},{at % 5},{'ab'[at % 2]}\n" for at in range(200)))
    run("report", "rows.csv", "-k", "2", "--categories", "auto", "-o", "rows.html")
    text = inputs.joinpath("rows.html").read_text(encoding="utf-8")
    assert ">x1<" in text
    assert ">x3=a<" in text
    assert ">x0<" not in text


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["report", "people.csv", "-o", "people.pdf"], "must end in .html"),
        (["report", "people.csv", "-o", "no/people.html"], "does not exist"),
        (["report", "nothing.csv"], "no such file"),
        (["report", "data.npy", "-k", "2:181"], "-k must be at most the number of rows, 180, got 181"),
    ],
)
def test_wrong_use_ends_with_code_2(inputs, args, message, refused):
    assert message in refused(*args)
