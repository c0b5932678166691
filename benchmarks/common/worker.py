"""The other end of a worker process: it measures, and says what it does and finds in lines of JSON.

A process of its own because a kernel that hangs or reads what it must not takes its process with it: the supervisor
then begins another.
"""

import contextlib
import json
import os
import signal
import sys
import time
import traceback

from . import processes
from .jobs import Context, Job
from .supervisor import NO_TIME
from .timing import Broken, first_line, say

PATIENCE = 75  # seconds that the supervisor waits for the next word, unless a section says more


class Channel:
    """The standard output as it was; what libraries print goes to standard error from now on."""

    def __init__(self):
        self.file = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)

    def send(self, message):
        self.file.write(json.dumps(message, default=_plain) + "\n")
        self.file.flush()


def _plain(value):
    """A number of NumPy or CuPy as JSON has it."""
    return value.item() if hasattr(value, "item") else str(value)


def _ended(*_):
    processes.end_running()
    os._exit(1)


def answer(function):
    """Answer every question on standard input with what `function` returns, or with how it "failed"."""
    channel = Channel()
    for line in sys.stdin:
        try:
            found = function(json.loads(line))
        except Exception as error:
            traceback.print_exc()
            found = {"failed": first_line(error)}
        channel.send(found)
    return 0


def work(text, sections, make_stand):
    """Do a `Job` of one of the sections on the stand that is made. Returns an exit status."""
    signal.signal(signal.SIGTERM, _ended)
    job, channel = Job.read(text), Channel()
    deadline = time.perf_counter() + job.seconds
    section, patience = sections[job.section], job.options.get("patience", PATIENCE)
    with contextlib.ExitStack() as kept:
        try:
            stand = make_stand(job.dry_run)
            kept.enter_context(stand.forced())
        except Exception as error:
            channel.send({"fatal": first_line(error)})
            return 1
        for at, unit in enumerate(job.units):
            left = deadline - time.perf_counter()
            if left <= 0:
                channel.send({"unit": unit, "result": {"failed": NO_TIME}})
                continue

            def tell(doing, seconds=0.0, unit=unit):
                channel.send({"unit": unit, "doing": doing, "seconds": max(patience, seconds)})

            seconds, left_out = left / (len(job.units) - at), job.left_out.get(unit, {})
            say(f"{job.section}: {unit}" + (f" ({seconds:.0f} s)" if job.seconds < 1e9 else ""))
            tell(unit)
            try:
                context = Context(seconds, left, left_out, job.dry_run, tell, job.options)
                result = section.run(unit, stand, context)
            except Broken as error:
                channel.send({"broken": f"{error}, and the device was of no more use to the process"})
                return 1
            except Exception as error:
                traceback.print_exc()
                result = {"failed": first_line(error)}
                if not stand.healthy():
                    channel.send({"unit": unit, "result": result})
                    return 1
                stand.release()
            channel.send({"unit": unit, "result": result})
    return 0
