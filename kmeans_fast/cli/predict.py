"""``kmeans-fast predict``."""

import sys

import numpy as np

from .. import assign
from .columns import Selection
from .model_file import read_model
from .outputs import check_writable, distances_path, write_labels
from .readers import read, say, text_options
from .tables import counted


def run(args):
    """Run the subcommand."""
    if args.output is not None:
        check_writable(args.output, [args.file, args.model])
        if args.distances and args.output.suffix.lower() == ".npy":
            check_writable(distances_path(args.output), [args.file, args.model])
    model, scaler = read_model(args.model)
    centroids = model.cluster_centers_
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
    if scaler is not None:
        X = scaler.apply(X)
    labels, squared = assign(X, centroids, device=args.device, n_threads=args.threads)
    written = write_labels(args.output, labels, np.sqrt(squared) if args.distances else None)
    if written and not args.quiet:
        print(f"{counted(len(labels), 'label')} written: {', '.join(map(str, written))}", file=sys.stderr)
