"""``kmeans-fast predict``."""

from typing import NamedTuple

import numpy as np

from .. import assign, load
from ..estimators.pipelines import split
from ..messages import counted
from ..whole_files import WholeFiles
from . import big_predict
from .append import Appender
from .outputs import beside_labels, check_writable, write_labels
from .preparing import Applied, Needs, needs, spread
from .progress import note
from .readers import check_file
from .watch import Watch


def run(args):
    """Run the subcommand."""
    if args.max_memory is not None:
        big_predict.run(args, Model.of(args))
        return
    outputs = [path for path in (args.output, args.append) if path is not None]
    if args.output is not None and args.distances:
        outputs += beside_labels(args.output, ["distance"])
    check_writable(outputs, [args.file, args.model])
    with Watch(args.quiet) as watch:
        X, centroids, complete = _read(args, watch)
        appender = Appender.of(args)
        watch.on_phase("labelling")
        labels, squared = assign(X, centroids, device=args.device, n_threads=args.n_threads)
        labels = spread(labels, complete)
        distances = spread(np.sqrt(squared), complete) if args.distances else None
        if outputs:
            watch.on_phase("writing")
            written = _write(args, labels, distances, appender)
    if not outputs:  # to standard output, which may be the terminal that the progress was on
        written = _write(args, labels, distances, appender)
    if written and not args.quiet:
        note(f"{counted(len(labels), 'label')} written: {', '.join(map(str, written))}")


def _write(args, labels, distances, appender):
    """All files, or none of them; their paths."""
    written = []
    with WholeFiles() as files:
        if args.output is not None or appender is None:
            written += write_labels(files, args.output, labels, distances)
        if appender is not None:
            written.append(appender.write(files, labels, distances))
    return written


class Model(NamedTuple):
    """What a model asks of a file and does with its rows."""

    centroids: np.ndarray
    needed: Needs
    dtype: str  # that rows are read in
    prepare: Applied

    @classmethod
    def of(cls, args):
        """That of the command line."""
        check_file(args.model)
        model = load(args.model)
        pipeline, kmeans = split(model)
        centroids = kmeans.cluster_centers_
        n_features = model.n_features_in_
        needed = needs(pipeline, list(getattr(model, "feature_names_in_", ())), n_features)
        # The model's dtype: rows that were rounded to float32 for the fit are rounded in the same way here.
        dtype = str(centroids.dtype) if args.dtype == "auto" else args.dtype
        return cls(centroids, needed, dtype, Applied(args, pipeline, needed, n_features))

    def check(self, table, path):
        """Raise ValueError if a table has not the columns that the model was fitted on."""
        width = table.data.shape[1] + len(table.texts)
        if width != len(self.needed.columns):
            raise ValueError(
                f"{path}: the model was fitted on {counted(len(self.needed.columns), 'column')}, got {width} (choose "
                "columns with --columns)"
            )


def _read(args, watch):
    """Data as the model takes it, the model's centroids, and which rows of the file these are; None: all."""
    model = Model.of(args)
    table = watch.read(args, None, model.needed.names, model.dtype, model.needed.categories)
    model.check(table, args.file)
    X, complete = model.prepare(table)
    watch.say(args.file, model.prepare.notes())
    return X, model.centroids, complete
