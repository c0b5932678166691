"""``kmeans-fast fit``."""

import json
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.pipeline import make_pipeline

from .. import KMeans, assign, persistence
from ..engine.seeding import METHODS
from ..estimators.pipelines import packed
from ..whole_files import WholeFiles
from . import kernel_cache
from .append import Appender
from .columns import Selection
from .outputs import check_writable, distances_beside, write_centroids, write_labels
from .progress import Silent, outcome, reporter
from .readers import check_file, load_array, read, say, text_options
from .scaling import fitted, scaled, unscaled
from .tables import pairs, table

_MOST_ROWS = 20


class _Destinations(NamedTuple):
    """Where results go; None: nowhere."""

    labels: Path | None
    centroids: Path | None
    model: Path | None
    append: Path | None


def run(args):
    """Run the subcommand."""
    started = time.perf_counter()
    X, names, weights, notes = _read(args)
    init = _init(args, X)
    to = _destinations(args)
    appender = Appender.of(args)
    scaler = None
    if args.scale != "none":
        scaler = fitted(X, args.scale)
        X = scaled(scaler, X)
        init = init if isinstance(init, str) else scaled(scaler, init)
    seconds = {"read": time.perf_counter() - started}

    cached = kernel_cache.contents()["files"]
    if not cached and not args.quiet:
        print("compiling the kernels for this machine; later runs will not wait for it", file=sys.stderr)
    started = time.perf_counter()
    model = _fit(args, X, weights, init)
    seconds["fit"] = time.perf_counter() - started
    compiled = kernel_cache.contents()["files"] > cached
    _, squared = assign(X, model.cluster_centers_, device=model.device, n_threads=model.n_threads)
    distances = np.sqrt(squared)
    clusters = _clusters(model, distances, weights)
    _write(to, model, scaler, names, distances if args.distances else None, appender)

    if args.json:
        print(json.dumps(_summary(args, model, X, clusters, seconds, compiled, to) | {"notes": notes}))
    elif not args.quiet:
        print(_report(args, model, X, clusters, seconds, compiled, to, weights is not None))


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


def _read(args):
    """Data, names of the columns or None, weights or None, and what there is to say about the file; it is said."""
    from_file = args.weights is not None and args.weights.lower().endswith(".npy")
    selection = Selection(args.columns, None if from_file else args.weights)
    X, names, weights, notes = read(args.file, selection, text=text_options(args), dtype=args.dtype)
    if not args.quiet:
        say(args.file, notes)
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
    if args.n_clusters > len(X):
        raise ValueError(f"-k must be at most the number of rows, {len(X)}, got {args.n_clusters}")
    return X, names, weights, notes


def _init(args, X):
    """A name, or centroids (n_clusters, n_features) in X's dtype."""
    if args.init in METHODS:
        return args.init
    path = Path(args.init)
    if path.suffix.lower() not in (".npy", ".csv"):
        raise ValueError(f"--init must be {', '.join(METHODS)}, or a .npy or .csv file of centroids, got {args.init!r}")
    found = read(path)
    if not args.quiet:
        say(path, found.notes)
    centroids = np.ascontiguousarray(found.data, X.dtype)
    if centroids.shape != (args.n_clusters, X.shape[1]):
        raise ValueError(
            f"{path}: the centroids must have shape ({args.n_clusters}, {X.shape[1]}) (clusters, columns), got "
            f"{centroids.shape}"
        )
    return centroids


def _fit(args, X, weights, init):
    n_init = args.n_init if isinstance(init, str) else 1
    shown = (10 if init == "random" else 1) if n_init == "auto" else n_init
    with Silent() if args.quiet else reporter(len(X), shown, args.max_iter) as progress:
        return KMeans(
            args.n_clusters,
            init=init,
            n_init=n_init,
            init_size=args.init_size,
            refine=args.refine,
            max_iter=args.max_iter,
            tol=args.tol,
            random_state=args.seed,
            device=args.device,
            n_threads=args.threads,
            callback=progress,
        ).fit(X, sample_weight=weights)


def _clusters(model, distances, weights):
    """A dict a cluster: rows, share (of the weight, where there are weights) and weighted mean distance of its rows."""
    labels, k = model.labels_, model.n_clusters
    sizes = np.bincount(labels, minlength=k)
    mass = sizes if weights is None else np.bincount(labels, weights, k)
    total = np.bincount(labels, distances if weights is None else distances * weights, k)
    means = total / np.where(mass > 0, mass, 1)
    shares = mass / mass.sum()
    found = []
    for cluster in range(k):
        found.append({"cluster": cluster, "size": int(sizes[cluster])})
        if weights is not None:
            found[-1]["weight"] = float(mass[cluster])
        found[-1] |= {"share": float(shares[cluster]), "mean_distance": float(means[cluster])}
    return found


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


def _kept_iterations(model):
    """The iterations of the run, or of the breath of a run, whose result was kept: of those with as many clusters, the one that ended lowest."""
    stages = {}
    for progress in model.history_:
        if progress.stage % 2 == 0:
            stages.setdefault((progress.run, progress.stage), []).append(progress)
    return min(stages.values(), key=lambda stage: stage[-1].inertia)


def _converged(model):
    kept = _kept_iterations(model)
    return len(kept) < model.max_iter or kept[-1].changed == 0


def _summary(args, model, X, clusters, seconds, compiled, to):
    return {
        "file": str(args.file),
        "n_samples": X.shape[0],
        "n_features": X.shape[1],
        "n_clusters": args.n_clusters,
        "dtype": str(X.dtype),
        "scale": args.scale,
        "seed": args.seed,
        "inertia": model.inertia_,
        "n_iter": model.n_iter_,
        "converged": _converged(model),
        "backend": model.backend_,
        "seconds": seconds,
        "compiled_kernels": compiled,
        "clusters": clusters,
        "files": {name: str(path) for name, path in to._asdict().items() if path is not None},
    }


def _report(args, model, X, clusters, seconds, compiled, to, weighted):
    largest = sorted(clusters, key=lambda c: (-c["share"], c["cluster"]))[:_MOST_ROWS]
    header = ["cluster", "rows", *(["weight"] if weighted else []), "share", "mean distance"]
    rows = [
        [
            str(c["cluster"]),
            f"{c['size']:,}",
            *([f"{c['weight']:.6g}"] if weighted else []),
            f"{c['share']:.1%}",
            f"{c['mean_distance']:.4g}",
        ]
        for c in largest
    ]
    text = table(header, rows)
    if len(clusters) > _MOST_ROWS:
        text += f"\n... and {len(clusters) - _MOST_ROWS} more"
    note = "; kernels were compiled, which later runs need not do" if compiled else ""
    n_init = len({progress.run for progress in model.history_})
    facts = [
        ("data", f"{X.shape[0]:,} rows x {X.shape[1]:,} columns, {X.dtype}"),
        ("inertia", f"{model.inertia_:.10g}"),
        ("iterations", outcome(model.n_iter_, model.max_iter, _converged(model), n_init)),
        ("seconds", f"{seconds['fit']:.3f}, and {seconds['read']:.3f} to read and prepare the data{note}"),
        ("backend", model.backend_),
    ]
    if args.scale != "none":
        facts.insert(
            1, ("scale", f"{args.scale}: distances and inertia in scaled units, centroids in the data's units")
        )
    facts += [(name, str(path)) for name, path in to._asdict().items() if path is not None]
    return f"{text}\n\n{pairs(facts)}"
