"""The report: what it says is what the functions say, and the page needs nothing from elsewhere."""

import base64
import datetime
import html.parser
import re
import warnings

import numpy as np
import pytest

import kmeans_fast
from kmeans_fast.datasets import make_blobs
from kmeans_fast.metrics import compare_labels
from kmeans_fast.preparation.findings import health
from kmeans_fast.reporting import analyse, page

pytest.importorskip("jinja2", reason="reports need Jinja2")
pytest.importorskip("matplotlib", reason="reports need matplotlib").use("Agg")

VOID = {"meta", "link", "img"}


class Page(html.parser.HTMLParser):
    """Elements with their attributes, in order; fails where tags do not match."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def X():
    rows = make_blobs(700, 3, centers=4, center_box=(-20, 20), random_state=2)[0]
    return rows * [1.0, 1000.0, 1.0] + [0.0, 0.0, 50.0]


@pytest.fixture(scope="module")
def analysis(X):
    return analyse(
        X, [2, 3, 4, 5], names=["<age>", "spend", "days"], title="a & b.csv", seed=0,
        prepared=X / X.std(axis=0), command="kmeans-fast report 'a & b.csv'",
    )  # fmt: skip


@pytest.fixture(scope="module")
def text(analysis):
    return page(analysis, datetime.datetime(2026, 1, 2, 3, 4))


def test_numbers_are_those_of_the_functions(X, analysis):
    rows = X / X.std(axis=0)
    choice = kmeans_fast.choose_k(rows, [2, 3, 4, 5], seed=0)
    assert analysis.n_clusters == choice.n_clusters == 4
    labels, squared = kmeans_fast.assign(rows, choice.centroids[4])
    np.testing.assert_allclose(analysis.inertia, squared.sum(), rtol=1e-6)
    assert [one.rows for one in analysis.clusters] == np.bincount(labels).tolist()
    for one in analysis.clusters:
        np.testing.assert_allclose(one.means, X[labels == one.number].mean(axis=0), rtol=1e-9)
        assert re.search("higher|lower|like the others", one.words)
    silhouette = kmeans_fast.metrics.silhouette_score(rows, labels)
    np.testing.assert_allclose(analysis.silhouette, silhouette, atol=1e-6)


def test_the_page_is_whole_and_asks_for_nothing(text):
    found = Page(text)
    assert all(one["src"].startswith("data:image/png;base64,") for one in found.of("img"))
    for one in found.of("img"):
        assert base64.b64decode(one["src"].partition(",")[2]).startswith(b"\x89PNG")
        assert len(one["alt"]) > 20
    assert [one["href"] for one in found.of("link")] == ["data:,"]
    assert found.of("script") == []
    outside = [
        value for _, one in found.elements for value in one.values() if value and re.match(r"(https?:)?//", value)
    ]
    assert outside == []
    assert "url(" not in text
    assert "@import" not in text


def test_the_page_can_be_read_without_seeing(text):
    found = Page(text)
    assert found.of("html") == [{"lang": "en"}]
    assert len(found.of("h1")) == 1
    assert len(found.of("caption")) == len(found.of("table"))
    assert all(one.get("scope") in ("col", "row") for one in found.of("th"))
    names = [one["id"] for _, one in found.elements if "id" in one]
    assert len(set(names)) == len(names)
    assert {one["href"][1:] for one in found.of("a")} == set(names)
    assert all("aria-label" in one for _, one in found.elements if one.get("role") == "region")


def test_names_are_escaped(text):
    assert "&lt;age&gt;" in text
    assert "<age>" not in text
    assert "a &amp; b.csv" in text


def test_one_number_is_taken_as_it_is(X):
    found = analyse(X, [3], seed=0)
    assert found.choice is None
    shown = "".join(Page(page(found)).text)
    assert "3 clusters in" in shown
    assert "How many clusters" not in shown
    assert "x0" in shown
    alone = Page(page(analyse(X, [1], seed=0)))
    assert len(alone.of("img")) == 2  # for light and for dark


def test_one_is_one(analysis):
    """One row, cluster or outlier, and not "1 rows"."""
    choice = analysis.choice._replace(n_clusters=1)
    few = analysis._replace(
        n_clusters=1, outliers=1, farthest=[(3, 0, 9.0)], choice=choice, names=[f"x{j}" for j in range(61)],
        health=health(np.zeros((1, 1))), clusters=[],
    )  # fmt: skip
    shown = " ".join("".join(Page(page(few)).text).split())
    for words in ("1 cluster in", "1 row, 1 column.", "1 cluster is recommended"):
        assert words in shown
    assert "\n1 cluster (" in str(choice)
    some = analysis._replace(outliers=1, farthest=[(3, 0, 9.0)])
    assert "1 outlier: farther from the centroid than" in "".join(Page(page(some)).text)


def test_the_health_of_columns_is_told():
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [rng.normal(size=1000), 500 * rng.normal(size=1000), np.full(1000, 2.0), rng.integers(0, 2, 1000)]
    )
    X[7, 0] = 1e6
    found = health(X, ["a", "b", "c", "d"], False)
    assert [column.remark for column in found.columns] == ["", "", "constant", "two values"]
    assert found.columns[0].extreme == 1
    assert found.columns[1].extreme == 0
    said = " ".join(found.remarks)
    assert "c is constant and tells clusters nothing." in said
    assert "1 extreme value in a" in said
    assert "Scales differ: a varies" in said
    assert "--scale standard" in said
    assert "the columns were scaled" in " ".join(health(X, ["a", "b", "c", "d"], True).remarks)
    assert health(rng.normal(size=(500, 2)), ["a", "b"], False).remarks == []
    assert "There are few rows, 12, for 2 columns" in health(rng.normal(size=(12, 2)), ["a", "b"], False).remarks[0]


def test_what_was_found_before_and_what_was_done_is_told():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    found = pandas.DataFrame({"age": rng.normal(size=40), "town": ["Rome", "Oslo"] * 20})
    found.loc[3, "age"] = np.nan
    made = np.column_stack([found["age"].fillna(0.0), found["town"] == "Rome", found["town"] == "Oslo"]).astype(float)
    told = analyse(
        made, [2], names=["age", "town=Rome", "town=Oslo"], of_columns=health(found), done=["filled in: <1 cell>"],
        prepared=made[:, :2] * 3.0, made="component", seed=0,
    )  # fmt: skip
    text = page(told)
    shown = " ".join("".join(Page(text).text).split())
    assert "40 rows, 2 columns." in shown
    assert "1 missing cell in age" in shown
    assert "filled in: <1 cell>" in shown
    assert "<code>--missing drop</code>" in text
    assert "missing cells" in shown
    assert "levels" in shown
    assert {len(one.means) for one in told.clusters} == {3}  # of what was made, not of what is clustered


def test_without_jinja_it_says_what_to_install(analysis, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    with pytest.raises(ImportError, match="the extra 'report'"):
        page(analysis)


@pytest.mark.parametrize(
    ("rows", "numbers"),
    [("one far away", [2]), ("one far away", [2, 3]), ("constant", [2, 3]), ("few", [12]), ("one", [1])],
)
def test_pages_of_odd_data_are_made(rows, numbers):
    X = np.random.default_rng(0).normal(size=(12_000, 3))
    X[11_999] = 1e6
    X = {"one far away": X, "constant": np.full((50, 3), 0.1), "few": X[:12], "one": X[:1]}[rows]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fewer distinct rows than clusters
        assert re.search("[2-9] clusters in|12 clusters in|>1 cluster in", page(analyse(X, numbers, seed=0)))


def test_a_column_that_is_constant_but_for_rounding_does_not_vary():
    X = np.column_stack([np.random.default_rng(0).normal(size=300), np.full(300, 0.1)])
    assert [line for line in health(X, ["a", "b"], False).remarks if "varies" in line] == []


def test_letters_that_no_font_has_are_told_once(monkeypatch):
    from kmeans_fast.plot import ConfusionDisplay
    from kmeans_fast.reporting import pictures

    monkeypatch.setattr(pictures, "_MORE_LETTERS", ())
    display = ConfusionDisplay(compare_labels(["\U00010330", "\U00010331"], [0, 1]))
    with pytest.warns(UserWarning, match="install a font") as said:
        pictures.picture(display, "title", "alternative")
    assert [str(one.message)[:42] for one in said] == ["Some letters of names are in no font that "]


def test_numbers_are_short():
    from kmeans_fast.reporting.page import _number

    assert [_number(value) for value in (1234, 0.12345, 98765.4, 6.17211e15)] == [
        "1,234",
        "0.1235",
        "98,765",
        "6.172e+15",
    ]
