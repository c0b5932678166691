"""The process that has the GPU: measures the units of a section and says on its standard output, in lines of JSON, what it does and finds.

A process of its own because a kernel that hangs or reads what it must not takes its process with it: the supervisor then begins another.
"""

import json
import os
import signal
import time
import traceback

from common.timing import say

from . import programs
from .jobs import Context, Job
from .rounds import Broken, first_line
from .sections import SECTIONS
from .stands import Gpu, Simulated
from .supervisor import NO_TIME

DEVICE = "device"  # the pseudo section that tells what the device is


class Channel:
    """The standard output as it was; what libraries print goes to standard error from now on."""

    def __init__(self):
        self.file = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)

    def send(self, **message):
        self.file.write(json.dumps(message, default=_plain) + "\n")
        self.file.flush()


def _plain(value):
    """A number of NumPy or CuPy as JSON has it."""
    return value.item() if hasattr(value, "item") else str(value)


def _ended(*_):
    programs.end_running()
    os._exit(1)


def work(text):
    """Do a `Job`. Returns an exit status."""
    signal.signal(signal.SIGTERM, _ended)
    job, channel = Job.read(text), Channel()
    deadline = time.perf_counter() + job.seconds
    try:
        stand = Simulated() if job.dry_run else Gpu()
    except Exception as error:
        channel.send(fatal=first_line(error))
        return 1
    if job.section == DEVICE:
        channel.send(unit=DEVICE, result=stand.facts())
        return 0
    section = SECTIONS[job.section].module
    with stand.forced():
        for at, unit in enumerate(job.units):
            left = deadline - time.perf_counter()
            if left <= 0:
                channel.send(unit=unit, result={"failed": NO_TIME})
                continue

            def tell(doing, seconds, unit=unit):
                channel.send(unit=unit, doing=doing, seconds=seconds)

            context = Context(left / (len(job.units) - at), left, job.left_out.get(unit, {}), job.dry_run, tell)
            say(f"{job.section}: {unit} ({context.seconds:.0f} s)")
            try:
                result = section.run(unit, stand, context)
            except Broken as error:
                channel.send(broken=f"{error}, and the device was of no more use to the process")
                return 1
            except Exception as error:
                traceback.print_exc()
                result = {"failed": first_line(error)}
                if not stand.healthy():
                    channel.send(unit=unit, result=result)
                    return 1
                stand.release()
            channel.send(unit=unit, result=result)
    return 0
