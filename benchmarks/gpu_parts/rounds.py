"""Runs of several contenders in interleaved rounds, A B C A B C, none of which can end the benchmark by failing."""

import statistics
import time


class Broken(RuntimeError):
    """What ran has left the device unusable for this process."""


def first_line(error):
    """What kind of error, and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}"[:300] if lines else type(error).__name__


def guarded(stand, function, *arguments):
    """What `function` returns, and an empty reason; or None, and the reason why it failed.

    Raises
    ------
    Broken
        If the device is of no more use after it.
    """
    try:
        return function(*arguments), ""
    except Exception as error:  # whatever a contender raises is a line of the report
        reason = f"failed: {first_line(error)}"
    if not stand.healthy():
        raise Broken(reason)
    stand.release()
    return None, reason


def prepared(contenders, stand, context, prepare):
    """Get every contender ready that is not left out.

    Parameters
    ----------
    prepare : callable
        ``prepare(contender, result)`` gives a function that measures, or None having put the reason into ``result["skipped"]``.

    Returns
    -------
    results : dict of name -> dict
        With "skipped" where there is nothing to measure.
    measures : dict of name -> function
        For `interleaved`.
    """
    results, measures = {contender.name: {} for contender in contenders}, {}
    for contender in contenders:
        name = contender.name
        if name in context.left_out:
            results[name]["skipped"] = context.left_out[name]
            continue
        context.tell(name, 75)
        measure, reason = guarded(stand, prepare, contender, results[name])
        if reason or measure is None:
            results[name].setdefault("skipped", reason)
            contender.close()
        else:
            measures[name] = measure
    return results, measures


class Rounds:
    """What was measured of each contender, and why of some there is nothing, or less than of the others."""

    def __init__(self, names):
        self.values = {name: [] for name in names}
        self.reasons = dict.fromkeys(names, "")


def interleaved(measures, stand, *, rounds, seconds, tell):
    """Call every measure once a round.

    Parameters
    ----------
    measures : dict of name -> function without arguments
        Warmed up. What it returns is kept.
    rounds : int
        At most.
    seconds : float
        That all may use together. Each has one call at least, and no more calls than twice its share has room for.
    tell : callable
        Told the name and a patience in seconds before each call.

    Returns
    -------
    Rounds
    """
    result = Rounds(measures)
    active, used = list(measures), dict.fromkeys(measures, 0.0)
    deadline = time.perf_counter() + seconds
    for done in range(rounds):
        for name in list(active):
            spent, share = used[name], 2 * seconds / max(1, len(measures))
            average = spent / done if done else 0.0
            if done and (time.perf_counter() + average > deadline or spent + average > share):
                result.reasons[name] = f"{done} of {rounds} rounds in the time there was"
                active.remove(name)
                continue
            tell(name, 60 + 3 * average)
            started = time.perf_counter()
            value, reason = guarded(stand, measures[name])
            used[name] += time.perf_counter() - started
            if reason:
                result.reasons[name] = reason
                active.remove(name)
            else:
                result.values[name].append(value)
    return result


def summary(seconds):
    """Median and least of times in seconds, in ms."""
    return {"median": 1e3 * statistics.median(seconds), "min": 1e3 * min(seconds)}
