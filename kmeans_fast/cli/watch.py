"""A command while it runs: its phases are shown and timed, compiling apart, and Ctrl-C ends a fit with what it has."""

import signal
import threading

from . import kernel_cache
from .progress import display, note
from .readers import Selection, read, text_options
from .stopwatch import Stopwatch

_WORDS = {
    "reading": "reading",
    "looking": "looking at the columns and preparing them",
    "preparing": "preparing",
    "choosing": "choosing k",
    "analysing": "analysing",
    "seeding": "choosing the first centroids",
    "iterating": "iterating",
    "last_pass": "last pass",
    "labelling": "labelling",
    "summary": "summing up",
    "writing": "writing",
}
_ITERATING = "iterating"


class Watch:
    """A context manager around a command's work, and the callback of its fit.

    Ctrl-C stops at once, as ever; but between the start of a fit's first iteration and `finished` the first one only
    asks it to end after the iteration under way, and the next one stops.
    """

    def __init__(self, quiet=False):
        self.display, self.stopwatch = display(quiet), Stopwatch()
        self.quiet = quiet
        self.interrupted = False
        self._has_results = False
        self._handler_before = None

    def __enter__(self):
        _listeners().append(self._compiles)
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._handler_before = signal.signal(signal.SIGINT, self._interrupt)
        self.display.__enter__()
        return self

    def __exit__(self, *_):
        try:
            self.display.__exit__()
        finally:
            if self._handler_before is not None:
                signal.signal(signal.SIGINT, self._handler_before)
            _listeners().remove(self._compiles)
            self.stopwatch.end()

    def on_phase(self, name):
        """A phase begins, the command's or the fit's."""
        self._has_results = self._has_results or name == _ITERATING
        self.stopwatch.begin(name)
        self.display.phase(_WORDS[name])

    def read(self, args, weights=None, expected=(), dtype=None, categories=None):
        """The `Table` of the file of a command line; the other parameters are those of `Selection` and of `read`."""
        self.on_phase("reading")
        selected = selection(args, weights, expected, categories)
        told = self.display.reading
        found = read(args.file, selected, text=text_options(args), dtype=dtype or args.dtype, progress=told)
        self.say(args.file, found.notes)
        return found

    def say(self, path, notes):
        """Print what there is to say about a file, line by line."""
        for line in () if self.quiet else notes:
            note(f"{path}: {line}")

    def __call__(self, progress):
        self.display.iteration(progress)
        return self.interrupted

    def finished(self):
        """The fit is over: Ctrl-C stops at once again."""
        self._has_results = self.display.ending = False

    def _interrupt(self, number, frame):
        if self.interrupted or not self._has_results:
            signal.default_int_handler(number, frame)
        self.interrupted = self.display.ending = True

    def _compiles(self, kernel, seconds):
        self.stopwatch.compiled(kernel, seconds)
        kept = ", once on this machine" if kernel_cache.contents()["writable"] else ""
        self.display.compiling(f"{kernel}{kept}" if seconds is None else None)


def selection(args, weights, expected, categories):
    """What a command line chooses of a file; `expected` and `categories` are a model's."""
    categories = getattr(args, "categories", categories)
    return Selection(args.columns, weights, expected, categories, hasattr(args, "missing"))


def _listeners():
    from ..kernels.cpu.runtime import compiling

    return compiling.listeners
