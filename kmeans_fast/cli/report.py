"""``kmeans-fast report``: a whole cluster analysis on one page."""

import shlex

import numpy as np

from .. import __version__
from ..preparation import health
from ..preparation.applying import in_units
from ..reporting import analyse, page
from ..whole_files import WholeFiles
from .outputs import check_writable
from .parser import PROGRAM
from .preparing import prepared
from .tables import pairs
from .watch import Watch


def run(args):
    """Run the subcommand."""
    import matplotlib

    matplotlib.use("Agg")
    numbers = [args.n_clusters] if isinstance(args.n_clusters, int) else args.n_clusters
    with Watch(args.quiet) as watch:
        check_writable([args.output], [args.file])
        table = watch.read(args)
        table.data.flags.writeable = False  # the page shows it in its own units, too
        ready = prepared(args, table, watch)
        if numbers[-1] > len(ready.X):
            raise ValueError(f"-k must be at most the number of rows, {len(ready.X)}, got {numbers[-1]}")
        names, X = in_units(ready.pipeline, ready.rows_of_fit())
        watch.on_phase("analysing")
        found = analyse(
            X, numbers, names=table.names and names, title=args.file.name,
            scale=None if ready.pipeline is None else lambda _: ready.X,
            of_columns=health(table.rows(), scaled=args.scale != "none"), seed=args.random_state,
            command=shlex.join([PROGRAM, *args.argv]), version=__version__,
            device=args.device, n_threads=args.n_threads,
        )  # fmt: skip
        found = _numbered_by_file(found, ready.of_fit(np.arange(len(table.data))))
        watch.on_phase("writing")
        with WholeFiles() as files:
            files.open(args.output, "w", encoding="utf-8").write(page(found))
    if not args.quiet:
        print(pairs([("clusters", str(found.n_clusters)), ("report", str(args.output))]))


def _numbered_by_file(found, rows):
    """An analysis whose rows have the numbers that they have in the file; `rows` are those of the fit."""
    clusters = [one._replace(nearest_row=int(rows[one.nearest_row])) for one in found.clusters]
    farthest = [(int(rows[row]), cluster, score) for row, cluster, score in found.farthest]
    return found._replace(clusters=clusters, farthest=farthest)
