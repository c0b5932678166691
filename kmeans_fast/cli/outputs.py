"""Files out: labels and distances as .npy, Parquet or text, centroids as .npy or text."""

import contextlib
import csv
import os
import sys

import numpy as np

from ..archives import write_array, write_header

_ROWS_AT_A_TIME = 1 << 16  # of text
_ROWS_A_GROUP = 1 << 20  # of Parquet


def check_writable(paths, inputs):
    """Raise ValueError, before a long computation, if one of `paths` cannot be written or would replace another."""
    for path in paths:
        if path.is_dir():
            raise ValueError(f"{path}: a file is to be written here, but it is a directory")
        if not path.absolute().parent.is_dir():
            raise ValueError(f"{path}: the directory {path.parent} does not exist")
        if path.exists() and any(path.samefile(other) for other in inputs if os.path.exists(other)):
            raise ValueError(f"{path}: this would overwrite an input")
    if len({path.resolve() for path in paths}) < len(paths):
        raise ValueError(f"every output needs a file of its own, got {', '.join(map(str, paths))}")


def write_labels(files, path, labels, distances=None, outliers=None):
    """Write `labels`, and `distances` and `outliers` beside them, among `files`, a WholeFiles; the list of the paths.

    A .npy file holds the labels alone: the others then go to ``<stem>-distances.npy`` and ``<stem>-outliers.npy``.
    Other files have a column for each; None is text on stdout. A row without a label has -1 in an array, else nothing.
    """
    more = {"distance": distances, "outlier": outliers}
    columns = {"label": labels} | {name: values for name, values in more.items() if values is not None}
    if path is None:
        _write_rows(sys.stdout, columns)
        return []
    if path.suffix.lower() == ".npy":
        paths = [path, *beside_labels(path, list(columns)[1:])]
        for one, values in zip(paths, columns.values(), strict=True):
            write_array(files.open(one), values)
        return paths
    with contextlib.closing(labels_writer(files, path, columns)) as writer:
        writer.add(columns)
    return [path]


def labels_writer(files, path, columns):
    """What writes labels and columns beside them to `path`, some rows at a time; `columns` are arrays by name, none of
    which need have rows. It is whole once it is closed.
    """
    kinds = {".npy": _Arrays, ".csv": _Text, ".parquet": _Parquet}
    return kinds[path.suffix.lower()](files, path, columns)


class _Arrays:
    """A .npy file for each column."""

    def __init__(self, files, path, columns):
        self.n_rows, self.files = 0, {}
        for name, one in zip(columns, [path, *beside_labels(path, list(columns)[1:])], strict=True):
            self.files[name] = files.open(one), columns[name].dtype
            if not self.files[name][0].seekable():
                raise ValueError(f"{one}: a file is needed, got a pipe or a device")
        self.close()

    def add(self, columns):
        for name, values in columns.items():
            self.files[name][0].write(np.ascontiguousarray(values).data.cast("B"))
        self.n_rows += len(columns["label"])

    def close(self):
        """The header, which has room for the length of any array."""
        for file, dtype in self.files.values():
            file.seek(0)
            write_header(file, (self.n_rows,), dtype)


class _Text:
    """CSV. Rows without a label have nothing in their cells."""

    def __init__(self, files, path, columns):
        self.file, self.first = files.open(path, "w", encoding="utf-8", newline="\n"), True

    def add(self, columns):
        _write_rows(self.file, columns, self.first)
        self.first = False

    def close(self):
        pass


class _Parquet:
    """Rows without a label have nulls. Row groups are large, however few rows come at a time."""

    def __init__(self, files, path, columns):
        try:
            import pyarrow as pa
            import pyarrow.parquet
        except ImportError as error:
            raise ImportError("writing Parquet needs pyarrow: install it (the extra 'cli')") from error
        self.schema = pa.schema([(name, pa.from_numpy_dtype(values.dtype)) for name, values in columns.items()])
        self.file = files.open(path)
        self.writer = pa.parquet.ParquetWriter(self.file, self.schema)
        self.waiting, self.n_waiting = [], 0

    def add(self, columns):
        import pyarrow as pa

        absent = columns["label"] < 0
        mask = absent if absent.any() else None
        arrays = [pa.array(values, mask=mask) for values in columns.values()]
        self.waiting.append(pa.Table.from_arrays(arrays, schema=self.schema))
        self.n_waiting += len(absent)
        if self.n_waiting >= _ROWS_A_GROUP:
            self._write()

    def _write(self):
        import pyarrow as pa

        if self.waiting:
            most = min(self.n_waiting, 2 * _ROWS_A_GROUP)  # which is all of them, but for labels that come at once
            self.writer.write_table(pa.concat_tables(self.waiting), most)
        self.waiting, self.n_waiting = [], 0

    def close(self):
        with self.writer:  # it is closed even if the disk is full
            self._write()


def beside_labels(path, more):
    """The files that columns called `more` go to if labels go to `path`: none for text, which has room for all."""
    return [path.with_name(f"{path.stem}-{name}s.npy") for name in more] if path.suffix.lower() == ".npy" else []


def cells(values):
    """Values as text: nothing for what a row without a label has."""
    found = values.tolist()
    if values.dtype.kind == "f":
        return ["" if value != value else repr(value) for value in found]
    return ["" if value == -1 else str(value) for value in found]


def _write_rows(file, columns, header=True):
    if header:
        file.write(",".join(columns) + "\n")
    for start in range(0, len(columns["label"]), _ROWS_AT_A_TIME):
        part = [cells(values[start : start + _ROWS_AT_A_TIME]) for values in columns.values()]
        lines = part[0] if len(part) == 1 else map(",".join, zip(*part, strict=True))
        file.write("\n".join(lines) + "\n")


def write_centroids(files, path, centroids, names=None):
    """Write `centroids` (n_clusters, n_features) among `files` as .npy, or as text with every digit.

    The header of the text is `names`, or ``x1``, ``x2``, ... without them.
    """
    if path.suffix.lower() == ".npy":
        write_array(files.open(path), centroids)
        return
    writer = csv.writer(files.open(path, "w", encoding="utf-8", newline=""), lineterminator="\n")
    writer.writerow(names or [f"x{index + 1}" for index in range(centroids.shape[1])])
    writer.writerows([str(value) for value in row] for row in centroids)  # str of a NumPy number reads back exactly
