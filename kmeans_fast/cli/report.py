"""``kmeans-fast report``: a whole cluster analysis on one page."""

import shlex

from .. import __version__
from ..reporting import analyse, page
from ..whole_files import WholeFiles
from .outputs import check_writable
from .parser import PROGRAM
from .scaling import fitted, scaled
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
        X, names = table.data, table.names
        if numbers[-1] > len(X):
            raise ValueError(f"-k must be at most the number of rows, {len(X)}, got {numbers[-1]}")
        scale = None if args.scale == "none" else lambda rows: scaled(fitted(rows, args.scale), rows.copy())
        watch.on_phase("analysing")
        found = analyse(
            X, numbers, names=names, title=args.file.name, scale=scale, seed=args.random_state,
            command=shlex.join([PROGRAM, *args.argv]), version=__version__,
            device=args.device, n_threads=args.n_threads,
        )  # fmt: skip
        watch.on_phase("writing")
        with WholeFiles() as files:
            files.open(args.output, "w", encoding="utf-8").write(page(found))
    if not args.quiet:
        print(pairs([("clusters", str(found.n_clusters)), ("report", str(args.output))]))
