"""What a command spends its time on, compiling apart."""

import time


class Stopwatch:
    """A clock for the phases of a command, of which one begins where the one before ends.

    Attributes
    ----------
    seconds : dict of str to float
        By phase, in the order in which they began, without compiling.
    compiling : float
        Seconds of compiling, in whatever phase.
    kernels : list of str
        What was compiled.
    """

    def __init__(self):
        self.seconds, self.compiling, self.kernels = {}, 0.0, []
        self._phase, self._since = None, 0.0
        self._under_way, self._compiling_since = 0, 0.0

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

    def compiled(self, kernel, seconds):
        """A compilation begins (`seconds` is None) or ends. One may happen inside another; its time is counted once."""
        now = time.perf_counter()
        if seconds is None:
            self._under_way += 1
            if self._under_way == 1:
                self._compiling_since = now
            return
        self.kernels.append(kernel)
        self._under_way -= 1
        if self._under_way == 0:
            took = now - self._compiling_since
            self.compiling += took
            self._since += took
