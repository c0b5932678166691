"""The rows of a file with columns added: what was found, beside the data that it was found in."""

import contextlib

from .outputs import cells
from .readers import kind_of, text_options
from .readers.rows import BLANKS, rows_of, without_comment, without_comments
from .readers.source import Source
from .readers.text import parts

_ROWS = 1 << 16  # of a Parquet file, at a time


class Appender:
    """Writes the rows of one file, with "cluster" and perhaps "distance" and "outlier" added, to another of its kind.

    Made before the work, so that a file that has no room for the columns is refused before it. Text comes out in UTF-8,
    as it stands but for comments, empty lines and delimiters at the end of rows.
    """

    def __init__(self, source, target, names, options):
        kind, ending = kind_of(source)
        if str(source) == "-":
            raise ValueError("--append: standard input can be read only once; write it to a file first")
        if kind not in ("text", "parquet"):
            raise ValueError(f"--append: {source} has no columns with names; write the labels to a file of their own")
        ending = ending or ".csv"
        if target.suffix.lower() != ending:
            raise ValueError(f"--append: the rows of {source} need a file that ends in {ending}, got {target}")
        self.source, self.target, self.options = source, target, options
        self.names = names
        if kind == "parquet":
            self._write_rows = self._write_parquet
            with contextlib.closing(self._parquet_file()) as file:
                there = file.schema_arrow.names
        else:
            self._write_rows = self._write_text
            with Source(source, options.encoding) as text:
                head, _ = next(parts(text, options), (None, None))
                there = head and head.names
        for name in self.names:
            if name in (there or ()):
                raise ValueError(f"--append: {source} has a column called {name!r} already; rename it there")

    @classmethod
    def of(cls, args):
        """That which the options of `fit` or `predict` ask for, or None."""
        if args.append is None:
            return None
        outliers = getattr(args, "outliers", "keep") != "keep"
        names = ["cluster", *["distance"] * args.distances, *["outlier"] * outliers]
        return cls(args.file, args.append, names, text_options(args))

    def write(self, files, labels, distances=None, outliers=None):
        """Write the target among `files`, a WholeFiles; its path. Rows without a label have nothing in the columns."""
        columns = [values for values in (labels, distances, outliers) if values is not None]
        written = self._write_rows(files, columns)
        if written != len(labels):  # the file has changed in the meantime
            raise ValueError(f"--append: {self.source} has {written:,} rows now, and {len(labels):,} were labelled")
        return self.target

    def _write_text(self, files, columns):
        written, file = 0, files.open(self.target)
        with Source(self.source, self.options.encoding) as text:
            for head, piece in parts(text, self.options):
                dialect = head.dialect
                if head.names and not written:
                    file.write(self._row(_header_row(head), self.names, dialect))
                body, _ = without_comments(piece.text, dialect.delimiter)
                rows = [row for _, row in rows_of(body, piece.line, dialect)]
                added = [cells(column[written : written + len(rows)]) for column in columns]
                if dialect.decimal != ".":
                    added = [[cell.replace(".", dialect.decimal) for cell in new] for new in added]
                file.writelines(self._row(row, new, dialect) for row, new in zip(rows, zip(*added), strict=False))
                written += len(rows)
        return written

    @staticmethod
    def _row(text, cells, dialect):
        delimiter = dialect.delimiter
        if delimiter == BLANKS:
            text = text.rstrip(b" \t")
        elif dialect.ends_with_delimiter:
            text = text.removesuffix(delimiter.encode())
        return b"%b%b\n" % (text, "".join(delimiter + cell for cell in cells).encode())

    def _parquet_file(self):
        from pyarrow import parquet

        return parquet.ParquetFile(self.source, memory_map=True)

    def _write_parquet(self, files, columns):
        import pyarrow
        from pyarrow import parquet

        written = 0
        with contextlib.closing(self._parquet_file()) as source:
            schema = source.schema_arrow
            for name, column in zip(self.names, columns, strict=True):
                schema = schema.append(pyarrow.field(name, pyarrow.from_numpy_dtype(column.dtype)))
            with parquet.ParquetWriter(files.open(self.target), schema) as writer:
                for batch in source.iter_batches(_ROWS):
                    parts = [column[written : written + len(batch)] for column in columns]
                    absent = parts[0] < 0
                    added = [pyarrow.array(part, mask=absent if absent.any() else None) for part in parts]
                    writer.write_batch(pyarrow.RecordBatch.from_arrays([*batch.columns, *added], schema=schema))
                    written += len(batch)
        return written


def _header_row(head):
    """The row that names the columns, without what is above it; a comment where a comment names them."""
    if not head.above:
        return f"# {head.dialect.delimiter.join(head.names)}".encode()
    lines = head.above.splitlines(keepends=True)
    while not lines[0].strip() or lines[0].lstrip(b" \t").startswith(b"#"):
        del lines[0]
    return without_comment(b"".join(lines).rstrip(b"\n").decode(), head.dialect.delimiter).encode()
