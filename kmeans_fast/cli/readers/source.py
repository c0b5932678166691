"""The bytes of a text file as pieces of whole lines in UTF-8: opened, unpacked and decoded."""

import bz2
import codecs
import gzip
import io
import lzma
import os
import sys
import zlib
from collections.abc import Iterator
from typing import NamedTuple

_BYTES, _FEWEST_BYTES = 8 << 20, 1 << 18  # read at a time; fewer take longer
_BYTES_A_NUMBER = 2  # at least: a digit and what separates it from the next one
_UNPACKERS = (
    (b"\x1f\x8b", lambda raw: gzip.GzipFile(fileobj=raw)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
)
_FOREIGN = (
    (b"PK\x03\x04", "a zip archive or a spreadsheet; unpack it, or save its sheet as CSV"),
    (b"(\xb5/\xfd", "packed by zstd; unpack it, or pack it by gzip"),
    (b"\x93NUMPY", "a NumPy array; give it the ending .npy"),
    (b"PAR1", "a Parquet file; give it the ending .parquet"),
    (b"\x89HDF", "an HDF5 file; write its table as .npy, .csv or .parquet"),
)
_DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError)


class Piece(NamedTuple):
    """Whole lines of a file."""

    text: bytes  # UTF-8; every line ends with one line feed
    line: int  # the number, from 1, of its first line
    share: float | None  # how much of the file has been read with it, 0 to 1; None where it is not known


def bytes_for(most):
    """How many bytes to read at a time for about so many numbers at most; None: as many as are read best."""
    return _BYTES if most is None else min(_BYTES, max(_FEWEST_BYTES, _BYTES_A_NUMBER * most))


class Source:
    """A text file, or standard input where its path is ``-``, to be read once, about `n_bytes` at a time.

    Its `encoding` is the one given, or UTF-16 where the file begins with its mark, else UTF-8.
    """

    def __init__(self, path, encoding=None, n_bytes=None):
        self.path, self._n_bytes = path, n_bytes or _BYTES
        self._is_stdin = str(path) == "-"
        self._raw = sys.stdin.buffer if self._is_stdin else open(path, "rb")  # noqa: SIM115 (`close` closes it)
        first = self._raw.peek(8)[:8] if hasattr(self._raw, "peek") else b""
        for mark, what in _FOREIGN:
            if first.startswith(mark):
                self.close()
                raise ValueError(f"{path}: this is {what}")
        unpack = next((unpack for mark, unpack in _UNPACKERS if first.startswith(mark)), None)
        self._stream = unpack(self._raw) if unpack else self._raw
        self._is_packed = unpack is not None
        self._size = 0 if self._is_stdin else os.fstat(self._raw.fileno()).st_size
        if encoding is None:
            has_mark = first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            encoding = "utf-16" if has_mark else "utf-8-sig"
        self.encoding = encoding

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Close the file; standard input stays open."""
        if not self._is_stdin:
            self._raw.close()

    def pieces(self, whole_rows=None) -> Iterator[Piece]:
        """The lines from the first to the last, a `Piece` at a time.

        ``whole_rows`` tells how many of given bytes, which end with a line feed, are whole rows, or raises ValueError;
        without it each line is one. Bytes that are no text in the encoding, or are damaged, are a ValueError.
        """
        decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(self.encoding)(), translate=True)
        waiting: list[bytes] = []  # what is read of a line, or of a row of several lines, that has not ended
        line = seen = 1
        while True:
            raw = self._read()
            text = self._decoded(decoder, raw, seen)
            seen += text.count(b"\n")
            if not raw:
                break
            end = text.rfind(b"\n") + 1
            waiting.append(text[:end])
            if end:
                lines = b"".join(waiting)
                try:
                    end_of_rows = len(lines) if whole_rows is None else whole_rows(lines)
                except ValueError as error:
                    raise ValueError(f"{self.path}: row {line}: {error}") from error
                waiting = [lines[end_of_rows:]]
                if end_of_rows:
                    yield Piece(lines[:end_of_rows], line, self._share())
                    line += lines.count(b"\n", 0, end_of_rows)
            waiting.append(text[end:])
        if rest := b"".join([*waiting, text]):
            yield Piece(rest if rest.endswith(b"\n") else rest + b"\n", line, 1.0)

    def _decoded(self, decoder, raw, line):
        """`raw` in UTF-8; line ends of all kinds become line feeds."""
        try:
            text = decoder.decode(raw, final=not raw).encode()
        except UnicodeDecodeError as error:
            line += error.object.count(b"\n", 0, error.start)
            name = "UTF-8" if self.encoding == "utf-8-sig" else self.encoding
            raise ValueError(
                f"{self.path}: row {line} is no {name} text: byte {error.object[error.start]:#04x} cannot be read; say "
                "what it is, for example --encoding latin-1"
            ) from error
        except UnicodeError as error:
            raise ValueError(
                f"{self.path}: no {self.encoding} text: {error}; say what it is with --encoding"
            ) from error
        if b"\0" in text:
            line += text.count(b"\n", 0, text.index(b"\0"))
            raise ValueError(f"{self.path}: row {line} has a zero byte: this is no text, or UTF-16 (--encoding utf-16)")
        return text

    def _share(self):
        return min(1.0, self._raw.tell() / self._size) if self._size else None

    def _read(self):
        if not self._is_packed:
            return self._stream.read(self._n_bytes)
        try:
            return self._stream.read(self._n_bytes)
        except _DAMAGED as error:
            raise ValueError(f"{self.path}: the packed file is damaged: {error}") from error
