"""Text in, of every kind and by both parsers: what is read is said, and what is in doubt is refused."""

import bz2
import gzip
import io
import lzma

import numpy as np
import pytest

from kmeans_fast.cli.readers import TextOptions, npy, numbers, read
from kmeans_fast.cli.readers.columns import Selection

pandas = pytest.importorskip("pandas")
pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(params=["pyarrow", "cell by cell"])
def parser(request, monkeypatch):
    """What reads the numbers."""
    if request.param == "cell by cell":
        monkeypatch.setattr(numbers, "by_pyarrow", lambda *_: None)
    return request.param


@pytest.fixture
def table(tmp_path):
    """Write a file and read it: a `Table`."""

    def call(content, columns=None, *, name="table.csv", weights=None, expected=(), dtype="auto", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read(path, Selection(columns, weights, expected), text=TextOptions(**options), dtype=dtype)

    return call


@pytest.fixture
def refusal(table, tmp_path):
    """The words in which a file is refused, without its path."""

    def call(content, columns=None, **options):
        with pytest.raises(ValueError) as caught:  # noqa: PT011 (the caller looks at the message)
            table(content, columns, **options)
        return str(caught.value).replace(f"{tmp_path}/", "")

    return call


# ---- text that is read ---------------------------------------------------------------------------------------------

READ = {
    "header": ("a,b\n1,2\n3,4.5\n", {}, [[1, 2], [3, 4.5]], ["a", "b"]),
    "no header": ("1,2\n3,4.5\n", {}, [[1, 2], [3, 4.5]], None),
    "numpy.savetxt": ("1.0e+00 -2.5e-01\n3.0e+00 4.0e+00\n", {}, [[1, -0.25], [3, 4]], None),
    "numpy.savetxt with a header": ("# x y\n1.0e+00 2.0e+00\n3.0e+00 4.0e+00\n", {}, [[1, 2], [3, 4]], ["x", "y"]),
    "a comment that names nothing": ("# made on a monday\n1 2\n3 4\n", {}, [[1, 2], [3, 4]], None),
    "comments": ("# one\n\n1,2\n # two\n3,4 # three\n", {}, [[1, 2], [3, 4]], None),
    "aligned with blanks": ("   1.0    2.0 \n  30.0   40.0\n\n\n", {}, [[1, 2], [30, 40]], None),
    "blanks and tabs": ("1 \t 2\n3\t4\n", {}, [[1, 2], [3, 4]], None),
    "iris.data": (
        "5.1,3.5,Iris-setosa\n4.9,3.0,Iris-setosa\n7.0,3.2,Iris-versicolor\n\n",
        {"columns": "1-2"},
        [[5.1, 3.5], [4.9, 3.0], [7.0, 3.2]],
        None,
    ),
    "semicolons": ("a;b\n1;2\n", {}, [[1, 2]], ["a", "b"]),
    "tabs, ends of Windows": ("a b\tc\r\n1\t2\r\n", {}, [[1, 2]], ["a b", "c"]),
    "ends of old": ("1,2\r3,4\r", {}, [[1, 2], [3, 4]], None),
    "pipes": ("1|2\n3|4\n", {}, [[1, 2], [3, 4]], None),
    "decimal commas": ("a;b\n1,5;-2,5e3\n", {"decimal": ","}, [[1.5, -2500]], ["a", "b"]),
    "decimal commas, blanks": ("1,5 2\n3 4,5\n", {"decimal": ","}, [[1.5, 2], [3, 4.5]], None),
    "no newline at the end": ("1,2\n3,4", {}, [[1, 2], [3, 4]], None),
    "a mark": ("\ufeffa,b\n1,2\n", {}, [[1, 2]], ["a", "b"]),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), {}, [[1, 2]], ["a", "b"]),
    "latin-1": ("größe,b\n1,2\n".encode("latin-1"), {"encoding": "latin-1"}, [[1, 2]], ["größe", "b"]),
    "spaces beside commas": ('"a", "b" ,c\n1, 2 ,3\n', {}, [[1, 2, 3]], ["a", "b", "c"]),
    "quoted": ('n,"a,b"\n"x, ""y""",1\n"z",2\n', {"columns": "2"}, [[1], [2]], ["a,b"]),
    "quoted numbers": ('"2019","2020"\n1,2\n"3",4\n', {"columns": "2", "header": "yes"}, [[2], [4]], ["2020"]),
    "quoted names over numbers": ('"a","2019"\n1,2\n3,4\n', {}, [[1, 2], [3, 4]], ["a", "2019"]),
    "cells of several lines": ('n,a\n"x\ny",1\n"z",2\n', {"columns": "a", "quotes": "yes"}, [[1], [2]], ["a"]),
    "quotes that are characters": ('n,a\n5" pipe,1\n"x,2\n', {"columns": "a", "quotes": "no"}, [[1], [2]], ["a"]),
    "a delimiter at the end of rows": ("1,2,\n3,4,\n", {}, [[1, 2], [3, 4]], None),
    "the same with a header": ("a,b\n1,2,\n3,4,\n", {}, [[1, 2], [3, 4]], ["a", "b"]),
    "an index of pandas": (",a,b\n0,5,6\n1,7,8\n", {}, [[5, 6], [7, 8]], ["a", "b"]),
    "an index written twice": ("Unnamed: 0.1,Unnamed: 0,a\n0,0,6\n1,1,8\n", {}, [[6], [8]], ["a"]),
    "an index that is chosen": (",a,b\n3,5,6\n4,7,8\n", {"columns": "1,3"}, [[3, 6], [4, 8]], ["", "b"]),
    "an index, columns without names": (",0,1\n0,5,6\n1,7,8\n", {}, [[5, 6], [7, 8]], ["0", "1"]),
    "row names of R": ('"a" "b"\n"1" 5 6\n"2" 7 8\n', {}, [[5, 6], [7, 8]], ["a", "b"]),
    "numbers of every form": ("1.,.5\n+3,-1E+2\n 4 ,1e-400\n", {}, [[1, 0.5], [3, -100], [4, 0]], None),
    "a single column": ("1\n2\n\n\n", {}, [[1], [2]], None),
    "a single column, comments": ("x\n1\n# so\n2\n", {}, [[1], [2]], ["x"]),
    "a tutorial's first row": ("1,2\n1.5,1.8\n5,8\n", {}, [[1, 2], [1.5, 1.8], [5, 8]], None),
    "a hash in text": ("n,a\nC#,1\nno #3,2\n", {"columns": "a"}, [[1], [2]], ["a"]),
    "a date in a column that is not chosen": (
        "t,a\n2020-01-01 10:00,1\n2020-01-01 11:00,2\n",
        {"columns": "a"},
        [[1], [2]],
        ["a"],
    ),
}


@pytest.mark.parametrize(("content", "options", "data", "names"), READ.values(), ids=READ)
def test_text_is_read(table, parser, content, options, data, names):
    found = table(content, **options)
    assert found.data.tolist() == data
    assert found.names == names


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz"])
@pytest.mark.parametrize("kind", [".csv", ".tsv", ".txt", ".dat", ".data"])
def test_endings_and_packed_files(table, kind, ending):
    packed = {".gz": gzip, ".bz2": bz2, ".xz": lzma}[ending]
    content = packed.compress(b"a\tb\n1\t2\n")
    assert table("a\tb\n1\t2\n", name=f"t{kind}").data.tolist() == [[1, 2]]
    assert table(content, name=f"t{kind}{ending}").data.tolist() == [[1, 2]]


def test_both_parsers_give_every_bit_and_the_same_as_pandas(table, parser, tmp_path):
    data = np.random.default_rng(2).normal(size=(3000, 5)) * 10.0 ** np.arange(-200, 200, 80)
    frame = pandas.DataFrame(data, columns=list("abcde"))
    frame.insert(2, "t", [f'x "{i}", y' for i in range(len(frame))])
    for index in (True, False):
        found = table(frame.to_csv(index=index), "e,a,c,d,b")
        assert np.array_equal(found.data, data[:, [4, 0, 2, 3, 1]])
        assert found.names == ["e", "a", "c", "d", "b"]
    text = io.BytesIO()
    np.savetxt(text, data)
    assert np.array_equal(table(text.getvalue(), name="t.txt").data, data)


@pytest.mark.parametrize("delimiter", [",", " "])
@pytest.mark.parametrize("columns", [None, "2-150,1"])
def test_many_columns(table, parser, delimiter, columns):
    data = np.random.default_rng(3).normal(size=(20, 150))
    text = io.BytesIO()
    np.savetxt(text, data, delimiter=delimiter, fmt="%.17g")
    for content in (text.getvalue(), text.getvalue().replace(b"\n", b"\n\n", 3)):
        found = table(content, columns, name="t.txt")
        assert np.array_equal(found.data, data if columns is None else np.roll(data, -1, axis=1))
    line = text.getvalue().splitlines()[7]
    bad = text.getvalue().replace(line, line.replace(line.split(delimiter.encode())[99], b"oops"))
    with pytest.raises(ValueError, match="row 8, column 100 is 'oops'"):
        table(bad, columns, name="t.txt")
    half = text.getvalue().replace(line, line.replace(line.split(delimiter.encode())[99], b"0.5;"))
    with pytest.raises(ValueError, match=r"row 8, column 100 is '0\.5;'"):  # it was read as 0.5
        table(half, columns, name="t.txt")


def test_pieces_of_a_file_are_read_as_one(table, parser, monkeypatch):
    from kmeans_fast.cli.readers import rows as rows_of_text
    from kmeans_fast.cli.readers import source

    rows = [f'"n{i}",{i},{i / 7!r}' for i in range(400)]
    content = "name,a,b\r\n" + "\r\n".join(rows) + "\r\n"
    whole = table(content, "a,b")
    spanning = table(content.replace('"n', '"n\n'), "a,b", quotes="yes")
    monkeypatch.setattr(source, "_BYTES", 37)
    assert np.array_equal(table(content, "a,b").data, whole.data)
    assert np.array_equal(table(content.replace('"n', '"n\n'), "a,b", quotes="yes").data, spanning.data)
    assert np.array_equal(spanning.data, whole.data)
    assert len(whole.data) == 400
    with pytest.raises(ValueError, match=r"row 402, column 2 \('a'\) is 'x'"):
        table(content + "n,x,1\r\n", "a,b")
    monkeypatch.setattr(rows_of_text, "_LONGEST_ROW", 50)
    with pytest.raises(ValueError, match="csv: row 1: a quote opens a cell that does not end within"):
        table('"' + content, "a,b", quotes="yes")
    with pytest.raises(ValueError, match="row 402 is no UTF-8 text: byte 0xe9"):
        table(content.encode() + b"\xe9,2,1\n", "a,b")


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n" + "".join(f"{row},5,6\n" for row in range(40)),  # names of rows, as R writes them
        "# c d\n" * 90 + "1,2\n3,4\n",
        "1,2\n",
    ],
)
def test_what_the_first_rows_tell_does_not_depend_on_pieces(tmp_path, monkeypatch, content):
    from kmeans_fast.cli.readers import TextOptions, source, text

    (tmp_path / "t.csv").write_text(content)

    def heads():
        with source.Source(tmp_path / "t.csv") as file:
            found = [(head._replace(rest=None), piece.text) for head, piece in text.parts(file, TextOptions())]
        return found[0][0], b"".join(text for _, text in found)

    whole = heads()
    monkeypatch.setattr(source, "_BYTES", 5)
    assert heads() == whole


def test_weights_and_expected_columns(table, parser):
    content = "w,b,a\n1,2,3\n4,5,6\n"
    found = table(content, weights="w", dtype="float32")
    assert found.data.tolist() == [[2, 3], [5, 6]]
    assert found.weights.tolist() == [1, 4]
    assert (found.data.dtype, found.weights.dtype) == (np.float32, np.float64)
    assert table(content, expected=("a", "b")).data.tolist() == [[3, 2], [6, 5]]
    assert table(content, "a,w", weights="w").weights.tolist() == [1, 4]


# ---- text that is refused ------------------------------------------------------------------------------------------

REFUSED = {
    "text in a column": ("a,b\n1,2\n3,x\n", {}, "row 3, column 2 ('b') is 'x'"),
    "NaN": ("1,2\n3,nan\n", {}, "row 2, column 2 is 'nan'; every cell must be a finite number"),
    "infinity": ("1,2\n3,-inf\n", {}, "row 2, column 2 is '-inf'"),
    "missing": ("1,2\n3,NA\n", {}, "row 2, column 2 is 'NA'"),
    "too large": ("1,2\n3,1e400\n", {}, "row 2, column 2 is '1e400', too large"),
    "empty": ("1,2\n\n3,\n", {}, "row 3, column 2 is empty"),
    "Python's notation": ("1,2\n3,1_000\n", {}, "row 2, column 2 is '1_000'"),
    "truth": ("a,b\n1,2\nTrue,3\n", {}, "row 3, column 1 ('a') is 'True'"),
    "truth only": ("a,b\nTrue,2\nFalse,3\n", {"columns": "1-2"}, "row 2, column 1 ('a') is 'True'"),
    "digits of another script": ("1,2\n3,\u0664\n", {}, "row 2, column 2 is '\u0664'"),
    "a decimal comma": (
        "a;b\n1,5;2\n",
        {},
        "row 2, column 1 ('a') is '1,5'; every cell must be a finite number (if the ",
    ),
    "a decimal point": ("a;b\n1.5;2\n", {"decimal": ","}, "--decimal ."),
    "longer": ("1,2\n3,4,5\n", {}, "row 2 has 3 cells; every row must have 2"),
    "shorter": ("1,2,3\n3,4\n", {}, "row 2 has 2 cells; every row must have 3"),
    "shorter where it is not chosen": ("a,b,t\n1,2,x\n3,4\n", {"columns": "a"}, "row 3 has 2 cells"),
    "longer where it is not chosen": ("a,b,t\n1,2,x\n3,4,y,z\n", {"columns": "a"}, "row 3 has 4 cells"),
    "longer, in blanks": ("1 2\n3 4\n5 6 7\n", {}, "must have 2, like the first (cells end at blanks"),
    "an empty line in one column": ("1\n\n2\n", {}, "row 2, column 1 is empty"),
    "a title": ("A title\n1,2\n3,5\n", {}, "row 1 has 1 cell, and the rows below it have 2: if it is a title"),
    "header or data": ("1,y\n3,4\n", {}, "row 1 has both numbers and text ('y'): say --header yes"),
    "names that are numbers": (
        "0,1,2\n0.5,1.5,2\n",
        {},
        "row 1 (0, 1, 2, ...) may be names or numbers: say --header yes",
    ),
    "names that are years": ("2019,2020,2021\n0.5,1.5,2\n", {}, "may be names or numbers"),
    "years beside a name": ("id,2019,2020\nx,1.5,2\ny,2,3\n", {}, "both numbers and text ('id')"),
    "a year beside a name": ("name,2019\nx,1.5\ny,2.5\n", {"columns": "2"}, "both numbers and text ('name')"),
    "one row of both": ("1,a\n", {}, "both numbers and text ('a')"),
    "a column of text": (
        "5.1,3.5,setosa\n4.9,3.0,setosa\n",
        {},
        "column 3 is text ('setosa' in row 1); every feature must be a number: --columns 1-2 chooses",
    ),
    "a column without a name": (
        "a,,c\n1,2,3\n4,5,6\n",
        {},
        "column 2 has no name; every feature must be a number: --columns 1,3",
    ),
    "repeated names": ("a,b,a\n1,2,3\n", {"columns": "a"}, "2 columns are named 'a'; use numbers"),
    "a quote in a cell": ('n,a\n5" pipe,1\nx,2\n', {"columns": "a"}, 'row 2 has a quote (")'),
    "a quote after a cell": ('n,a\n"x"y,1\nx,2\n', {"columns": "a"}, 'row 2 has a quote (")'),
    "a quote that closes far below": ('n,a\n"x,1\nz,2\ny",3\n', {"columns": "a"}, "row 2 has a quote"),
    "a quote that never closes": ('n,a\nz,2\n"x,1\nz,2\n', {"columns": "a", "quotes": "yes"}, "row 3 has a quote"),
    "a quote in the header": ('n,"a\n1,2\n3,5\n', {}, "row 1 has a quote"),
    "other text": (
        "1,2\n3,é\n".encode("latin-1"),
        {},
        "row 2 is no UTF-8 text: byte 0xe9 cannot be read; say what it is, for example --encoding",
    ),
    "a form feed": ("1,2\n3,\f4\n", {}, "row 2, column 2 is '\\x0c4'; every cell must be a finite number"),
    "a form feed among blanks": ("1 2\n3\f4\n", {"delimiter": " "}, "row 2 has 1 cell; every row must have 2"),
    "rows of R of other lengths": ('"a" "b"\n"1" 5 6\n"2" 7\n', {}, "row 2 has 3 cells; every row must have 2, like"),
    "zeros": (b"1,2\n3,\x004\n", {}, "row 2 has a zero byte"),
    "nothing": ("", {}, "at least one row is needed, got an empty file"),
    "nothing but a comment": ("# so\n\n", {}, "got an empty file"),
    "a header only": ("a,b\n", {}, "at least one row is needed, got none"),
    "too large for float32": (
        "1,2\n3,1e300\n",
        {"dtype": "float32"},
        "row 2, column 2 is 1e+300, too large for float32: use --dtype",
    ),
    "one row that ends otherwise": (
        "1,2,\n" * 200 + "5,6,7\n",
        {"columns": "1"},
        "row 201 does not end with ',', and the rows before do",
    ),
    "a spreadsheet": (b"PK\x03\x04rest", {}, "save its sheet as CSV"),
    "a damaged packed file": (gzip.compress(b"1,2\n" * 99)[:-9], {}, "the packed file is damaged"),
}


@pytest.mark.parametrize(("content", "options", "words"), REFUSED.values(), ids=REFUSED)
def test_text_is_refused_with_its_place_and_the_way_out(refusal, parser, content, options, words):
    assert words in refusal(content, **options)


@pytest.mark.parametrize("stray", ["open", "pair"])
def test_a_stray_quote_in_a_thousand_rows_loses_none(refusal, parser, stray):
    """The readers of before took 501 of these 1,000 rows, or 30,001 of 60,001, and said nothing."""
    rows = [f"name {i},{i},{i + 1}" for i in range(1000)]
    rows[300] = '"' + rows[300]
    if stray == "pair":
        rows[799] = rows[799].replace(",", '",', 1)
    assert "row 302 has a quote" in refusal("name,a,b\n" + "\n".join(rows) + "\n", "a,b")


def test_other_files_and_endings_are_refused(tmp_path, refusal):
    assert "the file's ending must be one of .npy, .parquet" in refusal("1", name="t.xls")
    assert "give it the ending .npy" in refusal(b"\x93NUMPY\x01\x00", name="t.csv")
    assert "the file's ending must be one of" in refusal(gzip.compress(b""), name="t.npy.gz")
    with pytest.raises(ValueError, match="no such file"):
        read(tmp_path / "nothing.csv")


# ---- what is said --------------------------------------------------------------------------------------------------


def test_what_is_read_and_left_out_is_said(table):
    notes = table("# so\n,a;b,t\n0,1,x\n1,2,y\n", "a;b").notes
    assert notes == [
        "2 rows, 1 column: 'a;b'",
        "row 2 names the columns (--header no: it is data)",
        "left out: column 1: it has no name, like an index that pandas wrote (--columns can choose it)",
        "left out: column 3 ('t')",
        "left out: 1 comment (#)",
    ]
    notes = table("1;2;\n3;4;\n").notes
    assert notes == [
        "2 rows, 2 columns",
        "cells end at ';' (--delimiter)",
        "the delimiter at the end of every row begins no column",
        "row 1 is data (--header yes: it names the columns)",
    ]
    assert table("1;2\n3;4\n", "2", header="no", delimiter=";").notes == ["2 rows, 1 column", "left out: column 1"]
    glass = "1,1.52,13.6\n2,1.51,13.9\n3,1.53,13.5\n"
    assert table(glass).notes[-1].startswith("feature 1 numbers the rows (1, 2, ...): if it should not count, choose")
    assert not any("numbers the rows" in note for note in table(glass, "1-2").notes)


@pytest.mark.parametrize("name", ["t.csv", "t.npy", "t.parquet", "t.csv.gz"])
def test_progress_is_told(tmp_path, name, monkeypatch):
    from kmeans_fast.cli.readers import source

    monkeypatch.setattr(source, "_BYTES", 1000)
    monkeypatch.setattr(npy, "_BLOCK", 500)
    data = np.random.default_rng(0).normal(size=(1000, 3))
    path = tmp_path / name
    if name == "t.npy":
        np.save(path, data)
    elif name == "t.parquet":
        pandas.DataFrame(data, columns=list("abc")).to_parquet(path, row_group_size=100)
    else:
        pandas.DataFrame(data).to_csv(path, index=False, header=False)
    told = []
    assert np.array_equal(read(path, progress=lambda share, text: told.append((share, text))).data, data)
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert told[-1][1] == "1,000 rows"
    assert len(told) >= 1 + (name != "t.parquet")
