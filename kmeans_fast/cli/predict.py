"""``kmeans-fast predict``."""

import sys

import numpy as np
from sklearn.pipeline import Pipeline

from .. import assign, load
from ..messages import counted
from ..whole_files import WholeFiles
from .append import Appender
from .outputs import check_writable, distances_beside, write_labels
from .readers import check_file
from .scaling import scaled
from .watch import Watch


def run(args):
    """Run the subcommand."""
    outputs = [path for path in (args.output, args.append) if path is not None]
    if args.output is not None and args.distances:
        outputs += distances_beside(args.output)
    check_writable(outputs, [args.file, args.model])
    with Watch(args.quiet) as watch:
        X, centroids = _read(args, watch)
        appender = Appender.of(args)
        watch.on_phase("labelling")
        labels, squared = assign(X, centroids, device=args.device, n_threads=args.n_threads)
        distances = np.sqrt(squared) if args.distances else None
        if outputs:
            watch.on_phase("writing")
            written = _write(args, labels, distances, appender)
    if not outputs:  # to standard output, which may be the terminal that the progress was on
        written = _write(args, labels, distances, appender)
    if written and not args.quiet:
        print(f"{counted(len(labels), 'label')} written: {', '.join(map(str, written))}", file=sys.stderr)


def _write(args, labels, distances, appender):
    """All files, or none of them; their paths."""
    written = []
    with WholeFiles() as files:
        if args.output is not None or appender is None:
            written += write_labels(files, args.output, labels, distances)
        if appender is not None:
            written.append(appender.write(files, labels, distances))
    return written


def _read(args, watch):
    """Data as the model takes it, and the model's centroids."""
    check_file(args.model)
    model = load(args.model)
    scaler, kmeans = model if isinstance(model, Pipeline) else (None, model)
    centroids = kmeans.cluster_centers_
    expected = tuple(getattr(model, "feature_names_in_", ()))
    # The model's dtype: rows that were rounded to float32 for the fit are rounded in the same way here.
    dtype = str(centroids.dtype) if args.dtype == "auto" else args.dtype
    X = watch.read(args, None, expected, dtype).data
    if X.shape[1] != centroids.shape[1]:
        raise ValueError(
            f"{args.file}: the model was fitted on {counted(centroids.shape[1], 'column')}, got {X.shape[1]} (choose "
            "columns with --columns)"
        )
    if scaler is not None:
        X = scaled(scaler, X)
    return X, centroids
