"""What the texts of options mean: functions that `argparse` calls with them. Imports nothing heavy, like `parser`."""

import argparse
from pathlib import Path

from ..parameters import PARAMETERS
from ..preparation.defaults import FAR

_MOST_NUMBERS = 100_000  # of clusters that are tried
COMPILED = ("fits", "bytes", "exponion", "bounds", "trees", "others", "weights", "batches", "silhouettes")


def delimiter(text):
    """One character, that a name may stand for."""
    value = {"tab": "\t", "\\t": "\t", "space": " "}.get(text, text)
    if len(value) != 1 or not value.isascii() or value in '"\r\n\0':
        raise argparse.ArgumentTypeError(f"must be one ASCII character, 'tab' or 'space', got {text!r}")
    return value


def encoding(text):
    """The name of an encoding."""
    try:
        "a".encode(text)
    except (LookupError, ValueError):
        raise argparse.ArgumentTypeError(f"must be an encoding that Python knows, got {text!r}") from None
    return text


def shape(text):
    """ROWS,COLUMNS as two numbers."""
    try:
        sizes = [int(part.replace("_", "")) for part in text.split(",")]
    except ValueError:
        sizes = []
    if len(sizes) != 2 or min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"must be ROWS,COLUMNS such as 1000000,16, got {text!r}")
    return tuple(sizes)


def numbers(text):
    """Numbers of clusters: 2:20 (both included), 10:100:10, or 2,4,8."""
    try:
        if ":" in text:
            first, last, *step = (int(part) for part in text.split(":"))
            found = range(first, last + 1, *step)
        else:
            found = sorted({int(part) for part in text.split(",")})
    except (ValueError, TypeError):
        found = []
    if found[_MOST_NUMBERS:]:
        raise argparse.ArgumentTypeError(f"must be at most {_MOST_NUMBERS:,} numbers, got {text!r}")
    found = sorted(found)
    if not found or found[0] < 1:
        raise argparse.ArgumentTypeError(f"must be numbers such as 2:20, 10:100:10 or 2,4,8, got {text!r}")
    return found


def compiled(text):
    """One of `COMPILED`."""
    if text not in COMPILED:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(COMPILED)}, got {text!r}")
    return text


def number_or_numbers(text):
    """A number of clusters, or several in question."""
    return numbers(text) if ":" in text or "," in text else by_rule(PARAMETERS["n_clusters"].rule)(text)


def path_ending(*endings):
    """A function that reads a path with one of these endings."""

    def parse(text):
        if Path(text).suffix.lower() not in endings:
            raise argparse.ArgumentTypeError(f"must end in {' or '.join(endings)}, got {text!r}")
        return Path(text)

    return parse


def by_rule(rule):
    """A function that reads what a rule of the table of parameters allows."""

    def read(text):
        try:
            return rule.read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def number_from(least):
    """A function that reads a whole number of at least `least`."""

    def read(text):
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, got {text!r}")
        return int(text)

    return read


def components(text):
    """A number of components, int, or a share of the variance, float."""
    try:
        value = int(text) if text.isdigit() else float(text)
    except ValueError:
        value = 0
    if not (0 < value < 1 or (isinstance(value, int) and value >= 1)):
        raise argparse.ArgumentTypeError(f"must be a number of components, or a share below 1, got {text!r}")
    return value


def reach(text):
    """ "keep", or a number of interquartile ranges, of which "exclude" is the usual one."""
    if text in ("keep", "exclude"):
        return {"keep": "keep", "exclude": FAR}[text]
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be 'keep', 'exclude' or a number of at least 0, got {text!r}")
    return value
