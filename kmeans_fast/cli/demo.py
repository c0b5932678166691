"""``kmeans-fast demo``: three short parts, each with its pictures; or the tutorial. No download."""

import importlib.util
import os
import time

from ..backends import renting
from .parser import PROGRAM
from .tables import duration, pairs, table
from .watch import Watch


def run(args):
    """Run the subcommand."""
    os.environ.setdefault(renting.ENVIRONMENT, "1")  # kernels are what is timed, from the first fit on
    if args.part == "tutorial":
        _check_packages({"matplotlib": "matplotlib", "jinja2": "Jinja2"}, "report")
        from . import tutorial

        tutorial.run(args.output, args.quick)
        return
    _check_packages({"matplotlib": "matplotlib", "PIL": "Pillow"}, "plot")
    from . import blobs, photographs, pictures, race

    started = time.perf_counter()
    args.output.mkdir(parents=True, exist_ok=True)
    written = []
    print("Kernels are compiled on the first run on a machine; no time below contains that.\n", flush=True)

    print("1. Photographs in few colours: every pixel becomes the centroid of its cluster", flush=True)
    rows = []
    with Watch() as watch:
        for name in photographs.NAMES:
            watch.display.phase(f"clustering the pixels of {name}")
            original = photographs.load(name, 4 if args.quick else 1)
            results = [photographs.quantise(original, n_colours) for n_colours in photographs.COLOURS]
            rows += [
                (name, f"{original.size // 3:,}", str(len(r.palette)), f"{r.error:.1f} of 255", duration(r.seconds))
                for r in results
            ]
            stem = name.removesuffix(".jpg")
            written.append(pictures.photograph(args.output / f"photograph-{stem}.png", name, original, results))
    print(_indented(table(("photograph", "pixels", "colours", "rms error", "time of a fit"), rows, "<>>>>")))

    print("\n2. A tutorial's data set: make_blobs, StandardScaler, train_test_split, fit, predict", flush=True)
    with Watch() as watch:
        watch.display.phase("clustering blobs")
        result = blobs.tutorial(1500 if args.quick else 6000)
        written.append(pictures.tutorial(args.output / "blobs.png", result))
    facts = [
        ("rows", f"{len(result.train):,} to fit, {len(result.test):,} to predict"),
        ("adjusted Rand index", f"{result.rand:.4f} with the true labels of the predicted rows"),
        ("accuracy", f"{result.accuracy:.2%} after matching clusters with blobs"),
    ]
    print(_indented(pairs(facts)), end="\n\n")

    print("3. Beside scikit-learn, on this machine", flush=True)
    heats = []
    with Watch() as watch:
        for name, X, n_clusters in race.problems(args.quick):
            watch.display.phase(f"racing scikit-learn on {name}, {len(X):,} x {X.shape[1]}, k = {n_clusters}")
            heats.append(race.heat(name, X, n_clusters))
        written.append(pictures.race(args.output / "race.png", heats))
    wrong = sum(heat.wrong for heat in heats)
    print(_indented(_race_text(heats)), end="\n\n")
    print(f"Pictures ({duration(time.perf_counter() - started)} in all):")
    for path in written:
        print(f"  {path}")
    print(f"A whole analysis, step by step: {PROGRAM} demo tutorial")
    if wrong:
        raise RuntimeError(f"{wrong} labels are not nearest centroids: please report this with 'kmeans-fast info'")


def _check_packages(modules, extra):
    """Raise ImportError if some of `modules`, a dict of their names and those of their packages, are not there."""
    missing = [name for module, name in modules.items() if not _is_installed(module)]
    if missing:
        raise ImportError(f"the demo draws with {' and '.join(missing)}: install them (the extra '{extra}')")


def _is_installed(module):
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # a module that was blocked has no spec
        return False


def _indented(text):
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())


def _race_text(heats):
    """Two tables, and what their numbers are."""
    from . import race

    checked, wrong = sum(heat.checked for heat in heats), sum(heat.wrong for heat in heats)
    data = ("data", "rows, columns, k", "theirs", "ours", "ratio")  # lines of 80 columns at most
    same = [(*_entry(heat, heat.same), f"{heat.differing:,}") for heat in heats]
    whole = [
        (
            *_entry(heat, heat.whole),
            f"{heat.whole.their_iterations} and {heat.whole.our_iterations}",
            f"{heat.inertia - 1:+.2%}",
        )
        for heat in heats
    ]
    return f"""\
{race.ITERATIONS} iterations of Lloyd's algorithm from the same rows (tol=0, best of {race.REPEATS}): equal work.
{table((*data, "labels that differ"), same, "<>>>>>")}
Where two centroids are equally near (common among pixels) rounding may decide otherwise in scikit-learn,
and the fits drift apart. {checked:,} of our labels, all that differ among them, were checked by
exhaustive search in float64: {wrong or "none"} wrong.

A whole fit, as users call it (timed once): own k-means++ seeds, then iterations until convergence.
{table((*data, "iterations", "our inertia"), whole, "<>>>>>>")}
The README's mean over scikit-learn is of 24 data sets, from the same start until convergence: iterations get cheaper
the more rows are known to stay where they are, which the first {race.ITERATIONS} show least."""


def _entry(heat, times):
    shape = ", ".join(f"{number:,}" for number in heat.shape)
    return (heat.name, shape, duration(times.theirs), duration(times.ours), f"{times.ratio:.1f}x")
