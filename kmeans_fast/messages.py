"""Words for people: counts, and warnings that point at the caller."""

import sys
import warnings


def counted(number, noun):
    """``1 run``, ``2 runs``, ``1,000 runs``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def quoted(text):
    """A text of a file in quotes; of a long one its beginning."""
    return repr(text) if len(text) <= 60 else f"{text[:60]!r}... ({counted(len(text), 'character')})"


def warn(message, category):
    """Warn of the line outside of this package that called it, however deep inside this is said."""
    package, _, _ = __name__.partition(".")
    level, frame = 1, sys._getframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
