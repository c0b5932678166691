"""What is found of data before it is clustered."""

import numpy as np
import pytest

from kmeans_fast.preparation import findings, health
from kmeans_fast.preparation.number_texts import is_number_text


def kinds(found):
    return {one.kind: one for one in found.findings}


def test_everything_is_found_in_a_frame():
    pandas = pytest.importorskip("pandas")
    rng, n = np.random.default_rng(0), 200
    frame = pandas.DataFrame(
        {
            "id": [f"c{i}" for i in range(n)],
            "number": rng.permutation(n) + 5000,
            "age": rng.normal(40, 9, n),
            "spend": rng.normal(0, 1e5, n),
            "city": rng.choice(["Oslo", "Rome"], n),
            "flag": rng.choice([True, False], n),
            "same": 3.0,
            "none": np.nan,
            "price": [f"${i:,}" for i in range(5000, 5000 + n)],
            "one": "x",
            "count": pandas.array([None, *rng.integers(0, 9, n - 1)], dtype="Int64"),
            "kind": pandas.Categorical(rng.choice(["a", "b"], n)),
        }
    )
    frame.loc[3, ["age", "city"]] = None
    frame.loc[4, "spend"] = 1e9
    found = health(frame)
    assert found.n_samples == n
    remarks = {column.name: column.remark for column in found.columns if column.remark}
    assert remarks == {
        "id": "identifier", "number": "identifier", "city": "text", "flag": "two values", "same": "constant",
        "none": "empty", "price": "numbers as text", "one": "constant", "kind": "text",
    }  # fmt: skip
    missing = {column.name: column.missing for column in found.columns if column.missing}
    assert missing == {"age": 1, "city": 1, "none": n, "count": 1}
    said = kinds(found)
    order = ["empty", "missing", "text", "numbers as text", "identifier", "constant", "scales", "extreme"]
    assert list(said) == order
    assert said["empty"].words == "none has no value at all"  # so no row is whole, and that is not for --missing
    assert said["missing"].words == "3 missing cells in age, city and count, in 2 rows"
    assert said["numbers as text"].words == "price is text, though all of it is numbers ('$5,000')"
    assert said["constant"].columns == ["same", "one"]
    assert said["text"].words == "city and kind are text (levels: city 2, kind 2)"
    assert said["identifier"].columns == ["id", "number"]
    assert said["extreme"].columns == ["spend"]
    options = {"missing": "--missing", "text": "--categories", "scales": "--scale", "extreme": "--outliers"}
    for kind, option in options.items():
        assert option in said[kind].advice
    assert str(found).splitlines() == found.remarks


def test_numbers_are_those_of_numpy_in_blocks_of_rows(monkeypatch):
    monkeypatch.setattr(findings, "_BLOCK", 40)
    X = np.random.default_rng(0).normal(size=(503, 4)).astype(np.float32) * [1, 10, 1, 1] + [5, 0, 1e4, 0]
    X[::7, 1] = np.nan
    X[4, 3] = 1e7
    for array in (X, np.asfortranarray(X), X.tolist()):
        found = health(array)
        for j, column in enumerate(found.columns):
            numbers = [np.nanmin(X[:, j]), np.nanmax(X[:, j]), np.nanmean(X[:, j]), np.nanstd(X[:, j])]
            np.testing.assert_allclose(
                [column.least, column.largest, column.mean, column.deviation], numbers, rtol=1e-6
            )
        assert [column.missing for column in found.columns] == [0, 72, 0, 0]
        assert [column.extreme for column in found.columns] == [0, 0, 0, 1]


def test_scales_of_any_size_are_short_to_read():
    X = np.arange(1.0, 31).reshape(-1, 1) % 7 * [1e150, 1e-150]
    assert str(health(X).findings[0]).startswith("Scales differ: x0 varies 1.0e+300 times as much as x1")


def test_arrays_of_objects_have_texts_too():
    found = health(np.array([["a", 1], [None, 2], ["b", None]], object), ["word", "number"])
    assert [(column.name, column.kind, column.missing, column.levels) for column in found.columns] == [
        ("word", "text", 1, 2),
        ("number", "number", 1, 0),
    ]


def test_of_the_largest_numbers_the_spread_is_infinite_and_nothing_is_warned_of():
    found = health(np.array([[1e308, 1.0], [-1e308, 2], [1e308, 3]]))
    assert found.columns[0].deviation == np.inf
    assert "x0 varies inf times as much as x1" in str(found)


@pytest.mark.parametrize(
    ("X", "text"),
    [
        ([1.0, 2.0], "2 dimensions"),
        (np.array([[object()], [1]]), "must hold numbers and texts"),
        (np.array([["a"], [object()]], object), "categories must be texts or numbers"),
        (np.array([[1 + 2j]]), "must hold numbers and texts: the dtype is complex128"),
        (np.array([["2020-01-01"]], "M8[D]"), "must hold numbers and texts: the dtype is datetime64"),
    ],
)
def test_other_data_is_refused(X, text):
    with pytest.raises(ValueError, match=text):
        health(X)
    with pytest.raises(ValueError, match="names must name all 2 columns"):
        health([[1.0, 2.0]], ["a"])


def test_numbers_are_told_from_other_texts():
    written = [
        "$1,200.50", "39%", "39 %", "1.200.000", "1 200 000", "-$5", "(55)", "44.67 €", "R$ 7", "US$ 7", "1'000.5",
    ]  # fmt: skip
    others = [
        "12", "1.5", "1,5", "2021-11-06", "06.11.2021", "12:30", "c-00001", "AB12", "", "%", "$", "1,23,4", "10-20",
    ]  # fmt: skip
    assert [text for text in written if not is_number_text(text)] == []
    assert [text for text in others if is_number_text(text)] == []
