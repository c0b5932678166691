"""Times of several contenders in interleaved rounds, A B C A B C: a slow minute of the machine hits all of them.

No contender can end a benchmark by failing: what it raises is a line of the report.
"""

import math
import statistics
import sys
import time

from .jobs import ALONE
from .stands import HOST

# Seconds. OpenMP and OpenBLAS threads spin on after a parallel region and would take a core from the next contender.
PAUSE = 0.25
# Seconds below which a run is done once more after the rest, untimed: threads are asleep by then and caches cold, which
# would be most of it.
SHORT = 0.05


class Refused(Exception):
    """A contender is not to be measured; the message is the reason."""


class Broken(RuntimeError):
    """What ran has left the device unusable for this process."""


class Rounds:
    """What was measured of one contender: pairs of seconds and result, unless its measure returns something else."""

    def __init__(self, skipped=""):
        self.values, self.skipped = [], skipped  # why there is nothing, or less than of the others

    @property
    def seconds(self):
        return [seconds for seconds, _ in self.values]

    @property
    def result(self):
        return self.values[-1][1]

    @property
    def best(self):
        return min(self.seconds)

    @property
    def median(self):
        return statistics.median(self.seconds)


def say(message):
    """Progress, for whoever waits; tables go to stdout."""
    print(message, file=sys.stderr, flush=True)


def timed(function):
    """Seconds that ``function()`` took, and what it returned."""
    return HOST.timed(function)


def first_line(error):
    """What kind of error, and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}"[:300] if lines else type(error).__name__


def guarded(stand, function, *arguments):
    """What `function` returns, and an empty reason; or None, and the reason why there is nothing.

    Raises
    ------
    Broken
        If the device is of no more use after it.
    """
    try:
        return function(*arguments), ""
    except Refused as refused:
        return None, str(refused)
    except Exception as error:
        reason = f"failed: {first_line(error)}"
    if not stand.healthy():
        raise Broken(reason)
    stand.release()
    return None, reason


def affordable(warm_up, run, *, scale=1.0, limit=math.inf):
    """What measures `run` by the host's clock. The warm-up takes thread pools and page faults out of the timed runs.

    Parameters
    ----------
    scale : float
        How many times as long as the warm-up a run takes.
    limit : float
        Seconds; `Refused` where a run would take longer.
    """
    expected = timed(warm_up)[0] * scale
    if expected > limit:
        raise Refused(f"one run would take about {expected:.0f} s (limit {limit:.0f} s)")

    def measure():
        if expected < SHORT:
            run()
        return timed(run)

    return measure


def interleaved(tasks, rounds, stand=HOST, context=ALONE, *, limit=math.inf, budget=None, seconds=math.inf, pause=0.0):
    """Get every task ready, then measure each once a round.

    Parameters
    ----------
    tasks : dict of name -> function
        Gets ready and returns a function that measures; or raises, `Refused` where that is no failure.
    rounds : int
        At most.
    limit : float
        Seconds of a measurement beyond which there is no further one.
    budget : float, optional
        Seconds that the measurements of a task may take together; it has one at least. By default twice its share of
        `seconds`.
    seconds : float
        Those of all tasks.
    pause : float
        Seconds of rest before every measurement.

    Returns
    -------
    dict of name -> Rounds
    """
    found, measures = {}, {}
    for name, ready in tasks.items():
        found[name] = Rounds(context.left_out.get(name, ""))
        if not found[name].skipped:
            context.tell(name)
            measures[name], found[name].skipped = guarded(stand, ready)
    active = [name for name in tasks if not found[name].skipped]
    budget = 2 * seconds / max(1, len(active)) if budget is None else budget
    used, deadline = dict.fromkeys(active, 0.0), time.perf_counter() + seconds
    for done in range(rounds):
        for name in list(active):
            average = used[name] / done if done else 0.0
            if done and (used[name] + average > budget or time.perf_counter() + average > deadline):
                found[name].skipped = f"{done} of {rounds} rounds: {min(budget, seconds):.0f} s are used up"
                active.remove(name)
                continue
            time.sleep(pause)
            context.tell(name, 60 + 3 * average)
            taken, (value, reason) = timed(lambda name=name: guarded(stand, measures[name]))
            used[name] += taken
            if not reason:
                found[name].values.append(value)
                if taken > limit:
                    reason = f"{done + 1} of {rounds} rounds: a run took {taken:.0f} s (limit {limit:.0f} s)"
            if reason:
                found[name].skipped = reason
                active.remove(name)
    return found
