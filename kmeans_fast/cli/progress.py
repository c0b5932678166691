"""What a command tells of its progress on stderr: a line that is redrawn on a terminal, plain lines elsewhere."""

import contextlib
import math
import os
import shutil
import sys
import threading
import time

from ..messages import counted
from .tables import duration

_SECONDS_BETWEEN_LINES = 1.0
_SECONDS_BETWEEN_DRAWINGS = 0.2
ENDING = "ending after this iteration, Ctrl-C again stops at once"

_shown: list["Silent"] = []  # displays that are on the screen now: one at most


def display(quiet=False, stream=None):
    """A `Bar` if `stream` (default: stderr) is a terminal that can redraw a line, else `Lines`; `Silent` if `quiet`."""
    stream = stream or sys.stderr
    if quiet:
        return Silent(stream)
    return (Bar if stream.isatty() and os.environ.get("TERM") != "dumb" else Lines)(stream)


def note(text):
    """Print a line on stderr, above what is redrawn there."""
    (_shown[-1] if _shown else Silent()).note(text)


class Silent:
    """No progress: the interface of the others, and a context manager while which they may write."""

    def __init__(self, stream=None):
        self.stream = stream or sys.stderr
        self.ending = False  # whether the fit was asked to end (set by a signal handler, so nothing is written then)

    def __enter__(self):
        _shown.append(self)
        return self

    def __exit__(self, *_):
        _shown.remove(self)

    def note(self, text):
        """Print a line."""
        self._write(f"{text}\n")

    def _write(self, text):
        with contextlib.suppress(OSError, ValueError):  # a terminal that has gone or a full log: no reason to fail
            self.stream.write(text)
            self.stream.flush()

    def phase(self, name):
        """What is done now, in a word or two."""

    def reading(self, fraction, text):
        """How far reading has come: the share that is done, None if it is not known, and what is read."""

    def working(self, fraction, text):
        """How far a command that fits nothing has come: the share that is done, and what is."""

    def compiling(self, kernel):
        """A kernel is being compiled, in words; None: no more."""

    def expect(self, n_samples, n_init, max_iter):
        """A fit of so many rows, runs and iterations a run at most follows."""

    def iteration(self, progress):
        """Take note of a `kmeans_fast.Progress`."""


class Lines(Silent):
    """A line for the first iteration, then one a second at most: right for logs."""

    def __init__(self, stream=None):
        super().__init__(stream)
        self.last = -math.inf
        self.n_samples = self.n_init = self.max_iter = 1
        self.has_compiled = False

    def working(self, fraction, text):
        self.note(f"{text} ({fraction:.0%})")

    def compiling(self, kernel):
        if kernel is not None and not self.has_compiled:
            self.has_compiled = True
            self.note("compiling the kernels for this machine")

    def expect(self, n_samples, n_init, max_iter):
        self.n_samples, self.n_init, self.max_iter = n_samples, n_init, max_iter

    def iteration(self, progress):
        now = time.monotonic()
        if now - self.last >= _SECONDS_BETWEEN_LINES or self.ending:
            self.last = now
            self.note(self.text(progress) + (f"; {ENDING}" if self.ending else ""))

    def text(self, progress):
        """The iteration in words."""
        run = f"run {progress.run + 1}/{self.n_init}, " if self.n_init > 1 else ""
        moved = progress.changed / self.n_samples
        limit = f"/{self.max_iter}" if progress.stage == 0 else f" (breath {(progress.stage + 1) // 2})"
        return f"{run}iteration {progress.iteration}{limit}, inertia {progress.inertia:.6g}, {moved:.2%} moved"


class Bar(Lines):
    """One line, redrawn by a thread, so that its clock runs while the command is busy; gone when the work is over."""

    def __init__(self, stream=None):
        super().__init__(stream)
        blocks = "utf" in (getattr(self.stream, "encoding", None) or "").lower()
        self.full, self.empty = ("━", "─") if blocks else ("#", ".")
        self.started = time.monotonic()
        self.fitting, self.run, self.share = False, 0, 0.0
        self.doing, self.kernel = "starting", None
        self.lock, self.over = threading.Lock(), threading.Event()
        self.thread = threading.Thread(target=self._redraw, name="kmeans-fast progress", daemon=True)

    def __enter__(self):
        super().__enter__()
        self._draw()
        self.thread.start()
        return self

    def __exit__(self, *_):
        super().__exit__()
        self.over.set()
        with self.lock:
            self._write("\r\x1b[K")

    def note(self, text):
        with self.lock:
            self._write(f"\r\x1b[K{text}\n")

    def phase(self, name):
        self.doing = name
        if not self.fitting:
            self.share = 0.0
        self._draw()

    def reading(self, fraction, text):
        self.doing, self.share = f"reading, {text}", 0.0 if fraction is None else min(max(fraction, 0.0), 1.0)

    def working(self, fraction, text):
        self.doing, self.share = text, fraction
        self._draw()

    def compiling(self, kernel):
        self.kernel = kernel
        self._draw()

    def expect(self, n_samples, n_init, max_iter):
        super().expect(n_samples, n_init, max_iter)
        self.fitting, self.run, self.share = True, 0, 0.0

    def iteration(self, progress):
        if progress.run != self.run:
            self.run, self.share = progress.run, 0.0
        self.share = max(self.share, self.settled(progress))
        self.doing = self.text(progress)
        now = time.monotonic()
        if now - self.last >= _SECONDS_BETWEEN_DRAWINGS:
            self.last = now
            self._draw()

    def settled(self, progress):
        """An estimate of how much of a run is done, from the logarithm of the rows that move: they die out so.

        How many breaths follow is not known.
        """
        if progress.stage > 0:
            return 1.0
        moving = math.log1p(progress.changed) / math.log1p(self.n_samples)
        return max(1.0 - moving, progress.iteration / self.max_iter)

    def _redraw(self):
        while not self.over.wait(_SECONDS_BETWEEN_DRAWINGS):
            self._draw()

    def _draw(self):
        with self.lock:
            if not self.over.is_set():
                self._write(f"\r\x1b[K{self._line()}")

    def _line(self):
        elapsed = time.monotonic() - self.started
        doing = self.doing if self.kernel is None else f"compiling {self.kernel}"
        doing = ENDING if self.ending else doing
        tail = f" {doing}, {duration(elapsed)}" if elapsed >= 0.1 else f" {doing}"
        columns = shutil.get_terminal_size().columns - 1
        width = max(0, min(30, columns - len(tail)))
        done = round(width * (self.run + self.share) / self.n_init)
        return (self.full * done + self.empty * (width - done) + tail)[:columns]


def outcome(n_iter, end, max_iter, n_init):
    """How the (best) run ended, in words; `end` is "converged", "interrupted" or empty."""
    end = end or f"stopped at the limit of {counted(max_iter, 'iteration')}"
    return f"{n_iter} ({end}{f'; best of {n_init} runs' if n_init > 1 else ''})"
