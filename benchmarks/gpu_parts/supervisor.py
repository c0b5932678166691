"""Starts workers, hears what they find, ends those that hang or overrun, and begins again without what has felled one."""

import collections
import json
import os
import queue
import signal
import subprocess
import threading
import time

from common.timing import say

START = 90  # seconds until a worker's first word: it imports CuPy, and PyTorch where peers are
GRACE = 15  # seconds beyond the deadline
MOST_RETRIES = 2  # of a unit, each without the contender that has felled the worker
NO_TIME, TIME_UP = "there was no time left", "its time was up"
_LEAVE = 3  # seconds that a worker has to go when told to
_LAST = 12  # lines of standard error that are kept for the reason


class _Worker:
    """A child in a process group of its own, which is ended with it."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        self.messages, self.last = queue.Queue(), collections.deque(maxlen=_LAST)
        self.readers = [
            threading.Thread(target=reader, daemon=True) for reader in (self._read_messages, self._read_errors)
        ]
        for reader in self.readers:
            reader.start()

    def _read_messages(self):
        with self.process.stdout as stream:
            for line in stream:
                if line.endswith("\n"):  # else it was ended in the middle of it
                    self.messages.put(json.loads(line))
        self.messages.put(None)

    def _read_errors(self):
        with self.process.stderr as stream:
            for line in stream:
                self.last.append(line.rstrip())
                say(f"  {line.rstrip()}")

    def hear(self, seconds):
        """The next message; None when there will be no more. `queue.Empty` when nothing comes in time."""
        return self.messages.get(timeout=max(0.1, seconds))

    def epitaph(self):
        """How it ended, in words."""
        status = self.process.wait()
        self.readers[1].join(2)
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        last = self.last[-1] if self.last and status else ""
        return f"the process {how}" + (f": {last[:200]}" if last else "")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()  # it ends the programs that it runs
            try:
                self.process.wait(_LEAVE)
            except subprocess.TimeoutExpired:  # it hangs in a call to the device
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        for reader in self.readers:
            reader.join(5)


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
    with _Worker([*command, str(job)]) as worker:
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
