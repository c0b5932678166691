"""Progress of a fit on stderr: a bar on a terminal, plain lines elsewhere."""

import math
import os
import shutil
import sys
import time

from .tables import counted, duration

_SECONDS_BETWEEN_LINES = 1.0
_SECONDS_BETWEEN_DRAWINGS = 0.05


def reporter(n_samples, n_init, max_iter, stream=None):
    """A `Bar` if `stream` (default: stderr) is a terminal that can redraw a line, else `Lines`."""
    stream = stream or sys.stderr
    redraws = stream.isatty() and os.environ.get("TERM") != "dumb"
    return (Bar if redraws else Lines)(n_samples, n_init, max_iter, stream)


class Silent:
    """No progress: the interface of the others, a context manager and a callback."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def __call__(self, progress):
        """Take note of a `kmeans_fast.Progress`; returns None, so the fit goes on."""


class Lines(Silent):
    """A line for the first iteration, then one a second at most: right for logs."""

    def __init__(self, n_samples, n_init, max_iter, stream):
        self.n_samples, self.n_init, self.max_iter, self.stream = n_samples, n_init, max_iter, stream
        self.last = -math.inf

    def __call__(self, progress):
        now = time.monotonic()
        if now - self.last >= _SECONDS_BETWEEN_LINES:
            self.last = now
            print(self.text(progress), file=self.stream, flush=True)

    def text(self, progress):
        """The iteration in words."""
        run = f"run {progress.run + 1}/{self.n_init}, " if self.n_init > 1 else ""
        moved = progress.changed / self.n_samples
        limit = f"/{self.max_iter}" if progress.stage == 0 else f" (breath {(progress.stage + 1) // 2})"
        return f"{run}iteration {progress.iteration}{limit}, inertia {progress.inertia:.6g}, {moved:.2%} moved"


class Bar(Lines):
    """One line, redrawn; it is gone when the fit is over."""

    def __init__(self, n_samples, n_init, max_iter, stream):
        super().__init__(n_samples, n_init, max_iter, stream)
        blocks = "utf" in (getattr(stream, "encoding", None) or "").lower()
        self.full, self.empty = ("━", "─") if blocks else ("#", ".")
        self.started, self.run, self.share = time.monotonic(), 0, 0.0

    def __enter__(self):
        self._draw("choosing the first centroids")
        return self

    def __exit__(self, *_):
        self.stream.write("\r\x1b[K")
        self.stream.flush()

    def __call__(self, progress):
        if progress.run != self.run:
            self.run, self.share = progress.run, 0.0
        self.share = max(self.share, self.settled(progress))
        now = time.monotonic()
        if now - self.last >= _SECONDS_BETWEEN_DRAWINGS:
            self.last = now
            self._draw(self.text(progress))

    def settled(self, progress):
        """An estimate of how much of a run is done, from the logarithm of the rows that move: they die out so. How many breaths follow is not known."""
        if progress.stage > 0:
            return 1.0
        moving = math.log1p(progress.changed) / math.log1p(self.n_samples)
        return max(1.0 - moving, progress.iteration / self.max_iter)

    def _draw(self, text):
        elapsed = time.monotonic() - self.started
        tail = f" {text}, {duration(elapsed) if elapsed >= 0.1 else 'started'}"
        columns = shutil.get_terminal_size().columns - 1
        width = max(0, min(30, columns - len(tail)))
        done = round(width * (self.run + self.share) / self.n_init)
        line = self.full * done + self.empty * (width - done) + tail
        self.stream.write(f"\r\x1b[K{line[:columns]}")
        self.stream.flush()


def outcome(n_iter, max_iter, converged, n_init):
    """How the (best) run ended, in words."""
    end = "converged" if converged else f"stopped at the limit of {counted(max_iter, 'iteration')}"
    return f"{n_iter} ({end}{f'; best of {n_init} runs' if n_init > 1 else ''})"
