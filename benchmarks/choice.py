"""Whether what a fit chooses to do is the best that it could have been told to do. See benchmarks/README.md.

Every data set of `convergence.py` is fitted from the same start as it comes (what runs is chosen, and may change from
pass to pass) and with each technique that the CPU backend has alone, in every pass, whether it pays or not (tiles of
rows that bytes tell too little of go over to float32 even so). All give the same answer.

Examples
--------
    python benchmarks/choice.py --markdown choice.md
    python benchmarks/choice.py --only pixels --rounds 15
"""

import contextlib
import functools
import sys

import numpy as np
from common import runs
from common.data import start_of
from common.report import milliseconds
from common.timing import affordable, interleaved, say, timed
from cpu_parts.contenders import Ours
from cpu_parts.techniques import FIXED, applies, fixed

AUTO, AGAIN = "as chosen", "again"  # the second tells the noise
PAUSE = 0.05  # seconds: only our own threads are to fall asleep
TOLERATED = 1.05  # time as chosen over that of the best fixed choice
# A fixed choice that takes more than so many times the time as chosen, and so many seconds, is not measured further.
SLOW, LITTLE = 2.0, 0.01


def measured(data, k, stand, context):
    """Seconds of the best run of each choice, or None for one that is hopeless or does not apply."""
    start, ours = start_of(data.X, k), Ours()
    ours.ready(stand, data.X, k)
    expected = ours.converge(start, None)

    def run(choice):
        with contextlib.nullcontext() if choice in (AUTO, AGAIN) else fixed(choice):
            found = ours.converge(start, None)
        if not np.array_equal(found.labels, expected.labels):
            raise AssertionError(f"another answer by {choice}")
        return found

    most = SLOW * min(timed(functools.partial(run, AUTO))[0] for _ in range(2)) + LITTLE
    tasks = {}
    for choice in (AUTO, *(choice for choice in FIXED if applies(choice, data.X.shape[1])), AGAIN):
        once = functools.partial(run, choice)
        context.tell(choice)
        once()  # the first may compile
        if choice in (AUTO, AGAIN) or timed(once)[0] <= most:
            tasks[choice] = functools.partial(affordable, once, once)
    options = context.options
    done = interleaved(tasks, options["rounds"], stand, context, budget=options["budget"], pause=PAUSE)
    for outcome in done.values():
        if not outcome.values:
            raise RuntimeError(outcome.skipped)
    row = {"seconds": {choice: done[choice].best if choice in done else None for choice in (AUTO, *FIXED, AGAIN)}}
    row["applies"] = [choice for choice in FIXED if applies(choice, data.X.shape[1])]
    say(f"  {AUTO} {milliseconds(row['seconds'][AUTO])} ms, {over_the_best(row):.2f} over the best")
    return row


def cells(row):
    """A row of the table."""
    found = row["seconds"]
    cells = [row["data"], row["shape"], milliseconds(found[AUTO]), f"{found[AGAIN] / found[AUTO]:.2f}"]
    for choice in FIXED:
        slow = "slow" if choice in row["applies"] else "-"
        cells.append(f"{found[choice] / found[AUTO]:.2f}" if found[choice] else slow)
    return [*cells, f"{over_the_best(row):.2f}"]


def over_the_best(row):
    """The time as chosen over that of the best fixed choice, 1 where none is faster."""
    found = row["seconds"]
    return max(1.0, *(found[AUTO] / found[choice] for choice in FIXED if found[choice]))


def summary(rows):
    """How many rows are as they should be."""
    over = [over_the_best(row) for row in rows]
    within = sum(ratio <= TOLERATED for ratio in over)
    return [f"Within {TOLERATED - 1:.0%} of the best on {within} of {len(over)} rows; the worst is {max(over):.2f}."]


CAPTION = (
    "Best of {} interleaved runs from the same start to convergence. Times over those as chosen: of what is chosen once"
    " more, as a measure of noise, and of each technique alone (those for which a dash stands do not apply;"
    f' "slow": more than {SLOW:.0f} times). Last column: the time as chosen over that of the best technique alone.'
)
HEAD = ["data", "n, d, k", "as chosen, ms", AGAIN, *FIXED, "over the best"]


def main():
    parser = runs.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--budget", type=float, default=10.0, help="seconds that one choice may take on one row")
    options = parser.parse_args()
    title = "What is chosen, beside each technique alone"
    report = runs.Table(title, CAPTION.format(options.rounds), HEAD, cells, summary)
    return runs.rows(options, __file__, measured, report)


if __name__ == "__main__":
    sys.exit(main())
