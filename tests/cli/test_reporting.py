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
