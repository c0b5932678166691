"""``kmeans-fast demo``: three short parts, each with its pictures; no download."""

import importlib.util
import time

import numpy as np

from .tables import duration, pairs, table


def run(args):
    """Run the subcommand."""
    _check_packages()
    from .. import KMeans
    from . import blobs, photographs, pictures, race

    started = time.perf_counter()
    args.output.mkdir(parents=True, exist_ok=True)
    print("Preparing: kernels are compiled on the first run on a machine ...", flush=True)
    for dtype in (np.float32, np.float64):
        KMeans(2, random_state=0).fit(np.random.default_rng(0).random((50_000, 2)).astype(dtype))
    print(f"  {duration(time.perf_counter() - started)}\n")

    written = []
    print("1. Photographs in few colours: every pixel becomes the centroid of its cluster", flush=True)
    rows = []
    for name in photographs.NAMES:
        original = photographs.load(name, 4 if args.quick else 1)
        results = [photographs.quantise(original, n_colours) for n_colours in photographs.COLOURS]
        rows += [
            (name, f"{original.size // 3:,}", str(len(r.palette)), f"{r.error:.1f} of 255", duration(r.seconds))
            for r in results
        ]
        stem = name.removesuffix(".jpg")
        written.append(pictures.photograph(args.output / f"photograph-{stem}.png", name, original, results))
    print(_indented(table(("photograph", "pixels", "colours", "rms error", "time"), rows, "<>>>>")), end="\n\n")

    print("2. A tutorial's data set: make_blobs, StandardScaler, train_test_split, fit, predict", flush=True)
    result = blobs.tutorial(1500 if args.quick else 6000)
    written.append(pictures.tutorial(args.output / "blobs.png", result))
    facts = [
        ("rows", f"{len(result.train):,} to fit, {len(result.test):,} to predict"),
        ("adjusted Rand index", f"{result.rand:.4f} with the true labels of the predicted rows"),
        ("accuracy", f"{result.accuracy:.2%} after matching clusters with blobs"),
    ]
    print(_indented(pairs(facts)), end="\n\n")

    print(f"3. Beside scikit-learn: the same start, {race.ITERATIONS} iterations, tol=0, best of a few", flush=True)
    heats = [race.heat(*problem) for problem in race.problems(args.quick)]
    written.append(pictures.race(args.output / "race.png", heats))
    print(_indented(_race_table(heats)))
    checked = sum(heat.checked for heat in heats)
    wrong = sum(heat.wrong for heat in heats)
    print(
        "  Where two centroids are equally near (common among pixels) rounding may decide otherwise in scikit-learn,\n"
        f"  and the fits drift apart. {checked:,} of our labels, all that differ among them, were checked by\n"
        f"  exhaustive search in float64: {wrong or 'none'} wrong.\n"
    )
    print(f"Pictures ({duration(time.perf_counter() - started)} in all):")
    for path in written:
        print(f"  {path}")
    if wrong:
        raise RuntimeError(f"{wrong} labels are not nearest centroids: please report this with 'kmeans-fast info'")


def _check_packages():
    missing = [name for module, name in (("matplotlib", "matplotlib"), ("PIL", "Pillow")) if not _is_installed(module)]
    if missing:
        raise ImportError(f"the demo draws with {' and '.join(missing)}: install them (the extra 'plot')")


def _is_installed(module):
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # a module that was blocked has no spec
        return False


def _indented(text):
    return "\n".join(f"  {line}" for line in text.splitlines())


def _race_table(heats):
    header = ("data", "rows", "columns", "clusters", "scikit-learn", "kmeans_fast", "ratio", "labels that differ")
    rows = []
    for heat in heats:
        n, d, k = heat.shape
        same = heat.iterations[0] == heat.iterations[1]
        ratio = f"{heat.theirs / heat.ours:.1f}x" if same else f"iterations {heat.iterations}"
        times = (duration(heat.theirs), duration(heat.ours))
        rows.append((heat.name, f"{n:,}", str(d), str(k), *times, ratio, f"{heat.differing:,}"))
    return table(header, rows, "<>>>>>>>")
