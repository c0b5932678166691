"""``kmeans-fast fit``."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline

from .. import KMeans, assign, persistence
from ..estimators.pipelines import packed
from ..messages import counted
from ..parameters import METHODS, PARAMETERS, runs
from ..whole_files import WholeFiles
from . import big, choose_k
from .append import Appender
from .centroids import flat, in_data_units
from .fit_report import clusters, report, summary
from .outputs import beside_labels, check_writable, write_centroids, write_labels
from .parser import PROGRAM
from .preparing import prepared
from .progress import note
from .readers import check_file, load_array, read
from .watch import Watch


class _Destinations(NamedTuple):
    """Where results go; None: nowhere."""

    labels: Path | None
    centroids: Path | None
    model: Path | None
    append: Path | None


def run(args):
    """Run the subcommand; 130 if the fit was interrupted and what it had reached is written."""
    if args.max_memory is not None:
        return big.run(args, _destinations(args))
    with Watch(args.quiet) as watch:
        table, weights = _read(args, watch)
        to = _destinations(args)
        appender = Appender.of(args)
        ready = prepared(args, table, watch)
        X, weights = ready.X, ready.of_fit(weights)
        _check_rows(args, X, weights)
        init = _init(args, ready, watch)
        if not isinstance(args.n_clusters, int):
            choice = choose_k.chosen(args, X, args.n_clusters, watch)
            args.n_clusters = choice.n_clusters
            for line in () if args.quiet else str(choice).splitlines():
                note(line)

        model = _fit(args, X, weights, init, watch)
        watch.on_phase("summary")
        labels, squared = assign(
            ready.everything, model.cluster_centers_, device=model.device, n_threads=model.n_threads
        )
        distances = np.sqrt(squared)
        own = distances if ready.outliers is None else distances[~ready.outliers]
        found = clusters(model, own, weights)
        centroids = in_data_units(ready.pipeline, model.cluster_centers_, ready.rows.names)
        watch.on_phase("writing")
        columns = ready.beside(labels, distances if args.distances else None)
        _write(to, model, ready.pipeline, table.names and ready.rows.names, centroids, columns, appender)

    if args.json:
        print(json.dumps(summary(args, model, ready, found, watch, to) | {"notes": [*table.notes, *ready.notes]}))
    elif not args.quiet:
        print(report(args, model, ready, found, centroids, watch, to, weights is not None))
    if not watch.interrupted:
        return 0
    reached = counted(model.n_iter_, "iteration")
    note(f"{PROGRAM}: interrupted: the files hold what {reached} had reached")
    return 130


def _destinations(args):
    """The files to write, checked before the work starts; the directory of -o is made."""
    chosen = _Destinations(args.labels, args.centroids, args.model, args.append)
    if args.output is not None or not any(chosen):
        directory = args.output or Path()
        if directory.exists() and not directory.is_dir():
            raise ValueError(f"{directory}: -o names a directory, but this is a file")
        directory.mkdir(parents=True, exist_ok=True)
        name = "stdin" if str(args.file) == "-" else args.file.name
        default = ("labels.npy", "centroids.csv", "model.npz")
        paths = (path or directory / f"{name}-{what}" for path, what in zip(chosen, default, strict=False))
        chosen = _Destinations(*paths, args.append)
    inputs = [args.file, *map(Path, filter(None, (args.init, args.weights)))]  # where those are files
    written = [path for path in chosen if path is not None]
    if chosen.labels:
        more = ["distance"] * args.distances + ["outlier"] * (args.outliers != "keep")
        written += beside_labels(chosen.labels, more)
    check_writable(written, inputs)
    return chosen


def _read(args, watch):
    """The table, of which what there is to say is said, and weights or None."""
    from_file = args.weights is not None and args.weights.lower().endswith(".npy")
    table = watch.read(args, None if from_file else args.weights)
    weights = table.weights
    if from_file:
        path = Path(args.weights)
        check_file(path)
        weights = np.array(load_array(path), np.float64)
        if weights.shape != (len(table.data),):
            raise ValueError(f"{path}: there must be one weight a row, shape ({len(table.data)},), got {weights.shape}")
    if weights is not None:
        bad = ~(np.isfinite(weights) & (weights >= 0))
        if bad.any():
            row = int(bad.argmax())
            raise ValueError(
                f"--weights: weights must be finite and not negative, got {weights[row]} in data row {row + 1}"
            )
    if weights is not None and not isinstance(args.n_clusters, int):
        raise ValueError(f"-k must be one number: a choice takes no --weights, got {args.n_clusters}")
    return table, weights


def _check_rows(args, X, weights):
    """Raise ValueError if the rows that are left to fit are too few, or all of weight 0."""
    if weights is not None and not weights.any():
        raise ValueError("--weights: at least one weight must be positive, got zeros only")
    most = args.n_clusters if isinstance(args.n_clusters, int) else args.n_clusters[-1]
    if most > len(X):
        raise ValueError(f"-k must be at most the number of rows, {len(X)}, got {most}")


def _init(args, ready, watch):
    """A name, or centroids (n_clusters, n_features) as the rows are prepared, in their dtype."""
    if args.init in METHODS:
        return args.init
    if not isinstance(args.n_clusters, int):
        raise ValueError(f"-k must be one number where --init is a file of centroids, got {args.n_clusters}")
    if ready.rows.texts:
        raise ValueError(f"--init must be {', '.join(METHODS)} where columns are categories, got {args.init!r}")
    path = Path(args.init)
    if path.suffix.lower() not in (".npy", ".csv"):
        raise ValueError(f"--init must be {', '.join(METHODS)}, or a .npy or .csv file of centroids, got {args.init!r}")
    found = read(path)
    watch.say(path, found.notes)
    width = ready.rows.numbers.shape[1]
    centroids = np.array(found.data, ready.X.dtype)
    if centroids.shape != (args.n_clusters, width):
        raise ValueError(
            f"{path}: the centroids must have shape ({args.n_clusters}, {width}) (clusters, columns), got "
            f"{centroids.shape}"
        )
    if ready.pipeline is None:
        return centroids
    from ..preparation.applying import transformed

    return np.ascontiguousarray(transformed(ready.pipeline, centroids))


def _fit(args, X, weights, init, watch):
    of_table = {name for name, parameter in PARAMETERS.items() if parameter.flag}  # --dtype is about reading the file
    given = {name: value for name, value in vars(args).items() if name in of_table}
    given |= {"init": init, "resume": args.resume}
    if not isinstance(init, str):
        given["n_init"] = 1
    watch.display.expect(len(X), runs(given["n_init"], init), args.max_iter)
    model = KMeans(**given, callback=watch).fit(X, sample_weight=weights)
    watch.finished()
    return model


def _write(to, model, pipeline, names, centroids, columns, appender):
    """All files, or none of them; `columns` are labels, distances and outliers, or None for what is not asked for."""
    with WholeFiles() as files:
        if to.labels:
            write_labels(files, to.labels, *columns)
        if to.centroids:
            called, values = flat(centroids)
            write_centroids(files, to.centroids, values, called)
        if to.model:
            whole = _named(model, pipeline, names if names and len(set(names)) == len(names) else None)
            persistence.write(files, to.model, *packed(whole, labels=False))
        if appender:
            appender.write(files, *columns)


def _named(model, pipeline, names):
    """The model as it goes into a file, behind its preparation, with names of the columns where there are any."""
    if pipeline is None:
        if names:
            model.feature_names_in_ = np.array(names, dtype=object)
        return model
    from ..preparation.loading import name_columns

    if names:
        name_columns(pipeline, names)
    return Pipeline([*pipeline.steps, ("kmeans", model)])
