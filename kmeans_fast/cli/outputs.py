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


def write_labels(files, path, labels, distances=None):
    """Write `labels`, and `distances` beside them, among `files`, a WholeFiles; the list of the paths written.

    A .npy file holds the labels alone: distances then go to ``<stem>-distances.npy``. Other files are text; None is
    text on stdout.
    """
    if path is None:
        _write_rows(sys.stdout, labels, distances)
        return []
    if path.suffix.lower() == ".npy":
        write_array(files.open(path), labels)
        beside = [] if distances is None else distances_beside(path)
        for second in beside:
            write_array(files.open(second), distances)
        return [path, *beside]
    _write_rows(files.open(path, "w", encoding="utf-8", newline="\n"), labels, distances)
    return [path]


def distances_beside(path):
    """The file that distances go to if labels go to `path`, as a list: none for text, which has room for both."""
    return [path.with_name(f"{path.stem}-distances.npy")] if path.suffix.lower() == ".npy" else []


def _write_rows(file, labels, distances):
    file.write("label\n" if distances is None else "label,distance\n")
    for start in range(0, len(labels), _ROWS_AT_A_TIME):
        part = slice(start, start + _ROWS_AT_A_TIME)
        if distances is None:
            lines = map(str, labels[part].tolist())
        else:
            pairs = zip(labels[part].tolist(), distances[part].tolist(), strict=True)
            lines = (f"{label},{distance!r}" for label, distance in pairs)
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
