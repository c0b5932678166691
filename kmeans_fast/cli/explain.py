"""``kmeans-fast explain``: what would run, and the memory it takes."""

import numpy as np

from ..explaining import explained
from ..memory import available_bytes
from .preparing import prepared
from .watch import Watch


def run(args):
    """Run the subcommand."""
    if (args.file is None) == (args.shape is None):
        raise ValueError("explain needs FILE or --shape ROWS,COLUMNS, and not both")
    X = _data(args)
    if args.n_clusters > len(X):
        raise ValueError(f"-k must be at most the number of rows, {len(X)}, got {args.n_clusters}")
    names = "n_clusters", "init", "refine", "device", "n_threads"
    text, plan = explained(X, False, **{name: getattr(args, name) for name in names})
    print(text)
    print(_memory(args, X, 0 if plan.on_device else plan.workspace_bytes))


def _data(args):
    """The rows of the file, prepared, or an array of that shape without memory."""
    if args.shape is not None:
        return np.broadcast_to(np.zeros((), "float32" if args.dtype == "auto" else args.dtype), args.shape)
    with Watch() as watch:
        table = watch.read(args)
        watch.quiet = True  # what there is to say of its columns `fit` says
        return prepared(args, table, watch).X


def _memory(args, X, workspace):
    """What the data takes, which for a shape is yet to come, and what there is."""
    available, told = available_bytes(), f"the data takes {_size(X.nbytes)}"
    if available is not None:
        told += f"; beside what is in use, {_size(available)} are available"
        if args.shape is not None and X.nbytes + workspace > available:
            told += "\nthe data and the workspace together do not fit"
    return told


def _size(n_bytes):
    return f"{n_bytes / 2**20:,.1f} MiB"
