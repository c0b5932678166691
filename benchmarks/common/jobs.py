"""What is asked of a worker process, and what a section is told when it measures."""

import json
import math
from collections.abc import Callable
from typing import NamedTuple


class Section(NamedTuple):
    """A part of a benchmark; it is measured unit by unit."""

    units: Callable  # units(options) gives their names
    run: Callable  # run(unit, stand, context) gives a result, as plain values for JSON
    share: float = 1.0  # of the time, relative to the other sections'
    least: float = 0.0  # seconds without which it is not begun


class Job(NamedTuple):
    """A section, or what is left of it."""

    section: str
    units: list  # names, in order
    seconds: float
    left_out: dict = {}  # unit -> contender -> why it is left out
    dry_run: bool = False  # tiny sizes
    options: dict = {}

    def __str__(self):
        return json.dumps(self._asdict(), default=str)

    @classmethod
    def read(cls, text):
        return cls(**json.loads(text))


def _unheard(doing, seconds=0.0):
    """Nobody waits for a word."""


class Context(NamedTuple):
    """What a section knows of the run when it measures a unit."""

    seconds: float = math.inf  # for this unit
    left: float = math.inf  # for this unit and all that come after it
    left_out: dict = {}  # contenders that are not to run, and why
    dry_run: bool = False
    # tell(doing, seconds): what is done next, and how long the supervisor is to wait for the next word
    tell: Callable = _unheard
    options: dict = {}


ALONE = Context()
