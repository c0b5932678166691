"""``kmeans-fast report``: a whole cluster analysis on one page."""

import shlex

import numpy as np

from .. import __version__
from ..preparation import health
from ..preparation.applying import in_units
from ..reporting import analyse, page
from ..whole_files import WholeFiles
from .choose_k import usual_numbers
from .outputs import check_writable
from .parser import PROGRAM
from .preparing import prepared
from .readers.columns import listed
from .tables import pairs
from .watch import Watch

SCALES = {
    "standard": "to mean 0 and standard deviation 1",
    "robust": "to median 0 and interquartile range 1",
    "minmax": "to the range 0 to 1",
}


def run(args):
    """Run the subcommand."""
    try:
        import jinja2  # noqa: F401
        import matplotlib
    except ImportError as error:
        raise ImportError("Reports need Jinja2 and matplotlib: install them (the extra 'report').") from error
    matplotlib.use("Agg")
    with Watch(args.quiet) as watch:
        check_writable([args.output], [args.file])
        table = watch.read(args)
        table.data.flags.writeable = False  # the page shows it in its own units, too
        ready = prepared(args, table, watch)
        numbers = args.n_clusters or usual_numbers(len(ready.X))
        numbers = [numbers] if isinstance(numbers, int) else numbers
        if numbers[-1] > len(ready.X):
            raise ValueError(f"-k must be at most the number of rows, {len(ready.X)}, got {numbers[-1]}")
        names, X = in_units(ready.pipeline, ready.rows_of_fit())
        watch.on_phase("analysing")
        found = analyse(
            X, numbers, names=names, title=args.file.name,
            prepared=None if ready.pipeline is None else ready.X,
            of_columns=_health(args, table), done=_done(args, ready),
            made=None if args.pca is None else "component", seed=args.random_state,
            command=shlex.join([PROGRAM, *args.argv]), version=__version__,
            device=args.device, n_threads=args.n_threads,
        )  # fmt: skip
        found = _numbered_by_file(found, ready.of_fit(np.arange(len(table.data))))
        watch.on_phase("writing")
        with WholeFiles() as files:
            files.open(args.output, "w", encoding="utf-8", errors="backslashreplace").write(page(found))
    if not args.quiet:
        print(pairs([("clusters", str(found.n_clusters)), ("report", str(args.output))]))


def _health(args, table):
    """The health of a table, without advice for what has been mended."""
    found = health(table.rows(), scaled=args.scale != "none")
    mended = {
        "missing": args.missing, "text": args.categories, "extreme": args.outliers != "keep",
        "identifier": args.categories in ("auto", "drop"), "numbers as text": args.categories not in (None, "auto"),
    }  # fmt: skip
    findings = [one._replace(advice="") if mended.get(one.kind) else one for one in found.findings]
    return found._replace(findings=findings)


def _done(args, ready):
    """What was done with the rows, in words."""
    texts = [ready.rows.names[at] for at in ready.rows.texts]
    levels = [f"each level of {listed(texts)} became a column of 0 and 1"] if texts else []
    scaled = [] if args.scale == "none" else [f"scaled: columns of numbers, {SCALES[args.scale]}"]
    return [*ready.done, *levels, *scaled]


def _numbered_by_file(found, rows):
    """An analysis whose rows have the numbers that they have in the file; `rows` are those of the fit."""
    clusters = [one._replace(nearest_row=int(rows[one.nearest_row])) for one in found.clusters]
    farthest = [(int(rows[row]), cluster, score) for row, cluster, score in found.farthest]
    return found._replace(clusters=clusters, farthest=farthest)
