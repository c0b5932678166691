"""What ``kmeans-fast fit`` says of a fit: a table and a few facts for people, the same as JSON for programs."""

import numpy as np

from ..messages import counted
from . import kernel_cache
from .centroids import shown
from .progress import outcome
from .tables import pairs, table

_MOST_ROWS = 20
_OF_THE_FIT = ("preparing", "seeding", "iterating", "last_pass")


def clusters(model, distances, weights):
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


def _converged(model):
    """Whether the run, or the breath of a run, whose result was kept has converged: of those with as many clusters, the
    one that ended lowest.
    """
    last = {(progress.run, progress.stage): progress for progress in model.history_ if progress.stage % 2 == 0}
    return min(last.values(), key=lambda progress: progress.inertia).converged


def summary(args, model, ready, found, watch, to):
    """The facts as a dict that JSON can hold; `ready` are the `Prepared` rows, `found` the `clusters`, `watch` is the
    `Watch` of the fit, `to` its destinations.
    """
    X, complete, outliers = ready.X, ready.complete, ready.outliers
    return {
        "file": str(args.file),
        "n_samples": X.shape[0],
        "n_features": X.shape[1],
        "n_clusters": args.n_clusters,
        "dtype": str(X.dtype),
        "scale": args.scale,
        "missing": args.missing,
        "categories": args.categories,
        "pca": args.pca,
        "rows_without_label": 0 if complete is None else int((~complete).sum()),
        "outliers": 0 if outliers is None else int(outliers.sum()),
        "seed": args.random_state,
        "inertia": model.inertia_,
        "n_iter": model.n_iter_,
        "converged": _converged(model),
        "interrupted": watch.interrupted,
        "backend": model.backend_,
        "seconds": watch.stopwatch.seconds | {"compiling": watch.stopwatch.compiling},
        "compiled_kernels": watch.stopwatch.kernels,
        "clusters": found,
        "files": {name: str(path) for name, path in to._asdict().items() if path is not None},
    }


def report(args, model, ready, found, centroids, watch, to, weighted):
    """The facts as text; arguments as for `summary`, centroids in the data's units, and whether rows have weights."""
    X = ready.X
    largest = sorted(found, key=lambda c: (-c["share"], c["cluster"]))[:_MOST_ROWS]
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
    if len(found) > _MOST_ROWS:
        text += f"\n... and {len(found) - _MOST_ROWS} more"
    text += f"\n\n{shown(ready.pipeline, centroids, [c['cluster'] for c in largest])}"
    end = "interrupted" if watch.interrupted else "converged" if _converged(model) else ""
    n_init = len({progress.run for progress in model.history_})
    facts = [
        ("data", f"{counted(X.shape[0], 'row')} x {counted(X.shape[1], 'column')}, {X.dtype}"),
        *_preparation(args, ready),
        ("inertia", f"{model.inertia_:.10g}"),
        ("iterations", outcome(model.n_iter_, end, model.max_iter, n_init)),
        *_times(watch.stopwatch),
        ("backend", model.backend_),
        *((name, str(path)) for name, path in to._asdict().items() if path is not None),
    ]
    return f"{text}\n\n{pairs(facts)}"


def _preparation(args, ready):
    """What was done with the rows before the fit."""
    if args.scale != "none":
        yield "scale", f"{args.scale}: distances and inertia in scaled units, centroids in the data's units"
    if ready.rows.texts:
        names = ", ".join(ready.rows.names[at] for at in sorted(ready.rows.texts))
        yield "categories", f"{names}: a column of 0 and 1 for each level"
    if args.pca is not None:
        yield "pca", f"{counted(ready.X.shape[1], 'component')}: distances and inertia are theirs"
    if ready.complete is not None:
        yield "left out", f"{counted(int((~ready.complete).sum()), 'row')} with missing cells, which have no label"
    if ready.outliers is not None:
        yield "outliers", f"{counted(int(ready.outliers.sum()), 'row')}, left out of the fit and labelled after it"


def _times(stopwatch):
    """What took how long, in words: of the fit, around it, and compiling."""

    def told(phases):
        return ", ".join(f"{phase.replace('_', ' ')} {seconds:.3f}" for phase, seconds in phases.items())

    fit = {phase: seconds for phase, seconds in stopwatch.seconds.items() if phase in _OF_THE_FIT}
    around = {phase: seconds for phase, seconds in stopwatch.seconds.items() if phase not in _OF_THE_FIT}
    yield "seconds", f"{sum(fit.values()):.3f} for the fit: {told(fit)}"
    yield "", f"besides: {told(around)}"
    if stopwatch.kernels:
        cached = kernel_cache.contents()["writable"]
        later = "later runs find them in the cache" if cached else "at every run, for there is no cache directory"
        yield "compiling", f"{stopwatch.compiling:.1f} s for {counted(len(stopwatch.kernels), 'kernel')}; {later}"
