"""Times of several contenders in interleaved rounds, A B C A B C: a slow minute of the machine hits all of them."""

import statistics
import sys
import time
from typing import NamedTuple

# Seconds. OpenMP and OpenBLAS threads spin on after a parallel region and would take a core from the next contender.
PAUSE = 0.25
# Seconds below which a run is done once more after the rest, untimed: threads are asleep by then and caches cold, which would be most of it.
SHORT = 0.05


class Rounds(NamedTuple):
    """What one contender did."""

    seconds: list  # of every run
    result: object  # of the last run; None if there was none
    skipped: str  # why there was none, or why there were fewer than the others'

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
    started = time.perf_counter()
    result = function()
    return time.perf_counter() - started, result


def interleaved(tasks, rounds, *, limit, budget, pause=PAUSE):
    """Run every task once a round.

    Parameters
    ----------
    tasks : dict of name -> (warm_up, run, scale)
        Two functions without arguments. The warm-up takes thread pools and page faults out of the timed runs, and shows
        whether one is affordable: a run takes `scale` times as long.
    rounds : int
    limit : float
        Seconds; a task whose one run would take longer is skipped.
    budget : float
        Seconds that the runs of a task may take together; a task that would exceed it stops with fewer rounds, never
        with none.
    pause : float
        Seconds of rest before every run; after it, one of less than `SHORT` seconds is first done untimed.

    Returns
    -------
    dict of name -> Rounds
    """
    seconds = {name: [] for name in tasks}
    results, reasons, short = dict.fromkeys(tasks), dict.fromkeys(tasks, ""), {}
    for name, (warm_up, _, scale) in tasks.items():
        try:
            expected = timed(warm_up)[0] * scale
            short[name] = expected < SHORT
        except Exception as error:  # a peer that fails is a line of the report, not its end
            reasons[name] = f"failed: {type(error).__name__}: {error}"
            continue
        if expected > limit:
            reasons[name] = f"one run would take about {expected:.0f} s (limit {limit:.0f} s)"
    active = [name for name in tasks if not reasons[name]]
    for _ in range(rounds):
        for name in list(active):
            spent = seconds[name]
            if spent and sum(spent) + min(spent) > budget:
                reasons[name] = f"{len(spent)} of {rounds} rounds: {budget:.0f} s are used up"
                active.remove(name)
                continue
            time.sleep(pause)
            try:
                if short[name]:
                    tasks[name][1]()
                taken, results[name] = timed(tasks[name][1])
            except Exception as error:  # as above
                reasons[name] = f"failed: {type(error).__name__}: {error}"
                active.remove(name)
                continue
            spent.append(taken)
            if taken > limit:
                reasons[name] = f"{len(spent)} of {rounds} rounds: a run took {taken:.0f} s (limit {limit:.0f} s)"
                active.remove(name)
    return {name: Rounds(seconds[name], results[name], reasons[name]) for name in tasks}
