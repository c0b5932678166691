"""``kmeans-fast predict --max-memory``: rows are read some at a time; while they are labelled, the next are read."""

import contextlib
import time

import numpy as np

from .. import assign
from ..door import chunk_bytes
from ..memory import limited
from ..messages import counted
from ..parameters import checked
from ..sources.files import matching
from ..sources.protocol import Source
from ..sources.reading import Reader
from ..whole_files import WholeFiles
from .outputs import beside_labels, check_writable, labels_writer
from .preparing import spread
from .progress import note
from .readers import ENDINGS, kind_of, read_blocks, text_options
from .tables import duration, pairs
from .watch import Watch, selection


def run(args, model):
    """Run the subcommand with a `predict.Model`."""
    _check(args, model)
    paths = _paths(args.file)
    outputs = [args.output, *beside_labels(args.output, ["distance"] * args.distances)]
    check_writable(outputs, [*paths, args.model])
    with Watch(args.quiet) as watch:
        work = _Work(args, model, watch, paths)
        watch.on_phase("reading")
        with limited(checked({"max_memory": args.max_memory})["max_memory"]):
            rows = _Rows(args, model, paths, chunk_bytes())
        with (
            WholeFiles() as files,
            contextlib.closing(labels_writer(files, args.output, work.columns)) as writer,
            contextlib.closing(Reader(rows, _ahead(paths))) as reader,
        ):
            for number, share, table in reader.all():
                work.take(number, share, table, writer)
            if not work.n_rows:
                raise ValueError(f"{args.file}: at least one row is needed, got none")
            watch.say(args.file, model.prepare.notes())
            watch.stopwatch.begin("writing")
    if not args.quiet:
        note(f"{counted(work.n_rows, 'label')} written: {', '.join(map(str, outputs))}")
        note(pairs(work.facts()))


def _check(args, model):
    if args.output is None:
        raise ValueError("--max-memory writes labels as they come, to a file: name it with -o")
    if args.append is not None:
        raise ValueError("--append needs the labels of all rows in memory: leave it out, or --max-memory")
    if not model.prepare.by_rows():
        raise ValueError(
            f"{args.model}: the model has a PCA of scikit-learn's, whose last bits depend on how many rows there are: "
            "leave out --max-memory, or fit it with kmeans_fast.preparation.make_preparation or --pca"
        )


def _paths(path):
    """The files that are to be read: `path`, or those that it stands for, which are of one kind."""
    if str(path) == "-":
        return [path]
    found = [type(path)(one) for one in matching(path, ENDINGS)]
    kinds = {kind_of(one)[0] for one in found}
    if len(kinds) > 1:
        raise ValueError(f"{path}: files must be of one kind, got {', '.join(sorted({one.suffix for one in found}))}")
    return found


def _ahead(paths):
    """Chunks to read ahead: none of standard input and pipes, as Ctrl-C would wait for a line that may never come."""
    return 0 if any(str(path) == "-" or not path.is_file() for path in paths) else 1


class _Rows(Source):
    """The rows of files in chunks of about so many bytes.

    A chunk is the number of the file, how much of it has been read (None where that is not known) and a table. The last
    table of each file has no rows.
    """

    def __init__(self, args, model, paths, n_bytes):
        self.args, self.model, self.paths, self.share = args, model, paths, None
        n_features, n_columns = model.centroids.shape[1], len(model.needed.columns)
        self.most = n_bytes // np.dtype(model.dtype).itemsize * n_columns // max(n_features, n_columns) or 1

    def chunks(self):
        needed, how = self.model.needed, {"text": text_options(self.args), "dtype": self.model.dtype}
        chosen = selection(self.args, None, needed.names, needed.categories)
        for number, path in enumerate(self.paths):
            for table in read_blocks(path, self.most, chosen, **how, progress=self._progress):
                yield number, self.share, table

    def _progress(self, share, text):
        self.share = share


class _Work:
    """What becomes of rows, and how far it has come."""

    def __init__(self, args, model, watch, paths):
        self.args, self.model, self.watch, self.paths = args, model, watch, paths
        self.columns = {"label": np.empty(0, np.int32)}
        if args.distances:
            self.columns["distance"] = np.empty(0)
        self.sizes = [0 if str(path) == "-" else path.stat().st_size for path in paths]
        self.n_rows = self.n_bytes = 0
        self.begun = time.monotonic()

    def take(self, number, share, table, writer):
        """Label the rows of a table of `_Rows`."""
        if not len(table.data):
            self.watch.say(self.paths[number], table.notes)
            return
        self.model.check(table, self.paths[number])
        clock = self.watch.stopwatch
        clock.begin("labelling")
        self.n_rows += len(table.data)
        self.n_bytes += table.data.nbytes
        X, complete = self.model.prepare(table)
        how = {name: getattr(self.args, name) for name in ("device", "n_threads", "max_memory")}
        labels, squared = np.empty(0, np.int32), np.empty(0)
        if X is not None and self.args.distances:
            labels, squared = assign(np.asarray(X), self.model.centroids, **how)
        elif X is not None:
            labels = assign(np.asarray(X), self.model.centroids, **how, return_distance=False)
        clock.begin("writing")
        found = (labels, np.sqrt(squared)) if self.args.distances else (labels,)
        writer.add(dict(zip(self.columns, (spread(values, complete) for values in found), strict=True)))
        clock.begin("reading")
        self._say(number, share)

    def _say(self, number, share):
        done, left = None, ""
        if share is not None and all(self.sizes):
            done = (sum(self.sizes[:number]) + share * self.sizes[number]) / sum(self.sizes)
        if done and self.n_rows:
            left = f", {duration((time.monotonic() - self.begun) * (1 / done - 1))} left"
        self.watch.display.reading(done, f"{self.n_rows:,} rows, {self.n_bytes / 2**20:,.0f} MiB{left}")

    def facts(self):
        """What was done, by name."""
        clock = self.watch.stopwatch
        seconds = clock.seconds | ({"compiling": clock.compiling} if clock.compiling else {})
        return [
            ("read", f"{counted(len(self.sizes), 'file')}, {self.n_rows:,} rows, {self.n_bytes / 2**20:,.1f} MiB"),
            *((name, duration(taken)) for name, taken in seconds.items()),
        ]
