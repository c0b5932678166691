"""kmeans_fast on a GPU: is it right there, how fast is it, how far from what the device can do, and beside its peers.

Needs the checkout, CuPy, cuda-bindings, Numba and scikit-learn; pytest and compute-sanitizer for the section "check".
Peers that can be imported take part: on a machine without a network put unpacked wheels on PYTHONPATH
(``pip install --target``; Triton cannot read sources inside a .whl). Nothing of the GPU's settings is changed.

Examples
--------
    python benchmarks/gpu.py --dry-run
    python benchmarks/gpu.py --output results/gpu-h100
    python benchmarks/gpu.py --only iterations ways fits --alone --budget 120
    python benchmarks/gpu.py --only iterations --cells 1M,128,1024 100M,2,10 --budget 120
"""

import argparse
import sys
import time
from pathlib import Path

from common import BENCHMARKS, machine, runs, stands
from common.cells import keys, keys_among, parse
from common.jobs import Job, Section
from common.report import Output
from common.supervisor import START, supervised
from common.worker import work
from gpu_parts import batch, ceilings, cells, check, fits, iterations, narrow, report, streamed, ways, wrong

SECTIONS = {
    "check": Section(check.units, check.run, 220, 60),
    "ceilings": Section(ceilings.units, ceilings.run, 30, 15),
    "iterations": Section(keys(cells.GRID + cells.SMALL), iterations.run, 140, 40),
    "batch": Section(batch.units, batch.run, 40, 15),
    "narrow": Section(keys_among(narrow.GRID), narrow.run, 25, 10),
    "streamed": Section(keys_among(streamed.GRID), streamed.run, 50, 20),
    "ways": Section(keys(cells.GRID), ways.run, 60, 20),
    "fits": Section(keys(cells.GRID), fits.run, 65, 20),
    "wrong": Section(wrong.units, wrong.run, 45, 15),
}
DEVICE = "device"  # what tells what the device is
COMMAND = runs.command(__file__)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ", ".join(SECTIONS)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="SECTION", help=names)
    cells = "of the sections iterations, ways and fits, as 1M,16,256"
    parser.add_argument("--cells", nargs="+", type=parse, metavar="n,d,k", help=cells)
    parser.add_argument("--alone", action="store_true", help="without the peers")
    budget = "seconds for everything; a section for which there is not enough left is skipped (default %(default)s)"
    parser.add_argument("--budget", type=float, default=460, help=budget)
    output = "write PATH.json and PATH.md (default: benchmarks/results/gpu-DEVICE; of a dry run, nothing)"
    parser.add_argument("--output", type=Path, metavar="PATH", help=output)
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes on the simulator: try the benchmark itself")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def output_paths(options, device):
    """Where to write: JSON and Markdown; None: nowhere."""
    path = options.output
    if path is None:
        if options.dry_run:
            return None, None
        path = BENCHMARKS / "results" / f"gpu-{machine.slug(device['name'])}"
    path = path.with_suffix("") if path.suffix in (".json", ".md") else path
    return tuple(path.with_name(path.name + suffix) for suffix in (".json", ".md"))


def found_device(options):
    """What the device is; ends the program where there is none."""
    if not options.dry_run:
        from kmeans_fast.backends.cuda.availability import missing

        reason = missing()
        if reason:
            sys.exit(f"There is no GPU to measure: {reason}. --dry-run tries the benchmark without one.")
    job = Job(DEVICE, [DEVICE], START, dry_run=options.dry_run)
    device = supervised(COMMAND, job, deadline=time.monotonic() + START)[DEVICE]
    if "failed" in device:
        sys.exit(f"The device does not work: {device['failed']}")
    return device


def main():
    options = arguments()
    if options.worker:
        device = Section(None, lambda unit, stand, context: stand.facts())
        return work(options.worker, {DEVICE: device, **SECTIONS}, stands.device)
    runs.end_workers_too()
    deadline = time.monotonic() + options.budget
    device = found_device(options)
    contents = {
        "device": device,
        "gpu": {} if options.dry_run else machine.gpu(),
        "host": machine.host(),
        "versions": machine.versions(machine.ON_GPU),
        "options": {"only": options.only, "budget": options.budget, "alone": options.alone, "dry_run": options.dry_run},
        "sections": {},
    }
    output = Output(contents, *output_paths(options, device))
    output.add(report.head(contents))

    def store(name, found, done):
        contents["sections"][name] = found
        if done:
            output.add(report.section(name, found, contents))
        output.write()

    sections = {name: section for name, section in SECTIONS.items() if name in options.only}
    runs.run(
        runs.Plan(sections, COMMAND, {"cells": options.cells, "alone": options.alone}, deadline, options.dry_run), store
    )
    text, wrong = report.verdict(contents)
    output.add(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
