"""Tables with missing cells and columns of text, by both parsers and from Parquet: what was written is what is read."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from kmeans_fast.cli.readers import Selection, TextOptions, numbers, read, source

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
ABSENT = ["", "NA", "n/a", "NaN", "nan", "null", "NULL", "None", "?", "-", "<NA>", "N/A"]
WORDS = ["Oslo", "Sao Paulo", "a,b", "x;y", "na\u00efve", "1st", "none of these", "naan"]


@pytest.fixture(params=["pyarrow", "cell by cell"])
def parser(request, monkeypatch):
    if request.param == "cell by cell":
        monkeypatch.setattr(numbers, "by_pyarrow", lambda *_: None)


def table(rng, n, d, share):
    """Numbers (n, d) with NaN, and texts (n,) of which some are None."""
    X = np.round(rng.normal(size=(n, d)) * 10.0 ** rng.integers(-3, 6, d), 4)
    X[rng.random((n, d)) < share] = np.nan
    X[0] = 0.5  # rows that tell the kinds of the columns
    words = rng.choice(np.array([*WORDS, None], object), n)
    words[:2] = "Oslo", "Rome"
    return X, words


def written(rng, X, words, delimiter, decimal, ends):
    """The table as text: missing cells in many words, texts in quotes, blanks, comments and empty lines here and there;
    and the line of each row.
    """
    lines, at = ["# a comment", delimiter.join([*(f"x{j}" for j in range(X.shape[1])), "word"]) + ends], []
    for row, word in zip(X.tolist(), words):
        cells = [rng.choice(ABSENT) if x != x else repr(x).replace(".", decimal) for x in row]
        text = rng.choice(ABSENT) if word is None else f'"{word}"'
        if rng.random() < 0.1:
            lines.append("# more" if rng.random() < 0.5 else "")
        lines.append(delimiter.join([*cells, text]) + ends)
        at.append(len(lines))
    return "\n".join(lines) + "\n", at


def check(found, X, words, where):
    """Compare with what was written; `where` tells the row of the file that each row is in."""
    assert_array_equal(found.data, X)
    assert list(found.texts) == [X.shape[1]]
    texts = found.texts[X.shape[1]]
    assert [None if text != text else text for text in texts] == list(words)
    missing = np.column_stack([np.isnan(X), np.array([word is None for word in words])])
    if missing.any():
        row, column = np.argwhere(missing)[0].tolist()
        assert f": row {where[row]}, column {column + 1} (" in found.first_missing(range(99))
    assert {at: row for at, (row, _) in found.missing.items()} == {
        at: int(column.argmax()) for at, column in enumerate(missing.T) if column.any()
    }
    assert_array_equal(found.rows().missing(), missing.any(axis=1))


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(("delimiter", "decimal", "ends"), [(",", ".", True), (";", ",", False), ("\t", ".", False)])
@pytest.mark.parametrize(("n", "d", "share"), [(40, 3, 0.0), (40, 3, 0.2), (15, 70, 0.1), (400, 1, 0.01)])
def test_text(tmp_path, monkeypatch, n, d, share, delimiter, decimal, ends):
    monkeypatch.setattr(source, "_BYTES", 700)  # many pieces, each with levels of its own
    rng = np.random.default_rng([n, d, ends])
    X, words = table(rng, n, d, share)
    text, at = written(rng, X, words, delimiter, decimal, delimiter if ends else "")
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    options = TextOptions(header="yes", delimiter=delimiter, decimal=decimal)
    found = read(path, Selection(categories=str(d + 1), prepares=True), text=options)
    assert found.names == [*(f"x{j}" for j in range(d)), "word"]
    check(found, X, words, at)
    only = read(path, Selection(f"{d + 1},1", categories="word", prepares=True), text=options)
    assert only.names == ["word", "x0"]
    assert_array_equal(only.data[:, 0], X[:, 0])
    assert list(only.texts) == [0]


@pytest.mark.parametrize("kind", ["string", "large_string", "dictionary"])
def test_parquet(tmp_path, kind):
    rng = np.random.default_rng(0)
    X, words = table(rng, 200, 3, 0.1)
    made = pyarrow.array(list(words), pyarrow.large_string() if kind == "large_string" else pyarrow.string())
    made = made.dictionary_encode() if kind == "dictionary" else made
    columns = {f"x{j}": pyarrow.array([None if x != x and j else x for x in X[:, j].tolist()]) for j in range(3)}
    parquet.write_table(pyarrow.table(columns | {"word": made}), tmp_path / "t.parquet", row_group_size=30)
    check(read(tmp_path / "t.parquet", Selection(categories="auto", prepares=True)), X, words, range(1, 201))
    dropped = read(tmp_path / "t.parquet", Selection(categories="drop", prepares=True))
    assert (dropped.names, dropped.texts) == (["x0", "x1", "x2"], {})


@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        (pyarrow.array([True, None, False, True]), ["True", None, "False", "True"]),
        (pyarrow.array([2**60 + 1, None, 2**60 + 3, 7]), ["1152921504606846977", None, "1152921504606846979", "7"]),
        (pyarrow.array([0.5, None, float("nan"), 7]), ["0.5", None, None, "7"]),
        (  # in bytes there is no number for what is missing
            pyarrow.DictionaryArray.from_arrays(
                pyarrow.array([*range(128), None], pyarrow.int8()), list(map(str, range(128)))
            ),
            [*map(str, range(128)), None],
        ),
    ],
    ids=["bool", "int", "float", "dictionary"],
)
def test_all_that_parquet_holds_may_be_categories(tmp_path, cells, texts):
    """And is called as in Python, whether or not cells are missing in the same group of rows."""
    parquet.write_table(
        pyarrow.table({"x": np.arange(len(cells)), "of": cells}), tmp_path / "t.parquet", row_group_size=2
    )
    found = read(tmp_path / "t.parquet", Selection(categories="of", prepares=True)).texts[1]
    assert [None if text != text else text for text in found] == texts


@pytest.mark.usefixtures("parser")
def test_infinities_and_words_are_not_missing(tmp_path):
    path = tmp_path / "t.csv"
    for cell in ("inf", "-Infinity", "1_0", "x", "1 2"):
        path.write_text(f"a,b\n1,2\n,3\n4,{cell}\n")
        with pytest.raises(
            ValueError, match=rf"row 4, column 2 \('b'\) is '{cell}'; every cell must be a finite number"
        ):
            read(path, Selection(prepares=True))


def test_commands_without_a_preparation_refuse_missing_cells(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n,3\n")
    with pytest.raises(ValueError, match=r"row 3, column 1 \('a'\) is empty; every cell must be a finite number"):
        read(tmp_path / "t.csv")
