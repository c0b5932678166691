"""Files out: labels, distances and centroids as .npy or as text."""

import csv
import os
import sys

from ..archives import write_array

_ROWS_AT_A_TIME = 1 << 16


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
    Other files are text; None is text on stdout. A row without a label has -1 in an array, and nothing in text.
    """
    more = {"distance": distances, "outlier": outliers}
    more = {name: values for name, values in more.items() if values is not None}
    if path is None:
        _write_rows(sys.stdout, {"label": labels, **more})
        return []
    if path.suffix.lower() == ".npy":
        write_array(files.open(path), labels)
        beside = beside_labels(path, more)
        for second, values in zip(beside, more.values(), strict=True):
            write_array(files.open(second), values)
        return [path, *beside]
    _write_rows(files.open(path, "w", encoding="utf-8", newline="\n"), {"label": labels, **more})
    return [path]


def beside_labels(path, more):
    """The files that columns called `more` go to if labels go to `path`: none for text, which has room for all."""
    return [path.with_name(f"{path.stem}-{name}s.npy") for name in more] if path.suffix.lower() == ".npy" else []


def cells(values):
    """Values as text: nothing for what a row without a label has."""
    found = values.tolist()
    if values.dtype.kind == "f":
        return ["" if value != value else repr(value) for value in found]
    return ["" if value == -1 else str(value) for value in found]


def _write_rows(file, columns):
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
