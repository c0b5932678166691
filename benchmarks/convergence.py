"""Time and memory to the converged answer, ours and the peers', from one start and end to end. See README.md.

Examples
--------
    python benchmarks/convergence.py --json convergence.json --markdown convergence.md --figure convergence.png
    python benchmarks/convergence.py --from-json convergence.json --figure convergence.png
    KMEANS_FAST_EMBEDDINGS=embeddings.npy python benchmarks/convergence.py --only embeddings
"""

import functools
import json
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
from common import runs
from common.contenders import race
from common.data import exact_inertia, start_of
from common.processes import child
from common.report import Output
from common.timing import PAUSE, affordable, interleaved, say
from cpu_parts import convergence_report, techniques
from cpu_parts.contenders import CONTENDERS, OURS, PEERS, Ours, absent

SEEDS = 5


def arguments():
    parser = runs.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=30.0, help="seconds beyond which a contender is left out")
    parser.add_argument("--budget", type=float, default=20.0, help="seconds that one contender may take on one row")
    parser.add_argument("--no-memory", dest="memory", action="store_false", help="measure times only")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw it there (PNG, SVG or PDF)")
    earlier = "measure nothing: report what an earlier run wrote"
    parser.add_argument("--from-json", type=Path, metavar="FILE", help=earlier)
    return parser.parse_args()


def measured(data, k, stand, context):
    """A row: everybody from the same start, then with their own seeds, then the memory of the first."""
    options, timed = context.options, same_start(data.X, k, stand, context)
    row = {"same_start": timed, "end_to_end": end_to_end(data.X, k, stand, context)}
    if options["memory"]:
        row["memory"] = memory(data, k, timed, context)
    return row


class Without(Ours):
    """Ours with one technique switched off."""

    def __init__(self, name):
        self.name = name

    def converge(self, start, n_iter):
        with techniques.without(self.name):
            return super().converge(start, n_iter)


def same_start(X, k, stand, context):
    """From the same rows to convergence; libraries without a stopping rule run as many iterations as we did."""
    start, options, ours = start_of(X, k), context.options, CONTENDERS[OURS]
    ours.ready(stand, X, k)
    n_iter = ours.converge(start, None).n_iter

    def prepare(contender):
        fit = functools.partial(contender.converge, start, n_iter)
        return affordable(fit, fit, limit=options["limit"])

    peers = [peer for peer in PEERS if peer.converges and peer.name not in options["absent"]]
    limits = {"limit": options["limit"], "budget": options["budget"], "pause": PAUSE}
    contenders = [ours, *map(Without, techniques.WITHOUT), *peers]
    done = race(contenders, prepare, X, k, options["rounds"], stand, context, **limits)
    found = {name: summary(run, X) for name, run in done.items()}
    say("  " + ", ".join(f"{name} {run['median']:.3f}" for name, run in found.items() if "median" in run))
    return found


def end_to_end(X, k, stand, context):
    """Seeding and all iterations, each library with its own seeds; medians over them."""
    results, limits = {}, {name: 4 * context.options[name] for name in ("limit", "budget")}
    for name in (OURS, "sklearn lloyd"):
        who = CONTENDERS[name]
        who.ready(stand, X, k)
        fits = {seed: functools.partial(who.seeded, k, seed) for seed in range(SEEDS)}
        tasks = {seed: functools.partial(affordable, fit, fit, limit=limits["limit"]) for seed, fit in fits.items()}
        done = interleaved(tasks, 1, stand, context, pause=PAUSE, **limits)
        found = [summary(run, X) for run in done.values()]
        failed = [run for run in found if "skipped" in run]
        results[name] = failed[0] if failed else {
            "median": statistics.median(run["median"] for run in found),
            "inertia": statistics.mean(run["inertia"] for run in found),
        }  # fmt: skip
    return results


def summary(run, X):
    """Seconds, iterations and exact inertia of one contender."""
    if not run.values:
        return {"skipped": run.skipped}
    return {
        "best": run.best,
        "median": run.median,
        "n_iter": run.result.n_iter,
        "inertia": exact_inertia(X, np.ascontiguousarray(run.result.centroids, X.dtype)),
    }


def memory(data, k, timed, context):
    """Peak memory of the same fits beyond X, each in a fresh process that makes the data itself.

    Whoever was too slow or failed is not asked again.
    """
    found, timeout = {}, 60 + 4 * context.options["limit"]
    if "n_iter" not in timed[OURS]:
        return found  # nothing to compare with
    for name, run in timed.items():
        if name in techniques.WITHOUT:
            continue
        found[name] = {"skipped": run.get("skipped")}
        if "median" in run:
            context.tell(f"{name}, memory", timeout + 30)
            try:
                found[name] = child("converged", name, data.name, k, timed[OURS]["n_iter"], timeout=timeout)[1]
            except subprocess.TimeoutExpired:
                found[name] = {"skipped": f"not done after {timeout:.0f} s"}
            except (RuntimeError, ValueError, OSError) as error:  # of the child, or of what it printed
                last = (str(error).strip().splitlines() or [type(error).__name__])[-1]
                found[name] = {"skipped": f"failed: {last}"}
    say("  MiB: " + ", ".join(f"{name} {convergence_report.mebibytes(run)}" for name, run in found.items()))
    return found


def main():
    options = arguments()
    if options.figure:
        from cpu_parts import convergence_figure  # needs matplotlib: better missed now than after the measuring

    def report(contents):
        if options.figure:
            convergence_figure.draw(options.figure, contents)
        return convergence_report.markdown(contents["rows"])

    if options.from_json:
        contents = json.loads(options.from_json.read_text())
        Output(contents, markdown_path=options.markdown).add(report(contents))
        return 0
    options.absent = {} if options.worker else absent()
    # What is done without a word is a whole fit, which may take many times the limit.
    further = {"patience": 300 + 10 * options.limit, "head": lambda: {"absent": options.absent}}
    return runs.rows(options, __file__, measured, report, **further)


if __name__ == "__main__":
    sys.exit(main())
