"""Files with a few bytes changed, and an independent reading of those that the readers accept.

``python tests/cli/mutated_files.py SECONDS [SEED]`` tries as many as it can; the tests try a few hundred of each kind.
"""

import contextlib
import io
import re
import sys
import tempfile
import time
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
import pandas
import pyarrow.parquet

from kmeans_fast.cli.readers import TextOptions, read, source
from kmeans_fast.cli.readers.columns import Selection
from kmeans_fast.cli.readers.head import read_head
from kmeans_fast.cli.readers.rows import BLANKS, whole_rows

_BYTES = b'0123456789.,;|\t "\n\r#+-eEnaifx_\x00\xff\xc3\xa9\x0b\x0c'
_X = np.random.default_rng(0).normal(size=(12, 4)).round(3) * 10.0 ** np.arange(4)


def _text_files():
    """(name, bytes, columns, options) of small tables of every kind."""
    rows = [[f"{value!r}" for value in row] for row in _X.tolist()]

    def lines(delimiter, before="", after="", head=None, end="\n"):
        body = [f"{before}{delimiter.join(row)}{after}" for row in rows]
        return end.join([*([head] if head else []), *body, ""]).encode()

    names = [f'"Smith, {i}",' if i % 3 else f"plain {i}," for i in range(len(rows))]
    quoted = "\n".join(["name,a,b,c,d", *(name + ",".join(row) for name, row in zip(names, rows, strict=True)), ""])
    index = "\n".join([",a,b,c,d", *(f"{i}," + ",".join(row) for i, row in enumerate(rows)), ""])
    in_r = "\n".join(['"a" "b" "c" "d"', *(f'"row {i}" ' + " ".join(row) for i, row in enumerate(rows)), ""])
    decimal = lines(";", head="a;b;c;d").replace(b".", b",")
    plain = TextOptions()
    return [
        ("header.csv", lines(",", head="a,b,c,d"), None, plain),
        ("bare.csv", lines(","), None, plain),
        ("blanks.txt", lines("   ", before="  "), None, plain),
        ("tabs.tsv", lines("\t", head="a\tb\tc\td", end="\r\n"), None, plain),
        ("trailing.csv", lines(",", after=","), None, plain),
        ("spaced.csv", lines(", ", head="a, b, c, d"), "2,4", plain),
        ("comments.dat", b"# one\n\n# two\n" + lines(" ", after=" # so"), None, plain),
        ("decimal.csv", decimal, None, TextOptions(decimal=",")),
        ("quoted.csv", quoted.encode(), "a,b,d", plain),
        ("several_lines.csv", quoted.replace("Smith, ", "Smith,\n").encode(), "a,b", TextOptions(quotes="yes")),
        (
            "no_quotes.csv",
            quoted.replace('"Smith, ', '5" pipe ').replace('",', ",").encode(),
            "a,b",
            TextOptions(quotes="no"),
        ),
        ("index.csv", index.encode(), None, plain),
        ("r.txt", in_r.encode(), None, plain),
    ]


def _npy_files():
    def saved(array, **options):
        file = io.BytesIO()
        np.lib.format.write_array(file, array, **options)
        return file.getvalue()

    return [
        ("float64.npy", saved(_X), None),
        ("float32.npy", saved(_X.astype(np.float32)), "1,3-4"),
        ("fortran.npy", saved(np.asfortranarray(_X).astype(">f8"), version=(2, 0)), None),
        ("int.npy", saved(_X.astype(np.int16)), "2"),
    ]


def _parquet_files():
    frame = pandas.DataFrame(_X, columns=list("abcd"))

    def saved(frame, **options):
        file = io.BytesIO()
        frame.to_parquet(file, engine="pyarrow", **options)
        return file.getvalue()

    return [
        ("plain.parquet", saved(frame, compression=None, write_page_checksum=True), None),
        ("filtered.parquet", saved(frame[frame.a.rank() % 3 > 0], row_group_size=2), None),
        (
            "mixed.parquet",
            saved(frame.astype({"a": "float32", "b": "int32"}).assign(t="x"), use_dictionary=False),
            "b,a",
        ),
        ("vectors.parquet", saved(pandas.DataFrame({"v": list(_X)})), None),
    ]


def mutated(content, rng, alphabet=None):
    """`content` after one to four changes: bytes changed, taken out or put in, a part repeated, cut off, or moved."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(0, len(content) + 1))
        byte = int(rng.integers(0, 256)) if alphabet is None else alphabet[rng.integers(len(alphabet))]
        kind = rng.integers(0, 10)
        end = min(len(content), at + int(rng.integers(1, 20)))
        if kind < 4:
            content[at : at + 1] = bytes([byte])
        elif kind < 6:
            content[at:at] = bytes([byte])
        elif kind < 8:
            del content[at:end]
        elif kind == 8:
            content[at:at] = content[at:end]
        elif rng.random() < 0.3:
            del content[at:]
    return bytes(content)


def _expected_text(path, options):
    """All cells, as text, as pandas reads them once it is told how they are written; and what our reader found out."""
    with source.Source(path, options.encoding) as opened:
        head = next(
            head
            for piece in opened.pieces(whole_rows if options.quotes == "yes" else None)
            if (head := read_head(piece, options, path))
        )
    content = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    delimiter = head.dialect.delimiter
    if "#" in content:
        content = re.sub(r"(?m)^[ \t]*#[^\n]*", "", content)
        more = "" if delimiter == BLANKS else re.escape(delimiter)
        blank = " " if delimiter == "\t" else r" \t"
        content = re.sub(rf'(?m)[{blank}]+#[^\n"{more}]*$', "", content)
    names = head.names if head.rest.line > 1 else None
    frame = pandas.read_csv(
        io.StringIO(content, newline=""),
        sep=r"\s+" if delimiter == BLANKS else delimiter,
        header=None,
        names=range(head.n_columns + head.dialect.ends_with_delimiter),
        index_col=False,
        dtype=str,
        keep_default_na=False,
        skipinitialspace=True,
        quoting=3 if options.quotes == "no" else 0,
    )
    body = frame.iloc[1:] if names else frame
    return body, head


def _check_text(path, columns, options, table):
    body, head = _expected_text(path, options)
    features, _ = Selection(columns).resolve(head.names, head.n_columns, head.left_out)
    point = options.decimal
    expected = [[float(text.replace(point, ".")) for text in body[column]] for column in features]
    assert np.array_equal(table.data, np.transpose(expected)), "the numbers are not those that pandas reads"


def _check_npy(path, columns, table):
    features, _ = Selection(columns).resolve(None, table.data.shape[1] if columns is None else 99)
    expected = np.load(path)[:, features]
    assert np.array_equal(table.data, expected), "the numbers are not those of numpy.load"


def _check_parquet(path, columns, table):
    names = table.names if columns is None else columns.split(",")
    ways = (
        lambda: pandas.read_parquet(path, columns=names),
        # Where other columns, or what pandas noted about them, are damaged:
        lambda: pyarrow.parquet.read_table(path, columns=names).to_pandas(ignore_metadata=True),
        lambda: pyarrow.parquet.ParquetFile(path).read(names).to_pandas(ignore_metadata=True),
    )
    for way in ways:
        with contextlib.suppress(KeyError, TypeError, ValueError, OSError):
            frame = way()
            expected = np.stack(frame.iloc[:, 0]) if names is None else frame[names]
            assert np.array_equal(table.data, np.asarray(expected, table.data.dtype)), "not what pandas reads"
            return
    raise AssertionError("nothing else reads it")


def kinds():
    """A function a reader, ``attempt(directory, rng)``: whether one mutated file was accepted."""

    def text(directory, rng):
        name, content, columns, options = files["text"][rng.integers(len(files["text"]))]
        path = _written(directory / name, mutated(content, rng, _BYTES))
        at_a_time = (50, 200, 1 << 20)[rng.integers(3)]
        with mock.patch.object(source, "_BYTES", at_a_time):
            table = _accepted(path, columns, text=options)
            if table:
                _check_text(path, columns, options, table)
        return table is not None

    def npy(directory, rng):
        name, content, columns = files["npy"][rng.integers(len(files["npy"]))]
        header = content[:128]
        cut = mutated(header, rng, None if rng.random() < 0.3 else b"0123456789'(){}<>fi,: \n")
        path = _written(directory / name, cut + content[128:])
        table = _accepted(path, columns)
        if table:
            _check_npy(path, columns, table)
        return table is not None

    def parquet(directory, rng):
        name, content, columns = files["parquet"][rng.integers(len(files["parquet"]))]
        path = _written(directory / name, mutated(content, rng))
        table = _accepted(path, columns)
        if table:
            _check_parquet(path, columns, table)
        return table is not None

    files = {"text": _text_files(), "npy": _npy_files(), "parquet": _parquet_files()}
    return {"text": text, "npy": npy, "parquet": parquet}


def _written(path, content):
    path.write_bytes(content)
    return path


def _accepted(path, columns, **options):
    """The table, or None where it was refused in the way that all errors must be."""
    try:
        return read(path, Selection(columns), **options)
    except (ValueError, MemoryError) as error:
        words = str(error)
    assert str(path) in words or "column" in words, words
    return None


def main(seconds, seed):
    """Try mutated files until the time is up; print how many were tried and accepted."""
    rng, attempts = np.random.default_rng(seed), kinds()
    counts = {kind: [0, 0] for kind in attempts}
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as directory:
        while time.monotonic() < end:
            for kind, attempt in attempts.items():
                state = rng.bit_generator.state
                try:
                    counts[kind][1] += attempt(Path(directory), rng)
                except BaseException:
                    print(f"{kind}: {state}\nfiles in {directory}", file=sys.stderr)
                    raise
                counts[kind][0] += 1
    for kind, (tried, accepted) in counts.items():
        print(f"{kind}: {tried:,} tried, {accepted:,} accepted and the same as read by pandas or NumPy")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
