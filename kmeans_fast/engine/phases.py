"""What a fit spends its time on: as its result says, and as a callback with a method ``on_phase`` is told meanwhile."""

import time

PREPARING, SEEDING, ITERATING, LAST_PASS = NAMES = ("preparing", "seeding", "iterating", "last_pass")


class Phases:
    """A clock for the phases of a fit, of which one begins where the one before ends.

    Attributes
    ----------
    seconds : dict of str to float
        What each phase has taken so far, all runs together.
    """

    def __init__(self, callback=None):
        listener = getattr(callback, "on_phase", None)
        self._listener = listener if callable(listener) else None
        self.seconds = dict.fromkeys(NAMES, 0.0)
        self._name, self._since = None, 0.0

    def begin(self, name):
        """End the phase before and begin this one, of `NAMES`."""
        self.end()
        self._name, self._since = name, time.perf_counter()
        if self._listener is not None:
            self._listener(name)

    def end(self):
        """End the phase, if there is one."""
        if self._name is not None:
            self.seconds[self._name] += time.perf_counter() - self._since
            self._name = None
