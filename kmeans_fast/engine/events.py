"""What a fit tells while it runs: phases are timed, and a callback hears of them and of every iteration."""

import time

PREPARING, SEEDING, ITERATING, LAST_PASS = PHASES = ("preparing", "seeding", "iterating", "last_pass")


class Clock:
    """A clock for phases, of which one begins where the one before ends.

    Attributes
    ----------
    seconds : dict of str to float
        What each phase has taken so far.
    """

    def __init__(self, phases=()):
        self.seconds = dict.fromkeys(phases, 0.0)
        self._phase, self._since = None, 0.0

    def begin(self, phase):
        """End the phase before and begin this one."""
        self.end()
        self.seconds.setdefault(phase, 0.0)
        self._phase, self._since = phase, time.perf_counter()

    def end(self):
        """End the phase, if there is one."""
        if self._phase is not None:
            self.seconds[self._phase] += time.perf_counter() - self._since
            self._phase = None

    def so_far(self):
        """What each phase has taken, the one that has not ended included."""
        found = dict(self.seconds)
        if self._phase is not None:
            found[self._phase] += time.perf_counter() - self._since
        return found

    def go_on(self, seconds):
        """Add what phases took in another process, by name."""
        for phase, taken in seconds.items():
            self.seconds[phase] = self.seconds.get(phase, 0.0) + taken


class Events(Clock):
    """A clock for `PHASES`, all runs together, and the callback's ear.

    A callback is called with a `Progress` after every iteration. Methods ``on_phase(name)`` and
    ``on_breath(added, before, after)``, where it has them, are called when a phase begins and when a breath of the
    refinement is over.
    """

    def __init__(self, callback=None):
        super().__init__(PHASES)
        self._callback = callback
        self._on_phase, self._on_breath = (_method(callback, name) for name in ("on_phase", "on_breath"))

    def begin(self, phase):
        """End the phase before and begin this one."""
        super().begin(phase)
        if self._on_phase is not None:
            self._on_phase(phase)

    def iteration(self, progress, fetch):
        """An iteration is over; whether the callback ends the fit. ``fetch()`` gives the centroids."""
        return progress.told_to(self._callback, fetch)

    def breath(self, added, before, after):
        """A breath of `added` centroids is over: the least inertia before it, and the one that it came to."""
        if self._on_breath is not None:
            self._on_breath(added, before, after)


def _method(callback, name):
    method = getattr(callback, name, None)
    return method if callable(method) else None
