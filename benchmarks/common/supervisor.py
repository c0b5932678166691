"""Starts workers, hears what they find, ends those that hang, and begins again without what has felled one."""

import queue
import time

from .processes import Worker
from .timing import say

START = 90  # seconds until a worker's first word: it imports CuPy, and PyTorch where peers are
GRACE = 15  # seconds beyond the deadline
MOST_RETRIES = 2  # of a unit, each without the contender that has felled the worker
NO_TIME, TIME_UP = "there was no time left", "its time was up"


def supervised(command, job, *, deadline, keep=lambda results: None, start=START, grace=GRACE):
    """Have workers measure all units of a `Job`.

    Parameters
    ----------
    command : list
        Starts a worker; the job is its last argument.
    deadline : float
        Of `time.monotonic`; a worker that is at work `grace` seconds after it is ended.
    keep : callable
        Given the results so far whenever there is another.

    Returns
    -------
    dict of unit -> result
        What the worker found, or "failed" and why.
    """
    results, pending, left_out = {}, list(job.units), {}
    while pending:
        left = deadline - time.monotonic()
        if left <= 0:
            results |= {unit: {"failed": NO_TIME} for unit in pending}
            break
        what = job._replace(units=pending, seconds=left, left_out=left_out)
        before = len(pending)
        unit, doing, reason = _heard(command, what, pending, results, deadline + grace, keep, start)
        if not pending:
            break
        if not doing and len(pending) < before:  # it ended with a unit that failed: another goes on with the next
            continue
        if unit is None:  # it did not come as far as a unit, nor would another
            results |= {unit: {"failed": reason} for unit in pending}
            break
        say(f"{job.section}: {unit}: {doing}: {reason}")
        known = left_out.setdefault(unit, {})
        if doing and doing != unit and doing not in known and len(known) < MOST_RETRIES and time.monotonic() < deadline:
            known[doing] = reason
        else:
            results[unit] = {"failed": f"{doing}: {reason}"}
            pending.remove(unit)
    keep(results)
    return results


def _heard(command, job, pending, results, deadline, keep, patience):
    """Follow a worker to its end; units that it has done leave `pending`. Returns what it was at, and why it ended."""
    unit, doing = None, ""
    with Worker([*command, str(job)]) as worker:
        while True:
            try:
                message = worker.hear(min(patience, deadline - time.monotonic()))
            except queue.Empty:
                late = time.monotonic() >= deadline
                return unit, doing, TIME_UP if late else f"nothing was heard of it for {patience:.0f} s"
            if message is None:
                return unit, doing, worker.epitaph()
            if "fatal" in message:
                return None, "", message["fatal"]
            if "broken" in message:
                return unit, doing, message["broken"]
            unit = message["unit"]
            if "result" in message:
                results[unit] = message["result"]
                pending.remove(unit)
                keep(results)
                unit, doing = (pending[0] if pending else None), ""
            else:
                doing, patience = message["doing"], message["seconds"]
