"""``kmeans-fast predict``."""

import sys

import numpy as np
from sklearn.pipeline import Pipeline

from .. import assign, load
from ..whole_files import WholeFiles
from .append import Appender
from .columns import Selection
from .outputs import check_writable, distances_beside, write_labels
from .readers import check_file, read, say, text_options
from .scaling import scaled
from .tables import counted


def run(args):
    """Run the subcommand."""
    outputs = [path for path in (args.output, args.append) if path is not None]
    if args.output is not None and args.distances:
        outputs += distances_beside(args.output)
    check_writable(outputs, [args.file, args.model])
    check_file(args.model)
    model = load(args.model)
    scaler, kmeans = model if isinstance(model, Pipeline) else (None, model)
    centroids = kmeans.cluster_centers_
    expected = tuple(getattr(model, "feature_names_in_", ()))
    # The model's dtype: rows that were rounded to float32 for the fit are rounded in the same way here.
    dtype = str(centroids.dtype) if args.dtype == "auto" else args.dtype
    X, _, _, notes = read(args.file, Selection(args.columns, None, expected), text=text_options(args), dtype=dtype)
    if not args.quiet:
        say(args.file, notes)
    if X.shape[1] != centroids.shape[1]:
        raise ValueError(
            f"{args.file}: the model was fitted on {counted(centroids.shape[1], 'column')}, got {X.shape[1]} (choose "
            "columns with --columns)"
        )
    appender = Appender.of(args)
    if scaler is not None:
        X = scaled(scaler, X)
    labels, squared = assign(X, centroids, device=args.device, n_threads=args.threads)
    distances = np.sqrt(squared) if args.distances else None
    written = []
    with WholeFiles() as files:
        if args.output is not None or appender is None:
            written += write_labels(files, args.output, labels, distances)
        if appender is not None:
            written.append(appender.write(files, labels, distances))
    if written and not args.quiet:
        print(f"{counted(len(labels), 'label')} written: {', '.join(map(str, written))}", file=sys.stderr)
