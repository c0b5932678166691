"""What a command spends its time on, compiling apart."""

import time

from ..engine.events import Clock


class Stopwatch(Clock):
    """A clock for the phases of a command, without compiling.

    Attributes
    ----------
    compiling : float
        Seconds of compiling, in whatever phase.
    kernels : list of str
        What was compiled.
    """

    def __init__(self):
        super().__init__()
        self.compiling, self.kernels = 0.0, []
        self._under_way, self._compiling_since = 0, 0.0

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
