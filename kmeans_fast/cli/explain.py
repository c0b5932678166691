"""``kmeans-fast explain``: what would run, and the memory it takes."""

import numpy as np

from .. import explain
from ..backends import select
from ..engine.memory import available_bytes
from ..engine.opening import as_problem, plan_memory
from .progress import say
from .readers import Selection, read, text_options
from .watch import Watch


def run(args):
    """Run the subcommand."""
    if (args.file is None) == (args.shape is None):
        raise ValueError("explain needs FILE or --shape ROWS,COLUMNS, and not both")
    X = _data(args)
    if args.n_clusters > len(X):
        raise ValueError(f"-k must be at most the number of rows, {len(X)}, got {args.n_clusters}")
    print(explain(X, args.n_clusters, device=args.device, n_threads=args.n_threads))
    print(_memory(args, X))


def _data(args):
    """The rows of the file, or an array of that shape without memory."""
    if args.shape is not None:
        return np.broadcast_to(np.zeros((), "float32" if args.dtype == "auto" else args.dtype), args.shape)
    with Watch() as watch:
        watch.on_phase("reading")
        selection = Selection(args.columns, None)
        found = read(args.file, selection, text=text_options(args), dtype=args.dtype, progress=watch.display.reading)
        say(args.file, found.notes)
        return found.data


def _memory(args, X):
    problem = as_problem(X, None, args.n_clusters, args.device)
    backend = select(problem, args.device)
    available = available_bytes()
    told = f"the data takes {_size(problem.data_bytes)}"
    if available is not None:
        told += f"; beside what is in use, {_size(available)} are available"
    try:
        chosen = plan_memory(backend, problem, args.n_threads, "a fit")
    except MemoryError as error:
        return f"{told}\na fit is refused: {error}"
    plan = backend.plan(chosen, args.n_threads)
    if chosen.frugal:
        told += f"\nmemory is short: {', '.join(plan.notes)}; workspace {_size(plan.workspace_bytes)}"
    if args.shape is not None and available is not None and problem.data_bytes + plan.workspace_bytes > available:
        told += "\nthe data and the workspace together do not fit"
    return told


def _size(n_bytes):
    return f"{n_bytes / 2**20:,.1f} MiB"
