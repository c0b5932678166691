"""The first minutes on a GPU: does it work at all, is it right, what can the device do, where does the time go.

A stage is a process of its own with a time limit, so that none can take the others with it; what it finds is a line of
JSON on disk at once. Needs what `gpu.py` needs. `benchmarks/README.md` has the commands for a device that is lent by
the minute.

Examples
--------
    python benchmarks/first_light.py --output results/first-light
    python benchmarks/first_light.py smoke contract
    python benchmarks/first_light.py --simulate --output /tmp/found
"""

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path

from common import BENCHMARKS, processes
from common.journal import Journal, read
from gpu_parts.stages import STAGES

RESULTS = BENCHMARKS / "results"
_SCRIPT = Path(__file__).resolve()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    limits = ", ".join(f"{name} ({stage.seconds} s)" for name, stage in STAGES.items())
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"{limits}; default: all of them")
    output = "PATH.jsonl has what was found, PATH.log what programs said besides (default: %(default)s)"
    parser.add_argument("--output", type=Path, metavar="PATH", default=RESULTS / "first-light", help=output)
    parser.add_argument("--simulate", action="store_true", help="on the simulator, with tiny sizes")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = [name for name in options.stages if name not in STAGES]
    if unknown:
        parser.error(f"there is no stage {unknown[0]!r}; the stages are {', '.join(STAGES)}")
    return options


def with_suffix(path, suffix):
    return path.with_name(path.name + suffix)


def run_stage(name, options, journal):
    """Run a stage as another process. Returns its exit status, None if its time was up."""
    command = [sys.executable, _SCRIPT, "--stage", name, "--output", options.output.resolve()]
    command += ["--simulate"] * options.simulate
    started, seconds = time.perf_counter(), STAGES[name].seconds
    with with_suffix(options.output, ".log").open("a") as log:
        log.write(f"==== {name}\n")
        log.flush()
        process = processes.begun(command, log, stderr=subprocess.STDOUT)
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            processes.ended(process)
    journal.note(name, "end", exit_status=status, seconds=round(time.perf_counter() - started, 1))
    return status


def failures(lines):
    """What went wrong, a line each."""
    for line in lines:
        if "failed" in line:
            yield f"{line['stage']}: {line['step']}: {line['failed']}"
        elif line["step"] == "end" and line["exit_status"] != 0:
            how = "its time was up" if line["exit_status"] is None else f"it ended with status {line['exit_status']}"
            yield f"{line['stage']}: {how}"


def main():
    options = arguments()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    results = with_suffix(options.output, ".jsonl")
    if options.stage:
        return STAGES[options.stage].run(Journal(results, options.stage), options.simulate)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that stages are ended too
    for suffix in (".jsonl", ".log"):
        with_suffix(options.output, suffix).unlink(missing_ok=True)
    journal = Journal(results)
    for name in options.stages or STAGES:
        status = run_stage(name, options, journal)
        if status != 0 and STAGES[name].needed:
            journal.note(name, "stopped", reason="nothing after it would mean anything")
            break
    wrong = list(failures(read(results)))
    print("\n".join(wrong) if wrong else "every stage did what it should")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
