"""``kmeans-fast fit``."""

import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.pipeline import make_pipeline

from .. import KMeans, assign, persistence
from ..estimators.pipelines import packed
from ..messages import counted
from ..parameters import METHODS, PARAMETERS, runs
from ..whole_files import WholeFiles
from . import choose_k
from .append import Appender
from .fit_report import clusters, report, summary
from .outputs import check_writable, distances_beside, write_centroids, write_labels
from .parser import PROGRAM
from .progress import note
from .readers import check_file, load_array, read
from .scaling import fitted, scaled, unscaled
from .watch import Watch


class _Destinations(NamedTuple):
    """Where results go; None: nowhere."""

    labels: Path | None
    centroids: Path | None
    model: Path | None
    append: Path | None


def run(args):
    """Run the subcommand; 130 if the fit was interrupted and what it had reached is written."""
    with Watch(args.quiet) as watch:
        X, names, weights, notes = _read(args, watch)
        init = _init(args, X, watch)
        to = _destinations(args)
        appender = Appender.of(args)
        scaler = None
        if args.scale != "none":
            scaler = fitted(X, args.scale)
            X = scaled(scaler, X)
            init = init if isinstance(init, str) else scaled(scaler, init)
        if not isinstance(args.n_clusters, int):
            choice = choose_k.chosen(args, X, args.n_clusters, watch)
            args.n_clusters = choice.n_clusters
            for line in () if args.quiet else str(choice).splitlines():
                note(line)

        model = _fit(args, X, weights, init, watch)
        watch.on_phase("summary")
        _, squared = assign(X, model.cluster_centers_, device=model.device, n_threads=model.n_threads)
        distances = np.sqrt(squared)
        found = clusters(model, distances, weights)
        watch.on_phase("writing")
        _write(to, model, scaler, names, distances if args.distances else None, appender)

    if args.json:
        print(json.dumps(summary(args, model, X, found, watch, to) | {"notes": notes}))
    elif not args.quiet:
        print(report(args, model, X, found, watch, to, weights is not None))
    if not watch.interrupted:
        return 0
    reached = counted(model.n_iter_, "iteration")
    print(f"{PROGRAM}: interrupted: the files hold what {reached} had reached", file=sys.stderr)
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
    if chosen.labels and args.distances:
        written += distances_beside(chosen.labels)
    check_writable(written, inputs)
    return chosen


def _read(args, watch):
    """Data, names of the columns or None, weights or None, and what there is to say about the file; it is said."""
    from_file = args.weights is not None and args.weights.lower().endswith(".npy")
    X, names, weights, notes = watch.read(args, None if from_file else args.weights)
    if from_file:
        path = Path(args.weights)
        check_file(path)
        weights = np.array(load_array(path), np.float64)
        if weights.shape != (len(X),):
            raise ValueError(f"{path}: there must be one weight a row, shape ({len(X)},), got {weights.shape}")
    if weights is not None:
        bad = ~(np.isfinite(weights) & (weights >= 0))
        if bad.any():
            row = int(bad.argmax())
            raise ValueError(
                f"--weights: weights must be finite and not negative, got {weights[row]} in data row {row + 1}"
            )
        if not weights.any():
            raise ValueError("--weights: at least one weight must be positive, got zeros only")
    if weights is not None and not isinstance(args.n_clusters, int):
        raise ValueError(f"-k must be one number: a choice takes no --weights, got {args.n_clusters}")
    most = args.n_clusters if isinstance(args.n_clusters, int) else args.n_clusters[-1]
    if most > len(X):
        raise ValueError(f"-k must be at most the number of rows, {len(X)}, got {most}")
    return X, names, weights, notes


def _init(args, X, watch):
    """A name, or centroids (n_clusters, n_features) in X's dtype."""
    if args.init in METHODS:
        return args.init
    if not isinstance(args.n_clusters, int):
        raise ValueError(f"-k must be one number where --init is a file of centroids, got {args.n_clusters}")
    path = Path(args.init)
    if path.suffix.lower() not in (".npy", ".csv"):
        raise ValueError(f"--init must be {', '.join(METHODS)}, or a .npy or .csv file of centroids, got {args.init!r}")
    found = read(path)
    watch.say(path, found.notes)
    centroids = np.ascontiguousarray(found.data, X.dtype)
    if centroids.shape != (args.n_clusters, X.shape[1]):
        raise ValueError(
            f"{path}: the centroids must have shape ({args.n_clusters}, {X.shape[1]}) (clusters, columns), got "
            f"{centroids.shape}"
        )
    return centroids


def _fit(args, X, weights, init, watch):
    of_table = {name for name, parameter in PARAMETERS.items() if parameter.flag}  # --dtype is about reading the file
    given = {name: value for name, value in vars(args).items() if name in of_table} | {"init": init}
    if not isinstance(init, str):
        given["n_init"] = 1
    watch.display.expect(len(X), runs(given["n_init"], init), args.max_iter)
    model = KMeans(**given, callback=watch).fit(X, sample_weight=weights)
    watch.finished()
    return model


def _write(to, model, scaler, names, distances, appender):
    """All files, or none of them."""
    centroids = unscaled(scaler, model.cluster_centers_) if scaler else model.cluster_centers_
    with WholeFiles() as files:
        if to.labels:
            write_labels(files, to.labels, model.labels_, distances)
        if to.centroids:
            write_centroids(files, to.centroids, centroids, names)
        if to.model:
            first = scaler or model
            if names and len(set(names)) == len(names):
                first.feature_names_in_ = np.array(names, dtype=object)
            whole = make_pipeline(scaler, model) if scaler else model
            persistence.write(files, to.model, *packed(whole, labels=False))
        if appender:
            appender.write(files, model.labels_, distances)
