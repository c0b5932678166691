"""Labels to where a caller wants them: an array of theirs, a .npy or a Parquet file; block by block."""

import os
from typing import Any

import numpy as np

from .archives import write_header
from .sources import source_of
from .whole_files import WholeFiles, check_writable

_ROWS = 1 << 20  # at a time


def check_out(out, X):
    """Raise ValueError, before any work, for what is no place for the labels of X."""
    if isinstance(out, (str, os.PathLike)):
        if os.path.splitext(out)[1].lower() not in _WRITERS:
            raise ValueError(f"out must be an array of int32 or a path ending in {' or '.join(_WRITERS)}, got {out!r}.")
        check_writable(out)
        if os.path.exists(out) and any(os.path.samefile(out, file) for file in _files_of(X) if os.path.exists(file)):
            raise ValueError(f"out must not be a file that X is read from, got {out!r}.")
        if os.path.splitext(out)[1].lower() == ".parquet":
            _pyarrow()
    elif out is not None:
        if not (isinstance(out, np.ndarray) and out.ndim == 1 and out.dtype == np.int32):
            got = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
            raise ValueError(f"out must be an array (n_samples,) of int32 or a path, got {got}.")
        if not out.flags.writeable:
            raise ValueError("out must be an array that may be written to, got a read-only one.")


def _files_of(X):
    """The paths of the files that X is read from, as far as is known."""
    source = source_of(X)
    stamp = None if source is None else source.stamp()
    if stamp is None:
        return [X.filename or ""] if isinstance(X, np.memmap) else []
    return [name for name, *_ in stamp]


def put(labels: np.ndarray, out: Any) -> Any:
    """Write labels (n_samples,) int32 to `out`, as `check_out` takes it.

    Returns
    -------
    array
        `out` itself, or what is now in a .npy file as a read-only memory map; of a Parquet file its path.
    """
    if isinstance(out, np.ndarray):
        if out.shape != labels.shape:
            raise ValueError(f"out must have shape {labels.shape}, got {out.shape}.")
        for rows in _blocks(labels):
            out[rows] = labels[rows]
        return out
    ending = os.path.splitext(out)[1].lower()
    with WholeFiles() as files:
        _WRITERS[ending](files.open(out), labels)
    return np.load(out, mmap_mode="r") if ending == ".npy" else os.fspath(out)


def _blocks(labels):
    return (slice(start, start + _ROWS) for start in range(0, len(labels), _ROWS))


def _write_npy(file, labels):
    write_header(file, labels.shape, labels.dtype)
    for rows in _blocks(labels):
        file.write(labels[rows].data.cast("B"))


def _pyarrow():
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError("writing Parquet needs pyarrow: install it (the extra 'cli').") from error
    return pyarrow


def _write_parquet(file, labels):
    pa = _pyarrow()
    schema = pa.schema([("label", pa.int32())])
    with pa.parquet.ParquetWriter(file, schema) as writer:
        for rows in _blocks(labels):
            writer.write_table(pa.table({"label": labels[rows]}, schema))


_WRITERS = {".npy": _write_npy, ".parquet": _write_parquet}
