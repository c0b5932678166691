"""``kmeans-fast fit --max-memory``: rows that need not fit into memory. What looks at all at once is refused."""

import json
import time
from pathlib import Path

import numpy as np

from .. import KMeans, persistence, sources
from ..estimators.pipelines import packed
from ..messages import counted
from ..parameters import METHODS, PARAMETERS, runs
from ..sources import source_of
from ..sources.paths import named
from ..sources.reading import listeners
from ..whole_files import WholeFiles
from .outputs import write_centroids, write_labels
from .progress import outcome
from .readers import TextOptions
from .readers.columns import left_out
from .readers.parquet import index_columns
from .readers.rows import BLANKS
from .readers.source import Source
from .readers.text import parts
from .tables import duration, pairs, table
from .watch import Watch

_MOST_ROWS = 20
# Options that need the whole table, and what they are without being given.
_WHOLE = {
    "header": "auto", "delimiter": None, "decimal": ".", "encoding": None, "quotes": "auto", "weights": None,
    "missing": None, "scale": "none", "categories": None, "pca": None, "outliers": "keep", "append": None,
    "distances": False,
}  # fmt: skip
_SECONDS_BETWEEN = 0.5  # that the display is told how far a reading has come


def run(args, to):
    """Run the subcommand with the files `to` write; 130 if the fit was interrupted."""
    _check(args)
    with _Reading(args.quiet) as watch:
        watch.on_phase("reading")
        rows = _source(args, watch)
        init = args.init if args.init in METHODS else np.load(args.init, allow_pickle=False)
        of_table = {name for name, parameter in PARAMETERS.items() if parameter.flag}
        given = {name: value for name, value in vars(args).items() if name in of_table}
        given |= {"init": init, "resume": args.resume, "dtype": None if args.dtype == "auto" else args.dtype}
        given["n_init"] = runs(given["n_init"], init) if isinstance(init, str) else 1
        watch.display.expect(rows.n_samples or 10**9, given["n_init"], args.max_iter)
        model = KMeans(**given, callback=watch).fit(rows)
        watch.finished()
        watch.on_phase("writing")
        with WholeFiles() as files:
            if to.labels:
                write_labels(files, to.labels, model.labels_)
            if to.centroids:
                write_centroids(files, to.centroids, model.cluster_centers_, persistence.feature_names(model))
            if to.model:
                persistence.write(files, to.model, *packed(model, labels=False))
    said = _summary(args, model, watch, to)
    if args.json:
        print(json.dumps(said))
    elif not args.quiet:
        print(_report(said, given["n_init"], args.max_iter, model.history_[-1].converged))
    return 130 if watch.interrupted else 0


def _check(args):
    """Raise ValueError for what needs the whole table."""
    for name, default in _WHOLE.items():
        if getattr(args, name) != default:
            raise ValueError(f"--{name} needs the whole table in memory: leave it out, or --max-memory")
    if not isinstance(args.n_clusters, int):
        raise ValueError(f"-k must be one number with --max-memory, got {args.n_clusters}")
    if args.init not in METHODS and Path(args.init).suffix.lower() != ".npy":
        raise ValueError(f"--init must be {', '.join(METHODS)} or a .npy file with --max-memory, got {args.init!r}")


def _source(args, watch):
    """The rows of the file; the index that pandas or R wrote is no feature, as it is none without --max-memory."""
    kind, files = named(args.file)
    columns = None if args.columns is None else [name.strip() for name in args.columns.split(",")]
    if kind is sources.Npy:
        if columns is not None:
            raise ValueError(
                f"--columns with --max-memory is for columns with names, of Parquet or CSV; got {args.file}"
            )
        return source_of(args.file)
    names, index, how = (_text if kind is sources.Csv else _parquet)(files[0])
    if columns is None and index:
        columns = [name for at, name in enumerate(names) if at not in index]
        watch.say(files[0], left_out([], names, 0, index))
    return kind(files, columns=columns, **how)


def _parquet(path):
    """Names, those of them that are the index and why, and what the source is to be told."""
    try:
        from pyarrow import parquet

        schema = parquet.read_schema(path)
    except (ImportError, OSError, ValueError):
        return [], {}, {}  # the source says what is the matter
    return schema.names, index_columns(schema, path), {}


def _text(path):
    """As `_parquet`. What the first rows tell decides, so that no row is taken for names that is none."""
    if path.lower().endswith(".zst"):
        return [], {}, {}  # the readers of whole tables do not unpack it
    with Source(Path(path)) as text:
        head, _ = next(parts(text, TextOptions()), (None, None))
    if head is None:
        raise ValueError(f"{path}: at least one row is needed, got an empty file")
    named_by_comment = head.names is not None and not head.above
    if head.dialect.delimiter == BLANKS or head.n_comments or named_by_comment:
        raise ValueError(
            f"{path}: --max-memory reads text whose cells end at one character, and that has no comments: write it as "
            "Parquet first, or leave out --max-memory"
        )
    how = {"header": head.names is not None, "delimiter": head.dialect.delimiter}
    return head.names, head.left_out, how


class _Reading(Watch):
    """A watch that the reading of chunks is told to as well."""

    def __enter__(self):
        self.passes, self.rows, self.n_bytes, self.waited = 0, 0, 0, 0.0
        self.iterating, self.last, self.begun = False, 0.0, 0.0
        listeners.append(self._chunk)
        return super().__enter__()

    def __exit__(self, *given):
        listeners.remove(self._chunk)
        super().__exit__(*given)

    def on_phase(self, name):
        self.iterating = name == "iterating"
        super().on_phase(name)

    def _chunk(self, number, count, chunk, seconds):
        now = time.monotonic()
        if number == 0:
            self.passes, self.begun = self.passes + 1, now
        self.rows += len(chunk)
        self.n_bytes += chunk.nbytes
        self.waited += seconds
        if now - self.last < _SECONDS_BETWEEN or self.iterating:
            return
        self.last = now
        share, left = None, ""
        if count and number:
            share = (number + 1) / count
            left = f", {duration((now - self.begun) * (1 / share - 1))} left of it"
        self.display.reading(share, f"pass {self.passes}, {self.rows:,} rows, {self.n_bytes / 2**20:,.0f} MiB{left}")


def _summary(args, model, watch, to):
    sizes = np.bincount(model.labels_, minlength=model.n_clusters)
    times = watch.stopwatch.seconds
    return {
        "file": str(args.file),
        "n_samples": len(model.labels_),
        "n_features": model.n_features_in_,
        "n_clusters": model.n_clusters,
        "seed": args.random_state,
        "inertia": model.inertia_,
        "n_iter": model.n_iter_,
        "interrupted": watch.interrupted,
        "backend": model.backend_,
        "passes": watch.passes,
        "rows_read": watch.rows,
        "bytes_read": watch.n_bytes,
        "seconds": {**times, "waiting for rows": watch.waited},
        "clusters": [{"cluster": number, "size": int(size)} for number, size in enumerate(sizes)],
        "files": {name: str(path) for name, path in to._asdict().items() if path is not None},
    }


def _report(said, n_init, max_iter, converged):
    n, found = said["n_samples"], said["clusters"]
    shown = found if len(found) <= _MOST_ROWS else sorted(found, key=lambda one: -one["size"])[:_MOST_ROWS]
    lines = [(str(one["cluster"]), f"{one['size']:,}", f"{one['size'] / n:.2%}") for one in shown]
    text = table(("cluster", "rows", "share"), lines)
    if len(found) > len(shown):
        text += f"\n... and {counted(len(found) - len(shown), 'smaller cluster')}"
    end = "interrupted" if said["interrupted"] else "converged" if converged else ""
    read = f"{counted(said['passes'], 'time')}, {said['rows_read']:,} rows, {said['bytes_read'] / 2**20:,.0f} MiB"
    facts = [
        ("rows", f"{n:,} of {counted(said['n_features'], 'column')}"),
        ("inertia", f"{said['inertia']:.10g}"),
        ("iterations", outcome(said["n_iter"], end, max_iter, n_init)),
        ("read", read),
        *((name.replace("_", " "), duration(seconds)) for name, seconds in said["seconds"].items()),
        ("backend", said["backend"]),
        *said["files"].items(),
    ]
    return f"{text}\n\n{pairs(facts)}"
