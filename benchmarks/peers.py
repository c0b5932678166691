"""Time kmeans_fast against its CPU peers in one process run, check the answers, print ratios. See benchmarks/README.md.

Examples
--------
    python benchmarks/peers.py --quick
    python benchmarks/peers.py --json peers.json --markdown peers.md
    python benchmarks/peers.py --sections iterations --cells 1M,16,256 200k,32,1024 --rounds 9
"""

import argparse
import json
import sys
from pathlib import Path

from common import cells, report, sections
from common.contenders import installed
from common.machine import machine, versions
from common.timing import say

SECTIONS = ("iterations", "seeding", "memory", "first-fit", "small")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sections", nargs="+", choices=SECTIONS, default=SECTIONS, metavar="NAME", help=", ".join(SECTIONS)
    )
    parser.add_argument(
        "--cells",
        nargs="+",
        type=cells.parse,
        metavar="n,d,k",
        help="of the sections iterations and seeding, as 1M,16,256; default: the grid",
    )
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds a cell (default %(default)s)")
    parser.add_argument(
        "--limit",
        type=float,
        default=60,
        help="skip a contender whose one run takes longer, in seconds (default %(default)s)",
    )
    parser.add_argument(
        "--budget",
        type=float,
        default=60,
        help="seconds a contender may use for its rounds in a cell (default %(default)s)",
    )
    parser.add_argument(
        "--potential",
        nargs="?",
        const="small",
        choices=("small", "full"),
        help="compare the quality of seeds, on a tenth of the rows or on all",
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes: try the benchmark itself")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write raw times, versions and machine there")
    parser.add_argument("--markdown", type=Path, metavar="PATH", help="write the tables there too")
    return parser.parse_args()


class Output:
    """Prints a section when it is done and rewrites the files, so that a run cut short loses one section at most."""

    def __init__(self, options, contents):
        self.options, self.contents, self.text = options, contents, []

    def add(self, text):
        self.text.append(text)
        print(text, end="\n\n", flush=True)
        if self.options.markdown:
            self.options.markdown.write_text("\n\n".join(self.text) + "\n")
        if self.options.json:
            self.options.json.write_text(json.dumps(self.contents, indent=1) + "\n")


def main():
    options = arguments()
    sized = cells.tiny if options.quick else lambda cell: cell
    limits = {"limit": options.limit, "budget": options.budget}
    peers, absent = installed()
    for name, reason in absent.items():
        say(f"absent: {name}: {reason}")
    contents = {
        "machine": machine(),
        "versions": versions(),
        "options": {"quick": options.quick, "rounds": options.rounds, **limits},
        "absent": absent,
    }
    output = Output(options, contents)
    output.add(report.head(contents))
    wrong = 0
    if "iterations" in options.sections:
        grid = [sized(cell) for cell in options.cells or cells.GRID]
        found = contents["iterations"] = [cells.measure(cell, peers, options.rounds, **limits) for cell in grid]
        wrong = sum(cell["labels_wrong"] for cell in found)
        output.add(report.iterations(found, absent))
    shapes = {cell[:3] for cell in options.cells or sections.SEEDING}
    chosen = [cell for cell in sections.SEEDING if cell[:3] in shapes]
    if "seeding" in options.sections and chosen:
        found = contents["seeding"] = [
            sections.seeding(sized(cell), options.rounds, **limits, potential=options.potential) for cell in chosen
        ]
        output.add(report.seeding(found))
    if "memory" in options.sections:
        found = contents["memory"] = sections.memory(sized(sections.MEMORY))
        output.add(report.memory(found))
    if "first-fit" in options.sections:
        found = contents["first_fit"] = sections.first_fit((2000, 16) if options.quick else (100_000, 16))
        output.add(report.first_fit(found))
    if "small" in options.sections:
        found = contents["small"] = sections.small(sections.SMALL, 20 if options.quick else 200)
        output.add(report.small(found))
    if wrong:
        sys.exit(f"{wrong} labels of kmeans_fast are not those of the nearest centroid.")


if __name__ == "__main__":
    main()
