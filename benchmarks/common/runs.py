"""A run of a benchmark: its sections, each in worker processes, and what they find, on disk as soon as it is known."""

import argparse
import math
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from . import datasets, machine
from .jobs import Job, Section
from .report import Output, page, table
from .stands import Host
from .supervisor import supervised
from .timing import say
from .worker import work

ROWS = "rows"  # the one section of a benchmark that makes one table


class Plan(NamedTuple):
    """What is run, and how."""

    sections: dict  # name -> Section, in the order they run
    command: list  # starts a worker; the job is its last argument
    options: dict  # for the sections' units and for what measures them
    deadline: float = math.inf  # of `time.monotonic`
    dry_run: bool = False


def command(script):
    """Starts a worker of a script, which has a hidden option for it."""
    return [sys.executable, str(Path(script).resolve()), "--worker"]


def end_workers_too():
    """Whoever ends this process by SIGTERM ends its workers as well."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))


def run(plan, store):
    """Measure one section after the other.

    Parameters
    ----------
    store : callable
        ``store(name, found, done)`` whenever there is another result: "results" has them by unit, "seconds" and
        "allowance" of time; or "skipped" and why.
    """
    end_workers_too()
    for at, name in enumerate(plan.sections):
        later = sum(section.share for section in list(plan.sections.values())[at:])
        store(name, _measured(name, plan, later, store), True)


def _measured(name, plan, later, store):
    section, started = plan.sections[name], time.monotonic()
    left = plan.deadline - started
    least = section.least / 10 if plan.dry_run else section.least
    if left < least:
        return {"skipped": f"it needs at least {least:.0f} s and {max(0.0, left):.0f} s were left"}
    allowance = left * section.share / later
    found = {"allowance": allowance, "seconds": 0.0, "results": {}}

    def keep(results):
        found.update(results=dict(results), seconds=time.monotonic() - started)
        store(name, found, False)

    say(name if math.isinf(allowance) else f"{name}: {allowance:.0f} s")
    units = section.units(plan.options)
    job = Job(name, units, allowance, dry_run=plan.dry_run, options=plan.options)
    keep(supervised(plan.command, job, deadline=started + allowance, keep=keep))
    return found


def failures(results):
    """The units that failed, a line each."""
    return [f"* {unit}: {result['failed']}." for unit, result in results.items() if "failed" in result]


def parser(doc, only="data sets"):
    """The arguments that benchmarks share; `only` is what some can be chosen of."""
    found = argparse.ArgumentParser(description=doc.splitlines()[0])
    if only:
        found.add_argument("--only", nargs="+", metavar="WORD", help=f"{only} whose name holds one of these words")
    found.add_argument("--json", type=Path, metavar="FILE", help="write what was measured there")
    found.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    found.add_argument("--worker", help=argparse.SUPPRESS)
    return found


# ---- one table, a row for each data set and number of clusters -------------------------------------------------------


class Table(NamedTuple):
    """What is reported of rows."""

    title: str
    caption: str
    header: list
    cells: Callable  # cells(row) gives a row of the table
    summary: Callable = lambda rows: ()  # summary(rows) gives further parts of the page

    def __call__(self, contents):
        """The whole page."""
        rows = contents["rows"]
        body = table(self.header, map(self.cells, rows), left=2)
        return page(f"# {self.title}", self.caption, body, *self.summary(rows))


def rows(options, script, measured, report, sets=datasets.DATASETS, patience=600, head=dict):
    """Measure a row for each data set and number of clusters, and report them. Returns an exit status.

    Parameters
    ----------
    options : argparse.Namespace
        Of a `parser`.
    script : str
        Its path.
    measured : callable
        ``measured(data, k, stand, context)`` gives a row.
    report : Table or callable
        ``report(contents)`` gives the Markdown.
    patience : float
        Seconds without a word after which a worker is ended.
    head : callable
        Gives what the JSON has further, before its rows.
    """
    chosen = {f"{data.name}, {k}": (data, k) for data in datasets.named(sets, options.only) for k in data.n_clusters}

    def units(asked):
        return [unit for unit, (_, k) in chosen.items() if k >= asked.get("least", 0)]

    def measure(unit, stand, context):
        data, k = chosen[unit]
        return {"data": data.name, "shape": data.shape(k), **measured(data, k, stand, context)}

    section = Section(units, measure)
    if options.worker:
        return work(options.worker, {ROWS: section}, lambda dry_run: Host())
    asked = {name: value for name, value in vars(options).items() if not isinstance(value, Path)}
    if not units(asked):
        sys.exit("No data set has a name like that.")
    contents = {"machine": machine.machine(), "versions": machine.versions(), **head(), "rows": []}
    output, failed = Output(contents, options.json, options.markdown), []

    def store(name, found, done):
        failed[:] = failures(found["results"])
        contents["rows"] = [result for result in found["results"].values() if "failed" not in result]
        output.write()

    run(Plan({ROWS: section}, command(script), {**asked, "patience": patience}), store)
    if contents["rows"]:
        output.add(report(contents))
    if failed:
        output.add(page("Failed:", "\n".join(failed)))
    return 1 if failed else 0
