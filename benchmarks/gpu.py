"""kmeans_fast on a GPU: is it right there, how fast is it, how far from what the device can do, and beside its peers.

Needs the checkout, CuPy, cuda-bindings, Numba and scikit-learn; pytest and compute-sanitizer for the section "check". Peers that can be imported take part:
on a machine without a network put unpacked wheels on PYTHONPATH (``pip install --target``; Triton cannot read sources inside a .whl). Nothing of the GPU's
settings is changed.

Examples
--------
    python benchmarks/gpu.py --dry-run
    python benchmarks/gpu.py --output results/gpu-h100
    python benchmarks/gpu.py --only iterations --cells 1M,128,1024 100M,2,10 --budget 120
"""

import argparse
import json
import signal
import sys
import time
from pathlib import Path

from common.cells import parse
from common.timing import say
from gpu_parts import BENCHMARKS, facts, report, worker
from gpu_parts.jobs import Job
from gpu_parts.sections import SECTIONS
from gpu_parts.supervisor import START, supervised

COMMAND = [sys.executable, str(Path(__file__).resolve()), "--worker"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="SECTION", help=", ".join(SECTIONS)
    )
    parser.add_argument(
        "--cells", nargs="+", type=parse, metavar="n,d,k", help="of the sections iterations and fits, as 1M,16,256"
    )
    parser.add_argument(
        "--budget",
        type=float,
        default=460,
        help="seconds for everything; a section for which there is not enough left is skipped (default %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="PATH",
        help="write PATH.json and PATH.md (default: benchmarks/results/gpu-DEVICE; of a dry run, nothing)",
    )
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes on the simulator: try the benchmark itself")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


class Output:
    """Prints a section when it is done and rewrites the files, so that a run cut short keeps what it has measured."""

    def __init__(self, path, contents):
        self.path, self.contents, self.text = path, contents, []

    def add(self, text):
        self.text.append(text)
        print(text, end="\n\n", flush=True)
        self.write()

    def write(self):
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file(".md").write_text("\n\n".join(self.text) + "\n")
            self._file(".json").write_text(json.dumps(self.contents, indent=1) + "\n")

    def _file(self, suffix):
        return self.path.with_name(self.path.name + suffix)


def output_path(options, device):
    """Where to write, without a suffix; None: nowhere."""
    path = options.output
    if path is None:
        return None if options.dry_run else BENCHMARKS / "results" / f"gpu-{facts.slug(device['name'])}"
    return path.with_suffix("") if path.suffix in (".json", ".md") else path


def found_device(options):
    """What the device is; ends the program where there is none."""
    if not options.dry_run:
        from kmeans_fast.backends.cuda.availability import missing

        reason = missing()
        if reason:
            sys.exit(f"There is no GPU to measure: {reason}. --dry-run tries the benchmark without one.")
    job = Job(worker.DEVICE, [worker.DEVICE], START, dry_run=options.dry_run)
    device = supervised(COMMAND, job, deadline=time.monotonic() + START)[worker.DEVICE]
    if "failed" in device:
        sys.exit(f"The device does not work: {device['failed']}")
    return device


def measured(name, chosen, options, deadline, keep):
    """A section's results, or why it was skipped."""
    section, left = SECTIONS[name], deadline - time.monotonic()
    least = section.least / 10 if options.dry_run else section.least
    if left < least:
        return {
            "skipped": f"it needs at least {least:.0f} s and {max(0.0, left):.0f} s of {options.budget:.0f} s were left"
        }
    later = [SECTIONS[other].share for other in chosen[chosen.index(name) :]]
    allowance = left * section.share / sum(later)
    started = time.monotonic()
    units = section.module.units({"cells": options.cells})
    found = {"allowance": allowance, "seconds": 0.0, "results": {}}

    def kept(results):
        found["results"], found["seconds"] = dict(results), time.monotonic() - started
        keep(found)

    say(f"{name}: {allowance:.0f} s")
    job = Job(name, units, allowance, dry_run=options.dry_run)
    kept(supervised(COMMAND, job, deadline=started + allowance, keep=kept))
    return found


def main():
    options = arguments()
    if options.worker:
        return worker.work(options.worker)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that workers are ended too
    deadline = time.monotonic() + options.budget
    device = found_device(options)
    contents = {
        "device": device,
        "gpu": {} if options.dry_run else facts.gpu(),
        "host": facts.host(),
        "versions": facts.versions(),
        "options": {"only": options.only, "budget": options.budget, "dry_run": options.dry_run},
        "sections": {},
    }
    output = Output(output_path(options, device), contents)
    output.add(report.head(contents))
    chosen = [name for name in SECTIONS if name in options.only]
    for name in chosen:

        def keep(found, name=name):
            contents["sections"][name] = found
            output.write()

        keep(measured(name, chosen, options, deadline, keep))
        output.add(report.section(name, contents["sections"][name], contents))
    text, wrong = report.verdict(contents)
    output.add(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
