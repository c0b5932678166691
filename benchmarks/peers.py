"""Time kmeans_fast against its CPU peers in one process run, check the answers, print ratios. See benchmarks/README.md.

Examples
--------
    python benchmarks/peers.py --quick
    python benchmarks/peers.py --json peers.json --markdown peers.md
    python benchmarks/peers.py --sections iterations --cells 1M,16,256 200k,32,1024 --rounds 9
"""

import sys

from common import runs
from common.cells import parse
from common.machine import machine, versions
from common.report import Output
from common.stands import Host
from common.timing import say
from common.worker import work
from cpu_parts import report
from cpu_parts.contenders import absent
from cpu_parts.sections import SECTIONS

MANY = ("iterations", "seeding")  # sections of several cells


def arguments():
    parser = runs.parser(__doc__, only=False)
    names = ", ".join(SECTIONS)
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="NAME", help=names)
    cells = "of the sections iterations and seeding, as 1M,16,256; default: the grid"
    parser.add_argument("--cells", nargs="+", type=parse, metavar="n,d,k", help=cells)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds a cell (default %(default)s)")
    limit = "skip a contender whose one run takes longer, in seconds (default %(default)s)"
    parser.add_argument("--limit", type=float, default=60, help=limit)
    budget = "seconds a contender may use for its rounds in a cell (default %(default)s)"
    parser.add_argument("--budget", type=float, default=60, help=budget)
    potential = "compare the quality of seeds, on a tenth of the rows or on all"
    parser.add_argument("--potential", nargs="?", const="small", choices=("small", "full"), help=potential)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: try the benchmark itself")
    return parser.parse_args()


def main():
    options = arguments()
    if options.worker:
        return work(options.worker, SECTIONS, lambda dry_run: Host())
    missing = absent()
    for name, reason in missing.items():
        say(f"absent: {name}: {reason}")
    told = {name: getattr(options, name) for name in ("quick", "rounds", "limit", "budget")}
    contents = {"machine": machine(), "versions": versions(), "options": told, "absent": missing}
    output = Output(contents, options.json, options.markdown)
    output.add(report.head(contents))
    wrong = []

    def store(name, found, done):
        well = [result for result in found["results"].values() if "failed" not in result]
        contents[name.replace("-", "_")] = well if name in MANY else (well or [None])[0]
        if done:
            wrong.extend(runs.failures(found["results"]))
            wrong.extend(f"* {cell['cell']}: wrong labels." for cell in well if cell.get("labels_wrong"))
            output.add(report.section(name, well, found["results"]))
        output.write()

    # A warm-up, which a peer may need ten times the limit for, is one step of a worker's.
    asked = {**told, "cells": options.cells, "potential": options.potential, "patience": 300 + 10 * options.limit}
    sections = {name: section for name, section in SECTIONS.items() if name in options.sections}
    runs.run(runs.Plan(sections, runs.command(__file__), asked, dry_run=options.quick), store)
    if wrong:
        say("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
